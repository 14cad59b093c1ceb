"""What was promised, held against what was measured: every bar of the issue that asked for this benchmark."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.measure import Results

ONE_TRIP = ("fast8", "frag-sidx", "norm", "vp9", "avi", "trunc-fast8", "trunc-tail8")
LONG = ("fast30", "tail30", "fast90", "tail90")


@dataclass(frozen=True, slots=True)
class Offline:
    """Figures that need no network. Seconds; see `client.py`."""

    cpu: dict[str, float]
    worker: dict[str, float]
    equal: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise. `measured` is None where this run did not measure it."""

    work: str
    unit: str
    at_most: bool
    limit: float
    measured: float | None
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """Does the figure keep the promise?"""
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


class Figures:
    """Answers about the results, in the words of the bars."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def ms(self, tool: str, clip: str, scheme: str = "http") -> float:
        """Median milliseconds of a cell."""
        return self.results[Key(tool, clip, scheme)].ms

    def trips(self, clip: str) -> int:
        """Requests of the library that had to wait for another's answer."""
        return self.results[Key("preflight", clip)].count("trips")

    def floor(self, scheme: str = "http", *, process: bool = False) -> float:
        """Milliseconds of the one-byte curl, all its runs together."""
        runs = [cell for key, cell in self.results.items() if (key.tool, key.scheme) == ("curl", scheme)]
        return 1000 * statistics.median(
            second for cell in runs for second in (cell.process_seconds if process else cell.seconds)
        )

    def kb(self, clip: str) -> float:
        """KB that the library received."""
        return self.results[Key("preflight", clip)].kb

    def to_floor(self, clip: str, tool: str = "preflight") -> float:
        """Times the floor."""
        return self.ms(tool, clip) / self.floor()

    def against_ffprobe(self, clip: str) -> float:
        """How many times faster than ffprobe, its process included."""
        return self.ms("ffprobe", clip) / self.ms("preflight", clip)

    def fewer_bytes(self, clip: str) -> float:
        """How many times fewer bytes than ffprobe."""
        return self.results[Key("ffprobe", clip)].kb / self.kb(clip)

    def fewer_bytes_sent(self, clip: str) -> float:
        """The same by the server's count, which leaves out what ffprobe hung up on."""
        return self.results[Key("ffprobe", clip)].count("bytes") / self.results[Key("preflight", clip)].count("bytes")

    def pair_to_slower(self, clip: str) -> float:
        """Image and video together against the slower of the two alone."""
        return self.ms("pair", clip) / max(self.ms("preflight", clip), self.ms("preflight", "image"))

    def process_to_ffprobe(self, clip: str, scheme: str) -> float:
        """`preflight check` of image and video against ffprobe of the video alone, both whole processes."""
        return self.ms("check", clip, scheme) / self.ms("ffprobe", clip, scheme)


def bars(results: Results, offline: Offline) -> list[Bar]:
    """Every bar, in the order of the issue."""
    return [*_times(Figures(results)), *_processes(Figures(results)), *_offline(offline)]


def _times(f: Figures) -> Iterator[Bar]:
    one_trip = f"library, one-trip clips ({', '.join(ONE_TRIP)})"
    yield _worst(f"{one_trip}: time", "× floor", 1.15, f.to_floor, ONE_TRIP)
    yield _worst(f"{one_trip}: received", "KB", 14, f.kb, ONE_TRIP)
    yield _worst("library, moov at end", "× floor", 1.75, f.to_floor, ("tail8",))
    yield _worst("the same with `speculate`", "× floor", 1.2, lambda clip: f.to_floor(clip, "speculate"), ("tail8",))
    yield _worst("library, 30 s and 90 s, either layout: time", "× floor", 2.7, f.to_floor, LONG)
    yield _worst(
        "library, 30 s and 90 s, either layout: received",
        "KB",
        100,
        f.kb,
        LONG,
    )
    for clip, limit in (("frag-sidx", 1), ("frag-mfra", 3), ("frag-none", 4)):
        yield _worst(f"library, {clip}: trips", "trips", limit, f.trips, (clip,))
    yield _worst("library, frag-none: received", "× ffprobe", 0.5, lambda clip: 1 / f.fewer_bytes(clip), ("frag-none",))
    yield _worst("image and video of one request", "× the slower alone", 1.15, f.pair_to_slower, ("fast8", "tail8"))
    for seconds, faster, fewer in ((8, 3.5, 40), (30, 2.3, 20), (90, 1.7, 8)):
        both = (f"fast{seconds}", f"tail{seconds}")
        yield _worst(f"library against ffprobe, {seconds} s", "× faster", faster, f.against_ffprobe, both, most=False)
        yield _worst(f"library against ffprobe, {seconds} s", "× fewer bytes", fewer, f.fewer_bytes, both, most=False)
        counted = f"library against ffprobe, {seconds} s, by the server's count"
        yield _worst(counted, "× fewer bytes", fewer, f.fewer_bytes_sent, both, most=False)


def _processes(f: Figures) -> Iterator[Bar]:
    for clip, scheme, limit in (
        ("fast8", "http", 1.0),
        ("fast8", "https", 0.85),
        ("tail8", "http", 0.65),
        ("tail8", "https", 0.65),
    ):
        yield _worst(
            f"`preflight check`, image and video, {scheme} {clip}",
            "× ffprobe of the video",
            limit,
            lambda name, scheme=scheme: f.process_to_ffprobe(name, scheme),  # type: ignore[misc]
            (clip,),
        )


def _offline(offline: Offline) -> Iterator[Bar]:
    yield _middle("processor time of one probe from memory, all its rounds", 1.5, offline.cpu)
    yield _middle("the same through the worker, hand-over included, by the clock", 3, offline.worker)
    unequal = sorted(clip for clip, same in offline.equal.items() if not same)
    work = f"sparse facts against full-file facts, {len(offline.equal)} clips"
    yield Bar(work, "clips that differ", at_most=True, limit=0, measured=len(unequal), detail=", ".join(unequal))


def _middle(work: str, limit: float, seconds: dict[str, float]) -> Bar:
    """A bar for the median of some clips; the worst is named beside it."""
    if not seconds:
        return Bar(work, "ms", at_most=True, limit=limit, measured=None)
    worst = max(seconds, key=seconds.__getitem__)
    detail = f"median of the clips; worst {worst}, {1000 * seconds[worst]:.2f}"
    return Bar(
        work, "ms", at_most=True, limit=limit, measured=1000 * statistics.median(seconds.values()), detail=detail
    )


def _worst(
    work: str, unit: str, limit: float, figure: Callable[[str], float], clips: tuple[str, ...], *, most: bool = True
) -> Bar:
    """A bar that the worst of some clips has to clear."""
    try:
        values = {clip: figure(clip) for clip in clips}
    except KeyError:  # not every clip or tool was part of this run
        return Bar(work, unit, most, limit, None)
    worst = (max if most else min)(values, key=values.__getitem__)
    detail = worst if len(values) > 1 else ""
    return Bar(work, unit, most, limit, values[worst], detail)
