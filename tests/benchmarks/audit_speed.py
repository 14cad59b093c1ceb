"""How fast an audit is, against ffprobe over the same URLs; and what slows it down, or does not."""

from __future__ import annotations

import json
import shutil
import statistics
from typing import TYPE_CHECKING

from tests.benchmarks.audit_figure import Figure, ratio
from tests.benchmarks.audit_ground import (
    HOSTS,
    IMAGES,
    LATENCY,
    audit_words,
    forget_requests,
    fresh,
    run,
    seconds_of_requests,
    shuffled,
)
from tests.benchmarks.audit_sick import sick_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.benchmarks.audit_ground import Done, Ground

_ONE_CLIP = ("fast8.mp4",)
#: Pairs of runs whose medians count: the machine has fast and slow minutes.
_TURNS = 3


def throughput(ground: Ground, size: float) -> Iterator[Figure]:
    """Jobs per processor second of the client, of 4,000, against videos per processor second of ffprobe."""
    jobs, videos = int(4000 * size), int(120 * size)
    for name, port, least in (("plain HTTP", ground.http, 12), ("TLS keep-alive", ground.https, 10)):
        before = _ffprobe(ground, port, videos // 2, 2)
        table = fresh(ground, "throughput", ground.jobs(jobs, port))
        done = _audited(table, ground)
        after = _ffprobe(ground, port, videos // 2, 2)
        ours, theirs = jobs / done.cpu, videos // 2 * 2 / (before.cpu + after.cpu)
        yield ratio(
            f"jobs per CPU-second against `xargs -P 2 ffprobe` on the videos, {name}",
            ours / theirs,
            f"≥ {least} ×",
            least,
            f"{ours:.0f} jobs against {theirs:.1f} videos; {jobs / done.wall:.0f} jobs/s by the clock",
        )


def latency(ground: Ground, size: float) -> Iterator[Figure]:
    """The same by the clock, with a server that takes its time for every answer."""
    jobs, videos = int(4000 * size), int(160 * size)
    table = fresh(ground, "latency", ground.jobs(jobs, ground.slow))
    done = _audited(table, ground)
    probed = _ffprobe(ground, ground.slow, videos, 16)
    ours, theirs = jobs / done.wall, videos / probed.wall
    yield ratio(
        f"jobs per second against `xargs -P 16 ffprobe`, {LATENCY[0] * 1000:.0f}–{LATENCY[1] * 1000:.0f} ms latency",
        ours / theirs,
        "≥ 8 ×",
        8,
        f"{ours:.0f} jobs/s against {theirs:.1f} videos/s",
    )


def order(ground: Ground, size: float) -> Iterator[Figure]:
    """A table sorted by host against the same one shuffled, each twice, in turn."""
    count = int(8000 * size)
    jobs = [("", url) for url in ground.urls(count, _ONE_CLIP, ground.http)]
    tables = {"sorted": sorted(jobs, key=lambda job: job[1]), "shuffled": shuffled(jobs)}
    seconds: dict[str, list[float]] = {name: [] for name in tables}
    for name in ("sorted", "shuffled", "shuffled", "sorted"):
        forget_requests(ground)
        _audited(fresh(ground, name, tables[name]), ground, "--as", "video")
        seconds[name].append(seconds_of_requests(ground))
    slower = statistics.mean(seconds["sorted"]) / statistics.mean(seconds["shuffled"]) - 1
    told = ", ".join(f"{name} {' and '.join(f'{value:.1f} s' for value in seconds[name])}" for name in seconds)
    yield Figure(
        f"{count:,} rows sorted by host against shuffled", f"{slower:+.0%} time", "within 15 %", slower <= 0.15, told
    )


def sick(ground: Ground, size: float) -> Iterator[Figure]:
    """50 hosts of which one answers only 429, or never: when the others are through, against a run without it."""
    count = int(10_000 * size)
    urls = ground.urls(count, _ONE_CLIP, ground.http, len(HOSTS))
    ill = f"http://{HOSTS[-1]}:"
    well = [("", url) for url in urls if not url.startswith(ill)]
    without = [_until_last_request(well, ground)]
    taken = {}
    for how in ("429", "hang"):
        with sick_host(HOSTS[-1], how) as port:
            moved = [("", url.replace(f":{ground.http}/", f":{port}/") if url.startswith(ill) else url) for url in urls]
            taken[how] = _until_last_request(moved, ground)
        without.append(_until_last_request(well, ground))
    for number, (how, seconds) in enumerate(taken.items()):
        least = statistics.mean(without[number : number + 2])  # the runs before and after it
        slower = seconds / least - 1
        words = {"429": "answering only 429", "hang": "hanging"}[how]
        yield Figure(
            f"one of {len(HOSTS)} hosts {words}: the other {len(HOSTS) - 1} of {count:,} rows",
            f"{slower:+.0%} time",
            "within 10 %",
            slower <= 0.10,
            f"{seconds:.1f} s against {least:.1f} s without it",
        )


def cache(ground: Ground, size: float) -> Iterator[Figure]:
    """A second run over unchanged media, in a run folder of its own: the whole command, so that it has many rows."""
    count = int(4000 * size)
    for name, port in (("no latency", ground.http), ("40–160 ms latency", ground.slow)):
        walls: dict[str, list[float]] = {"first": [], "second": []}
        rates: dict[str, list[float]] = {"first": [], "second": []}  # jobs a second, from the first answer to the last
        for _ in range(_TURNS):
            shutil.rmtree(ground.folder / "cache", ignore_errors=True)
            for turn in ("first", "second"):
                table = fresh(ground, turn, ground.jobs(count, port))
                results = table.with_suffix(".jsonl")
                forget_requests(ground)
                done = run(audit_words(table, "--progress", "none", "-o", str(results), cache="on"), ground)
                _expect(done)
                walls[turn].append(done.wall)
                rates[turn].append(count / seconds_of_requests(ground))
        media, requests, size_bytes = _costs(results)
        wall, rate = ({turn: statistics.median(values) for turn, values in each.items()} for each in (walls, rates))
        faster = wall["first"] / wall["second"]
        each = ", ".join(f"{one / two:.1f}" for one, two in zip(*walls.values(), strict=True))
        yield Figure(
            f"second run with the cache, {count:,} jobs, {name}",
            f"{requests / media:.2f} requests and {size_bytes / media:,.0f} bytes a medium, {faster:.1f} × faster",
            "≤ 1 small request a medium, ≥ 3 × faster",
            requests <= media and faster >= 3,
            f"medians of {_TURNS} pairs ({each} ×): {wall['first']:.1f} s, then {wall['second']:.1f} s; from the first "
            f"answer to the last {rate['first']:.0f} jobs/s, then {rate['second']:.0f}",
        )


def _costs(results: Path) -> tuple[int, int, int]:
    """Media, requests and bytes (headers included) of a run's results."""
    media = requests = size = 0
    for line in results.read_text("utf-8").splitlines():
        for kind in ("image", "video"):
            transfer = json.loads(line)[kind]["transfer"]
            media, requests, size = media + 1, requests + transfer["requests"], size + transfer["bytes_received"]
    return media, requests, size


def _until_last_request(rows: Sequence[tuple[str, str]], ground: Ground) -> float:
    forget_requests(ground)
    _audited(fresh(ground, "sick", shuffled(rows)), ground, "--as", "video", "--timeout", "10")
    return seconds_of_requests(ground)


def _audited(table: Path, ground: Ground, *more: str) -> Done:
    """An audit as it is started by default, but for the cache and the line of progress."""
    done = run(audit_words(table, "--progress", "none", *more), ground, patience=1800)
    _expect(done)
    return done


def _expect(done: Done) -> None:
    if done.code not in (0, 1, 3):
        raise RuntimeError(f"the audit ended with {done.code}: {done.err[-500:]}")


def _ffprobe(ground: Ground, port: int, count: int, at_once: int) -> Done:
    """The usual way: a process for every video."""
    videos = ground.folder / "videos.txt"
    videos.write_text("\n".join(video for _, video in ground.jobs(count, port)), "ascii")
    words = ["xargs", "-a", str(videos), "-P", str(at_once), "-n", "1"]
    done = run([*words, "ffprobe", "-v", "error", "-show_format", "-show_streams"], ground)
    if done.code or done.out.count("[FORMAT]") != count:
        raise RuntimeError(f"ffprobe ended with {done.code}: {done.err[-500:]}")
    return done


def memory(ground: Ground, size: float) -> Iterator[Figure]:
    """All processes of an audit together, at 10,000 and at 100,000 rows: an own video and one of many images each."""
    peaks, counts = [], (10_000, int(100_000 * size))  # before the first, the media that are remembered still gather
    pictures = ground.urls(len(IMAGES) * 16, IMAGES, ground.http)
    for count in counts:
        videos = ground.urls(count, _ONE_CLIP, ground.http)
        jobs = [(pictures[number % len(pictures)], video) for number, video in enumerate(videos)]
        table = fresh(ground, "memory", jobs)
        done = run(audit_words(table, "--progress", "none"), ground, patience=3600, watch=True)
        _expect(done)
        peaks.append(done.peak_kb)
    slope = (peaks[1] - peaks[0]) / (counts[1] - counts[0])
    yield Figure(
        f"peak memory of all processes, {counts[0]:,} and {counts[1]:,} rows",
        f"{peaks[0] / 1000:.0f} and {peaks[1] / 1000:.0f} MB; {slope:.3f} KB a row",
        "≤ 500 MB, < 0.1 KB a row",
        max(peaks) <= 500_000 and slope < 0.1,
        "resident, pages that processes share counted for each",
    )
