"""When a link dies: every known form to the second, and nothing read into text that does not say it."""

from __future__ import annotations

import base64
import csv
import json
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver.presigned import SCHEMES, expiry

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
END = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
with (Path(__file__).parent / "data" / "presigned_examples.csv").open(encoding="utf-8", newline="") as file:
    EXAMPLES = list(csv.DictReader(file))
FIELDS = ("scheme", "confidence", "instant", "not_before", "signed_at", "may_die_earlier", "unending", "bound")


def as_text(value: datetime | str | bool | None) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if isinstance(value, str) else "yes" if value else ""


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: f"{row['row']}-{row['url'][8:60]}")
def test_every_known_form_is_read_to_the_second(row: dict[str, str]) -> None:
    """The table holds one or more links of each of 54 formats, with what their signers say they mean."""
    end = expiry(row["url"], NOW)
    read = {name: as_text(getattr(end, name)) if end else "" for name in FIELDS}
    assert read == {name: row[name] for name in FIELDS}


def test_the_examples_cover_the_table() -> None:
    """No format is without an example, and no scheme of the code is without one."""
    assert {int(row["row"]) for row in EXAMPLES} == set(range(1, 55))
    assert {scheme.name for scheme in SCHEMES} <= {row["scheme"] for row in EXAMPLES}


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=20270114T080000Z",
        "X-Amz-Date=20271314T080000Z&X-Amz-Expires=60",
        "X-Amz-Date=20270114T080000Z&X-Amz-Expires=1800000000",
        "X-Amz-Date=20270114T080000Z&X-Amz-Expires=-1",
        "X-Amz-Date=20270114T080000Z&X-Amz-Expires=60&X-Amz-Expires=61",
        "AWSAccessKeyId=a&Signature=b&Expires=300",
        "AWSAccessKeyId=a&Signature=b&Expires=١٨٠٠٠٠٠٠٠٠",
        "AWSAccessKeyId=a&Signature=b&Expires=99999999999999999999",
        "AWSAccessKeyId=a&Signature=b&Expires=999999999999",
        "X-Amz-Date=99991231T235959Z&X-Amz-Expires=3600",
        "sign=0123456789abcdef0123456789abcdef&t=zz49d200",
        "hdnts=exp=soon~hmac=a",
        "Key-Pair-Id=a&Signature=b&Policy=!!!",
        "Key-Pair-Id=a&Signature=b&Policy=W10_",
        "sv=1&sig=b&se=2027-13-01",
        "q-sign-algorithm=sha1&q-sign-time=1",
        "authorization=bce-auth-v1/a/b/c/d/e",
        "auth_key=1800000000-0-0-short",
        "_upt=0a1b2c3d",
        "token=eyJhbGciOiJub25lIn0.eyJleHAiOiJuZXZlciJ9.x",
        "token=eyJ.eyJ.x",
        "t=1800000000",
        "v=1700000000",
        "expires=1200000000",
        "deadline=20260101",
    ],
)
def test_what_makes_no_sense_is_not_read(query: str) -> None:
    """A broken, ambiguous or far-fetched end is no end."""
    end = expiry(f"https://x.example/clip.mp4?{query}", NOW)
    assert end is None or end.instant is None


def test_the_earliest_of_the_most_trusted_ends_counts() -> None:
    """A guess never overrules a documented signature, and of two documented ones the first to end does."""
    signed = "https://x.example/c?sv=1&sig=a&se=2027-01-15T08:00:00Z"
    assert read(signed + "&expires=1795400000") == ("Azure SAS", END)
    token = jwt({"exp": (END - timedelta(hours=1)).timestamp()})
    assert read(f"{signed}&jwt={token}") == ("JSON Web Token", END - timedelta(hours=1))


def test_an_ambiguous_time_is_an_end_only_while_it_lies_ahead() -> None:
    """Tencent writes the signing time where Qiniu writes the end: only the clock tells them apart."""
    url = "https://x.example/c.mp4?sign=0123456789abcdef0123456789abcdef&t=6b49d200"
    before, after = expiry(url, END - timedelta(seconds=1)), expiry(url, END)
    assert before is not None
    assert (before.instant, before.signed_at) == (END, None)
    assert after is not None
    assert (after.instant, after.signed_at) == (None, END)


def read(url: str) -> tuple[str, datetime | None]:
    end = expiry(url, NOW)
    assert end is not None
    return end.scheme, end.instant


def jwt(claims: dict[str, Any]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2ln"


MOMENTS = st.integers(1_000_000_000, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(MOMENTS, st.integers(0, 604_800))
def test_date_and_seconds_add_up(start: datetime, seconds: int) -> None:
    """Any signing date and lifetime of the V4 family."""
    query = f"X-Amz-Date={start:%Y%m%dT%H%M%SZ}&X-Amz-Expires={seconds}&X-Amz-Signature=a"
    assert read(f"https://x.example/c?{query}") == ("AWS Signature V4", start + timedelta(seconds=seconds))


@given(MOMENTS)
def test_an_epoch_is_an_instant(moment: datetime) -> None:
    """Seconds since 1970, in a parameter and in a token."""
    seconds = int(moment.timestamp())
    assert read(f"https://x.example/c?AWSAccessKeyId=a&Signature=b&Expires={seconds}")[1] == moment
    assert read(f"https://x.example/c?token={jwt({'exp': seconds})}")[1] == moment


NAMES = st.sampled_from(
    sorted(
        {name for scheme in SCHEMES for either in scheme.needs.split() for name in either.split("|")}
        | {"exp", "expiry", "se", "ske", "st", "si", "q-key-time", "jwt", "ex", "oe", "x-any-date", "x-any-expires"}
    )
)
VALUES = st.text() | st.text(string.digits + string.hexdigits + "TZ-:;/~=._", max_size=40)
HOSTS = st.sampled_from(("x.example", "cdn.discordapp.com", "a.fbcdn.net", "d.pcs.baidu.com", "v.douyinvod.com"))


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """No text raises, and text that is no URL has no end."""
    expiry(text, NOW)
    assert expiry(f"\n{text}", NOW) is None


@given(HOSTS, st.dictionaries(NAMES, VALUES, max_size=8))
def test_any_values_under_known_names_are_read(host: str, parameters: dict[str, str]) -> None:
    """Known names with any values never raise, and give instants in UTC where they give any."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    end = expiry(f"https://{host}/a/0123456789abcdef0123456789abcdef/zzzzzzzz/c.mp4?{query}", NOW)
    for moment in (end.instant, end.not_before, end.signed_at) if end else ():
        assert moment is None or moment.utcoffset() == timedelta(0)


@given(st.dictionaries(st.text("abcdefnoprstuvxy_", min_size=1, max_size=12), VALUES, max_size=6))
def test_a_guess_is_never_trusted(parameters: dict[str, str]) -> None:
    """Without the marks of a documented signature nothing has high confidence, whatever the values say."""
    marks = {"_upt", "e", "token"}
    parameters = {name: value for name, value in parameters.items() if name not in marks and "eyJ" not in value}
    end = expiry("https://x.example/c.mp4?" + "&".join(f"{name}={value}" for name, value in parameters.items()), NOW)
    assert end is None or end.confidence != "high"
