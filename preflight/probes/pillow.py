"""The only importer of PIL: does a small picture decode, and what does a picture look like, small?

Pillow is never asked about sides: it would read whole files for them. It is told which format to expect, so that a
picture cannot choose its own decoder, and it is given few enough pixels that no decoder can run long.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import ModuleType

    from PIL.Image import Image

#: Stands around the loading of Pillow, which waits until a picture needs it.
around_loading: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
#: How many threads a decoder may start; None: as many as Pillow thinks right.
threads: int | None = None

#: Python's list of ignored warnings belongs to the whole process: two threads that change it spoil each other's.
_ONE_AT_A_TIME = threading.Lock()


def version() -> str:
    """Give Pillow's version."""
    import PIL  # noqa: PLC0415  (heavy, and not needed by everyone)

    return PIL.__version__


def undecodable(data: bytes, name: str, max_pixels: int) -> str | None:
    """Decode the first picture in `data`, of the named format: the kind of the error, or None.

    None says that it decodes, or that Pillow sees more than `max_pixels` in it and so it was not tried.
    """
    pillow = _loaded()
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with pillow.open(io.BytesIO(data), formats=(name.upper(),)) as picture:
                if picture.width * picture.height <= max_pixels:
                    picture.load()
        except Exception as error:  # noqa: BLE001  (Pillow raises anything on hostile bytes; all of it is an answer)
            return type(error).__name__
    return None


# ------------------------------------------------------------------------------------------ small pictures

#: How good a JPEG may be, best first: the first that is small enough is taken.
_QUALITIES = (85, 70, 50, 30)
#: How a picture of an EXIF orientation is put upright, and one that a player turns clockwise by so many degrees.
_UPRIGHT = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
            7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip
_TURNED = {90: "ROTATE_270", 180: "ROTATE_180", 270: "ROTATE_90"}


def thumbnail(data: bytes, name: str, orientation: int, longest: int, most_bytes: int) -> bytes:
    """A JPEG of the first picture in `data`, of the named format, upright and on white; empty: there is none.

    The caller knows that the picture has few enough pixels.
    """
    pillow = _loaded()
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with pillow.open(io.BytesIO(data), formats=(name.upper(),)) as picture:
                picture.draft("RGB", (longest, longest))
                small: Image = picture if picture.mode != "P" else picture.convert("RGBA")
                small.thumbnail((longest, longest))
                return _jpeg(_on_white(small), _UPRIGHT.get(orientation), most_bytes)
        except Exception:  # noqa: BLE001  (as above)
            return b""


def poster(pixels: bytes, size: tuple[int, int], stride: int, clockwise: int, most_bytes: int) -> bytes:
    """A JPEG of a video's frame (24 bits a pixel, rows of `stride` bytes), turned as a player turns it."""
    picture = _loaded().frombytes("RGB", size, pixels, "raw", "RGB", stride)
    return _jpeg(picture, _TURNED.get(clockwise), most_bytes)


def _on_white(picture: Image) -> Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    ground: Image = _loaded().new("RGBA", seen.size, "white")
    ground.alpha_composite(seen)
    return ground.convert("RGB")


def _jpeg(picture: Image, turn: str | None, most_bytes: int) -> bytes:
    upright = picture if turn is None else picture.transpose(_loaded().Transpose[turn])
    for quality in _QUALITIES:
        file = io.BytesIO()
        upright.save(file, "JPEG", quality=quality)
        if file.tell() <= most_bytes:
            return file.getvalue()
    return b""


@cache
def _loaded() -> ModuleType:
    """Pillow's `Image`, and every part that a decode would else load on its way: where nothing can be opened, it fails.

    Its loggers tell what a picture holds to whoever logs everything: they are told to warn only, unless the
    application has told them otherwise.
    """
    with around_loading():
        from PIL import (  # noqa: PLC0415
            AvifImagePlugin,
            GifImagePlugin,  # noqa: F401
            Image,
            JpegImagePlugin,  # noqa: F401
            MpoImagePlugin,  # noqa: F401
            PngImagePlugin,  # noqa: F401
            TiffImagePlugin,  # noqa: F401
            WebPImagePlugin,  # noqa: F401
        )

        Image.preinit()
    if threads is not None:
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    if (logger := logging.getLogger("PIL")).level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    return Image
