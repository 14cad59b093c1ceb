"""The scorecard of the hostile world: `python -m tests.scorecard` (Linux, as root for the namespaces; needs strace).

python -m tests.scorecard                      everything, 300,000 mutations included: about 15 minutes
python -m tests.scorecard --mutations 20000    as in CI
python -m tests.scorecard ssrf servers         some of it
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from typing import TYPE_CHECKING

from tests.fuzzing.run import fuzz
from tests.hostile import Score

if TYPE_CHECKING:
    from collections.abc import Callable

#: In the order of the page; each is a module of `tests.hostile` with a `score()`, or stands in `_OTHERS`.
PARTS = (
    "ssrf", "scenarios", "names", "namespaces", "servers", "nested", "bombs", "mutations", "secrets", "payloads",
    "expiry", "isolation",
)  # fmt: skip


def mutations(count: int, seed: int) -> Score:
    """Mutated media through the worker."""
    result = fuzz(seed, count=count, seconds=None, lanes=os.cpu_count() or 1)
    return Score(
        "mutated media",
        "≥ 300,000 (CI: 20,000): 0 crashes of the parent, 0 hangs, 0 over the memory limit",
        f"{result.cases:,} in {result.seconds:.0f} s (seed {seed}): {len(result.bad)} bad; "
        f"slowest {result.slowest[0]:.2f} s, child at most {result.peak[0] >> 20} MiB",
        tuple(f"case {finding.number}: {finding.fault}" for finding in result.bad),
    )


def _part(name: str, arguments: argparse.Namespace) -> Score:
    if name == "mutations":
        return mutations(arguments.mutations, arguments.seed)
    score: Callable[[], Score] = importlib.import_module(f"tests.hostile.{name}").score
    return score()


def main() -> int:
    """Print a table in Markdown as the parts end, then what got through; 1: something did."""
    parser = argparse.ArgumentParser(prog="python -m tests.scorecard", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, if none is named")
    parser.add_argument("--mutations", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| figure | bar | measured | held | s |\n| --- | --- | --- | --- | --- |", flush=True)
    missed = False
    for name in arguments.parts or PARTS:
        started = time.monotonic()
        one = _part(name, arguments)
        seconds = time.monotonic() - started
        held = "yes" if one.met else f"**no ({len(one.misses)})**"
        print(f"| {one.figure} | {one.bar} | {one.measured} | {held} | {seconds:.0f} |", flush=True)
        for miss in one.misses[:20]:
            print(f"{name}: {miss}", file=sys.stderr, flush=True)
        missed |= not one.met
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
