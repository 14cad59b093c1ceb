"""Any bytes at all: the readers answer with facts, with a typed refusal, or with the bytes they need, and they end."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preflight.deliver.sparse import Hole, SparseBytes
from preflight.facts import ImageFacts, NotMedia, Refusal
from preflight.probes.image import probe_image
from preflight.probes.sniff import Sniffed, sniff
from tests.pictures import HEAD, heic, probe_sparse
from tests.test_image import WRITTEN

PICTURES = {**WRITTEN, "heic": heic(turns=1, alpha=True), "heic-sequence": heic(sequence=9, brand=b"hevc")}
FORMATS = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic")
HEADER_CLASSES = {Refusal.TRUNCATED, Refusal.CORRUPT, Refusal.TOO_COMPLEX}
MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.sampled_from(sorted(PICTURES))


def _answer(blob: bytes, name: str, *, total_known: bool) -> ImageFacts | NotMedia:
    """Probe `blob` as if it had been sniffed as `name`, feeding what is asked for."""
    data = SparseBytes(len(blob) if total_known else None)
    data.add(0, blob[:HEAD])
    for _ in range(2000):
        try:
            outcome = probe_image(data, Sniffed("image", name, f"image/{name}"))
        except Hole as hole:
            span = hole.span
        else:
            _is_sound(outcome)
            return outcome
        assert data.missing(span), f"asked for what is held: {span}"
        assert span.stop is not None
        if span.stop >= len(blob):
            data.total = len(blob)
        data.add(span.start, blob[span.start : span.stop])
    raise AssertionError("no end")


def _is_sound(outcome: ImageFacts | NotMedia) -> None:
    """Sides are above zero or unknown with a reason; a refusal is one of the three that a header can earn."""
    if isinstance(outcome, NotMedia):
        assert outcome.refusal in HEADER_CLASSES
        assert outcome.detail
        return
    assert outcome.coded_width is not None
    assert outcome.coded_height is not None
    assert min(outcome.coded_width, outcome.coded_height) > 0
    assert outcome.frames is None or outcome.frames > 0
    assert outcome.orientation is None or 1 <= outcome.orientation <= 8
    unknown = {item.fact for item in outcome.unknown}
    for fact in ("width", "height", "orientation", "color_mode", "bit_depth", "alpha", "animated", "frames"):
        assert (getattr(outcome, fact) is None) == (fact in unknown), fact
    assert (outcome.truncated is None) == ("truncated" in unknown)


@MANY
@given(st.sampled_from(FORMATS), st.binary(max_size=400), st.booleans())
def test_random_bytes_get_an_answer_from_every_reader(name: str, blob: bytes, total_known: bool) -> None:
    """Even those that the sniffer would never send there."""
    _answer(blob, name, total_known=total_known)


@MANY
@given(names, st.data())
def test_any_prefix_gets_an_answer(name: str, data: st.DataObject) -> None:
    """Wherever a file is cut."""
    blob = PICTURES[name]
    cut = data.draw(st.integers(0, len(blob)))
    _answer(blob[:cut], name.split("-", maxsplit=1)[0], total_known=data.draw(st.booleans()))


@MANY
@given(names, st.data())
def test_flipped_bits_get_an_answer(name: str, data: st.DataObject) -> None:
    """Damage in the header mostly, where the readers look."""
    blob = bytearray(PICTURES[name])
    reach = data.draw(st.sampled_from([64, 400, len(blob)]))
    for at, mask in data.draw(st.lists(st.tuples(st.integers(0, min(reach, len(blob)) - 1), st.integers(1, 255)))):
        blob[at] ^= mask
    _answer(bytes(blob), name.split("-", maxsplit=1)[0], total_known=data.draw(st.booleans()))


@MANY
@given(names, st.data())
def test_numbers_blown_up_get_an_answer(name: str, data: st.DataObject) -> None:
    """Lengths and counts of all ones or all zeros: where overflows and endless loops live."""
    blob = bytearray(PICTURES[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(blob), 700) - 4))
        size = data.draw(st.sampled_from([1, 2, 4]))
        blob[at : at + size] = data.draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x01"])) * size
    _answer(bytes(blob), name.split("-", maxsplit=1)[0], total_known=data.draw(st.booleans()))


@MANY
@given(names, st.data())
def test_what_else_is_held_does_not_change_the_facts(name: str, data: st.DataObject) -> None:
    """A server that sent more than was asked for, and one that did not: the same facts, for damaged files as well."""
    blob = PICTURES[name][: data.draw(st.integers(13, len(PICTURES[name])))]
    if sniff(blob[:HEAD], len(blob)).family != "image":
        return
    assert probe_sparse(blob).outcome == _answer_with_everything(blob)


def _answer_with_everything(blob: bytes) -> ImageFacts | NotMedia:
    return probe_image(SparseBytes.whole(blob), sniff(blob[:HEAD], len(blob)))
