"""The folder of a run: it survives kills, full disks and other people's ideas, and tells what it refuses."""

from __future__ import annotations

import errno
import gzip
import json
import multiprocessing
import os
import resource
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.audit.durable import RunStopped, to_line
from preflight.audit.folder import Run
from preflight.audit.journal import GROUP_ROWS
from preflight.audit.manifest import Manifest
from preflight.errors import UsageError
from tests.audit_kills import kill_at_every_line, kill_at_random, manifest, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONTEXT = multiprocessing.get_context("forkserver")
IS_ROOT = os.geteuid() == 0


def a_line(row: int, attempt: int = 1, kind: str = "final", **carried: object) -> dict[str, Any]:
    return {
        "row": row,
        "attempt": attempt,
        "class": kind,
        "result": {"row": row, "text": text_of(row), "input": carried},
        "media": {"image": None, "video": None},
    }


def a_run(folder: Path, **known: Any) -> Run:
    return Run.create(folder, manifest(), **known)


def finished(run: Run, *rows: int, index: int = 0, stats: dict[str, Any] | None = None) -> None:
    with run.journal(index) as journal:
        for row in rows:
            journal.add(a_line(row))
        journal.finish(stats or {}, rows)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -------------------------------------------------------------------------------------------- kills, power


def test_kill_at_random_moments() -> None:
    """Whatever the moment: no row is lost, none double, none torn, and the run comes to its end."""
    score = kill_at_random(20)
    assert score.misses == ()


def test_kill_at_every_line() -> None:
    """The rare moments: between two renames, before a removal; here at every fourth line."""
    score = kill_at_every_line(step=4)
    assert score.misses == ()


JOURNAL = b"".join(to_line(a_line(row)) for row in (3, 1, 2)) + to_line({"again": [1]}) + to_line(a_line(1, 2))


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, len(JOURNAL)), junk=st.sampled_from((b"", b"\0" * 4096, b'{"row": 9}\n', b"[]\n", b"\xff\n")))
def test_a_journal_cut_at_any_byte_resumes(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    """A power cut leaves some bytes, and perhaps blocks that were never written: whole lines count, the rest goes."""
    folder = tmp_path_factory.mktemp("run") / "run"
    whole = JOURNAL[:cut].split(b"\n")[:-1]
    done: dict[int, int] = {}
    for data in whole:
        line = json.loads(data)
        if "again" in line:
            done.pop(1)
        else:
            done[line["row"]] = line["attempt"]
    with a_run(folder) as run:
        part = folder / "shards" / "00000.jsonl.part"
        part.write_bytes(JOURNAL[:cut] + junk)
        with run.journal(0) as journal:
            assert journal.done == set(done)
            for row in {1, 2, 3} - journal.done:
                journal.add(a_line(row, journal.attempt(row)))
            journal.finish({}, (1, 2, 3))
        assert [result["text"] for result in run.results(0)] == [text_of(row) for row in (1, 2, 3)]


def test_an_open_journal_is_the_same_after_every_group(tmp_path: Path) -> None:
    """A group is on the disk when it is full, without a word from outside; a smaller one after `flush`."""
    with a_run(tmp_path / "run") as run, run.journal(0) as journal:
        for row in range(1, GROUP_ROWS):
            journal.add(a_line(row))
        assert list(run.lines(0)) == []
        journal.add(a_line(GROUP_ROWS))
        assert [line["row"] for line in run.lines(0)] == list(range(1, GROUP_ROWS + 1))
        journal.add(a_line(GROUP_ROWS + 1))
        journal.flush()
        assert len(list(run.lines(0))) == GROUP_ROWS + 1


def test_an_interrupt_writes_what_waits(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a group: its rows are on the disk."""
    with a_run(tmp_path / "run") as run:
        with suppress(KeyboardInterrupt), run.journal(0) as journal:
            journal.add(a_line(1))
            raise KeyboardInterrupt
        with run.journal(0) as journal:
            assert journal.done == {1}


# ---------------------------------------------------------------------------------------------- shards


def test_a_finished_shard_is_sorted_and_the_same_every_time(tmp_path: Path) -> None:
    """Rows in order whatever came first, the last attempt of each; and the same bytes from the same rows."""
    packed = []
    for name, order in (("a", (2, 3, 1)), ("b", (1, 2, 3))):
        with a_run(tmp_path / name) as run:
            with run.journal(7) as journal:
                journal.add(a_line(1, 1, "transient"))
                for row in order:
                    journal.add(a_line(row, journal.attempt(row)))
                journal.finish({"seen": 3}, {1, 2, 3})
            assert [(line["row"], line["attempt"]) for line in run.lines(7)] == [(1, 2), (2, 1), (3, 1)]
            assert [result["row"] for result in run.results(7)] == [1, 2, 3]
            assert (run.receipt(7).rows, run.receipt(7).stats) == (3, {"seen": 3})
            assert run.is_finished(7)
            assert run.finished() == [7]
            packed.append((tmp_path / name / "shards" / "00007.jsonl.gz").read_bytes())
            assert sorted(path.name for path in (tmp_path / name / "shards").iterdir()) == [
                "00007.jsonl.gz",
                "00007.stats.json",
            ]
    assert packed[0] == packed[1]


def test_a_shard_is_not_finished_with_a_row_missing(tmp_path: Path) -> None:
    """Our own mistake would be a lost row: it is an error instead."""
    with a_run(tmp_path / "run") as run, run.journal(0) as journal:
        journal.add(a_line(1))
        with pytest.raises(RuntimeError, match="1 rows are done of 2"):
            journal.finish({}, (1, 2))
        assert not run.is_finished(0)


def test_rows_of_a_finished_shard_are_checked_again(tmp_path: Path) -> None:
    """`--retry-failed`: the others stay done, the attempt is counted, and the new line is the one that counts."""
    with a_run(tmp_path / "run") as run:
        finished(run, 1, 2, 3)
        run.reopen(0, [2])
        assert run.finished() == []
        assert [line["row"] for line in run.lines(0)] == [1, 2, 3]
        with run.journal(0) as journal:
            assert journal.done == {1, 3}
            assert journal.attempt(2) == 2
        with run.journal(0) as journal:  # the process was killed here: the wish is still known
            assert journal.done == {1, 3}
            journal.add(a_line(2, journal.attempt(2), "transient"))
            journal.finish({}, (1, 2, 3))
        assert [(line["row"], line["attempt"], line["class"]) for line in run.lines(0)] == [
            (1, 1, "final"),
            (2, 2, "transient"),
            (3, 1, "final"),
        ]


def test_the_results_of_an_open_shard(tmp_path: Path) -> None:
    """Each row that is done once, in order, with its last line; one that is to be checked again is not done."""
    with a_run(tmp_path / "run") as run:
        finished(run, 1, 2, 3)
        assert list(run.results(1)) == []
        with run.journal(1) as journal:
            for row in (6, 4, 5):
                journal.add(a_line(row, a="x"))
            journal.add(a_line(4, 2, b=1))
        run.reopen(0, [2])
        assert (run.finished(), run.begun()) == ([], [0, 1])
        told = [[(result["row"], result["input"]) for result in run.results(index)] for index in run.begun()]
        assert told == [[(1, {}), (3, {})], [(4, {"b": 1}), (5, {"a": "x"}), (6, {"a": "x"})]]
        assert run.columns() == {"b": {"int"}, "a": {"str"}}


def test_the_digest_of_a_run(tmp_path: Path) -> None:
    """Of the same rows it is the same, in whatever folder; of others it is another; a damaged shard is told."""
    for name, rows in (("a", (1, 2)), ("b", (1, 2)), ("c", (1, 3))):
        with a_run(tmp_path / name) as run:
            finished(run, *rows)
    digests = [Run.attach(tmp_path / name).digest for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    (tmp_path / "a" / "shards" / "00000.jsonl.gz").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot read"):
        _ = Run.attach(tmp_path / "a").digest


def test_a_left_over_journal_beside_its_finished_shard_goes(tmp_path: Path) -> None:
    """A kill between the renaming and the removal leaves both: the finished one counts."""
    with a_run(tmp_path / "run") as run:
        finished(run, 1)
    part = tmp_path / "run" / "shards" / "00000.jsonl.part"
    part.write_bytes(b"")
    with Run.open(tmp_path / "run") as run:
        assert run.finished() == [0]
    assert not part.exists()


def test_columns_that_were_carried_and_their_kinds(tmp_path: Path) -> None:
    """What a table has to know before its first row: across shards, after a resume too."""
    with a_run(tmp_path / "run") as run:
        with run.journal(0) as journal:
            journal.add(a_line(1, b=1, a="x"))
        with run.journal(0) as journal:
            journal.add(a_line(2, b=0.5, c=None, d=2**63, e=True))
            journal.finish({}, (1, 2))
        finished(run, 3, index=1)
        assert run.columns() == {
            "b": {"float", "int"},
            "a": {"str"},
            "c": {"null"},
            "d": {"other"},
            "e": {"bool"},
        }
        assert list(run.columns()) == ["b", "a", "c", "d", "e"]


def test_what_json_has_no_word_for(tmp_path: Path) -> None:
    """A carried number may be none, and text may be half a character: the line is JSON all the same."""
    with a_run(tmp_path / "run") as run:
        with run.journal(0) as journal:
            journal.add(a_line(1, weight=float("nan"), deep=[{"x": float("inf")}], text="\ud800\n", path=Path("a")))
            journal.finish({}, (1,))
        (result,) = run.results(0)
        assert result["input"] == {"weight": None, "deep": [{"x": None}], "text": "\ud800\n", "path": "a"}


# -------------------------------------------------------------------------------------------- refusals


OTHER: list[tuple[dict[str, Any], str]] = [
    ({"input": {"path": "b.csv", "size": 11}}, "the input has changed"),
    ({"options": {"profile": "x", "orientation": "video"}}, 'orientation was not given and is "video"'),
    ({"options": {}}, 'profile was "x" and is not given'),
    ({"options": {"profile": "\x1b[31m"}}, r'profile was "x" and is "\u001b[31m"'),
    ({"shard_rows": 3}, "the size of a shard was 2 and is 3"),
]


def a_manifest(**known: Any) -> Manifest:
    return Manifest.of(
        **{"input": {"path": "a.csv", "size": 10}, "options": {"profile": "x"}, "shard_rows": 2, **known}
    )


@pytest.mark.parametrize(("now", "told"), OTHER)
def test_a_run_that_was_started_otherwise(tmp_path: Path, now: dict[str, Any], told: str) -> None:
    """One line that names what has changed."""
    with Run.create(tmp_path / "run", a_manifest()) as run:
        with pytest.raises(UsageError) as caught:
            run.refuse_if_different(a_manifest(**now))
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"profile": "y"}, "add --rejudge"),
        ({"profile": "x", "price": "0.07", "mode": "pro"}, "add --rejudge"),
        ({"profile": "y", "timeout": 3}, "Name another folder with --run"),
        ({"profile": "y", "rejudged run": "abc"}, "Name another folder with --run"),
    ],
)
def test_how_to_judge_a_run_otherwise(tmp_path: Path, options: dict[str, Any], advice: str) -> None:
    """What only judges needs no fetch: the advice is to judge anew. What fetches needs another run."""
    with Run.create(tmp_path / "a run", a_manifest()) as run:
        for finish in (None, run.complete):
            if finish:
                finish()
            with pytest.raises(UsageError) as caught:
                run.refuse_if_different(a_manifest(options=options))
            assert advice in str(caught.value)
            if "--rejudge" in advice:
                assert f"--rejudge '{tmp_path}/a run'" in str(caught.value)
                assert ("finish it as it was started" in str(caught.value)) == (finish is None)


def test_a_run_that_is_the_same(tmp_path: Path) -> None:
    """The same again, and an input that has only moved."""
    with Run.create(tmp_path / "run", a_manifest()) as run:
        run.refuse_if_different(a_manifest())
        run.refuse_if_different(a_manifest(input={"path": "moved.csv", "size": 10}))


def test_no_secret_in_a_manifest(tmp_path: Path) -> None:
    """A URL among the options is redacted; that it has changed is known all the same."""
    url = "https://bucket.s3.amazonaws.com/a.png?X-Amz-Signature=5ecr3t"
    with Run.create(tmp_path / "run", a_manifest(options={"set": [{"image_url": url}]})) as run:
        assert "5ecr3t" not in (tmp_path / "run" / "manifest.json").read_text()
        with pytest.raises(UsageError, match="not shown") as caught:
            run.refuse_if_different(a_manifest(options={"set": [{"image_url": f"{url}2"}]}))
        assert "5ecr3t" not in str(caught.value)


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Rows are somebody's data."""
    with a_run(tmp_path / "run") as run, run.journal(1) as journal:
        finished(run, 1)
        journal.add(a_line(2))
        journal.flush()
        modes = {path.name: mode_of(path) for path in (tmp_path / "run").rglob("*")}
    assert modes.pop("shards") == mode_of(tmp_path / "run") == 0o700
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"lock", "manifest.json", "00000.jsonl.gz", "00000.stats.json", "00001.jsonl.part"}


def test_folders_that_are_no_run(tmp_path: Path) -> None:
    """Nothing is begun in a folder that holds something, and nothing resumed where nothing was begun."""
    with a_run(tmp_path / "run"):
        pass
    with pytest.raises(UsageError, match="holds a run already"):
        a_run(tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        a_run(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="Not a directory"):
        a_run(tmp_path / "full" / "thesis.txt" / "run")
    with pytest.raises(UsageError, match="No such file"):
        Run.open(tmp_path / "none")
    for text, cause in (("{", "damaged"), ("[]", "damaged"), ('{"schema": "preflight.run/9"}', "another")):
        (tmp_path / "run" / "manifest.json").write_text(text)
        with pytest.raises(UsageError, match=cause):
            Run.attach(tmp_path / "run")


def test_a_shard_that_was_damaged_is_told(tmp_path: Path) -> None:
    """Not skipped, not half read, and the way out is in the message."""
    with a_run(tmp_path / "run") as run:
        finished(run, 1, 2)
        path = tmp_path / "run" / "shards" / "00000.jsonl.gz"
        whole = path.read_bytes()
        for damaged in (whole[:-20], whole[:40] + b"\0\0\0\0" + whole[44:], b"", b"text", gzip.compress(b"text")):
            path.write_bytes(damaged)
            with pytest.raises(UsageError, match=r"00000.jsonl.gz is damaged .* resume"):
                list(run.results(0))
        path.write_bytes(whole)
        path.with_name("00000.stats.json").write_text("{")
        with pytest.raises(UsageError, match=r"00000.stats.json is damaged"):
            run.receipt(0)


# ----------------------------------------------------------------------------------------------- two at once


def _holds(folder: str, index: int | None, holding: Any, leave: Any) -> None:
    with Run.open(folder) if index is None else Run.attach(folder).journal(index):
        holding.set()
        leave.wait(60)


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Callable[[int | None], Any]]:
    """Another process that holds the run, or one of its shards."""
    a_run(tmp_path / "run").close()
    processes = []

    def start(index: int | None) -> Any:
        holding, leave = _CONTEXT.Event(), _CONTEXT.Event()
        process = _CONTEXT.Process(target=_holds, args=(str(tmp_path / "run"), index, holding, leave), daemon=True)
        process.start()
        processes.append(process)
        assert holding.wait(60)
        return process

    yield start
    for process in processes:
        process.kill()
        process.join(60)


def test_two_processes_in_one_run(tmp_path: Path, another: Callable[[int | None], Any]) -> None:
    """The second is refused and told who works there; when the first was killed, it takes over and tells that."""
    process = another(None)
    with pytest.raises(UsageError, match=rf"is in use by process {process.pid} on .* since 20"):
        Run.open(tmp_path / "run")
    Run.attach(tmp_path / "run").finished()  # whoever only reads is not refused
    process.kill()
    process.join(60)
    with Run.open(tmp_path / "run") as run:
        assert run.took_over is not None
        assert f"process {process.pid}" in run.took_over
    with Run.open(tmp_path / "run") as run:
        assert run.took_over is None


def test_two_processes_in_one_shard(tmp_path: Path, another: Callable[[int | None], Any]) -> None:
    """A worker that outlived its killed parent: nobody writes beside it."""
    process = another(5)
    with Run.open(tmp_path / "run") as run:
        with pytest.raises(UsageError, match="still being written"):
            run.journal(5)
        process.kill()
        process.join(60)
        run.journal(5).__exit__(None, None, None)


def test_a_lock_of_another_machine_is_not_taken_over(tmp_path: Path) -> None:
    """Nobody here can tell whether that process lives."""
    a_run(tmp_path / "run").close()
    lock = tmp_path / "run" / "lock"
    lock.write_text(json.dumps({"pid": 1, "host": "else\x1bwhere", "since": "2026-11-22T00:00:00+00:00"}))
    with pytest.raises(UsageError, match=r"by process 1 on else\\x1bwhere .* delete"):
        Run.open(tmp_path / "run")
    for nothing in ("", "{", "[]"):
        lock.write_text(nothing)
        Run.open(tmp_path / "run").close()


# -------------------------------------------------------------------------------------- disks that refuse


def test_too_little_space_is_told_before_anything_is_written(tmp_path: Path) -> None:
    """A reserve that is not there stops the run at its beginning, and at its next group."""
    too_much = shutil.disk_usage(tmp_path).total + 1
    with pytest.raises(RunStopped, match="MiB are free on the disk"):
        a_run(tmp_path / "run", reserve=too_much)
    with a_run(tmp_path / "run"):
        pass  # the folder is none the worse for it
    run = Run.attach(tmp_path / "run", reserve=too_much)
    with pytest.raises(RunStopped, match="MiB are free on the disk"), run.journal(0) as journal:
        journal.add(a_line(1))  # written when the journal is left


def _add_many(run: Run) -> None:
    with run.journal(0) as journal:
        for row in range(1, 5001):
            journal.add(a_line(row))


def _fills(folder: str, most_bytes: int, pipe: Any) -> None:
    """Write rows until the system refuses (a limit for this process alone), and tell how that was told."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    try:
        with Run.open(folder) as run:
            _add_many(run)
    except RunStopped as stopped:
        pipe.send(str(stopped))


def _finish(folder: Path, rows: int) -> None:
    """Resume, and make sure that everything is there."""
    with Run.open(folder, reserve=0) as run:
        with run.journal(0) as journal:
            assert 0 < len(journal.done) < rows
            for row in range(1, rows + 1):
                if row not in journal.done:
                    journal.add(a_line(row))
            journal.finish({}, range(1, rows + 1))
        assert [result["row"] for result in run.results(0)] == list(range(1, rows + 1))


def test_a_write_that_is_refused_in_its_middle(tmp_path: Path) -> None:
    """Half a group was taken: one line tells it, the half is taken back, and the run resumes."""
    with a_run(tmp_path / "run") as run, run.journal(0) as journal:
        for row in range(1, GROUP_ROWS + 1):
            journal.add(a_line(row))
    part = tmp_path / "run" / "shards" / "00000.jsonl.part"
    before = part.stat().st_size
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_fills, args=(str(tmp_path / "run"), before + before // 2, theirs))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    told = ours.recv()
    assert told.endswith(f"00000.jsonl.part: {os.strerror(errno.EFBIG)}")
    assert "\n" not in told
    assert part.stat().st_size == before
    _finish(tmp_path / "run", 1000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    if not IS_ROOT:
        pytest.skip("mounting needs root; the refused write above runs for everybody")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True, timeout=30)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True, timeout=30)


def test_a_disk_that_is_full(small_disk: Path) -> None:
    """It stops the run in one line; with room again the run goes on to its end."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(400 * 1024))
    with a_run(small_disk / "run", reserve=0) as run:
        with pytest.raises(RunStopped, match=rf"00000.jsonl.part: {os.strerror(errno.ENOSPC)}"):
            _add_many(run)
        kept = [line["row"] for line in run.lines(0)]
        assert kept == list(range(1, len(kept) + 1))
        (small_disk / "rest").write_bytes(bytes(shutil.disk_usage(small_disk).free))
        with pytest.raises(RunStopped), run.journal(0) as journal:
            journal.finish({})  # as full as before: nothing changes
        assert [line["row"] for line in run.lines(0)] == kept
        assert [path.name for path in (small_disk / "run" / "shards").iterdir()] == ["00000.jsonl.part"]
    filler.unlink()
    (small_disk / "rest").unlink()
    _finish(small_disk / "run", len(kept) + 10)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Told before the run, as wrong usage; in its middle, as the end of the run."""
    if IS_ROOT:  # whom modes do not stop: a kernel's own folder does
        with pytest.raises(UsageError, match="cannot use /proc/self/run as the folder of a run"):
            a_run(Path("/proc/self/run"))
    else:
        tmp_path.chmod(0o500)
        with pytest.raises(UsageError, match="Permission denied"):
            a_run(tmp_path / "run")
        tmp_path.chmod(0o700)
    with a_run(tmp_path / "run") as run:
        (tmp_path / "run" / "shards").rename(tmp_path / "gone")
        with pytest.raises(RunStopped, match="No such file or directory"):
            run.journal(0)
        (tmp_path / "run" / "shards").symlink_to(tmp_path / "gone")
        (tmp_path / "gone" / "00000.jsonl.part").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(RunStopped, match=os.strerror(errno.ELOOP)):
            run.journal(0)  # what somebody puts in our way is not followed


def test_a_disk_that_became_read_only(small_disk: Path) -> None:
    """As a failing disk does: the run stops, with nothing lost."""
    with a_run(small_disk / "run", reserve=0) as run:
        finished(run, 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True, timeout=30)
    run = Run.attach(small_disk / "run", reserve=0)
    with pytest.raises(RunStopped, match=os.strerror(errno.EROFS)):
        run.journal(1)
    with pytest.raises(UsageError, match=os.strerror(errno.EROFS)):
        Run.open(small_disk / "run")
    assert [result["row"] for result in run.results(0)] == [1]
