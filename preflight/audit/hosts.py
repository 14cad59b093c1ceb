"""Whose turn it is: how much may be asked of each host at once, and which hosts are to be left alone for a while.

A medium waits for its host without holding anything that another host could use. A host that pushes back (429, 503) or
goes silent is asked for less and is parked; one that has failed many times in a row is told once and not asked again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.deliver.source import Undelivered
from preflight.facts import Cause
from preflight.log import log

if TYPE_CHECKING:
    from preflight.facts import Failure

#: Media under way in one process, and of one host.
AT_ONCE = 64
PER_HOST = 8
#: So many failures in a row, and nobody asks a host again.
FAILURES_IN_A_ROW = 6
#: Longest pause that a host is granted when it asks for one, in seconds.
LONGEST_PAUSE = 60.0
#: The first pause where it names none, and the longest of those that grow from it.
FIRST_PAUSE, LAST_PAUSE = 0.5, 2.0

#: What a host says that wants to be asked less, or cannot answer.
_PUSHED_BACK = frozenset({Cause.RATE_LIMITED, Cause.SERVER_ERROR, Cause.TIMEOUT})
#: What a server says at once to all who ask at the same time.
_SAID_TO_ALL = frozenset({Cause.RATE_LIMITED, Cause.SERVER_ERROR})
#: What says nothing about one URL, and all about its host.
_OF_THE_HOST = _PUSHED_BACK | {
    Cause.REFUSED,
    Cause.UNREACHABLE,
    Cause.DNS_FAILED,
    Cause.NO_SUCH_HOST,
    Cause.CONNECTION_LOST,
}


class Closing(Exception):
    """No more turns are given: the run is to end."""


@dataclass(slots=True)
class Host:
    """What is known of one host, and who waits for it."""

    name: str
    limit: float
    active: int = 0
    waiting: deque[asyncio.Future[None]] | None = None  # an empty one would be most of what a host weighs
    pause: float = FIRST_PAUSE
    failures: int = 0
    is_queued: bool = False


class Hosts:
    """The turns of one event loop. `at_once` media in all, `per_host` of them at one host.

    Of a host that nobody asks now, and that has given no reason to be careful, nothing is kept: there may be millions.
    """

    def __init__(self, at_once: int = AT_ONCE, per_host: int = PER_HOST) -> None:
        self.active = 0
        self._at_once = at_once
        self._per_host = per_host
        self._hosts: dict[str, Host] = {}
        self._parked: dict[str, float] = {}  # until when
        self._down: dict[str, Failure] = {}
        self._ready: deque[Host] = deque()
        self._closed = False

    def ticket(self) -> Ticket:
        """One medium's place in the queue."""
        return Ticket(self)

    def parked(self) -> list[tuple[str, float]]:
        """Hosts that are left alone now, and for how many more seconds."""
        now = asyncio.get_running_loop().time()
        return [(name, until - now) for name, until in self._parked.items() if until > now]

    def is_down(self, name: str) -> bool:
        """Does nobody ask this host any more?"""
        return name in self._down

    async def enter(self, name: str) -> None:
        """Wait for a turn at a host; it is held until `leave`.

        Raises:
            Undelivered: nobody asks this host any more.
            Closing: nobody is asked any more.
        """
        if self._closed:
            raise Closing
        if (failure := self._down.get(name)) is not None:
            raise Undelivered(failure)
        host = self._hosts.get(name) or self._hosts.setdefault(name, Host(name, self._per_host))
        turn = asyncio.get_running_loop().create_future()
        if host.waiting is None:
            host.waiting = deque()
        host.waiting.append(turn)
        self._consider(host)
        self._dispatch()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(name)
            raise

    def leave(self, name: str) -> None:
        """Give a turn back."""
        host = self._hosts[name]
        host.active -= 1
        self.active -= 1
        self._consider(host)
        self._dispatch()
        self._forget(host)

    def close(self) -> None:
        """Give no more turns; those that are held may be used to their end."""
        self._closed = True
        for host in self._hosts.values():
            _refuse(host, Closing())

    def hear(self, name: str, failure: Failure | None) -> None:
        """Learn from what a host has answered, while the turn is still held."""
        if failure is not None and failure.cause is Cause.MACHINE:
            return  # which tells nothing about the host
        host = self._hosts[name]
        if failure is None or failure.cause not in _OF_THE_HOST:
            host.failures, host.pause = 0, FIRST_PAUSE
            host.limit = min(self._per_host, host.limit + 1 / host.limit)
            return
        is_echo = name in self._parked and failure.cause in _SAID_TO_ALL
        host.failures += not is_echo
        if failure.cause in _PUSHED_BACK:
            host.limit = max(1.0, host.limit / 2)
            self._park(host, failure.retry_after)
        if host.failures >= FAILURES_IN_A_ROW:
            self._give_up(host, failure)

    def _park(self, host: Host, asked: float | None) -> None:
        if host.name in self._parked:
            return  # what was under way when it was parked tells nothing new
        pause = host.pause if asked is None else min(asked, LONGEST_PAUSE)
        host.pause = min(host.pause * 2, LAST_PAUSE)
        loop = asyncio.get_running_loop()
        self._parked[host.name] = loop.time() + pause
        log("host-parked", host=host.name, seconds=pause)
        loop.call_later(pause, self._wake, host.name)

    def _wake(self, name: str) -> None:
        del self._parked[name]
        if (host := self._hosts.get(name)) is not None:
            self._consider(host)
            self._dispatch()

    def _give_up(self, host: Host, failure: Failure) -> None:
        if host.name not in self._down:
            log("host-down", host=host.name, cause=failure.cause.value)
        self._down[host.name] = failure
        _refuse(host, Undelivered(failure))

    def _may_be_asked(self, host: Host) -> bool:
        return host.waiting is not None and host.active < int(host.limit) and host.name not in self._parked

    def _consider(self, host: Host) -> None:
        """Put a host that can be asked into the round."""
        if not host.is_queued and self._may_be_asked(host):
            host.is_queued = True
            self._ready.append(host)

    def _dispatch(self) -> None:
        """Give turns, one host after the other, as long as there are any."""
        while self._ready and self.active < self._at_once:
            host = self._ready.popleft()
            host.is_queued = False
            turn = _next(host) if self._may_be_asked(host) else None  # it may have pushed back since it was put here
            if turn is not None:
                host.active += 1
                self.active += 1
                turn.set_result(None)
            self._consider(host)
            self._forget(host)

    def _forget(self, host: Host) -> None:
        """Let go of a host that nobody asks, unless it has to be treated with care the next time."""
        in_use = host.active or host.waiting is not None or host.is_queued
        is_clean = not host.failures and host.limit >= self._per_host
        if not in_use and (is_clean or host.name in self._down):
            self._hosts.pop(host.name, None)


def _next(host: Host) -> asyncio.Future[None] | None:
    while host.waiting:
        turn = host.waiting.popleft()
        if not host.waiting:
            host.waiting = None
        if not turn.done():  # else whoever waited has left
            return turn
    return None


def _refuse(host: Host, error: Exception) -> None:
    waiting, host.waiting = host.waiting or (), None
    for turn in waiting:
        if not turn.done():
            turn.set_exception(error)


class Ticket:
    """One medium's turn. It moves to the host on which a redirect lands; the deadline does not run while it waits."""

    def __init__(self, hosts: Hosts) -> None:
        self.host: str | None = None
        """Whose turn is held."""
        self._hosts = hosts
        self.deadline: asyncio.Timeout | None = None

    async def move(self, host: str) -> None:
        """Wait for a turn at this host, after giving back that of another one.

        Raises:
            Undelivered: nobody asks this host any more.
        """
        if host == self.host:
            return
        self.release()
        loop = asyncio.get_running_loop()
        when = self.deadline.when() if self.deadline else None
        if self.deadline is not None:
            self.deadline.reschedule(None)
        since = loop.time()
        await self._hosts.enter(host)
        self.host = host
        if self.deadline is not None and when is not None:
            self.deadline.reschedule(when + loop.time() - since)

    def release(self) -> None:
        """Give the turn back, if there is one."""
        host, self.host = self.host, None
        if host is not None:
            self._hosts.leave(host)
