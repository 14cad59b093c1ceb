"""What delivery promises to the pipeline: a source fills a sparse byte map, or says why it cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from preflight.deliver.sparse import Span, SparseBytes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from preflight.facts import Delivery, Failure

#: The first look at a file. One TCP flight carries it, TLS and headers included: more costs a round trip.
FLIGHT_BYTES = 11264
#: Two spans that are closer than this are one request: the gap costs less than the round trip.
CLOSE_BYTES = 4096
#: A server of the usual kind is connected to well within this.
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)  # no slots: callers read the defaults as `Bounds.max_bytes`
class Bounds:
    """How far delivery goes for one medium. Sizes in bytes, times in seconds."""

    max_bytes: int = 8 * 1024 * 1024
    """Body bytes that may be received, repeated and discarded ones included."""
    max_requests: int = 64
    max_redirects: int = 5
    attempts: int = 3
    """How often one range is asked for before its failure counts."""
    allow_private: bool = False
    """Open loopback and private addresses too; a metadata service never."""
    timeout: float = 20.0
    """The caller's total deadline, counted from the first fetch: no pause before a retry outlives it."""
    connect_timeout: float | None = None
    """Name lookup and connection, and again for the TLS handshake. None: five seconds, or the whole deadline of a
    caller who asks for more patience than usual."""
    read_timeout: float | None = None
    """Silence before an answer. None: as long as the deadline; it is not retried, so why end it early?"""
    slowest: float = 1024.0
    """Bytes a second that an answer must bring once it has taken `patience` seconds: a drip is no delivery."""
    patience: float = 5.0

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take."""
        if self.connect_timeout is not None:
            return self.connect_timeout
        return self.timeout if self.timeout > Bounds.timeout else min(_CONNECT_SECONDS, self.timeout)

    @property
    def read_seconds(self) -> float:
        """How long a server may be silent."""
        return self.timeout if self.read_timeout is None else self.read_timeout


class Turn(Protocol):
    """A medium's turn at a host, where many media share hosts; see `preflight.audit.hosts`."""

    deadline: asyncio.Timeout | None
    """It stands still while a turn is waited for."""

    async def move(self, host: str) -> None:
        """Wait for a turn at this host in exchange for the present one.

        Raises:
            Undelivered: nobody asks this host any more.
        """


class Undelivered(Exception):
    """The bytes cannot be had; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.detail)


class Source(ABC):
    """One medium's bytes, from wherever they are. `data` grows with every fetch; one task at a time owns a source."""

    def __init__(self) -> None:
        self.data = SparseBytes()

    @abstractmethod
    async def fetch(self, spans: tuple[Span, ...]) -> None:
        """Bring the spans into `data`, as far as the file reaches.

        Raises:
            Undelivered: they cannot be had; what came before the failure stays in `data`.
        """

    def bet_on_tail(self, size: int) -> None:  # noqa: B027  (reading a local file's end costs no trip)
        """Ask for the last `size` bytes beside the first fetch, where that saves a round trip.

        It is a bet: where the tail cannot be had or is not needed, nothing is lost but its price.
        """

    @abstractmethod
    def delivery(self, failure: Failure | None = None) -> Delivery:
        """How the medium came, so far."""

    async def aclose(self) -> None:  # noqa: B027  (most sources hold nothing open)
        """Let go of what is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def coalesce(spans: Iterable[Span], close: int = CLOSE_BYTES) -> tuple[Span, ...]:
    """The same bytes in order and in as few spans as make sense: overlapping and close ones are joined."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        last = joined[-1] if joined else None
        if last is None or (last.stop is not None and span.start - last.stop >= close):
            joined.append(span)
        elif last.stop is not None:
            joined[-1] = Span(last.start, None if span.stop is None else max(last.stop, span.stop))
    return tuple(joined)
