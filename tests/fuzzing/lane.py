"""One process of the fuzzer: make a case, probe it, judge what came out, tell what is wrong.

A lane stands for preflight's own process: it must outlive every case. Its worker is the child that may not.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from preflight import probes
from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Span, SparseBytes
from preflight.estimate import estimate
from preflight.facts import ImageFacts, NeedSpans, NotMedia, Outcome, Refusal, VideoFacts
from preflight.render import render
from preflight.report import build_report
from preflight.rules import judge
from preflight.worker import MEMORY_BYTES, Worker
from tests.cases import case as ordinary_case
from tests.fuzzing.mutate import Case, make

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

Fault = Literal["parent crash", "hang", "over the memory limit", "fault of ours", "crashes decoder", "disagreement"]
#: A probe that takes longer never ends: the worker's own limit for a child.
HANG_SECONDS = 5.0
#: After so many trips the rest of a file comes at once; each trip before must have brought something new.
_MOST_ROUNDS = 32
#: One case in so many goes through rules, estimate, report and every renderer as well.
_JUDGED = 8


class Slot(Protocol):
    """Shared with the supervisor: the case under way, and when it began."""

    number: int
    began: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What one case did."""

    fault: Fault
    number: int
    detail: str = ""


@dataclass(slots=True)
class Tally:
    """What a lane counts."""

    cases: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, 0)
    peak: tuple[int, int] = (0, 0)
    """The most memory that a child held, in bytes, and the case after which it was seen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which cases a lane runs: from `first` in steps, up to a count or a time of the monotonic clock."""

    seed: int
    first: int
    step: int
    count: int | None
    until: float | None
    in_process: bool

    def goes_on(self, number: int) -> bool:
        """Is it this case's turn?"""
        return (self.count is None or number < self.count) and (self.until is None or time.monotonic() < self.until)


def run(plan: Plan, slot: Slot, to_supervisor: Connection) -> None:
    """Run a lane to its end; findings are sent as they happen, the tally at last."""
    worker = None if plan.in_process else Worker()
    prober = probes.probe if worker is None else worker.probe
    tally, number = Tally(), plan.first
    if worker is not None:
        worker.probe(SparseBytes.whole(b"warm"))
    try:
        while plan.goes_on(number):
            case = make(plan.seed, number)
            slot.number, slot.began = number, time.monotonic()
            for finding in _examine(case, prober, tally):
                to_supervisor.send(finding)
            slot.began = 0.0
            if worker is not None and (over := _memory(worker, number, tally)):
                to_supervisor.send(over)
            tally.cases += 1
            number += plan.step
    finally:
        if worker is not None:
            worker.stop()
    to_supervisor.send(tally)


def _examine(case: Case, prober: Callable[[SparseBytes], Outcome | NeedSpans], tally: Tally) -> list[Finding]:
    began = time.monotonic()
    try:
        outcome = deliver(case.data, case.way, prober)
        seconds = time.monotonic() - began
        if case.number % _JUDGED == 0:
            judged(outcome)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the finding)
        kind: Fault = "fault of ours" if isinstance(error, RuntimeError | AssertionError) else "parent crash"
        return [Finding(kind, case.number, _last_line(error))]
    tally.slowest = max(tally.slowest, (seconds, case.number))
    crashed = isinstance(outcome, NotMedia) and outcome.refusal is Refusal.CRASHES
    word = outcome.refusal.value if isinstance(outcome, NotMedia) else "facts"
    tally.outcomes[word] = tally.outcomes.get(word, 0) + 1
    if seconds >= HANG_SECONDS:
        return [Finding("hang", case.number, f"{seconds:.1f} s")]
    if crashed:
        return [Finding("crashes decoder", case.number, case.origin)]
    if case.way != "whole" and case.number % _JUDGED == 0:
        whole = deliver(case.data, "whole", prober)
        if whole != outcome and not _same_refusal(whole, outcome):
            return [Finding("disagreement", case.number, _difference(outcome, whole))]
    return []


def deliver(data: bytes, way: str, prober: Callable[[SparseBytes], Outcome | NeedSpans]) -> Outcome:
    """The outcome of a file: as a whole, or span by span as the probe asks."""
    sparse = SparseBytes.whole(data) if way == "whole" else SparseBytes(len(data) if way == "sparse" else None)
    wanted: tuple[Span, ...] = (Span(0, FLIGHT_BYTES),) if way != "whole" else ()
    for trips in range(_MOST_ROUNDS + 1):
        for span in wanted if trips < _MOST_ROUNDS else (Span(0, None),):
            stop = len(data) if span.stop is None else min(span.stop, len(data))
            if span.stop is None or span.stop >= len(data):
                sparse.total = len(data)
            sparse.add(min(span.start, stop), data[span.start : stop])
        answer = prober(sparse)
        if not isinstance(answer, NeedSpans):
            assert isinstance(answer, VideoFacts | ImageFacts | NotMedia), type(answer)
            if sparse.total is not None or isinstance(answer, NotMedia):
                return answer
            wanted = (Span(len(sparse), None),)  # facts without a size: delivery goes on to the end, and asks again
            continue
        assert any(sparse.missing(span) for span in answer.spans), f"asked for what is there: {answer.spans}"
        wanted = answer.spans
    raise AssertionError("the whole file is there, and it asks for more")


def judged(outcome: Outcome) -> None:
    """What preflight's own process makes of an outcome: findings, an estimate, a report, its texts."""
    is_image = isinstance(outcome, ImageFacts)
    case = ordinary_case(image=outcome) if is_image else ordinary_case(video=outcome)
    report = build_report(case, judge(case), estimate(case, None), seconds=0.1)
    for form in ("text", "json"):
        render(report, form)


def _memory(worker: Worker, number: int, tally: Tally) -> Finding | None:
    peak = _peak(worker)
    if peak <= tally.peak[0]:
        return None
    tally.peak = (peak, number)
    return Finding("over the memory limit", number, f"{peak >> 20} MB") if peak > MEMORY_BYTES else None


def _peak(worker: Worker) -> int:
    """The most bytes that the worker's child ever held; 0 where the child is gone or the system does not tell."""
    child = worker._child
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{child.pid if child else 0}/status").read_text(encoding="ascii")
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
        return int(line.split()[1]) * 1024
    return 0


def _same_refusal(one: Outcome, other: Outcome) -> bool:
    """Both refuse, for the same class of reasons; the words may differ where one knew the file's size."""
    return isinstance(one, NotMedia) and isinstance(other, NotMedia) and one.refusal is other.refusal


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1][:200]}"


def _difference(one: Outcome, other: Outcome) -> str:
    if type(one) is not type(other):
        return f"{type(one).__name__} in pieces, {type(other).__name__} as a whole"
    names = one.__dataclass_fields__
    differing = [name for name in names if getattr(one, name) != getattr(other, name)]
    return "in pieces and as a whole differ: " + ", ".join(differing)
