"""`preflight submit` against a provider that behaves as its page says: real processes, real HTTP, a real terminal."""

from __future__ import annotations

import gzip
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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from preflight.demo import sample_media
from preflight.provider.answers import OutcomeKind
from preflight.request import FIELDS
from tests.provider import PAGE, Provider, Reply, Trouble
from tests.servers import Drip, MediaServer
from tests.test_pasted import PAGE as DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
MEDIA = sample_media()
ME = (sys.executable, "-W", "error", "-m", "preflight")
KEY = "sk-test-0123456789abcdef0123456789"
NOT_YET = "may have been accepted: look at your tasks before you submit again"


class World:
    """Media, a provider, and the command beside them."""

    def __init__(self, media: MediaServer, provider: Provider) -> None:
        self.media, self.provider = media, provider
        self.image = media.serve("ref-image.jpg", (MEDIA / "portrait.jpg").read_bytes(), media_type="image/jpeg")
        self.clips = {
            name: media.serve(f"{name}.mp4", (MEDIA / f"{name}.mp4").read_bytes())
            for name in ("dance-8s", "long-11s", "tail-10.02s", "short-2s")
        }

    def request(self, clip: str = "dance-8s") -> dict[str, object]:
        """A good request for one of the sample clips."""
        return {
            "model": "kling-v2-6-motion-control",
            "prompt": "保持人物面部特征一致",
            "image_url": self.image,
            "video_url": self.clips[clip],
            "character_orientation": "image",
            "mode": "std",
        }

    def environment(self, **changes: str) -> dict[str, str]:
        """The shell's, with a key and the provider's address."""
        own = {"PREFLIGHT_API_KEY": KEY, "PREFLIGHT_BASE_URL": self.provider.base, "PYTHONPATH": str(ROOT), **changes}
        return {**os.environ, **own}

    def submit(
        self, *words: str, given: object = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One run; a request that is no text is given as JSON on standard input."""
        text = given if isinstance(given, str) else json.dumps(given)
        return subprocess.run(
            [*ME, "submit", *words, "--allow-private"],
            input=text,
            capture_output=True,
            check=False,
            timeout=60,
            text=True,
            encoding="utf-8",
            env=self.environment(**env or {}),
        )


@pytest.fixture(scope="module", name="media")
def _media() -> Iterator[MediaServer]:
    with MediaServer() as running:
        yield running


@pytest.fixture
def world(media: MediaServer) -> Iterator[World]:
    with Provider(KEY) as provider:
        yield World(media, provider)


# ------------------------------------------------------------------------------------- what is submitted


def _examples() -> list[tuple[str, str]]:
    blocks = re.findall(
        r"```(bash cURL|python Python|javascript JavaScript|json) theme.*?\n(.*?)```", DOCUMENT, re.DOTALL
    )
    return [(f"{kind} {number}", text) for number, (kind, text) in enumerate(blocks) if "character_orientation" in text]


@pytest.mark.parametrize(("kind", "text"), [pytest.param(*item, id=item[0]) for item in _examples()])
def test_the_page_s_own_examples(world: World, kind: str, text: str) -> None:
    """Pasted as they stand, with media that exist: each ends in a job, billed by its real duration."""
    for name in re.findall(r"https://example\.com/[\w.-]+", text):
        text = text.replace(name, world.image if "image" in name else world.clips["dance-8s"])
    done = world.submit("-", "--yes", "--format", "json", given=text)
    told = json.loads(done.stdout)
    (asked,) = world.provider.asked
    ((task, job),) = world.provider.jobs.items()
    sent = json.loads(asked.body)
    assert (done.returncode, done.stderr) == (0, "")
    assert told["submission"]["outcome"] == "accepted"
    assert told["submission"]["task_ids"] == [task]
    assert told["report"]["estimate"]["billed_seconds"] == job.billed == 8
    assert set(sent) == {name for name in FIELDS if name in text}
    assert all(value in text for value in sent.values() if isinstance(value, str))
    assert sent["watermark_info"] == {"enabled": False}


def test_there_are_three_programs_and_two_scenes() -> None:
    """All that the page shows."""
    assert sum("json" in kind.split()[0] for kind, _ in _examples()) >= 2
    assert len(_examples()) >= 5


def test_exactly_what_was_given(world: World, tmp_path: Path) -> None:
    """A file is submitted with its own fields, in its order, no default invented, and its secrets whole."""
    signed = f"{world.clips['dance-8s']}?X-Amz-Signature=5d672d79c15b13162d9279b0855cfba6"
    request = {"mode": "pro", **world.request(), "video_url": signed}
    del request["prompt"]
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request), "utf-8")
    done = world.submit(str(path), "--yes")
    assert list(json.loads(world.provider.asked[0].body).items()) == list(request.items())
    assert done.returncode == 0
    assert "5d672d79c15b13162d9279b0855cfba6" not in done.stdout + done.stderr


def test_flags_alone(world: World) -> None:
    """Flags make a request; what is said of it is a report, a bill and a task."""
    words = ("--image", world.image, "--video", world.clips["dance-8s"], "--orientation", "video", "--price", "0.07")
    done = world.submit(*words, "--yes")
    (task,) = world.provider.jobs
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2].endswith(f"accepted the job: {task}.")
    assert "0.56" in done.stdout
    assert json.loads(world.provider.asked[0].body)["model"] == "kling-v2-6-motion-control"


# ---------------------------------------------------------------------------------- what is held back


def test_a_clip_that_is_too_long_reaches_nobody(world: World) -> None:
    """11 s under `image`: the report says why, and the provider hears nothing."""
    done = world.submit("-", "--yes", given=world.request("long-11s"))
    assert done.returncode == 1
    assert "video-too-long" in done.stdout
    assert "Not submitted. The verdict is fail." in done.stdout
    assert (world.provider.connections, world.provider.asked) == (0, [])


@pytest.mark.parametrize(
    ("clip", "words", "code", "says"),
    [
        ("short-2s", [], 1, "The verdict is fail."),
        ("tail-10.02s", [], 10, "longer than 10.0s"),
        ("tail-10.02s", ["--strict"], 1, "The verdict is warn"),
        ("dance-8s", ["--strict", "--ignore", "url-private-allowed"], 0, "accepted the job"),
        ("dance-8s", ["--max-billed-seconds", "7.5"], 1, "Up to 8 s may be billed"),
        ("dance-8s", ["--max-billed-seconds", "8"], 0, "accepted the job"),
        ("dance-8s", ["--price", "0.07", "--max-cost", "0.55"], 1, "may cost up to 0.56"),
        ("dance-8s", ["--price", "0.07", "--max-cost", "0.56"], 0, "accepted the job"),
        ("dance-8s", ["--max-bytes", "1K"], 3, "The verdict is unknown"),
        ("dance-8s", ["--max-bytes", "1K", "--allow-unknown"], 0, "accepted the job"),
        ("dance-8s", ["--max-bytes", "1K", "--allow-unknown", "--max-billed-seconds", "9"], 3, "cannot be estimated"),
    ],
)
def test_what_the_policy_lets_through(world: World, clip: str, words: list[str], code: int, says: str) -> None:
    """The verdict, its two switches and the two bounds; what is held back is never heard of."""
    done = world.submit("-", "--yes", *words, given=world.request(clip))
    assert (done.returncode, done.stderr) == (code, "")
    assert says in " ".join(done.stdout.split())
    assert (world.provider.connections == 0) is (code in (1, 3))


@pytest.mark.parametrize(
    ("words", "env", "change", "says"),
    [
        ([], {}, {}, "nobody can be asked: add --yes"),
        (["--yes"], {"PREFLIGHT_API_KEY": ""}, {}, "PREFLIGHT_API_KEY"),
        (["--yes"], {"PREFLIGHT_API_KEY": "Bearer sk-secret-0123456789"}, {}, "the word Bearer is added here"),
        (["--yes"], {"PREFLIGHT_BASE_URL": "http://xcompute.us"}, {}, "travel readable"),
        (["--yes", "--base-url", "nonsense"], {}, {}, "no address to submit to"),
        (["--yes"], {"SSL_CERT_FILE": "/nowhere/authorities.pem"}, {}, "(SSL_CERT_FILE) cannot be read: No such file"),
        (
            ["--yes", "--base-url", "https://p.example", "--proxy", "socks5://127.0.0.1:1", "--trust-proxy"],
            {},
            {},
            "proxy is the URL of an HTTP proxy",
        ),
        (["--yes"], {}, {"video_url": str(MEDIA / "dance-8s.mp4")}, "video_url is no URL"),
        (["--yes"], {}, {"image_url": "portrait.jpg"}, "image_url is no URL"),
        (["--yes", "--max-cost", "1"], {}, {}, "max_cost needs a price"),
        (["--yes", "--max-cost", "much"], {}, {}, "not an amount"),
        (["--yes", "--format", "csv"], {}, {}, "'csv'"),
    ],
)
def test_wrong_usage_is_one_line(
    world: World, words: list[str], env: dict[str, str], change: dict[str, object], says: str
) -> None:
    """Told before anything is fetched, and without the key."""
    before = len(world.media.log)
    done = world.submit("-", *words, env=env, given=world.request() | change)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr
    assert "sk-secret" not in done.stderr
    assert (world.provider.connections, len(world.media.log)) == (0, before)


# ------------------------------------------------------------------------------------- what came of it


def _closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


ANSWERS: dict[str, tuple[Reply | Trouble, int, bool | None]] = {
    "invalid-request": (PAGE[400], 10, False),
    "authentication": (PAGE[401], 11, False),
    "balance": (PAGE[402], 12, False),
    "rate-limited": (replace(PAGE[429], headers=(("Retry-After", "900"),)), 13, False),
    "provider-error": (PAGE[500], 14, None),
    "unanswered": (Trouble("after-reading", "reset"), 16, None),
    "not-understood": (Reply(200, b"<html>hello</html>"), 17, None),
}


@pytest.mark.parametrize("outcome", ANSWERS)
def test_every_answer_has_its_exit_code(world: World, outcome: str) -> None:
    """The page's error bodies, a reset and a web page: told in JSON, by the exit code, and true."""
    step, code, accepted = ANSWERS[outcome]
    world.provider.then(step)
    done = world.submit("-", "--yes", "--format", "json", given=world.request())
    told = json.loads(done.stdout)["submission"]
    assert (done.returncode, told["outcome"], told["accepted"], told["task_ids"]) == (code, outcome, accepted, [])
    assert (NOT_YET[:21] in told["next"]) is (accepted is None)
    assert world.provider.connections == 1
    if isinstance(step, Reply) and step.status >= 400:
        assert (told["status"], told["message"]) == (step.status, json.loads(step.body)["error"]["message"])


def test_all_outcomes_are_covered_here() -> None:
    """A new kind of outcome needs an exit code and a test."""
    assert {*ANSWERS, "accepted", "not-sent", "blocked", "declined"} == {kind.value for kind in OutcomeKind}


def test_a_crash_after_the_request_was_sent_hides_no_job(world: World) -> None:
    """The last net: what breaks here (Python's own zlib, in this process) is told beside what may have become of it."""
    packed = gzip.compress(b'{"data": [{"task_id": "task_1"}]}')
    world.provider.then(Reply(200, packed))
    code = f"""if True:
        import zlib
        def broken(**_):
            raise ArithmeticError({KEY!r})
        zlib.decompressobj = broken
        from preflight.cli import main
        main(["submit", "-", "--yes", "--format", "json", "--allow-private"])
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=json.dumps(world.request()),
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
        env=world.environment(),
    )
    told = json.loads(done.stdout)["submission"]
    assert (done.returncode, told["outcome"], told["accepted"]) == (16, "unanswered", None)
    assert NOT_YET[:21] in told["next"]
    assert "ArithmeticError at" in told["message"]
    assert KEY not in done.stdout + done.stderr
    assert len(world.provider.asked) == 1


def test_a_task_beside_an_error_is_on_the_screen(world: World) -> None:
    """A duplicate may be the job of an earlier attempt."""
    world.provider.then(Reply(409, b'{"error": {"message": "duplicate"}, "task_id": "task_7"}'))
    done = world.submit("-", "--yes", "-q", given=world.request())
    assert done.returncode == 17
    assert "It names a task: task_7." in done.stdout


def test_a_timeout_before_and_after(world: World) -> None:
    """No connection: safe to repeat. No answer: maybe not. Each in words, with its code."""
    nobody = world.submit("-", "--yes", "--base-url", _closed(), given=world.request())
    world.provider.then(Trouble("before-reading", "silence"))
    silent = world.submit("-", "--yes", "--answer-timeout", "0.5", given=world.request())
    assert (nobody.returncode, silent.returncode) == (15, 16)
    assert "It is safe to submit again." in nobody.stdout
    assert NOT_YET in " ".join(silent.stdout.split())
    assert (world.provider.connections, world.provider.jobs) == (1, {})


QUIET: dict[str, tuple[Reply | Trouble, str]] = {
    "provider-error": (Reply(500, b""), "? The provider failed (status 500), and there may be a job."),
    "unanswered": (
        Trouble("after-reading", "close"),
        (
            "? The request was sent and no answer came, so it may have been accepted: "
            "the connection broke before the answer was complete"
        ),
    ),
    "not-understood": (
        Reply(200, b"<html>hello</html>"),
        "? The answer is none that the provider's page describes (status 200), and there may be a job.",
    ),
    "no-api-there": (
        Reply(404, b'{"error": "no such page"}'),
        "✗ The answer is none that the provider's page describes (status 404): no such page",
    ),
    "task-beside-an-error": (
        Reply(409, b'{"error": "duplicate", "task_id": "task_7"}'),
        (
            "? The answer is none that the provider's page describes (status 409), and there may be a job. "
            "It names a task: task_7. In words: duplicate"
        ),
    ),
}


@pytest.mark.parametrize("case", QUIET)
def test_one_line_tells_what_happened_why_and_whether_there_may_be_a_job(world: World, case: str) -> None:
    """With -q nothing else tells it: no advice stands below."""
    step, line = QUIET[case]
    world.provider.then(step)
    done = world.submit("-", "--yes", "-q", given=world.request())
    assert done.stdout.splitlines()[1:] == [line]


def test_one_line_of_chinese(world: World) -> None:
    """A full-width colon joins what happened and why."""
    done = world.submit("-", "--yes", "-q", "--lang", "zh", "--base-url", _closed(), given=world.request())
    assert done.stdout.splitlines()[1:] == ["✗ 没有向服务商发送任何内容：服务器拒绝这个端口上的连接"]


def test_a_refusal_of_the_upstream_names_the_rule(world: World) -> None:
    """What the provider found against our verdict is told in its words and in ours."""
    done = world.submit("-", "--yes", "--ignore", "video-too-short", given=world.request("short-2s"))
    assert done.returncode == 10
    assert "Video duration can not less than 3s" in done.stdout
    assert re.search(r"rules\s+video-too-short", done.stdout)


def test_a_rate_limit_is_waited_for_with_a_line(world: World) -> None:
    """Put off once, accepted then; the wait is told on standard error."""
    world.provider.then(replace(PAGE[429], headers=(("Retry-After", "1"),)))
    done = world.submit("-", "--yes", "--format", "json", given=world.request())
    told = json.loads(done.stdout)["submission"]
    assert (done.returncode, told["outcome"], told["attempts"]) == (0, "accepted", 2)
    assert "attempt 2 in 1 s" in done.stderr
    assert len(world.provider.jobs) == 1


@pytest.mark.parametrize(("sink", "code"), [("/dev/full", 2), ("/dev/null", 0)])
@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_job_is_never_lost_with_the_output(world: World, tmp_path: Path, sink: str, code: int, format_: str) -> None:
    """The report may go where it likes; the task that was paid for is told on standard error then."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(world.request()), "utf-8")
    with Path(sink).open("wb") as nowhere:
        done = subprocess.run(
            [*ME, "submit", str(path), "--yes", "--allow-private", "--format", format_],
            stdin=subprocess.DEVNULL,
            stdout=nowhere,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
            env=world.environment(),
        )
    told = done.stderr.decode()
    assert done.returncode == code
    assert [task for task in world.provider.jobs if task not in told] == []
    assert len(world.provider.jobs) == int(code == 0 or format_ == "json")


def test_a_wrong_key_is_refused_and_not_shown(world: World) -> None:
    """The stand-in really looks at the key; a log at the finest level does not hold it."""
    wrong = "sk-wrong-ffff0000ffff0000"
    env = {"PREFLIGHT_API_KEY": wrong, "PREFLIGHT_DEBUG": "1"}
    done = world.submit("-", "--yes", "--log", "-", env=env, given=world.request())
    assert done.returncode == 11
    assert wrong not in done.stdout + done.stderr
    assert '"event": "answer"' in done.stderr


# ------------------------------------------------------------------------------------------- a terminal


CTRL_C = b"\x03"


def _on_terminal(world: World, path: Path, answer: bytes, until: bytes = b"[y/N]") -> tuple[int, str]:
    """Run on a terminal of its own, type `answer` once `until` has been shown; exit code and screen."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*ME, "submit", str(path), "--allow-private"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=world.environment(TERM="xterm", COLUMNS="100"),
        start_new_session=True,
    ) as process:
        os.close(follower)
        screen, typed, deadline = b"", False, time.monotonic() + 30
        while time.monotonic() < deadline:
            if answer == CTRL_C and until in screen:
                # Nobody's controlling terminal makes no signal of it. One that comes just before the wait for a key
                # begins is heard with the next key, so it is pressed again.
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)
            elif not typed and until in screen:
                os.write(leader, answer)
                typed = True
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    screen += os.read(leader, 65536)
                except OSError:  # the other end is closed
                    break
        os.close(leader)
        return process.wait(10), screen.decode()


@pytest.mark.parametrize(
    ("answer", "code", "jobs"), [(b"y\n", 0, 1), (b"n\n", 130, 0), (b"\n", 130, 0), (b"\x04", 130, 0)]
)
def test_the_question(world: World, tmp_path: Path, answer: bytes, code: int, jobs: int) -> None:
    """The estimate stands before the question; only a yes submits."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(world.request()), "utf-8")
    left, screen = _on_terminal(world, path, answer)
    assert (left, len(world.provider.jobs)) == (code, jobs)
    assert re.search(r"billed 8\.000 s.*\s+Submit\? \[y/N\]", screen)


def test_ctrl_c_at_the_question(world: World, tmp_path: Path) -> None:
    """The last line says that nothing was sent."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(world.request()), "utf-8")
    left, screen = _on_terminal(world, path, CTRL_C)
    assert (left, world.provider.connections) == (130, 0)
    assert screen.endswith("preflight submit: interrupted; nothing was sent\r\n")


@pytest.mark.parametrize("sent", [True, False])
def test_ctrl_c(world: World, tmp_path: Path, sent: bool) -> None:
    """While the POST is under way there may be a job, and it says so; while it waits its turn there is none."""
    world.provider.then(
        Trouble("after-reading", "silence") if sent else replace(PAGE[429], headers=(("Retry-After", "50"),))
    )
    path = tmp_path / "request.json"
    path.write_text(json.dumps(world.request()), "utf-8")
    with subprocess.Popen(
        [*ME, "submit", str(path), "--yes", "--allow-private"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=world.environment(),
    ) as process:
        assert process.stderr is not None
        if sent:
            _wait_for(lambda: world.provider.asked)
        else:
            process.stderr.readline()  # "… attempt 2 in 50 s"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=10)[1].decode()
    assert process.returncode == 130
    assert (NOT_YET in said) is sent
    assert ("nothing was accepted" in said) is not sent


def test_ctrl_c_before_anything_was_sent(world: World, tmp_path: Path) -> None:
    """While media are fetched nothing can have been sent."""
    slow = world.media.serve("slow.mp4", (MEDIA / "dance-8s.mp4").read_bytes(), behaviour=Drip())
    path = tmp_path / "request.json"
    path.write_text(json.dumps(world.request() | {"video_url": slow}), "utf-8")
    with subprocess.Popen(
        [*ME, "submit", str(path), "--yes", "--allow-private"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=world.environment(),
    ) as process:
        _wait_for(lambda: world.media.asked("slow.mp4"))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=10)[1].decode()
    assert (process.returncode, said) == (130, "preflight submit: interrupted; nothing was sent\n")
    assert world.provider.connections == 0


def _wait_for(what: Any) -> None:
    deadline = time.monotonic() + 20
    while not what() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert what()


# ------------------------------------------------------------------------------------------- explain


def explain(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ME, "explain", *words], capture_output=True, check=False, timeout=60, text=True, encoding="utf-8"
    )


def test_explain_takes_an_error_text() -> None:
    """A text of the upstream leads to the rule's story; one that no rule can know leads to advice."""
    short = explain("Video duration can not less than 3s")
    body = explain("Image recognition failed. No complete upper body detected in the image.")
    wire = json.loads(
        explain("task failed with status: FAIL, message: Image pixel is invalid", "--format", "json").stdout
    )
    assert (short.returncode, body.returncode) == (0, 0)
    assert "video-too-short  error" in short.stdout
    assert "ffmpeg" in short.stdout
    assert "head, shoulders and torso" in " ".join(body.stdout.split())
    assert (wire["id"], wire["refusal"]["rules"][1]) == ("image-side-too-small", "image-side-too-large")


@pytest.mark.parametrize("text", ["no text of anybody", "什么都不是"])
def test_explain_does_not_guess(text: str) -> None:
    """A text that nobody has seen is told as such."""
    done = explain(text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no rule is known for this text" in done.stderr
