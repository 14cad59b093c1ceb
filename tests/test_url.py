"""What the text of a URL tells: form, host, and how it may be shown."""

from __future__ import annotations

import base64
import csv
import secrets
import string
from pathlib import Path

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from preflight.deliver.address import address_fault
from preflight.deliver.share import share_page
from preflight.deliver.url import (
    GONE,
    LONGEST_URL,
    FaultKind,
    cut,
    host_of,
    is_url,
    literal_address,
    names_private_address,
    port_of,
    redact,
    repaired,
    url_fault,
)


def rows(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


VECTORS = rows("url_vectors.csv")
SIGNED = [row["url"] for row in rows("presigned_examples.csv")]
ANYTHING = st.text() | st.text("htps:/?#[]@!$&'()*+,;=%\\. \n\t-_~0127xaé。Ⓐ\u202e\ud800")
URLISH = st.builds("".join, st.tuples(st.sampled_from(("http://", "https://", "HTTP:", "ftp://", "data:")), ANYTHING))


def private(vector: str) -> bool:
    """Would the address guard, or the list of local names, keep us from it?"""
    host = host_of(vector) or ""
    address = literal_address(host)
    page = share_page(vector)
    return address_fault(address) is not None if address else page is not None and page.kind == "local"


# ------------------------------------------------------------------------------------------------ form


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["vector"][:60])
def test_every_vector_is_decided_where_it_should_be(row: dict[str, str]) -> None:
    """An allowed URL is sound and public; a denied one fails by form, or by the address that its text already tells."""
    fault = url_fault(row["vector"])
    assert (fault is not None) == (row["by"] == "form")
    assert private(row["vector"]) == (row["by"] == "address")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("example.com/clip.mp4", "scheme-missing"),
        ("example.com:8080/clip.mp4", "scheme-missing"),
        ("s3://bucket/clip.mp4", "scheme"),
        ("ftp://example.com/clip.mp4", "scheme"),
        (" https://example.com/clip.mp4", "characters"),
        ("https://example.com/my clip.mp4", "characters"),
        ("https://example.com/clip.mp4\n", "characters"),
        ("https://example.com/clip\u202e.mp4", "characters"),
        ("https://example.com/\u200bclip.mp4", "characters"),
        ("https://example.com\\clip.mp4", "characters"),
        ("https://example.com/\ud800", "characters"),
        ("https://example.com/" + "a" * LONGEST_URL, "length"),
        ("https://me:secret@example.com/", "userinfo"),
        ("https:///clip.mp4", "host"),
        ("https:example.com", "host"),
        ("https://ｅxample.com/", "host"),
        ("https://xn--n3h.example/", "host"),
        ("https://" + "a" * 64 + ".com/", "host"),
        ("https://exam!ple.com/", "host"),
        ("https://example.com:65536/", "port-number"),
        ("https://example.com:22/", "port"),
        ("https://example.com:٨٠/", "port-number"),
    ],
)
def test_a_fault_of_form_is_named(url: str, kind: FaultKind) -> None:
    """Each fault has a kind of its own, and a sentence that repeats nothing of the URL's secret parts."""
    fault = url_fault(url)
    assert fault is not None
    assert fault.kind == kind
    assert "secret" not in fault.detail


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:49152/clip.mp4",
        "HTTPS://EXAMPLE.COM:8443/a%20b?x=y#z",
        "https://a_b.example.com/",
        "https://foo-.s3.amazonaws.com/",
        "https://例子.中国/片.mp4",
        "https://example.com:/",
        "https://[2001:db8::1]:8080/",
        "https://r3---sn-x.googlevideo.com/videoplayback?a='b'",
    ],
)
def test_an_unusual_but_sound_url_is_accepted(url: str) -> None:
    """Ports, underscores, other scripts and empty ports are no faults of form."""
    assert url_fault(url) is None
    httpx.URL(url)


def test_host_and_port_are_those_of_a_connection() -> None:
    """The host comes as a resolver takes it, the port with its scheme's default."""
    assert host_of("http://MÜNCHEN.de./x") == "xn--mnchen-3ya.de"
    assert host_of("https://[2001:DB8::1]:8443/") == "2001:db8::1"
    assert port_of("https://[2001:DB8::1]:8443/") == 8443
    assert (port_of("https://a.example/"), port_of("http://a.example:/")) == (443, 80)
    assert host_of("http://127.0.0.1:9/x") == host_of("http://127.0.0.1:99999/x") == "127.0.0.1"
    assert port_of("http://127.0.0.1:9/x") is None
    assert host_of("nonsense") is None
    assert port_of("nonsense") is None


@given(ANYTHING | URLISH)
def test_any_text_is_judged(text: str) -> None:
    """No text raises; what is sound has a host, a port, and a URL library that agrees about both."""
    fault = url_fault(text)
    assert (host_of(text) is None) == (fault is not None)
    if fault is None:
        url = httpx.URL(text)
        assert url.raw_host.decode().rstrip(".").lower() == host_of(text)
        assert (url.port or {"http": 80, "https": 443}[url.scheme]) == port_of(text)


@given(st.text())
def test_cutting_loses_nothing(text: str) -> None:
    """The parts and their delimiters make the text again."""
    parts = cut(text)
    again = f"{parts.scheme}:" if parts.scheme else ""
    again += f"//{parts.authority}" if parts.authority is not None else ""
    again += parts.path
    again += f"?{parts.query}" if parts.query is not None else ""
    again += f"#{parts.fragment}" if parts.fragment is not None else ""
    assert again[len(parts.scheme) :] == text[len(parts.scheme) :]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("https://x.example/a.mp4", True),
        ("HTTP://x.example", True),
        (" https://x.example", True),
        ("http:/x.example", True),
        ("s3://bucket/key", True),
        ("data:video/mp4;base64,AA", True),
        ("file:/etc/passwd", True),
        ("clip.mp4", False),
        ("./http/clip.mp4", False),
        ("C:\\clips\\clip.mp4", False),
        ("clip:1.mp4", False),
        ("//cdn.example.com/clip.mp4", False),
        ("example.com:8080/clip.mp4", False),
        ("", False),
    ],
)
def test_a_scheme_tells_a_url_from_a_path(reference: str, expected: bool) -> None:
    """Only a text that brings a scheme is meant as a URL; a Windows drive is none."""
    assert is_url(reference) is expected


# ------------------------------------------------------------------------------------------------ showing


@pytest.mark.parametrize(
    ("given_url", "shown"),
    [
        (
            "https://me:pass@cdn.example.com:8443/a/clip.mp4?X-Amz-Signature=abc&width=300&download#frag",
            "https://cdn.example.com:8443/a/clip.mp4?X-Amz-Signature=…&width=300&download",
        ),
        (
            "https://x.example/c?response-content-type=video%2Fmp4",
            "https://x.example/c?response-content-type=video%2Fmp4",
        ),
        ("https://x.example/c?response-content-type=hunter2", "https://x.example/c?response-content-type=…"),
        ("https://x.example/c?format=mp4&format=0123456789ab", "https://x.example/c?format=mp4&format=…"),
        ("https://x.example/c?0123456789abcdef0123=1&a=", "https://x.example/c?…=…&a="),
        ("https://x.example/c?hunter2", "https://x.example/c?…"),
        ("https://api.telegram.org/file/bot1:AAF/v/f.mp4", "https://api.telegram.org/file/….mp4"),
        ("https://api.telegram.org/bot1:AAF/getFile", "https://api.telegram.org/…/getFile"),
        ("https://x.example/bot1%3AAAF/getFile", "https://x.example/…/getFile"),
        ("https://ucx.dl.dropboxusercontent.com/cd/0/get/Ab/file", "https://ucx.dl.dropboxusercontent.com/cd/0/get/…"),
        ("https://lh3.googleusercontent.com/pw/short=w800", "https://lh3.googleusercontent.com/…"),
        ("https://res.example/image/upload/s--AbCd12--/v1/x.png", "https://res.example/image/upload/s--…--/v1/x.png"),
        ("https://x.example/bcdn_token=a&expires=1/c.mp4", "https://x.example/bcdn_token=…&expires=…/c.mp4"),
        ("https://x.example/c.mp4;jsessionid=1", "https://x.example/c.mp4;jsessionid=…"),
        ("https://x.example/c.mp4%3Fsig=1", "https://x.example/…"),
        ("https://x.example/fetch/https://me:pw@y.example/a.png", "https://x.example/fetch/https://…@y.example/a.png"),
        ("https://x.example/npm/pkg@1.2.3/Clip-2024-05-01.mp4", "https://x.example/npm/pkg@1.2.3/Clip-2024-05-01.mp4"),
        (
            "https://x.example/3f2a1b4c-1111-2222-3333-444455556666.mp4",
            "https://x.example/3f2a1b4c-1111-2222-3333-444455556666.mp4",
        ),
        ("https://x.example/%E7%89%87%20clip.mp4", "https://x.example/%E7%89%87%20clip.mp4"),
        ("https://me:pa/ss@x.example/", "https://…"),
        ("https://x.example/" + "a/" * LONGEST_URL, "https://x.example/…"),
        ("data:video/mp4;base64,AAAA", "data:video/mp4…"),
        ("javascript:alert(1)", "javascript:…"),
        ("s3://bucket/clip.mp4", "s3://bucket/clip.mp4"),
        ("/home/me/clip=1.mp4", "/home/me/clip=1.mp4"),
        ("C:\\me\\a@b.mp4", "C:\\me\\a@b.mp4"),
        ("photo@2x.png", "photo@2x.png"),
        ("x.example/clip.mp4?token=abc", "x.example/clip.mp4?token=…"),
        ("me:pass@x.example/clip.mp4", "…@x.example/clip.mp4"),
        ("A" * 10_000, "A" * 40 + "…"),
    ],
)
def test_a_url_is_shown_by_an_allow_list(given_url: str, shown: str) -> None:
    """Host, readable path and parameter names stay; values, userinfo, fragments and secret path parts do not."""
    assert redact(given_url) == shown


@pytest.mark.parametrize("url", SIGNED)
def test_no_signed_form_leaks_its_secret(url: str) -> None:
    """In every known form of signed URL the secret is gone, and what remains still names the host."""
    shown = redact(url)
    assert "SECRET" not in shown
    assert "0123456789abcdef" not in shown
    assert "eyJ" not in shown
    assert shown.startswith(f"https://{host_of(url)}")


SECRETS = st.one_of(
    st.binary(min_size=8, max_size=32).map(bytes.hex),
    st.binary(min_size=24, max_size=48).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")),
    st.text(string.ascii_letters + string.digits, min_size=24, max_size=64),
)
NAMES = st.text(string.ascii_letters + "_-", min_size=1, max_size=20)


@given(NAMES, SECRETS | st.text(min_size=12), st.sampled_from(("https://x.example/clip.mp4", "x.example/clip.mp4")))
def test_no_value_of_a_parameter_is_shown(name: str, secret: str, before: str) -> None:
    """Whatever the parameter is called and whatever stands in it."""
    assume(not set(secret) & set("&;#") and not secret.startswith(GONE))
    secret = f"{secret}!"
    assert secret not in redact(f"{before}?a=1&{name}={secret}")


@given(SECRETS)
def test_no_userinfo_and_no_fragment_is_shown(secret: str) -> None:
    """Neither before the host nor after the hash mark."""
    assert secret not in redact(f"https://me:{secret}@x.example/clip.mp4#{secret}")
    assert secret not in redact(f"https://{secret}@x.example/clip.mp4")
    assert secret not in redact(f"me:{secret}@x.example/clip.mp4")


@given(st.binary(min_size=8, max_size=32).map(bytes.hex))
def test_no_long_hexadecimal_part_of_a_path_is_shown(secret: str) -> None:
    """A hash in the path opens the door at several content networks, so it is replaced wherever it stands."""
    assume(not secret.isdigit())
    for path in (f"{secret}/clip.mp4", f"a/{secret}.mp4", f"a/clip-{secret}", f"a;{secret}/b"):
        assert secret not in redact(f"https://x.example/{path}")


def test_no_random_part_of_a_path_is_shown() -> None:
    """Tokens as programs make them (URL-safe base64) do not pass for names."""
    tokens = [secrets.token_urlsafe(32) for _ in range(200)]
    assert not [token for token in tokens if token in redact(f"https://x.example/d/{token}/clip.mp4")]


@given(ANYTHING | URLISH)
def test_any_text_can_be_shown_and_shown_again(text: str) -> None:
    """No text raises, and what is shown once stays as it is when it is shown again."""
    shown = redact(text)
    assert redact(shown) == shown


@given(st.from_regex(r"\A(?:/|\./)?[\w. -]{1,20}(?:/[\w. @=-]{1,20}){0,3}\Z"))
def test_a_local_path_is_shown_as_it_is(path: str) -> None:
    """A path is no secret, and its reader has to find the file."""
    assert redact(path) == path


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('"https://example.com/x.mp4"', "https://example.com/x.mp4"),
        ("'https://example.com/x.mp4'", "https://example.com/x.mp4"),
        ("<https://example.com/x.mp4>", "https://example.com/x.mp4"),
        ("\u201chttps://example.com/x.mp4\u201d", "https://example.com/x.mp4"),
        ("  https://example.com/x.mp4\n", "https://example.com/x.mp4"),
        ("https//example.com/x", "https://example.com/x"),
        ("https:/example.com", "https://example.com"),
        ("https:example.com", "https://example.com"),
        ("HTTP:/example.com/x", "http://example.com/x"),
        ("https://example.com/my clip.mp4", "https://example.com/my%20clip.mp4"),
        ("https://example.com/x.mp4", None),
        ("https:///x.mp4", None),
        ("clip.mp4", None),
        ("~/clip.mp4", None),
        ("https", None),
        ("https://exa mple.com/x", None),
        ("", None),
    ],
)
def test_a_slip_is_repaired(text: str, meant: str | None) -> None:
    """What was plainly meant is written out; a sound URL, a path and a guess are not."""
    assert repaired(text) == meant


@given(
    st.text()
    | st.builds("{}{}".format, st.sampled_from(["https", "http:/", "'https://", "https//a.example "]), st.text())
)
def test_what_is_repaired_is_sound(text: str) -> None:
    """Any text: nothing, or a URL without a fault that is not the text itself."""
    meant = repaired(text)
    assert meant is None or (url_fault(meant) is None and meant != text)


def test_an_address_that_is_not_public_is_known_by_its_text() -> None:
    """Whatever the port; a name is not looked up."""
    assert names_private_address("http://127.0.0.1:9/x")
    assert names_private_address("http://[::1]/x")
    assert not names_private_address("http://93.184.216.34/x")
    assert not names_private_address("http://localhost/x")
    assert not names_private_address("clip.mp4")
