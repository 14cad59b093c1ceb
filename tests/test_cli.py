"""The command line, as people and scripts meet it: real processes, real pipes, a real terminal, real signals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import preflight
from preflight.cli import group
from preflight.demo import sample_media
from preflight.report import media_schema, report_schema
from preflight.rules import RULES
from tests.reports import SECRET
from tests.servers import Drip, MediaServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parent.parent
MEDIA = sample_media()
ME = (sys.executable, "-W", "error", "-m", "preflight")
GOOD = ("--image", f"{MEDIA}/portrait.jpg", "--video", f"{MEDIA}/dance-8s.mp4", "--orientation", "image")
LONG = ("--image", f"{MEDIA}/portrait.jpg", "--video", f"{MEDIA}/long-11s.mp4", "--orientation", "image")
TAIL = ("--image", f"{MEDIA}/portrait.jpg", "--video", f"{MEDIA}/tail-10.02s.mp4", "--orientation", "image")
REQUEST = {
    "model": "kling-v2-6-motion-control",
    "prompt": "保持人物面部特征一致",
    "image_url": f"{MEDIA}/portrait.jpg",
    "video_url": f"{MEDIA}/dance-8s.mp4",
    "character_orientation": "image",
    "mode": "std",
}


def _environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def run(
    *words: str, given: str | bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """One run of the command; output decoded as UTF-8."""
    done = subprocess.run(
        [*ME, *words],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        check=False,
        timeout=60,
        env=_environment(**env or {}),
        cwd=cwd,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# -------------------------------------------------------------------------------- verdicts and exit codes


@pytest.mark.parametrize(
    ("words", "code", "verdict"),
    [
        ((*GOOD,), 0, "PASS"),
        ((*GOOD, "--strict", "--prompt", "x"), 0, "PASS"),
        ((*GOOD, "--max-bytes", "512K"), 0, "PASS"),
        ((*TAIL,), 0, "WARN"),
        ((*TAIL, "--strict"), 1, "WARN"),
        ((*LONG,), 1, "FAIL"),
        ((*LONG, "--ignore", "video-too-long"), 0, "PASS"),
        ((*LONG, "--orientation", "video"), 0, "PASS"),
        ((*GOOD, "--mode", "ultra"), 1, "FAIL"),
        ((*GOOD, "--sound", "maybe"), 1, "FAIL"),
        (GOOD[:2], 1, "FAIL"),
    ],
)
def test_verdict_and_exit_code(words: tuple[str, ...], code: int, verdict: str) -> None:
    """The exit code says what the first word of the report says."""
    done = run("check", *words)
    assert done.returncode == code, done.stderr
    assert done.stdout.split()[1] == verdict
    assert done.stderr == ""


def test_a_server_that_is_down_fails_and_a_slow_one_is_unknown(server: MediaServer, closed_port: int) -> None:
    """Connection refused is what the provider would meet: 1. Our own timeout proves nothing: 3."""
    slow = server.serve("slow.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    common = ("check", *GOOD[:2], "--orientation", "image", "--allow-private")
    refused = run(*common, "--video", f"http://127.0.0.1:{closed_port}/a.mp4")
    late = run(*common, "--video", slow, "--timeout", "1")
    assert (refused.returncode, refused.stdout.split()[1]) == (1, "FAIL")
    assert (late.returncode, late.stdout.split()[1]) == (3, "UNKNOWN")


def test_no_packet_to_loopback_by_default(server: MediaServer) -> None:
    """Without --allow-private a loopback URL is a finding, and the server hears nothing."""
    url = server.serve("clip.mp4", (MEDIA / "dance-8s.mp4").read_bytes())
    done = run("check", *GOOD[:2], "--orientation", "image", "--video", url)
    assert (done.returncode, server.accepted) == (1, 0)
    assert "url-not-public" in done.stdout


@pytest.mark.parametrize("how", ["file", "stdin", "curl", "flags over a file"])
def test_ways_to_give_a_request(how: str, tmp_path: Path) -> None:
    """A file, standard input, a pasted curl command, and flags that win over a file: one request, one report."""
    text = json.dumps(REQUEST, ensure_ascii=False)
    path = tmp_path / "request.json"
    path.write_text(text, "utf-8")
    curl = f"curl --request POST --url https://xcompute.us/v1/videos/generations --data '{text}'"
    words, given = {
        "file": ([str(path)], ""),
        "stdin": (["-"], text),
        "curl": (["-"], curl),
        "flags over a file": ([str(path), "--mode", "pro", "--watermark"], ""),
    }[how]
    done = run("check", *words, "--format", "json", given=given)
    wire = json.loads(done.stdout)
    assert done.returncode == 0
    assert wire["request"]["prompt"] == REQUEST["prompt"]
    flags = how == "flags over a file"
    assert wire["request"]["mode"] == ("pro" if flags else "std")
    assert wire["request"]["watermark_info"]["enabled"] is flags


def test_json_validates_and_is_deterministic() -> None:
    """`--format json` is one line that the printed schema accepts; twice the same apart from timing and transfer."""
    schema = json.loads(run("schema", "report").stdout)
    assert schema == report_schema()
    wires = []
    for _ in range(2):
        done = run("check", *LONG, "--format", "json", "--price", "0.07", "-q")
        assert (done.returncode, done.stdout.count("\n"), done.stderr) == (1, 1, "")
        wire = json.loads(done.stdout)
        assert not list(Draft202012Validator(schema).iter_errors(wire))
        del wire["timing"], wire["image"]["transfer"], wire["video"]["transfer"]
        wires.append(wire)
    assert wires[0] == wires[1]
    assert wires[0]["estimate"]["cost"]["expected"] == "0.77"


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chek"], "did you mean check?"),
        (["frobnicate"], "there are check, probe"),
        (["check", "--fromat", "json"], "--format"),
        (["check"], "give a request file"),
        (["check", "no.json"], "no.json: No such file or directory"),
        (["check", "."], ".: Is a directory"),
        (["check", "bad.json"], "bad.json, line 2"),
        (["check", "list.json"], "list.json"),
        (["check", "empty.json"], "empty.json: empty"),
        (["check", "clip.mp4"], "preflight probe clip.mp4"),
        (["check", "huge.json"], "huge.json: too large"),
        (["check", "a\x1b[2Jb.json"], "a\\x1b[2Jb.json: No such file"),
        (["check", *GOOD, "--timeout", "0"], "--timeout"),
        (["check", *GOOD, "--timeout", "soon"], "'soon'"),
        (["check", *GOOD, "--max-bytes", "lots"], "512K or 8M"),
        (["check", *GOOD, "--price", "-1"], "'-1' is not an amount above zero"),
        (["check", *GOOD, "--price", "nan"], "not an amount"),
        (["check", *GOOD, "--price", "cheap"], "not an amount"),
        (["check", *GOOD, "--profile", "nobody"], "no profile 'nobody'; built in: xcompute"),
        (["check", *GOOD, "--profile", "no.toml"], "no.toml: No such file"),
        (["check", *GOOD, "--ignore", "video-too-lnog"], "did you mean 'video-too-long'?"),
        (["check", *GOOD, "-q", "-v"], "contradict"),
        (["probe"], "URL|FILE"),
        (["explain"], "RULE"),
        (["explain", "video-too-lnog"], "did you mean video-too-long"),
        (["explain", "qqqqqq"], "preflight rules lists them all"),
        (["profiles", "nobody"], "no profile 'nobody'"),
        (["schema", "reprot"], "report"),
        (["explain", "VIDEO-TOO-LONG"], "did you mean video-too-long?"),
        (["profiles", "xcompte"], "did you mean 'xcompute'?"),
        (["profiles", "severe.toml"], "profile severe.toml: severities: no rule 'video-too-lnog'"),
        (["rules", "--profile", "severe.toml"], "profile severe.toml: severities: no rule 'video-too-lnog'"),
        (["check", *GOOD, "--ignore", "aaa,bbb"], "no rule 'aaa' to ignore; no rule 'bbb' to ignore"),
        (["check", *GOOD, "--timeout", "nan"], "'nan' is not a number of seconds above zero"),
        (["check", *GOOD, "--timeout", "inf"], "'inf' is not a number of seconds above zero"),
        (["check", "https://example.com/a.mp4"], "--video or --image"),
        (["check", "https://example.com/a.mp4"], "preflight probe URL"),
        (["check", '{"model": "x"}'], "preflight check -"),
        (["check"], "what is piped in is read by: preflight check -"),
        (["check", "no.json"], "(see: preflight check --help)"),
        (["explain", "qqqqqq"], "(see: preflight explain --help)"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words: list[str], says: str, tmp_path: Path) -> None:
    """What the caller got wrong: one line on standard error that says what and where, nothing else, exit 2."""
    (tmp_path / "bad.json").write_text('{\n "model": }', "utf-8")
    (tmp_path / "list.json").write_text("[1]", "utf-8")
    (tmp_path / "empty.json").write_text("", "utf-8")
    (tmp_path / "clip.mp4").write_bytes((MEDIA / "dance-8s.mp4").read_bytes())
    profile = Path(preflight.__file__).with_name("profiles") / "xcompute.toml"
    severe = f'{profile.read_text("utf-8")}\n[severities]\nvideo-too-lnog = "error"\n'
    (tmp_path / "severe.toml").write_text(severe, "utf-8")
    (tmp_path / "huge.json").write_text(" " * 1_000_001, "utf-8")
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.startswith("preflight")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["check", "URL"],
        ["URL"],
        ["check", '{"video_url":"URL"}'],
        ["check", "{ 'video_url': 'URL' }.json"],
        ["explain", "URL"],
        ["profiles", "URL"],
        ["schema", "URL"],
        ["rules", "URL"],
        ["check", *GOOD, "--profile", "URL"],
        ["check", *GOOD, "--profile=URL"],
        ["check", *GOOD, "--ignore", "URL"],
        ["check", *GOOD, "--price", "URL"],
        ["check", *GOOD, "--timeout", "URL"],
        ["check", *GOOD, "--max-bytes", "URL"],
        ["check", "a.json", "URL"],
        ["probe", "--frob=URL", "a"],
    ],
)
def test_no_secret_in_a_message_about_wrong_usage(words: list[str]) -> None:
    """A signed URL in the wrong place is wrong usage, and its signature is not repeated into a log."""
    url = f"https://bucket.s3.amazonaws.com/a.mp4?X-Amz-Expires=60&X-Amz-Signature={SECRET}"
    done = run(*(word.replace("URL", url) for word in words))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("preflight")
    assert SECRET not in done.stderr


def test_a_clip_on_standard_input_is_sent_to_a_command_that_exists() -> None:
    """The advice for bytes that are no text can be followed."""
    done = run("check", "-", given=b"\xff\xd8\xff\xe0 a picture")
    assert done.returncode == 2
    assert "preflight probe FILE" in done.stderr


def test_an_interrupt_at_any_moment_is_one_line_and_130(server: MediaServer) -> None:
    """Ctrl-C while imports run beside the first connection: no warning, no second line, no hang."""
    slow = server.serve("slow.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    words = ("check", *GOOD[:2], "--orientation", "image", "--video", slow, "--allow-private", "--timeout", "60")
    code = f"import sys; from preflight.cli import main; print(file=sys.stderr, flush=True); main({list(words)!r})"
    for step in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
        )
        assert process.stderr
        process.stderr.readline()
        time.sleep(0.03 + 0.03 * step)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=15)
        assert (process.returncode, out, err) == (130, "", "preflight: interrupted\n")


def test_several_references_are_fetched_at_once_and_told_in_order(server: MediaServer) -> None:
    """Four slow references take the time of one, and the answers stand in the order of the words."""
    names = [f"slow{number}.mp4" for number in range(4)]
    data = (MEDIA / "dance-8s.mp4").read_bytes()
    urls = [server.serve(name, data, behaviour=Drip()) for name in names]
    begun = time.monotonic()
    done = run("probe", "-q", "--allow-private", "--timeout", "3", *urls)
    assert time.monotonic() - begun < 8
    assert done.returncode == 3
    assert [re.search(r"slow\d\.mp4", line)[0] for line in done.stdout.splitlines()] == names  # type: ignore[index]
    assert done.stdout.count("not read: timeout") == 4


def test_what_is_ignored_is_told() -> None:
    """A pass that rests on --ignore says so, in one line and in JSON."""
    words = ("check", *LONG, "--ignore", "video-too-long")
    assert "(1 error ignored: video-too-long)" in run(*words, "-q").stdout
    wire = json.loads(run(*words, "--format", "json").stdout)
    assert wire["ignored"] == [{"rule": "video-too-long", "severity": "error", "subject": "video"}]


def test_explain_and_rules_under_a_profile() -> None:
    """The JSON of a rule's story brings an example and the limits, and severities follow the profile."""
    told = json.loads(run("explain", "video-too-long", "--format", "json").stdout)
    assert told["profile"]["limits"]["video_duration_max"]["value"] == {"image": 10, "video": 30}
    assert "{" not in told["example"]["message"] + told["example"]["fix"]
    under = json.loads(run("rules", "--profile", "xcompute", "--format", "json").stdout)
    container = next(rule for rule in under if rule["id"] == "video-container")
    assert (container["severity"], container["profile"]["severity"]) == ("error", "warning")


def test_no_arguments_prints_the_help() -> None:
    """The bare command teaches, and is still wrong usage."""
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "preflight check request.json" in done.stderr


@pytest.mark.parametrize(
    ("change", "rule", "pointer"),
    [
        ({"promt": "x"}, "request-field-unknown", "/promt"),
        ({"mode": "ultra"}, "request-field-value", "/mode"),
        ({"model": 3}, "request-field-type", "/model"),
        ({"video_url": f"{MEDIA}"}, None, "/video_url"),
        ({"video_url": "nothing-here.mp4"}, None, "/video_url"),
        ({"video_url": "empty.mp4"}, None, "/video_url"),
        ({"video_url": "garbage.mp4"}, None, "/video_url"),
    ],
)
def test_a_bad_request_is_a_finding(change: dict[str, object], rule: str | None, pointer: str, tmp_path: Path) -> None:
    """What is wrong with the request or its media is in the report, with its place: exit 1, nothing on stderr."""
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "garbage.mp4").write_bytes(bytes(range(256)) * 64)
    done = run("check", "-", "--format", "json", given=json.dumps(REQUEST | change), cwd=tmp_path)
    found = json.loads(done.stdout)["findings"]
    errors = [(item["rule"], item["pointer"]) for item in found if item["severity"] == "error"]
    assert (done.returncode, done.stderr) == (1, "")
    assert [place for _, place in errors] == [pointer]
    assert rule in (None, errors[0][0])


# ---------------------------------------------------------------------------------------- other commands


def test_probe_prints_facts_one_object_a_line() -> None:
    """`probe --format json` prints a line for each medium, which the media schema accepts."""
    done = run("probe", f"{MEDIA}/dance-8s.mp4", f"{MEDIA}/portrait.jpg", "--format", "json")
    video, image = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0
    assert (video["video"]["durations"]["container"], image["image"]["format"]) == (8.0, "jpeg")
    assert not list(Draft202012Validator(media_schema()).iter_errors(video))
    assert json.loads(run("schema", "media").stdout) == media_schema()


def test_probe_exit_codes(tmp_path: Path, server: MediaServer) -> None:
    """A thing that is no medium is 1, one that may come later is 3, and the worse of several wins."""
    (tmp_path / "page.mp4").write_text("<!doctype html><html></html>", "utf-8")
    slow = server.serve("slow.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    late = ("--allow-private", "--timeout", "1", slow)
    page, good = str(tmp_path / "page.mp4"), f"{MEDIA}/dance-8s.mp4"
    assert run("probe", good, "-q").returncode == 0
    assert run("probe", good, *late).returncode == 3
    refused = run("probe", page, *late)
    assert refused.returncode == 1
    assert "not read    html" in refused.stdout
    assert "not read    timeout" in refused.stdout


def test_rules_and_explain() -> None:
    """Every rule is listed, in text and in JSON, and each can be explained."""
    listed = json.loads(run("rules", "--format", "json").stdout)
    assert [rule["id"] for rule in listed] == [rule.id for rule in RULES]
    assert all(rule.id in run("rules").stdout for rule in RULES[:1] + RULES[-1:])
    story = run("explain", "video-too-long")
    assert (story.returncode, story.stderr) == (0, "")
    assert "video_duration_max: image 10 s, video 30 s" in story.stdout
    assert json.loads(run("explain", "video-too-long", "--format", "json").stdout)["id"] == "video-too-long"


def test_profiles_and_schemas() -> None:
    """Profiles are listed, one is told with its sources, and each schema is valid JSON Schema."""
    assert "kling-official" in run("profiles").stdout
    assert "documented, read on" in run("profiles", "xcompute").stdout
    assert json.loads(run("profiles", "--format", "json").stdout)[0]["name"] == "xcompute"
    assert json.loads(run("profiles", "xcompute", "--format", "json").stdout)["schema"] == "preflight.profile/1"
    for name in ("request", "profile"):
        Draft202012Validator.check_schema(json.loads(run("schema", name).stdout))


def test_version() -> None:
    """`--version` prints the version of the package."""
    assert run("--version").stdout == f"preflight {preflight.__version__}\n"


@pytest.mark.parametrize("name", group.list_commands(click.Context(group)))
def test_every_command_has_help(name: str) -> None:
    """Each command explains itself to both spellings."""
    helped = CliRunner().invoke(group, [name, "--help"])
    assert helped.exit_code == 0
    assert helped.output == CliRunner().invoke(group, [name, "-h"]).output
    assert helped.output.startswith(f"Usage: preflight {name}")


def test_completion_knows_commands_and_rules() -> None:
    """Click's own completion completes commands and rule names."""

    def complete(line: str, word: int) -> str:
        return run(env={"_PREFLIGHT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}).stdout

    assert "plain,explain" in complete("preflight ex", 1)
    assert "plain,video-too-long" in complete("preflight explain video-too-l", 2)


def test_help_is_light() -> None:
    """Help and usage errors import none of the heavy libraries."""
    heavy = {"pydantic", "httpx", "av", "PIL", "rich", "asyncio"}
    code = (
        "import sys\nfrom preflight.cli import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    for words in (["--help"], ["check", "--help"], ["check", "--frob"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert not heavy & set(done.stderr.split())


# ------------------------------------------------------------------------------- outputs and their limits


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LANG": "zh_CN.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_any_locale(env: dict[str, str]) -> None:
    """In any locale the report is printed, the command in it stays ASCII, and JSON stays UTF-8."""
    request = json.dumps(REQUEST | {"video_url": f"{MEDIA}/long-11s.mp4"}, ensure_ascii=False)
    text = run("check", "-", env=env, given=request)
    assert (text.returncode, text.stderr) == (1, "")
    assert re.search(r"ffmpeg -i \S+\.mp4 -t 9\.8", text.stdout)
    wire = json.loads(run("check", "-", "--format", "json", env=env, given=request).stdout)
    assert wire["request"]["prompt"] == REQUEST["prompt"]


def test_an_output_that_knows_only_ascii(tmp_path: Path) -> None:
    """Where the output has no such signs, plain ones stand in, and nothing crashes."""
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("check", *LONG, env=env)
    assert done.stdout.isascii()
    assert done.stdout.startswith("x FAIL  1 error")
    missing = run("check", "请求.json", env=env, cwd=tmp_path)
    assert missing.returncode == 2
    assert "No such file" in missing.stderr
    wire = json.loads(run("check", *GOOD, "--prompt", "保持", "--format", "json", env=env).stdout)
    assert wire["request"]["prompt"] == "保持"


def test_columns_are_honoured() -> None:
    """COLUMNS sets the width; a command is not broken by it."""
    lines = run("check", *LONG, env={"COLUMNS": "40"}).stdout.splitlines()
    assert any(line.lstrip().startswith("ffmpeg") and line.endswith("out.mp4") for line in lines)
    assert all(len(line) <= 40 or "/" in line or "ffmpeg" in line for line in lines)


def test_a_reader_who_leaves_early() -> None:
    """`| head -1` gets its line; the rest is dropped without a word, and the verdict stays the exit code."""
    process = subprocess.Popen(
        [*ME, "check", *LONG, "-v"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(30) == 1


def test_a_full_disk_is_said() -> None:
    """An output that cannot be written is no verdict and no bug of ours: 2, and one line."""
    for words in (["check", *GOOD], ["rules"], ["--help"], ["--version"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([*ME, *words], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
        assert (done.returncode, done.stderr) == (2, "preflight: cannot write the output: No space left on device\n")


def test_a_closed_output_is_said() -> None:
    """Where nothing can be printed, nothing is done: 2, and a word on standard error if that is open."""
    for words in (["rules"], ["check", *LONG]):
        command = " ".join(f"'{word}'" for word in (*ME, *words))
        done = subprocess.run(f"{command} >&-", shell=True, check=False, capture_output=True, text=True)  # noqa: S602
        said = "preflight: cannot write the output: standard output is closed\n"
        assert (done.returncode, done.stderr) == (2, said)
        assert subprocess.run(f"{command} >&- 2>&-", shell=True, check=False).returncode == 2  # noqa: S602


class Terminal:
    """A process on a pseudo-terminal of its own; standard error is the same terminal."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._mine, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*ME, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=_environment(**env), start_new_session=True
        )
        os.close(theirs)
        self.seen = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._mine)

    def read(self, until: bytes | None = None, seconds: float = 30) -> str:
        """What appears until `until` is seen, or until the process has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (until and until in self.seen):
            if not select.select([self._mine], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(self._mine, 65536)
            except OSError:  # Linux says EIO when the other side is closed
                break
            self.seen += chunk
        return self.seen.decode()


@pytest.mark.parametrize(
    ("env", "words", "coloured"),
    [
        ({"TERM": "xterm"}, (), True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, (), False),
        ({"TERM": "xterm", "NO_COLOR": ""}, (), True),
        ({"TERM": "xterm"}, ("--no-color",), False),
        ({"TERM": "dumb"}, (), False),
    ],
)
def test_colour_on_a_terminal(env: dict[str, str], words: tuple[str, ...], coloured: bool) -> None:
    """Colours on a terminal, unless NO_COLOR, --no-color or the terminal itself says otherwise; never in a pipe."""
    with Terminal(["check", *LONG, *words], env) as terminal:
        assert ("\x1b[1;31m" in terminal.read()) is coloured
        assert terminal.process.wait(30) == 1
    assert "\x1b" not in run("check", *LONG, env=env).stdout


def test_a_slow_check_says_so_on_a_terminal(server: MediaServer) -> None:
    """After a second a status line appears, and it is wiped before the report."""
    slow = server.serve("slow.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    words = ["check", *GOOD[:2], "--orientation", "image", "--video", slow, "--allow-private", "--timeout", "3"]
    with Terminal(words, {"TERM": "xterm"}) as terminal:
        text = terminal.read()
        assert "fetching image and video" in text
        assert text.rindex("\r\x1b[K") < text.index("UNKNOWN")
        assert terminal.process.wait(30) in (1, 3)


def test_interrupt_is_one_line_and_130(server: MediaServer) -> None:
    """Ctrl-C in the middle of a fetch: one line, no traceback, 130, soon."""
    slow = server.serve("slow.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    process = subprocess.Popen(
        [*ME, "check", *GOOD[:2], "--orientation", "image", "--video", slow, "--allow-private", "--timeout", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    deadline = time.monotonic() + 30
    while not server.asked("slow.mp4") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out, err.strip()) == (130, "", "preflight: interrupted")


# --------------------------------------------------------------------------------------- crashes, secrets


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An environment in which the check crashes: a stand-in library that raises, quoting a URL with a secret."""
    folder = tmp_path / "broken"
    (folder / "pydantic").mkdir(parents=True)
    message = f"cannot handle https://u:{SECRET}@example.com/a.mp4?X-Amz-Signature={SECRET}"
    (folder / "pydantic" / "__init__.py").write_text(f"raise LookupError({message!r})\n", "utf-8")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_a_crash_never_looks_like_a_verdict(broken: dict[str, str]) -> None:
    """A fault of ours: 70, one line that says what to do, no message that could hold a secret."""
    done = run("check", *GOOD, env=broken)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (70, "", 1)
    assert "crashed (LookupError at __init__.py:1)" in done.stderr
    assert "PREFLIGHT_DEBUG=1" in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize("how", ["environment", "-vv"])
def test_a_crash_tells_all_when_asked_but_no_secret(how: str, broken: dict[str, str]) -> None:
    """The traceback comes with PREFLIGHT_DEBUG=1 or -vv, with every URL in it redacted."""
    words, env = (["-vv"], broken) if how == "-vv" else ([], broken | {"PREFLIGHT_DEBUG": "1"})
    done = run("check", *GOOD, *words, env=env)
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert "https://example.com/a.mp4" in done.stderr
    assert SECRET not in done.stderr


def test_no_secret_of_a_presigned_url_in_any_output(server: MediaServer, closed_port: int) -> None:
    """Signature, token and password stay out of both outputs, whether the fetch works, is refused or never starts."""
    query = f"?X-Amz-Signature={SECRET}&token={SECRET}#{SECRET}"
    urls = (
        server.serve("clip.mp4", (MEDIA / "dance-8s.mp4").read_bytes()) + query,
        f"http://127.0.0.1:{closed_port}/clip.mp4{query}",
        f"https://user:{SECRET}@example.com/clip.mp4{query}",
        f"htps://127.0.0.1/clip.mp4{query}",
    )
    runs = [run("probe", *urls, *words, "--allow-private") for words in (("-v",), ("-q",), ("--format", "json"))]
    for url in urls:
        given = ("check", *GOOD[:2], "--video", url, "--orientation", "image", "--allow-private")
        runs += [run(*given, "-v"), run(*given, "--format", "json")]
    for done in runs:
        assert done.returncode in (0, 1, 3), done.stderr
        assert "clip.mp4" in done.stdout
        assert SECRET not in done.stdout + done.stderr
