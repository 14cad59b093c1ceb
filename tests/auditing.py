"""A table of jobs against loopback servers, and an audit of it, for tests."""

from __future__ import annotations

import csv
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preflight.audit.conduct import Order, begin, conduct
from preflight.audit.engine import run_shards
from preflight.audit.work import Means
from preflight.settings import bounds_of, settings_of
from tests.media import Clip, build
from tests.servers import Ask, Ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from preflight.audit.progress import Snapshot
    from preflight.settings import Options

PORTRAIT = (Path(__file__).parents[1] / "sample_media" / "portrait.jpg").read_bytes()
FIELDS = ("id", "image_url", "video_url", "character_orientation", "note")


def clip(seconds: int) -> bytes:
    """A small clip whose index stands at its beginning."""
    recipe = Clip(
        width=640,
        height=640,
        fps=Fraction(10),
        video=Fraction(seconds),
        by_name=True,
        muxer=(("movflags", "+faststart"),),
    )
    return build(recipe)


def table(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """Write image and video URLs as a table of jobs, numbered from 0."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        writer.writerows((f"job{number}", *urls, "image", f"note {number}") for number, urls in enumerate(rows))
    return path


def means(folder: Path, options: Options | None = None, **given: Any) -> Means:
    """With what a test audits: loopback is allowed, little patience."""
    chosen: Options = {"allow_private": True, "timeout": 3.0, **(options or {})}
    return Means(folder, settings_of("xcompute", chosen), bounds_of(chosen), **given)


def audit(
    order: Order,
    folder: Path,
    *,
    options: Options | None = None,
    processes: int = 1,
    stop: threading.Event | None = None,
    tell: Callable[[Snapshot], None] = lambda _: None,
    engine: Callable[..., bool] = run_shards,
    **given: Any,
) -> tuple[bool, list[dict[str, Any]]]:
    """Run (or go on with) an audit; whether it came to its end, and the result lines of the finished shards."""
    with begin(folder, order.manifest({})) as run:
        complete = conduct(
            order,
            run,
            means(folder, options, **given),
            processes=processes,
            stop=stop or threading.Event(),
            tell=tell,
            engine=engine,
        )
        return complete, [result for index in run.finished() for result in run.results(index)]


def core(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what differs from run to run."""
    kept = {name: value for name, value in result.items() if name != "timing"}
    for kind in ("image", "video"):
        if kept[kind] is not None:
            kept[kind] = {name: value for name, value in kept[kind].items() if name != "transfer"}
    return kept


@dataclass
class KillsWhoeverAsks:
    """Ends the process at the other end of the connection, so many times; then it is a good server."""

    times: int
    killed: list[int] = field(default_factory=list)

    def respond(self, ask: Ask) -> None:
        """Answer, or not."""
        if len(self.killed) < self.times:
            asker = pid_of(ask._socket.getpeername()[1])
            assert asker != os.getpid()
            if asker is not None:
                self.killed.append(asker)
                os.kill(asker, signal.SIGKILL)
            ask.hang_up()
        Ranges().respond(ask)


def pid_of(port: int) -> int | None:
    """The process that has this loopback port; None: nobody has it any more."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
    inode = next((line[9] for line in lines if line[1] == f"0100007F:{port:04X}"), None)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it was closed a moment ago
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
    return None
