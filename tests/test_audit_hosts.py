"""Whose turn it is at which host."""

from __future__ import annotations

import asyncio
import errno
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from preflight.audit import hosts as module
from preflight.audit.hosts import Closing, Hosts
from preflight.deliver.failure import failure_of
from preflight.deliver.source import Undelivered
from preflight.facts import Cause, Failure

if TYPE_CHECKING:
    from collections.abc import Coroutine

LIMITED = Failure(Cause.RATE_LIMITED, "busy", status=429)
SILENT = Failure(Cause.TIMEOUT, "silent")
REFUSED = Failure(Cause.REFUSED, "closed")
MISSING = Failure(Cause.NOT_FOUND, "nothing", status=404)


def run(coroutine: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await coroutine

    asyncio.run(limited())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_host_gets_so_many_turns_and_no_more() -> None:
    """The next in line has its turn when one is given back, and hosts do not wait for each other."""

    async def scenario() -> None:
        hosts = Hosts(at_once=10, per_host=2)
        tickets = [hosts.ticket() for _ in range(4)]
        moves = [asyncio.create_task(ticket.move("a")) for ticket in tickets]
        await settle()
        assert [move.done() for move in moves] == [True, True, False, False]
        await hosts.ticket().move("b")
        tickets[0].release()
        await settle()
        assert [move.done() for move in moves] == [True, True, True, False]
        assert hosts.active == 3
        moves[3].cancel()

    run(scenario())


def test_hosts_take_turns_where_all_together_are_too_many() -> None:
    """With two places in all, a long line at one host does not keep another host waiting."""

    async def scenario() -> None:
        hosts = Hosts(at_once=2, per_host=2)
        order: list[str] = []

        async def one(host: str) -> None:
            ticket = hosts.ticket()
            await ticket.move(host)
            order.append(host)
            await asyncio.sleep(0)
            ticket.release()

        await asyncio.gather(*(one("a") for _ in range(6)), one("b"))
        assert order.index("b") < 4

    run(scenario())


def test_a_ticket_moves_without_holding_two_turns() -> None:
    """A redirect gives the first host's turn back before it waits for the second, and the deadline stands still."""

    async def scenario() -> None:
        hosts = Hosts(at_once=10, per_host=1)
        other, ticket = hosts.ticket(), hosts.ticket()
        await other.move("b")
        await ticket.move("a")
        async with asyncio.timeout(0.1) as deadline:
            ticket.deadline = deadline
            moving = asyncio.create_task(ticket.move("b"))
            await settle()
            assert hosts.active == 1
            await asyncio.wait((moving,), timeout=0.3)
            other.release()
            await moving
        assert ticket.host == "b"

    run(scenario())


def test_one_who_leaves_takes_no_turn_along() -> None:
    """A cancelled wait, even in the moment of its turn, leaves the line as it should be."""

    async def scenario() -> None:
        hosts = Hosts(at_once=1, per_host=1)
        first, second, third = (hosts.ticket() for _ in range(3))
        await first.move("a")
        waiting = [asyncio.create_task(ticket.move("a")) for ticket in (second, third)]
        await settle()
        first.release()  # the second has its turn, and is cancelled before it learns of it
        waiting[0].cancel()
        await settle()
        assert waiting[0].cancelled()
        assert waiting[1].done()
        assert hosts.active == 1

    run(scenario())


def test_a_host_that_pushes_back_is_parked_and_asked_for_less() -> None:
    """Retry-After is obeyed up to its cap; others go on; turns grow back one by one."""

    async def scenario() -> None:
        hosts = Hosts(at_once=10, per_host=4)
        ticket = hosts.ticket()
        await ticket.move("a")
        hosts.hear("a", Failure(Cause.RATE_LIMITED, "busy", status=429, retry_after=0.2))
        ticket.release()
        assert [name for name, _ in hosts.parked()] == ["a"]
        started = asyncio.get_running_loop().time()
        await hosts.ticket().move("b")
        assert asyncio.get_running_loop().time() - started < 0.1
        await ticket.move("a")
        assert asyncio.get_running_loop().time() - started > 0.15
        later = [asyncio.create_task(hosts.ticket().move("a")) for _ in range(3)]
        await settle()
        assert sum(move.done() for move in later) == 1  # two at once: half of four
        for _ in range(6):
            hosts.hear("a", None)
        hosts.leave("a")
        await settle()
        assert all(move.done() for move in later)

    run(scenario())


def test_a_pause_has_a_cap() -> None:
    """A server that asks for a week gets a minute."""

    async def scenario() -> None:
        hosts = Hosts()
        await hosts.ticket().move("a")
        hosts.hear("a", Failure(Cause.RATE_LIMITED, "busy", status=429, retry_after=604_800.0))
        ((_, seconds),) = hosts.parked()
        assert seconds <= module.LONGEST_PAUSE

    run(scenario())


@pytest.mark.parametrize("failure", [SILENT, REFUSED])
def test_a_dead_host_is_given_up(failure: Failure) -> None:
    """After so many failures in a row whoever waits is told the last one, and nobody is let through any more."""

    async def scenario() -> None:
        hosts = Hosts(at_once=10, per_host=1)
        await hosts.ticket().move("a")
        waiting = asyncio.create_task(hosts.ticket().move("a"))
        await settle()
        for _ in range(module.FAILURES_IN_A_ROW):
            hosts.hear("a", failure)
        with pytest.raises(Undelivered) as stop:
            await waiting
        assert stop.value.failure is failure
        with pytest.raises(Undelivered):
            await hosts.ticket().move("a")
        assert hosts.is_down("a")
        await hosts.ticket().move("b")

    run(scenario())


def test_what_is_about_one_url_is_not_about_its_host() -> None:
    """A thousand missing files do not close a host, and one good answer between failures keeps it open."""

    async def scenario() -> None:
        hosts = Hosts()
        await hosts.ticket().move("a")
        for _ in range(1000):
            hosts.hear("a", MISSING)
        for _ in range(1000):
            hosts.hear("a", REFUSED)
            hosts.hear("a", None)
        assert not hosts.is_down("a")

    run(scenario())


def test_an_echo_is_not_another_failure() -> None:
    """All that were under way get the same 429: that is one failure, not as many as there were requests."""

    async def scenario() -> None:
        hosts = Hosts()
        await hosts.ticket().move("a")
        for _ in range(50):
            hosts.hear("a", LIMITED)
        assert not hosts.is_down("a")

    run(scenario())


def test_closing() -> None:
    """Once closed, nobody gets a turn, and whoever waits is told."""

    async def scenario() -> None:
        hosts = Hosts(per_host=1)
        ticket = hosts.ticket()
        await ticket.move("a")
        waiting = asyncio.create_task(hosts.ticket().move("a"))
        await settle()
        hosts.close()
        with pytest.raises(Closing):
            await waiting
        with pytest.raises(Closing):
            await hosts.ticket().move("b")
        ticket.release()
        assert hosts.active == 0

    run(scenario())


def test_a_parked_host_gets_no_last_turn() -> None:
    """One that stands in the round when it pushes back is not asked before its pause is over."""

    async def scenario() -> None:
        hosts = Hosts(at_once=2)
        first, other = hosts.ticket(), hosts.ticket()
        await first.move("a")
        await other.move("b")
        waiting = [asyncio.create_task(hosts.ticket().move("a")) for _ in range(3)]
        await settle()
        hosts.hear("a", Failure(Cause.RATE_LIMITED, "busy", status=429, retry_after=0.2))
        first.release()
        other.release()
        await settle()
        assert [move.done() for move in waiting] == [False] * 3
        await asyncio.wait(waiting, timeout=2, return_when=asyncio.FIRST_COMPLETED)
        assert hosts.parked() == []
        await settle()
        assert sum(move.done() for move in waiting) == 2
        hosts.leave("a")
        await settle()
        assert all(move.done() for move in waiting)

    run(scenario())


def test_a_host_in_the_round_gets_no_more_than_its_new_limit() -> None:
    """It was asked four times at once; once it is slow, two of them are enough, though it stands in the round."""

    async def scenario() -> None:
        hosts = Hosts(at_once=4, per_host=4)
        tickets = [hosts.ticket() for _ in range(4)]
        for ticket in tickets[:3]:
            await ticket.move("a")
        await tickets[3].move("b")
        waiting = asyncio.create_task(hosts.ticket().move("a"))
        await settle()
        hosts.hear("a", Failure(Cause.SERVER_ERROR, "down", status=503, retry_after=0.01))
        await asyncio.sleep(0.05)
        tickets[3].release()
        await settle()
        assert not waiting.done()
        tickets[0].release()
        tickets[1].release()
        await settle()
        assert waiting.done()

    run(scenario())


def test_a_host_without_a_past_is_forgotten() -> None:
    """A table may name millions of them; what was learned about one stays, and weighs little."""

    async def visit(hosts: Hosts, names: range, failure: Failure | None) -> int:
        before, _ = tracemalloc.get_traced_memory()
        for number in names:
            ticket = hosts.ticket()
            await ticket.move(f"h{number}.example")
            hosts.hear(f"h{number}.example", failure)
            ticket.release()
        return (tracemalloc.get_traced_memory()[0] - before) // len(names)

    async def scenario() -> None:
        hosts = Hosts()
        tracemalloc.start()
        try:
            assert await visit(hosts, range(2000), None) < 10
            assert await visit(hosts, range(2000), REFUSED) < 400
        finally:
            tracemalloc.stop()
        for failures in range(2, module.FAILURES_IN_A_ROW + 1):  # one is remembered
            await hosts.ticket().move("h7.example")
            hosts.hear("h7.example", REFUSED)
            assert hosts.is_down("h7.example") == (failures == module.FAILURES_IN_A_ROW)
            hosts.leave("h7.example")
        with pytest.raises(Undelivered):
            await hosts.ticket().move("h7.example")

    run(scenario())


def test_what_is_about_this_machine_is_not_about_the_host() -> None:
    """Where no more files can be opened, no host is given up, and none is forgiven."""
    full = failure_of(OSError(errno.EMFILE, "Too many open files"))

    async def scenario() -> None:
        hosts = Hosts()
        await hosts.ticket().move("a")
        for _ in range(module.FAILURES_IN_A_ROW - 1):
            hosts.hear("a", REFUSED)
        for _ in range(100):
            hosts.hear("a", full)
        assert not hosts.is_down("a")
        hosts.hear("a", REFUSED)
        assert hosts.is_down("a")

    run(scenario())
