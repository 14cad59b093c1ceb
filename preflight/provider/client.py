"""Submits a request, once: a POST that may have reached the server is never repeated.

What was sent is known exactly, not guessed from the kind of an error: the HTTP library tells when it hands the first
byte of the request to the connection. Before that, nothing was sent, and repeating is safe; after it, only an answer
tells whether there is a job. The one thing that is repeated is a request that the provider itself put off (429).

This is another client than the one that fetches media: it talks to one endpoint that its user chose, with a key. So
private addresses are allowed, redirects are not followed (they would carry the key elsewhere), plain http is for
loopback only, and the environment's proxies and certificate authorities are honoured for https, where a proxy sees a
tunnel and no key. Loopback is always reached directly.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from preflight import __version__
from preflight.deliver.failure import failure_of
from preflight.deliver.headers import retry_after
from preflight.deliver.library import httpx
from preflight.deliver.url import host_of, is_url, literal_address, redact, url_fault
from preflight.errors import UsageError
from preflight.language import later, say, told
from preflight.log import log
from preflight.printable import clean
from preflight.provider import ANSWER_SECONDS, BASE_URL, WAIT_SECONDS
from preflight.provider.answers import LONGEST_BODY, Outcome, OutcomeKind, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PATH = "/v1/videos/generations"
_CONNECT_SECONDS = 15.0
_ATTEMPTS = 5
#: The one status after which a POST is repeated: the provider has read it, and says that it did not take it.
_PUT_OFF = 429
#: Pauses where the provider names none: the first, and each next one twice as long (seconds).
_FIRST_PAUSE, _SHORTEST_PAUSE = 5.0, 0.5
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
#: What ends a request without an answer, in the library and below it.
_LOST = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
_SILENT = "the server did not answer in time"
#: How the library says that the other side closed the connection; what is no HTTP is an error of the same kind.
_CLOSED = ("Server disconnected", "peer closed connection")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to submit, and as whom. The key is in no repr."""

    url: str
    key: str = field(repr=False)
    proxy: str | None = field(default=None, repr=False)
    timeout: float = ANSWER_SECONDS


@dataclass(slots=True)
class Attempt:
    """How far the running POST has come, for whoever may have to interrupt it."""

    sent: bool = False
    """Its first byte was handed to the connection, and no answer has said that it was not accepted."""
    refused: bool = False
    """It was sent, or one before it, and an answer said that it was not accepted."""


def endpoint(base_url: str, key: str | None, *, proxy: str | None = None, timeout: float = ANSWER_SECONDS) -> Endpoint:
    """The endpoint at a base URL, made sure of before anything is fetched for it.

    Raises:
        UsageError: there is no key, or one that no header can carry; the key would travel where others read it; or
            there is no way through the proxy, or no certificate authority.
    """
    found = Endpoint(_address(base_url), _checked_key(key), proxy, timeout)
    _client(found)
    return found


def _checked_key(key: str | None) -> str:
    key = (key or "").strip()
    if not key:
        raise UsageError(say("no API key: put it into the environment variable PREFLIGHT_API_KEY"))
    if not _KEY.fullmatch(key):
        raise UsageError(
            say("PREFLIGHT_API_KEY is no key: it holds blanks or signs that none has (the word Bearer is added here)")
        )
    return key


def _address(base_url: str) -> str:
    base = base_url.strip().rstrip("/").removesuffix(_PATH).removesuffix("/v1")
    parts = urlsplit(base) if url_fault(base) is None else None
    if parts is None or parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            say("{url} is no address to submit to; one looks like {example}", url=redact(base_url), example=BASE_URL)
        )
    if parts.scheme.lower() != "https" and not _is_loopback(base):
        raise UsageError(say("{url} is plain http: the API key would travel readable; use https", url=redact(base_url)))
    return base + _PATH


def _is_loopback(url: str) -> bool:
    host = host_of(url) or ""
    address = literal_address(host)
    return address.is_loopback if address else host == "localhost"


def encode(request: Mapping[str, object]) -> bytes:
    """The body to submit: the request as it was given, nothing added and nothing left out.

    Raises:
        UsageError: JSON cannot carry it, or names a file of this machine.
    """
    for name in ("image_url", "video_url"):
        reference = request.get(name)
        if isinstance(reference, str) and reference.strip() and not is_url(reference):
            raise UsageError(
                say("{field} is no URL, and the provider fetches nothing else: upload the file first", field=name)
            )
    try:
        return json.dumps(request, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise UsageError(say("the request holds a value that JSON cannot carry")) from None


def submit(
    body: bytes,
    to: Endpoint,
    *,
    pause: Callable[[float, int], None],
    max_wait: float = WAIT_SECONDS,
    attempt: Attempt | None = None,
) -> Outcome:
    """Submit a body of `encode` and say what became of it; whatever the network or the provider does is an outcome.

    `pause(seconds, number)` lets the time pass that the provider asks for, before attempt `number`; taken together no
    more than `max_wait` seconds.
    """
    running = attempt or Attempt()
    for number in range(1, _ATTEMPTS + 1):
        outcome = replace(asyncio.run(_post(body, to, running)), attempts=number)
        if outcome.status != _PUT_OFF or outcome.accepted is not False or number == _ATTEMPTS:
            break
        asked = _FIRST_PAUSE * 2 ** (number - 1) if outcome.retry_after is None else outcome.retry_after
        seconds = max(asked, _SHORTEST_PAUSE)
        if seconds > max_wait:
            break
        max_wait -= seconds
        log("retry", url=to.url, attempt=number, pause=seconds)
        pause(seconds, number + 1)
    return outcome


async def _post(body: bytes, to: Endpoint, running: Attempt) -> Outcome:
    """One POST. `running.sent` is true while there may be a job, also when an answer has told of it."""
    running.sent = False
    deadline = asyncio.get_running_loop().time() + to.timeout

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        request = info.get("request")  # a tunnel through a proxy begins with a CONNECT, which is not ours
        if event.endswith("send_request_headers.started") and request is not None and request.method == b"POST":
            running.sent = True

    log("request", method="POST", url=to.url, bytes=len(body))
    async with _client(to) as client:
        try:
            request = client.build_request(
                "POST", to.url, content=body, headers=_headers(to.key), extensions={"trace": trace}
            )
            async with asyncio.timeout_at(deadline):
                response = await client.send(request, stream=True)
        except _LOST as error:
            return _unanswered(error, to, sent=running.sent)
        data, fault = await _read(response, deadline)
    outcome = _understood(response, data, fault, body, to)
    running.sent = outcome.accepted is not False
    running.refused |= not running.sent
    log("answer", url=to.url, status=outcome.status, outcome=outcome.kind)
    return outcome


def _unanswered(error: Exception, to: Endpoint, *, sent: bool) -> Outcome:
    log("failure", url=to.url, detail=_fault(error), sent=sent)
    if sent:
        return Outcome(OutcomeKind.UNANSWERED, None, message=clean(told(_fault(error))))
    return Outcome(OutcomeKind.NOT_SENT, False, message=clean(told(_fault(error))))


def _fault(error: Exception) -> str:
    """What went wrong on the way, in words of ours: a library's may hold the key."""
    if isinstance(error, TimeoutError):
        return _SILENT
    return failure_of(error, lost=str(error).startswith(_CLOSED)).detail


async def _read(response: httpx.Response, deadline: float) -> tuple[bytes, str | None]:
    """The body as far as it came, and why it broke off: its status stands all the same."""
    data = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > LONGEST_BODY:
                    break
    except _LOST as error:
        return bytes(data), _fault(error)
    finally:
        await response.aclose()
    return bytes(data), None


def _understood(response: httpx.Response, data: bytes, fault: str | None, body: bytes, to: Endpoint) -> Outcome:
    given = json.loads(body)
    urls = [url for name in ("image_url", "video_url") if isinstance(url := given.get(name), str)]
    pause = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
    outcome = read_answer(response.status_code, _unpacked(data), retry_after=pause, key=to.key, urls=urls)
    return replace(outcome, message=clean(told(fault))) if fault and outcome.message is None else outcome


def _unpacked(data: bytes) -> bytes:
    """A body that was compressed though nobody asked for it, up to the length that is read of any."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, LONGEST_BODY)
    except zlib.error:
        return b""


def _client(to: Endpoint) -> httpx.AsyncClient:
    """A client for one POST.

    Raises:
        UsageError: a proxy is of a kind that the HTTP library does not speak, or the environment names certificate
            authorities that cannot be read.
    """
    direct = _is_loopback(to.url)
    proxy = None if direct else to.proxy
    try:
        return httpx.AsyncClient(
            verify=_trust(),
            trust_env=not direct,
            proxy=proxy,
            follow_redirects=False,
            timeout=httpx.Timeout(to.timeout, connect=min(_CONNECT_SECONDS, to.timeout / 3)),
            event_hooks={"response": [_stay]},
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        if proxy:
            wrong = {"wanted": "http://proxy.example:3128", "value": repr(redact(proxy))}
            raise UsageError(say("proxy is the URL of an HTTP proxy, such as {wanted}, not {value}", **wrong)) from None
        raise UsageError(
            say("the proxy of the environment (HTTPS_PROXY, ALL_PROXY) cannot be used: one with http:// is needed")
        ) from None


def _trust() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        reason = say("no certificate in it") if isinstance(error, ssl.SSLError) else told(error.strerror or "")
        words = later("the certificate authorities cannot be read: {reason}")
        if os.environ.get("SSL_CERT_FILE"):
            words = later("the certificate authorities (SSL_CERT_FILE) cannot be read: {reason}")
        raise UsageError(say(words, reason=reason)) from None


async def _stay(response: httpx.Response) -> None:
    """Forget where a redirect leads: the library looks the host's name over even where it does not follow."""
    response.headers.pop("location", None)


def _headers(key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"preflight/{__version__}",
    }
