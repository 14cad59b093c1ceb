"""A medium behind a URL: bounded ranges where the server has them, one stream from the start where it has not.

Each fetch asks for exactly the bytes that are missing. The first answer tells the size; every later one must tell
the same story. Redirects are followed hop by hop, each hop judged and recorded, and the later ranges go straight to
the last URL. What may cure itself within seconds is tried again; everything else is told at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from preflight.deliver import headers
from preflight.deliver.failure import RETRIED, failure_of, status_failure
from preflight.deliver.meter import METER, Meter
from preflight.deliver.source import Bounds, Source, Turn, Undelivered, coalesce
from preflight.deliver.sparse import Span
from preflight.deliver.url import host_of, names_private_address, url_fault
from preflight.facts import Cause, Delivery, Failure, Hop, Transfer
from preflight.log import log
from preflight.redaction import hide

if TYPE_CHECKING:
    from preflight.deliver.transport import Answer, Session

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: What headers of all answers, and bytes that are on the way when we hang up, may come to beside the bodies.
_OVERHEAD_BYTES = 256 * 1024
#: Bodies of refusals and redirects up to this many bytes are read (within this many seconds) and the connection kept.
_SMALL_BYTES = 4096
_SMALL_SECONDS = 0.5
#: Where the server names no pause: a random one that grows, in seconds.
_BACKOFF = wait_random_exponential(multiplier=0.2, max=2)


class HttpSource(Source):
    """One URL. See `Source`; what it costs and how far it goes stands in `Bounds`."""

    def __init__(self, url: str, session: Session, bounds: Bounds, turn: Turn | None = None) -> None:
        super().__init__()
        self._turn = turn
        self._reference = url
        self._url = url
        self._session = session
        self._bounds = bounds
        self._started: float | None = None
        self.meter = Meter(bounds.max_bytes + _OVERHEAD_BYTES, bounds.slowest, bounds.patience)
        self._received = 0
        self._hops: list[Hop] = []
        self._status: int | None = None
        self._media_type: str | None = None
        self.etag: str | None = None
        self._size_proof: Literal["content-range", "content-length", "read"] | None = None
        self._ranges: bool | None = None
        self._body: Answer | None = None
        self._bet: tuple[HttpSource, asyncio.Task[None]] | None = None

    async def fetch(self, spans: tuple[Span, ...]) -> None:
        """Ask for what is missing of the spans, one range after the other on the warm connection."""
        started = time.monotonic()
        self._started = self._started or started
        token = METER.set(self.meter)
        try:
            if self.data.total is not None:  # the head alone did not do: now the tail is worth waiting for
                await self._settle_bet()
            # The seam for fetching in parallel: the parts are independent once the first answer has told the size.
            for part in coalesce(hole for span in spans for hole in self.data.missing(span)):
                await self._obtain(part)
        finally:
            METER.reset(token)
            self.meter.seconds += time.monotonic() - started

    def bet_on_tail(self, size: int) -> None:
        """Ask for the tail on a connection of its own, at once: two requests that share one trip."""
        rival = HttpSource(self._reference, self._session, self._bounds)
        self._bet = rival, asyncio.create_task(rival._suffix(size))

    async def _settle_bet(self, *, wait: bool = True) -> None:
        if self._bet is None:
            return
        (rival, task), self._bet = self._bet, None
        try:
            if wait:
                await asyncio.wait({task})  # and not `await task`: whether it or we are cancelled must be told apart
        finally:
            task.cancel()
            await asyncio.wait({task})
            await rival.aclose()
            self.meter.join(rival.meter)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Undelivered):
            raise error
        same = rival.data.total == self.data.total and rival.etag == self.etag
        for span in rival.data.held if same else ():
            self.data.add(span.start, rival.data.read(span.start, span.stop or 0))

    async def aclose(self) -> None:
        """Close what is open: the stream of a server without ranges, a bet on the tail that was not needed."""
        await self._settle_bet(wait=False)
        body, self._body = self._body, None
        if body is not None:
            await body.aclose()

    def delivery(self, failure: Failure | None = None) -> Delivery:
        """How the medium came, so far."""
        meter = self.meter
        return Delivery(
            reference=self._reference,
            final_url=self._url if self._hops or self._status is not None else None,
            hops=tuple(self._hops),
            status=self._status,
            media_type_declared=self._unechoed(self._media_type),
            size_bytes=self.data.total,
            size_proof=self._size_proof,
            ranges=self._ranges,
            etag=self.etag,
            private=meter.private,
            failure=failure,
            transfer=Transfer(
                requests=meter.requests,
                connections=meter.connections,
                bytes_received=meter.bytes_received,
                round_trips=meter.round_trips,
                seconds=meter.seconds,
            ),
        )

    # ------------------------------------------------------------------------------ one span, whatever it takes

    async def _obtain(self, span: Span) -> None:
        """Request until the span is here. Each round brings bytes, finds that there are no ranges, or fails."""
        while self.data.missing(span):
            if self._bounds.attempts == 1:  # whoever asks for many media tries again by himself
                await self._advance(span)
                continue
            retrying = AsyncRetrying(
                retry=retry_if_exception(_curable),
                stop=self._give_up,
                wait=_pause,
                sleep=asyncio.sleep,
                reraise=True,
                before_sleep=self._tell_retry,
            )
            await retrying(self._advance, span)

    def _tell_retry(self, state: RetryCallState) -> None:
        log("retry", url=self._url, attempt=state.attempt_number, pause_seconds=state.upcoming_sleep)

    def _give_up(self, state: RetryCallState) -> bool:
        elapsed = time.monotonic() - (self._started or 0.0)
        too_late = elapsed + state.upcoming_sleep >= self._bounds.timeout
        return too_late or state.attempt_number >= self._bounds.attempts

    async def _advance(self, span: Span) -> None:
        holes = self.data.missing(span)  # fewer than before, if an earlier attempt brought a part
        if not holes:
            return
        if self._ranges is False:
            await self._stream(holes[-1].stop)
        else:
            await self._range(Span(holes[0].start, holes[-1].stop))

    # ------------------------------------------------------------------------------------- a server with ranges

    async def _range(self, span: Span) -> None:
        span = self._bounded(span)
        asked = {"Range": f"bytes={span.start}-{(span.stop or 0) - 1}"}
        if self._ranges and (etag := headers.strong_etag(self.etag)):
            asked["If-Range"] = etag
        answer = await self._open(asked)
        if answer.status not in {206, 416}:
            self._ranges = False
            await self._begin(answer)
            return
        try:
            part = headers.content_range(answer.header(b"content-range"))
            if answer.status == 206 and part is not None and _begins(part.span, span):
                self._describe(answer, part.total, "content-range")
                self._ranges = True
                await self._take(answer, part.span or span)
            elif answer.status == 416 and part is not None and part.span is None and _beyond(span, part.total):
                self._establish(part.total, "content-range")
                self._ranges = True
                await self._dismiss(answer)
            else:
                self._ranges = False  # it labels its ranges wrongly: the next request asks for none
        finally:
            await answer.aclose()

    async def _suffix(self, size: int) -> None:
        """Bring the last `size` bytes, if the server knows such ranges."""
        METER.set(self.meter)  # this task is the bet's alone
        answer = await self._open({"Range": f"bytes=-{size}"})
        async with contextlib.aclosing(answer):
            part = headers.content_range(answer.header(b"content-range"))
            if answer.status == 206 and part is not None and part.span is not None:
                self._describe(answer, part.total, "content-range")
                await self._take(answer, part.span)

    def _bounded(self, span: Span) -> Span:
        """Cut a span whose end is not known yet to what the budget leaves; refuse one that is known to exceed it."""
        room = self._bounds.max_bytes - self._received
        stop = span.start + room
        if span.stop is not None:
            stop = span.stop if self.data.total is not None else min(span.stop, stop)
        if room <= 0 or stop - span.start > room:
            raise Undelivered(
                Failure(Cause.BUDGET, f"more bytes of the file are needed than the budget of {self._bounds.max_bytes}")
            )
        return Span(span.start, stop)

    async def _take(self, answer: Answer, part: Span) -> None:
        """Read a range's body into the map, and not a byte beyond what its label says."""
        position, stop = part.start, part.stop or 0
        length = _announced(answer)
        while position < stop and (chunk := await self._read(answer)):
            self.data.add(position, chunk[: stop - position])
            position += len(chunk)
        if position == stop and length == stop - part.start:
            await self._read(answer)  # meet the end of the message, so that the connection can serve again
        if position < stop:
            raise Undelivered(
                Failure(
                    Cause.CONNECTION_LOST, f"{stop - position} bytes of a range of {stop - part.start} did not come"
                )
            )

    # ---------------------------------------------------------------------------------- a server without ranges

    async def _stream(self, stop: int | None) -> None:
        """Read the file from its beginning until `stop` is reached; the stream stays open for a later fetch."""
        body = self._body or await self._restart()
        try:
            while self.data.missing(Span(0, stop)):
                chunk = await self._read_on(body)
                self.data.add(body.position - len(chunk), chunk)
                if not chunk:
                    self._establish(body.position, "read")
                    break
        except BaseException:
            await self.aclose()
            raise

    async def _restart(self) -> Answer:
        answer = await self._open({})
        if answer.status == 206:
            await answer.aclose()
            raise Undelivered(Failure(Cause.BAD_HTTP, "the server sends a part of the file when asked for all of it"))
        return await self._begin(answer)

    async def _read_on(self, body: Answer) -> bytes:
        if self._received >= self._bounds.max_bytes:
            raise Undelivered(
                Failure(
                    Cause.BUDGET,
                    "the server sends the file only from its beginning, "
                    f"and the budget of {self._bounds.max_bytes} bytes does not reach far enough",
                )
            )
        return await self._read(body)

    async def _begin(self, answer: Answer) -> Answer:
        """Keep an answer with the whole file as the stream to read from."""
        self._body = answer
        try:
            self._describe(answer, _announced(answer), "content-length")
        except Undelivered:
            await self.aclose()
            raise
        return answer

    # -------------------------------------------------------------------------------------- what an answer says

    def _describe(self, answer: Answer, total: int | None, proof: Literal["content-range", "content-length"]) -> None:
        """Keep what an answer says about the file; a second answer must say the same."""
        if coding := headers.foreign_coding(answer.header(b"content-encoding")):
            told = self._unechoed(coding)
            raise Undelivered(
                Failure(Cause.BAD_HTTP, f"the server encodes the file ({told}) although it was asked not to")
            )
        etag = answer.header(b"etag")
        if None not in (etag, self.etag) and etag != self.etag:
            raise Undelivered(Failure(Cause.INCONSISTENT, "the file changed on the server between two answers"))
        self.etag = self.etag or etag
        self._media_type = headers.media_type(answer.header(b"content-type"))
        self._establish(total, proof)

    def _unechoed(self, text: str | None) -> str | None:
        """A header's words without the secrets of our URLs, which a server may quote."""
        return text and hide(text, (self._reference, *(hop.url for hop in self._hops), self._url))

    def _establish(self, total: int | None, proof: Literal["content-range", "content-length", "read"]) -> None:
        if total is None or total == self.data.total:
            return
        if self.data.total is not None:
            raise Undelivered(
                Failure(
                    Cause.INCONSISTENT, f"the file has {self.data.total} bytes in one answer and {total} in another"
                )
            )
        self.data.total, self._size_proof = total, proof

    # ---------------------------------------------------------------------------------------- requests and hops

    async def _open(self, asked: dict[str, str]) -> Answer:
        """Request the medium, over all redirects; returns an answer with a body, or the 416 of a range."""
        while True:
            answer = await self._send(asked)
            status = answer.status
            if status in _REDIRECTS:
                location = answer.header(b"location")
                await self._dismiss(answer)
                self._redirect(status, location)
                if self._turn is not None:
                    await self._turn.move(host_of(self._url) or "")
                continue
            self._status = status
            pause = headers.retry_after(answer.header(b"retry-after"), datetime.now(UTC))
            failure = None if status == 416 and "Range" in asked else status_failure(status, pause)
            if failure is not None:
                await self._dismiss(answer)
                raise Undelivered(failure)
            return answer

    async def _send(self, asked: dict[str, str]) -> Answer:
        if (fault := url_fault(self._url)) is not None:
            self.meter.private |= self._bounds.allow_private and names_private_address(self._url)
            raise Undelivered(
                Failure(Cause.BAD_REDIRECT, f"a redirect leads to a URL that {fault.detail}")
                if self._hops
                else Failure(Cause.INVALID_URL, f"the URL {fault.detail}")
            )
        if self.meter.requests >= self._bounds.max_requests:
            raise Undelivered(Failure(Cause.BUDGET, f"the file needs more than {self._bounds.max_requests} requests"))
        self.meter.ask()
        log("request", url=self._url, range=asked.get("Range"))
        try:
            answer = await self._session.get(self._url, asked)
        except Exception as error:  # a server can make the library raise anything
            raise self._failed(error) from error
        log("answer", url=self._url, status=answer.status, bytes_received=self.meter.bytes_received)
        return answer

    async def _read(self, body: Answer) -> bytes:
        """Read the next piece of a body; empty at its end."""
        try:
            chunk = await body.read()
        except Exception as error:
            raise self._failed(error) from error
        self._received += len(chunk)
        return chunk

    def _failed(self, error: Exception) -> Undelivered:
        failure = failure_of(error, lost=self.meter.lost)
        log("failure", url=self._url, cause=failure.cause.value, detail=failure.detail, error=type(error).__name__)
        return Undelivered(failure)

    async def _dismiss(self, answer: Answer) -> None:
        """Be done with an answer; a short body is read, so that the connection can serve the next request."""
        length = _announced(answer)
        async with contextlib.aclosing(answer):
            if length is not None and length <= _SMALL_BYTES:
                with contextlib.suppress(Undelivered, TimeoutError):
                    async with asyncio.timeout(_SMALL_SECONDS):
                        while await self._read(answer):
                            pass

    def _redirect(self, status: int, location: str | None) -> None:
        self._hops.append(Hop(self._url, status))
        if not location:
            raise Undelivered(Failure(Cause.BAD_REDIRECT, f"a redirect (status {status}) names no target"))
        if len(self._hops) > self._bounds.max_redirects:
            circle = len({hop.url for hop in self._hops}) < len(self._hops)
            how = "redirects go in a circle" if circle else f"more than {self._bounds.max_redirects} redirects"
            raise Undelivered(Failure(Cause.TOO_MANY_REDIRECTS, how))
        location = location.replace(" ", "%20")  # the one fault of form that every client repairs
        fault = url_fault(location)
        if fault is None:
            self._url = location
        elif fault.kind == "scheme-missing":
            try:
                self._url = urljoin(self._url, location)
            except ValueError as error:
                raise Undelivered(Failure(Cause.BAD_REDIRECT, "a redirect names a target that is no URL")) from error
        else:
            raise Undelivered(Failure(Cause.BAD_REDIRECT, f"a redirect leads to a URL that {fault.detail}"))
        log("redirect", url=self._hops[-1].url, status=status, target=self._url)


def _announced(answer: Answer) -> int | None:
    """The body's length, where the header says it; beside a transfer coding it says nothing (RFC 9112, 6.3)."""
    if answer.header(b"transfer-encoding") is not None:
        return None
    return headers.content_length(answer.header(b"content-length"))


def _begins(part: Span | None, asked: Span) -> bool:
    """Is `part` what was asked, or its beginning?"""
    return part is not None and part.start == asked.start and (part.stop or 0) <= (asked.stop or 0)


def _beyond(asked: Span, total: int | None) -> bool:
    """Does the file end before the asked span begins?"""
    return total is not None and total <= asked.start


def _curable(error: BaseException) -> bool:
    return isinstance(error, Undelivered) and error.failure.cause in RETRIED


def _pause(state: RetryCallState) -> float:
    """Wait as long as the server asked, else a short random time."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Undelivered) and error.failure.retry_after is not None:
        return error.failure.retry_after
    return _BACKOFF(state)
