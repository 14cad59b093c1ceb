"""The library: the pipeline with its connections kept, in both colours.

There is one implementation, and it is asynchronous. The synchronous API runs it on an event loop of its own in a
thread of its own, so it also works where the caller is inside a running loop.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from preflight.deliver.client import Bounds, Client
from preflight.errors import UsageError
from preflight.pipeline import Settings, inspect, run
from preflight.probes import probe as probe_bytes
from preflight.profiles import DEFAULT, Profile, load_profile
from preflight.report import MediaReport, Report, media_report
from preflight.rules import require_known

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping
    from decimal import Decimal
    from pathlib import Path
    from types import TracebackType

    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import NeedSpans, Outcome
    from preflight.request import GenerationRequest

T = TypeVar("T")


async def _probe_in_thread(data: SparseBytes) -> Outcome | NeedSpans:
    return await asyncio.to_thread(probe_bytes, data)


class AsyncPreflight:
    """Checks and probes that share warm connections; an asynchronous context manager.

    Args:
        profile: a built-in profile's name, the path of a profile file, or a `Profile`.
        ignore: rule ids that are not to be reported.
        allow_private: fetch from private and loopback addresses too (development); never from metadata services.
        timeout: seconds for each medium, everything included.
        max_bytes: bytes that may be received for each medium.
        price: money per billed second, in whatever currency; over the profile's tariff.
        speculate: ask for a video's last 11 KB beside its first, on a second connection: a round trip less where the
            index stands at the end, 11 KB more everywhere else.

    Raises:
        ProfileInvalid: the profile does not exist or does not hold.
        UsageError: another argument makes no sense, a rule that does not exist say.
    """

    def __init__(
        self,
        profile: str | Path | Profile = DEFAULT,
        *,
        ignore: Iterable[str] = (),
        allow_private: bool = False,
        timeout: float = 20.0,
        max_bytes: int = Bounds.max_bytes,
        price: Decimal | None = None,
        speculate: bool = False,
    ) -> None:
        if timeout <= 0 or max_bytes <= 0:
            raise UsageError("timeout and max_bytes must be above zero")
        if price is not None and not price > 0:
            raise UsageError("price must be above zero")
        loaded = profile if isinstance(profile, Profile) else load_profile(profile)
        ignored = frozenset(ignore)
        require_known(ignored, "ignore")
        require_known(loaded.severities, "give a severity")
        self._settings = Settings(loaded, ignored, price, timeout, speculate)
        self._client = Client(Bounds(max_bytes=max_bytes, allow_private=allow_private, timeout=timeout))

    async def check(self, payload: Mapping[str, object] | GenerationRequest) -> Report:
        """Judge one request; whatever is wrong with it, its media or their servers is in the report."""
        return await run(payload, self._client, _probe_in_thread, self._settings)

    async def probe(self, reference: str) -> MediaReport:
        """The facts of one medium, by URL or local path, unjudged."""
        return media_report(await inspect("video", reference, self._client, _probe_in_thread, self._settings))

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)


class Preflight:
    """`AsyncPreflight` for synchronous code: the same arguments, the same answers; a context manager."""

    def __init__(self, profile: str | Path | Profile = DEFAULT, **options: Any) -> None:
        self._inner = AsyncPreflight(profile, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def check(self, payload: Mapping[str, object] | GenerationRequest) -> Report:
        """See `AsyncPreflight.check`."""
        return self._call(self._inner.check(payload))

    def probe(self, reference: str) -> MediaReport:
        """See `AsyncPreflight.probe`."""
        return self._call(self._inner.probe(reference))

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            coroutine.close()
            raise UsageError("use Preflight as a context manager: with preflight.Preflight() as pf: …")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C above all: the work must not go on behind the caller's back
            future.cancel()
            raise

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="preflight", daemon=True)
        self._thread.start()
        self._call(self._inner.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None

    async def _shut_down(self) -> None:
        me = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not me]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._inner.__aexit__(None, None, None)
        await asyncio.get_running_loop().shutdown_default_executor()


async def acheck(payload: Mapping[str, object] | GenerationRequest, **options: Any) -> Report:
    """Check one request. The options are those of `AsyncPreflight`."""
    async with AsyncPreflight(**options) as preflight:
        return await preflight.check(payload)


async def aprobe(reference: str, **options: Any) -> MediaReport:
    """Probe one medium. The options are those of `AsyncPreflight`."""
    async with AsyncPreflight(**options) as preflight:
        return await preflight.probe(reference)


def check(payload: Mapping[str, object] | GenerationRequest, **options: Any) -> Report:
    """Check one request, also inside a running loop. The options are those of `AsyncPreflight`."""
    with Preflight(**options) as preflight:
        return preflight.check(payload)


def probe(reference: str, **options: Any) -> MediaReport:
    """Probe one medium, also inside a running loop. The options are those of `AsyncPreflight`."""
    with Preflight(**options) as preflight:
        return preflight.probe(reference)
