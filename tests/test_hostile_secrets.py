"""No secret in any output: canaries in every format of signed links, looked for in everything that we print."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver.url import redact
from preflight.redaction import hide, redact_quoted, redact_trace, redact_urls
from tests.hostile.canaries import EXAMPLES, FORMATS, Canaries, links
from tests.hostile.secrets import KINDS, Hunt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def hunt() -> Iterator[Hunt]:
    with Hunt() as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_no_canary_in_any_output(hunt: Hunt, kind: str) -> None:
    """Commands, reports, mistakes, crashes, and what the system shows of our processes."""
    assert sorted({str(leak) for leak in getattr(hunt, kind)()}) == []


def test_the_hunt_covers_every_format() -> None:
    """All 54 formats have canaries, but for those whose example carries no secret (a public preview)."""
    canaries = Canaries()
    silent = {link.number for link in links(canaries) if not canaries.leaks(link.at(80))}
    assert list(range(1, 55)) == FORMATS
    assert silent <= {32, 53}
    assert len(EXAMPLES) > 80


@pytest.mark.parametrize(
    "wear",
    [
        str,
        str.upper,
        lambda text: text[5:15],
        lambda text: quote(quote("%" + text)),
        lambda text: base64.b64encode(b"12" + text.encode()).decode(),
        lambda text: f"{text[:9]}\n    {text[9:]}",
        lambda text: text.replace("a", "\\a"),
    ],
)
def test_the_hunter_sees(wear: Callable[[str], str]) -> None:
    """A canary is found whole, in part, encoded, and broken over lines; nothing is found where none is."""
    canaries = Canaries()
    secret = canaries.word("here")
    text = f"before {wear(secret)} after"
    assert set(canaries.leaks(text) | canaries.broken_leaks(text)) == {"here"}
    assert not canaries.leaks("container mp4 (isom), index before the media, 0123456789abcdef")


# --------------------------------------------------------------------------------------------- redaction

SECRET = "kX93hfQz71Lm"  # noqa: S105  (a canary)


@pytest.mark.parametrize(
    "text",
    [
        "https://h.example/x?a='{}'&b={}",
        "'https://h.example/x?a={}'",
        '{{"url": "https:\\/\\/h.example\\/x?a={}"}}',
        "/http:~1~1user:{}@h.example~1x",
        "/https:~1~1api.telegram.org~1file~1bot123:{}~1x.mp4",
        "No such file: 'http:/user:{}@h.example/x'",
        "GET /x?a={} HTTP/1.1",
        "#access_token={}",
        "a;sig={}",
        "https://h.example/\x1cx?sig={}",
    ],
)
def test_a_trace_keeps_no_secret(text: str) -> None:
    """However the URL is quoted, escaped or cut."""
    assert SECRET not in redact_trace(text.format(*[SECRET] * text.count("{}")))


@pytest.mark.parametrize(
    "word",
    [
        "http://u:{}@h/x",
        "u:{}@h.example/x.mp4",
        "--profile=https://h/x y?a={}",
        "h.example/x?sig={}",
        "http:/h/?a={}",
        "https://u:p {}@h/x",
    ],
)
def test_a_quoted_word_keeps_no_secret(word: str) -> None:
    """A word of the command line is redacted as a whole, as it stands and as Python quotes it."""
    word = word.format(SECRET)
    for message in (
        f"no such file: {word.removeprefix('--profile=')}",
        f"{word!r} is not a number",
        f"what is {word}?",
    ):
        assert SECRET not in redact_quoted(message, ["check", word])


@given(st.text() | st.from_regex(r"https?://\w+(/\w+){0,2}\?\w+=['\"]?\w+(;\w+=\w+)?[)'\"]? .*", fullmatch=True))
def test_redaction_is_stable(text: str) -> None:
    """What was redacted is not touched again, so it may be done at every border."""
    for function in (redact_urls, redact_trace):
        assert function(function(text)) == function(text)


def test_an_echo_is_hidden() -> None:
    """A server may quote the question in any header; words that are shown anyway stay."""
    url = f"https://cdn.example.com/clip.mp4?X-Amz-Date=20270114T080000Z&X-Amz-Signature=abc%2B{SECRET}"
    assert hide(f'"{SECRET.upper()}-1"', [url]) == '"…-1"'
    assert hide(f"2B{SECRET}", [url]) == "…"
    assert hide("video/mp4 cdn.example.com clip.mp4 20270114T080000Z", [url]) == (
        "video/mp4 cdn.example.com clip.mp4 20270114T080000Z"
    )


def test_every_format_is_redacted() -> None:
    """By the text alone: whole, in a sentence, as a quoted word."""
    canaries = Canaries()
    for link in links(canaries):
        url = link.at(80, user=True, fragment=True)
        for shown in (redact(url), redact_trace(f"cannot reach {url}."), redact_quoted(repr(url), [url])):
            assert not canaries.leaks(shown), link
