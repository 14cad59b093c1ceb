"""How many bytes: the size that the server proves, against a limit whose unit (MB) can be read in two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.language import say
from preflight.rules.limits import PAGE, VENDOR, exceeded, scalar, size
from preflight.rules.medium import absence
from preflight.rules.model import SUBJECTS, Breach, Breaches, Case, Rule, Unestablished, rule

if TYPE_CHECKING:
    from preflight.facts import Medium

_AS_JPEG = (
    '`python -c "import sys; from PIL import Image; '
    "Image.open(sys.argv[1]).convert('RGB').save(sys.argv[2], quality=92)\" {file} out.jpg`"
)
_TWO_READINGS = "Whether a file of this size is taken depends on a reading of MB that nobody has published."


def _size(medium: Medium) -> int:
    count = medium.delivery.size_bytes
    if count is not None:
        return count
    undelivered = absence(medium, medium.kind) if medium.outcome is None else None
    silent = say("the server does not tell how large the {kind} is", kind=say(SUBJECTS[medium.kind]))
    raise Unestablished(undelivered or silent)


def _too_large(case: Case, medium: Medium) -> Breaches:
    name, count = f"{medium.kind}_size_max", _size(medium)
    if (limit := exceeded(case, name, count)) is not None:
        yield Breach(count, scalar(limit), case.limit(name), values=_sizes(count, int(limit)))


def _ambiguous(case: Case, medium: Medium) -> Breaches:
    certain, most, count = f"{medium.kind}_size_certain", f"{medium.kind}_size_max", _size(medium)
    if (limit := exceeded(case, certain, count)) is not None and exceeded(case, most, count) is None:
        yield Breach(count, scalar(limit), case.limit(certain), values=_sizes(count, int(limit)))


def _sizes(count: int, limit: int) -> dict[str, str]:
    return {"size": size(count), "most": size(limit)}


def _known_size(medium: Medium) -> Breaches:
    _size(medium)
    return iter(())


@rule(
    "video-too-large",
    "reference",
    Severity.ERROR,
    subjects=("video",),
    limits=("video_size_max",),
    title="The video is larger than the provider takes",
    message="The video has {size}; at most {most} are accepted.",
    why="The provider refuses a larger file, or its download stops before the end and the job fails.",
    fix="Encode it smaller: `ffmpeg -i {file} -c:v libx264 -crf 23 -c:a aac -movflags +faststart out.mp4`; "
    "raise -crf until it fits.",
    source=PAGE,
)
def video_too_large(case: Case, medium: Medium) -> Breaches:
    """More bytes than the larger reading of the limit."""
    return _too_large(case, medium)


@rule(
    "video-size-ambiguous",
    "reference",
    Severity.WARNING,
    subjects=("video",),
    limits=("video_size_certain", "video_size_max"),
    title="The video's size is allowed under one reading of MB only",
    message="The video has {size}: too much if a megabyte is a million bytes (at most {most}), allowed if it is 1024².",
    why=_TWO_READINGS,
    fix="Get below the smaller reading: `ffmpeg -i {file} -c:v libx264 -crf 23 -c:a aac -movflags +faststart out.mp4`.",
    source=PAGE,
)
def video_size_ambiguous(case: Case, medium: Medium) -> Breaches:
    """More bytes than the smaller reading of the limit, and not more than the larger."""
    return _ambiguous(case, medium)


@rule(
    "video-size-unknown",
    "reference",
    Severity.ERROR,
    subjects=("video",),
    limits=("video_size_max",),
    title="The video's size cannot be established",
    message="The size of the video cannot be established.",
    why="A file of unknown size may be over the limit; an unknown size is never taken for an allowed one.",
    fix="Serve it from a host that answers with Content-Length or Content-Range, such as an object store.",
    source=PAGE,
)
def video_size_unknown(_case: Case, medium: Medium) -> Breaches:
    """Finds nothing by itself: without a size it cannot be evaluated, and that is the point."""
    return _known_size(medium)


@rule(
    "image-too-large",
    "reference",
    Severity.ERROR,
    subjects=("image",),
    limits=("image_size_max",),
    title="The image is larger than the provider takes",
    message="The image has {size}; at most {most} are accepted.",
    why="The vendor refuses a larger image, minutes after the job was accepted.",
    fix=f"Save it as a JPEG: {_AS_JPEG}.",
    source=VENDOR,
)
def image_too_large(case: Case, medium: Medium) -> Breaches:
    """More bytes than the larger reading of the limit."""
    return _too_large(case, medium)


@rule(
    "image-size-ambiguous",
    "reference",
    Severity.WARNING,
    subjects=("image",),
    limits=("image_size_certain", "image_size_max"),
    title="The image's size is allowed under one reading of MB only",
    message="The image has {size}: too much if a megabyte is a million bytes (at most {most}), allowed if it is 1024².",
    why=_TWO_READINGS,
    fix=f"Save it as a JPEG: {_AS_JPEG}.",
    source=VENDOR,
)
def image_size_ambiguous(case: Case, medium: Medium) -> Breaches:
    """More bytes than the smaller reading of the limit, and not more than the larger."""
    return _ambiguous(case, medium)


@rule(
    "image-size-unknown",
    "reference",
    Severity.ERROR,
    subjects=("image",),
    limits=("image_size_max",),
    title="The image's size cannot be established",
    message="The size of the image cannot be established.",
    why="A file of unknown size may be over the limit; an unknown size is never taken for an allowed one.",
    fix="Serve it from a host that answers with Content-Length or Content-Range, such as an object store.",
    source=VENDOR,
)
def image_size_unknown(_case: Case, medium: Medium) -> Breaches:
    """Finds nothing by itself: without a size it cannot be evaluated, and that is the point."""
    return _known_size(medium)


VIDEO_RULES: tuple[Rule, ...] = (video_too_large, video_size_ambiguous, video_size_unknown)
IMAGE_RULES: tuple[Rule, ...] = (image_too_large, image_size_ambiguous, image_size_unknown)
RULES = VIDEO_RULES + IMAGE_RULES
