"""The only importer of PIL: does a small picture decode?

Pillow is never asked about sides: it would read whole files for them. It is told which format to expect, so that a
picture cannot choose its own decoder, and it is given little enough that no decoder can run long.
"""

from __future__ import annotations

import io
import warnings


def version() -> str:
    """Give Pillow's version."""
    import PIL  # noqa: PLC0415  (heavy, and not needed by everyone)

    return PIL.__version__


def undecodable(data: bytes, name: str, max_pixels: int) -> str | None:
    """Decode the first picture in `data`, of the named format: the kind of the error, or None.

    None says that it decodes, or that Pillow sees more than `max_pixels` in it and so it was not tried.
    """
    from PIL import Image  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=(name.upper(),)) as picture:
                if picture.width * picture.height <= max_pixels:
                    picture.load()
        except Exception as error:  # noqa: BLE001  (Pillow raises anything on hostile bytes; all of it is an answer)
            return type(error).__name__
    return None
