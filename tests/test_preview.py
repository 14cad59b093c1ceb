"""Small pictures of the media: what they show, what they cost, and that nothing rests on them."""

from __future__ import annotations

import io
import os
import pickle
import random
import signal
import struct
import zlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from preflight import Preflight, worker
from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Span, SparseBytes
from preflight.facts import ImageFacts, NeedSpans, VideoFacts
from preflight.probes import probe
from preflight.probes.preview import BYTES, SIDE, preview
from preflight.worker import Worker
from tests.fuzzing.corpus import CLIPS, corpus
from tests.hard_media import ROWS
from tests.media import Clip, build, find_box, patch
from tests.pictures import SIZE, canvas, encode, frames, heic
from tests.servers import ChangingETag, Drop, MediaServer, NoRanges, Ranges, ShortRange
from tests.test_cli import MEDIA, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preflight.inspection import Previews
    from preflight.report import Report
    from tests.servers import Ask, Behaviour

Answer = bytes | NeedSpans


def shown(data: bytes, ask: Callable[[SparseBytes], Answer] = preview) -> tuple[bytes, SparseBytes]:
    """The picture of a file that is fetched as it is asked for, and what was fetched."""
    sparse = SparseBytes(len(data))
    wanted: tuple[Span, ...] = (Span(0, FLIGHT_BYTES),)
    for _ in range(24):
        for hole in [hole for span in wanted for hole in sparse.missing(span)]:
            assert hole.stop is not None
            sparse.add(hole.start, data[hole.start : hole.stop])
        answer = ask(sparse)
        if isinstance(answer, bytes):
            return answer, sparse
        assert any(sparse.missing(span) for span in answer.spans), f"asked for what is there: {answer.spans}"
        wanted = answer.spans
    raise AssertionError("it never has enough")


def opened(jpeg: bytes) -> Image.Image:
    """The picture, decoded; it keeps to its bounds."""
    assert len(jpeg) <= BYTES
    picture = Image.open(io.BytesIO(jpeg), formats=["JPEG"])
    picture.load()
    assert max(picture.size) <= SIDE
    assert picture.mode == "RGB"
    return picture


def expect_alike(picture: Image.Image, truth: Image.Image) -> None:
    """The same picture, but for what scaling and JPEG do."""
    assert abs(picture.width / picture.height - truth.width / truth.height) < 0.05
    difference = ImageChops.difference(picture, truth.convert("RGB").resize(picture.size))
    assert max(ImageStat.Stat(difference).mean) < 14


def first_frame(data: bytes, facts: VideoFacts) -> Image.Image:
    """What a player shows first, from all of the file."""
    with av.open(io.BytesIO(data), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="rgb24")
    plane: Any = frame.planes[0]
    picture = Image.frombytes("RGB", (frame.width, frame.height), bytes(plane), "raw", "RGB", plane.line_size)
    shape = facts.sample_aspect_ratio or 1
    return picture.resize((max(round(frame.width * shape), 1), frame.height)).rotate(
        -(facts.rotation or 0), expand=True
    )


# ------------------------------------------------------------------------------------------------- videos

HARD = {row.name: row for row in ROWS}


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_shows_its_first_frame(name: str) -> None:
    """Every container, fetched piece by piece."""
    data = build(CLIPS[name])
    facts = probe(SparseBytes.whole(data))
    assert isinstance(facts, VideoFacts)
    jpeg, _ = shown(data)
    expect_alike(opened(jpeg), first_frame(data, facts))


@pytest.mark.parametrize(
    "name", ["rotated-90", "anamorphic", "hevc-10-bit", "hdr", "av1", "prores", "mpeg4", "webm-vp9", "frag-hybrid"]
)
def test_hard_clips_show_their_first_frame(name: str) -> None:
    """Turned, squeezed, of more bits and other codecs."""
    data = HARD[name].make()
    facts = probe(SparseBytes.whole(data))
    assert isinstance(facts, VideoFacts)
    jpeg, _ = shown(data)
    expect_alike(opened(jpeg), first_frame(data, facts))


@pytest.mark.parametrize("name", ["phone-4s.mov", "fragmented-4s.mp4", "browser-4s.webm", "dance-8s-tail.mp4"])
def test_a_real_clip_is_shown_upright(name: str) -> None:
    """The phone's clip lies on its side as it is stored: its picture stands, like those of the others."""
    jpeg, _ = shown((MEDIA / name).read_bytes())
    upright, _ = shown((MEDIA / "dance-8s.mp4").read_bytes())
    expect_alike(opened(jpeg), opened(upright))


def test_exactly_the_key_frame_is_asked_for() -> None:
    """Where an index tells where it is: not a byte more, and one round trip."""
    data = (MEDIA / "long-11s.mp4").read_bytes()
    asked: list[tuple[Span, ...]] = []

    def ask(sparse: SparseBytes) -> Answer:
        answer = preview(sparse)
        if isinstance(answer, NeedSpans):
            asked.append(answer.spans)
        return answer

    opened(shown(data, ask)[0])
    with av.open(io.BytesIO(data)) as container:
        entry = container.streams.video[0].index_entries[0]
        assert asked == [(Span(entry.pos, entry.pos + entry.size),)]


def test_a_wide_clip_is_made_small() -> None:
    """Its longer side is 480 pixels, its shape is kept, and it has few enough bytes however noisy it is."""
    picture = opened(shown(build(Clip(width=1920, height=1080, video=Fraction(1))))[0])
    assert picture.size == (480, 270)


@pytest.mark.parametrize("damage", ["the frame is garbage", "the codec is another"])
def test_a_clip_that_cannot_be_decoded_has_no_picture(damage: str) -> None:
    """Nothing is raised, and the facts stay what they are."""
    data = build(Clip(video=Fraction(4)))
    if damage == "the frame is garbage":
        start, stop = find_box(data, b"mdat")
        data = data[: start + 8] + bytes(byte ^ 0x5A for byte in data[start + 8 : stop]) + data[stop:]
    else:
        data = data.replace(b"avc1", b"qdrw").replace(b"avcC", b"free")
    assert isinstance(probe(SparseBytes.whole(data)), VideoFacts)
    assert shown(data)[0] == b""


# ------------------------------------------------------------------------------------------------- images


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_an_image_is_shown_upright(orientation: int) -> None:
    """Each EXIF orientation, as Pillow's own transposition has it."""
    data = encode("JPEG", orientation=orientation)
    expect_alike(opened(shown(data)[0]), ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


STILLS = {
    "png": encode("PNG"),
    "palette": encode("PNG", "P"),
    "grey": encode("PNG", "L"),
    "bilevel": encode("PNG", "1"),
    "cmyk": encode("JPEG", "CMYK"),
    "webp": encode("WEBP"),
    "gif": encode("GIF", "P", **frames(3)),
    "bmp": encode("BMP"),
    "tiff": encode("TIFF"),
    "avif": encode("AVIF"),
}


@pytest.mark.parametrize("name", STILLS)
def test_an_image_of_each_format_is_shown(name: str) -> None:
    """Whatever it is stored as, it becomes a JPEG of plain colours."""
    expect_alike(opened(shown(STILLS[name])[0]), Image.open(io.BytesIO(STILLS[name])).convert("RGB"))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    """Not black, as a viewer without a ground shows it."""
    data = encode("PNG", picture=Image.new("RGBA", SIZE, (0, 0, 0, 0)).convert(mode))
    assert min(ImageStat.Stat(opened(shown(data)[0])).mean) > 250


def test_a_large_image_is_small_enough() -> None:
    """Noise does not compress: quality gives way, size does not."""
    data = encode("JPEG", picture=canvas(size=(2000, 1500), noisy=True), quality=60)
    assert opened(shown(data)[0]).size == (480, 360)


def _claims(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (header, pixels, b"IEND")
    packed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    "data",
    [_claims(60_000, 60_000), _claims(20_000, 2_600), heic(), encode("PNG")[:-40]],
    ids=["bomb", "large", "heic", "cut"],
)
def test_what_cannot_be_shown_has_no_picture(data: bytes) -> None:
    """Too many pixels, no decoder, or not all of the bytes: nothing, without an error."""
    assert isinstance(probe(SparseBytes.whole(data)), ImageFacts)
    assert shown(data)[0] == b""


@pytest.mark.parametrize("data", [b"", b"<!doctype html><p>", bytes(64)])
def test_what_is_no_medium_has_no_picture(data: bytes) -> None:
    """What the probe refuses is not looked at again."""
    assert shown(data)[0] == b""


# --------------------------------------------------------------------------------------- in the sealed process


@pytest.fixture(name="child", scope="module")
def _child() -> Iterator[Worker]:
    child = Worker()
    yield child
    child.stop()


@pytest.mark.parametrize("data", [*map(build, CLIPS.values()), *STILLS.values()], ids=[*CLIPS, *STILLS])
def test_the_child_shows_the_same(data: bytes, child: Worker) -> None:
    """Nothing that a picture takes has still to be opened behind the seal."""
    assert shown(data, child.preview)[0] == shown(data)[0] != b""


def test_a_death_is_no_picture_and_no_verdict(child: Worker) -> None:
    """A decoder that kills the child, or never ends, costs the picture alone: the next question is answered."""
    data = SparseBytes.whole(STILLS["png"])
    child.preview(data)
    assert child._child is not None
    os.kill(child._child.pid, signal.SIGKILL)
    child._child.wait()
    assert child.preview(data)


@pytest.mark.parametrize(
    "answer",
    [b"GIF89a", b"<svg onload=alert(1)>", b"\xff\xd8\xff" + bytes(BYTES), 7, ("x",), None, ImageFacts("png", "x")],
)
def test_what_is_no_small_jpeg_is_no_answer(answer: object) -> None:
    """A child that was taken over may lie about what it sees; it cannot put another kind of file on the page."""
    assert worker._picture_of(pickle.dumps(answer)) is None


def test_a_picture_is_no_answer_to_a_probe() -> None:
    """Nor are facts one to the question for a picture; and the two modules mean the same size."""
    assert worker._facts_of(pickle.dumps(b"\xff\xd8\xff")) is None
    assert worker._picture_of(pickle.dumps(b"\xff\xd8\xff")) == b"\xff\xd8\xff"
    assert worker._JPEG_BYTES == BYTES


def test_mutated_media_have_a_small_picture_or_none(child: Worker) -> None:
    """Whatever a file holds: the child answers, and what it answers keeps to its bounds."""
    dice = random.Random(20261123)  # noqa: S311  (the same files in every run)
    names = [name for name in sorted(corpus()) if not name.startswith("text ")]
    for name in names:
        data = bytearray(corpus()[name])
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        answer = child.preview(SparseBytes.whole(bytes(data)))
        if isinstance(answer, bytes) and answer:
            opened(answer)


# ---------------------------------------------------------------------------------------- decoration, no fact

LONG = build(Clip(width=352, height=352, fps=Fraction(10), gop=10, video=Fraction(6), audio=Fraction(6)))
LARGE = encode("JPEG", picture=canvas(size=(900, 900), noisy=True), quality=90)


class _FailsLater:
    """Good until the facts are had; then 503, and a pause that nobody waits for."""

    def __init__(self, good: int) -> None:
        self._good = good

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if ask.hit <= self._good:
            Ranges('"v1"').respond(ask)
        else:
            ask.answer(503, [("Retry-After", "60"), ("Content-Type", "text/html")], b"no")


class _ChangesLater:
    """Another file behind the URL once the facts are had."""

    def __init__(self, good: int) -> None:
        self._good = good

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.headers.pop("if-range", None)
        Ranges('"v1"' if ask.hit <= self._good else '"v2"').respond(ask)


class _SilentLater:
    """No answer at all to what a picture needs."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if ask.hit > 2:
            ask.pause(60)
        Ranges().respond(ask)


BEHAVIOURS: dict[str, Callable[[], Behaviour]] = {
    "good": Ranges,
    "without ranges": NoRanges,
    "without a size": lambda: NoRanges(chunked=True),
    "in short ranges": lambda: ShortRange(20_000),
    "failing later": lambda: _FailsLater(2),
    "changing later": lambda: _ChangesLater(2),
    "changing at once": ChangingETag,
    "silent later": _SilentLater,
    "breaking off": lambda: Drop(30_000),
}


def _payload(image: str, video: str) -> dict[str, object]:
    return {
        "model": "kling-v2-6-motion-control",
        "image_url": image,
        "video_url": video,
        "character_orientation": "image",
        "mode": "std",
    }


def _but_for_the_price(report: Report) -> dict[str, Any]:
    told = report.model_dump(mode="json", exclude={"timing"})
    for kind in ("image", "video"):
        told[kind].pop("transfer")
    return told


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_picture_changes_nothing_that_is_reported(name: str, server: MediaServer) -> None:
    """However the fetch of a picture ends: the same report, but for what was transferred and how long it took."""
    told, previews = [], None
    for illustrated in (False, True):
        image = server.serve("a.jpg", LARGE, media_type="image/jpeg", behaviour=BEHAVIOURS[name]())
        video = server.serve("b.mp4", LONG, behaviour=BEHAVIOURS[name]())
        with Preflight(allow_private=True, timeout=2.5) as preflight:
            if illustrated:
                report, previews = preflight.illustrate(_payload(image, video))
            else:
                report = preflight.check(_payload(image, video))
        told.append(_but_for_the_price(report))
    assert told[0] == told[1]
    assert previews is not None
    for picture in filter(None, previews):
        assert bool(picture.jpeg) != bool(picture.missing)
    if name in {"good", "without ranges", "in short ranges"}:
        assert all(picture and picture.jpeg for picture in previews)
    if name in {"failing later", "silent later"}:
        assert previews.image
        assert previews.image.missing


def _illustrated(server: MediaServer, image: bytes, **options: Any) -> tuple[Report, Previews]:
    first = server.serve("a.jpg", image, media_type="image/jpeg")
    second = server.serve("b.mp4", LONG)
    with Preflight(allow_private=True, **options) as preflight:
        return preflight.illustrate(_payload(first, second))


def test_a_picture_counts_in_the_transfer(server: MediaServer) -> None:
    """What it cost is told where fetching is told."""
    report, previews = _illustrated(server, LARGE)
    assert previews.image
    assert previews.image.jpeg
    assert report.image
    assert report.image.transfer.bytes_received > len(LARGE)
    assert report.image.transfer.requests == len(server.asked("a.jpg"))


def test_an_image_beyond_the_budget_is_not_fetched(server: MediaServer) -> None:
    """It is said why, in its own size, and no byte is spent on it."""
    report, previews = _illustrated(server, LARGE, max_bytes=100_000)
    assert previews.image == (b"", f"the picture was not fetched: it is {len(LARGE) / 1e6:.1f} MB")
    assert report.image
    assert report.image.transfer.bytes_received < 20_000


def test_an_index_that_lies_costs_nothing(server: MediaServer) -> None:
    """A key frame of ten megabytes, as far as the index tells: nobody fetches that for a picture."""
    data = build(Clip(video=Fraction(4), muxer=(("movflags", "faststart"),), by_name=True))
    at = find_box(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")[0] + 20
    start, stop = find_box(data, b"mdat")
    data = patch(data, start, struct.pack(">I", stop - start + 12_000_000)) + bytes(12_000_000)
    data = patch(data, at, struct.pack(">I", 10_000_000))
    payload = _payload(server.serve("a.png", STILLS["png"], media_type="image/png"), server.serve("b.mp4", data))
    with Preflight(allow_private=True) as preflight:
        report, previews = preflight.illustrate(payload)
    assert previews.video == (b"", "the picture was not fetched: it takes too many bytes")
    assert report.video
    assert report.video.transfer.bytes_received < 50_000


def test_pictures_are_not_made_in_this_process(server: MediaServer) -> None:
    """Without a process of their own there are none: full decoders are for the sealed one."""
    _, previews = _illustrated(server, LARGE, isolation="none")
    assert {picture and picture.missing for picture in previews} == {"pictures are made in a process of their own only"}


def test_a_picture_waits_for_all_facts(server: MediaServer) -> None:
    """No byte of it is asked for while the other medium's facts are still on their way."""
    image = server.serve("a.jpg", LARGE, media_type="image/jpeg")
    video = server.serve("b.mp4", LONG, behaviour=_Slow())
    with Preflight(allow_private=True) as preflight:
        preflight.illustrate(_payload(image, video))
    whole = next(entry for entry in server.asked("a.jpg") if entry.sent > len(LARGE) // 2)
    assert whole.at > server.asked("b.mp4")[1].at + 0.4


class _Slow:
    """Thinks for half a second about everything."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.pause(0.5)
        Ranges().respond(ask)


def test_a_medium_that_was_expected_is_fetched_once(server: MediaServer) -> None:
    """`expect` begins what `illustrate` goes on with."""
    payload = _payload(server.serve("a.jpg", LARGE, media_type="image/jpeg"), server.serve("b.mp4", LONG))
    with Preflight(expect=payload, previews=True, allow_private=True) as preflight:
        _, previews = preflight.illustrate(payload)
    assert all(picture and picture.jpeg for picture in previews)
    assert [entry.range for entry in server.log].count("bytes=0-11263") == 2


# ------------------------------------------------------------------------------------------- the command line

WORDS = (
    "check",
    "--image",
    f"{MEDIA}/portrait-rotated.jpg",
    "--video",
    f"{MEDIA}/phone-4s.mov",
    "--orientation",
    "image",
)


def test_the_page_holds_both_pictures() -> None:
    """As data, with what is known of them in words."""
    done = run(*WORDS, "--format", "html")
    assert done.stderr == ""
    assert done.stdout.count('src="data:image/jpeg;base64,/9j/') == 2
    assert 'alt="The reference image as it will be seen: 720 x 1280 px, EXIF orientation 6"' in done.stdout
    assert "reference video as it will be seen: 360 x 640 px, turned by 90°" in done.stdout
    assert "img-src data:;" in done.stdout


def test_nobody_has_to_have_pictures() -> None:
    """`--no-previews`: not on the page, not in its policy, and nothing is fetched for them."""
    done = run(*WORDS, "--format", "html", "--no-previews")
    assert done.stderr == ""
    assert "<img" not in done.stdout
    assert "img-src" not in done.stdout


def test_a_session_s_language_holds_for_pictures_too(server: MediaServer) -> None:
    """What is found is told as `check` tells it."""
    report, _ = _illustrated(server, LARGE, lang="zh")
    assert any("\u4e00" <= character <= "\u9fff" for finding in report.findings for character in finding.message)
