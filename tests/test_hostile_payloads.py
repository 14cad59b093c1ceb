"""Nothing that a stranger writes is active in anything that we print, and the readers that say so can see."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.printable import LONGEST, cell, clean, clean_lines
from tests.hostile.payloads import PAYLOADS, Strangers, said
from tests.hostile.readers import read_colours, read_csv, read_html, read_json, read_log, read_terminal
from tests.hostile.talker import Talker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def strangers() -> Iterator[Strangers]:
    with Strangers() as running:
        yield running


@pytest.fixture(scope="module")
def talker() -> Iterator[Talker]:
    with Talker() as running:
        yield running


@pytest.mark.parametrize("name", PAYLOADS)
def test_nothing_is_active_in_a_report(strangers: Strangers, name: str) -> None:
    """Every place where strangers' text comes in, every renderer, and the log."""
    assert list(strangers.active(PAYLOADS[name])) == []


@pytest.mark.parametrize(("turn", "name"), list(enumerate(PAYLOADS)), ids=str)
def test_nothing_is_active_in_what_commands_say(talker: Talker, turn: int, name: str, tmp_path: Path) -> None:
    """Words, input and profiles of strangers; standard output and standard error.

    Every payload meets a quarter of the commands here, and every command a quarter of the payloads; all of them meet in
    `python -m tests.scorecard payloads`, which takes four times as long.
    """
    assert list(said(talker, PAYLOADS[name], tmp_path, turn, 4)) == []


def test_there_are_enough() -> None:
    """At least forty, each once."""
    assert len(set(PAYLOADS.values())) == len(PAYLOADS) >= 40


_POLICY = "<meta http-equiv=content-security-policy content=\"default-src 'none'\">"


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (read_terminal, "a\x1b[2Jb"),
        (read_terminal, "a\u202eb"),
        (read_terminal, "a\ud800b"),
        (read_terminal, "a\u200bb"),
        (read_terminal, "a\u3164b"),
        (read_json, '{"a": "\\u001b[2J"}'),
        (read_json, '{"a": "\u2028"}'),
        (read_json, '{"\\u202e": 1}'),
        (read_csv, "a,b\r\n1,=1\r\n"),
        (read_csv, "a,b\r\n1,\uff0b1\r\n"),
        (read_csv, "a,b\r\n1, @x\r\n"),
        (read_csv, "a,b\r\n1\r\n"),
        (read_html, f"{_POLICY}<script>x</script>"),
        (read_html, f"{_POLICY}<p onclick=x>"),
        (read_html, f"{_POLICY}<a href='javascript:x'>"),
        (read_html, f"{_POLICY}<img src=x>"),
        (read_html, f"{_POLICY}<style>a{{background:url(http://evil.example)}}</style>"),
        (read_html, f"{_POLICY}<meta http-equiv=refresh content=0>"),
        (read_html, "<p>no policy</p>"),
        (read_log, '{"a": "é"}'),
        (read_log, '{"a": "\\u001b"}'),
    ],
)
def test_the_readers_see(reader: Callable[[str], Iterator[str]], text: str) -> None:
    """What is active is found."""
    assert list(reader(text))


def test_the_readers_let_harmless_things_pass() -> None:
    """And nothing else is."""
    assert not list(read_terminal("✓ PASS  größe 图像 👍🏽 é\n"))
    assert not list(read_csv("a,b,c\r\n-1.5,'=1,x=1\r\n"))
    assert not list(read_html(f"{_POLICY}<a href='https://x.example/'>&lt;script&gt;</a>"))
    assert not list(read_colours("\x1b[1;31mx\x1b[0m", "x"))
    assert list(read_colours("\x1b[2Jx", "x"))


# ------------------------------------------------------------------------------------------------ printable


@given(st.text(st.characters()))
def test_clean_is_stable_and_bounded(text: str) -> None:
    """Safe on every reader, once and for all, and never longer than allowed."""
    for safe in (clean(text), clean(text, None), clean_lines(text)):
        assert not list(read_terminal(safe))
    assert clean(clean(text)) == clean(text)
    assert clean_lines(clean_lines(text)) == clean_lines(text)
    assert len(clean(text)) <= LONGEST


@pytest.mark.parametrize("text", ["größe", "图像_参考.png", "👍🏽", "❤️", "नमस्ते", "a\u0301", "=x", "100 %"])
def test_clean_keeps_what_people_write(text: str) -> None:
    """Other scripts, emoji with their selectors, and combining marks (composed) are no danger."""
    assert "\\" not in clean(text)


@given(st.text(st.characters()))
def test_a_cell_is_never_a_formula(text: str) -> None:
    """Written and read back by the csv module, no cell begins as a formula does."""
    assert not list(read_csv(f'"a"\r\n"{cell(text).replace(chr(34), chr(34) * 2)}"\r\n'))
    assert cell(text).replace("'", "") == clean(text, None).replace("'", "")


def test_the_table_is_plain_ascii() -> None:
    """So that no editor shows the payloads instead of their spelling."""
    path = Path(__file__).parent / "data" / "output_payloads.csv"
    assert path.read_bytes().isascii()
    rows = csv.DictReader(path.read_text("ascii").splitlines())
    assert {row["kind"] for row in rows} == {"terminal", "bidi", "formula", "html", "markup", "json"}
