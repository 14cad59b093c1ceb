"""Image and video together: what each alone would not show."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.language import say
from preflight.rules.limits import VENDOR, aspect, exceeded, plain, scalar
from preflight.rules.model import Breach, Breaches, Case, Rule, rule

if TYPE_CHECKING:
    from preflight.facts import ImageFacts, VideoFacts


@rule(
    "pair-aspect-mismatch",
    "pair",
    Severity.WARNING,
    limits=("pair_aspect_factor",),
    title="Image and video have very different shapes",
    message="The image is {image} and the video {video}: their proportions differ by a factor of {factor}, "
    "more than {limit}.",
    why="The person of the image is to move like the person of the video. In another frame part of the body has no "
    "counterpart: the motion is cropped, or limbs are invented.",
    fix="Crop the video around the person to the shape of the image: `ffmpeg -i {file} -vf "
    "\"crop='min(iw,ih*{ratio})':'min(ih,iw/{ratio})'\" -c:a copy out.mp4`; or choose an image that shows as much of "
    "the body as the video does.",
    source=VENDOR,
)
def pair_aspect_mismatch(case: Case, picture: ImageFacts, clip: VideoFacts) -> Breaches:
    """The two shapes differ by more than the factor, whichever is the wider."""
    image, video = aspect(picture), aspect(clip)
    factor = max(image / video, video / image)
    if (limit := exceeded(case, "pair_aspect_factor", factor)) is not None:
        yield Breach(
            scalar(factor),
            scalar(limit),
            case.limit("pair_aspect_factor"),
            pointer="",
            values={
                "image": _shape(picture, image),
                "video": _shape(clip, video),
                "factor": plain(Fraction(round(factor, 2))),
                "ratio": plain(Fraction(round(image, 4))),
            },
        )


def _shape(medium: ImageFacts | VideoFacts, ratio: Fraction) -> str:
    word = say("square") if ratio == 1 else say("landscape") if ratio > 1 else say("portrait")
    return say("{shape} ({width} x {height})", shape=word, width=medium.width, height=medium.height)


RULES: tuple[Rule, ...] = (pair_aspect_mismatch,)
