"""Facts on their way to disk and back: exact, without a secret, and never half understood."""

from __future__ import annotations

import dataclasses
import json
import time
import typing
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import preflight.facts
from preflight.audit.codec import decode, encode
from preflight.deliver.url import redact
from preflight.facts import Cause, Delivery, Failure, Hop, Medium, NotMedia, Refusal, Transfer, Unknown, VideoFacts
from tests.reports import CLIP, DELIVERY, PICTURE, SECRET, VIDEO_URL

NAMES = {**vars(preflight.facts), "Fraction": Fraction}
#: As far as floats are exact in JSON: all of them that are numbers.
LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=40) | st.text("\ud800\x00\x1b\u2028é", max_size=4),
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),  # no length of time is minus nought
    Fraction: st.fractions(),
    type(None): st.none(),
}


def anything(declared: Any) -> st.SearchStrategy[Any]:
    """Any value of a declared type, built from the declarations alone."""
    inner = typing.get_args(declared)
    if declared in LEAVES:
        return LEAVES[declared]
    if typing.get_origin(declared) is typing.Literal:
        return st.sampled_from(inner)
    if inner[1:] == (...,):
        return st.lists(anything(inner[0]), max_size=3).map(tuple)
    if inner:
        return st.one_of(*map(anything, inner))
    if isinstance(declared, type) and dataclasses.is_dataclass(declared):
        hints = typing.get_type_hints(declared, localns=NAMES)
        return st.builds(
            declared, **{field.name: anything(hints[field.name]) for field in dataclasses.fields(declared)}
        )
    return st.sampled_from(declared)


def redacted(medium: Medium) -> Medium:
    """What is expected back."""
    delivery = medium.delivery
    hops = tuple(replace(hop, url=redact(hop.url)) for hop in delivery.hops)
    final = None if delivery.final_url is None else redact(delivery.final_url)
    return replace(medium, delivery=replace(delivery, reference=redact(delivery.reference), final_url=final, hops=hops))


def through(medium: Medium) -> Medium | None:
    """To text and back."""
    return decode(json.loads(json.dumps(encode(medium), allow_nan=False)))


@settings(deadline=None, max_examples=150)
@given(anything(Medium))
def test_any_medium_comes_back(medium: Medium) -> None:
    """Every field of every class, whatever stands in it; only URLs have lost their secrets."""
    back = through(medium)
    assert back == redacted(medium)
    assert repr(back) == repr(redacted(medium))  # of the same types too: True is not 1, 0 is not 0.0


@pytest.mark.parametrize(
    "medium",
    [
        Medium("video", DELIVERY, CLIP),
        Medium("image", DELIVERY, PICTURE),
        Medium("video", DELIVERY, NotMedia(Refusal.HTML, "a page", "text/html")),
        Medium("video", Delivery("clip.mp4", local=True, failure=Failure(Cause.NOT_A_FILE, "a folder")), None),
        Medium("video", Delivery("https://a.example/x"), VideoFacts("mp4", "video/mp4", unknown=(Unknown("a", "b"),))),
    ],
)
def test_media_as_they_are(medium: Medium) -> None:
    """What an audit meets."""
    assert through(medium) == redacted(medium)


def test_what_is_not_established_takes_no_room() -> None:
    """A field at its default is left out."""
    written = encode(Medium("video", Delivery("https://a.example/x"), None))
    assert written == {"v": 1, "kind": "video", "delivery": {"reference": "https://a.example/x"}, "outcome": None}


def test_no_secret_is_written() -> None:
    """The signature of a presigned URL stands neither in the reference nor on the way."""
    delivery = replace(DELIVERY, final_url=VIDEO_URL, hops=(Hop(VIDEO_URL, 302), Hop("https://u:pa55@a.example/", 302)))
    text = json.dumps(encode(Medium("video", delivery, CLIP)))
    assert SECRET not in text
    assert "pa55" not in text
    assert text.count("X-Amz-Signature=") == 3


WRITTEN = encode(Medium("video", replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "late", retry_after=2.0)), CLIP))


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {**WRITTEN, "v": 2},
        {**WRITTEN, "v": "1"},
        {**WRITTEN, "new": 1},
        {name: value for name, value in WRITTEN.items() if name != "delivery"},
        {**WRITTEN, "kind": "sound"},
        {**WRITTEN, "kind": ["video"]},
        {**WRITTEN, "delivery": None},
        {**WRITTEN, "outcome": "VideoFacts"},
        {**WRITTEN, "outcome": {}},
        {**WRITTEN, "outcome": {"is": "Medium"}},
        {**WRITTEN, "outcome": {"is": ["VideoFacts"]}},
        {**WRITTEN, "outcome": {**WRITTEN["outcome"], "width": "720"}},
        {**WRITTEN, "outcome": {**WRITTEN["outcome"], "width": True}},
        {**WRITTEN, "outcome": {**WRITTEN["outcome"], "brands": "isom"}},
        {**WRITTEN, "outcome": {**WRITTEN["outcome"], "frame_rate": "30/0"}},
        {**WRITTEN, "outcome": {**WRITTEN["outcome"], "frame_rate": "30"}},
        {**WRITTEN, "outcome": {**WRITTEN["outcome"], "frame_rate": 30.0}},
        {**WRITTEN, "delivery": {**WRITTEN["delivery"], "failure": {"cause": "bad luck", "detail": ""}}},
    ],
)
def test_a_record_of_another_version_is_none(record: object) -> None:
    """A cache may hold what an older preflight wrote, or what a disk made of it: it is fetched again."""
    assert decode(WRITTEN) is not None
    assert decode(record) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["video", "1/2"]),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("is"), inside, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(["kind", "delivery", "outcome"]), st.data())
def test_anything_else_is_a_medium_or_none(strange: object, where: str, data: st.DataObject) -> None:
    """Never an exception, wherever the strange value stands."""
    record = json.loads(json.dumps(WRITTEN))
    place = record
    if isinstance(record[where], dict) and data.draw(st.booleans()):
        place, where = record[where], data.draw(st.sampled_from(sorted(record[where])))
    place[where] = strange
    back = decode(record)
    assert back is None or isinstance(back, Medium)


def test_a_field_that_cannot_be_written_is_noticed_at_once() -> None:
    """Whoever gives the facts a new type is told by the first audit, not by a lost fact."""

    @dataclasses.dataclass(frozen=True)
    class Strange:
        field: set[int]

    from preflight.audit.codec import _coder  # noqa: PLC0415

    with pytest.raises(TypeError, match="no way to write"):
        _coder(Strange)


def test_it_costs_next_to_nothing() -> None:
    """A row takes milliseconds; its facts take microseconds of processor time (measured: 38 and 37)."""
    media = [
        Medium("video", replace(DELIVERY, reference=f"{VIDEO_URL}&n={n}", transfer=Transfer(seconds=n)), CLIP)
        for n in range(400)
    ]
    began = time.process_time()
    written = [encode(medium) for medium in media]
    between = time.process_time()
    assert all(map(decode, written))
    assert between - began < 400 * 600e-6
    assert time.process_time() - between < 400 * 600e-6
