"""An audit from its order to its end: the run folder, the shards that are left, one more try for what may pass.

All state is in the run folder, so this is the same for a run that begins, one that goes on after whatever stopped it,
and one that checks again what has failed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from preflight.audit.engine import run_shards
from preflight.audit.folder import Run
from preflight.audit.jobs import fingerprint, read_jobs
from preflight.audit.manifest import Manifest, is_begun
from preflight.audit.model import Shard
from preflight.audit.sample import Sampler
from preflight.audit.summary import Tally
from preflight.errors import UsageError
from preflight.language import later, say
from preflight.printable import clean

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping

    from preflight.audit.model import BadRow, Job, Receipt
    from preflight.audit.progress import Snapshot
    from preflight.audit.work import Means
    from preflight.facts import Kind

    #: Runs shards somewhere; see `engine.run_shards`.
    Engine = Callable[..., bool]

#: Rows that are finished together. Small enough to be soon done, large enough that files stay few.
SHARD_ROWS = 500
#: What a table means that has no column for it, as `preflight check` with flags alone does.
IMPLIED = {"model": "kling-v2-6-motion-control", "mode": "std"}
#: A larger input is not read twice only to say how much is left.
_COUNTED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be audited."""

    input: Path
    format: str | None = None
    as_medium: Kind | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    id_column: str | None = None
    sample: str | None = None
    seed: int = 0
    limit: int | None = None
    encoding: str | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where an input from storage was copied from: see `storage.fetched`."""

    def rows(self) -> Iterator[Job | BadRow]:
        """The rows that are to be audited, in order; those beside the sample keep their numbers to themselves.

        Raises:
            UsageError, RequestUnreadable: as `read_jobs`.
        """
        rows = self._all_rows()
        if self.sample is not None:
            rows = Sampler(self.sample, self.seed).take(rows)
        return rows if self.limit is None else islice(rows, self.limit)

    def _all_rows(self) -> Iterator[Job | BadRow]:
        return read_jobs(
            self.input,
            format=self.format,
            as_medium=self.as_medium,
            mapping=dict(self.mapping),
            defaults=dict(self.defaults),
            id_column=self.id_column,
            implied=IMPLIED,
            encoding=self.encoding,
        )

    def shards(self, only: Collection[int] | None = None) -> Iterator[Shard]:
        """The rows in shards; `only`: those of these numbers."""
        rows, index = self.rows(), 0
        while jobs := tuple(islice(rows, SHARD_ROWS)):
            if only is None or index in only:
                yield Shard(index, jobs)
            index += 1

    def _counts(self) -> dict[str, int]:
        """How many rows there are: always of a sample, else where that is soon found out."""
        if self.sample is not None:
            return {"rows": sum(1 for _ in self.rows()), "population": sum(1 for _ in self._all_rows())}
        is_small = self.limit is not None or self.input.stat().st_size <= _COUNTED_BYTES
        return {"rows": sum(1 for _ in self.rows())} if is_small else {}

    def manifest(self, options: Mapping[str, Any]) -> Manifest:
        """What a run of this order must have been started with. `options`: what else decides over the results.

        Raises:
            UsageError: there are no rows, or those of the sample would be no sample.
        """
        if self.sample is not None and self.limit is not None:
            raise UsageError(say("--sample draws from all rows, so it does not go with --limit"))
        told = fingerprint(self.input)
        if self.origin:  # the time of a copy tells nothing
            told = {name: value for name, value in told.items() if name != "mtime_ns"} | dict(self.origin)
        told |= self._counts()
        if told.get("rows") == 0:
            name = say("the sample") if self.sample is not None else clean(Path(str(told["path"])).name)
            raise UsageError(say("{name} has no rows", name=name))
        own = {
            "input_format": self.format,
            "as": self.as_medium,
            "map": dict(self.mapping),
            **self.defaults,
            "id": self.id_column,
            "encoding": self.encoding,
            "sample": self.sample,
            "seed": self.seed if self.sample else None,
            "limit": self.limit,
        }
        return Manifest.of(
            input=told,
            options={name: value for name, value in {**own, **options}.items() if value not in (None, {})},
            shard_rows=SHARD_ROWS,
        )


def begin(folder: Path, manifest: Manifest) -> Run:
    """The run of this folder: a new one, or the one that is there if it was started with the same.

    Raises:
        UsageError: the folder holds something else.
        RunStopped: the disk is too full.
    """
    if not is_begun(folder):
        return Run.create(folder, manifest)
    run = Run.open(folder)
    try:
        run.refuse_if_different(manifest)
    except BaseException:
        run.close()
        raise
    return run


def reopen_failed(run: Run, which: Literal["all", "transient"]) -> int:
    """Have rows of finished shards checked again, and tell how many: what failed or is unknown, or what may pass."""
    count = 0
    for index in run.finished():
        rows = [line["row"] for line in run.lines(index) if _is_wanted(line, which)]
        if rows:
            run.reopen(index, rows)
        count += len(rows)
    return count


def _is_wanted(line: dict[str, Any], which: str) -> bool:
    return line["class"] == "transient" or (which == "all" and line["result"]["verdict"] in {"fail", "unknown"})


def conduct(
    order: Order,
    run: Run,
    means: Means,
    *,
    processes: int = 1,
    stop: threading.Event,
    tell: Callable[[Snapshot], None],
    engine: Engine = run_shards,
) -> bool:
    """Finish the shards that are left, then try once more what may pass; False: stopped before the end.

    Raises:
        RunStopped: the run folder cannot be written.
    """
    if run.is_complete:
        return True
    receipts: dict[int, int] = {}

    def remember(receipt: Receipt) -> None:
        receipts[receipt.index] = receipt.stats["transient"]

    finished = set(run.finished())
    past, total = tally_of(run), run.manifest.input.get("rows")
    left = (shard for shard in order.shards() if shard.index not in finished)
    first = _first_pass(tell, past, total)
    if not engine(left, means, processes=processes, stop=stop, tell=first, finished=remember):
        return False
    # Also what an earlier start of this run had to leave undecided.
    receipts |= {index: run.receipt(index).stats["transient"] for index in finished}
    again = {index for index, undecided in receipts.items() if undecided}
    for index in again:
        run.reopen(index, [line["row"] for line in run.lines(index) if line["class"] == "transient"])
    second = _second_pass(tell, total)
    if again and not engine(order.shards(again), means, processes=processes, stop=stop, tell=second):
        return False
    run.complete()
    return True


def _first_pass(tell: Callable[[Snapshot], None], past: Tally, total: int | None) -> Callable[[Snapshot], None]:
    def told(snapshot: Snapshot) -> None:
        verdicts = dict(past.verdicts + Counter(snapshot.verdicts))
        tell(replace(snapshot, rows_done=past.rows + snapshot.rows_done, rows_total=total, verdicts=verdicts))

    return told


def _second_pass(tell: Callable[[Snapshot], None], total: int | None) -> Callable[[Snapshot], None]:
    def told(snapshot: Snapshot) -> None:
        tell(replace(snapshot, rows_done=total or 0, rows_total=total, verdicts={}, doing=later("retrying")))

    return told


def tally_of(run: Run) -> Tally:
    """What is counted so far: finished shards by their receipts, open ones row by row."""
    tally = Tally()
    for index in run.begun():
        if run.is_finished(index):
            tally.merge(Tally.from_json(run.receipt(index).stats))
        else:
            for result in run.results(index):
                tally.add(result)
    return tally
