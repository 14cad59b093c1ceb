"""AVI: everything that matters stands in the header list; RIFF sizes prove truncation."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.facts import Durations
from preflight.probes import codecs
from preflight.probes.boxes import Malformed
from preflight.probes.codecs import Details
from preflight.probes.structure import Structure

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes

MAX_HEADER_BYTES = 1 << 20
#: Chunks between the header and the first frame.
MAX_CHUNKS = 16
_MPEG4 = frozenset({b"FMP4", b"XVID", b"DIVX", b"DX50", b"MP4V"})


def read_avi(data: SparseBytes) -> Structure:
    """The structure of an AVI file.

    Raises:
        Hole: bytes are needed. Malformed: it does not hold.
    """
    riff_size, kind, size = struct.unpack("<4xI4x4sI", _exact(data, 0, 20))
    if kind != b"LIST" or data.read(20, 24) != b"hdrl" or size > MAX_HEADER_BYTES:
        raise Malformed("it has no header list")
    header_stop = 20 + size
    header = _exact(data, 0, header_stop)
    structure = Structure(
        format="avi",
        given=header + struct.pack("<4sI4s", b"LIST", max(data.total or 0, 4), b"movi"),
        size=data.total,
        fragmented=False,
        faststart=True,
        edit_list=False,
        truncated=None if data.total is None or riff_size in (0, 0xFFFFFFFF) else riff_size + 8 > data.total,
        encrypted=False,
    )
    return _with_profile(_streams(structure, header), data, header_stop)


def _exact(data: SparseBytes, start: int, stop: int) -> bytes:
    raw = data.read(start, stop)
    if len(raw) < stop - start:
        raise Malformed("the file is cut inside its header")
    return raw


def _streams(structure: Structure, header: bytes) -> Structure:
    kinds = [(header[at + 8 : at + 12], header[at + 12 : at + 16], at + 8) for at in _find_all(header, b"strh")]
    pictures = [item for item in kinds if item[0] == b"vids"]
    structure = replace(
        structure,
        video_streams=len(pictures),
        audio_streams=sum(kind == b"auds" for kind, _, _ in kinds),
    )
    if not pictures:
        return structure
    _, codec, at = pictures[0]
    scale, rate, length = struct.unpack_from("<II4xI", header, at + 20) if at + 36 <= len(header) else (0, 0, 0)
    claimed = Fraction(length * scale, rate) if rate and scale and length else None
    return replace(
        structure,
        durations=Durations(header=claimed, video=claimed),
        details=codecs.PLAIN if codec.upper() in _MPEG4 else Details(),
        variable_frame_rate=False,
        unknown={"frames": "the count in an AVI header is often one off"},
    )


def _with_profile(structure: Structure, data: SparseBytes, position: int) -> Structure:
    """MPEG-4 states its profile only in its first frame."""
    if structure.details is not codecs.PLAIN:
        return structure
    for _ in range(MAX_CHUNKS):
        head = data.read(position, position + 12)
        if len(head) < 12:
            break
        kind, size = struct.unpack_from("<4sI", head)
        if kind[2:] in (b"dc", b"db"):  # a frame: its stream's number, then "compressed" or "bitmap"
            frame = data.read(position + 8, position + 40)
            return replace(structure, details=replace(codecs.PLAIN, profile=codecs.mpeg4_profile(frame)))
        inside = kind == b"LIST" and head[8:] in (b"movi", b"rec ")
        position += 12 if inside else 8 + size + size % 2
    return structure


def _find_all(raw: bytes, name: bytes) -> list[int]:
    found, at = [], raw.find(name)
    while at >= 0:
        found.append(at)
        at = raw.find(name, at + 1)
    return found
