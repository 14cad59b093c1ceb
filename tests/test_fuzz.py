"""The fuzzer itself: its cases come again, what goes wrong in one is seen, and a short run finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from preflight.deliver.sparse import Span
from preflight.facts import NeedSpans, NotMedia, Outcome, Refusal
from tests.fuzz import summary
from tests.fuzzing import lane, run
from tests.fuzzing.corpus import corpus
from tests.fuzzing.lane import Finding, Tally, _examine
from tests.fuzzing.mutate import MOST_BYTES, make
from tests.fuzzing.run import fuzz
from tests.fuzzing.shape import parts

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes

CASES = 400
SEED = 20261122


def test_a_short_run_finds_nothing() -> None:
    """Through the real worker: no crash, no hang, no fault of ours, and every case is counted."""
    result = fuzz(SEED, count=CASES, seconds=None, lanes=2)
    assert result.bad == []
    assert result.cases == CASES == sum(result.outcomes.values())
    assert result.outcomes["facts"] > CASES // 10
    assert result.outcomes["corrupt"] > CASES // 10
    assert f"{CASES} of seed {SEED}" in summary(result, 2)
    if sys.platform == "linux":
        assert result.peak[0] > 1 << 20


def test_a_short_run_in_this_process_finds_nothing() -> None:
    """The same without a child."""
    result = fuzz(SEED + 1, count=CASES, seconds=None, lanes=1, in_process=True)
    assert result.bad == []
    assert result.cases == CASES


def test_a_case_comes_again() -> None:
    """The same bytes from a seed and a number, in whatever order, and in another process."""
    first = [make(SEED, number) for number in range(40)]
    assert [make(SEED, number) for number in reversed(range(40))] == first[::-1]
    code = f"from tests.fuzzing.mutate import make; print(hash(make({SEED}, 7).data.hex()))"
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    told = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, timeout=120)
        for _ in range(2)
    ]
    assert told[0].stdout == told[1].stdout != b""


def test_cases_differ_from_their_origin_and_stay_small() -> None:
    """Most cases are damaged, each way of delivery occurs, and none is larger than it may be."""
    cases = [make(SEED, number) for number in range(300)]
    assert sum(case.data != corpus()[case.origin] for case in cases) > 270
    assert {case.way for case in cases} == {"whole", "sparse", "sizeless"}
    assert max(len(case.data) for case in cases) <= MOST_BYTES
    assert len({case.origin for case in cases}) > 60


@pytest.mark.parametrize("name", [name for name in corpus() if not name.startswith("text")])
def test_parts_lie_inside_the_file(name: str) -> None:
    """Where a mutation is aimed, there is something; formats with parts have several."""
    data = corpus()[name]
    found = parts(data)
    assert all(0 <= part.start < part.body <= max(part.stop, part.body) <= len(data) + 8 for part in found)
    if data[4:8] == b"ftyp" or data[:4] in {b"\x1a\x45\xdf\xa3", b"RIFF"}:
        assert len(found) >= 2


def _faults(prober: object) -> list[str]:
    return [finding.fault for finding in _examine(make(SEED, 8), prober, Tally())]  # type: ignore[arg-type]


def _crashes(data: SparseBytes) -> Outcome:
    return NotMedia(Refusal.CRASHES, "it did")


def _raises(data: SparseBytes) -> Outcome:
    raise IndexError("not caught")


def _tells_a_fault(data: SparseBytes) -> Outcome:
    raise RuntimeError("Traceback …\nKeyError: 'x'")


def _asks_forever(data: SparseBytes) -> NeedSpans:
    return NeedSpans((Span(0, 1),))


def _is_slow(data: SparseBytes) -> Outcome:
    time.sleep(0.2)
    return NotMedia(Refusal.GARBAGE, "it is")


def test_what_goes_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception, a fault that the child tells, a loop, a dead child and a slow answer each have their name."""
    assert _faults(_raises) == ["parent crash"]
    assert _faults(_tells_a_fault) == ["fault of ours"]
    assert _faults(_asks_forever) == ["fault of ours"]
    assert _faults(_crashes) == ["crashes decoder"]
    assert _faults(_is_slow) == []
    monkeypatch.setattr(lane, "HANG_SECONDS", 0.1)
    assert _faults(_is_slow) == ["hang"]


def _dies(plan: lane.Plan, slot: lane.Slot, pipe: object) -> None:
    if plan.first == 0:
        slot.number, slot.began = 0, time.monotonic()
        os._exit(3)
    pipe.send(Tally(cases=1))  # type: ignore[attr-defined]


def _hangs(plan: lane.Plan, slot: lane.Slot, pipe: object) -> None:
    if plan.first == 0:
        slot.number, slot.began = 0, time.monotonic()
        time.sleep(60)
    pipe.send(Tally(cases=1))  # type: ignore[attr-defined]


def test_a_lane_that_dies_or_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor names the case, and the run goes on behind it."""
    monkeypatch.setattr(lane, "run", _dies)
    assert fuzz(1, count=2, seconds=None, lanes=1).findings == [Finding("parent crash", 0, "exit code 3")]
    monkeypatch.setattr(lane, "run", _hangs)
    monkeypatch.setattr(run, "_SILENT_SECONDS", 0.3)
    result = fuzz(1, count=2, seconds=None, lanes=1)
    assert result.findings == [Finding("hang", 0, "no answer")]
    assert result.cases == 2
