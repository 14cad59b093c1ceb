"""Every hostile server ends in its typed verdict, in time, within its bytes, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.servers import ATTACKS
from tests.hostile.staging import play

if TYPE_CHECKING:
    from tests.hostile.staging import Attack, Ended


@pytest.fixture(scope="module")
def ended(request: pytest.FixtureRequest) -> tuple[dict[str, Ended], list[str]]:
    """What became of the rows that this run asks for: they wait side by side, not one after the other."""
    asked = [
        item.callspec.params["attack"]
        for item in request.session.items
        if hasattr(item, "callspec") and "attack" in item.callspec.params and item.path == request.path
    ]
    outcomes, left = play(asked)
    return {one.attack.name: one for one in outcomes}, left


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_hostile_server(attack: Attack, ended: tuple[dict[str, Ended], list[str]]) -> None:
    """The verdict and its rules, the deadline, the bytes, the next medium of the session, tasks and sockets."""
    assert ended[0][attack.name].misses == []


def test_nothing_is_left(ended: tuple[dict[str, Ended], list[str]]) -> None:
    """After all of them no file, socket or thread is open that was not before."""
    assert ended[1] == []


def test_the_table() -> None:
    """More behaviours than promised, each under a name of its own."""
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 80
