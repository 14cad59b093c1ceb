"""Ray finds what the local engine finds, whoever dies on the way, and hosts and the terminal do not notice it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from preflight.audit.durable import RunStopped
from preflight.audit.engine import run_shards
from preflight.audit.folder import Run
from preflight.audit.manifest import Manifest
from preflight.audit.model import BadRow, Job, Shard
from preflight.audit.progress import Snapshot
from preflight.audit.ray import connect, engine_at
from preflight.audit.ray.actor import Home, Worker
from preflight.audit.ray.crew import _Crew, _home
from preflight.audit.work import Means
from preflight.errors import UsageError
from preflight.settings import Options, bounds_of, settings_of
from tests.auditing import KillsWhoeverAsks
from tests.servers import Ask, MediaServer, NoRanges, Ranges, Redirect, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parent.parent / "sample_media"
CLIP, PORTRAIT = (SAMPLES / "dance-8s.mp4").read_bytes(), (SAMPLES / "portrait.jpg").read_bytes()
OPTIONS: Options = {"allow_private": True, "timeout": 10}


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """One Ray for all tests of this file, as the engine starts it."""
    connect()
    yield
    import ray  # noqa: PLC0415  (not before `connect`)

    ray.shutdown()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder."""
    return begun(tmp_path / "run")


def begun(folder: Path) -> Path:
    Run.create(folder, Manifest.of(input={}, options={}, shard_rows=10)).close()
    return folder


def means(run: Path, **given: Any) -> Means:
    return Means(run, settings_of("xcompute", OPTIONS), bounds_of(OPTIONS), **given)


def videos(urls: list[str], rows: int = 10) -> list[Shard]:
    """A shard for every so many videos."""
    jobs = [Job(row, None, {"video_url": url}, {}, "video") for row, url in enumerate(urls, 1)]
    return [Shard(index, tuple(jobs[at : at + rows])) for index, at in enumerate(range(0, len(jobs), rows))]


def clips(server: MediaServer, count: int, behaviour: Any = None) -> list[str]:
    return [server.serve(f"{number}.mp4", CLIP, behaviour=behaviour) for number in range(count)]


def rows_of(run: Path) -> list[int]:
    """The rows of all finished shards, in order."""
    held = Run.attach(run)
    return [result["row"] for index in held.finished() for result in held.results(index)]


@dataclass
class Counts:
    """Takes its time, and counts who waits meanwhile."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, ask: Ask) -> None:
        """Answer."""
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        Ranges().respond(ask)


# ------------------------------------------------------------------------------------------------ results


def mixed(server: MediaServer) -> list[Shard]:
    """Rows of every kind, in shards of five."""
    image = server.serve("portrait.jpg", PORTRAIT, media_type="image/jpeg")
    request = {
        "model": "kling-v2-6-motion-control",
        "image_url": image,
        "character_orientation": "image",
        "mode": "std",
    }
    references = [
        *(server.serve(f"{number}.mp4", CLIP) for number in range(9)),
        *(server.serve("same.mp4", CLIP) for _ in range(4)),
        server.serve("whole.mp4", CLIP, behaviour=NoRanges()),
        server.serve("gone.mp4", behaviour=Status(404)),
        server.serve("odd.mp4", b"no video at all"),
        server.page("login.mp4"),
        "long-11s.mp4",
        "nothing-here.mp4",
        "http://10.0.0.1:99999/bad-port.mp4",
    ]
    jobs: list[Job | BadRow] = [
        Job(row, f"job {row}", {**request, "video_url": reference}, {"note": row})
        for row, reference in enumerate(references, 1)
    ]
    jobs.append(BadRow(len(jobs) + 1, 22, "has a quotation mark that is not closed", {"note": "x"}))
    return [Shard(index, tuple(jobs[at : at + 5])) for index, at in enumerate(range(0, len(jobs), 5))]


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what depends on the moment, and on which of two rows came first to the same URL."""
    media = {kind: (result.get(kind) or {}) | {"transfer": None} for kind in ("image", "video")}
    findings = [
        finding | {"message": None} if finding["rule"] == "delivery-no-ranges" else finding  # it tells the bytes
        for finding in result["findings"]
    ]
    return result | media | {"findings": findings, "timing": None}


def test_the_same_results_as_the_local_engine(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SAMPLES)  # relative paths begin here, and in every worker
    found = {}
    for name, engine in (("local", run_shards), ("ray", engine_at())):
        run, receipts, told = begun(tmp_path / name), list[Any](), list[Snapshot]()
        shards = mixed(server)
        assert engine(iter(shards), means(run), processes=2, tell=told.append, finished=receipts.append)
        held = Run.attach(run)
        assert sorted(receipt.index for receipt in receipts) == held.finished() == [shard.index for shard in shards]
        for receipt in receipts:
            assert held.receipt(receipt.index).stats == json.loads(json.dumps(receipt.stats))
        assert told[-1].rows_done == sum(told[-1].verdicts.values()) == 21
        found[name] = [comparable(result) for index in held.finished() for result in held.results(index)]
    assert found["ray"] == found["local"]
    assert len({row["verdict"] for row in found["ray"]}) > 1


def test_a_host_is_asked_no_more_than_by_one_process(server: MediaServer, run: Path) -> None:
    """Its turns are shared out: two workers have two each, and both use them."""
    counts = Counts()
    assert engine_at()(iter(videos(clips(server, 40, counts))), means(run, per_host=4), processes=2)
    assert 2 < counts.most <= 4


@pytest.mark.parametrize("turns", [{"per_host": 1}, {"at_once": 1}])
def test_more_workers_than_turns_would_be_rude(server: MediaServer, run: Path, turns: dict[str, int]) -> None:
    """With one turn, at a host or in all, there is one worker, however many are asked for."""
    counts = Counts()
    assert engine_at()(iter(videos(clips(server, 12, counts), rows=3)), means(run, **turns), processes=5)
    assert counts.most == 1


def test_a_redirect_counts_for_the_host_where_it_lands(server: MediaServer, run: Path) -> None:
    """Also when it comes from many hosts, and to several workers."""
    counts = Counts()
    with ExitStack() as stack:
        short = [stack.enter_context(MediaServer(host=f"127.0.0.{number}")) for number in (2, 3, 4)]
        urls = [
            short[number % 3].serve(f"{number}", behaviour=Redirect(url))
            for number, url in enumerate(clips(server, 40, counts))
        ]
        assert engine_at()(iter(videos(urls)), means(run, per_host=4), processes=2)
    assert 2 < counts.most <= 4
    assert {result["verdict"] for index in range(4) for result in Run.attach(run).results(index)} == {"warn"}


# ----------------------------------------------------------------------------------------------- failures


def test_a_killed_worker_costs_its_shards_another_start(
    server: MediaServer, run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every row is there once, the receipts are whole, and Ray says nothing on the terminal."""
    urls, killer = clips(server, 60), KillsWhoeverAsks(times=1)
    urls[25] = server.serve("25.mp4", CLIP, behaviour=killer)
    receipts = list[Any]()
    assert engine_at()(iter(videos(urls)), means(run), processes=2, finished=receipts.append)
    assert len(killer.killed) == 1
    assert rows_of(run) == list(range(1, 61))
    assert sorted(receipt.index for receipt in receipts) == list(range(6))
    time.sleep(1)  # Ray's words travel, too
    assert capfd.readouterr() == ("", "")


def test_a_row_that_ends_every_worker_stops_only_its_shard(server: MediaServer, run: Path) -> None:
    """It is found out: shards that were open beside it are not blamed, and finished."""
    urls, killer = clips(server, 60), KillsWhoeverAsks(times=99)
    urls[33] = server.serve("33.mp4", CLIP, behaviour=killer)
    with pytest.raises(RunStopped, match=r"^shard 3 has ended 3 workers; every other shard is finished$"):
        engine_at()(iter(videos(urls)), means(run), processes=1)
    assert len(killer.killed) == 3
    assert Run.attach(run).finished() == [0, 1, 2, 4, 5]
    killer.times = 0  # and once the row is mended the run goes on
    assert engine_at()(iter(videos(urls)[3:4]), means(run), processes=1)
    assert rows_of(run) == list(range(1, 61))


def test_a_shard_that_was_finished_is_not_begun_again(server: MediaServer, run: Path) -> None:
    """Its worker died between the last line and the receipt: the receipt is in the folder."""
    (shard,), told = videos(clips(server, 3)), list[Any]()
    assert run_shards(iter([shard]), means(run))
    with _home(means(run), 1) as home:
        crew = _Crew(home, 1, threading.Event(), lambda _: None, told.append)
        (hand,) = crew._hands
        while not hand.is_ready:
            crew._hear_all()
        hand.shards[0] = shard
        server.serve("last.mp4", CLIP, behaviour=KillsWhoeverAsks(times=1))
        assert crew.run(iter([Shard(1, videos([f"{server.base}/last.mp4"])[0].jobs)]))
    assert [receipt.index for receipt in told] == [0, 1]
    assert told[0] == Run.attach(run).receipt(0)


def test_a_disk_that_refuses_stops_the_run_in_one_line(server: MediaServer, run: Path) -> None:
    (run / "shards/00001.jsonl.part").mkdir()
    with pytest.raises(RunStopped, match=r"^cannot write .*00001\.jsonl\.part: Is a directory$"):
        engine_at()(iter(videos(clips(server, 20))), means(run), processes=2)


def test_a_stopped_run_goes_on(server: MediaServer, run: Path) -> None:
    """What was under way is kept; the rest is left; a second call does only that."""
    stop, shards = threading.Event(), videos(clips(server, 200, Counts()))

    def tell(snapshot: Snapshot) -> None:
        if snapshot.rows_done:
            stop.set()

    started = time.monotonic()
    assert not engine_at()(iter(shards), means(run, per_host=2), processes=2, stop=stop, tell=tell)
    assert time.monotonic() - started < 30
    held = Run.attach(run)
    kept = sum(1 for shard in shards for _ in held.lines(shard.index))
    assert 0 < kept < 200
    asked = len(server.log)
    (run / "mark-of-a-killed-leader").touch()
    left = (shard for shard in shards if not held.is_finished(shard.index))
    assert engine_at()(left, means(run, per_host=8), processes=2)
    assert rows_of(run) == list(range(1, 201))
    assert len(server.log) - asked <= 2 * (200 - kept)
    assert list(run.glob("mark-*")) == []


def test_a_worker_without_the_run_folder_or_our_version_says_so(run: Path) -> None:
    home = Home(means(run), "mark-that-nobody-made", run, "node")
    reason = asyncio.run(Worker(home).hello())
    assert reason == f"does not see {run}: the run folder has to be on a file system that all workers share"
    reason = asyncio.run(Worker(Home(means(run), "mark", run, "node", "0.0.1")).hello())
    assert re.fullmatch(r"has preflight \S+, and this is 0\.0\.1", str(reason))


# ------------------------------------------------------------------------------------------------ manners


def python(code: str, *before: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"RAY_ADDRESS": ""} | more,
    )


def test_nothing_imports_ray_but_who_asks_for_it() -> None:
    """Neither does a run of which nothing is left."""
    done = python(
        "import pkgutil, sys, importlib, preflight.audit\n"
        "for found in pkgutil.iter_modules(preflight.audit.__path__):\n"
        "    found.name == 'parquet' or importlib.import_module(f'preflight.audit.{found.name}')\n"
        "assert preflight.audit.ray.engine_at()(iter([]), None)\n"
        "print(*({'ray', 'pyarrow', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_without_ray_one_is_told_what_to_install() -> None:
    done = python(
        "import sys; sys.modules['ray'] = None\n"
        "from preflight.audit.ray import connect\n"
        "from preflight.errors import UsageError\n"
        "try: connect()\n"
        "except UsageError as error: print(error)"
    )
    assert (done.stdout, done.stderr) == ("Ray is not installed: pip install 'preflight[ray]'\n", "")


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "http://127.0.0.1:8265"])
def test_the_address_is_that_of_the_cluster_itself(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        connect(address)


def test_a_cluster_that_does_not_answer_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = python(
        "from preflight.audit.ray import connect\n"
        "from preflight.errors import UsageError\n"
        f"try: connect('127.0.0.1:{port}')\n"
        "except UsageError as error: print(error)"
    )
    assert (done.stdout, done.stderr) == ("Ray does not answer: Connection refused\n", "")


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("strace") or not shutil.which("ip"),
    reason="needs root, iproute2 and strace",
)
def test_a_ray_of_our_own_keeps_to_loopback(tmp_path: Path) -> None:
    """It connects to, and listens on, nothing else; in a network without a way out, should it try."""
    trace = tmp_path / "trace"
    inside = f"ip link set lo up; exec strace -f -qq -o {trace} -e trace=connect,bind,sendto"
    code = "import time, preflight.audit.ray; preflight.audit.ray.connect(); import ray; time.sleep(4); ray.shutdown()"
    done = python(code, "unshare", "--net", "sh", "-c", f'{inside} "$@"', "sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = trace.read_text("utf-8").splitlines()
    addresses = [re.search(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"', line) for line in lines]
    seen = {found[1] for found in addresses if found}
    assert seen
    assert seen <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
