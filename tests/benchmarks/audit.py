"""Audits held against their bars: `python -m tests.benchmarks.audit [part …] [--quick] [--write FILE]`.

It needs Linux, two cores, nginx with its echo module (Debian: nginx-light), ffprobe, xargs, taskset and Chromium; root
for the full disk. Everything happens on loopback.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.audit_ground import ground
from tests.benchmarks.audit_safety import kills, stops
from tests.benchmarks.audit_speed import cache, latency, memory, order, sick, throughput
from tests.benchmarks.audit_truth import report, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.audit_figure import Figure
    from tests.benchmarks.audit_ground import Ground

PARTS: dict[str, Callable[[Ground, float], Iterator[Figure]]] = {
    "throughput": throughput,
    "latency": latency,
    "memory": memory,
    "kills": kills,
    "stops": stops,
    "sick": sick,
    "order": order,
    "cache": cache,
    "report": report,
    "sample": sample,
}
_QUICK = 0.25
_INTRODUCTION = """\
`preflight audit` on one machine: the client on one core, nginx with real clips on the other, and the tools that it
replaces over the same URLs in the same run. Made by `python -m tests.benchmarks.audit`, which takes some forty minutes;
`--quick` takes a quarter of the rows. This page is what it last wrote."""


def main() -> int:
    """Return 0 when the run went through, whatever the figures say: a bar is read, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.audit", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a quarter of the rows: a first look")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the page, too")
    default = Path(tempfile.gettempdir()) / "preflight-benchmark-clips"
    parser.add_argument("--clips", type=Path, default=default, metavar="FOLDER", help=f"cache (default {default})")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # asked to stop, leave by way of the clean-up
    busy, rows = os.getloadavg()[0], list[str]()
    with ground(arguments.clips) as found:
        for name in arguments.parts or PARTS:
            started = time.monotonic()
            for figure in PARTS[name](found, _QUICK if arguments.quick else 1.0):
                rows.append(_row(figure))
                print(f"{name} ({time.monotonic() - started:.0f} s): {rows[-1]}", file=sys.stderr, flush=True)
    text = _page(rows, busy)
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    return 0


def _row(figure: Figure) -> str:
    met = {True: "yes", False: "**no**", None: "not measured"}[figure.met]
    cells = (figure.what, figure.measured, figure.bar, met, figure.detail)
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"


def _page(rows: list[str], busy: float) -> str:
    command = " ".join(["python -m tests.benchmarks.audit", *sys.argv[1:]])
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    conditions = [
        f"* Made by `{command}` on {datetime.now(UTC):%Y-%m-%d}.",
        f"* Machine: {machine}; load {busy:.1f} at the start.",
    ]
    table = ["| figure | measured | bar | met | detail |", "|---|---|---|---|---|", *rows]
    return "\n\n".join(["# Benchmark of the audit", _INTRODUCTION, "\n".join(conditions), "\n".join(table)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
