"""The results as a page of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.bars import Figures
from tests.benchmarks.clips import CLIPS
from tests.benchmarks.measure import PAIRED, Key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.benchmarks.bars import Bar, Offline
    from tests.benchmarks.measure import Results, Samples

_INTRODUCTION = """\
What a remote probe costs, beside the tools that it replaces and the least that physics allows: one byte by `curl`.
Everything is made on one machine by `python -m tests.benchmarks`: clips, server, and a link with a real round-trip
time. It needs Linux, root, gcc, iproute2, curl and ffprobe, compares mediainfo where that is installed, and takes some
ten minutes; `--quick` takes three. This page is what it last wrote.

Two choices decide bars that are close. The H.264 clips have B-frames in a fifth of the time, which makes the index of
the 90 s clip 83 KB; B-frames throughout would make it 94 KB, and then whoever reads it exceeds 100 KB. And bytes are
those on the client's interface, so what is still on its way when a tool hangs up counts for that tool; the server's
count leaves it out, and both are held against the bars on bytes."""
_LEGEND = """\
Each cell: milliseconds / KB (thousands of bytes) received on the client's interface until the end, TCP/IP headers
included (and in brackets by the server's count: what the client's kernel acknowledged, without them) / requests /
connections / trips (requests that had to wait for another's answer), these three counted by the server. `preflight`,
`speculate` and `av.open` are calls in a running process over fresh connections; `ffprobe` and `mediainfo` are whole
processes."""
_TOOLS = ("preflight", "speculate", "ffprobe", "av.open", "mediainfo")


def page(title: str, conditions: Iterable[str], results: Results, offline: Offline, judged: list[Bar]) -> str:
    """The whole page."""
    f = Figures(results)
    parts = [
        f"# {title}",
        _INTRODUCTION,
        "\n".join(f"* {line}" for line in conditions),
        "## Held against the bars",
        _bars(judged),
        "## Tool by tool",
        _LEGEND,
        _floor(f),
        _tools(results),
        "## Whole processes, and both media at once",
        _processes(results),
        "## Without a network",
        _offline(offline),
    ]
    return "\n\n".join(parts) + "\n"


def _bars(judged: list[Bar]) -> str:
    rows = []
    for bar in judged:
        figure = "not measured" if bar.measured is None else f"{_number(bar.measured)} {bar.unit}"
        met = {True: "yes", False: "**no**", None: "–"}[bar.met]
        detail = f" ({bar.detail})" if bar.detail else ""
        rows.append((bar.work, figure + detail, f"{'≤' if bar.at_most else '≥'} {bar.limit:g}", met))
    return _table(("work", "measured", "bar", "met"), rows)


def _floor(f: Figures) -> str:
    lines = []
    for scheme in ("http", "https"):
        if any((key.tool, key.scheme) == ("curl", scheme) for key in f.results):
            own, whole = f.floor(scheme), f.floor(scheme, process=True)
            lines.append(f"The floor, `curl -r 0-0` over {scheme}: **{own:.0f} ms**, {whole:.0f} ms with its process.")
    return "\n".join(lines)


def _tools(results: Results) -> str:
    tools = [tool for tool in _TOOLS if any(key.tool == tool for key in results)]
    clips = [clip for clip in CLIPS if any(key.clip == clip and key.tool == "preflight" for key in results)]
    rows = [(clip, *(_cell(results.get(Key(tool, clip))) for tool in tools)) for clip in clips]
    return _table(("clip", *tools), rows)


def _processes(results: Results) -> str:
    columns = ("preflight", "pair", "ffprobe", "check")
    rows = []
    for scheme in ("http", "https"):
        for clip in PAIRED:
            cells = [results.get(Key(tool, clip, scheme)) for tool in columns]
            image = results.get(Key("preflight", "image", scheme))
            if any(cells):
                rows.append((f"{scheme} {clip}", *map(_cell, [image, *cells])))
    names = ("", "image, library", "video, library", "both, library", "`ffprobe` video", "`preflight check` both")
    return _table(names, rows)


def _offline(offline: Offline) -> str:
    rows = [(clip, f"{1000 * offline.cpu[clip]:.2f}", f"{1000 * offline.worker[clip]:.2f}") for clip in offline.cpu]
    return _table(("clip", "one probe from memory, processor ms", "through the worker, ms"), rows)


def _cell(samples: Samples | None) -> str:
    if samples is None:
        return ""
    sent, requests, connections, trips = map(samples.count, ("bytes", "requests", "connections", "trips"))
    return f"{samples.ms:.0f} / {samples.kb:.1f} ({sent / 1000:.1f}) / {requests} / {connections} / {trips}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
