"""What one medium costs: every byte, request, connection and trip, and the bounds of what an answer may take."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

#: How every answer begins.
_HTTP = b"HTTP/"


class Flooded(Exception):
    """A server sends more than one medium may cost, be it in headers."""


@dataclass(slots=True)
class Meter:
    """What one medium has cost so far (see `facts.Transfer`), and the bounds of what an answer may cost."""

    most_bytes: int | None = None
    """Bytes that may come in all, headers and whatever else a server sends included."""
    slowest: float = 0.0
    """Bytes a second that an answer must bring once it has taken `patience` seconds."""
    patience: float = 0.0
    requests: int = 0
    connections: int = 0
    bytes_received: int = 0
    round_trips: int = 0
    seconds: float = 0.0
    private: bool = False
    """Was an address that is not public tried, because that was allowed?"""
    unsent: bool = False
    """Is a request about to be sent? It counts when its first byte leaves."""
    ended: bool = False
    """Did the other side close the connection since `ask`?"""
    answer: bytes = b""
    """The first bytes that came since `ask`."""
    _answered: int = 0
    """Bytes that came since `ask`."""
    _waited: float = 0.0
    """Seconds that were spent waiting for them, those before the first one left out."""

    def ask(self) -> None:
        """A request is about to be sent, if a connection can be had."""
        self.unsent, self.ended, self.answer, self._answered, self._waited = True, False, b"", 0, 0.0

    def hear(self, data: bytes, seconds: float) -> None:
        """Some bytes came, or the end, after so many seconds.

        Raises:
            Flooded: more came than may.
        """
        if self._answered:
            self._waited += seconds
        self._answered += len(data)
        self.bytes_received += len(data)
        self.ended = self.ended or not data
        self.answer += data[: len(_HTTP) - len(self.answer)]
        if self.most_bytes is not None and self.bytes_received > self.most_bytes:
            raise Flooded

    def time_left(self) -> float | None:
        """How long the next bytes of this answer may take; None: as long as a first byte may."""
        if not self._answered or not self.slowest:
            return None
        return max(self.patience, self._answered / self.slowest) - self._waited

    @property
    def lost(self) -> bool:
        """Did the connection end in the middle of HTTP, rather than of something else?"""
        return self.ended and _HTTP.startswith(self.answer)

    def join(self, beside: Meter) -> None:
        """Add the cost of work that ran at the same time: its trips overlap with ours."""
        self.requests += beside.requests
        self.connections += beside.connections
        self.bytes_received += beside.bytes_received
        self.round_trips = max(self.round_trips, beside.round_trips)
        self.private |= beside.private


#: Whose work the running task does. Two media share one pool; this tells their sockets' bytes apart.
METER: ContextVar[Meter | None] = ContextVar("METER", default=None)


def count(*, connections: int = 0, round_trips: int = 0, private: bool = False) -> None:
    """Charge the medium that the running task works for, if it works for one."""
    if (meter := METER.get()) is not None:
        meter.connections += connections
        meter.round_trips += round_trips
        meter.private |= private
