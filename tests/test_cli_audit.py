"""`preflight audit` and `preflight report` as commands: real processes, as a person or a script starts them."""

from __future__ import annotations

import csv
import errno
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from preflight import profiles
from tests.auditing import PORTRAIT, clip, table
from tests.servers import Drip, MediaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = (sys.executable, "-m", "preflight")


@pytest.fixture(name="world", scope="module")
def _world() -> Iterator[MediaServer]:
    with MediaServer() as server:
        good = clip(8)
        for number in range(30):
            server.serve(f"i{number}.jpg", PORTRAIT, media_type="image/jpeg")
            server.serve(f"v{number}.mp4", good)
        server.serve("long.mp4", clip(12))
        yield server


def jobs(world: MediaServer, path: Path, count: int = 6, *, bad: bool = True) -> Path:
    rows = [(f"{world.base}/i{number}.jpg", f"{world.base}/v{number}.mp4") for number in range(count)]
    if bad:
        rows[1] = (rows[1][0], f"{world.base}/long.mp4")
    return table(path, rows)


def run(folder: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """One command in a folder of its own, with a cache of its own."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "100"}
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


def audit(folder: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return run(folder, "audit", *words, "--allow-private", stdin=stdin)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_files_a_page_and_a_summary(world: MediaServer, tmp_path: Path) -> None:
    """One command writes all of it; the exit code says that a row fails; a second start has nothing left to do."""
    jobs(world, tmp_path / "jobs.csv")
    words = ("jobs.csv", "-o", "r.jsonl", "-o", "r.csv", "-o", "r.parquet", "--report", "r.html")
    done = audit(tmp_path, *words)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("✗ 1 of 6 rows would be refused")
    results = lines((tmp_path / "r.jsonl").read_text("utf-8"))
    assert [result["row"] for result in results] == [1, 2, 3, 4, 5, 6]
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == [result["verdict"] for result in results]
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!doctype html>")
    before = len(world.log)
    again = audit(tmp_path, *words)
    assert (again.returncode, again.stdout) == (1, done.stdout)
    assert len(world.log) == before


def test_results_on_standard_output(world: MediaServer, tmp_path: Path) -> None:
    """`-o -` gives JSON lines alone, in order; the summary goes to standard error."""
    jobs(world, tmp_path / "jobs.csv", bad=False)
    done = audit(tmp_path, "jobs.csv", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert [result["row"] for result in lines(done.stdout)] == [1, 2, 3, 4, 5, 6]
    assert "6 rows" in done.stderr


def test_from_standard_input(world: MediaServer, tmp_path: Path) -> None:
    """A pipe is kept in the run folder, so that the run can go on without it."""
    request = {"image_url": f"{world.base}/i0.jpg", "video_url": f"{world.base}/v0.mp4", "mode": "std", "prompt": "x",
               "model": "kling-v2-6-motion-control", "character_orientation": "image"}  # fmt: skip
    text = "".join(json.dumps(request | {"n": number}) + "\n" for number in range(3))
    refused = audit(tmp_path, "-", "--input-format", "jsonl", stdin=text)
    assert refused.returncode == 2
    assert "--run FOLDER" in refused.stderr
    done = audit(tmp_path, "-", "--input-format", "jsonl", "--run", "night", "-o", "-", stdin=text)
    assert done.returncode == 0, done.stderr
    assert [result["input"] for result in lines(done.stdout)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    (tmp_path / "night" / "complete").unlink()
    told = run(tmp_path, "report", "night", "-q")
    assert told.stderr.endswith(" --run night -o - --allow-private < /dev/null\n")


def test_a_list_of_urls(world: MediaServer, tmp_path: Path) -> None:
    """One URL on a line, and what they are."""
    (tmp_path / "urls.txt").write_text(f"# clips\n{world.base}/v0.mp4\n\n{world.base}/long.mp4\n", "utf-8")
    done = audit(tmp_path, "urls.txt", "--as", "video", "--orientation", "image", "-o", "-", "-q")
    assert done.returncode == 1
    assert [result["verdict"] for result in lines(done.stdout)] == ["warn", "fail"]
    assert done.stderr == ""


def test_a_share_of_fails_may_pass(world: MediaServer, tmp_path: Path) -> None:
    """One of six is 16.7 %."""
    jobs(world, tmp_path / "jobs.csv")
    assert audit(tmp_path, "jobs.csv", "--max-fail-rate", "16%", "-q").returncode == 1
    assert audit(tmp_path, "jobs.csv", "--max-fail-rate", "17%", "-q").returncode == 0
    assert audit(tmp_path, "jobs.csv", "--max-fail-rate", "0.17", "-q").returncode == 0
    assert audit(tmp_path, "jobs.csv", "--max-fail-rate", "17%", "-q", "--strict").returncode == 1


def test_a_dry_run_fetches_nothing(world: MediaServer, tmp_path: Path) -> None:
    """It tells what would be met, and leaves no folder behind."""
    jobs(world, tmp_path / "jobs.csv")
    before = len(world.log)
    done = audit(tmp_path, "jobs.csv", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("6 rows, 12 references to media")
    assert json.loads(audit(tmp_path, "jobs.csv", "--dry-run", "--format", "json").stdout)["rows"] == 6
    assert len(world.log) == before
    assert not (tmp_path / "jobs.csv.audit").exists()


def test_a_sample_speaks_for_all(world: MediaServer, tmp_path: Path) -> None:
    """The summary of a sample gives shares of all rows as intervals."""
    jobs(world, tmp_path / "jobs.csv", 30)
    done = audit(tmp_path, "jobs.csv", "--sample", "10")
    assert done.returncode in {0, 1}, done.stderr
    assert "10 of 30 rows" in done.stdout
    assert "refused" in done.stdout


def test_report_tells_it_again(world: MediaServer, tmp_path: Path) -> None:
    """The same summary and the same files from the folder alone, and another profile's without a request."""
    jobs(world, tmp_path / "jobs.csv")
    done = audit(tmp_path, "jobs.csv", "-o", "one.jsonl")
    again = run(tmp_path, "report", "jobs.csv.audit", "-o", "two.jsonl", "--report", "two.html")
    assert (again.returncode, again.stdout.partition("\nNext")[0]) == (1, done.stdout.partition("\nNext")[0])
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    before = len(world.log)
    other = audit(tmp_path, "jobs.csv", "--rejudge", "jobs.csv.audit", "--ignore", "video-too-long", "-q")
    assert (other.returncode, other.stderr) == (0, "")
    assert len(world.log) == before


def test_a_folder_without_a_run_is_told_as_one(tmp_path: Path) -> None:
    """It exists, and one that does not is told otherwise."""
    here, nowhere = run(tmp_path, "report", "."), run(tmp_path, "report", "nowhere")
    assert (here.returncode, nowhere.returncode) == (2, 2)
    assert ". is no folder of a run: it has no manifest.json" in here.stderr
    assert "nowhere is no folder of a run: No such file or directory" in nowhere.stderr


def test_what_was_found_is_judged_anew(world: MediaServer, tmp_path: Path) -> None:
    """A price given later is refused, with the advice that makes it one; a profile that has changed is another one."""
    jobs(world, tmp_path / "jobs.csv")
    profile = tmp_path / "mine.toml"
    limits = (Path(profiles.__file__).parent / "xcompute.toml").read_text("utf-8")
    profile.write_text(limits, "utf-8")
    words = ("jobs.csv", "--run", "my run", "-q", "--profile", "mine.toml")
    assert audit(tmp_path, *words).returncode == 1
    before = len(world.log)
    priced = audit(tmp_path, *words, "--price", "0.07")
    assert priced.returncode == 2
    assert 'price was not given and is "0.07"' in priced.stderr
    assert "add --rejudge 'my run'" in priced.stderr
    anew = audit(tmp_path, "jobs.csv", "--rejudge", "my run", "--price", "0.07", "--format", "json")
    assert [cost["expected"] for cost in json.loads(anew.stdout)["bill"]["warn"]["cost"]] == ["2.80"]
    profile.write_text(limits.replace("{ image = 10,", "{ image = 20,"), "utf-8")
    changed = audit(tmp_path, *words)
    assert (changed.returncode, "profile was" in changed.stderr) == (2, True), changed.stderr
    assert len(world.log) == before


def test_facts_of_two_runs(world: MediaServer, tmp_path: Path) -> None:
    """Verdicts made of one run's facts are not told for another's; what cannot be judged leaves no folder behind."""
    jobs(world, tmp_path / "jobs.csv")
    for name in ("monday", "tuesday"):
        assert audit(tmp_path, "jobs.csv", "--run", name, "-q").returncode == 1
    assert audit(tmp_path, "jobs.csv", "--rejudge", "monday", "-q").returncode == 1
    mixed = audit(tmp_path, "jobs.csv", "--rejudge", "tuesday", "-q")
    assert (mixed.returncode, "rejudged run was" in mixed.stderr) == (2, True), mixed.stderr
    (tmp_path / "tuesday" / "complete").unlink()
    for words in (("tuesday", "--price", "1"), ("monday", "--limit", "2")):
        assert audit(tmp_path, "jobs.csv", "--rejudge", *words, "--run", "no", "-q").returncode == 2
        assert not (tmp_path / "no").exists()


def test_failed_rows_are_checked_again(world: MediaServer, tmp_path: Path) -> None:
    """One line tells how many."""
    jobs(world, tmp_path / "jobs.csv")
    audit(tmp_path, "jobs.csv", "-q")
    before = len(world.asked("long.mp4"))
    again = audit(tmp_path, "jobs.csv", "--retry-failed", "--cache", "off")
    assert (again.returncode, again.stderr.splitlines()[0]) == (1, "preflight audit: checking 1 row again")
    assert len(world.asked("long.mp4")) == before + 1
    none = audit(tmp_path, "jobs.csv", "--retry-failed=transient")
    assert none.stderr == "preflight audit: checking 0 rows again\n"


def test_a_run_that_is_not_finished(world: MediaServer, tmp_path: Path) -> None:
    """It is told as far as it came: what is missing, what goes on with it (not a secret), and nothing about all."""
    jobs(world, tmp_path / "a b.csv")
    folder = tmp_path / "a b.csv.sample-5-0.audit"
    assert audit(tmp_path, "a b.csv", "--sample", "5", "-q").returncode in {0, 1}
    command = "preflight audit 'a b.csv' --sample 5 -q --allow-private"
    (folder / "complete").unlink()
    told = run(tmp_path, "report", folder.name, "--report", "page.html")
    assert (told.returncode, "5 of 5 rows are done" in told.stdout, "sample" in told.stdout) == (3, True, False)
    assert told.stderr.endswith(f"go on with: {command}\n")
    assert "5 of 5 rows are done" in (tmp_path / "page.html").read_text("utf-8")
    other = run(tmp_path / "cache", "report", str(folder), "--format", "json")
    assert other.stderr.endswith(f"go on with: cd {tmp_path} && {command}\n")
    assert {name: json.loads(other.stdout)[name] for name in ("complete", "sample")} == {
        "complete": False,
        "sample": None,
    }
    hidden = ("--proxy", "http://me:s3cret@127.0.0.1:9", "--trust-proxy", "-q")
    assert audit(tmp_path, "a b.csv", "--sample", "5", *hidden).returncode in {0, 1}
    (folder / "complete").unlink()
    assert run(tmp_path, "report", folder.name, "-q").stderr.endswith("go on with: the command that began it\n")
    assert not [path for path in folder.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing.csv",), "nothing.csv"),
        (("jobs.csv", "-o", "r.xlsx"), ".jsonl, .csv, .parquet"),
        (("jobs.csv", "-o", "nowhere/r.jsonl"), "cannot write nowhere/r.jsonl"),
        (("jobs.csv", "--report", "r.txt"), "ends in .html"),
        (("jobs.csv", "-o", "jobs.csv"), "jobs.csv"),
        (("jobs.csv", "--sample", "200%"), "200%"),
        (("jobs.csv", "--map", "clip"), "FIELD=COLUMN"),
        (("jobs.csv", "--map", "video_url=nothing"), "no column"),
        (("jobs.csv", "--max-fail-rate", "lots"), "0.5% or 0.005"),
        (("jobs.csv", "--max-fail-rate", "101%"), "0.5% or 0.005"),
        (("jobs.csv", "--max-fail-rate", "1"), "write 1% or 100%"),
        (("jobs.csv", "--max-fail-rate", "1.0"), "write 1% or 100%"),
        (("jobs.csv", "--max-fail-rate", "5"), "write 5%"),
        (("jobs.csv", "--ignore", "no-such-rule"), "no-such-rule"),
        (("jobs.csv", "--ray-address", "x"), "--engine ray"),
        (("jobs.csv", "--rejudge", "nowhere"), "nowhere"),
    ],
)
def test_wrong_usage_is_one_line(world: MediaServer, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """Told before anything is fetched, with exit code 2, and nothing is left behind."""
    jobs(world, tmp_path / "jobs.csv")
    before = len(world.log)
    done = audit(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert len(world.log) == before


def test_a_run_of_something_else(world: MediaServer, tmp_path: Path) -> None:
    """A changed table or option is refused; one that was only touched is the same."""
    path = jobs(world, tmp_path / "jobs.csv")
    audit(tmp_path, "jobs.csv", "-q")
    other = audit(tmp_path, "jobs.csv", "-q", "--orientation", "video")
    assert other.returncode == 2
    assert "was started otherwise" in other.stderr
    path.touch()
    assert audit(tmp_path, "jobs.csv", "-q").returncode == 1
    jobs(world, path, 7)
    other = audit(tmp_path, "jobs.csv", "-q")
    assert other.returncode == 2
    assert "the input has changed (6 rows, now 7)" in other.stderr


def test_another_standard_input(world: MediaServer, tmp_path: Path) -> None:
    """A run of last night's pipe does not answer for tonight's; without a pipe it can still be told again."""
    text = jobs(world, tmp_path / "jobs.csv").read_text("utf-8")
    words = ("-", "--input-format", "csv", "--run", "night", "-q")
    assert audit(tmp_path, *words, stdin=text).returncode == 1
    other = audit(tmp_path, *words, stdin=text.replace("long.mp4", "v1.mp4"))
    assert other.returncode == 2
    assert "night is a run of another input" in other.stderr
    assert audit(tmp_path, *words, stdin="").returncode == 1
    assert (tmp_path / "night" / "input").stat().st_mode & 0o777 == 0o600


def test_a_pipe_leaves_nothing_in_a_folder_of_something_else(world: MediaServer, tmp_path: Path) -> None:
    """What comes through it may be signed: neither a folder of notes nor the run of a file keeps a copy."""
    text = jobs(world, tmp_path / "jobs.csv").read_text("utf-8")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").touch()
    audit(tmp_path, "jobs.csv", "-q")
    for folder, told in (("notes", "not empty and no run"), ("jobs.csv.audit", "a run of another input")):
        before = sorted((tmp_path / folder).rglob("*"))
        done = audit(tmp_path, "-", "--input-format", "csv", "--run", folder, stdin=text)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
        assert sorted((tmp_path / folder).rglob("*")) == before


def test_the_same_bytes_as_another_format(world: MediaServer, tmp_path: Path) -> None:
    """A list whose lines are JSON, too, names other media as JSON: not the run that was begun."""
    (tmp_path / "urls.txt").write_text(f'"{world.base}/v1.mp4"\n', "utf-8")
    words = ("urls.txt", "--as", "video", "-q")
    audit(tmp_path, *words)
    other = audit(tmp_path, *words, "--input-format", "jsonl")
    assert other.returncode == 2
    assert "was started otherwise" in other.stderr


def test_no_room_for_the_page(world: MediaServer, tmp_path: Path) -> None:
    """As for any output: told in one line, with the exit code of a run that did not come to its end."""
    jobs(world, tmp_path / "jobs.csv")
    audit(tmp_path, "jobs.csv", "-q")
    words = [*COMMAND, "report", "jobs.csv.audit", "--report", "page.html", "-q"]
    limit = (20_000, resource.RLIM_INFINITY)
    done = subprocess.run(
        words,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},  # it writes files, too
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert f"page.html: {os.strerror(errno.EFBIG)}" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "page" in path.name] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image_url,video_url\n", ()),
        ("", ()),
        ("image_url,video_url\na,b\n", ("--sample", "1%")),
        ("image_url,video_url\na,b\n", ("--sample", "5", "--limit", "1")),
    ],
)
def test_nothing_to_audit(tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    """No rows are no success."""
    (tmp_path / "jobs.csv").write_text(content, "utf-8")
    done = audit(tmp_path, "jobs.csv", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.audit"))


def slow(world: MediaServer, path: Path) -> Path:
    good = clip(8)
    for number in range(40):
        world.serve(f"slow{number}.mp4", good, behaviour=Drip(0.05, 2000))
    return table(path, [(f"{world.base}/i0.jpg", f"{world.base}/slow{number}.mp4") for number in range(40)])


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(world: MediaServer, tmp_path: Path, times: int) -> None:
    """Once: what is under way is finished, exit code 130, one line says how to go on; twice: at once."""
    slow(world, tmp_path / "jobs.csv")
    words = ("jobs.csv", "--per-host", "2", "-o", "r.jsonl")
    process = subprocess.Popen(
        [*COMMAND, "audit", *words, "--allow-private"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    deadline = time.monotonic() + 20
    while not world.asked("slow1.mp4") and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    told = run(tmp_path, "report", "jobs.csv.audit", "-q", "-o", "-")
    assert (told.returncode, len(told.stderr.strip().splitlines())) == (3, 1)
    done_rows = [result["row"] for result in lines(told.stdout)]
    assert done_rows == sorted(done_rows)
    assert f"{len(done_rows)} of 40 rows are done" in told.stderr
    assert err.splitlines()[-1].endswith(f": preflight audit {' '.join(words)} --allow-private")
    assert not (tmp_path / "r.jsonl").exists()
    for number in range(40):  # that the rest comes is what matters now, not how slowly
        world.serve(f"slow{number}.mp4", clip(8))
    done = audit(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert [result["row"] for result in lines((tmp_path / "r.jsonl").read_text("utf-8"))] == list(range(1, 41))
    world.log.clear()


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_while_processes_begin(world: MediaServer, tmp_path: Path, seconds: float) -> None:
    """A terminal sends it to all of them, in the middle of their imports: that is no crash of any."""
    slow(world, tmp_path / "jobs.csv")
    words = ("jobs.csv", "--processes", "2", "--allow-private", "--run", "run", "--cache", "off", "--progress", "none")
    process = subprocess.Popen(
        [*COMMAND, "audit", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "run" / "command").exists() and time.monotonic() < deadline:  # the run has begun
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    finishing, interrupted = filter(None, err.splitlines())
    assert finishing == "preflight audit: finishing what is under way (Ctrl-C again: stop at once)"
    assert interrupted.startswith("preflight audit: interrupted; what is done is kept, go on with: preflight audit ")


def test_ctrl_c_while_judging_anew(tmp_path: Path) -> None:
    """It ends soon, with exit code 130 and the command that goes on, which begins where this one ended."""
    (tmp_path / "urls.txt").write_text("ftp://127.0.0.1/v.mp4\n" * 4000, "utf-8")
    words = ("urls.txt", "--as", "video", "-q", "--run", "new", "--rejudge", "old", "--price", "1", "--allow-private")
    assert run(tmp_path, "audit", *words[:4], "--run", "old", "--allow-private").returncode == 1
    process = subprocess.Popen([*COMMAND, "audit", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    first, deadline = tmp_path / "new" / "shards" / "00000.jsonl.gz", time.monotonic() + 20
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    command = shlex.join(("preflight", "audit", *words))
    assert err.splitlines()[-1] == f"preflight audit: interrupted; what is done is kept, go on with: {command}"
    kept = first.stat().st_mtime_ns
    assert len(list(first.parent.glob("*.gz"))) < 8
    done = run(tmp_path, "audit", *words, "-o", "-")
    assert done.returncode == 1, done.stderr
    assert [result["row"] for result in lines(done.stdout)] == list(range(1, 4001))
    assert first.stat().st_mtime_ns == kept


def test_a_full_disk(world: MediaServer, tmp_path: Path) -> None:
    """Told in one line with exit code 3; with room again, the same command finishes the run."""
    if os.getuid() != 0:
        pytest.skip("a small disk of one's own needs root")
    jobs(world, tmp_path / "jobs.csv")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", disk], check=True)
    try:
        filler = disk / "filler"
        filler.write_bytes(bytes(40 << 20))
        words = ("jobs.csv", "--run", str(disk / "run"), "--cache", "off", "-q")
        full = audit(tmp_path, *words)
        assert full.returncode in {2, 3}, full.stderr
        assert len(full.stderr.strip().splitlines()) == 1
        filler.unlink()
        assert audit(tmp_path, *words).returncode == 1
    finally:
        subprocess.run(["umount", disk], check=True)
