"""One key, one object: what signs a URL does not count, and everything else does."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.audit.identity import identity
from preflight.deliver.presigned import expiry

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
with (Path(__file__).parent / "data" / "presigned_examples.csv").open(encoding="utf-8", newline="") as file:
    EXAMPLES = [row["url"] for row in csv.DictReader(file)]
#: Examples whose object is named by the signature itself, or by a path that holds it: they are new each time.
OF_ONE_SIGNING = re.compile(
    r"/\w{32}/|/\d{12}/|/eyJ|tiktokcdn\.com/video|telegram|fbsbx|licdn|googlevideo|googleusercontent|slack|"
    r"dropboxusercontent|feishu|pcs\.baidu|bilivideo|[?]sig=SECRET&t=|[?]t=1800000000$|X-Any-Date"
)


def signed_again(url: str) -> str:
    """The same link as another minute and another key would sign it."""
    path, mark, query = url.partition("?")
    for old, new in (
        ("SECRET", "OTHER9"),
        ("AKIA", "AKIB"),
        ("0123456789abcdef", "f0f0f0f0f0f0f0f0"),
        ("6b49d200", "6b49d300"),
        ("18000", "18001"),
        ("20270114T08", "20270114T09"),
        ("2027-01-15T0", "2027-01-15T1"),
        ("3f2a1b4c", "3f2a1b4d"),
        ("c2lnbmF0dXJl", "c2lnbmF0dXJm"),
    ):
        query = query.replace(old, new)
    return path + mark + query


@pytest.mark.parametrize("url", [url for url in EXAMPLES if "?" in url], ids=lambda url: url[8:60])
def test_a_link_signed_again_names_the_same_object(url: str) -> None:
    """Every known way to sign: the key is that of the object wherever the object has a name of its own."""
    again = signed_again(url)
    assert again != url or "2027-01-15&" in url or url.endswith(("2027-01-15", "stored-policy"))
    if OF_ONE_SIGNING.search(url):
        assert identity(again) != identity(url) or again == url
    else:
        assert identity(again) == identity(url)
        assert "SECRET" not in str(identity(url))


@pytest.mark.parametrize("url", EXAMPLES, ids=lambda url: url[8:60])
@pytest.mark.parametrize("change", ["host", "path", "case", "parameter", "scheme", "port"])
def test_another_object_has_another_key(url: str, change: str) -> None:
    """However a link is signed, its host, port, path and the other parameters count."""
    start, mark, query = url.partition("?")
    scheme, _, rest = start.partition("://")
    host, _, path = rest.partition("/")
    other = {
        "host": f"{scheme}://x{host}/{path}{mark}{query}",
        "path": f"{scheme}://{host}/{path}x{mark}{query}",
        "case": f"{scheme}://{host}/{path.swapcase()}{mark}{query}",
        "parameter": f"{url}{'&' if mark else '?'}versionId=2",
        "scheme": f"http://{host}:443/{path}{mark}{query}",
        "port": f"{scheme}://{host}:8443/{path}{mark}{query}",
    }[change]
    assert identity(other) not in (None, identity(url))


_WORDS = st.text("abcXYZ019-_%.~", min_size=1, max_size=8)
_PARAMETERS = st.sampled_from(
    [
        "v",
        "id",
        "key",
        "file",
        "versionId",
        "snapshot",
        "generation",
        "x-oss-process",
        "itag",
        "w",
        "page",
        "response-x",
    ]
)
_OBJECTS = st.tuples(
    st.sampled_from(["a.example", "b.example"]),
    st.lists(_WORDS, max_size=3).map("/".join),
    st.sampled_from(["", ".mp4", ".jpg"]),
    st.lists(st.tuples(_PARAMETERS, _WORDS), max_size=3),
)
_SIGNATURES = st.sampled_from(["", *(url.partition("?")[2] for url in EXAMPLES if "?" in url)])


@given(_OBJECTS, _OBJECTS, _SIGNATURES)
def test_two_objects_never_share_a_key(one: tuple[object, ...], two: tuple[object, ...], signature: str) -> None:
    """Whatever signs both: what differs in name differs in key."""
    urls = []
    for host, path, extension, parameters in (one, two):
        fields = [f"{name}={value}" for name, value in parameters] + ([signature] if signature else [])  # type: ignore[attr-defined]
        urls.append(f"https://{host}/{path}{extension}" + ("?" + "&".join(fields) if fields else ""))
    assert (identity(urls[0]) == identity(urls[1])) == (one == two)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_has_an_identity_or_none(path: str, query: str) -> None:
    """No text of a stranger is an exception."""
    for url in (path, f"https://a.example/{path}", f"https://a.example/{path}.mp4?{query}", f"https://{path}?{query}"):
        named = identity(url)
        assert named is None or identity(url.partition("#")[0]) == named


def test_spelling_that_a_client_repairs_is_one_object() -> None:
    """The case of a host, its final dot, a port that goes without saying, and a fragment."""
    same = ["https://a.example/x", "https://A.EXAMPLE:443/x", "HTTPS://a.example./x", "https://a.example/x#t=3"]
    assert len({identity(url) for url in same}) == 1
    assert identity("https://a.example") == identity("https://a.example/")


def test_a_bare_token_may_be_the_objects_name() -> None:
    """Without an end beside it, or a path that names a file, it counts."""
    for form in ("https://a.example/get?token={}", "https://a.example/clip.mp4?token={}", "https://a.example/get?t={}"):
        assert identity(form.format("one")) != identity(form.format("two"))
    ending = "https://a.example/clip.mp4?sig={}&exp=1800000000"
    assert expiry(ending.format("one"), NOW) is not None
    assert identity(ending.format("one")) == identity(ending.format("two"))
