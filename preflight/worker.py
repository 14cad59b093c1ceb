"""The probe in a process of its own: what a stranger's bytes do to a decoder, they do there.

The child loads libav, limits itself, and answers one question at a time over two pipes: it gets bytes and gives facts,
or a small picture.
When it dies or outlives its time, that is an answer about the medium (it crashes decoders), and the next medium meets
a fresh child. It also loads while the first bytes travel, on another core; that it cannot load is our fault, and said.

What holds a child, by the kernel and not by good manners:

* memory: 1 GiB of address space (Linux alone enforces it; elsewhere the time limit and the process remain);
* time: its own alarm ends it (not on Windows), and the parent kills it where that did not;
* files and sockets: once it has loaded, its table of open files is full, so it can open none (not on Windows);
* disk: no file can grow, none is left by a crash (not on Windows).

Answers are short, and unpickled with the facts' own classes alone; a picture is believed to be a JPEG for its first
bytes, and never opened here. So a child that was taken over can lie about what it sees until it is replaced, and do
nothing else.
"""

from __future__ import annotations

import atexit
import codecs
import contextlib
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar

from preflight import facts
from preflight.deliver.sparse import Span, SparseBytes
from preflight.errors import UsageError
from preflight.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from preflight.facts import NeedSpans, Outcome

Question = Literal["probe", "preview"]
T = TypeVar("T")

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: A probe of a real clip takes milliseconds; one that takes this long never ends.
PROBE_SECONDS = 5.0
#: What the child's own clock gets beyond that, before the parent kills it.
_GRACE_SECONDS = 1.0
#: A child loads in a tenth of a second; on a machine where it takes this long, nothing can be probed.
LOAD_SECONDS = 20.0
MEMORY_BYTES = 1 << 30
#: Facts weigh a few hundred bytes, a picture some ten thousand.
ANSWER_BYTES = 1 << 16
#: What a JPEG begins with, and how large one may be here (`preflight.probes.preview`).
_JPEG, _JPEG_BYTES = b"\xff\xd8\xff", 40_000
#: A child serves so many probes and is then replaced: what libav may leak, it leaks for so long.
PROBES = 5000
#: How often the clock is looked at while a child has a question, and how often in vain before that ends.
_WATCH_SECONDS, _WATCH_IDLE = 0.1, 50
_SIZE = struct.Struct(">Q")


class Worker:
    """A child process that probes. Safe to share between threads: one question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._loaded = False
        self._served = 0

    def start(self) -> None:
        """Start the child, without waiting until it is ready."""
        if self._child is not None:
            return
        if not sys.executable:
            raise UsageError("there is no Python to start for the probe; isolation='none' runs it in this process")
        self._loaded, self._served = False, 0
        self._child = subprocess.Popen(
            # -P: what lies in the current folder, a stranger's av.py say, is no module of ours.
            [sys.executable, "-P", "-c", "from preflight.worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(_import_paths())},
        )

    def probe(self, data: SparseBytes) -> Outcome | NeedSpans:
        """What `preflight.probes.probe` says of these bytes, or that they crash decoders.

        Raises:
            RuntimeError: a fault of ours in the child; its traceback is the message.
        """
        answer = self._answer("probe", data, _facts_of)
        if isinstance(answer, str):
            raise RuntimeError(answer)  # noqa: TRY004  (a fault of ours, told by the child)
        if answer is None:
            return facts.NotMedia(facts.Refusal.CRASHES, "the decoder crashed on it, or did not come to an end")
        return answer

    def preview(self, data: SparseBytes) -> bytes | NeedSpans:
        """What `preflight.probes.preview` says of these bytes; empty also where that goes wrong: it decides nothing."""
        try:
            answer = self._answer("preview", data, _picture_of)
        except (RuntimeError, OSError) as fault:  # no child could be had any more
            answer = str(fault)
        if isinstance(answer, str):
            log("failure", cause="preview", detail=answer)
            return b""
        return answer or b""

    def _answer(self, question: Question, data: SparseBytes, read: Callable[[bytes], T]) -> T | None:
        """What `read` makes of the child's answer; None also when the child did not live to give one.

        Raises:
            RuntimeError: a new child does not load.
        """
        with self._lock:
            if self._served >= PROBES or (self._child is not None and self._child.poll() is not None):
                self.stop()
            self.start()
            self._await_loading()
            self._served += 1
            told = self._ask(question, data)
            answer = None if told is None else read(told)
            if answer is None:
                self.stop()
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
                    with contextlib.suppress(OSError):  # what a dead child did not read cannot be flushed any more
                        pipe.close()
            child.wait()

    def __del__(self) -> None:
        """A session that nobody closed leaves no child behind."""
        self.stop()

    def _await_loading(self) -> None:
        """Wait until a new child is ready: it has seen no medium yet, so whatever stops it is no medium's fault."""
        if self._loaded:
            return
        child = self._child
        assert child is not None
        assert child.stdout is not None
        with _WATCH.over(child, LOAD_SECONDS):
            greeting = _read_framed(child.stdout, ANSWER_BYTES)
        if greeting != b"":
            self.stop()
            raise RuntimeError(
                greeting.decode() if greeting else f"the probe's process did not load (exit code {child.returncode})"
            )
        self._loaded = True

    def _ask(self, kind: Question, data: SparseBytes) -> bytes | None:
        """Put a question and wait for its answer; None when the child does not live to give one."""
        child = self._child
        assert child is not None
        assert child.stdin is not None
        assert child.stdout is not None
        chunks = data.chunks()
        question = pickle.dumps((kind, PROBE_SECONDS, data.total, [(start, len(chunk)) for start, chunk in chunks]))
        with _WATCH.over(child, PROBE_SECONDS + _GRACE_SECONDS):
            try:
                child.stdin.write(_SIZE.pack(len(question)) + question)
                for _, chunk in chunks:
                    child.stdin.write(chunk)
                child.stdin.flush()
                return _read_framed(child.stdout, ANSWER_BYTES)
            except OSError:
                return None


class _Watch:
    """Kills children whose time is up: one thread for all of them, since starting one takes as long as a probe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ends: dict[int, tuple[float, subprocess.Popen[bytes]]] = {}

    @contextlib.contextmanager
    def over(self, child: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
        """Kill a child that takes longer. That breaks both pipes: neither writing nor reading can wait any more."""
        with self._lock:
            self._ends[child.pid] = time.monotonic() + seconds, child
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="probe-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._ends.pop(child.pid, None)

    def forget(self) -> None:
        """In a forked copy there is no thread, and no child to watch."""
        self.__init__()  # type: ignore[misc]

    def _look(self) -> None:
        """Look at the clock now and then, until nothing has been under way for a while."""
        idle = 0
        while idle < _WATCH_IDLE:
            time.sleep(_WATCH_SECONDS)
            with self._lock:
                now = time.monotonic()
                late = [child for end, child in self._ends.values() if now > end]
                idle = 0 if self._ends else idle + 1
                if idle == _WATCH_IDLE:
                    self._thread = None
            for child in late:
                child.kill()


_WATCH = _Watch()


def _import_paths() -> list[str]:
    """Where the child finds what we found; ourselves also when we came from the current folder ('')."""
    return [*filter(None, sys.path), str(Path(__file__).parents[1])]


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
    os.register_at_fork(after_in_child=_WATCH.forget)


def _fraction(above: object, below: object) -> Fraction:
    """A fraction of two numbers; of a text like 1e999999999 it would take all memory to make one."""
    if isinstance(above, int) and isinstance(below, int):
        return Fraction(above, below)
    raise pickle.UnpicklingError("a fraction that is none")


_FACTS = (facts.VideoFacts, facts.ImageFacts, facts.NotMedia, facts.NeedSpans)
_PARTS = (facts.AudioFacts, facts.Durations, facts.Unknown, facts.Refusal, Span)
_NAMES: dict[tuple[str, str], Callable[..., object]] = {
    **{(part.__module__, part.__name__): part for part in (*_FACTS, *_PARTS)},
    ("fractions", "Fraction"): _fraction,
}


class _Facts(pickle.Unpickler):
    """Unpickles facts, and nothing that is not one."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of a fact; any other name is refused."""
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        raise pickle.UnpicklingError("an answer that is none")


def _facts_of(answer: bytes) -> Outcome | NeedSpans | str | None:
    """What an answer to a probe says; None where it is none, whatever is wrong with it."""
    value = _unpickled(answer)
    return value if isinstance(value, (*_FACTS, str)) else None


def _picture_of(answer: bytes) -> bytes | NeedSpans | str | None:
    """The same for a preview: a small JPEG, as far as its first bytes tell, or nothing."""
    value = _unpickled(answer)
    if isinstance(value, bytes) and value and not (value.startswith(_JPEG) and len(value) <= _JPEG_BYTES):
        return None
    return value if isinstance(value, bytes | str | facts.NeedSpans) else None


def _unpickled(answer: bytes) -> object:
    try:
        return _Facts(io.BytesIO(answer)).load()
    except Exception:  # noqa: BLE001  (bytes that no pickle wrote end in an exception of any kind)
        return None


def _read_framed(pipe: IO[bytes], most: int) -> bytes | None:
    head = pipe.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack(head)
    body = pipe.read(size) if size <= most else b""
    return body if len(body) == size else None


# ----------------------------------------------------------------------------------------------- the child


def serve() -> None:
    """Load, close the door, and answer questions from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        _limit()
        answers_to = _load()
        _seal()
    except Exception:  # noqa: BLE001  (whatever it is, the parent shall see it)
        _answer(answers, traceback.format_exc()[-ANSWER_BYTES // 4 :].encode())
        return
    _answer(answers, b"")
    while (question := _read_framed(questions, MEMORY_BYTES)) is not None:
        kind, seconds, total, chunks = pickle.loads(question)  # noqa: S301  (from our own parent)
        data = SparseBytes(total)
        for start, size in chunks:
            data.add(start, questions.read(size))
        _arm(seconds)
        try:
            answer = pickle.dumps(answers_to[kind](data))
        except MemoryError:
            os._exit(1)
        except Exception:  # noqa: BLE001  (a fault of ours: the parent shall see it, not a "crashing" medium)
            answer = pickle.dumps(traceback.format_exc()[-ANSWER_BYTES // 4 :])
        _arm(0)
        _answer(answers, answer)


def _answer(pipe: IO[bytes], answer: bytes) -> None:
    pipe.write(_SIZE.pack(len(answer)) + answer)
    pipe.flush()


def _load() -> Mapping[Question, Callable[[SparseBytes], object]]:
    """What answers each question, with everything that it would load on the way, for then it is too late."""
    from preflight.probes import image, libav, pillow, probe, video  # noqa: F401, PLC0415  (libav is slow to load)
    from preflight.probes.preview import preview  # noqa: PLC0415

    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):  # of text where a medium was meant
        codecs.lookup(encoding)
    libav.prove_refusals()
    probe(SparseBytes.whole(b""))
    pillow.around_loading = _unsealed
    pillow.threads = 1  # each would take its share of the address space, as many as there are processors
    return {"probe": probe, "preview": preview}


def _limit() -> None:
    """Bound memory, disk and crash files, and let the clocks end us, whatever was inherited of their signals."""
    if resource is None:
        return
    for clock in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(clock, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGXCPU))
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    if sys.platform == "linux":  # macOS does not enforce it, and may refuse to be asked
        limits[resource.RLIMIT_AS] = MEMORY_BYTES
    for which, limit in limits.items():
        bound = _within_hard(which, limit)
        resource.setrlimit(which, (bound, bound))


def _arm(seconds: float) -> None:
    """Die in so many seconds, of waiting or of computing, whatever the parent does meanwhile; 0: live on."""
    if resource is None:
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    computed = int(time.process_time() + seconds + 1) if seconds else resource.RLIM_INFINITY
    _set_soft(resource.RLIMIT_CPU, computed)


def _seal() -> None:
    """Open nothing from now on: no file, no folder, no socket. What is open stays open."""
    if resource is not None:
        _set_soft(resource.RLIMIT_NOFILE, 0)


@contextlib.contextmanager
def _unsealed() -> Iterator[None]:
    """Open the door once more, for code of ours that has still to be loaded, and then never again."""
    if resource is None:
        yield
        return
    _set_soft(resource.RLIMIT_NOFILE, resource.RLIM_INFINITY)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _set_soft(which: int, limit: int) -> None:
    """Set what holds now, and leave what may ever hold."""
    assert resource is not None
    resource.setrlimit(which, (_within_hard(which, limit), resource.getrlimit(which)[1]))


def _within_hard(which: int, limit: int) -> int:
    assert resource is not None
    hard = resource.getrlimit(which)[1]
    return min((limit, hard), key=lambda bound: (bound == resource.RLIM_INFINITY, bound))
