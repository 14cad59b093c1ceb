"""One connection: its bytes are charged to the medium that reads them, its answers are accounted for one by one."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from preflight.deliver.chain import lacks_link
from preflight.deliver.library import httpcore
from preflight.deliver.meter import METER, count

if TYPE_CHECKING:
    import ssl

#: How a header ends, as the HTTP library finds it: bare line feeds count. It refuses headers that are longer.
_HEAD_END = re.compile(rb"\n\r?\n")
_LONGEST_HEAD = 200_000


class TooSlow(Exception):
    """A server keeps an answer going with so few bytes that it will not end."""


class IncompleteChain(Exception):
    """A server leaves out the certificate that leads from its own to a known authority."""


class Counted(httpcore.AsyncNetworkStream):
    """A connection that keeps its books.

    Whoever answers with more bytes than the answer's own header announces would have the rest read as the answer to the
    *next* request. So a connection serves again only when `settle` found that not a byte was left over.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, *, private: bool, is_proxy: bool = False) -> None:
        self._stream = stream
        self._private = private
        self._is_proxy = is_proxy
        self._settled = True
        self._received = 0
        self._head = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes; none at the end.

        Raises:
            TooSlow, Flooded: the answer comes too slowly to end, or never stops.
        """
        meter = METER.get()
        left = None if meter is None else meter.time_left()
        hurried = left is not None and (timeout is None or left < timeout)
        started = time.monotonic()
        try:
            data = await self._stream.read(max_bytes, max(left or 0.0, 0.0) if hurried else timeout)
        except httpcore.ReadTimeout:
            if hurried:
                raise TooSlow from None
            raise
        self._received += len(data)
        if self._received <= _LONGEST_HEAD and not _HEAD_END.search(self._head):
            self._head += data
        if meter is not None:
            meter.hear(data, time.monotonic() - started)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; a new page of the books begins.

        Raises:
            httpcore.ConnectionNotAvailable: bytes came that nobody asked for; another connection has to be used.
        """
        if (meter := METER.get()) is not None and meter.unsent:
            if self._head and self._stream.get_extra_info("has_news"):  # (a fresh one has TLS tickets lying about)
                raise httpcore.ConnectionNotAvailable
            meter.unsent = False
            meter.requests += 1
            meter.round_trips += 1
            meter.private |= self._private
        self._settled, self._received, self._head = False, 0, b""
        await self._stream.write(buffer, timeout)

    def settle(self, body_bytes: int) -> None:
        """An answer with a body of so many bytes, none of them encoded, has been read to its end."""
        end = _HEAD_END.search(self._head)
        self._settled = end is not None and self._received == end.end() + body_bytes

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The same connection behind TLS.

        Raises:
            IncompleteChain: the server's certificate cannot be traced, because it leaves out the next one.
        """
        count(round_trips=1)
        try:
            encrypted = await self._stream.start_tls(ssl_context, server_hostname, timeout)
            return Counted(encrypted, private=self._private, is_proxy=self._is_proxy)
        except httpcore.ConnectError as error:
            await self._stream.aclose()
            if not self._is_proxy and await lacks_link(error, self.get_extra_info("server_addr"), server_hostname):
                count(connections=1, round_trips=2)
                raise IncompleteChain from error
            raise
        except BaseException:  # a cancelled handshake must not leave its socket open
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        """What the library asks of a connection."""
        if info == "is_readable" and not self._settled:  # what an idle connection says when it must not serve again
            return True
        return self._stream.get_extra_info(info)
