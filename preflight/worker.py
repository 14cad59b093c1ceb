"""The probe in a process of its own: what a stranger's bytes do to a decoder, they do there.

The child imports libav and Pillow, limits its memory, and answers one probe at a time over two pipes. It gets bytes
and gives facts; it opens nothing. When it dies or outlives its time, that is an answer about the medium (it crashes
decoders), and the next medium meets a fresh child. It also loads while the first bytes travel, on another core.

Answers are unpickled with the facts' own classes alone: a child that was taken over can lie about its medium, and do
nothing else. Where the platform does not enforce RLIMIT_AS (Windows, macOS) the time limit and the process remain.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import traceback
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any

from preflight import facts
from preflight.deliver.sparse import Span, SparseBytes
from preflight.errors import UsageError

if TYPE_CHECKING:
    from preflight.facts import NeedSpans, Outcome

#: A probe of a real clip takes milliseconds; one that takes this long never ends.
PROBE_SECONDS = 5.0
#: The same for a child's first probe, its own loading included.
FIRST_PROBE_SECONDS = 20.0
MEMORY_BYTES = 1 << 30
#: A child serves so many probes and is then replaced: what libav may leak, it leaks for so long.
PROBES = 500
_SIZE = struct.Struct(">Q")


class Worker:
    """A child process that probes. Safe to share between threads: one probe at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0

    def start(self) -> None:
        """Start the child, without waiting until it is ready."""
        if self._child is not None:
            return
        if not sys.executable:
            raise UsageError("there is no Python to start for the probe; isolation='none' runs it in this process")
        paths = os.pathsep.join(path for path in sys.path if path)
        self._served = 0
        self._child = subprocess.Popen(
            [sys.executable, "-c", "from preflight.worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": paths},
        )

    def probe(self, data: SparseBytes) -> Outcome | NeedSpans:
        """What `preflight.probes.probe` says of these bytes, or that they crash decoders.

        Raises:
            RuntimeError: a fault of ours in the child; its traceback is the message.
        """
        with self._lock:
            if self._served >= PROBES or (self._child is not None and self._child.poll() is not None):
                self.stop()
            self.start()
            self._served += 1
            answer = self._ask(pickle.dumps((data.total, data.chunks())))
            if answer is None:
                self.stop()
                return facts.NotMedia(facts.Refusal.CRASHES, "the decoder crashed on it, or did not come to an end")
        if isinstance(answer, str):
            raise RuntimeError(answer)  # noqa: TRY004  (a fault of ours, told by the child)
        return answer

    def interrupt(self) -> None:
        """End a probe that is under way; it answers that its decoder crashed."""
        if self._child is not None and self._lock.locked():
            self._child.kill()

    @property
    def is_idle(self) -> bool:
        """Is the child alive, and free for a next question?"""
        return self._child is not None and self._child.poll() is None and not self._lock.locked()

    def stop(self) -> None:
        """End the child, whatever it does."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            child.wait()

    def __del__(self) -> None:
        """A session that nobody closed leaves no child behind."""
        self.stop()

    def _ask(self, question: bytes) -> Outcome | NeedSpans | str | None:
        """Put a question and wait for its answer; None when the child does not live to give one."""
        child = self._child
        assert child is not None
        assert child.stdin is not None
        assert child.stdout is not None
        # Killed at its time, the child breaks both pipes: neither writing nor reading can wait any longer.
        watch = threading.Timer(PROBE_SECONDS if self._served > 1 else FIRST_PROBE_SECONDS, child.kill)
        watch.daemon = True
        watch.start()
        try:
            child.stdin.write(_SIZE.pack(len(question)) + question)
            child.stdin.flush()
            answer = _read_framed(child.stdout)
            return None if answer is None else _Facts(io.BytesIO(answer)).load()
        except (OSError, pickle.UnpicklingError, EOFError):
            return None
        finally:
            watch.cancel()


#: Children that outlived their session: starting one takes longer than a probe over the network.
_IDLE: list[Worker] = []
_MOST_IDLE = 2


def hire() -> Worker:
    """A worker of one's own, warm if an earlier session left one."""
    while _IDLE:
        with contextlib.suppress(IndexError):  # another thread was faster
            worker = _IDLE.pop()
            if worker.is_idle:
                return worker
            worker.stop()
    return Worker()


def dismiss(worker: Worker) -> None:
    """Keep a worker for the next session, or end it."""
    if worker.is_idle and len(_IDLE) < _MOST_IDLE:
        _IDLE.append(worker)
    else:
        worker.stop()


@atexit.register
def _dismiss_all() -> None:
    while _IDLE:
        _IDLE.pop().stop()


if hasattr(os, "register_at_fork"):
    # A forked copy shares the pipes of its parent's children: it must not ask them anything.
    os.register_at_fork(after_in_child=_IDLE.clear)


class _Facts(pickle.Unpickler):
    """Unpickles facts, and nothing that is not one."""

    _CLASSES = frozenset(
        {"VideoFacts", "ImageFacts", "AudioFacts", "Durations", "NotMedia", "NeedSpans", "Unknown", "Refusal"}
    )

    def find_class(self, module: str, name: str) -> Any:
        """The class of a fact; any other name is refused."""
        if module == "preflight.facts" and name in self._CLASSES:
            return getattr(facts, name)
        if (module, name) == ("preflight.deliver.sparse", "Span"):
            return Span
        if (module, name) == ("fractions", "Fraction"):
            return Fraction
        raise pickle.UnpicklingError("an answer that is none")


def _read_framed(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack(head)
    body = pipe.read(size) if size <= MEMORY_BYTES else b""
    return body if len(body) == size else None


# ----------------------------------------------------------------------------------------------- the child


def serve() -> None:
    """Answer probes from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    _limit_memory()
    from preflight.probes import image, probe, video  # noqa: F401, PLC0415  (libav is loaded before it is asked for)

    answers = sys.stdout.buffer
    while (question := _read_framed(sys.stdin.buffer)) is not None:
        total, chunks = pickle.loads(question)  # noqa: S301  (from our own parent)
        data = SparseBytes(total)
        for start, chunk in chunks:
            data.add(start, chunk)
        try:
            answer = pickle.dumps(probe(data))
        except MemoryError:
            os._exit(1)
        except Exception:  # noqa: BLE001  (a fault of ours: the parent shall see it, not a "crashing" medium)
            answer = pickle.dumps(traceback.format_exc())
        answers.write(_SIZE.pack(len(answer)) + answer)
        answers.flush()


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # Windows
        return
    for which, limit in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(which)[1]
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (bound, bound))
