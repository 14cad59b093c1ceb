"""The blocks of Matroska clusters: when each track's first frame begins and its last one ends.

A live recorder states no duration, and often no cluster size. The tail of such a file is searched for clusters; each
block carries its time, and a frame's own length comes from the block, the track, the codec or the beat of its peers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.deliver.source import FLIGHT_BYTES
from preflight.probes.boxes import TooComplex
from preflight.probes.ebml import element, fields_of, uint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preflight.deliver.sparse import SparseBytes

CLUSTER = 0x1F43B675
_TOP_LEVEL = frozenset({CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1254C367, 0x1C53BB6B, 0x1043A770, 0x1941A469})
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, _BLOCK_DURATION = 0xE7, 0xA3, 0xA0, 0xA1, 0x9B
FIRST_TAIL_BYTES = 65536
MAX_TAIL_BYTES = 8 << 20
#: Frames and other pieces of a tail; one of real frames has far fewer.
MAX_ELEMENTS = 100_000


@dataclass(frozen=True, slots=True)
class Beat:
    """A track to be timed.

    `frame` is the stated seconds of a frame, `rate` the samples of sound per second, `scale` the nanoseconds of a
    Segment tick.
    """

    track: int
    codec: str
    frame: Fraction | None
    rate: Fraction | None
    scale: int

    def seconds(self, ticks: int) -> Fraction:
        """Segment ticks in seconds."""
        return Fraction(ticks * self.scale, 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Block:
    """A frame: its track, its time and stated duration in Segment ticks, and its data as far as it is here."""

    track: int
    time: int
    duration: int | None
    payload: bytes


def cluster_blocks(raw: bytes, at: int = 0) -> Iterator[Block]:
    """The blocks of the cluster at an offset: up to its end, the next top-level element or the end of the bytes."""
    return (block for block, _ in _walk(raw, at) if block is not None)


def _walk(raw: bytes, at: int) -> Iterator[tuple[Block | None, int]]:
    """The elements of the cluster at an offset: each as a block if it is one, and where it ends."""
    cluster = element(raw, at)
    if cluster is None or cluster.id != CLUSTER:
        return
    position, clock = cluster.body, None
    stop = len(raw) if cluster.stop is None else min(cluster.stop, len(raw))
    while position < stop and (found := element(raw, position)) is not None and found.id not in _TOP_LEVEL:
        if found.stop is None:
            return
        body, block = raw[found.body : found.stop], None
        if found.id == _TIMESTAMP:
            clock = uint(body)
        elif clock is not None and found.id == _SIMPLE_BLOCK:
            block = _block(body, clock, None)
        elif clock is not None and found.id == _BLOCK_GROUP:
            group = fields_of(body)
            lasts = uint(group[_BLOCK_DURATION]) if _BLOCK_DURATION in group else None
            block = _block(group.get(_BLOCK, b""), clock, lasts)
        position = found.stop
        yield block, position


def _block(body: bytes, clock: int, duration: int | None) -> Block | None:
    number = element(b"\xa3" + body, 0)  # the track number is coded like a size
    if number is None or number.stop is None or len(body) < number.body + 2:
        return None
    width = number.body - 1
    relative = int.from_bytes(body[width : width + 2], "big", signed=True)
    return Block(number.stop - number.body, clock + relative, duration, body[width + 3 :])


def first_times(data: SparseBytes, cluster: int, beats: Sequence[Beat]) -> dict[int, Fraction]:
    """Seconds at which each track begins, as far as the first flight tells.

    No further, though more may be held: the facts must not depend on how the bytes came.
    """
    times: dict[int, Fraction] = {}
    of = {beat.track: beat for beat in beats}
    for block in cluster_blocks(data.available(cluster, max(cluster, FLIGHT_BYTES))):
        if beat := of.get(block.track):
            times[block.track] = min(times.get(block.track, beat.seconds(block.time)), beat.seconds(block.time))
    return times


def last_ends(data: SparseBytes, first_cluster: int, beats: Sequence[Beat]) -> dict[int, Fraction]:
    """Seconds at which each track ends; the first of `beats` must be found, others may have ended earlier.

    Raises:
        Hole: the tail is needed. TooComplex: it is cut into tiny pieces.
    """
    assert data.total is not None
    reach = FIRST_TAIL_BYTES
    while True:
        start = max(first_cluster, data.total - reach)
        tail = data.read(start, data.total)
        blocks = list(_all_blocks(tail))
        ends = {beat.track: end for beat in beats if (end := _end(blocks, beat)) is not None}
        if not beats or beats[0].track in ends or start == first_cluster or reach >= MAX_TAIL_BYTES:
            return ends
        reach = min(reach * 4, MAX_TAIL_BYTES)


def _all_blocks(tail: bytes) -> Iterator[Block]:
    at, left = tail.find(b"\x1f\x43\xb6\x75"), MAX_ELEMENTS
    while at >= 0:
        stop = at + 4
        for block, end in _walk(tail, at):
            stop, left = end, left - 1
            if left < 0:
                raise TooComplex(f"more than {MAX_ELEMENTS} pieces in its last clusters")
            if block is not None:
                yield block
        # Behind what was read: a cluster's name inside a frame would have the same bytes read once more, and again.
        at = tail.find(b"\x1f\x43\xb6\x75", stop)


def _end(blocks: Sequence[Block], beat: Beat) -> Fraction | None:
    own = sorted((block for block in blocks if block.track == beat.track), key=lambda block: block.time)
    if not own:
        return None
    last = own[-1]
    gap = last.time - own[-2].time if len(own) > 1 else 0
    if last.duration is not None:
        return beat.seconds(last.time + last.duration)
    length = beat.frame or _codec_length(beat, last.payload) or beat.seconds(gap)
    return beat.seconds(last.time) + length


_OPUS_FRAMES = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4
"""Milliseconds of a frame by the upper five bits of a packet's first byte (RFC 6716 section 3.1)."""


_SAMPLES = {"A_AAC": 1024, "A_MPEG/L3": 1152, "A_MPEG/L2": 1152, "A_AC3": 1536, "A_EAC3": 1536}
"""Samples of one frame, for codecs that have only one size."""


def _codec_length(beat: Beat, payload: bytes) -> Fraction | None:
    if samples := _SAMPLES.get(beat.codec):
        return samples / beat.rate if beat.rate else None
    if beat.codec != "A_OPUS" or not payload:
        return None
    count = {0: 1, 1: 2, 2: 2}.get(payload[0] & 3) or (payload[1] & 63 if len(payload) > 1 else 1)
    return Fraction(_OPUS_FRAMES[payload[0] >> 3]) * count / 1000
