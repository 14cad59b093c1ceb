"""The supervisor: lanes side by side, each watched, and replaced when a case takes it down or never ends."""

from __future__ import annotations

import ctypes
import multiprocessing
import resource
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, cast

from tests.fuzzing import lane
from tests.fuzzing.corpus import corpus
from tests.fuzzing.lane import Fault, Finding, Plan, Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

#: Of the worker's own time for a probe, and its trips: a lane that says nothing for so long does not live.
_SILENT_SECONDS = 45.0
#: Without a child to take the blow, a lane itself is limited: preflight's bound for a child, and what the corpus takes.
_OWN_MEMORY_BYTES = 3 << 30
#: These are what isolation is for: the child died, preflight said so, and went on.
CONTAINED: frozenset[Fault] = frozenset({"crashes decoder"})


class _Slot(ctypes.Structure):
    _fields_ = (("number", ctypes.c_longlong), ("began", ctypes.c_double))


@dataclass(slots=True)
class Result:
    """A run in figures."""

    seed: int
    seconds: float = 0.0
    cases: int = 0
    findings: list[Finding] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    peak: tuple[int, int] = (0, 0)

    @property
    def bad(self) -> list[Finding]:
        """The findings that must not be."""
        return [finding for finding in self.findings if finding.fault not in CONTAINED]

    def of(self, fault: Fault) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.fault == fault]


class _Lane:
    """A lane's process and what is known of it."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("fork")  # the corpus is made once, for all
        self.plan = plan
        self.slot = cast("Any", context.Value(_Slot, lock=False))
        self.slot.number = plan.first
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process: ForkProcess = context.Process(target=_live, args=(plan, self.slot, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.done = False

    def silent(self) -> bool:
        limit = lane.HANG_SECONDS if self.plan.in_process else _SILENT_SECONDS
        return bool(self.slot.began) and time.monotonic() - self.slot.began > limit


def _live(plan: Plan, slot: lane.Slot, pipe: Connection) -> None:
    if plan.in_process:
        resource.setrlimit(resource.RLIMIT_AS, (_OWN_MEMORY_BYTES, _OWN_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lane.run(plan, slot, pipe)


def fuzz(
    seed: int,
    *,
    count: int | None,
    seconds: float | None,
    lanes: int,
    in_process: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> Result:
    """Run cases 0, 1, 2, … of a seed, up to a count or for some seconds, over several lanes."""
    corpus()
    result, began = Result(seed), time.monotonic()
    until = None if seconds is None else began + seconds
    plan = Plan(seed, 0, lanes, count, until, in_process)
    running = [_Lane(replace(plan, first=first)) for first in range(lanes)]
    while running:
        connection.wait([item.pipe for item in running], timeout=0.5)
        for item in tuple(running):
            alive = item.process.is_alive()  # asked first: what it said before it ended is heard
            _hear(item, result, say)
            if not item.done and (finding := _fallen(item, alive=alive)):
                _note(finding, result, say)
                running.append(_Lane(replace(item.plan, first=finding.number + lanes)))
                result.cases += (finding.number - item.plan.first) // lanes + 1
                item.done = True
            if item.done:
                item.process.join()
                running.remove(item)
    result.seconds = time.monotonic() - began
    return result


def _hear(item: _Lane, result: Result, say: Callable[[str], object]) -> None:
    try:
        while not item.done and item.pipe.poll():
            message = item.pipe.recv()
            if isinstance(message, Finding):
                _note(message, result, say)
            elif isinstance(message, Tally):
                result.cases += message.cases
                result.outcomes.update(message.outcomes)
                result.slowest = max(result.slowest, message.slowest)
                result.peak = max(result.peak, message.peak)
                item.done = True
    except EOFError:  # its process ended without a tally: `_fallen` tells why
        return


def _fallen(item: _Lane, *, alive: bool) -> Finding | None:
    if not alive:
        return Finding("parent crash", item.slot.number, f"exit code {item.process.exitcode}")
    if item.silent():
        item.process.kill()
        return Finding("hang", item.slot.number, "no answer")
    return None


def _note(finding: Finding, result: Result, say: Callable[[str], object]) -> None:
    result.findings.append(finding)
    say(f"{finding.fault}: case {finding.number} of seed {result.seed}: {finding.detail}")
