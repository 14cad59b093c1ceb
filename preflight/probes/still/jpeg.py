"""JPEG: hop from marker to marker up to the first scan.

A segment tells its own length, so a profile or a depth map of megabytes costs one small read behind it. Pictures that
phones append (MPO, Ultra HDR) or videos (motion photos) come after the end mark and change nothing here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preflight.probes.still.ifd import exif_orientation
from preflight.probes.still.reader import Picture, corrupt, is_filling, too_complex

if TYPE_CHECKING:
    from preflight.probes.still.reader import Reader

_MAX_SEGMENTS = 512
_MAX_JUNK = 4096
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}

#: What a scan cannot hold: after FF stands a stuffed zero, a restart mark, or what begins the next scan.
_NOT_SCAN = re.compile(rb"\xff[^\x00\xc4\xd0-\xd7\xda-\xdd\xfe\xff]")
_APPENDED = re.compile(rb"SEFT\Z|moov|trak|stco|stsz|udta")


def read(reader: Reader) -> Picture:
    """Measure a JPEG.

    Raises:
        Hole: more bytes are needed.
        Unreadable: there is no frame header where one must be.
    """
    frame: bytes | None = None
    orientation: int | None = None
    at, junk = 2, _MAX_JUNK
    for _ in range(_MAX_SEGMENTS):
        start = at
        at, marker = _next_marker(reader, start, junk)
        junk -= at - 2 - start
        if marker in _STANDALONE:
            continue
        if marker == 0xD9:
            raise corrupt("it ends before any picture begins")
        size = reader.number(at, 2)
        if size < 2:
            raise corrupt("a segment shorter than its own length field")
        if marker == 0xDA:
            if frame is None:
                raise corrupt("its pixels begin before their size is told")
            return _picture(reader, frame, orientation or 1, body=at + size)
        if marker in _FRAMES and frame is None:
            frame = reader.take(at + 2, 6)
        elif marker == 0xE1 and orientation is None and reader.upto(at + 2, 6) == b"Exif\0\0":
            orientation = exif_orientation(reader, at + 8, at + size)
        at += size
    raise too_complex(f"more than {_MAX_SEGMENTS} segments before the picture")


def _next_marker(reader: Reader, at: int, junk: int) -> tuple[int, int]:
    """Find the next marker from `at` on, past `junk` bytes at most: the position behind it, and its code."""
    limit = at + junk
    while at <= limit:
        pair = reader.take(at, 2)
        if pair[0] == 0xFF and pair[1] not in {0x00, 0xFF}:
            return at + 2, pair[1]
        at += 1
    raise corrupt("no marker where one must be")


def _picture(reader: Reader, frame: bytes, orientation: int, body: int) -> Picture:
    precision, channels = frame[0], frame[5]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if not width or not height:
        raise corrupt("its header states a side of 0 pixels")
    return Picture(
        width=width,
        height=height,
        color_mode=_MODES.get(channels),
        bit_depth=precision,
        orientation=orientation,
        truncated=True if reader.beyond(body + 2) else None,
        body=body,
        intact=_intact,
    )


def _intact(tail: bytes) -> bool | None:
    """Judge the end: the end mark, with or without something after it, or a video that a phone appended."""
    if b"\xff\xd9" in tail or _APPENDED.search(tail):
        return True
    return None if is_filling(tail) or _NOT_SCAN.search(tail) else False
