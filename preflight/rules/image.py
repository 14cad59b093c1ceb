"""The reference image: its format, its sides, and what decoders read differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.language import say
from preflight.rules.limits import (
    LIBAV,
    NO_EVIDENCE,
    SIDES,
    VENDOR,
    aspect,
    exceeded,
    listing,
    plain,
    scalar,
    stated,
    undercut,
)
from preflight.rules.medium import RESAVE
from preflight.rules.model import Breach, Breaches, Case, Rule, established, rule

if TYPE_CHECKING:
    from fractions import Fraction

    from preflight.facts import ImageFacts


def _pillow(expression: str, names: str = "Image, ImageOps") -> str:
    """A command that reads the file, applies an expression over `im`, and writes the result."""
    return (
        f'`python -c "import sys; from PIL import {names}; im = Image.open(sys.argv[1]); '
        f'{expression}.save(sys.argv[2])" {{file}} {{out}}`'
    )


@rule(
    "image-format",
    "image",
    Severity.ERROR,
    limits=("image_formats",),
    title="The image's format is not one that the vendor takes",
    message="The image is a {observed} file; {limit} is asked for.",
    why="The vendor lists jpg, jpeg and png and refuses the rest. Some resellers convert, none promises it here.",
    fix=f"Save it as a PNG: {RESAVE}.",
    source=VENDOR,
)
def image_format(case: Case, picture: ImageFacts) -> Breaches:
    """The format, told by the bytes, is not on the profile's list."""
    limit = case.limit("image_formats")
    if limit and picture.format not in limit.names:
        yield listing(picture.format, limit)


@rule(
    "image-side-too-small",
    "image",
    Severity.ERROR,
    limits=("image_side_min",),
    title="The image is too small",
    message="The image's {side} is {observed} px as displayed ({shape}); each side must have at least {limit} px.",
    why='The vendor answers "Image pixel is invalid", without a number, a minute or two after the job was accepted. '
    "It is the most repeated failure in public logs.",
    fix="Use a larger original. If there is none, enlarge it: " + _pillow("ImageOps.cover(im, ({room}, {room}))") + ".",
    source=VENDOR,
)
def image_side_too_small(case: Case, picture: ImageFacts) -> Breaches:
    """Width or height, each for itself, is below the minimum."""
    for side, word in SIDES.items():
        value = established(picture, side)
        if (limit := undercut(case, "image_side_min", value)) is not None:
            values = {"side": say(word), "shape": _shape(picture), "room": plain(limit)}
            yield Breach(value, scalar(limit), case.limit("image_side_min"), values=values)


@rule(
    "image-side-too-large",
    "image",
    Severity.ERROR,
    limits=("image_side_max",),
    title="The image is too large in pixels",
    message="The image's {side} is {observed} px as displayed ({shape}); each side may have at most {limit} px.",
    why="The vendor refuses larger sides; much smaller ones lose nothing, for the result is a video of ordinary size.",
    fix="Scale it down: " + _pillow("ImageOps.contain(im, (3840, 3840))") + ".",
    source=VENDOR,
)
def image_side_too_large(case: Case, picture: ImageFacts) -> Breaches:
    """Width or height, each for itself, is above the maximum."""
    for side, word in SIDES.items():
        value = established(picture, side)
        if (limit := exceeded(case, "image_side_max", value)) is not None:
            values = {"side": say(word), "shape": _shape(picture)}
            yield Breach(value, scalar(limit), case.limit("image_side_max"), values=values)


def _shape(picture: ImageFacts) -> str:
    return f"{picture.width or '?'} x {picture.height or '?'}"


@rule(
    "image-aspect",
    "image",
    Severity.ERROR,
    limits=("image_aspect_min", "image_aspect_max"),
    title="The image is too narrow or too wide",
    message="The image is {shape} px: its width is {ratio} times its height, outside {least} to {most}.",
    why="The vendor refuses pictures beyond 1:2.5 and 2.5:1.",
    fix="Crop it around the person: " + _pillow("ImageOps.fit(im, ({crop}))") + ".",
    source=VENDOR,
)
def image_aspect(case: Case, picture: ImageFacts) -> Breaches:
    """Width divided by height is outside the two bounds; a bound itself is allowed."""
    ratio = aspect(picture)
    low, high = undercut(case, "image_aspect_min", ratio), exceeded(case, "image_aspect_max", ratio)
    limit = low if low is not None else high
    if limit is None:
        return
    broken = case.limit("image_aspect_min" if low is not None else "image_aspect_max")
    yield Breach(
        scalar(ratio),
        scalar(limit),
        broken,
        values={
            "shape": _shape(picture),
            "ratio": f"{float(ratio):.3f}",
            "least": _bound(case, "image_aspect_min"),
            "most": _bound(case, "image_aspect_max"),
            "crop": _crop(picture, ratio, limit),
        },
    )


def _crop(picture: ImageFacts, ratio: Fraction, limit: Fraction) -> str:
    """The largest size inside the picture that keeps the limit."""
    width, height = established(picture, "width"), established(picture, "height")
    return f"{width}, {int(width / limit)}" if ratio < limit else f"{int(height * limit)}, {height}"


def _bound(case: Case, name: str) -> str:
    limit = case.limit(name)
    return plain(limit.number) if limit else say("any")


@rule(
    "image-animated",
    "image",
    Severity.WARNING,
    title="The image is animated",
    message="The image holds {count} frames; a still picture is expected.",
    why="At best one frame is used, and nobody says which.",
    fix="Save the frame that you mean: " + _pillow("im.convert('RGB')", "Image") + "; im.seek(n) chooses another.",
    source=NO_EVIDENCE,
)
def image_animated(_case: Case, picture: ImageFacts) -> Breaches:
    """More than one frame."""
    if stated(picture, "animated"):
        count = str(picture.frames) if picture.frames is not None else say("several")
        yield Breach(picture.frames, 1, values={"count": count})


@rule(
    "image-exif-rotated",
    "image",
    Severity.WARNING,
    title="The image is turned by its metadata",
    message="The image is to be shown turned or mirrored (orientation {observed}); its pixels are stored otherwise.",
    why="Viewers turn it, many decoders do not. Then the person lies on the side, and no upper body is found.",
    fix="Turn the pixels themselves: " + _pillow("ImageOps.exif_transpose(im)") + ".",
    source=LIBAV,
)
def image_exif_rotated(_case: Case, picture: ImageFacts) -> Breaches:
    """An orientation other than upright."""
    orientation = stated(picture, "orientation")
    if orientation is not None and orientation != 1:
        yield Breach(orientation, 1)


@rule(
    "image-alpha",
    "image",
    Severity.WARNING,
    title="The image has a transparency channel",
    message="The image has a transparency channel; the provider decides what shows through.",
    why="Transparent parts become black, white or whatever colour is stored under them.",
    fix="Put it on a background of your choice: "
    + _pillow("Image.alpha_composite(Image.new('RGBA', im.size, 'white'), im.convert('RGBA')).convert('RGB')", "Image")
    + ".",
    source=NO_EVIDENCE,
)
def image_alpha(_case: Case, picture: ImageFacts) -> Breaches:
    """A transparency channel, whether or not anything is transparent."""
    if stated(picture, "alpha"):
        yield Breach(picture.color_mode)


@rule(
    "image-cmyk",
    "image",
    Severity.WARNING,
    title="The image is coded for print",
    message="The image's colours are {observed}, for print; RGB is expected.",
    why="Decoders disagree about print colours: the result may come out inverted, or the file is not opened at all.",
    fix=f"Convert it to RGB: {RESAVE}.",
    source=NO_EVIDENCE,
)
def image_cmyk(_case: Case, picture: ImageFacts) -> Breaches:
    """Print colours."""
    mode = stated(picture, "color_mode")
    if mode in ("CMYK", "YCCK"):
        yield Breach(mode, "RGB")


@rule(
    "image-high-bit-depth",
    "image",
    Severity.WARNING,
    title="The image has more than 8 bits per channel",
    message="The image has {observed} bits per channel; 8 are usual.",
    why="Decoders for 8 bits cut such values off or refuse the file; the picture turns white or dark.",
    fix="Export it with 8 bits per channel: `ffmpeg -i {file} -pix_fmt rgb24 out.png`.",
    source=NO_EVIDENCE,
)
def image_high_bit_depth(_case: Case, picture: ImageFacts) -> Breaches:
    """More than 8 bits in a channel."""
    depth = stated(picture, "bit_depth")
    if depth is not None and depth > 8:
        yield Breach(depth, 8)


RULES: tuple[Rule, ...] = (
    image_format,
    image_side_too_small,
    image_side_too_large,
    image_aspect,
    image_animated,
    image_exif_rotated,
    image_alpha,
    image_cmyk,
    image_high_bit_depth,
)
