"""A guard that is a transport of httpx, whichever of the two libraries of that form: what both have in common."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar, Self

from preflight.errors import UsageError
from preflight.guard.payload import PATH, matcher, read_body
from preflight.language import say

if TYPE_CHECKING:
    from types import ModuleType

    from preflight.guard.gate import Guard
    from preflight.guard.payload import Payload


class GuardingTransport:
    """Looks at submissions and hands every request, untouched, to the transport inside.

    Args:
        guard: what judges; it is closed with the transport.
        transport: the one inside, for synchronous or asynchronous clients; None: the library's own for either.
        path: the end of the URL's path to which requests are submitted.
    """

    library: ClassVar[ModuleType]

    def __init__(self, guard: Guard, transport: Any = None, path: str = PATH) -> None:
        self._guard = guard
        self._submits = matcher(path)
        self._lock = threading.Lock()
        self._inner: Any = transport if hasattr(transport, "handle_request") else None
        self._async_inner: Any = transport if hasattr(transport, "handle_async_request") else None
        self._makes_its_own = transport is None
        if not (transport is None or self._inner or self._async_inner):
            raise UsageError(say("transport is a transport of {library}, not a value of type {type}",
                                 library=self.library.__name__, type=type(transport).__name__))  # fmt: skip

    def handle_request(self, request: Any) -> Any:
        """Check what is submitted, then send.

        Raises:
            PreflightFailed: it may not be submitted; nothing was sent.
            GuardCannotRead: it cannot be read; nothing was sent.
        """
        if (payload := self._submitted(request)) is not None:
            self._guard.admit(payload)
        return self._sync().handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        """See `handle_request`."""
        if (payload := self._submitted(request)) is not None:
            await self._guard.aadmit(payload)
        return await self._async().handle_async_request(request)

    def _submitted(self, request: Any) -> Payload | None:
        """The payload of a request that submits one; of its headers only the coding of the body is looked at."""
        if not self._submits(request.method, request.url.path):
            return None
        return self._guard.ours(lambda: read_body(self._body(request), request.headers.get("content-encoding")))

    def _body(self, request: Any) -> object:
        try:
            return request.content
        except self.library.RequestNotRead:
            return request.stream

    # -------------------------------------------------------------------------------------- the transport inside

    def _sync(self) -> Any:
        with self._lock:
            if self._inner is None and self._makes_its_own:
                self._inner = self.library.HTTPTransport()
        return self._inner or self._wrong_colour("Client")

    def _async(self) -> Any:
        with self._lock:
            if self._async_inner is None and self._makes_its_own:
                self._async_inner = self.library.AsyncHTTPTransport()
        return self._async_inner or self._wrong_colour("AsyncClient")

    def _wrong_colour(self, client: str) -> Any:
        inner = type(self._inner or self._async_inner).__name__
        raise UsageError(say("{inner} is no transport for {client}; give the guard one of the same colour",
                             inner=inner, client=client))  # fmt: skip

    def close(self) -> None:
        """Close the transport inside, and the guard."""
        try:
            if self._inner is not None:
                self._inner.close()
        finally:
            self._guard.close()

    async def aclose(self) -> None:
        """See `close`."""
        try:
            if self._async_inner is not None:
                await self._async_inner.aclose()
        finally:
            await self._guard.aclose()

    def __enter__(self) -> Self:
        self._sync().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._sync().__exit__(*error)
        finally:
            self._guard.close()

    async def __aenter__(self) -> Self:
        await self._async().__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._async().__aexit__(*error)
        finally:
            await self._guard.aclose()
