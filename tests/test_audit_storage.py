"""An audit takes its input from storage and puts its outputs there, whole, once, and without telling a secret.

The store is the tests' own (`stores.py`): real processes and files behind fsspec's interface, without the packages and
servers that a real one needs.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from preflight.audit.durable import RunStopped
from preflight.audit.storage import Outbox, fetched, is_stored, locate, path_of
from preflight.errors import RequestUnreadable, UsageError
from tests import stores
from tests.auditing import PORTRAIT, clip
from tests.servers import MediaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"  # noqa: S105


@pytest.fixture(name="world", scope="module")
def _world() -> Iterator[MediaServer]:
    with MediaServer() as server:
        server.serve("i.jpg", PORTRAIT, media_type="image/jpeg")
        server.serve("good.mp4", clip(8))
        server.serve("long.mp4", clip(12))
        yield server


@pytest.fixture(name="bucket")
def _bucket(tmp_path: Path) -> Path:
    """The folder of `s3://bucket`, of this process and of those of `audit`."""
    stores.register(tmp_path / "store")
    (tmp_path / "store" / "bucket").mkdir(parents=True)
    return tmp_path / "store" / "bucket"


def jobs(world: MediaServer, path: Path, *videos: str) -> None:
    """A table of requests as Parquet."""
    rows = [{"image_url": f"{world.base}/i.jpg", "clip": f"{world.base}/{video}", "n": 1} for video in videos]
    parquet.write_table(pa.Table.from_pylist(rows), path)


def preflight(folder: Path, *words: str, most_bytes: int = -1) -> subprocess.CompletedProcess[str]:
    """A command in this folder, where `s3://` leads to its `store`; no file that it writes is larger than that."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT), "RAY_ADDRESS": ""}
    if most_bytes > 0:  # what measures coverage writes files, too
        environment = {name: value for name, value in environment.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-m", "tests.stores", folder / "store", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, -1)),
    )


def audit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return preflight(folder, "audit", *words, "--allow-private", "--orientation", "image", "-q")


def log(folder: Path) -> list[str]:
    """What the store was asked for."""
    return (folder / "store" / stores.LOG).read_text("utf-8").splitlines()


# ---------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_from_storage_to_storage(world: MediaServer, tmp_path: Path, bucket: Path, engine: str) -> None:
    """Either engine; the input is read once, however often the run goes on, and no output stays behind."""
    jobs(world, bucket / "jobs.parquet", "good.mp4", "long.mp4")
    outputs = ("-o", "s3://bucket/r.parquet", "-o", "s3://bucket/r.jsonl", "-o", "here.csv")
    words = ("s3://bucket/jobs.parquet", *outputs, "--report", "s3://bucket/r.html", "--engine", engine)
    done = audit(tmp_path, *words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    results = [json.loads(line) for line in (bucket / "r.jsonl").read_text("utf-8").splitlines()]
    assert [result["verdict"] for result in results] == ["warn", "fail"]
    assert parquet.read_table(bucket / "r.parquet")["verdict"].to_pylist() == ["warn", "fail"]
    assert (bucket / "r.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "here.csv").read_text("utf-8").count("\n") == 3
    run = tmp_path / "jobs.parquet.audit"
    assert json.loads((run / "manifest.json").read_text("utf-8"))["input"]["path"] == "s3://bucket/jobs.parquet"
    assert (run / "input").stat().st_mode & 0o777 == 0o600
    assert not (run / "outbox").exists()
    asked = len(world.log)
    assert audit(tmp_path, *words).returncode == 1
    assert len(world.log) == asked
    assert log(tmp_path).count("get bucket/jobs.parquet") == 1


def test_no_room_for_the_input(tmp_path: Path, bucket: Path) -> None:
    """That is this machine's trouble and not the store's; with room, the same command goes on."""
    (bucket / "jobs.jsonl").write_text('{"video_url": "file.mp4"}\n' * 5000, "utf-8")
    words = ("audit", "s3://bucket/jobs.jsonl", "-q")
    done = preflight(tmp_path, *words, most_bytes=50_000)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("preflight audit: stopped: ")
    assert os.strerror(errno.EFBIG) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((tmp_path / "jobs.jsonl.audit").glob("input*"))


def test_a_run_of_a_file_of_that_name_is_left_alone(tmp_path: Path, bucket: Path) -> None:
    """Its folder has the name that an object's run would have."""
    for path in (tmp_path / "jobs.jsonl", bucket / "jobs.jsonl"):
        path.write_text('{"video_url": "file.mp4"}\n', "utf-8")
    assert preflight(tmp_path, "audit", "jobs.jsonl", "-q").returncode == 1
    done = preflight(tmp_path, "audit", "s3://bucket/jobs.jsonl", "-q")
    assert (done.returncode, done.stdout) == (2, "")
    assert "jobs.jsonl.audit is a run of another input" in done.stderr
    assert not (tmp_path / "jobs.jsonl.audit" / "input").exists()


def test_what_a_store_refuses_is_kept_and_sent_again(world: MediaServer, tmp_path: Path, bucket: Path) -> None:
    """One line, exit code 3; the same command sends it and asks nobody else. `report` does the same."""
    jobs(world, bucket / "jobs.parquet", "good.mp4")
    (bucket.parent / stores.REFUSES).touch()
    words = ("s3://bucket/jobs.parquet", "-o", "s3://bucket/r.jsonl", "--run", "night")
    done = audit(tmp_path, *words)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert "cannot write s3://bucket/r.jsonl: Access Denied" in line
    assert "it is kept as night/outbox/1-r.jsonl" in line
    assert "s" * 40 not in line
    kept = (tmp_path / "night/outbox/1-r.jsonl").read_bytes()
    assert json.loads(kept)["verdict"] == "warn"
    told = preflight(tmp_path, "report", "night", "-o", "s3://bucket/r.jsonl")
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (3, "", 1)
    assert not (bucket / "r.jsonl").exists()
    (bucket.parent / stores.REFUSES).unlink()
    asked = len(world.log)
    assert audit(tmp_path, *words).returncode == 0
    assert (bucket / "r.jsonl").read_bytes() == kept
    assert preflight(tmp_path, "report", "night", "-o", "s3://bucket/again.jsonl").returncode == 0
    assert (bucket / "again.jsonl").read_bytes() == kept
    assert (len(world.log), (tmp_path / "night/outbox").exists()) == (asked, False)


def test_an_object_that_has_changed_is_another_input(world: MediaServer, tmp_path: Path, bucket: Path) -> None:
    """It is refused without being read; one that was written again as it was is the same."""
    jobs(world, bucket / "jobs.parquet", "good.mp4")
    words = ("s3://bucket/jobs.parquet", "-o", "-")
    first = audit(tmp_path, *words)
    jobs(world, bucket / "jobs.parquet", "long.mp4")
    other = audit(tmp_path, *words)
    assert (other.returncode, other.stdout, len(other.stderr.splitlines())) == (2, "", 1)
    assert "the input has changed" in other.stderr
    jobs(world, bucket / "jobs.parquet", "good.mp4")
    assert audit(tmp_path, *words).stdout == first.stdout
    assert log(tmp_path) == ["get bucket/jobs.parquet"]


def test_a_dry_run_leaves_nothing(world: MediaServer, tmp_path: Path, bucket: Path) -> None:
    """Its copy of the input goes with it."""
    jobs(world, bucket / "jobs.parquet", "good.mp4", "long.mp4")
    done = audit(tmp_path, "s3://bucket/jobs.parquet", "--dry-run")
    assert done.stdout.startswith("2 rows, 4 references to media"), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_file_url_is_a_path(world: MediaServer, tmp_path: Path) -> None:
    (tmp_path / "in put").mkdir()
    jobs(world, tmp_path / "in put/jobs.parquet", "good.mp4")
    done = audit(tmp_path, f"file://{tmp_path}/in%20put/jobs.parquet", "-o", f"file://localhost{tmp_path}/r.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "r.jsonl").read_text("utf-8"))["verdict"] == "warn"
    assert not (tmp_path / "jobs.parquet.audit/input").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("s3://bucket/jobs.jsonl", "-o", "s3://bucket/jobs.jsonl"), "would replace what they are made from"),
        (("s3://bucket/jobs.jsonl", "-o", "s3://bucket/r.xlsx"), "results end in .jsonl"),
        (("s3://bucket/jobs.jsonl", "-o", "s3://bucket/r.csv", "-o", "s3://bucket/r.csv"), "named twice"),
        (("s3://bucket/jobs.jsonl", "-o", "https://example.com/r.csv"), "a web server is no storage"),
        (("https://example.com/jobs.csv",), "a web server is no storage"),
        (("s3://bucket/jobs.jsonl", "--run", "s3://bucket/run"), "the run folder"),
        (("s3://bucket/nothing.csv",), "s3://bucket/nothing.csv: no such file or bucket"),
        (("s3://bucket",), "names no file"),
        (("file://jobs.csv",), "three slashes"),
        (("s3://bucket/jobs.jsonl", "-o", f"s3://key:{SECRET}@bucket/r.csv"), "a URL with a password"),
        ((f"s3://AKIDEXAMPLE:{SECRET[:9]}/{SECRET[9:]}@bucket/jobs.csv",), "a URL with a password"),
        ((f"s3://AKIDEXAMPLE:12345/{SECRET}@bucket/jobs.csv",), "a URL with a password"),
        ((f"s3://bucket/jobs.csv?token={SECRET}",), "no such file or bucket"),
    ],
)
def test_wrong_usage_is_one_line_without_a_secret(
    tmp_path: Path, bucket: Path, words: tuple[str, ...], told: str
) -> None:
    """Before anything is read, with exit code 2; and no folder bears the secret in its name."""
    (bucket / "jobs.jsonl").write_text("{}\n", "utf-8")
    done = audit(tmp_path, *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
    assert told in done.stderr
    assert not (tmp_path / "store" / stores.LOG).exists()
    said = done.stderr + "".join(map(str, tmp_path.rglob("*")))
    assert not any(part in said for part in (SECRET, SECRET[9:], SECRET[:9]))


# -------------------------------------------------------------------------------------------------- parts


def test_memory_is_storage_of_one_process(tmp_path: Path) -> None:
    """In and out again, also where a file is written under another name first."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/in/jobs.jsonl", b"{}\n")
    copy = fetched(locate("memory://in/jobs.jsonl"), tmp_path / "run")
    assert copy.path.read_bytes() == b"{}\n"
    assert copy.origin["path"] == "memory://in/jobs.jsonl"
    outbox = Outbox(tmp_path / "run")
    path = outbox.place("memory://out/r.jsonl")
    outbox.open()
    path.write_bytes(b"result")
    outbox.send()
    assert memory.find("/out") == ["/out/r.jsonl"]
    assert memory.cat("/out/r.jsonl") == b"result"
    assert not path.parent.exists()


def test_half_a_file_is_never_seen_under_its_name(tmp_path: Path, bucket: Path) -> None:
    """A store that shows what is being written gets it under another name, and keeps none of it when that fails."""
    outbox = Outbox(tmp_path / "run")
    path = outbox.place("oss://bucket/r.jsonl")
    outbox.open()
    path.write_bytes(b"0123456789")
    (bucket / "r.jsonl").write_bytes(b"old")
    (bucket.parent / stores.REFUSES).touch()
    with pytest.raises(RunStopped, match=r"^cannot write oss://bucket/r\.jsonl: Access Denied.*; it is kept as"):
        outbox.send()
    assert [(file.name, file.read_bytes()) for file in bucket.iterdir()] == [("r.jsonl", b"old")]
    (bucket.parent / stores.REFUSES).unlink()
    outbox.send()
    assert [(file.name, file.read_bytes()) for file in bucket.iterdir()] == [("r.jsonl", b"0123456789")]


def test_an_object_that_changes_while_it_is_read_is_no_input(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bucket / "jobs.jsonl").write_bytes(b"{}\n")

    class Restless(stores.Store):
        def _open(self, path: str, mode: str = "rb", **given: Any) -> Any:
            opened = super()._open(path, mode, **given)
            (bucket / "jobs.jsonl").write_bytes(b"[]\n")
            return opened

    fsspec.register_implementation("s3", Restless, clobber=True)
    with pytest.raises(RequestUnreadable, match=r"^s3://bucket/jobs\.jsonl: changed while it was read$"):
        fetched(locate("s3://bucket/jobs.jsonl"), tmp_path / "run")
    assert not (tmp_path / "run/input").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, bucket: Path) -> None:
    (bucket / "jobs.jsonl").write_bytes(b"{}\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/input").write_text("mine")
    (tmp_path / "mine/notes").write_text("mine")
    with pytest.raises(UsageError, match="not empty and no run"):
        fetched(locate("s3://bucket/jobs.jsonl"), tmp_path / "mine")
    assert (tmp_path / "mine/input").read_text() == "mine"
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["input", "notes"]


def test_a_folder_in_storage_is_no_input(tmp_path: Path, bucket: Path) -> None:
    (bucket / "parts").mkdir()
    with pytest.raises(RequestUnreadable, match=r"^s3://bucket/parts: a folder, not a file$"):
        fetched(locate("s3://bucket/parts"), tmp_path / "run")


def test_which_names_are_storage() -> None:
    assert [is_stored(name) for name in ("s3://b/x", "az://c@a/x", "https://h/x", "x.csv", "C:/x", "file:///x")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert (path_of("a%20b.csv"), path_of("file:///a%20b.csv")) == ("a%20b.csv", "/a b.csv")


@pytest.mark.parametrize(
    ("missing", "url", "told"),
    [
        ("fsspec", "s3://b/x.csv", "s3://b/x.csv: storage needs fsspec: pip install 'preflight[storage]'"),
        ("s3fs", "s3://b/x.csv", "s3://b/x.csv: Install s3fs to access S3"),
        ("gcsfs", "gs://b/x.csv", "gs://b/x.csv: Please install gcsfs to access Google Storage"),
        ("none", "dask://b/x.csv", "dask://b/x.csv: no storage that is known here"),
        ("none", "s3://b/x::https://h/x.csv", "no storage that is known here"),
    ],
)
def test_what_is_missing_is_told(missing: str, url: str, told: str) -> None:
    """In one line, with what to install."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.modules[{missing!r}] = None\nfrom preflight.cli import main\nmain(['audit', {url!r}])",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert told in done.stderr
