"""`preflight check` of several requests: nothing is lost, the order is kept, and the worst decides."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from preflight.demo import sample_media
from preflight.render import MACHINES
from tests.reports import SECRET
from tests.servers import Drip, MediaServer

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
MEDIA = sample_media()
ME = (sys.executable, "-W", "error", "-m", "preflight", "check")
REQUEST = {
    "model": "kling-v2-6-motion-control",
    "prompt": "evening light",
    "image_url": f"{MEDIA}/portrait.jpg",
    "video_url": f"{MEDIA}/dance-8s.mp4",
    "character_orientation": "image",
    "mode": "std",
}
SIGNED = f"https://bucket.s3.amazonaws.com/a.mp4?X-Amz-Expires=60&X-Amz-Signature={SECRET}"


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def run(*words: str, cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """One run of `preflight check`, as a process of its own."""
    return subprocess.run(
        [*ME, *words], input=given, cwd=cwd, capture_output=True, text=True, check=False, timeout=60, env=_environment()
    )


def request(path: Path, **changes: object) -> str:
    """Write a request file; its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(REQUEST | changes, indent=1), "utf-8")
    return path.name


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with one request of each kind but unknown."""
    request(tmp_path / "pass.json")
    request(tmp_path / "warn.json", video_url=f"{MEDIA}/tail-10.02s.mp4")
    request(tmp_path / "fail.json", video_url=f"{MEDIA}/long-11s.mp4")
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "clip.json").write_bytes((MEDIA / "dance-8s.mp4").read_bytes())
    return tmp_path


def slow(server: MediaServer, folder: Path, name: str) -> str:
    """A request whose video never comes."""
    url = server.serve(f"{name}.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    return request(folder / f"{name}.json", video_url=url)


def files_told(text: str) -> list[str]:
    """The names that begin the lines of `-q`."""
    return re.findall(r"^(\S+\.json): ", text, re.MULTILINE)


# ---------------------------------------------------------------------------------------- verdicts and order


@pytest.mark.parametrize(
    ("names", "words", "code"),
    [
        ("pass pass", "", 0),
        ("pass warn", "", 0),
        ("warn pass", "--strict", 1),
        ("pass fail warn", "", 1),
        ("pass unknown", "", 3),
        ("unknown fail", "", 1),
        ("fail empty unknown", "", 2),
        ("nothing pass", "", 2),
    ],
)
def test_the_worst_decides(desk: Path, server: MediaServer, names: str, words: str, code: int) -> None:
    """2 before 1 before 3 before 0; --strict as for one request."""
    slow(server, desk, "unknown")
    given = [f"{name}.json" for name in names.split()]
    done = run(*given, *words.split(), "-q", "--allow-private", "--timeout", "1", cwd=desk)
    assert done.returncode == code
    assert files_told(done.stdout) == [name for name in given if name not in ("empty.json", "nothing.json")]
    assert done.stderr.count("\n") == len({"empty", "nothing"} & set(names.split()))


def test_four_at_a_time_and_told_in_order(desk: Path, server: MediaServer) -> None:
    """Slow requests go beside each other, four at most; the answers stand in the order of the words."""
    names = [slow(server, desk, f"slow{number}") for number in (5, 2, 4, 1, 3)]
    begun = time.monotonic()
    done = run(*names, "-q", "--allow-private", "--timeout", "2", cwd=desk)
    assert time.monotonic() - begun < 5 * 2
    arrived = sorted(server.asked(name.replace("json", "mp4"))[0].at for name in names)
    assert arrived[4] - arrived[0] > 1  # the fifth waited for one of the four
    assert done.returncode == 3
    assert files_told(done.stdout) == names
    assert done.stdout.endswith("requests 5: pass 0, warn 0, fail 0, unknown 5, not readable 0\n")


def test_text_tells_each_under_its_name(desk: Path) -> None:
    """Names, reports, and a last line that counts; what cannot be read is one line elsewhere."""
    done = run("pass.json", "empty.json", "fail.json", cwd=desk)
    assert done.stdout.startswith("pass.json\n\n✓ PASS")
    assert "\n\nfail.json\n\n✗ FAIL" in done.stdout
    assert done.stdout.endswith("\n\nrequests 3: pass 1, warn 0, fail 1, unknown 0, not readable 1\n")
    assert done.stderr == "preflight check: empty.json: empty; a request is needed\n"


@pytest.mark.parametrize("words", ["--format=csv", "--format=text", "-q"])
def test_a_name_is_no_command_for_the_runner(desk: Path, words: str) -> None:
    """GitHub's runner takes a line that begins with `::` for one, blanks before it or not; `./` names the same file."""
    names = ("::warning::hi.motion.json", " ::error::ho.motion.json", "plain.motion.json")
    for name in names:
        request(desk / "here" / name)
    done = run(*names, words, cwd=desk / "here")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.lstrip().startswith("::")] == []
    assert all(f"\n{name}" in f"\n{done.stdout}" for name in ("./::warning::hi", "./ ::error::ho", "plain"))


def test_json_is_an_object_a_line(desk: Path) -> None:
    """Each begins with its file; the rest is the report, the same as of one file alone."""
    done = run("fail.json", "empty.json", "pass.json", "--format", "json", cwd=desk)
    several = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [line["file"] for line in several]) == (2, ["fail.json", "pass.json"])
    alone = json.loads(run("pass.json", "--format", "json", cwd=desk).stdout)
    assert "file" not in alone
    for wire in (alone, several[1]):
        del wire["timing"], wire["image"]["transfer"], wire["video"]["transfer"]
    assert {"file": "pass.json", **alone} == several[1]


def test_csv_has_one_header(desk: Path) -> None:
    """And a row each, also where the first file cannot be read."""
    done = run("empty.json", "fail.json", "pass.json", "--format", "csv", cwd=desk)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["file"], row["verdict"]) for row in rows] == [("fail.json", "fail"), ("pass.json", "pass")]


def test_flags_hold_for_each_file(desk: Path) -> None:
    """What if: flags win over every file."""
    done = run("pass.json", "fail.json", "--mode", "pro", "--orientation", "video", "--format", "json", cwd=desk)
    wires = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [wire["request"]["mode"] for wire in wires] == ["pro", "pro"]


def test_standard_input_is_one_of_them(desk: Path) -> None:
    """`-` stands among files, once."""
    done = run("fail.json", "-", "-q", cwd=desk, given=json.dumps(REQUEST))
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("standard input: ✓ PASS")


def test_media_are_fetched_over_http(desk: Path, server: MediaServer) -> None:
    """Real requests to a real server, by one session: two requests for one clip."""
    url = server.serve("clip.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), media_type="video/mp4")
    names = [request(desk / f"{number}.json", video_url=url) for number in range(3)]
    done = run(*names, "--allow-private", "--format", "json", cwd=desk)
    wires = [json.loads(line) for line in done.stdout.splitlines()]
    assert [wire["video"]["durations"]["container"] for wire in wires] == [8.0, 8.0, 8.0]
    assert [wire["verdict"] for wire in wires] == ["warn"] * 3  # loopback, and said so


# -------------------------------------------------------------------------------------------------- folders


def test_a_folder_is_searched(desk: Path) -> None:
    """Every *.motion.json below it, sorted; no other file, no dot folder, no linked folder."""
    for name in ("b.motion.json", "a/z.motion.json", "a/other.json", ".git/c.motion.json"):
        request(desk / "jobs" / name)
    (desk / "jobs/loop").symlink_to(desk / "jobs")
    done = run("pass.json", "jobs", "-q", cwd=desk)
    assert files_told(done.stdout) == ["pass.json", "jobs/a/z.motion.json", "jobs/b.motion.json"]
    alone = run("jobs/a", "-q", cwd=desk)
    assert alone.stdout.startswith("jobs/a/z.motion.json: ✓ PASS")
    assert alone.stdout.endswith("requests 1: pass 1, warn 0, fail 0, unknown 0, not readable 0\n")


# ------------------------------------------------------------------------------------------------ wrong usage


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pass.json", "fail.json", "--format", "html"], "preflight audit"),
        ([".", "--format", "html"], "preflight audit"),
        (["-", "pass.json", "-"], "name it once"),
        (["."], ".: Is a directory, and no *.motion.json is below it"),
        (["pass.json", "."], ".: Is a directory, and no *.motion.json is below it"),
        (["pass.json", "fail.json", "-q", "-v"], "contradict"),
        (["pass.json", "fail.json", "--profile", "nobody"], "no profile 'nobody'"),
        (["pass.json", "fail.json", "--ignore", "video-too-lnog"], "did you mean 'video-too-long'?"),
        (["pass.json", "fail.json", "--format", "xml"], "'xml'"),
        (["pass.json", "--frob"], "--frob"),
    ],
)
def test_wrong_usage_checks_nothing(desk: Path, words: list[str], says: str) -> None:
    """What is wrong for all of them is one line, before anything is checked."""
    done = run(*words, cwd=desk)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr


#: A word that is no request, and the end of what is said of it.
UNREADABLE = {
    "empty.json": "empty.json: empty; a request is needed",
    "clip.json": "not text, so not a request; for a clip or a picture: preflight probe clip.json",
    "nothing.json": "nothing.json: No such file or directory",
    "pass.json/x": "pass.json/x: Not a directory",
    "n" * 260: "nnn: File name too long",
    "a\x1b[2J\n##[stop-commands]b.json": "b.json: No such file or directory",
    SIGNED: "or look at it alone: preflight probe URL",
    f'{{"video_url": "{SIGNED}"}}': "preflight check - < request.json",
}


@pytest.mark.parametrize("format_", ["text", "json", "junit", "github", "sarif"])
def test_what_cannot_be_read_stops_no_other(desk: Path, format_: str) -> None:
    """One line for each, exit 2, the others are checked; no secret and no control character anywhere."""
    done = run(*UNREADABLE, "fail.json", "--format", format_, cwd=desk)
    assert (done.returncode, done.stderr.count("\n")) == (2, len(UNREADABLE))
    for line, says in zip(done.stderr.splitlines(), UNREADABLE.values(), strict=True):
        assert line.startswith("preflight check: ")
        assert line.endswith(says)
    assert "video-too-long" in done.stdout
    assert done.stdout.count("request-unreadable") >= len(UNREADABLE) * (format_ in MACHINES)
    assert SECRET not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "##[" not in done.stderr or format_ != "github"  # the runner would take it for a command


def test_a_file_that_may_not_be_read(desk: Path) -> None:
    """What the system refuses is told as it says it."""
    Path(desk / "void.json").symlink_to("/proc/self/mem")  # opens, and refuses to be read even by root
    done = run("void.json", "pass.json", "-q", cwd=desk)
    assert (done.returncode, done.stderr) == (2, "preflight check: void.json: Input/output error\n")
    assert files_told(done.stdout) == ["pass.json"]


# --------------------------------------------------------------------------------------- outputs and signals


def test_a_reader_who_leaves_early(desk: Path) -> None:
    """The rest is dropped without a word, and the verdicts stay the exit code."""
    process = subprocess.Popen(
        [*ME, "pass.json", "fail.json"], cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(30) == 1


@pytest.mark.parametrize("format_", ["text", "sarif"])
def test_a_full_disk_is_said(desk: Path, format_: str) -> None:
    """An output that cannot be written is no verdict."""
    with Path("/dev/full").open("wb") as full:
        words = [*ME, "pass.json", "warn.json", "--format", format_]
        done = subprocess.run(
            words, cwd=desk, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=_environment()
        )
    assert (done.returncode, done.stderr) == (2, "preflight: cannot write the output: No space left on device\n")


def test_an_interrupt_is_one_line_and_130(desk: Path, server: MediaServer) -> None:
    """Ctrl-C in the middle: what was told before stays, and nothing hangs."""
    name = slow(server, desk, "slow")
    process = subprocess.Popen(
        [*ME, "pass.json", name, name, "-q", "--allow-private", "--timeout", "60"],
        cwd=desk,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    assert process.stdout
    first = process.stdout.readline()
    deadline = time.monotonic() + 20
    while not server.asked("slow.mp4") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert first.startswith("pass.json: ✓ PASS")
    assert (process.returncode, out, err) == (130, "", "preflight: interrupted\n")
