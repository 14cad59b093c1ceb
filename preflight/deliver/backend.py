"""The one place that opens sockets: every address is judged before a packet leaves, whatever asks for it.

The guard sits below the HTTP library, where a name becomes an address. It looks the name up once, judges *every*
record (one that is not public denies the name: a partial answer is no partial permission) and connects to the
literal address that it judged. So neither a redirect, nor a second lookup with another answer, nor an odd spelling
of a number leads anywhere else, while host name, SNI and certificate check stay those of the URL.
"""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from preflight.deliver.address import address_fault, embedded
from preflight.deliver.connection import Counted
from preflight.deliver.library import httpcore
from preflight.deliver.meter import count
from preflight.deliver.network import connect, is_own_address
from preflight.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.deliver.resolver import Resolver

#: How many addresses of one name are tried, and how many a log names.
_TRIED = 3
_TOLD = 20
#: An address that is silent for this many seconds gives way to the next one of its name, if there is one.
_PATIENCE = 5.0


class NotPublic(Exception):
    """A host has an address that must not be opened. Not an error of the library: nothing may retry or translate it."""

    def __init__(self, host: str, address: str, fault: str) -> None:
        self.host, self.address, self.fault = host, address, fault
        super().__init__(f"{address} is {fault}")


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for the HTTP library: looks up, judges, connects to what it judged, counts.

    `is_proxy`: it leads to a proxy that somebody chose to trust; then the names of media are the proxy's to look up.
    """

    def __init__(self, resolver: Resolver, *, allow_private: bool = False, is_proxy: bool = False) -> None:
        self._allow_private = allow_private or is_proxy
        self._is_proxy = is_proxy
        self._resolver = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers, within `timeout` for lookup and connection together.

        `local_address` and `socket_options` are the library's, which never sets them here.

        Raises:
            NotPublic: one of the host's addresses may not be opened; no packet was sent to any.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        addresses = await self._judged(host, port, timeout)
        for position, address in enumerate(addresses, start=1):
            share = None if deadline is None else _share(deadline - time.monotonic(), len(addresses) - position)
            private = not self._is_proxy and address_fault(address) is not None
            try:
                count(round_trips=1, private=private)
                stream = await connect(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses):
                    raise
            else:
                count(connections=1)
                log("connection", host=host, address=address, port=port)
                return Counted(stream, private=private, is_proxy=self._is_proxy)
        raise httpcore.ConnectError("the name has no address")

    async def _judged(self, host: str, port: int, timeout: float | None) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver.resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name lookup took too long") from error
        log("lookup", host=host, addresses=addresses[:_TOLD])
        for address in addresses:
            if fault := self._fault(address):
                log("denied", host=host, address=address, fault=fault)
                raise NotPublic(host, address, fault)
        return addresses[:_TRIED]

    def _fault(self, address: str) -> str | None:
        fault = address_fault(address, allow_private=self._allow_private)
        if fault is None and not self._allow_private and is_own_address(str(embedded(ip_address(address)))):
            return "an address of this very machine"
        return fault


def _share(left: float, others: int) -> float:
    """How long one address may take, when so many others still wait for their turn."""
    return min(left / (others + 1), _PATIENCE) if others else left
