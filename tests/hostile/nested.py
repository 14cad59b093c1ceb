"""Nested opens: does a medium's content ever open a file, a socket or a process? The kernel is asked, by strace.

`python -m tests.hostile.nested PHASE` plays one phase; `score()` runs each of them under strace and reads the trace:

* `worker`: every disguise through the whole tool, by HTTP under lying names and media types and as a local file. What
  counts is the process that probes, from when it is warm.
* `here`: every disguise through `probe()` in the process that asks (isolation="none").
* `readers`: every disguise forced upon every reader, libav's four formats and Pillow's five, past our own sniff.
* `control`: a careless reader and a playlist. This one must be heard, or the three above prove nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.hostile import Score
from tests.hostile.disguises import Bait, disguises

if TYPE_CHECKING:
    from collections.abc import Iterator

PHASES = ("worker", "here", "readers")
SAMPLES = Path(__file__).parents[2] / "sample_media"
#: Names and media types under which a server may offer anything; the second half is for local files too.
LIES = (
    ("clip.mp4", "video/mp4"),
    ("index.m3u8", "application/vnd.apple.mpegurl"),
    ("session.sdp", "application/sdp"),
    ("photo.jpg", "image/jpeg"),
)
_TRACED = "open,openat,openat2,creat,socket,connect,bind,sendto,execve,execveat,fork,vfork,clone,clone3,stat,newfstatat"
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)")
_MARK = "/nested-opens/"


@dataclass(frozen=True)
class Trace:
    """What the kernel saw of one phase."""

    opened: tuple[str, ...]
    """Everything opened between the marks by the process that counts: the disguise's name and the call."""
    bait_taken: int
    """Calls of any process, at any time between the marks, that name the bait's file or its port."""
    visits: int
    """Connections that the bait's listener accepted."""
    probes: int


# --------------------------------------------------------------------------------------- inside the trace


def _mark(name: str) -> None:
    """Leave a mark in the trace."""
    os.path.exists(f"{_MARK}{name}")  # noqa: PTH110  (one bare system call)


@contextmanager
def _baited() -> Iterator[tuple[Bait, Path, list[int]]]:
    """A file that must not be read, a port that must not be visited, a folder, and the visits."""
    visits: list[int] = []
    with tempfile.TemporaryDirectory(prefix="nested-") as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        path = Path(folder, "bait.ts")
        path.write_bytes(b"\x47" * 188)

        def hear() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return
                visits.append(1)

        threading.Thread(target=hear, daemon=True).start()
        yield Bait(str(path), listener.getsockname()[1]), Path(folder), visits
        listener.shutdown(socket.SHUT_RDWR)


def _worker(bait: Bait, folder: Path) -> int:
    """Through the whole tool; the child is told by the mark."""
    import preflight  # noqa: PLC0415
    from preflight import worker  # noqa: PLC0415
    from tests.servers import MediaServer, Ranges  # noqa: PLC0415

    worker.PROBES = 1 << 20  # the child that is watched is not to be replaced
    made = disguises(bait)
    probes = 0
    with MediaServer() as server, preflight.Preflight(allow_private=True) as session:
        for sample in ("dance-8s.mp4", "portrait.jpg"):
            session.probe(SAMPLES / sample)
        _warm_pillow(session)
        serving = session._session._worker
        assert serving is not None
        assert serving._child is not None
        child = serving._child.pid
        _mark(f"begin/{child}")
        for name, data in made.items():
            _mark(name)
            for number, (lie, media_type) in enumerate(LIES):
                url = server.serve(f"{name}/{lie}", data, media_type=media_type, behaviour=Ranges())
                local = folder / lie
                local.write_bytes(data)
                for reference in (url, local) if number < 2 else (url,):
                    assert session.probe(reference)
                    probes += 1
        _mark("end")
        assert serving._child.pid == child, "the child died on the way"
    return probes


def _warm_pillow(session: Any) -> None:
    from tests.pictures import encode  # noqa: PLC0415

    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        Path(file.name).write_bytes(encode("PNG"))
        assert session.probe(file.name).image


def _here(bait: Bait, _: Path) -> int:
    """In this process, unsealed: what holds here is the readers' own restraint."""
    from preflight.deliver.sparse import SparseBytes  # noqa: PLC0415
    from preflight.probes import probe  # noqa: PLC0415

    made = disguises(bait)
    for data in made.values():  # once before, for what Python loads on its way
        probe(SparseBytes.whole(data))
    _mark(f"begin/{os.getpid()}")
    for name, data in made.items():
        _mark(name)
        probe(SparseBytes.whole(data))
    _mark("end")
    return len(made)


def _readers(bait: Bait, _: Path) -> int:
    """Past the sniff: every reader is given every disguise."""
    from typing import get_args  # noqa: PLC0415

    from preflight.probes import libav, pillow  # noqa: PLC0415
    from tests.pictures import encode  # noqa: PLC0415

    made = disguises(bait)
    pictures = ("jpeg", "png", "webp", "gif", "avif")
    for name in pictures:
        assert pillow.undecodable(encode(name.upper()), name, 1 << 20) is None
    libav.prove_refusals()
    _mark(f"begin/{os.getpid()}")
    for name, data in made.items():
        _mark(name)
        for form in get_args(libav.Format):
            try:
                libav.read(data, form)
            except libav.Unreadable:
                continue
        for form in pictures:
            pillow.undecodable(data, form, 1 << 20)
    _mark("end")
    return len(made) * (len(pictures) + len(get_args(libav.Format)))


def _control(bait: Bait, folder: Path) -> int:
    """What a reader does that nobody has told: it must be seen."""
    import av  # noqa: PLC0415

    playlist = folder / "index.m3u8"
    playlist.write_bytes(disguises(bait)["hls-file"])
    _mark(f"begin/{os.getpid()}")
    _mark("control")
    for name in (str(playlist), bait.url):
        try:
            av.open(name).close()
        except av.error.FFmpegError:
            continue
    _mark("end")
    return 1


def play(phase: str) -> None:
    """Play a phase, and print how many probes it took and how often the bait was visited."""
    with _baited() as (bait, folder, visits):
        probes = {"worker": _worker, "here": _here, "readers": _readers, "control": _control}[phase](bait, folder)
        print(probes, len(visits), bait.path, bait.port, flush=True)


# -------------------------------------------------------------------------------------- outside the trace


def why_not() -> str | None:
    """Why no trace can be had here; None: it can."""
    if shutil.which("strace") is None:
        return "there is no strace here"
    done = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() or "strace failed" if done.returncode else None


def trace(phase: str) -> Trace:
    """Play a phase under strace and read what the kernel saw."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as file:
        command = ["strace", "-f", "-qq", "-s", "4096", "-o", file.name, "-e", f"trace={_TRACED}", "-e", "signal=none"]
        done = subprocess.run(
            [*command, sys.executable, "-m", "tests.hostile.nested", phase],
            capture_output=True, text=True, check=False, timeout=180, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{phase}: {done.stderr[-2000:]}")
        probes, visits, path, port = done.stdout.split()
        return _read(file.read(), probes=int(probes), visits=int(visits), bait=(path, f"htons({port})"))


def _read(text: str, *, probes: int, visits: int, bait: tuple[str, str]) -> Trace:
    """Count the calls of the process that the mark names, and of the threads that it starts, between the marks."""
    counted: set[str] = set()
    opened: list[str] = []
    taken, at = 0, ""
    for line in text.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        process, call, rest = found.groups()
        if mark := re.search(rf'"{_MARK}([^"]+)"', rest):
            at = mark[1]
            if at.startswith("begin/"):
                counted = {at.removeprefix("begin/")}
            continue
        if not counted or at == "end" or call in {"stat", "newfstatat"}:
            continue
        taken += call != "sendto" and any(word in rest for word in bait)  # what is sent is the disguise itself
        if process in counted and "CLONE_THREAD" in rest:
            counted.add(rest.rpartition("= ")[2].strip())
        elif process in counted:
            opened.append(f"{at}: {call}({rest[:120]}")
    return Trace(tuple(opened), taken, visits, probes)


def score() -> Score:
    """All phases, the control included."""
    figure, bar = "nested opens, seen by the kernel", "0 files, sockets and processes"
    if reason := why_not():
        return Score(figure, bar, "not run", (f"nested opens were not run: {reason}",))
    control = trace("control")
    traces = {phase: trace(phase) for phase in PHASES}
    misses = [f"{phase}: {call}" for phase, seen in traces.items() for call in seen.opened]
    misses += [f"{phase}: the bait was taken" for phase, seen in traces.items() if seen.bait_taken or seen.visits]
    if not (control.opened and control.bait_taken and control.visits):
        misses.append("the control was not heard: the trace sees nothing")
    probes = " + ".join(f"{seen.probes} {phase}" for phase, seen in traces.items())
    count = sum(len(seen.opened) for seen in traces.values())
    kinds = len(disguises(Bait("/x/y", 9)))
    return Score(figure, bar, f"{count} opened by {kinds} disguises in {probes} probes", tuple(misses))


if __name__ == "__main__":
    play(sys.argv[1])
