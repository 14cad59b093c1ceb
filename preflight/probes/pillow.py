"""The only importer of PIL: does a small picture decode?

Pillow is never asked about sides: it would read whole files for them. It is told which format to expect, so that a
picture cannot choose its own decoder, and it is given little enough that no decoder can run long.
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
