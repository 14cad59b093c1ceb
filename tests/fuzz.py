"""`python -m tests.fuzz`: mutated media through the worker, as many as asked for; exit code 1 when one gets through.

    python -m tests.fuzz --count 20000 --seed 1      cases 0 to 19999
    python -m tests.fuzz --seconds 600 --seed 7      as many as fit
    python -m tests.fuzz --in-process …              without the child: our own walks, faster
    python -m tests.fuzz --guided --seconds 600      in search of new paths, by atheris (pip install atheris)
    python -m tests.fuzz --case 4711 --seed 7        write that case's bytes to a file, and say what becomes of it

A case is made from its seed and its number alone, so a finding is a number.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from preflight.worker import Worker
from tests.fuzzing.lane import deliver
from tests.fuzzing.mutate import make
from tests.fuzzing.run import Result, fuzz


def main() -> int:
    """Return 0 when nothing got through."""
    given = _arguments()
    if given.case is not None:
        return _one(given.seed, given.case)
    if given.guided:
        arguments = ["-m", "tests.fuzzing.guided", str(given.seed), str(given.seconds or 60)]
        return subprocess.run([sys.executable, *arguments], check=False).returncode
    count = 20_000 if given.count is None and given.seconds is None else given.count
    result = fuzz(
        given.seed,
        count=count,
        seconds=given.seconds,
        lanes=given.workers,
        in_process=given.in_process,
        say=lambda text: print(text, flush=True),
    )
    print(summary(result, given.workers))
    for finding in result.findings if given.save else ():
        _write(given.save / f"{given.seed}-{finding.number}.bin", given.seed, finding.number)
    return 1 if result.bad or not result.cases else 0


def summary(result: Result, lanes: int) -> str:
    """The figures of a run."""
    contained = result.of("crashes decoder")
    rate = result.cases / max(result.seconds, 0.001)
    (slowest, slow), (peak, large) = result.slowest, result.peak
    rows = {
        "cases": f"{result.cases} of seed {result.seed} in {result.seconds:.0f} s ({rate:.0f}/s, {lanes} workers)",
        "parent crashes": len(result.of("parent crash")),
        "hangs": f"{len(result.of('hang'))}; the slowest took {slowest:.2f} s (case {slow})",
        "over the memory": f"{len(result.of('over the memory limit'))}; a child held {peak >> 20} MB (case {large})",
        "faults of ours": len(result.of("fault of ours")),
        "disagreements": len(result.of("disagreement")),
        "crashes decoder": f"{len(contained)}, contained" + "".join(f" {item.number}" for item in contained[:20]),
        "outcomes": ", ".join(f"{word} {count}" for word, count in result.outcomes.most_common()),
    }
    return "\n".join(f"{name:17}{value}" for name, value in rows.items())


def _one(seed: int, number: int) -> int:
    case = make(seed, number)
    print(f"case {number} of seed {seed}: {case.origin}, {len(case.data)} bytes, {case.way}")
    _write(Path(f"{seed}-{number}.bin"), seed, number)
    worker = Worker()
    try:
        print(deliver(case.data, case.way, worker.probe))
    finally:
        worker.stop()
    return 0


def _write(path: Path, seed: int, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make(seed, number).data)
    print(f"written: {path}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="how many cases (default 20000, if no --seconds are given)")
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="lanes side by side")
    parser.add_argument("--in-process", action="store_true", help="probe without a child process")
    parser.add_argument("--guided", action="store_true", help="coverage-guided, by atheris")
    parser.add_argument("--case", type=int, help="make one case again")
    parser.add_argument("--save", type=Path, help="a folder for the bytes of what was found")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
