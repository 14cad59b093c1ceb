"""An audit on Ray: the shards of the local engine, in actors on one machine or on many.

Ray places workers and tells when one has died; everything else is as in `engine.py`: each worker has an event loop
with several shards open on it, writes them into the run folder, and answers receipts. So the run folder has to be on a
file system that every worker sees (`actor.py`).

Whatever takes a worker down (its node, its memory, a row) costs its open shards another start from their journals.
They start again one at a time in a worker that has nothing else, so that the one which ends its workers is found out,
and the others, which only kept it company, are not blamed.
"""

# ruff: noqa: PLC0415  (Ray reads its environment when it is imported, and nobody who does not use it needs to have it)

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preflight.audit.durable import RunStopped, stopping
from preflight.audit.engine import sum_of
from preflight.audit.folder import Run
from preflight.audit.progress import Snapshot
from preflight.audit.ray.actor import BEAT_SECONDS, Home, Worker
from preflight.audit.work import DRAIN_SECONDS, OPEN_SHARDS
from preflight.errors import PreflightError, UsageError
from preflight.language import say, told
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from preflight.audit.conduct import Engine
    from preflight.audit.model import Receipt, Shard
    from preflight.audit.work import Means

#: How often a shard is begun that ends its workers; and how often in a row a worker may fail to start.
_STARTS = 3
#: How long a cluster may take to have room for a first worker: nodes may have to be fetched for it.
_PLACE_SECONDS = 300.0
#: How long a worker waits for the others before it is given more than one shard: few rows are for all of them.
_SETTLE_SECONDS = 10.0
#: Above what a run may take to drain, and how long a worker may take to end, in seconds.
_GRACE_SECONDS = 5.0
#: What Ray holds of shards that are on their way, on a machine where nobody else has started it.
_STORE_BYTES = 256 * 1024 * 1024

#: Whatever Ray has to say of its workers would go to standard output, among the results: we say it.
_QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "^", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
#: A Ray of our own listens on loopback only and asks nobody else. Its first name for that is the switch which other
#: systems have off. Its dashboard's process asks the cloud's metadata service where it runs, statistics or not: that
#: question ends at a port on which nobody listens.
_ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    "no_proxy": "127.0.0.1",
}


def engine_at(address: str | None = None) -> Engine:
    """The engine on Ray: a function that is called as `engine.run_shards` is, and answers the same.

    Its `processes` are actors; 0: one for each CPU of the cluster. There are never more than turns, at one host
    (`Means.per_host`) or in all (`Means.at_once`), because the turns are shared out among them.

    Args:
        address: `HOST:PORT` of a cluster, or "auto" on one of its machines; None: the environment's `RAY_ADDRESS`,
            and where there is none a Ray on this machine, which ends with this process.
    """

    def run(
        shards: Iterator[Shard],
        means: Means,
        *,
        processes: int = 0,
        stop: threading.Event | None = None,
        tell: Callable[[Snapshot], None] = lambda _: None,
        finished: Callable[[Receipt], None] = lambda _: None,
    ) -> bool:
        first = next(shards, None)
        if first is None:
            return True  # nothing is left to do: Ray need not even start
        connect(address)
        workers = min(processes or _cpus(), means.per_host, means.at_once)
        head = [first, *islice(shards, workers - 1)]
        with _home(means, len(head)) as home:
            return _Crew(home, len(head), stop or threading.Event(), tell, finished).run(chain(head, shards))

    return run


def connect(address: str | None = None) -> None:
    """Connect this process to a cluster, or start one on this machine. See `engine_at`.

    Who has connected already keeps that connection. Else it is for this function to import Ray, which reads its
    environment then.

    Raises:
        UsageError: Ray is not installed, or does not answer.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if address and "://" in address:
        raise UsageError(say("the address of a Ray cluster is HOST:PORT, or auto; on a machine of that cluster"))
    early = "ray" in sys.modules
    with _environment(_QUIET | ({} if address else _ALONE)):
        try:
            import ray
        except ImportError as error:
            raise UsageError(say("Ray is not installed: {command}", command="pip install 'preflight[ray]'")) from error
        if ray.is_initialized():
            return
        if early and not address:
            raise UsageError(
                say("Ray was imported before it could be told to keep to this machine: call ray.init() yourself")
            )
        from ray.exceptions import RayError

        try:
            _knock(address)
            ray.init(
                address=address or "local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                object_store_memory=None if address else _STORE_BYTES,
            )
        except (OSError, RuntimeError, ValueError, RayError) as error:
            why = told(clean(getattr(error, "strerror", None) or str(error).strip().partition("\n")[0]))
            raise UsageError(say("Ray does not answer: {reason}", reason=why)) from error


def _knock(address: str | None) -> None:
    """Find out in seconds what Ray would in minutes.

    Raises:
        OSError: nobody listens there.
    """
    if not address or address == "auto":
        return
    import ray.util

    host, _, port = address.rpartition(":")
    hosts = [host.strip("[]")]
    if hosts[0] in {"localhost", "127.0.0.1"}:  # Ray takes that for this machine's other address
        hosts.append(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
    for place, name in enumerate(hosts, 1):
        try:
            socket.create_connection((name, int(port)), _GRACE_SECONDS).close()
        except OSError:
            if place == len(hosts):
                raise
        else:
            return


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """These variables for the block, and for every process that it starts."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _cpus() -> int:
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


@contextmanager
def _home(means: Means, workers: int) -> Iterator[Home]:
    import ray

    run = means.run.resolve()
    mark = run / f"mark-{secrets.token_hex(8)}"
    with stopping(mark):
        for old in run.glob("mark-*"):  # of a leader who was killed
            old.unlink()
        mark.touch(mode=0o600)
    share = replace(means.divided(workers), run=run, probers=min(means.probers, 1))
    try:
        yield Home(share, mark.name, Path.cwd(), ray.get_runtime_context().get_node_id())
    finally:
        with suppress(OSError):  # whoever reads the folder does not mind it
            mark.unlink()


class _Hand:
    """An actor as the one who leads sees it."""

    def __init__(self, home: Home) -> None:
        import ray

        actor = ray.remote(Worker).options(num_cpus=1, max_restarts=0, max_task_retries=0)
        self.actor: Any = actor.remote(home)
        self.is_ready = False
        self.shards: dict[int, Shard] = {}
        self.is_alone = False
        """It has a shard beside which no other is to run."""
        self.snapshot = Snapshot(0, None)


class _Crew:
    """Feeds the actors, hears their receipts, and gives the shards of one that died to another."""

    def __init__(
        self,
        home: Home,
        count: int,
        stop: threading.Event,
        tell: Callable[[Snapshot], None],
        finished: Callable[[Receipt], None],
    ) -> None:
        self._home, self._stop, self._tell, self._finished = home, stop, tell, finished
        self._run = Run.attach(home.means.run)
        self._hands: list[_Hand] = []
        self._refs: dict[Any, tuple[_Hand, Shard | None]] = {}
        """What was asked and not answered yet: about a shard, or how a worker is."""
        self._starts: Counter[int] = Counter()
        self._suspects: list[Shard] = []
        self._lost: list[int] = []
        self._began = time.monotonic()
        self._failed = 0
        self._past = Snapshot(0, None)
        self._complete = True
        self._has_input = True
        for _ in range(count):
            self._hire()

    def run(self, shards: Iterator[Shard]) -> bool:
        """See `engine_at`."""
        import ray

        end = None
        try:
            while not self._is_done(end):
                self._feed(shards)
                if self._stop.is_set() and end is None:
                    end = time.monotonic() + DRAIN_SECONDS + _GRACE_SECONDS
                    for hand in self._hands:
                        hand.actor.stop.remote()
                self._hear_all()
                if not any(hand.is_ready for hand in self._hands) and self._seconds > _PLACE_SECONDS:
                    words = say(
                        "the Ray cluster has had no room for a worker for {seconds:.0f} s", seconds=_PLACE_SECONDS
                    )
                    raise RunStopped(words)
                self._tell_all()
            self._close()
        finally:
            for hand in self._hands:
                ray.kill(hand.actor)
        if self._lost:
            lost = ", ".join(map(str, sorted(self._lost)))
            raise RunStopped(
                say(
                    "shard {shards} has ended {count} workers; every other shard is finished",
                    shards=lost,
                    count=_STARTS,
                )
            )
        return self._complete and not self._stop.is_set()

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _is_done(self, end: float | None) -> bool:
        if any(hand.shards for hand in self._hands):
            return end is not None and time.monotonic() > end
        return self._stop.is_set() or not (self._has_input or self._suspects)

    def _feed(self, shards: Iterator[Shard]) -> None:
        """Give every worker as much as it may hold, the idlest first."""
        is_settled = all(hand.is_ready for hand in self._hands) or self._seconds > _SETTLE_SECONDS
        room = OPEN_SHARDS if is_settled else 1
        while self._has_input or self._suspects:
            free = [hand for hand in self._hands if hand.is_ready and not hand.is_alone]
            hand = min(free, key=lambda hand: len(hand.shards), default=None)
            if self._stop.is_set() or hand is None or len(hand.shards) >= room:
                return
            hand.is_alone = bool(self._suspects) and not hand.shards
            shard = self._suspects.pop() if hand.is_alone else next(shards, None) if self._has_input else None
            if shard is None:
                self._has_input = False
                return
            self._starts[shard.index] += 1
            hand.shards[shard.index] = shard
            self._refs[hand.actor.audit.remote(shard)] = (hand, shard)

    def _hear_all(self) -> None:
        import ray

        ready, _ = ray.wait(list(self._refs), num_returns=1, timeout=BEAT_SECONDS)
        for ref in ready:
            if ref in self._refs:  # else its worker was buried a moment ago
                self._hear(ref)

    def _hear(self, ref: Any) -> None:
        import ray
        from ray.exceptions import RayError, RayTaskError

        hand, shard = self._refs.pop(ref)
        try:
            answer = ray.get(ref)
        except RayTaskError as error:
            raise (error.cause if isinstance(error.cause, PreflightError) else error) from None
        except RayError as error:
            self._bury(hand, str(error))
            return
        if shard is not None:
            hand.is_alone = False
            del hand.shards[shard.index]
            self._receive(answer)
        elif isinstance(answer, str):
            raise UsageError(say("a Ray worker {problem}", problem=told(answer)))
        else:
            self._failed, hand.is_ready = 0, True
            hand.snapshot = answer or hand.snapshot
            self._refs[hand.actor.snapshot.remote()] = (hand, None)

    def _receive(self, receipt: Receipt | None) -> None:
        if receipt is None:
            self._complete = False
        else:
            self._finished(receipt)

    def _hire(self) -> None:
        hand = _Hand(self._home)
        self._hands.append(hand)
        self._refs[hand.actor.hello.remote()] = (hand, None)

    def _bury(self, hand: _Hand, reason: str) -> None:
        """A worker is gone, or cannot be reached: what it has not finished is for another."""
        import ray

        ray.kill(hand.actor)  # were it alive, two would write the same shard
        self._hands.remove(hand)
        self._past = sum_of([self._past, replace(hand.snapshot, in_flight=0, parked=())])
        self._refs = {ref: about for ref, about in self._refs.items() if about[0] is not hand}
        if not hand.is_ready:
            self._failed += 1
            if self._failed >= _STARTS:
                why = clean(reason.strip().splitlines()[-1])
                raise RunStopped(say("Ray workers do not start: {reason}", reason=why))
        for shard in hand.shards.values():
            if self._run.is_finished(shard.index):  # it could not tell us any more
                self._finished(self._run.receipt(shard.index))
            elif self._starts[shard.index] >= _STARTS:
                self._lost.append(shard.index)
            else:
                self._suspects.append(shard)
        if not self._stop.is_set():
            self._hire()

    def _close(self) -> None:
        """Have the workers put away what they hold open, and tell how far they have come."""
        import ray
        from ray.exceptions import RayError

        closing = {hand.actor.close.remote(): hand for hand in self._hands if hand.is_ready and not hand.shards}
        if closing:
            closed, _ = ray.wait(list(closing), num_returns=len(closing), timeout=_GRACE_SECONDS)
            for ref in closed:
                with suppress(RayError):  # it died after its last shard: nothing is lost but its figures
                    closing[ref].snapshot = ray.get(ref)
        self._tell_all()

    def _tell_all(self) -> None:
        self._tell(sum_of([self._past, *(hand.snapshot for hand in self._hands)]))
