"""The sample media are what their manifest says, and preflight says the same of them."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

import av
import pytest
from PIL import Image, ImageOps

from preflight.api import Preflight
from preflight.demo import sample_media
from preflight.facts import ImageFacts, VideoFacts
from tests.feeding import feed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from preflight.facts import Outcome

FOLDER = sample_media()
MANIFEST: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "manifest.toml").read_text("utf-8"))
IMAGES = [name for name, entry in MANIFEST.items() if entry["kind"] == "image"]
CLIPS = [name for name, entry in MANIFEST.items() if entry["kind"] == "video"]


def _maker() -> ModuleType:
    spec = spec_from_file_location("make_sample_media", FOLDER / "make.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = module_from_spec(spec)  # dataclasses look their own module up there
    spec.loader.exec_module(module)
    return module


def _probe(path: Path) -> Outcome:
    return feed(path.read_bytes()).outcome


# ---------------------------------------------------------------------------------------------- the files


def test_the_manifest_names_every_file() -> None:
    """Nothing lies in the folder undescribed, nothing described is missing, and all of it is small."""
    described = {".py", ".toml", ".json", ""}
    media = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix not in described}
    assert {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in media.items()} == {
        name: (entry["size_bytes"], entry["sha256"]) for name, entry in MANIFEST.items()
    }
    assert sum(map(len, media.values())) < 1_500_000


def test_the_manifest_is_what_the_script_writes() -> None:
    """What the script expects of its files and what the manifest says cannot drift apart."""
    assert _maker().manifest(FOLDER) == (FOLDER / "manifest.toml").read_text("utf-8")


@pytest.mark.parametrize("name", [*IMAGES, "short-2s.mp4"])
def test_the_script_makes_the_files(name: str, tmp_path: Path) -> None:
    """The committed script still makes such files; bytes may differ with another encoder, facts may not."""
    maker = _maker()
    recipe = next(item for item in (*maker.STILLS, *maker.CLIPS) if item.name == name)
    (maker.save if name in IMAGES else maker.encode)(recipe, tmp_path / name)
    assert _probe(tmp_path / name) == _probe(FOLDER / name)


# --------------------------------------------------------------------------------------------- ground truth


def _presented(pieces: Iterable[av.VideoFrame | av.Packet[Any]]) -> Fraction:
    """Measure from the first start to the last end, in seconds."""
    starts, ends = [], []
    for piece in pieces:
        if piece.pts is not None and piece.duration is not None and piece.time_base is not None:
            starts.append(piece.pts * piece.time_base)
            ends.append((piece.pts + piece.duration) * piece.time_base)
    return max(ends) - min(starts)


@pytest.mark.parametrize("name", CLIPS)
def test_clips_decode_to_what_the_manifest_says(name: str) -> None:
    """Durations, sides and rotation of each clip follow from decoding every frame of it."""
    entry = MANIFEST[name]
    with av.open(str(FOLDER / name)) as container:
        assert container.duration is not None
        durations = {"container": Fraction(container.duration, av.time_base)}
        frames = list(container.decode(video=0))
        stream = container.streams.video[0]
        first = frames[0]
        durations["video"] = _presented(frames)
        lying = first.rotation % 180 != 0
        seen = {
            "codec": stream.codec_context.name,
            "audio_codec": container.streams.audio[0].codec_context.name,
            "width": first.height if lying else first.width,
            "height": first.width if lying else first.height,
            "rotation": -first.rotation % 360,
            "frame_rate": str(stream.average_rate),
        }
    if "audio" in entry["durations"]:
        with av.open(str(FOLDER / name)) as container:
            durations["audio"] = _presented(packet for packet in container.demux(audio=0) if not packet.is_discard)
    assert {key: str(value) for key, value in durations.items()} == entry["durations"]
    assert seen == {key: entry[key] for key in seen}
    assert len(frames) == durations["video"] * Fraction(entry["frame_rate"])


@pytest.mark.parametrize("name", IMAGES)
def test_pictures_decode_to_what_the_manifest_says(name: str) -> None:
    """Sides, as a viewer sees them, and orientation follow from decoding the picture."""
    entry = MANIFEST[name]
    with Image.open(FOLDER / name) as picture:
        assert picture.getexif().get(0x0112, 1) == entry["orientation"]
        upright = ImageOps.exif_transpose(picture)
        assert (str(picture.format).lower(), *upright.size) == (entry["format"], entry["width"], entry["height"])


# -------------------------------------------------------------------------------------- what preflight says


@pytest.mark.parametrize("name", CLIPS)
def test_probe_reads_the_clips(name: str) -> None:
    """From the spans it asks for, the probe establishes what a full decode shows, exactly."""
    entry = MANIFEST[name]
    facts = _probe(FOLDER / name)
    assert isinstance(facts, VideoFacts)
    assert facts.audio is not None
    durations = {key: str(getattr(facts.durations, key)) for key in entry["durations"]}
    assert durations == entry["durations"]
    assert (facts.container, facts.codec, facts.audio.codec) == (entry["format"], entry["codec"], entry["audio_codec"])
    assert (facts.width, facts.height, facts.rotation) == (entry["width"], entry["height"], entry["rotation"])
    assert str(facts.frame_rate) == entry["frame_rate"]
    layout = {key: getattr(facts, key) for key in ("faststart", "fragmented") if key in entry}
    assert layout == {key: entry[key] for key in layout}
    assert facts.truncated is not True


@pytest.mark.parametrize("name", IMAGES)
def test_probe_reads_the_pictures(name: str) -> None:
    """From the spans it asks for, the probe establishes what a full decode shows."""
    entry = MANIFEST[name]
    facts = _probe(FOLDER / name)
    assert isinstance(facts, ImageFacts)
    assert (facts.format, facts.width, facts.height) == (entry["format"], entry["width"], entry["height"])
    assert (facts.orientation or 1) == entry["orientation"]


@pytest.mark.parametrize("orientation", ["image", "video"])
def test_verdicts(orientation: str) -> None:
    """A request from disk gets the verdict that the manifest promises, whichever medium leads."""
    with Preflight() as preflight:
        verdicts = {
            name: preflight.check(
                {
                    "model": "kling-v2-6-motion-control",
                    "prompt": "The character dances as in the reference video",
                    "image_url": str(FOLDER / (name if name in IMAGES else "portrait.jpg")),
                    "video_url": str(FOLDER / (name if name in CLIPS else "dance-8s.mp4")),
                    "character_orientation": orientation,
                    "mode": "std",
                }
            ).verdict.value
            for name in MANIFEST
        }
    assert verdicts == {name: entry["verdict"][orientation] for name, entry in MANIFEST.items()}
