"""More ways to answer badly than `tests/servers.py` has: raw words, floods, drips, more behind an answer's end."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tests.servers import Gone, send_range

if TYPE_CHECKING:
    from tests.servers import Ask, Behaviour

#: Endless things are sent in pieces of about this size.
_PIECE = 65536


class End(Enum):
    """What comes after the last word."""

    CLOSE = "close"
    """The end of the connection."""
    RESET = "reset"
    """A TCP reset."""
    HOLD = "hold"
    """Nothing, for as long as the client stays."""
    NEXT = "next"
    """The connection's next request."""


@dataclass(frozen=True, slots=True)
class Says:
    """These words, with pauses (seconds) between them, whatever was asked."""

    steps: tuple[bytes | float, ...]
    end: End = End.CLOSE

    def respond(self, ask: Ask) -> None:
        """Answer."""
        for step in self.steps:
            if isinstance(step, bytes):
                ask.raw(step)
            else:
                hold(ask, step)
        if self.end is End.HOLD:
            hold(ask, 3600)
        elif self.end is End.RESET:
            ask.reset()
        elif self.end is End.CLOSE:
            ask.part()


def says(*steps: bytes | float, end: End = End.CLOSE) -> Says:
    """`Says` in fewer signs."""
    return Says(steps, end)


@dataclass(frozen=True, slots=True)
class Floods:
    """A beginning, and then one thing for ever, as fast as the client takes it."""

    head: bytes
    endless: bytes

    def respond(self, ask: Ask) -> None:
        """Answer until the client has had enough."""
        ask.raw(self.head)
        piece = self.endless * max(1, _PIECE // len(self.endless))
        while not ask.closing.is_set():
            ask.raw(piece)


@dataclass(frozen=True, slots=True)
class Drips:
    """A beginning, and then one thing for ever, a piece every `seconds`."""

    head: bytes
    endless: bytes
    seconds: float = 0.05

    def respond(self, ask: Ask) -> None:
        """Answer until the client has had enough."""
        ask.raw(self.head)
        while True:
            ask.raw(self.endless)
            hold(ask, self.seconds)


@dataclass(frozen=True, slots=True)
class Letters:
    """These words, one byte every `seconds`."""

    words: bytes
    seconds: float = 0.02

    def respond(self, ask: Ask) -> None:
        """Answer."""
        for letter in self.words:
            ask.raw(bytes((letter,)))
            hold(ask, self.seconds)
        ask.hang_up()


@dataclass(frozen=True, slots=True)
class Behind:
    """A good answer, and more bytes behind its end; the connection stays open."""

    extra: bytes
    late: float = 0.0
    """Seconds between the two."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        send_range(ask)
        if self.late:
            hold(ask, self.late)
        ask.raw(self.extra)


@dataclass(frozen=True, slots=True)
class Crumbs:
    """Hands out `at_most` bytes per range, each under a header of `padding` bytes."""

    at_most: int
    padding: int

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if (asked := ask.byte_range()) is not None:
            ask.headers["range"] = f"bytes={asked[0]}-{asked[0] + self.at_most - 1}"
        send_range(ask, headers=[("X-Padding", "x" * self.padding)])


@dataclass(frozen=True, slots=True)
class ResetsIn:
    """A good answer that a TCP reset ends after so many body bytes, every time."""

    after: int

    def respond(self, ask: Ask) -> None:
        """Answer."""
        try:
            send_range(ask, send=self.after)
        except Gone:
            hold(ask, 0.02)  # a reset overtakes what the client has not read yet
            ask.reset()


@dataclass(frozen=True, slots=True)
class ByHit:
    """One behaviour for each request in turn; the last one for all that follow."""

    turns: tuple[Behaviour, ...]

    def respond(self, ask: Ask) -> None:
        """Answer."""
        self.turns[min(ask.hit, len(self.turns)) - 1].respond(ask)


def by_hit(*turns: Behaviour) -> ByHit:
    """`ByHit` in fewer signs."""
    return ByHit(turns)


@dataclass(frozen=True, slots=True)
class HearsFirst:
    """Waits for the first bytes of whatever the client speaks (a TLS hello), and leaves them unread."""

    then: Behaviour

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.hear()
        self.then.respond(ask)


@dataclass(frozen=True, slots=True)
class AfterConnections:
    """Lets so many connections pass, and meets those that come later."""

    served: int
    then: Behaviour

    def respond(self, ask: Ask) -> None:
        """Answer, or leave it to the server."""
        if ask.log.connection >= self.served:
            self.then.respond(ask)


def hold(ask: Ask, seconds: float) -> None:
    """Say nothing; unlike `Ask.pause` it minds no bytes that wait unread, only the client's leaving."""
    poll = select.poll()
    poll.register(ask.fileno(), select.POLLRDHUP)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(min(left, 0.02) * 1000) or ask.closing.is_set():
            raise Gone


# ------------------------------------------------------------------------------------------------- words


def head(status: str, *lines: str) -> bytes:
    """A status line and headers: `head("200 OK", "Content-Length: 3")`."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def answer(status: str, body: bytes, *lines: str) -> bytes:
    """A whole answer with its length."""
    return head(status, *lines, f"Content-Length: {len(body)}") + body


def part(data: bytes, start: int = 0, stop: int = 11264, *lines: str) -> bytes:
    """The right answer to the range `[start, stop)` of a video."""
    label = f"Content-Range: bytes {start}-{stop - 1}/{len(data)}"
    return answer("206 Partial Content", data[start:stop], "Content-Type: video/mp4", label, *lines)


def chunked(data: bytes, size: int = 4096, extension: bytes = b"") -> bytes:
    """A chunked body, its end included."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n\r\n"
