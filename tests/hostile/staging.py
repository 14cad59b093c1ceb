"""The stage for one hostile server: a whole check against it, and everything that must hold however it ends.

A row of a table says what the server does and how the check must end: the verdict and the rules that tell it, within
the deadline, within the row's bytes. Then a good medium is asked for in the same session (of the same server, where
that one still serves) and must be read as it is: what an attack leaves in a connection shows here. In the end nothing
may be left: no task, no socket.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import preflight
from preflight.deliver.client import Bounds, Client
from preflight.inspection import Inspector
from preflight.pipeline import run
from preflight.profiles import load_profile
from preflight.settings import Settings
from preflight.worker import Worker
from tests.hostile.certificates import Faults
from tests.servers import MediaServer, Ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.report import Report
    from tests.servers import Behaviour

_MEDIA = Path(preflight.__file__).parents[1] / "sample_media"
#: Its index stands at the end: two ranges tell its facts. Every row serves it that does not say otherwise.
TAIL = (_MEDIA / "dance-8s-tail.mp4").read_bytes()
#: The same clip, its index first: one range does.
FRONT = (_MEDIA / "dance-8s.mp4").read_bytes()
#: A picture.
STILL = (_MEDIA / "tiny.png").read_bytes()
#: The beginning of a clip, and what such a file may go on with for ever: a probe hopes for an index behind it.
OPENING = FRONT[: int.from_bytes(FRONT[:4], "big")]
FILLING = b"\x00\x00\x10\x00free" + bytes(4088)
#: Another clip, of two seconds: what an attack tries to slip in.
FOREIGN = (_MEDIA / "short-2s.mp4").read_bytes()

MAX_BYTES = 256 * 1024
#: All that may be received where a server does its worst: the bodies' budget, and as much again for headers.
WHOLE = 2 * MAX_BYTES
#: What one read may bring beyond a budget before the budget is looked at.
ONE_READ = 64 * 1024
#: The deadline of a check that nothing else ends, and of one that something else must end: that of a busy machine.
SECONDS, PATIENCE = 1.5, 6.0
#: How long after its deadline a check may end.
GRACE = 0.5
_BOUNDS = Bounds(max_bytes=MAX_BYTES, timeout=PATIENCE, allow_private=True)
#: How many rows run at once: most of them wait.
_AT_ONCE = 6
#: What every check of these clips on loopback says.
_AMBIENT = frozenset({"url-private-allowed", "video-not-faststart"})
_FACTS = ("container", "durations", "width", "height", "codec", "frames", "frame_rate", "audio", "truncated")


@dataclass(frozen=True)
class Attack:
    """One hostile server, and how a check of its video must end."""

    name: str
    behaviour: Behaviour
    ends: str
    """The verdict, and the rules that tell why: "unknown delivery-timeout". "warn": the facts of the clip are read."""
    budget: int = 24 * 1024
    """Bytes that may be received, headers and repetitions included, and one read more."""
    data: bytes = TAIL
    media_type: str | None = "video/mp4"
    also: tuple[tuple[str, Behaviour], ...] = ()
    """What is served at other paths."""
    tls: str | None = None
    """A key of `Faults.contexts`."""
    https: bool = False
    """Ask by https where the server speaks no TLS of its own."""
    greets: bool = False
    """The behaviour meets a connection, not a request."""
    bounds: tuple[tuple[str, float], ...] = ()
    """Fields of `Bounds` that differ; with none, a check that is to end by its deadline gets a short one."""
    within: float | None = None
    """Seconds, where it must end long before its deadline."""
    rest: float = 0.0
    """Seconds until the next medium is asked for: what the server sends meanwhile, it sends unasked."""

    @property
    def reads(self) -> bool:
        """Is the clip to be read in spite of everything?"""
        return self.ends.split()[0] in {"pass", "warn"}

    def limits(self) -> Bounds:
        """The bounds of the check."""
        changes: dict[str, Any] = dict(self.bounds) or ({"timeout": SECONDS} if "delivery-timeout" in self.ends else {})
        return replace(_BOUNDS, **changes)


@dataclass(slots=True)
class Ended:
    """How one attack ended; `misses` is empty when everything held."""

    attack: Attack
    seconds: float = 0.0
    received: int = 0
    misses: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note a miss unless it holds."""
        if not holds:
            self.misses.append(otherwise)


class Stage:
    """What the rows share: certificates, a good server, one process that probes."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._faults = Faults(Path(self._folder.name))
        self._settings = Settings(load_profile("xcompute"))
        self._worker = Worker()
        self._good = MediaServer()

    def __enter__(self) -> Self:
        self._good.__enter__()
        self._good.serve("victim.mp4", FRONT)
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop()
        self._good.__exit__()
        self._folder.cleanup()

    def play(self, attack: Attack) -> Ended:
        """Run one row on an event loop of its own, in the calling thread."""
        ended = Ended(attack)
        tls = self._faults.contexts[attack.tls] if attack.tls else None
        try:
            with MediaServer(tls=tls, greeting=attack.behaviour if attack.greets else None) as server:
                server.serve("victim.mp4", FRONT)
                for path, behaviour in attack.also:
                    server.serve(path, attack.data, behaviour=behaviour)
                url = server.serve("clip.mp4", attack.data, media_type=attack.media_type, behaviour=attack.behaviour)
                url = url.replace("http:", "https:") if attack.https else url
                same = not attack.greets and attack.tls in {None, "good"} and not attack.https
                asyncio.run(self._attend(ended, url, server.base if same else self._good.base))
                ended.expect(server.wait_closed(), "left a socket open")
        except Exception as error:  # noqa: BLE001  (that nothing is raised is what is measured)
            ended.misses.append(f"raised {type(error).__name__}: {error}")
        return ended

    async def _attend(self, ended: Ended, url: str, good: str) -> None:
        attack = ended.attack
        bounds = attack.limits()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: ended.misses.append(f"unhandled: {context.get('message')} {context.get('exception')!r}")
        )
        async with Client(bounds, authorities=self._faults.authorities) as client:
            inspector = Inspector(client, self._probe, bounds.timeout)
            started = time.monotonic()
            report = await self._check(inspector, url)
            ended.seconds = time.monotonic() - started
            self._judge(ended, report)
            await asyncio.sleep(attack.rest)
            after = _video(await self._check(inspector, f"{good}/victim.mp4"))
            ended.expect(after == _truth(), f"the next medium was read as {after}")
        left = asyncio.all_tasks() - {asyncio.current_task()}
        ended.expect(not left, f"left tasks: {left}")

    async def _probe(self, data: Any) -> Any:
        return await asyncio.to_thread(self._worker.probe, data)

    async def _check(self, inspector: Inspector, url: str) -> Report:
        request = {
            "model": "kling-v2-6-motion-control",
            "image_url": str(_MEDIA / "portrait.jpg"),
            "video_url": url,
            "character_orientation": "image",
            "mode": "std",
        }
        return await run(request, inspector, self._settings)

    def _judge(self, ended: Ended, report: Report) -> None:
        attack = ended.attack
        rules = {finding.rule for finding in report.findings if finding.subject == "video"} - _AMBIENT
        came = " ".join([report.verdict, *sorted(rules)])
        verdict, *expected = attack.ends.split()
        ended.expect((report.verdict, rules) == (verdict, set(expected)), f"ended in {came!r}, not {attack.ends!r}")
        assert report.video is not None
        ended.received = report.video.transfer.bytes_received
        most = attack.budget + ONE_READ if attack.budget else 0
        ended.expect(ended.received <= most, f"received {ended.received} bytes, {most} are the most")
        late = attack.within or attack.limits().timeout + GRACE
        ended.expect(ended.seconds <= late, f"took {ended.seconds:.2f} s, {late:.1f} s are the most")
        if attack.reads:
            facts = _video(report)
            ended.expect(facts == _truth(), f"the clip was read as {facts}")


def _video(report: Report) -> dict[str, object]:
    """The facts by which two clips are told apart."""
    assert report.video is not None
    return report.video.model_dump(include=set(_FACTS))


@cache
def _truth() -> dict[str, object]:
    """What the clip is, read from the disk."""

    async def look() -> Report:
        from preflight.probes import probe  # noqa: PLC0415

        async with Client(_BOUNDS) as client:
            inspector = Inspector(client, lambda data: asyncio.to_thread(probe, data), 60)
            payload = {"image_url": str(_MEDIA / "portrait.jpg"), "video_url": str(_MEDIA / "dance-8s.mp4")}
            return await run(payload, inspector, Settings(load_profile("xcompute")))

    return _video(asyncio.run(look()))


def play(attacks: Iterable[Attack]) -> tuple[list[Ended], list[str]]:
    """Run rows side by side; also what was left behind after all of them."""
    _truth()
    with Stage() as stage:
        for _ in range(2):  # what is loaded once, and stays open, is loaded now
            stage.play(Attack("warm-up", Ranges(), "warn"))
        files, threads = _open_files(), threading.active_count()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ended = list(pool.map(stage.play, attacks))
        gc.collect()  # an exception that nobody fetched is told when its future goes
        left = []
        if (more := _open_files() - files) > 0:
            left.append(f"{more} files or sockets left open")
        if (more := threading.active_count() - threads) > 0:
            left.append(f"{more} threads left")
    return ended, left


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208
