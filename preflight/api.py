"""The library: the pipeline with its connections kept, in both colours.

There is one implementation, and it is asynchronous. The synchronous API runs it on an event loop of its own in a
thread of its own, so it also works where the caller is inside a running loop.

This is also the one place that hides start-up behind the network. `Preflight(expect=…)` names media that a check will
ask for: the loop's thread fetches and probes them while the caller's thread still imports what comes after that.
"""

# ruff: noqa: PLC0415  (see above: what is not needed to send the first packet is imported later)

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from preflight.deliver.client import Client
from preflight.deliver.url import is_url
from preflight.errors import UsageError
from preflight.inspection import Inspector
from preflight.language import say, speaking
from preflight.settings import AllOptions, Options, bounds_of, is_isolated, proxy_of, settings_of, tail_of, terms_of
from preflight.worker import Worker, dismiss, hire

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from pathlib import Path

    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import Kind, NeedSpans, Outcome
    from preflight.inspection import Previews
    from preflight.profiles import Profile
    from preflight.report import MediaReport, Report
    from preflight.request import GenerationRequest

T = TypeVar("T")
#: What two lookups of literal addresses and two connects take to be under way.
FIRST_STEPS_SECONDS = 0.004
WAKE_SECONDS = 0.2


class _Session:
    """What a session holds open: connections, the process that probes, inspections that were begun."""

    def __init__(self, options: Options) -> None:
        bounds = bounds_of(options)
        self._isolated = is_isolated(options)
        self._worker: Worker | None = None
        self.client = Client(bounds, proxy=proxy_of(options))
        self.inspector = Inspector(
            self.client,
            self._probe,
            bounds.timeout,
            tail_of(options),
            previewer=self._preview if self._isolated else None,
            max_bytes=bounds.max_bytes,
        )

    def start(self) -> None:
        """Let the process that probes load while the first bytes travel."""
        if self._isolated and self._worker is None:
            self._worker = hire()
            self._worker.start()

    async def begin(self, expected: Mapping[str, object], *, previews: bool) -> None:
        """Start to inspect the media of a request; returns when their first packets are on the way."""
        kinds: tuple[Kind, ...] = ("image", "video")
        for kind in kinds:
            reference = expected.get(f"{kind}_url")
            if isinstance(reference, str) and is_url(reference):
                self.inspector.begin(kind, reference, preview=previews)
        await asyncio.sleep(FIRST_STEPS_SECONDS)

    async def _probe(self, data: SparseBytes) -> Outcome | NeedSpans:
        from preflight.probes import probe as probe_here

        return await asyncio.to_thread(self._worker.probe if self._worker else probe_here, data)

    async def _preview(self, data: SparseBytes) -> bytes | NeedSpans:
        return await asyncio.to_thread(self._worker.preview, data) if self._worker else b""

    async def aclose(self) -> None:
        """End everything, a probe that is under way included."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.interrupt()
        try:
            await self.client.__aexit__()
        finally:
            if worker is not None:
                await asyncio.to_thread(dismiss, worker)


class AsyncPreflight:
    """Checks and probes that share warm connections; an asynchronous context manager.

    Args:
        profile: a built-in profile's name, the path of a profile file, or a `Profile`.
        ignore: rule ids that are not to be reported.
        allow_private: fetch from private and loopback addresses too (development); never from metadata services.
        timeout: seconds for each medium, everything included (20).
        max_bytes: bytes that may be received for each medium (8 MiB).
        price: money per billed second, in whatever currency, over the profile's tariff: a `Decimal`, an int or a
            string; a float is no exact amount.
        speculate: ask for a video's last 11 KB beside its first, on a second connection: a round trip less where the
            index stands at the end, 11 KB more everywhere else.
        isolation: "process" probes in a child with limits, so that no file can take this process down; "none" probes
            in a thread of this one.
        proxy: the URL of an HTTP proxy for every request; the environment's proxies are never used.
        trust_proxy: has to be said beside `proxy`: it looks host names up by itself, so keeping private addresses
            out is its work then.
        lang: "en" or "zh", the language of a report's sentences; without it, that of the context (English, that is).

    Raises:
        ProfileInvalid: the profile does not exist or does not hold.
        UsageError: another argument makes no sense, a rule that does not exist say.
    """

    def __init__(
        self,
        profile: str | Path | Profile = "xcompute",
        *,
        _session: _Session | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._session = _session or _Session(options)
        self._settings = settings_of(profile, options)
        self._terms = terms_of(self._settings, options)

    async def check(self, payload: Mapping[str, object] | GenerationRequest, *, reuse_seconds: float = 0) -> Report:
        """Judge one request; whatever is wrong with it, its media or their servers is in the report.

        `reuse_seconds`: take the report of an earlier check of the same request under the same options, in this
        process, if it is no older than this and still holds (`preflight/validity.py` says when). 0: check anew.
        """
        from preflight.pipeline import run
        from preflight.validity import recall, remember

        if reuse_seconds and (known := recall(payload, self._terms, reuse_seconds)):
            return known
        self._session.start()
        with speaking(self._settings.lang):
            report = await run(payload, self._session.inspector, self._settings)
        remember(payload, self._terms, report)
        return report

    async def illustrate(self, payload: Mapping[str, object] | GenerationRequest) -> tuple[Report, Previews]:
        """Judge one request as `check` does, and make a small picture of each medium, for a page.

        The pictures decide nothing: what they cost is in `transfer`, and the rest of the report is that of `check`.
        """
        from preflight.pipeline import run_illustrated

        self._session.start()
        with speaking(self._settings.lang):
            return await run_illustrated(payload, self._session.inspector, self._settings)

    async def probe(self, reference: str | Path) -> MediaReport:
        """The facts of one medium, by URL or local path, unjudged."""
        from preflight.report import media_report

        if not isinstance(reference, str | os.PathLike):
            raise UsageError(f"probe takes a URL or a path, not a value of type {type(reference).__name__}")
        self._session.start()
        return media_report(await self._session.inspector.inspect("video", str(reference)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.aclose()


class Preflight:
    """`AsyncPreflight` for synchronous code: the same arguments, the same answers; a context manager.

    `expect` holds what a check will be called with (`image_url`, `video_url`): they are inspected at once, while
    the rest of preflight is still loading. Values that are no URLs are ignored. `previews`: it is `illustrate` that
    will be called with it.
    """

    def __init__(
        self,
        profile: str | Path | Profile = "xcompute",
        *,
        expect: Mapping[str, object] | None = None,
        previews: bool = False,
        **options: Unpack[Options],
    ) -> None:
        self._loop, self._session = _LoopThread(), _Session(options)
        if expect:
            self._session.start()
            self._session.client.load(expect.values())
            self._loop.start()
            # Waited for: beside the imports below, the loop's thread would wait long for its first turns.
            self._loop.call(self._session.begin(expect, previews=previews))
        try:
            self._inner = AsyncPreflight(profile, _session=self._session, **options)
        except BaseException:
            self._loop.stop(self._session)
            raise

    def check(self, payload: Mapping[str, object] | GenerationRequest, *, reuse_seconds: float = 0) -> Report:
        """See `AsyncPreflight.check`."""
        _load_pipeline()
        return self._loop.call(self._inner.check(payload, reuse_seconds=reuse_seconds))

    async def acheck(self, payload: Mapping[str, object] | GenerationRequest, *, reuse_seconds: float = 0) -> Report:
        """The same for a coroutine: its event loop, whichever it is, goes on while this session's own checks."""
        return await self._loop.acall(self._inner.check(payload, reuse_seconds=reuse_seconds))

    def illustrate(self, payload: Mapping[str, object] | GenerationRequest) -> tuple[Report, Previews]:
        """See `AsyncPreflight.illustrate`."""
        _load_pipeline()
        return self._loop.call(self._inner.illustrate(payload))

    def probe(self, reference: str | Path) -> MediaReport:
        """See `AsyncPreflight.probe`."""
        _load_pipeline()
        return self._loop.call(self._inner.probe(reference))

    def __enter__(self) -> Self:
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.stop(self._session)


def _load_pipeline() -> None:
    import preflight.pipeline  # noqa: F401
    from preflight.report import Report

    Report.model_rebuild()  # the schema of the whole report, built once and while the media are still on their way


class _LoopThread:
    """An event loop in a daemon thread of its own, between `start` and `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def start(self) -> None:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=loop.run_forever, name="preflight", daemon=True)
                thread.start()  # where none can be started, nothing has begun
                self._loop, self._thread, self._stopped = loop, thread, False

    def _begin(self, coroutine: Coroutine[Any, Any, T]) -> tuple[Future[T], asyncio.AbstractEventLoop]:
        with self._lock:
            if self._loop is not None:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop), self._loop
        coroutine.close()
        ended = "its with block has ended" if self._stopped else "it is a context manager"
        raise UsageError(f"Preflight is not open: {ended} (with preflight.Preflight() as pf: …)")

    async def acall(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future, loop = self._begin(coroutine)
        answer = asyncio.wrap_future(future)
        try:
            await asyncio.wait((answer,))  # raises where its caller is cancelled, and only there
        except BaseException:
            future.cancel()
            raise
        with self._told_of_stop(loop):
            return answer.result()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future, loop = self._begin(coroutine)
        with self._told_of_stop(loop):
            return _awaited(future)

    @contextmanager
    def _told_of_stop(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """A cancellation that `stop` brings must not end the caller's own task or thread as one."""
        try:
            yield
        except (CancelledError, asyncio.CancelledError):
            if loop is self._loop:
                raise
            raise UsageError(say("Preflight was closed while a check was running")) from None

    def stop(self, session: _Session) -> None:
        with self._lock:  # from here on nothing is begun on this loop
            loop, self._loop, thread, self._thread = self._loop, None, self._thread, None
            if loop is None or thread is None:
                return
            self._stopped = True
        try:
            _awaited(asyncio.run_coroutine_threadsafe(_wind_up(session), loop))
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def _awaited(future: Future[T]) -> T:
    try:
        # Woken now and then: a Ctrl-C that comes just before a wait begins would else be heard after its end.
        while not future.done():
            wait((future,), timeout=WAKE_SECONDS)
        return future.result()
    except BaseException:  # Ctrl-C above all: the work must not go on behind the caller's back
        future.cancel()
        raise


async def _wind_up(session: _Session) -> None:
    me = asyncio.current_task()
    # A task that is cancelled before its first step never awaits what it was made for (a coroutine of anyio's, say),
    # and Python complains of that on standard error: whoever has only just begun takes that step first.
    while rest := [task for task in asyncio.all_tasks() if task is not me]:
        await asyncio.sleep(0)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
    await session.aclose()
    await asyncio.get_running_loop().shutdown_default_executor()


async def acheck(payload: Mapping[str, object] | GenerationRequest, **options: Unpack[AllOptions]) -> Report:
    """Check one request. The options are those of `AsyncPreflight`."""
    async with AsyncPreflight(**options) as preflight:
        return await preflight.check(payload)


async def aprobe(reference: str | Path, **options: Unpack[AllOptions]) -> MediaReport:
    """Probe one medium. The options are those of `AsyncPreflight`."""
    async with AsyncPreflight(**options) as preflight:
        return await preflight.probe(reference)


def check(payload: Mapping[str, object] | GenerationRequest, **options: Unpack[AllOptions]) -> Report:
    """Check one request, also inside a running loop. The options are those of `AsyncPreflight`."""
    with Preflight(**options) as preflight:
        return preflight.check(payload)


def probe(reference: str | Path, **options: Unpack[AllOptions]) -> MediaReport:
    """Probe one medium, also inside a running loop. The options are those of `AsyncPreflight`."""
    with Preflight(**options) as preflight:
        return preflight.probe(reference)
