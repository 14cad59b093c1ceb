"""An audit from end to end: a table of jobs, real servers, a run folder."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from preflight.audit import auditor
from preflight.audit.conduct import Order, begin, reopen_failed, tally_of
from preflight.audit.durable import RunStopped
from preflight.audit.engine import run_shards
from preflight.audit.folder import Run
from preflight.audit.manifest import Manifest
from preflight.audit.model import Job, Shard
from preflight.audit.rejudge import rejudge, require_same_rows, source_of
from preflight.errors import UsageError
from preflight.settings import settings_of
from tests.auditing import PORTRAIT, KillsWhoeverAsks, audit, clip, core, means, table
from tests.servers import Drop, MediaServer, Redirect, Silent, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from preflight.audit.progress import Snapshot


@pytest.fixture(name="world")
def _world() -> Iterator[MediaServer]:
    with MediaServer() as server:
        yield server


def jobs(world: MediaServer, count: int) -> list[tuple[str, str]]:
    """So many good jobs with media of their own."""
    good = clip(8)
    return [
        (
            world.serve(f"i{number}.jpg", PORTRAIT, media_type="image/jpeg"),
            world.serve(f"v{number}.mp4", good),
        )
        for number in range(count)
    ]


def test_every_row_has_one_line_in_order(world: MediaServer, tmp_path: Path) -> None:
    """Whatever is wrong with a row, its line stands in its place, with id and carried columns."""
    rows = jobs(world, 5)
    rows[1] = (rows[1][0], world.serve("long.mp4", clip(12)))
    rows[2] = (rows[2][0], world.base + "/missing.mp4")
    rows[3] = ("", "not a url at all")
    path = table(tmp_path / "jobs.csv", rows)
    with path.open("a", encoding="utf-8") as file:
        file.write("torn\n")
    complete, results = audit(Order(path), tmp_path / "run")
    assert complete
    assert [(result["row"], result["id"], result["verdict"]) for result in results] == [
        (1, "job0", "warn"), (2, "job1", "fail"), (3, "job2", "fail"), (4, "job3", "fail"), (5, "job4", "warn"),
        (6, None, "fail"),
    ]  # fmt: skip
    assert results[0]["input"] == {"note": "note 0"}
    said = [{finding["rule"] for finding in result["findings"]} for result in results]
    assert "video-too-long" in said[1]
    assert "delivery-not-found" in said[2]
    assert said[5] == {"request-row"}


def test_a_url_of_several_rows_is_fetched_once(world: MediaServer, tmp_path: Path) -> None:
    """Its facts stand in every row, and what it cost in the first one only."""
    rows = jobs(world, 1) * 20
    _, results = audit(Order(table(tmp_path / "jobs.csv", rows)), tmp_path / "run")
    assert len(world.asked("v0.mp4")) == 1
    assert len({json.dumps(core(result)["video"], sort_keys=True) for result in results}) == 1
    assert [result["video"]["transfer"]["requests"] for result in results] == [1] + [0] * 19


def test_a_run_of_media_alone(world: MediaServer, tmp_path: Path) -> None:
    """With `as_medium` each row is judged by the rules of its medium, and nothing is said about the rest of a job."""
    (tmp_path / "urls.txt").write_text("\n".join(video for _, video in jobs(world, 2)) + "\n", "utf-8")
    order = Order(tmp_path / "urls.txt", as_medium="video", defaults={"character_orientation": "video"})
    _, results = audit(order, tmp_path / "run")
    assert [result["verdict"] for result in results] == ["warn", "warn"]
    assert {item["subject"] for result in results for item in result["findings"]} == {"video"}
    assert results[0]["image"] is None


def test_a_stopped_run_goes_on(world: MediaServer, tmp_path: Path) -> None:
    """What was under way is finished, the rest is done by the next start, and no medium is asked for again."""
    order = Order(table(tmp_path / "jobs.csv", jobs(world, 40)))
    stop = threading.Event()

    def tell(snapshot: Snapshot) -> None:
        if snapshot.rows_done >= 1:
            stop.set()

    complete, _ = audit(order, tmp_path / "run", stop=stop, tell=tell, per_host=1)
    assert not complete
    kept = tally_of(Run.attach(tmp_path / "run")).rows
    assert kept
    told: list[int] = []
    complete, results = audit(order, tmp_path / "run", tell=lambda snapshot: told.append(snapshot.rows_done))
    assert complete
    assert (min(told), max(told)) == (kept, 40)
    assert [result["row"] for result in results] == list(range(1, 41))
    assert all(len(world.asked(f"v{number}.mp4")) == 1 for number in range(40))


def test_several_processes_say_the_same(world: MediaServer, tmp_path: Path) -> None:
    """Row by row, apart from time and transfer; and no host sees more requests at once."""
    order = Order(table(tmp_path / "jobs.csv", jobs(world, 30)))
    _, one = audit(order, tmp_path / "one")
    complete, two = audit(order, tmp_path / "two", processes=2)
    assert complete
    assert [core(result) for result in one] == [core(result) for result in two]


def test_a_process_that_dies_costs_nothing(world: MediaServer, tmp_path: Path) -> None:
    """Its shards begin again from their journals in another process."""
    order = Order(table(tmp_path / "jobs.csv", jobs(world, 60)))
    killed: list[int] = []

    def tell(snapshot: Snapshot) -> None:
        if snapshot.rows_done >= 3 and not killed:
            children = subprocess.run(
                ["pgrep", "-P", str(os.getpid()), "-f", "multiprocessing.spawn"],
                capture_output=True,
                text=True,
                check=True,
            )
            killed.append(int(children.stdout.split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    complete, results = audit(order, tmp_path / "run", processes=2, tell=tell, per_host=2)
    assert killed
    assert complete
    assert [result["row"] for result in results] == list(range(1, 61))


def test_a_row_that_ends_every_process_stops_only_its_shard(world: MediaServer, tmp_path: Path) -> None:
    """It is found out: shards that were open beside it are not blamed, and finished."""
    urls = [world.serve(f"{number}.mp4", clip(8)) for number in range(60)]
    killer = KillsWhoeverAsks(times=99)
    world.serve("33.mp4", clip(8), behaviour=killer)
    found = [Job(row, None, {"video_url": url}, {}, "video") for row, url in enumerate(urls, 1)]
    shards = [Shard(index, tuple(found[index * 10 : index * 10 + 10])) for index in range(6)]
    folder = tmp_path / "run"
    Run.create(folder, Manifest.of(input={}, options={}, shard_rows=10)).close()
    with pytest.raises(RunStopped, match=r"^every process that begins shard 3 dies; every other shard is finished$"):
        run_shards(iter(shards), means(folder, {"timeout": 30.0}), processes=2)  # to find whom to kill may take a while
    assert len(killer.killed) == 3
    run = Run.attach(folder)
    assert run.finished() == [0, 1, 2, 4, 5]
    killer.times = 0  # and once the row is mended the run goes on
    assert run_shards(iter(shards[3:4]), means(folder), processes=2)
    assert [result["row"] for index in range(6) for result in run.results(index)] == list(range(1, 61))


def test_what_may_pass_is_tried_again_at_the_end(world: MediaServer, tmp_path: Path) -> None:
    """A file that answers 503 a few times is asked for again behind all others; it counts once."""
    rows = jobs(world, 3)
    world.serve("v1.mp4", clip(8), behaviour=Status(503, times=4))
    order = Order(table(tmp_path / "jobs.csv", rows))
    _, results = audit(order, tmp_path / "run")
    assert [result["verdict"] for result in results] == ["warn"] * 3
    assert len(world.asked("v1.mp4")) == 5
    with begin(tmp_path / "run", order.manifest({})) as run:
        assert tally_of(run).verdicts == {"warn": 3}


def test_every_attempt_is_counted_and_none_forgotten(world: MediaServer, tmp_path: Path) -> None:
    """What a URL cost is told in full; and that its host was given up later does not hide how it had answered."""
    rows = jobs(world, 2)
    world.serve("v1.mp4", clip(8), behaviour=Status(503))
    complete, results = audit(Order(table(tmp_path / "jobs.csv", rows)), tmp_path / "run")
    assert complete
    video = results[1]["video"]
    assert len(world.asked("v1.mp4")) == 6  # three attempts, and three more at the end of the run
    assert (video["status"], video["transfer"]["requests"]) == (503, 3)
    assert "not asked for" not in json.dumps(results[1]["findings"])


def test_retry_failed(world: MediaServer, tmp_path: Path) -> None:
    """Only what failed is checked again; `transient` leaves alone what would fail again."""
    rows = jobs(world, 4)
    world.serve("v1.mp4", clip(8), behaviour=Status(503, times=6))
    world.serve("v2.mp4", clip(8), behaviour=Status(404, times=1))
    order = Order(table(tmp_path / "jobs.csv", rows))
    _, results = audit(order, tmp_path / "run")
    assert [result["verdict"] for result in results] == ["warn", "unknown", "fail", "warn"]
    with begin(tmp_path / "run", order.manifest({})) as run:
        assert reopen_failed(run, "transient") == 1
    _, results = audit(order, tmp_path / "run")
    assert [result["verdict"] for result in results] == ["warn", "warn", "fail", "warn"]
    with begin(tmp_path / "run", order.manifest({})) as run:
        assert reopen_failed(run, "all") == 1
    _, results = audit(order, tmp_path / "run")
    assert [result["verdict"] for result in results] == ["warn"] * 4
    assert len(world.asked("v0.mp4")) == 1


@pytest.mark.parametrize("behaviour", [Status(429), Silent()], ids=["limits", "hangs"])
def test_a_sick_host_keeps_nobody_waiting(tmp_path: Path, behaviour: Any) -> None:
    """The rows of other hosts are finished while it is parked, or before it has hung up for the first time."""
    with MediaServer() as healthy, MediaServer() as sick:
        rows = []
        for number, job in enumerate(jobs(healthy, 40)):
            video = sick.serve(f"v{number}.mp4", clip(8), behaviour=behaviour) if number % 8 == 0 else job[1]
            rows.append((job[0], video))
        undecided: list[int] = []

        def tell(snapshot: Snapshot) -> None:
            if not undecided and snapshot.rows_done >= 35:
                undecided.append(snapshot.verdicts.get("unknown", 0))

        complete, results = audit(Order(table(tmp_path / "jobs.csv", rows)), tmp_path / "run", tell=tell)
        assert complete
        assert [result["verdict"] for result in results].count("unknown") == 5
        assert undecided == [0]  # all others were done before the first of its rows


def test_a_redirect_counts_for_the_host_where_it_lands(tmp_path: Path) -> None:
    """Many short links to one host: that host sees no more at once than it may."""
    with MediaServer() as short, MediaServer(host="127.0.0.2") as landing:
        good = clip(8)
        rows = []
        for number in range(24):
            landing.serve(f"v{number}.mp4", good)
            video = short.serve(f"s{number}", behaviour=Redirect(f"{landing.base}/v{number}.mp4"))
            rows.append((landing.serve(f"i{number}.jpg", PORTRAIT, media_type="image/jpeg"), video))
        complete, results = audit(Order(table(tmp_path / "jobs.csv", rows)), tmp_path / "run", per_host=2)
        assert complete
        assert len(results) == 24
        assert landing.accepted <= 3


def test_the_same_folder_with_another_input_is_refused(world: MediaServer, tmp_path: Path) -> None:
    """Results of two inputs are never mixed."""
    path = table(tmp_path / "jobs.csv", jobs(world, 2))
    audit(Order(path), tmp_path / "run")
    table(path, jobs(world, 3))
    with pytest.raises(Exception, match="was started otherwise"):
        audit(Order(path), tmp_path / "run")


def test_a_sample_is_the_same_when_the_run_goes_on(world: MediaServer, tmp_path: Path) -> None:
    """Rows keep their numbers, and the seed decides which they are."""
    order = Order(table(tmp_path / "jobs.csv", jobs(world, 30)), sample="10", seed=3)
    _, results = audit(order, tmp_path / "run")
    rows = [result["row"] for result in results]
    assert len(rows) == 10
    assert rows == sorted(rows)
    assert rows == [job.row for job in order.rows()]
    assert rows != [job.row for job in Order(order.input, sample="10", seed=4).rows()]


def test_the_second_run_asks_for_a_byte(world: MediaServer, tmp_path: Path) -> None:
    """With a cache, media that have not changed cost one byte; one that has changed is looked at anew."""
    from tests.servers import Ranges  # noqa: PLC0415

    rows = []
    for number in range(3):
        image = world.serve(f"i{number}.jpg", PORTRAIT, media_type="image/jpeg", behaviour=Ranges(etag='"i"'))
        video = world.serve(f"v{number}.mp4", clip(8), behaviour=Ranges(etag='"one"'))
        rows.append((image, video))
    order = Order(table(tmp_path / "jobs.csv", rows))
    _, first = audit(order, tmp_path / "one", cache=tmp_path / "facts.sqlite")
    world.serve("v1.mp4", clip(12), behaviour=Ranges(etag='"two"'))
    world.log.clear()
    _, second = audit(order, tmp_path / "two", cache=tmp_path / "facts.sqlite")
    assert [result["verdict"] for result in second] == ["warn", "fail", "warn"]
    assert core(first[0]) == core(second[0])
    assert [entry.range for entry in world.asked("v0.mp4")] == ["bytes=0-0"]
    assert len(world.asked("v1.mp4")) > 1


SCRIPT = """
import sys
from pathlib import Path
from preflight.audit.conduct import Order
from tests.auditing import audit
complete, _ = audit(Order(Path(sys.argv[1])), Path(sys.argv[2]), options={"isolation": "none"}, probers=0)
print("complete" if complete else "stopped")
"""


@pytest.mark.parametrize("seed", range(4))
def test_kill_at_any_moment_and_go_on(world: MediaServer, tmp_path: Path, seed: int) -> None:
    """After kill -9 the same command finishes the rest: no row is lost, and none is there twice."""
    chance = random.Random(seed)  # noqa: S311
    path = table(tmp_path / "jobs.csv", jobs(world, 150))
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, path, tmp_path / "run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.2, 1.5))
        process.kill()
        process.wait()
    complete, results = audit(Order(path), tmp_path / "run")
    assert complete
    assert [result["row"] for result in results] == list(range(1, 151))


def test_a_broken_answer_is_asked_for_again(world: MediaServer, tmp_path: Path) -> None:
    """What may cure itself is tried a few times within the first pass, in turn with the others."""
    rows = jobs(world, 2)
    world.serve("v0.mp4", clip(8), behaviour=Drop(100, times=2))
    _, results = audit(Order(table(tmp_path / "jobs.csv", rows)), tmp_path / "run")
    assert [result["verdict"] for result in results] == ["warn", "warn"]
    assert means(tmp_path).bounds.attempts == 3  # (the auditor's own count replaces it)


def test_facts_are_judged_anew_without_a_request(world: MediaServer, tmp_path: Path) -> None:
    """Another profile's verdicts are those of a fresh audit under it, and the servers hear nothing of it."""
    rows = jobs(world, 3)
    rows[1] = (rows[1][0], world.serve("go", behaviour=Redirect("/v1.mp4?token=SECRETSECRET1")))
    rows[2] = (rows[2][0] + "?sig=SECRETSECRET2", world.base + "/missing.mp4")
    order = Order(table(tmp_path / "jobs.csv", rows))
    audit(order, tmp_path / "one")
    _, fresh = audit(order, tmp_path / "fresh", options={"ignore": ["delivery-not-found"]})
    world.log.clear()
    settings = settings_of("xcompute", {"ignore": ["delivery-not-found"]})
    old = Run.attach(tmp_path / "one")
    manifest = order.manifest({} | source_of(old))
    require_same_rows(old, manifest)
    with begin(tmp_path / "two", manifest) as run:
        assert rejudge(order, old, run, settings, threading.Event())
        again = [result for index in run.finished() for result in run.results(index)]
    assert world.log == []
    assert [core(result) for result in again] == [core(result) for result in fresh]
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "jobs.csv"):
        data = path.read_bytes()
        assert b"SECRETSECRET" not in (gzip.decompress(data) if path.suffix == ".gz" else data)


def test_facts_of_two_runs_are_never_mixed(world: MediaServer, tmp_path: Path) -> None:
    """What is made of one run's facts is no run of another's, nor of the same one once rows were checked again."""
    rows = jobs(world, 3)
    world.serve("v1.mp4", clip(8), behaviour=Status(404, times=1))
    order = Order(table(tmp_path / "jobs.csv", rows))
    audit(order, tmp_path / "one")
    audit(order, tmp_path / "two")
    one, two = (Run.attach(tmp_path / name) for name in ("one", "two"))
    first = order.manifest({} | source_of(one))
    assert first == order.manifest({} | source_of(one))
    assert len({manifest.options_hash for manifest in (first, order.manifest(source_of(two)), order.manifest({}))}) == 3
    with begin(tmp_path / "one", order.manifest({})) as run:
        assert reopen_failed(run, "all") == 1
        with pytest.raises(UsageError, match="not finished"):
            source_of(run)
    audit(order, tmp_path / "one")
    assert first.changes(order.manifest(source_of(one)))


def test_facts_of_other_media_are_not_judged(world: MediaServer, tmp_path: Path) -> None:
    """Another column or another kind of medium makes other rows of the same table; whatever gets past that is seen."""
    path = tmp_path / "jobs.csv"
    links = [video for _, video in jobs(world, 3)]
    path.write_text("a,b\n" + "".join(f"{link},{link}?other\n" for link in links), "utf-8")
    order = Order(path, as_medium="video", mapping={"video_url": "a"})
    audit(order, tmp_path / "one")
    old = Run.attach(tmp_path / "one")
    others = (
        Order(path, as_medium="video", mapping={"video_url": "b"}),
        Order(path, as_medium="image", mapping={"image_url": "a"}),
    )
    for number, other in enumerate(others):
        with pytest.raises(UsageError, match="another choice of its rows or columns"):
            require_same_rows(old, other.manifest({}))
        with (
            begin(tmp_path / f"other{number}", other.manifest({})) as run,
            pytest.raises(UsageError, match="row 1 named other media"),
        ):
            rejudge(other, old, run, settings_of("xcompute", {}), threading.Event())


def test_a_dead_target_does_not_take_down_who_redirects(tmp_path: Path) -> None:
    """Nobody asks the target any more; the host that names it is healthy, and goes on to be asked for other files."""
    with MediaServer() as healthy, socket.create_server(("127.0.0.2", 0)) as closed:
        target = f"http://127.0.0.2:{closed.getsockname()[1]}/clip.mp4"
        closed.close()
        urls = [healthy.serve(f"gone{number}", behaviour=Redirect(target)) for number in range(20)]
        (tmp_path / "urls.txt").write_text("\n".join([*urls, healthy.serve("fine.mp4", clip(8))]) + "\n", "utf-8")
        order = Order(tmp_path / "urls.txt", as_medium="video", defaults={"character_orientation": "video"})
        _, results = audit(order, tmp_path / "run", per_host=1)
        assert [result["verdict"] for result in results] == ["fail"] * 20 + ["warn"]
        assert len(healthy.asked("gone19")) == 1  # that it leads nowhere is known by then


def python(folder: Path, how: str) -> str:
    """A Python for the probe's process that does not always start."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\n{how}\nexec {sys.executable} "$@"\n', "utf-8")
    path.chmod(0o700)
    return str(path)


def test_a_fault_at_one_medium_ends_no_audit(
    world: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its row is asked for once more at the end, as whatever may pass; the log has the reason."""
    caplog.set_level("INFO", "preflight")
    order = Order(table(tmp_path / "jobs.csv", jobs(world, 5)))
    monkeypatch.setattr(sys, "executable", python(tmp_path, f"mkdir {tmp_path}/once 2>/dev/null && exit 7"))
    complete, results = audit(order, tmp_path / "run")
    assert complete
    assert [result["verdict"] for result in results] == ["warn"] * 5
    assert "the probe's process did not load (exit code 7)" in caplog.text


def test_a_fault_at_every_medium_does(world: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are told to be unknown for it; where there is no end to it, the fault is."""
    order = Order(table(tmp_path / "jobs.csv", jobs(world, 2)))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-such-program"))
    complete, results = audit(order, tmp_path / "few")
    assert complete
    assert [result["verdict"] for result in results] == ["unknown"] * 2
    assert "the probe failed by itself" in json.dumps(results[0]["findings"])
    monkeypatch.setattr(auditor, "FAULTS_IN_A_ROW", 3)
    with pytest.raises(BaseExceptionGroup) as fault:
        audit(order, tmp_path / "many")
    assert fault.value.subgroup(FileNotFoundError) is not None
