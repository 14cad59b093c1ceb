"""What the worker process costs: the same probe on either side of the process boundary."""

from __future__ import annotations

import statistics
import time

from preflight.deliver.sparse import SparseBytes
from preflight.probes import probe
from preflight.worker import Worker
from tests.fuzzing.corpus import CLIPS as SEEDS
from tests.hostile import Score
from tests.media import build

BAR_MS = 1.5
_ROUNDS = 40


def costs() -> dict[str, float]:
    """Milliseconds that the hand-over adds to a warm probe, for each kind of clip: the median of the differences."""
    worker = Worker()
    found = {}
    try:
        for name, clip in SEEDS.items():
            data = SparseBytes.whole(build(clip))
            probe(data), worker.probe(data)
            differences = []
            for _ in range(_ROUNDS):
                started = time.perf_counter()
                probe(data)
                here = time.perf_counter()
                worker.probe(data)
                differences.append((time.perf_counter() - here) - (here - started))
            found[name] = statistics.median(differences) * 1000
    finally:
        worker.stop()
    return found


def score() -> Score:
    """The median of the clips, and the dearest."""
    found = costs()
    median, worst = statistics.median(found.values()), max(found, key=found.__getitem__)
    return Score(
        "cost of isolation, a warm probe",
        f"≤ {BAR_MS} ms",
        f"{median:.2f} ms (median of {len(found)} clips; worst {worst}, {found[worst]:.2f})",
        () if median <= BAR_MS else (f"{median:.2f} ms",),
    )
