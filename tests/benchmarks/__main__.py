"""`python -m tests.benchmarks`: build the link, make the clips, measure, hold against the bars, print."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.bars import Offline, bars
from tests.benchmarks.clips import CLIPS, clips
from tests.benchmarks.link import NoLink, link
from tests.benchmarks.measure import (
    ROUNDS,
    Broken,
    Peer,
    Plan,
    Results,
    installed,
    make_trust,
    measure,
    start_client,
    start_server,
)
from tests.benchmarks.page import page

#: The bar on processor time speaks of these containers.
_CPU = ("fast8", "tail8", "fast30", "norm", "vp9")


def main() -> int:
    """Return 0 when the run went through, whatever the figures say: a bar is read, not enforced."""
    arguments = _arguments()
    chosen = set(arguments.only.split(",")) if arguments.only else set(CLIPS)
    if unknown := chosen - set(CLIPS):
        _say(f"no clip {', '.join(sorted(unknown))}; there are {', '.join(CLIPS)}")
        return 2
    # Asked to stop, leave by way of the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    files = {name: path for name, path in clips(arguments.clips, _say).items() if name in chosen | {"image"}}
    try:
        text = _run(arguments, files)
    except (NoLink, Broken) as error:
        _say(f"tests.benchmarks: {error}")
        return 1
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the rounds: a first look")
    parser.add_argument("--only", metavar="CLIP,…", help=f"some clips only, of {', '.join(CLIPS)}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the page, too")
    parser.add_argument("--rtt", type=float, default=50, metavar="MS", help="round trip (default 50)")
    parser.add_argument("--mbit", type=float, default=100, metavar="MBIT", help="rate (default 100)")
    default = Path(tempfile.gettempdir()) / "preflight-benchmark-clips"
    parser.add_argument(
        "--clips", type=Path, default=default, metavar="FOLDER", help=f"their cache (default {default})"
    )
    return parser.parse_args()


def _run(arguments: argparse.Namespace, files: dict[str, Path]) -> str:
    tools = installed()
    rounds = {tool: math.ceil(count / 4) if arguments.quick else count for tool, count in ROUNDS.items()}
    busy = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="preflight-benchmark-") as scratch,
        link(arguments.rtt, arguments.mbit) as hosts,
    ):
        trust = make_trust(Path(scratch))
        folder = files["image"].parent
        with (
            start_server(hosts, folder, trust.certificate, trust.environment) as server,
            start_client(hosts, trust.environment) as client,
        ):
            if client.ask('{"job": "features"}')["speculate"]:
                tools |= {"speculate"}
            offline = _offline(client, files)
            plan = Plan(files, tools, trust.authority, trust.environment)
            results = measure(plan.cases(), rounds, client, server, _say)
    return page("Benchmark", _conditions(arguments, rounds, results, busy), results, offline, bars(results, offline))


def _offline(client: Peer, files: dict[str, Path]) -> Offline:
    _say("without a network")

    def ask(job: str, clip: str, answer: str) -> float:
        return float(client.ask(json.dumps({"job": job, "path": str(files[clip])}))[answer])

    chosen = [clip for clip in _CPU if clip in files]
    return Offline(
        cpu={clip: ask("from_memory", clip, "seconds") for clip in chosen},
        worker={clip: ask("by_worker", clip, "seconds") for clip in chosen},
        equal={clip: bool(ask("compare", clip, "equal")) for clip in files},
    )


def _conditions(arguments: argparse.Namespace, rounds: dict[str, int], results: Results, busy: float) -> list[str]:
    command = " ".join(["python -m tests.benchmarks", *sys.argv[1:]])
    measured = sorted({key.tool for key in results})
    packages = ", ".join(f"{name} {version(name)}" for name in ("preflight", "av", "httpx", "pillow"))
    peers = ", ".join(
        _peer_version(*words)
        for words in (("ffprobe", "-version"), ("curl", "--version"), ("mediainfo", "--version"))
        if words[0] in measured
    )
    line = f"{arguments.rtt:g} ms round trip, {arguments.mbit:g} Mbit/s"
    machine = f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.release()}"
    return [
        f"Made by `{command}` on {datetime.now(UTC):%Y-%m-%d}.",
        f"Link: {line}, between two network namespaces; the kernel's TCP (cubic, initial window 10), TLS 1.3.",
        f"Machine: {machine}; load {busy:.1f} at the start.",
        f"Versions: Python {platform.python_version()}, {packages}; {peers}.",
        f"Medians of interleaved runs: {', '.join(f'{tool} {rounds[tool]}' for tool in measured)}.",
    ]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _peer_version(*command: str) -> str:
    words = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"v?(\d+\.\d+[\w.]*)", words)
    return f"{command[0]} {found[1] if found else 'of an unknown version'}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
