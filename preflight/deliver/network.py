"""Sockets on asyncio alone, in the form that the HTTP library asks for.

The library's own backend imports a second event-loop abstraction when the first connection is made, just when
start-up time is dearest. A socket is opened here, and becomes a stream, plain or TLS, when it is first used.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from preflight.deliver.library import httpcore

if TYPE_CHECKING:
    import ssl


async def connect(address: str, port: int, timeout: float | None) -> SocketStream:
    """Connect to a literal address.

    Raises:
        httpcore.ConnectTimeout, httpcore.ConnectError: as their names say; the system's error is the cause.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with _CONNECTING:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(plain, (address, port))
    except BaseException:
        plain.close()
        raise
    return SocketStream(plain, (address, port))


class SocketStream(httpcore.AsyncNetworkStream):
    """A connected socket."""

    def __init__(
        self,
        plain: socket.socket,
        peer: tuple[str, int],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None,
    ) -> None:
        self._socket = plain
        self._streams = streams
        self._address = peer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._socket)
        return self._streams

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes; none at the end."""
        reader, _ = await self._open()
        with _READING:
            async with asyncio.timeout(timeout):
                return await reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        if buffer:
            _, writer = await self._open()
            with _WRITING:
                async with asyncio.timeout(timeout):
                    writer.write(buffer)
                    await writer.drain()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> SocketStream:
        """The same socket behind TLS."""
        try:
            with _CONNECTING:
                async with asyncio.timeout(timeout):
                    if self._streams is not None:  # a proxy's tunnel: something has been said already
                        await self._streams[1].start_tls(ssl_context, server_hostname=server_hostname)
                        return self
                    streams = await asyncio.open_connection(
                        sock=self._socket, ssl=ssl_context, server_hostname=server_hostname
                    )
        except BaseException:
            self._socket.close()
            raise
        return SocketStream(self._socket, self._address, streams)

    async def aclose(self) -> None:
        """Close it; a TLS farewell is not waited for, since nobody reads it."""
        if self._streams is None:
            self._socket.close()
            return
        _, writer = self._streams
        writer.transport.abort()
        # The loop lets go of the socket in its next turn. `wait_closed` would hand on the cancellation of another
        # task that has waited for the same.
        await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        """What the library asks of a connection."""
        if info == "is_readable":  # an idle connection that has bytes, or its end, is not to be used again
            return self._streams is not None and _holds_bytes(self._streams[0])
        if info == "has_news":  # the same, of what the event loop has not fetched yet
            return self._streams is not None and (_holds_bytes(self._streams[0]) or _has_news(self._socket))
        if info == "ssl_object":
            return None if self._streams is None else self._streams[1].get_extra_info("ssl_object")
        return self._address if info == "server_addr" else None


def _holds_bytes(reader: asyncio.StreamReader) -> bool:
    return reader.at_eof() or bool(reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001


def _has_news(plain: socket.socket) -> bool:
    """Did something come that the event loop has not fetched yet?"""
    try:
        plain.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:  # closed by either side
        pass
    return True


def is_own_address(address: str) -> bool:
    """Is it one of this machine's own? Only asked of the routing table: no packet leaves.

    A datagram socket that is "connected" to an address of its own machine gets that very address for its own.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((address, 9))
        except OSError:  # no route: whatever it is, it is not here
            return False
        return ip_address(asked.getsockname()[0]) == ip_address(address)


class _Named:
    """What goes wrong inside, by the library's names: late, or failed."""

    def __init__(self, late: type[Exception], failed: type[Exception]) -> None:
        self._late, self._failed = late, failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, TimeoutError):
            raise self._late from error
        if isinstance(error, OSError):  # those of TLS are some
            raise self._failed from error


_CONNECTING = _Named(httpcore.ConnectTimeout, httpcore.ConnectError)
_READING = _Named(httpcore.ReadTimeout, httpcore.ReadError)
_WRITING = _Named(httpcore.WriteTimeout, httpcore.WriteError)
