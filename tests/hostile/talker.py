"""Many commands of preflight in one process of their own, with every logger at DEBUG, and what each of them said.

    with Talker() as talker:
        said = talker.run(Job(("probe", "http://cdn.example.com:8080/clip.mp4?sig=x", "--allow-private")))
        said.stdout, said.stderr, said.log

In that process every name means 127.0.0.1, and a connection to anywhere else is a crash. asyncio runs in debug mode
and reports every callback as slow, so that whatever it may ever quote is quoted. `crash` makes the inspection raise
what a bug of ours could raise: errors that quote the URL, chained to errors of the HTTP library.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Job:
    """One command, or a piece of Python that somebody's program may hold."""

    words: tuple[str, ...] = ()
    """The command line behind `preflight`."""
    stdin: str = ""
    crash: bool = False
    code: str = ""
    """Python instead of a command; `given` is at hand in it, and what it prints is the output."""
    given: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that left the process while it did a job."""

    code: int
    stdout: str
    stderr: str
    log: str

    @property
    def everything(self) -> str:
        """All of it."""
        return "\n".join((self.stdout, self.stderr, self.log))


class Talker:
    """The process, from outside."""

    def __init__(self, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="talker-"))
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFLIGHT_", "COVERAGE_")) and not name.lower().endswith("_proxy")
        }
        self._environment |= {"PYTHONPATH": str(ROOT), "PYTHONASYNCIODEBUG": "1", "COLUMNS": "5000"}
        self._environment |= environment or {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-m", "tests.hostile.talker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            cwd=self.folder,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def run(self, job: Job) -> Said:
        """Do one job and hear everything that it said."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process died of {job.words}"
        return Said(**json.loads(line))


# --------------------------------------------------------------------------------------- inside the process


def _listen() -> None:
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    folder = Path(tempfile.mkdtemp(prefix="said-"))
    log = folder / "log"
    _loosen_tongues(log)
    for line in questions:
        done = _do(Job(**json.loads(line)), folder, log)
        answers.write(json.dumps(done).encode() + b"\n")
        answers.flush()


def _loosen_tongues(log: Path) -> None:
    """Every logger at DEBUG, asyncio at its most talkative; names lead to this machine and packets nowhere else."""
    logging.basicConfig(
        level=1, filename=log, format="%(name)s %(message)s %(args)s", encoding="utf-8", errors="replace"
    )
    logging.captureWarnings(True)
    asyncio.set_event_loop_policy(_Debugging())

    def look_up(host: object, port: object, *_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, int(str(port or 0))))]

    def stay_home(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"socket.connect", "socket.sendto"} and LOOPBACK not in str(arguments[1]):
            raise OSError(f"the test must not reach {arguments[1]}")

    socket.getaddrinfo = look_up
    sys.addaudithook(stay_home)


class _Debugging(asyncio.DefaultEventLoopPolicy):
    """Loops that find every callback slow."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        loop.slow_callback_duration = 0.0
        return loop


def _do(job: Job, folder: Path, log: Path) -> dict[str, object]:
    (folder / "0").write_bytes(job.stdin.encode("utf-8", "surrogatepass"))
    heard = log.stat().st_size
    for number, flags in (
        (0, os.O_RDONLY),
        (1, os.O_RDWR | os.O_CREAT | os.O_TRUNC),
        (2, os.O_RDWR | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(folder / str(number), flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (a new reader for a new file)
    code = _obey(job)
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = ((folder / str(number)).read_bytes().decode("utf-8", "surrogateescape") for number in (1, 2))
    with log.open("rb") as file:
        file.seek(heard)
        said = file.read().decode("utf-8", "surrogateescape")
    return {"code": code, "stdout": out, "stderr": err, "log": said}


def _obey(job: Job) -> int:
    from preflight import cli, inspection  # noqa: PLC0415  (after the tongues are loose)

    if job.code:
        try:
            exec(compile(job.code, "somebody.py", "exec"), {"given": job.given})  # noqa: S102  (our own test's code)
        except Exception:  # noqa: BLE001  (for the test to see)
            traceback.print_exc()
            return 1
        return 0
    good = inspection.Inspector._inspect
    if job.crash:
        inspection.Inspector._inspect = _crash  # type: ignore[method-assign, assignment]
    try:
        return cli._run(list(job.words))
    finally:
        inspection.Inspector._inspect = good  # type: ignore[method-assign]


async def _crash(_self: object, kind: str, reference: str) -> NoReturn:
    import httpx  # noqa: PLC0415

    lost = httpx.ConnectError(f"all attempts to reach {reference} failed")
    wrong = ValueError({"url": reference, kind: [reference]})
    wrong.__context__ = lost
    wrong.__suppress_context__ = False
    raise RuntimeError(f"cannot happen: {reference}") from wrong


if __name__ == "__main__":
    _listen()
