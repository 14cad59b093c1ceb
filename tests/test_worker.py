"""The probe's own process: what kills it is an answer about the medium, and never the end of ours."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import preflight
from preflight import UsageError, worker
from preflight.deliver.sparse import Span, SparseBytes
from preflight.facts import ImageFacts, NeedSpans, NotMedia, Refusal, VideoFacts
from preflight.probes import probe
from preflight.worker import Worker
from tests.fuzzing.corpus import CLIPS as SEEDS
from tests.media import Clip, build
from tests.test_image import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIP = Clip(width=352, height=352, fps=Fraction(10), video=Fraction(4), audio=Fraction(4))


@pytest.fixture(name="child")
def _child() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


def process_of(child: Worker) -> int:
    assert child._child is not None
    return child._child.pid


@pytest.mark.parametrize("name", SEEDS)
def test_the_child_says_what_the_probe_says(name: str, child: Worker) -> None:
    """Every container: the same facts on either side of the process boundary."""
    data = SparseBytes.whole(build(SEEDS[name]))
    assert child.probe(data) == probe(data)


def test_pictures_refusals_and_needs_come_through_as_well(child: Worker) -> None:
    """Every kind of answer survives the pipe."""
    for blob in [*WRITTEN.values(), b"", b"<!doctype html><p>", b"\0" * 64]:
        data = SparseBytes.whole(blob)
        assert child.probe(data) == probe(data)
    assert child.probe(SparseBytes(100_000)) == probe(SparseBytes(100_000))


def test_a_death_is_an_answer_and_the_next_medium_is_served(child: Worker) -> None:
    """A child killed under a probe gives `crashes`; the next probe meets a fresh one."""
    data = SparseBytes.whole(build(CLIP))
    assert isinstance(child.probe(data), VideoFacts)
    first = process_of(child)
    os.kill(first, signal.SIGSTOP)  # as a decoder that never ends
    killer = threading.Timer(0.3, child.interrupt)
    killer.start()
    answer = child.probe(data)
    killer.join()
    assert isinstance(answer, NotMedia)
    assert answer.refusal is Refusal.CRASHES
    assert isinstance(child.probe(data), VideoFacts)
    assert process_of(child) != first


def test_a_probe_that_never_ends_is_stopped(child: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped decoder costs its time limit and no more."""
    data = SparseBytes.whole(build(CLIP))
    child.probe(data)
    monkeypatch.setattr(worker, "PROBE_SECONDS", 0.5)
    os.kill(process_of(child), signal.SIGSTOP)
    started = time.monotonic()
    answer = child.probe(data)
    assert isinstance(answer, NotMedia)
    assert answer.refusal is Refusal.CRASHES
    assert time.monotonic() - started < 2


def test_a_question_that_nobody_reads_is_given_up(child: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it may be in the pipe and a part in our own buffer when the child is killed."""
    data = SparseBytes(1 << 30)
    for number in range(3000):
        data.add(number * 2000, bytes(1000))
    child.probe(SparseBytes.whole(b"x"))
    monkeypatch.setattr(worker, "PROBE_SECONDS", 0.3)
    os.kill(process_of(child), signal.SIGSTOP)
    answer = child.probe(data)
    assert isinstance(answer, NotMedia)
    assert answer.refusal is Refusal.CRASHES


def test_a_child_that_died_idle_is_replaced(child: Worker) -> None:
    """The death of an idle child is not the next medium's fault."""
    data = SparseBytes.whole(build(CLIP))
    child.probe(data)
    os.kill(process_of(child), signal.SIGKILL)
    assert child._child is not None
    child._child.wait()
    assert isinstance(child.probe(data), VideoFacts)


def limits_of(child: Worker) -> dict[str, str]:
    """What the kernel enforces now: the soft limits of a warm child."""
    lines = Path(f"/proc/{process_of(child)}/limits").read_text("utf-8").splitlines()[1:]
    return {line[:25].strip(): line[26:46].strip() for line in lines}


def test_a_child_is_limited(child: Worker) -> None:
    """One gigabyte, no file to open, none to write, no core file; and the door stays shut when Pillow has come."""
    expected = {
        "Max address space": "1073741824",
        "Max core file size": "0",
        "Max file size": "0",
        "Max open files": "0",
    }
    child.probe(SparseBytes.whole(b"x"))
    assert limits_of(child).items() >= expected.items()
    assert isinstance(child.probe(SparseBytes.whole(WRITTEN["png"])), ImageFacts)
    assert limits_of(child).items() >= expected.items()
    assert {file.name for file in Path(f"/proc/{process_of(child)}/fd").iterdir()} == {"0", "1", "2", "3"}


# ------------------------------------------------------------------------------------- decoders that go wrong

#: The size of a file that sets off what a test has planted in the child instead of a decoder's fault.
FATAL = 666


@pytest.fixture(name="plant")
def _plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plant Python code in every child to come: for a probe of a file of `FATAL` bytes, or for its start."""

    def plant(code: str, start: str = "") -> None:
        path = tmp_path / "planted"
        path.mkdir()
        (path / "sitecustomize.py").write_text(
            "import preflight.probes\n"
            "honest = preflight.probes.probe\n"
            f"def probe(data):\n    if data.total == {FATAL}:\n{indent(code, ' ' * 8)}\n    return honest(data)\n"
            f"preflight.probes.probe = probe\n{start}\n"
        )
        monkeypatch.syspath_prepend(path)

    return plant


FAULTS = {
    "spins": "while True: pass",
    "waits": "import time; time.sleep(60)",
    "stops-its-clock": "import signal; signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass",
    "eats": "bytearray(2 << 30)",
    "eats-slowly": "hoard = []\nwhile True: hoard.append(bytearray(1 << 20))",
    "segfaults": "import os; os.kill(os.getpid(), 11)",
    "exits": "import os; os._exit(0)",
    "is-interrupted-by-the-clock": "import os; os.kill(os.getpid(), 14)",
    "answers-nonsense": "import os; os.write(3, b'\\0' * 7 + b'\\5abcde')",
    "answers-without-end": "import os\nos.write(3, b'\\xff' * 8)\nwhile True: os.write(3, b'x' * 65536)",
}


@pytest.mark.parametrize("code", FAULTS.values(), ids=FAULTS)
def test_what_a_decoder_does_is_an_answer(
    code: str, child: Worker, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a decoder goes wrong: an answer about its medium, in time, and the next medium is served."""
    plant(code)
    data = SparseBytes.whole(build(CLIP))
    assert isinstance(child.probe(data), VideoFacts)
    monkeypatch.setattr(worker, "PROBE_SECONDS", 1.0)
    started = time.monotonic()
    answer = child.probe(SparseBytes.whole(bytes(FATAL)))
    assert isinstance(answer, NotMedia)
    assert answer.refusal is Refusal.CRASHES
    assert time.monotonic() - started < 3
    monkeypatch.undo()
    assert isinstance(child.probe(data), VideoFacts)


def test_noise_is_no_answer(child: Worker, plant: Callable[..., None]) -> None:
    """A library that prints to standard output spoils nothing."""
    plant("import os; os.write(1, b'libpicture: oops, a broken header')")
    data = SparseBytes.whole(bytes(FATAL))
    assert child.probe(data) == probe(data)


OPENING = {
    "a file": "open('/etc/hostname')",
    "a folder": "import os; os.listdir('/')",
    "a socket": "import _socket; _socket.socket()",
    "a pipe": "import os; os.pipe()",
    "a module": "import this",
}


@pytest.mark.parametrize("code", OPENING.values(), ids=OPENING)
def test_nothing_can_be_opened(code: str, child: Worker, plant: Callable[..., None]) -> None:
    """Not by the probe, not by what it loads: the kernel refuses, before and after Pillow was let in."""
    plant(code)
    for before in (b"", WRITTEN["png"]):
        child.probe(SparseBytes.whole(before))
        with pytest.raises(RuntimeError, match="Too many open files"):
            child.probe(SparseBytes.whole(bytes(FATAL)))


def test_the_clocks_run_during_a_probe(child: Worker, plant: Callable[..., None]) -> None:
    """A child has some seconds of waiting and of computing for each probe, counted from where it begins."""
    clocks = "signal.getitimer(0)[0], resource.getrlimit(0)[0], time.process_time()"
    plant(f"import resource, signal, time\nraise ValueError('clocks', {clocks})")
    with pytest.raises(RuntimeError, match="clocks") as told:
        child.probe(SparseBytes.whole(bytes(FATAL)))
    wall, computing, computed = map(float, re.findall(r"\d[\d.]*", str(told.value).rpartition("clocks")[2]))
    assert worker.PROBE_SECONDS - 1 < wall <= worker.PROBE_SECONDS
    assert 0 < computing - computed <= worker.PROBE_SECONDS + 3


@pytest.mark.parametrize("name", ["spins", "waits"])
def test_an_orphan_dies_by_itself(name: str, plant: Callable[..., None], tmp_path: Path) -> None:
    """A parent that is gone at once (Ctrl-C, kill -9) leaves no child behind that is busy for ever."""
    plant(FAULTS[name])
    script = (
        "import os, threading, time\n"
        "from preflight import worker as children\n"
        "from preflight.deliver.sparse import SparseBytes\n"
        "from preflight.worker import Worker\n"
        "children.PROBE_SECONDS = 0.3\n"
        "worker = Worker()\n"
        "worker.probe(SparseBytes.whole(b''))\n"
        f"threading.Thread(target=worker.probe, args=[SparseBytes.whole(bytes({FATAL}))], daemon=True).start()\n"
        "time.sleep(0.1)\n"
        "print(worker._child.pid, flush=True)\n"
        "os._exit(130)\n"
    )
    paths = os.pathsep.join([str(tmp_path / "planted"), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={"PYTHONPATH": paths}, check=False
    )
    orphan, ends = int(done.stdout), time.monotonic() + 5
    while lives(orphan) and time.monotonic() < ends:
        time.sleep(0.02)
    assert not lives(orphan)


# ---------------------------------------------------------------------------------------- our own faults


def test_a_child_that_cannot_load_is_our_fault(child: Worker, plant: Callable[..., None]) -> None:
    """It has seen no medium yet, so no medium is blamed."""
    plant("pass", start="import preflight.probes.libav as l; l._PACKET_OPTIONS = {}; l.prove_refusals.cache_clear()")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="ignores what it is forbidden"):
            child.probe(SparseBytes.whole(b""))


def test_a_child_that_dies_on_the_way_is_our_fault(child: Worker, plant: Callable[..., None]) -> None:
    """The same where it has no time to say why."""
    plant("pass", start="import os; os._exit(3)")
    with pytest.raises(RuntimeError, match=r"did not load \(exit code 3\)"):
        child.probe(SparseBytes.whole(b""))


def test_the_current_folder_is_no_place_for_modules(
    child: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An `av.py` among somebody's downloads is not run."""
    for name in ("av", "PIL", "codecs", "preflight", "resource"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(9)")
    monkeypatch.chdir(tmp_path)
    assert isinstance(child.probe(SparseBytes.whole(build(CLIP))), VideoFacts)
    assert isinstance(child.probe(SparseBytes.whole(WRITTEN["png"])), ImageFacts)


# ------------------------------------------------------------------------------------------- what is answered


class _Calls:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


HOSTILE_ANSWERS = {
    "a function": print,
    "a call": _Calls(os.system, "true"),
    "a number without end": _Calls(Fraction, "1e999999999", None),
    "a division by zero": _Calls(Fraction, 1, 0),
    "a span backwards": _Calls(Span, 9, 1),
    "facts with too many values": _Calls(VideoFacts, *range(99)),
    "a refusal that there is none": _Calls(Refusal, "mp4"),
    "no facts": {"container": "mp4"},
    "a part of facts": Fraction(1, 2),
}


@pytest.mark.parametrize("answer", HOSTILE_ANSWERS.values(), ids=HOSTILE_ANSWERS)
def test_only_facts_are_unpickled(answer: object) -> None:
    """An answer that is no facts is none, and nothing that it names is called."""
    assert worker._facts_of(pickle.dumps(answer)) is None


def test_a_fraction_is_made_of_two_numbers() -> None:
    """Python would also make one of a text, and of this text until there is no memory left."""
    with pytest.raises(pickle.UnpicklingError, match="fraction"):
        worker._Facts(io.BytesIO(pickle.dumps(_Calls(Fraction, "1e999999999", None)))).load()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_none(answer: bytes) -> None:
    """Whatever a child writes: no exception, and nothing that is no fact."""
    assert isinstance(worker._facts_of(answer), None | str | VideoFacts | ImageFacts | NotMedia | NeedSpans)


def test_an_answer_cut_short_is_none() -> None:
    """A frame without its end is no answer, whatever it claims to hold."""
    read, write = os.pipe()
    os.write(write, struct.pack(">Q", 1 << 19) + b"abc")
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert worker._read_framed(pipe, 1 << 20) is None


def test_an_answer_too_long_is_none() -> None:
    """Facts are short: nobody waits for a gigabyte of them."""
    read, write = os.pipe()
    os.write(write, struct.pack(">Q", 9) + b"123456789")
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert worker._read_framed(pipe, 8) is None


def test_a_warm_child_serves_the_next_session(tmp_path: Path) -> None:
    """A session leaves its child to the next one, in either colour, and two at the most are kept."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(build(CLIP))
    worker._dismiss_all()
    with preflight.Preflight() as session:
        session.probe(path)
        first = process_of(session._session._worker)  # type: ignore[arg-type]

    async def in_async() -> int:
        async with preflight.AsyncPreflight() as inner:
            await inner.probe(path)
            return process_of(inner._session._worker)  # type: ignore[arg-type]

    assert asyncio.run(in_async()) == first
    sessions = [preflight.Preflight() for _ in range(4)]
    for session in sessions:
        session.__enter__().probe(path)
    for session in sessions:
        session.__exit__()
    assert len(worker._IDLE) == 2
    worker._dismiss_all()
    assert not lives(first)


def lives(pid: int) -> bool:
    """Is the process there, and more than an entry that nobody has collected yet?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_no_child_outlives_its_parent(tmp_path: Path) -> None:
    """A process that ends, in order or by kill -9, leaves no child behind."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(build(CLIP))
    script = (
        "import os, sys, preflight\n"
        "with preflight.Preflight() as session:\n"
        f"    session.probe({str(path)!r})\n"
        "    print(session._session._worker._child.pid, flush=True)\n"
        "    if sys.argv[1] == 'kill': os.kill(os.getpid(), 9)\n"
    )
    for how in ("end", "kill"):
        done = subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, check=False)
        child = int(done.stdout)
        for _ in range(500):
            if not lives(child):
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"a child outlived its parent ({how})")


def test_isolation_is_a_choice(tmp_path: Path) -> None:
    """`isolation="none"` gives the same facts without a child; any other word is refused."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(build(CLIP))
    apart, here = preflight.probe(path), preflight.probe(path, isolation="none")
    assert apart.video == here.video.model_copy(update={"transfer": apart.video.transfer})  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="isolation"):
        preflight.probe(path, isolation="maybe")  # type: ignore[arg-type]
