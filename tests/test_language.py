"""Two languages: whatever is said has its translation, and every translation is of something that is said.

So a new sentence without its translation fails here, and so does a translation that nobody needs.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import preflight
from preflight.cli import group
from preflight.cli.language import of_locale
from preflight.demo import sample_media
from preflight.language import catalogue, later, say, speak, speaking, spoken, told
from preflight.render.catalogue import story
from preflight.render.examples import examples
from preflight.rules import RULES
from tests import docs_gen
from tests.said import (
    ENGLISH,
    HAN,
    MODULES,
    PLACE,
    ROOT,
    calls,
    declared,
    details,
    everything,
    lines,
    literals,
    shape,
    tables,
)

if TYPE_CHECKING:
    from preflight.findings import Finding
    from preflight.rules.model import Rule


# ------------------------------------------------------------------------------------------- completeness


def test_every_text_that_is_said_has_a_translation() -> None:
    """`say("…")`, `later("…")`, the rules' declarations, the words of profiles and links."""
    wanted = literals() | declared() | tables()
    known = catalogue("zh")
    assert len(wanted) > 700, "the walk found next to nothing: it is the walk that is broken"
    assert {text: place for text, place in wanted.items() if text not in known} == {}


def test_every_detail_of_facts_has_a_translation() -> None:
    """A sentence of deliver or of a probe is recognised by its shape, whatever stands in its places."""
    known = {shape(text) for text in catalogue("zh")}
    assert len(details()) > 200, "the walk found next to nothing: it is the walk that is broken"
    assert {text: place for text, place in details().items() if text not in known} == {}


def test_nothing_is_said_that_cannot_be_looked_up() -> None:
    """An f-string inside `say` is another key with every value."""
    guilty = [
        f"{module}:{call.lineno}"
        for module, tree in MODULES.items()
        for call in calls(tree)
        if isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
    ]
    assert guilty == []


def test_every_translation_is_of_something_that_is_said() -> None:
    """A line whose English stands nowhere in the package is dead."""
    assert [(file, text) for file, text, _ in lines() if shape(text) not in everything()] == []


def test_a_text_is_translated_once() -> None:
    """Two files that translate the same text translate it alike."""
    found: dict[str, set[str]] = defaultdict(set)
    for _, text, translation in lines():
        found[text].add(translation)
    assert {text: versions for text, versions in found.items() if len(versions) > 1} == {}


# ----------------------------------------------------------------------------------------------- each line


def test_places_are_the_same() -> None:
    """A translation has the places of its text, in whatever order, and no brace that is none."""
    differing = [
        (file, text)
        for file, text, translation in lines()
        if set(PLACE.findall(text)) != set(PLACE.findall(translation))
        or (PLACE.search(text) and set("{}") & set(PLACE.sub("", translation)))
    ]
    assert differing == []


def test_commands_are_the_same() -> None:
    """What stands in backticks is typed, not read."""
    quoted = re.compile(r"`[^`]*`")
    changed = [
        (file, text)
        for file, text, translation in lines()
        if sorted(quoted.findall(text)) != sorted(quoted.findall(translation))
    ]
    assert changed == []


def test_a_translation_is_one() -> None:
    """It is not the English text again, and it has a word of Chinese in it, or a mark of its punctuation."""
    chinese = re.compile(f"[{HAN}\u3000-\u303f\uff00-\uffef]")
    assert [(file, text) for file, text, said in lines() if said == text or not chinese.search(said)] == []


def test_punctuation_and_spaces_are_those_of_chinese() -> None:
    """Full-width marks behind Chinese characters, and a space between them and Latin letters or digits."""
    slips = re.compile(f"[{HAN}][,;:?!]|[{HAN}]\\.(?:\\s|$)|[{HAN}][A-Za-z0-9]|[A-Za-z0-9][{HAN}]")
    prose = [(file, re.sub("`[^`]*`", "", said)) for file, _, said in lines()]
    assert [(file, match[0], said) for file, said in prose if (match := slips.search(said))] == []


# -------------------------------------------------------------------------------------- how sentences are told


def test_english_is_the_text_itself() -> None:
    """Without a word about the language everything is English."""
    assert spoken() == "en"
    assert say("the file is cut off") == "the file is cut off"
    assert say("{count:,} bytes", count=1234) == "1,234 bytes"
    assert told("there is no such file") == "there is no such file"
    assert later("x") == "x"


def test_a_language_lasts_as_long_as_its_block() -> None:
    """`speaking` gives the word back, also when the block ends in an exception."""
    with speaking("zh"):
        assert spoken() == "zh"
    assert spoken() == "en"
    with pytest.raises(KeyError), speaking("zh"):
        say("{missing}", other=1)
    assert spoken() == "en"


def test_what_a_context_speaks_others_do_not() -> None:
    """Two requests that are judged at once each have their own language."""
    other = copy_context()
    other.run(speak, "zh")
    assert other.run(spoken) == "zh"
    assert spoken() == "en"


def test_a_text_without_translation_is_said_in_english() -> None:
    """An unknown sentence stays as it is: no template that is little but places takes it for its own."""
    with speaking("zh"):
        assert say("no such text {value}", value=1) == "no such text 1"
        assert told("somebody's own words") == "somebody's own words"
        assert told("a: b. c or d (1 x 2)") == "a: b. c or d (1 x 2)"
        assert told("") == ""
        assert told("there is no such file" * 100) == "there is no such file" * 100


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("there is no such file", "没有这个文件"),
        ("the server forbids it (status 403)", "服务器拒绝访问（状态码 403）"),
        ("127.0.0.1, a loopback address", "127.0.0.1，环回地址"),
        ("example.com is 10.0.0.1, a private address", "example.com 解析为 10.0.0.1，私有地址"),
        ("a redirect leads to a URL that names no host", "重定向指向的 URL 没有主机名"),
        (
            "the server failed (status 500) (many times in a row, after which this URL was not asked for)",
            "服务器出错（状态码 500）（此前已连续多次得到同样的结果，因此未再请求这个 URL）",
        ),
        (
            "limits.video_size_max: no such key; did you mean 'by'?",
            "limits.video_size_max：没有这个键；是否想写 'by'？",
        ),
        ("name: wanted is a table, not 'x'; title: is missing", "name：应为表，而不是 'x'；title：缺失"),
    ],
)
def test_a_finished_sentence_is_recognised(english: str, chinese: str) -> None:
    """Also with values inside it, and where one sentence stands in another."""
    with speaking("zh"):
        assert told(english) == chinese


PIECES = st.sampled_from([*sorted(details()), ", ", "; ", ": ", " is ", "{", "}", "{}", "{0}", "(the last of many "])


@given(st.one_of(st.text(max_size=2000), st.lists(st.one_of(PIECES, st.text(max_size=9)), max_size=60).map("".join)))
def test_no_text_is_too_much_for_telling(text: str) -> None:
    """Whatever a stranger's file or server has put into a sentence: nothing raises, and nothing takes long."""
    started = time.process_time()
    with speaking("zh"):
        assert isinstance(told(text), str)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("unit", ["a", ", ", "; a", " (status ", "the URL the URL ", "an index of 1 samples in a box "])
def test_the_longest_sentences_are_told_in_no_time(unit: str) -> None:
    """Repetition is what makes a careless pattern slow."""
    with speaking("zh"):
        told("warm")
        started = time.process_time()
        told((unit * 1000)[:1000])
        assert time.process_time() - started < 0.2


# --------------------------------------------------------------------------------------------- who asks for it

MEDIA = sample_media()
TAIL = {
    "model": "kling-v2-6-motion-control",
    "image_url": f"{MEDIA}/portrait.jpg",
    "video_url": f"{MEDIA}/tail-10.02s.mp4",
    "character_orientation": "image",
    "mode": "1080p",
}


@cache
def stories() -> dict[str, Finding]:
    """What every rule says, in Chinese, of the case that explains it."""
    with speaking("zh"):
        return examples()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_whole_story_is_in_one_language(rule: Rule) -> None:
    """No clause of a finding is left in English, whatever a check has put together."""
    with speaking("zh"):
        whole = story(rule, stories().get(rule.id))
    for heading, text in whole:
        prose = re.sub("`[^`]*`", "", text)
        assert re.search(f"[{HAN}]", heading)
        assert re.search(f"[{HAN}]", prose)
        assert not ENGLISH.search(prose), prose


def test_the_library_answers_in_the_language_asked_for() -> None:
    """The sentences change and the words for programs do not; a caller's own context stays as it is."""
    english, chinese = preflight.check(TAIL), preflight.check(TAIL, lang="zh")
    assert spoken() == "en"
    assert chinese.verdict == english.verdict
    for ours, theirs in zip(chinese.findings, english.findings, strict=True):
        same = ("rule", "severity", "subject", "pointer", "observed", "limit")
        assert [getattr(ours, name) for name in same] == [getattr(theirs, name) for name in same]
        assert re.search(f"[{HAN}]", ours.message)
        assert not re.search(f"[{HAN}]", theirs.message + theirs.why + theirs.fix)
    assert chinese.estimate.assumptions
    assert all(re.search(f"[{HAN}]", text) for text in chinese.estimate.assumptions)


def test_the_library_speaks_as_its_context_does() -> None:
    """Without the option the context decides, also across the thread that does the work."""
    with speaking("zh"):
        report = preflight.check(TAIL)
    assert all(re.search(f"[{HAN}]", finding.message) for finding in report.findings)


def test_a_language_that_is_none_is_a_mistake() -> None:
    """One line, before anything is fetched."""
    with pytest.raises(preflight.UsageError, match="lang is 'en' or 'zh', not 'fr'"):
        preflight.check(TAIL, lang="fr")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "zh_TW.UTF-8", "LC_MESSAGES": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
        ({"LANG": "zha_CN"}, "en"),
    ],
)
def test_a_locale_is_read_as_the_c_library_reads_it(environ: dict[str, str], language: str) -> None:
    """LC_ALL before LC_MESSAGES before LANG; an empty one says nothing."""
    assert of_locale(environ) == language


def test_every_command_takes_the_option() -> None:
    """The commands below a command, too."""
    contexts = list(docs_gen.contexts(group, "preflight"))
    assert len(contexts) > 8
    missing = [item.command_path for item in contexts if all(option.name != "lang" for option in item.command.params)]
    assert missing == []


CHINESE, ENGLISH_TITLE = "这一行不是请求", "The row is no request"
RULES_AS_JSON = ("rules", "--format", "json")


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (("rules",), {}, ENGLISH_TITLE),
        (("rules", "--lang", "zh"), {}, CHINESE),
        (("--lang", "zh", "rules"), {}, CHINESE),
        (("--lang", "zh", "rules", "--lang", "en"), {}, ENGLISH_TITLE),
        (("rules",), {"PREFLIGHT_LANG": "zh"}, CHINESE),
        (("--lang", "en", "rules"), {"PREFLIGHT_LANG": "zh"}, ENGLISH_TITLE),
        (("rules",), {"LC_ALL": "zh_CN.UTF-8"}, CHINESE),
        (RULES_AS_JSON, {"LC_ALL": "zh_CN.UTF-8"}, ENGLISH_TITLE),
        (RULES_AS_JSON, {"PREFLIGHT_LANG": "zh"}, CHINESE),
        ((*RULES_AS_JSON, "--lang", "zh"), {}, CHINESE),
    ],
)
def test_a_command_speaks_as_it_is_told(words: tuple[str, ...], environ: dict[str, str], said: str) -> None:
    """A flag before a variable before the locale; what programs read does not change with a locale."""
    done = _run(*words, **environ)
    assert done.returncode == 0
    assert said in done.stdout


def test_a_wrong_language_is_wrong_usage() -> None:
    """One line that names what there is, in the language of the reader."""
    done = _run("rules", "--lang", "fr")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "preflight rules: Invalid value for '--lang': 'fr' is not one of 'en', 'zh' (see: preflight rules --help)\n"
    )
    done = _run("explain", "vidoe-too-long", PREFLIGHT_LANG="zh")
    assert done.returncode == 2
    assert done.stderr.startswith("preflight explain：没有规则 'vidoe-too-long'；是否想写 video-too-long")


def _run(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    silent = dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LANG", "PREFLIGHT_LANG"), "")
    environ = os.environ | silent | {"PYTHONPATH": str(ROOT.parent), "PYTHONUTF8": "1", "COLUMNS": "100"} | changes
    command = [sys.executable, "-W", "error", "-m", "preflight", *words]
    return subprocess.run(command, env=environ, capture_output=True, encoding="utf-8", timeout=60, check=False)
