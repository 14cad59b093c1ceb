"""What a person reads in Chinese on the command line: help, mistakes, lines of any width, and audits.

What programs read does not follow a locale: results, and the formats for machines, are English until somebody asks.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from preflight import UsageError
from preflight.audit.auditor import request_of
from preflight.audit.columns import Columns, Record
from preflight.audit.jobs import read_jobs
from preflight.audit.model import BadRow
from preflight.audit.plan import plan
from preflight.audit.progress import Snapshot, one_line
from preflight.audit.summary import Tally
from preflight.cli import group
from preflight.cli.help import Context
from preflight.demo import sample_media
from preflight.language import catalogue, speaking, told
from preflight.profiles import load_profile
from preflight.render.audit import render_audit
from preflight.render.page import Page, wrapped
from preflight.render.summary import summary_text
from preflight.request import parse_request
from preflight.settings import settings_of
from tests.docs_gen import contexts
from tests.said import ENGLISH, HAN, ROOT, helps, lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHINESE = re.compile(f"[{HAN}]")
MEDIA = sample_media()
COLUMNS = "id,image_url,video_url,character_orientation,mode"


def _run(folder: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    silent = dict.fromkeys(("LC_MESSAGES", "LANG", "PREFLIGHT_LANG", "PREFLIGHT_CONFIG"), "")
    own = {"PYTHONPATH": str(ROOT.parent), "PYTHONUTF8": "1", "COLUMNS": "100", "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "preflight", *words],
        cwd=folder,
        env=os.environ | silent | own | changes,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def _english(text: str) -> list[str]:
    """Sentences that were left in English, but for commands, paths and what stands in quotes."""
    return [match[0] for match in ENGLISH.finditer(re.sub(r"`[^`]*`|'[^']*'|--?\S+", "", text))]


# --------------------------------------------------------------------------------------------------- help


def test_every_text_of_help_has_a_translation() -> None:
    """Commands, options and what stands below them; what click says itself, too."""
    assert len(helps()) > 100, "the walk found next to nothing: it is the walk that is broken"
    assert {text: place for text, place in helps().items() if text not in catalogue("zh")} == {}


@pytest.mark.parametrize("width", [50, 100])
def test_help_is_in_one_language_and_fits(width: int) -> None:
    """Only examples and URLs are longer than a line, as in English: they are to be copied."""
    for context in contexts(group, "preflight"):
        context.terminal_width, context.formatter_class = width, Context.formatter_class
        with speaking("zh"):
            text = context.command.get_help(context)
        assert text.startswith("用法：")
        rows = text.splitlines()
        body = rows[next(number for number, row in enumerate(rows) if not row) :]
        prose = [row for row in body if not re.match(r"\s+(?:preflight|cat|pbpaste|-\w|--\w|https:)", row)]
        assert _english("\n".join(prose)) == []
        assert max(map(cell_len, prose)) <= width


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("--lang", "zh", "check", "--help"), {}),
        (("check", "-h"), {"PREFLIGHT_LANG": "zh"}),
        (("--help",), {"LC_ALL": "zh_CN.UTF-8"}),
        ((), {"LC_ALL": "zh_CN.UTF-8"}),
    ],
)
def test_help_speaks_as_it_is_told(tmp_path: Path, words: tuple[str, ...], environ: dict[str, str]) -> None:
    """Where the language is known by then: before the command's name, by the variable, by the locale."""
    done = _run(tmp_path, *words, **environ)
    assert (done.stdout + done.stderr).startswith("用法：preflight")


# ------------------------------------------------------------------------------------------- lines of any width

TRANSLATIONS = sorted({said for _, _, said in lines() if "/" not in said and "`" not in said})


@given(st.lists(st.sampled_from(TRANSLATIONS), min_size=1, max_size=6).map("".join), st.integers(26, 120))
def test_no_line_of_chinese_is_wider_than_the_page(text: str, width: int) -> None:
    """Characters have two columns and no spaces between them: lines end behind them, and nothing is lost."""
    page = Page(width, color=False)
    page.line(text, 4)
    page.row("标签", text)
    assert max(map(cell_len, page.text().splitlines())) <= width
    assert re.sub(r"\s", "", page.text()) == re.sub(r"\s", "", f"{text}标签{text}")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=60), st.integers(10, 40))
def test_no_line_of_any_letters_is_wider_than_its_room(text: str, room: int) -> None:
    """But for a path or a URL, which stays whole."""
    for line in wrapped(text, room):
        assert cell_len(line) <= room or "/" in line
    assert "".join(wrapped(text, room)) == text


def test_a_line_ends_where_a_chinese_line_may() -> None:
    """Not before a mark that closes, nor behind one that opens; a path and a quotation stay whole."""
    text = "视频时长为 10.02 秒，超过（允许的）上限；运行 `preflight check` 查看 media/图片/参考.png，或者“这样”。"
    for room in range(26, 60):
        rows = wrapped(text, room)
        assert all(row[0] not in "，。；：）”" and row[-1] not in "（“" for row in rows)
        assert sum("media/图片/参考.png，" in row for row in rows) == 1
        assert sum("`preflight check`" in row for row in rows) == 1


# -------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello there",
        "[{}, {}]",
        "[1]",
        '{"model": 1, "model": 2}',
        '{"model": NaN}',
        '{"model": 1,}',
        '{"model": "x" "mode": 1}',
        '{"model": // no',
        "[" * 100_000,
        '{"model": ' + "1" * 5000 + "}",
        "```\n{}\n```\n```\n{}\n```",
        "curl https://x.example",
        "curl -d @a.json https://x.example",
        "curl -d '{}",
        'curl -d "$DATA" https://x.example',
        "curl -F a=b https://x.example",
        "x = {'model': f(), 'mode': 'std'}",
        "x = {'model': 1, 'mode': 2}\ny = {'model': 1, 'mode': 2}",
    ],
)
def test_a_request_that_cannot_be_read_is_told_in_chinese(text: str) -> None:
    """Every way in which a pasted text is no request."""
    with speaking("zh"), pytest.raises(UsageError) as caught:
        parse_request(text, "request.json")
    assert re.match(r"request\.json[：，]", str(caught.value))
    assert CHINESE.search(str(caught.value))
    assert _english(str(caught.value)) == []


@pytest.mark.parametrize(
    "change",
    [
        ("", "x = 1\n"),
        ('unit = "s"', 'unit = "px"'),
        ("value = 3\n", "value = -3\n"),
        ("value = 3\n", 'value = "x"\n'),
        ("value = 3\n", "value = 300\n"),
        ('title = "', 'titel = "'),
        ("checked = 20", "checked = 30"),
        ('"preflight.profile/1"', '"preflight.profile/9"'),
        ("[billing]", "[billing"),
    ],
)
def test_a_profile_that_does_not_hold_is_told_in_chinese(tmp_path: Path, change: tuple[str, str]) -> None:
    """What is wrong with a file of one's own, by the key that it stands under."""
    whole = (ROOT / "profiles" / "xcompute.toml").read_text("utf-8")
    assert change[0] in whole
    file = tmp_path / "own.toml"
    file.write_text(whole.replace(*change, 1) if change[0] else change[1] + whole, "utf-8")
    with speaking("zh"), pytest.raises(UsageError) as caught:
        load_profile(file)
    assert str(caught.value).startswith(f"限制配置 {file}：")
    assert _english(str(caught.value).partition("：不是 TOML：")[0]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audit",), "缺少参数"),
        (("check", "--mod", "std"), "没有选项 '--mod'"),
        (("check", "--price", "x"), "'--price' 的值无效：'x' 不是大于零的金额"),
        (("check", "-q", "-v", "--image", "a"), "-q 和 -v 相互矛盾"),
        (("check", "no.json"), "no.json：没有这个文件或目录"),
        (("check", "https://x.example/a?sig=secret"), "https://x.example/a?sig=… 是 URL，而不是请求文件"),
        (("check", "--proxy", "http://u:secret@h", "--image", "a"), "代理会自行解析主机名"),
        (("audit", "s3://u:secret@x/a.csv"), "s3://… ：不接受包含密码的 URL，因为"),
        (("audit", "k.csv"), "现有的列：id, input, mode"),
        (("audit", "k.csv", "--limit", "0"), "0 不在范围 x>=1 之内"),
        (("report", "."), "不是运行目录"),
        (("schema",), "可选：report, request, profile, media"),
    ],
)
def test_a_mistake_is_told_in_chinese(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """One line; what the caller has named stays as it is, and a secret is not in it."""
    (tmp_path / "k.csv").write_text("id,input,mode\n1,2,3\n", "utf-8")
    done = _run(tmp_path, "--lang", "zh", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


def test_names_of_columns_are_nobody_elses_words() -> None:
    """A column may be called as a word of ours that has a translation."""
    assert catalogue("zh")["input"]
    with speaking("zh"):
        assert told("no column input; the columns are input, run") == "没有 input 列；现有的列：input, run"


def test_a_file_that_is_no_table_is_told_in_chinese(tmp_path: Path) -> None:
    """What is wrong with an input as a whole, also where it is found while its rows are read."""
    cases = {
        "a.csv": b"PK\x03\x04",
        "b.csv": b"https://a.example/x.mp4\n",
        "c.csv": b"",
        "d.csv": "图片,视频\n1,2\n".encode("gb18030"),
        "e.jsonl": b"[\n{}\n]\n",
        "f.txt": b"https://a.example/x.mp4\n",
        "g.csv": b"clip,video,image_url\n1,2,3\n",
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with speaking("zh"), pytest.raises(UsageError) as caught:
            list(read_jobs(tmp_path / name))
        assert str(caught.value).startswith(f"{tmp_path / name}：")
        assert _english(str(caught.value)) == []


# ---------------------------------------------------------------------------------------------------- audits


@pytest.fixture(name="jobs")
def _jobs(tmp_path: Path) -> Path:
    """A folder with a table: a row that passes, one that warns, one that fails, and two that are no jobs."""
    image, rows = f"{MEDIA}/portrait.jpg", tmp_path / "jobs.csv"
    good, tail = f"{MEDIA}/dance-8s.mp4", f"{MEDIA}/tail-10.02s.mp4"
    table = (f"a,{image},{good},image,std", f"b,{image},{tail},image,std", f"c,{image},no.mp4,image,4k", "d,x", "e" * 9)
    rows.write_text("\n".join((COLUMNS, *table)) + "\n", "utf-8")
    return tmp_path


def _audit(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return _run(folder, "audit", "jobs.csv", "-o", "r.jsonl", "--cache", "off", *words, **environ)


def _messages(folder: Path) -> Iterator[str]:
    for line in (folder / "r.jsonl").read_text("utf-8").splitlines():
        yield from (found["message"] for found in json.loads(line)["findings"])


def test_a_locale_is_for_the_terminal_and_not_for_results(jobs: Path) -> None:
    """The summary is told in Chinese, and how to have the rows told like that; the file of results is not."""
    done = _audit(jobs, LC_ALL="zh_CN.UTF-8")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("✗ 5 行中有 3 行会被拒绝（60.0 %）")
    assert "--lang zh --rejudge jobs.csv.audit --run NEW" in done.stdout
    messages = list(_messages(jobs))
    assert "The request has no prompt." in messages
    assert not CHINESE.search("".join(messages))
    again = _audit(jobs, LC_ALL="de_DE.UTF-8")
    assert again.stdout.startswith("✗ 3 of 5 rows would be refused (60.0 %)")


def test_rows_are_told_in_the_language_that_was_asked_for(jobs: Path) -> None:
    """By every process that judges them; rows that are no jobs, too. Another language is another run, or a rejudge."""
    done = _audit(jobs, "--lang", "zh", "--processes", "2", "--report", "r.html")
    assert done.returncode == 1, done.stderr
    messages = list(_messages(jobs))
    assert "这一行（第 5 行）有 2 个单元格，而表头有 5 列，因此没有可以判断的请求。" in messages
    assert all(CHINESE.search(message) for message in messages)
    assert _english(done.stdout) == []
    page = re.sub(r"<(style|script)>.*?</\1>", "", (jobs / "r.html").read_text("utf-8"), flags=re.DOTALL)
    assert '<html lang="zh-Hans">' in page
    assert _english(re.sub(r"<[^>]+>", " ", page)) == []

    other = _audit(jobs)
    assert other.returncode == 2
    assert 'lang was "zh" and is not given. To judge anew what it found, which fetches nothing, add' in other.stderr
    anew = _audit(jobs, "--run", "anew", "--rejudge", "jobs.csv.audit")
    assert anew.returncode == 1, anew.stderr
    assert not CHINESE.search("".join(_messages(jobs)))


def test_a_run_is_told_again_in_any_language(jobs: Path) -> None:
    """`report` reads a run; what stands in it stays, and what is said around it is the reader's."""
    _audit(jobs)
    done = _run(jobs, "report", "jobs.csv.audit", "--lang", "zh", "--format", "json")
    english = _run(jobs, "report", "jobs.csv.audit", "--format", "json", LC_ALL="zh_CN.UTF-8")
    assert json.loads(done.stdout) == json.loads(english.stdout)
    assert _run(jobs, "report", "jobs.csv.audit", "--lang", "zh").stdout.startswith("✗ 5 行中有 3 行会被拒绝")


def test_a_rehearsal_is_told_in_chinese(jobs: Path) -> None:
    """`--dry-run` for people; as JSON it is the same in every locale."""
    done = _audit(jobs, "--dry-run", LC_ALL="zh_CN.UTF-8")
    assert done.stdout.startswith("5 行，引用媒体 6 处，其中不同的有 4 个")
    assert "第 4 行（第 5 行）有 2 个单元格" in done.stdout
    assert _english(done.stdout) == []
    told_json = [_audit(jobs, "--dry-run", "--format", "json", LC_ALL=locale).stdout for locale in ("zh_CN", "C")]
    assert told_json[0] == told_json[1]


def test_what_is_wrong_with_a_row_is_told_whatever_it_is() -> None:
    """The reasons are facts, in English; the finding tells them in the language of the run."""
    settings = settings_of("xcompute", {"lang": "zh"})
    row = BadRow(3, 4, "has a quotation mark too many or too few; after the mark that closes, a tab or the end of the "
                 "row is due", {})  # fmt: skip
    assert request_of(row, settings).no_row == row.told
    broken = Columns().read(1, Record(7, ("video_url", "video_url"), ("a", "b")), "text")
    assert isinstance(broken, BadRow)
    with speaking("zh"):
        assert told(row.told) == "（第 4 行）多了或少了一个引号；结束的引号后面应为制表符或行尾"
        assert told(broken.told) == (
            "（第 7 行）有歧义：有 2 列都叫 video_url, video_url；请只保留一列作为 video_url，其余改名"
        )


def test_the_progress_line_fits() -> None:
    """Chinese words are twice as wide as they are long."""
    snapshot = Snapshot(1234, 5000, {"pass": 1200, "fail": 30, "unknown": 4}, 64, (("a.example", 12.0),), 9_000_000, 7)
    with speaking("zh"):
        for width in range(10, 130):
            assert cell_len(one_line(snapshot, 55.0, width)) <= width
        whole = one_line(snapshot, 55.0, 200)
    assert all(word in whole for word in ("通过", "不通过", "剩余", "暂停 a.example", "个进行中", "个来自缓存"))


def test_an_empty_run_is_told_in_chinese() -> None:
    """A page and a summary that hold nothing but their own words."""
    with speaking("zh"):
        page, text = render_audit(Tally()), summary_text(Tally(), width=40)
        now = plan([]).text()
    assert "没有行" in page
    assert _english(re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)) == []
    assert text.startswith("? 没有行\n")
    assert now == "0 行，引用媒体 0 处"


# ----------------------------------------------------------------------------------------------------- checks


def _checked(folder: Path, *words: str, **environ: str) -> Any:
    image, video = f"{MEDIA}/portrait.jpg", f"{MEDIA}/tail-10.02s.mp4"
    return _run(folder, "check", "--image", image, "--video", video, "--orientation", "image", *words, **environ)


def test_a_check_speaks_as_the_locale_does_and_its_json_does_not(tmp_path: Path) -> None:
    """A person reads Chinese; a program reads the same as everywhere."""
    for_people = _checked(tmp_path, LC_ALL="zh_CN.UTF-8")
    assert for_people.stdout.startswith("! 警告")
    assert _english(for_people.stdout) == []
    there, here = (json.loads(_checked(tmp_path, "--format", "json", LC_ALL=name).stdout) for name in ("zh_CN", "C"))
    for report in (there, here):
        del report["timing"], report["image"]["transfer"], report["video"]["transfer"]
    assert there == here
    assert not CHINESE.search(json.dumps(there, ensure_ascii=False))


def test_the_tests_know_no_locale_of_their_machine() -> None:
    """Whoever runs them; also in a process that a test starts."""
    command = [sys.executable, "-c", "import os; print(os.environ['LC_ALL'])"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "C.UTF-8\n"
