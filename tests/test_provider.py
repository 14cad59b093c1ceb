"""The provider's answers, and the client that submits: no answer is too strange, no POST is sent twice by mistake."""

from __future__ import annotations

import gzip
import io
import json
import logging
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.errors import UsageError
from preflight.log import log_to
from preflight.printable import clean
from preflight.provider.answers import LONGEST_BODY, Outcome, OutcomeKind, advice, headline, read_answer
from preflight.provider.client import Attempt, Endpoint, encode, endpoint, submit
from preflight.provider.refusals import refusal_of, refusals
from preflight.rules import rule_by_id
from tests.provider import PAGE, Provider, Reply, Trouble
from tests.proxies import Proxy
from tests.servers import Certificates, MediaServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEY = "sk-test-0123456789abcdef0123456789"
SIGNED = "https://media.example.com/a.mp4?X-Amz-Signature=5d672d79c15b13162d9279b0855cfba6"
ACCEPTED = b'{"code": 200, "data": [{"status": "submitted", "task_id": "task_01J9HA7JPQ9A0Z6JZ3V8M9W6PZ"}]}'
K = OutcomeKind


# ------------------------------------------------------------------------------------------- answers


def test_the_page_s_success() -> None:
    """A task id is what it is all about."""
    outcome = read_answer(200, ACCEPTED)
    assert (outcome.kind, outcome.accepted) == (K.ACCEPTED, True)
    assert outcome.task_ids == ("task_01J9HA7JPQ9A0Z6JZ3V8M9W6PZ",)
    assert "task_01J9HA7JPQ9A0Z6JZ3V8M9W6PZ" in headline(outcome)


@pytest.mark.parametrize(
    ("status", "kind", "accepted"),
    [
        (400, K.INVALID_REQUEST, False),
        (401, K.AUTHENTICATION, False),
        (402, K.BALANCE, False),
        (429, K.RATE_LIMITED, False),
        (500, K.PROVIDER_ERROR, None),
    ],
)
def test_the_page_s_errors(status: int, kind: OutcomeKind, accepted: bool | None) -> None:
    """Each of the page's error bodies; after a failure of the server nobody knows whether there is a job."""
    body = PAGE[status].body
    outcome = read_answer(status, body)
    assert (outcome.kind, outcome.accepted, outcome.status) == (kind, accepted, status)
    assert outcome.message == json.loads(body)["error"]["message"]
    assert ("look at your tasks" in advice(outcome)) is (accepted is None)


@pytest.mark.parametrize(
    ("status", "body", "kind", "accepted"),
    [
        (200, b"", K.NOT_UNDERSTOOD, None),
        (200, b"<!DOCTYPE html><html><body>Sign in</body></html>", K.NOT_UNDERSTOOD, None),
        (200, ACCEPTED[:40], K.NOT_UNDERSTOOD, None),
        (200, b"[1, 2]", K.NOT_UNDERSTOOD, None),
        (200, b'{"ok": true}', K.NOT_UNDERSTOOD, None),
        (200, b'{"code": 200, "data": []}', K.NOT_UNDERSTOOD, None),
        (200, b'{"code": 200, "data": [{"status": "submitted", "task_id": null}]}', K.NOT_UNDERSTOOD, None),
        (200, b"[" * 100_000, K.NOT_UNDERSTOOD, None),
        (200, b'{"code": ' + b"9" * 10_000 + b"}", K.NOT_UNDERSTOOD, None),
        (200, b'{"code": "' + b"9" * 10_000 + b'"}', K.NOT_UNDERSTOOD, None),
        (200, b'{"code": "000404' + b"4" * 5000 + b'"}', K.NOT_UNDERSTOOD, None),
        (200, b'{"code": "0004044"}', K.NOT_UNDERSTOOD, None),
        (200, PAGE[402].body, K.BALANCE, False),
        (200, b'{"code": 429, "message": "slow down"}', K.RATE_LIMITED, False),
        (200, b'{"error": {"code": "x", "type": "authentication_error"}}', K.AUTHENTICATION, False),
        (200, b'{"error": {"code": 500, "message": "broken"}}', K.PROVIDER_ERROR, None),
        (200, b'{"code": 200, "error": "odd"}', K.NOT_UNDERSTOOD, None),
        (202, b'{"data": {"task_id": "t1"}}', K.ACCEPTED, True),
        (200, b'{"task_id": 17}', K.ACCEPTED, True),
        (302, b"", K.NOT_UNDERSTOOD, None),
        (400, b"<html>", K.INVALID_REQUEST, False),
        (403, b'{"message": "no"}', K.AUTHENTICATION, False),
        (404, b"not here", K.NOT_UNDERSTOOD, False),
        (408, b"<html>Request Timeout</html>", K.NOT_UNDERSTOOD, None),
        (409, b'{"message": "duplicate request"}', K.NOT_UNDERSTOOD, None),
        (418, b"{}", K.NOT_UNDERSTOOD, False),
        (422, b'{"detail": "video_duration_too_long"}', K.INVALID_REQUEST, False),
        (502, b"<html>Bad Gateway</html>", K.PROVIDER_ERROR, None),
        (504, b"", K.PROVIDER_ERROR, None),
    ],
)
def test_other_answers(status: int, body: bytes, kind: OutcomeKind, accepted: bool | None) -> None:
    """Gateways, relays and broken bodies: the status decides, and a doubt is told as a doubt."""
    outcome = read_answer(status, body)
    assert (outcome.kind, outcome.accepted) == (kind, accepted)
    assert ("look at your tasks" in advice(outcome)) is (accepted is None)
    assert ("Nothing was accepted" in advice(outcome)) is (accepted is False)


@pytest.mark.parametrize("status", [302, 400, 408, 409, 429, 500])
def test_a_task_beside_an_error_is_told(status: int) -> None:
    """There may be a job then, and this is its name."""
    outcome = read_answer(status, b'{"error": {"message": "already there"}, "task_id": "task_7"}')
    kind = K.PROVIDER_ERROR if status == 500 else K.NOT_UNDERSTOOD
    assert (outcome.kind, outcome.accepted, outcome.task_ids) == (kind, None, ("task_7",))
    assert "task_7" in headline(outcome)
    assert "look at your tasks" in advice(outcome)


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("cgt-20261122101512-abcde", KEY),
        ("task_01", "task"),
        ("task_01", "sk-task-01"),
        ("ABCDEFGH.video:20261122", "sk-abcdefgh-20261122"),
        ("a" * 200, KEY),
    ],
)
def test_a_task_s_id_is_told_whole(task: str, key: str) -> None:
    """The job is paid for, and found by nothing else: what stands in a URL or in a key as well is no secret here."""
    body = json.dumps({"data": [{"task_id": task}]}).encode()
    outcome = read_answer(200, body, key=key, urls=["https://media.example.com/a.mp4?v=20261122&w=ABCDEFGH"])
    assert outcome.task_ids == (task,)


def test_a_key_is_no_task_s_id() -> None:
    """The whole key goes, also where it stands in place of an id."""
    body = json.dumps({"data": [{"task_id": f"t-{KEY.upper()}"}]}).encode()
    (shown,) = read_answer(200, body, key=KEY).task_ids
    assert shown.startswith("t-")
    assert KEY[3:] not in shown.lower()


def test_a_stranger_s_words_are_made_safe() -> None:
    """No key, no signature, no control character and no flood of text gets out of an answer."""
    said = f"\x1b[2J bad key {KEY.upper()} for {SIGNED} or 5d672d79c15b13162d9279b0855cfba6\n{'x' * 9000}"
    for body in ({"error": {"message": said}}, {"data": [{"task_id": said}]}):
        outcome = read_answer(200, json.dumps(body).encode(), key=KEY, urls=[SIGNED])
        (shown,) = outcome.task_ids or (outcome.message,)
        assert shown is not None
        assert shown.isprintable()
        assert len(shown) <= 300
        assert "0123456789abcdef" not in shown.lower()
        assert "5d672d79" not in shown


@given(st.integers(200, 599), st.one_of(st.binary(max_size=300), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "data", "code", "type", "message", "msg", "task_id", "detail"]), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_no_answer_is_too_strange(status: int, body: bytes) -> None:
    """Whatever comes, there is one outcome; accepted only with a task, and every text of it is one printable line."""
    outcome = read_answer(status, body)
    succeeded = 200 <= status < 300
    assert (outcome.accepted is True) == (bool(outcome.task_ids) and succeeded) == (outcome.kind is K.ACCEPTED)
    assert outcome.accepted is not False or not outcome.task_ids
    assert all(clean(text, None) == text for text in (*outcome.task_ids, outcome.message or "", headline(outcome)))
    assert json.loads(json.dumps(outcome.wire()))["outcome"] == outcome.kind


# ------------------------------------------------------------------------------------------ refusals


def test_every_known_refusal_is_found_by_each_of_its_texts() -> None:
    """The data holds: rules exist, texts find their entry and no other, and what no rule knows has advice."""
    for refusal in refusals():
        assert all(rule_by_id(rule) for rule in refusal.rules)
        assert refusal.rules or refusal.advice
        assert refusal.source
        assert [text for text in refusal.texts if refusal_of(text) is not refusal] == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Video duration can not less than 3s", "video-too-short"),
        ("VIDEO DURATION CANNOT BE LESS THAN 3.0 SECONDS!", "video-too-short"),
        ("task failed with status: FAIL, message: Video duration can not longer than 30.0s", "video-too-long"),
        ("Video duration can not longer than 10s", "video-too-long"),
        ("参考视频时长不能小于 ３ 秒。", "video-too-short"),
        ("视频时长不能超过10秒", "video-too-long"),
        ("Image pixel is invalid", "image-side-too-small"),
        ("image size is too large", "image-too-large"),
        ("provider_error=File is not in a valid base64 format", "request-media-inline"),
        ('{"type": "file_download_error", "msg": "Failed to download the file…"}', "url-not-public"),
        ('{"code":1201,"message":"what now"}', "request-field-value"),
        ("错误码：1201", "request-field-value"),
    ],
)
def test_refusals_in_the_wild(text: str, rule: str) -> None:
    """Case, numbers, punctuation, wrappers and language do not matter."""
    refusal = refusal_of(text)
    assert refusal is not None
    assert refusal.rules[0] == rule


@pytest.mark.parametrize("text", ["", "Video", "less than 3s", "your clip is lovely", "视频", "task_1201", "∞" * 9])
def test_an_unknown_text_is_not_guessed_at(text: str) -> None:
    """A piece of a known text is not that text."""
    assert refusal_of(text) is None


# ------------------------------------------------------------------------------------------ the client


@pytest.fixture(name="provider")
def _provider() -> Iterator[Provider]:
    with Provider(KEY) as running:
        yield running


class Pauses(list[float]):
    """Stands in the place of the wait: notes what would be waited."""

    def __call__(self, seconds: float, number: int) -> None:
        """Note it."""
        assert number == len(self) + 2
        self.append(seconds)


BODY = encode(
    {"model": "x", "prompt": "挥手", "image_url": "http://127.0.0.1:9/a", "video_url": "http://127.0.0.1:9/b"}
)


def post(provider: Provider, *, timeout: float = 5.0, max_wait: float = 60.0) -> tuple[Outcome, Pauses]:
    pauses = Pauses()
    to = endpoint(provider.base, KEY, timeout=timeout)
    return submit(BODY, to, pause=pauses, max_wait=max_wait), pauses


def test_one_post_with_what_was_given(provider: Provider) -> None:
    """The body arrives as it was encoded, with the key where the page wants it, on one connection."""
    provider.then(Reply(200, ACCEPTED))
    outcome, _ = post(provider)
    (asked,) = provider.asked
    assert (outcome.kind, outcome.attempts, provider.connections) == (K.ACCEPTED, 1, 1)
    assert (asked.method, asked.path, asked.body) == ("POST", "/v1/videos/generations", BODY)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [400, 401, 402, 500])
def test_an_answered_post_is_not_repeated(provider: Provider, status: int) -> None:
    """Every error of the page but 429 is final."""
    provider.then(PAGE[status])
    outcome, pauses = post(provider)
    assert (outcome.status, len(provider.asked), pauses) == (status, 1, [])


@pytest.mark.parametrize("when", ["before-reading", "after-reading"])
@pytest.mark.parametrize("how", ["silence", "close", "reset"])
def test_a_post_without_an_answer_may_have_arrived(provider: Provider, when: Any, how: Any) -> None:
    """Once a byte has left, no error of the connection proves that nothing arrived: told so, and never repeated."""
    provider.then(Trouble(when, how))
    outcome, _ = post(provider, timeout=0.5)
    assert (outcome.kind, outcome.accepted, provider.connections) == (K.UNANSWERED, None, 1)
    assert "may have been accepted" in headline(outcome)
    assert "look at your tasks before you submit again" in advice(outcome)


def test_a_closed_connection_is_told_apart_from_what_is_no_answer(provider: Provider) -> None:
    """Closed without a byte, closed within the body: it broke. The library has one kind of error for both."""
    provider.then(Trouble("after-reading", "close"), Reply(200, ACCEPTED, cut=30))
    broke = "the connection broke before the answer was complete"
    assert [post(provider)[0].message for _ in range(2)] == [broke, broke]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stranger = Thread(target=_greet, args=(listener,))
        stranger.start()
        to = endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", KEY, timeout=5)
        outcome = submit(encode({}), to, pause=lambda *_: None)
        stranger.join()
    assert (outcome.kind, outcome.message) == (K.UNANSWERED, "what it sends cannot be read as an answer")


def _greet(listener: socket.socket) -> None:
    """Speak first, as mail servers do."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")


def test_an_answer_that_breaks_off_keeps_its_status(provider: Provider) -> None:
    """Half a success is a doubt; half a refusal is a refusal."""
    provider.then(Reply(200, ACCEPTED, cut=30), replace(PAGE[400], cut=5))
    half, refused = post(provider)[0], post(provider)[0]
    assert (half.kind, half.accepted) == (K.NOT_UNDERSTOOD, None)
    assert (refused.kind, refused.accepted) == (K.INVALID_REQUEST, False)


def test_an_answer_that_never_ends_ends_here(provider: Provider) -> None:
    """More than an answer can hold is not read, and a compressed bomb is not unpacked."""
    bomb = gzip.compress(b'{"data": [' + b"0," * 20_000_000)
    provider.then(Reply(200, b"x" * 5_000_000), Reply(200, bomb), Reply(200, gzip.compress(ACCEPTED)))
    assert [post(provider)[0].kind for _ in range(3)] == [K.NOT_UNDERSTOOD, K.NOT_UNDERSTOOD, K.ACCEPTED]
    assert len(bomb) > LONGEST_BODY // 2


@pytest.mark.parametrize(("part", "kind"), [("head", K.UNANSWERED), ("body", K.NOT_UNDERSTOOD)])
def test_an_answer_that_drips_ends_at_the_deadline(provider: Provider, part: Any, kind: OutcomeKind) -> None:
    """The timeout is for the whole answer, not for each byte of it."""
    provider.then(Reply(200, b" " * 1000, drip=part))
    started = time.monotonic()
    outcome, _ = post(provider, timeout=0.5)
    assert (outcome.kind, outcome.accepted) == (kind, None)
    assert time.monotonic() - started < 5


# ------------------------------------------------------------------------------------- nothing was sent


def test_a_closed_port_is_safe_to_repeat() -> None:
    """Refused: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = submit(BODY, endpoint(f"http://127.0.0.1:{port}", KEY), pause=Pauses())
    assert (outcome.kind, outcome.accepted, outcome.message) == (
        K.NOT_SENT,
        False,
        "the server refuses connections at this port",
    )
    assert "safe to submit again" in advice(outcome)


def test_a_connect_that_is_never_answered_is_safe_to_repeat() -> None:
    """A listener whose queue is full drops the call: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        outcome = submit(BODY, endpoint(f"http://127.0.0.1:{address[1]}", KEY, timeout=0.5), pause=Pauses())
        for filler in fillers:
            filler.close()
    assert (outcome.kind, outcome.accepted) == (K.NOT_SENT, False)


def test_a_certificate_that_fails_keeps_the_key_home() -> None:
    """The key does not travel to a server that cannot prove itself."""
    with MediaServer(tls=Certificates().untrusted()) as server:
        outcome = submit(BODY, endpoint(server.base, KEY), pause=Pauses())
    assert (outcome.kind, outcome.accepted, server.log) == (K.NOT_SENT, False, [])
    assert "authority" in (outcome.message or "")


def test_a_server_that_does_not_speak_tls_gets_nothing(provider: Provider) -> None:
    """Silent in the handshake: nothing of the request was sent."""
    provider.then(Trouble("before-reading", "silence"))
    to = endpoint(provider.base.replace("http:", "https:"), KEY, timeout=0.5)
    assert submit(BODY, to, pause=Pauses()).kind is K.NOT_SENT


def test_over_tls_and_through_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an authority that the environment names, and through its proxy, as behind a company's gateway."""
    certificates = Certificates()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.write_authority(tmp_path)))
    with (
        MediaServer(tls=certificates.good()) as here,
        MediaServer(tls=certificates.wrong_host()) as there,
        Proxy({"elsewhere.example": ("127.0.0.1", there.port)}) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        bases = (here.base, f"https://elsewhere.example:{there.port}")
        outcomes = [submit(BODY, endpoint(base, KEY), pause=Pauses()) for base in bases]
    assert [outcome.status for outcome in outcomes] == [404, 404]
    assert [server.log[0].method for server in (here, there)] == ["POST", "POST"]
    assert proxy.asked == [f"elsewhere.example:{there.port}"]


def test_a_proxy_that_refuses_has_seen_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is used for https, and sees a tunnel only; loopback goes past it."""
    with Proxy({}, refuses=True) as proxy, Provider(KEY) as provider:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        outcome = submit(BODY, endpoint("https://provider.example", KEY), pause=Pauses())
        provider.then(Reply(200, ACCEPTED))
        direct, _ = post(provider)
    assert (outcome.kind, outcome.accepted) == (K.NOT_SENT, False)
    assert (proxy.asked, direct.kind) == (["provider.example:443"], K.ACCEPTED)


def test_a_proxy_of_another_kind_is_told_before_anything_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS is not spoken here: one line instead of a crash after the check, and it blames whoever named the proxy."""
    socks = "socks5://me:secret@127.0.0.1:1080"
    with pytest.raises(UsageError, match="proxy is the URL of an HTTP proxy") as told:
        endpoint("https://provider.example", KEY, proxy=socks)
    assert "secret" not in str(told.value)
    monkeypatch.setenv("ALL_PROXY", socks)
    with pytest.raises(UsageError, match="HTTPS_PROXY"):
        endpoint("https://provider.example", KEY)


@pytest.mark.parametrize(("text", "says"), [(None, "No such file"), ("no certificate", "no certificate in it")])
def test_authorities_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, says: str
) -> None:
    """A fault of the environment, told before anything is fetched."""
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(UsageError, match=f"SSL_CERT_FILE.*{says}"):
        endpoint("https://provider.example", KEY)


# ----------------------------------------------------------------------------------------- rate limits


def rate_limit(value: str | None) -> Reply:
    return PAGE[429] if value is None else replace(PAGE[429], headers=(("Retry-After", value),))


def test_a_rate_limit_is_waited_for(provider: Provider) -> None:
    """As long as it says: in seconds, as a date, or, when it says nothing, ever longer."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    provider.then(rate_limit("7"), rate_limit(date), rate_limit(None), rate_limit("0"), Reply(200, ACCEPTED))
    outcome, pauses = post(provider, max_wait=500)
    assert (outcome.kind, outcome.attempts, len(provider.asked)) == (K.ACCEPTED, 5, 5)
    assert pauses[0] == 7
    assert 27 <= pauses[1] <= 30
    assert pauses[2:] == [20, 0.5]


@pytest.mark.parametrize(("value", "max_wait", "times"), [("0", 60, 5), ("3600", 60, 1), ("20", 50, 3), ("1e9", 4, 1)])
def test_a_rate_limit_is_given_up_on(provider: Provider, value: str, max_wait: float, times: int) -> None:
    """Bounded in number and in time; and a pause that is too long is not even begun."""
    provider.then(*[rate_limit(value)] * 9)
    outcome, pauses = post(provider, max_wait=max_wait)
    assert (outcome.kind, outcome.attempts, len(provider.asked)) == (K.RATE_LIMITED, times, times)
    assert sum(pauses) <= max_wait


def test_a_rate_limit_inside_a_success_is_not_repeated(provider: Provider) -> None:
    """Only the status says for sure that the job was not taken."""
    provider.then(Reply(200, PAGE[429].body))
    outcome, _ = post(provider)
    assert (outcome.kind, len(provider.asked)) == (K.RATE_LIMITED, 1)


def test_a_rate_limit_that_names_a_task_is_not_repeated(provider: Provider) -> None:
    """There may be that job."""
    provider.then(replace(PAGE[429], body=b'{"task_id": "task_7"}', headers=(("Retry-After", "0"),)))
    outcome, _ = post(provider)
    assert (outcome.kind, outcome.task_ids, len(provider.asked)) == (K.NOT_UNDERSTOOD, ("task_7",), 1)


def test_a_post_that_failed_after_a_rate_limit_is_not_repeated(provider: Provider) -> None:
    """What is put off may be asked again; what went unanswered may not."""
    provider.then(rate_limit("1"), Trouble("after-reading", "reset"))
    outcome, _ = post(provider)
    assert (outcome.kind, outcome.attempts, len(provider.asked)) == (K.UNANSWERED, 2, 2)


# ------------------------------------------------------------------------------------ the key, the way


def test_a_redirect_is_not_followed(provider: Provider) -> None:
    """The key goes to the host that its user chose, and to no other."""
    with Provider(KEY) as elsewhere:
        provider.then(Reply(307, b"", (("Location", f"{elsewhere.base}/v1/videos/generations"),)))
        outcome, _ = post(provider)
        assert (outcome.kind, outcome.status, elsewhere.connections) == (K.NOT_UNDERSTOOD, 307, 0)


@pytest.mark.parametrize("place", ["http://xn--/", "http://\xe2\x98\x83.com/", "http://[", "//", "http://a:b/"])
def test_a_redirect_to_nowhere_is_an_answer(provider: Provider, place: str) -> None:
    """Its host is not looked at: it was reached, and what it said is its status."""
    provider.then(Reply(302, b"", (("Location", place),)))
    outcome, _ = post(provider)
    assert (outcome.kind, outcome.accepted, outcome.status, outcome.message) == (K.NOT_UNDERSTOOD, None, 302, None)


def test_the_key_is_in_no_log_and_no_repr(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """Neither ours nor a library's, at the finest level, whatever the server repeats."""
    caplog.set_level(logging.DEBUG)
    provider.then(Reply(400, json.dumps({"error": {"message": f"wrong key {KEY}"}}).encode()))
    lines = io.StringIO()
    with log_to(lines):
        outcome, _ = post(provider)
    told = [caplog.text, lines.getvalue(), repr(outcome), repr(endpoint(provider.base, KEY))]
    assert lines.getvalue().count("\n") >= 2
    assert outcome.message is not None
    assert "wrong key" in outcome.message
    assert [text for text in told if KEY[3:] in text] == []


@pytest.mark.parametrize("key", [None, "", "  ", "two words", "Bearer sk-1", "line\nbreak", "ключ", "x" * 5000])
def test_no_key_or_none_that_is_one(key: str | None) -> None:
    """Wrong usage that names the variable, and never the value."""
    with pytest.raises(UsageError, match="PREFLIGHT_API_KEY") as told:
        endpoint("https://xcompute.us", key)
    assert not key or not key.strip() or key.strip() not in str(told.value)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://xcompute.us", "https://xcompute.us/v1/videos/generations"),
        ("https://xcompute.us/", "https://xcompute.us/v1/videos/generations"),
        ("https://xcompute.us/v1", "https://xcompute.us/v1/videos/generations"),
        ("https://xcompute.us/v1/videos/generations", "https://xcompute.us/v1/videos/generations"),
        ("https://gateway.example/kling", "https://gateway.example/kling/v1/videos/generations"),
        ("http://localhost:8080", "http://localhost:8080/v1/videos/generations"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/videos/generations"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/videos/generations"),
    ],
)
def test_base_urls(base: str, url: str) -> None:
    """As people write them."""
    assert endpoint(base, f" {KEY}\n") == Endpoint(url, KEY)


@pytest.mark.parametrize(
    "base",
    [
        "http://xcompute.us",
        "HTTP://xcompute.us",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "ftp://xcompute.us",
        "xcompute.us",
        "https://user:secretpassword@xcompute.us",
        "https://xcompute.us?token=secretpassword",
        "https://",
        "https://xcompute.us#a",
        "",
    ],
)
def test_base_urls_that_would_carry_the_key_astray(base: str) -> None:
    """Plain http beyond loopback, or no address at all; what is quoted is redacted."""
    with pytest.raises(UsageError) as told:
        endpoint(base, KEY)
    assert "secretpassword" not in str(told.value)


@pytest.mark.parametrize(
    "request_",
    [
        {"video_url": "clip.mp4"},
        {"image_url": "/home/a.png", "video_url": "https://example.com/a.mp4"},
        {"prompt": {1, 2}},
        {"prompt": b"bytes"},
        {"prompt": float("nan")},
    ],
)
def test_what_cannot_be_submitted(request_: Mapping[str, object]) -> None:
    """A local file, or a value that JSON has not."""
    with pytest.raises(UsageError):
        encode(request_)


def test_an_interrupter_knows_how_far_it_is(provider: Provider) -> None:
    """Nothing sent, refused, accepted: only what may exist is told as such."""
    attempts = []
    for step in (Reply(200, ACCEPTED), PAGE[400], PAGE[500]):
        provider.then(step)
        attempts.append(Attempt())
        submit(BODY, endpoint(provider.base, KEY), pause=Pauses(), attempt=attempts[-1])
    assert [attempt.sent for attempt in attempts] == [True, False, True]
