"""Name servers that lie, change their minds or say nothing: in this process, and over a real wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from preflight.deliver import backend
from tests.hostile import names, namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize("case", names.ANSWERS, ids=lambda case: case.name)
def test_answers(case: names.Answered) -> None:
    """Every answer has its outcome, and only public addresses are tried, a few at most."""
    assert names.wrong_answer(case) is None


@pytest.mark.parametrize("change", names.CHANGES, ids=lambda change: change.name)
def test_a_name_that_moves(change: names.Change) -> None:
    """Wherever a new connection is made, its address is judged anew."""
    assert names.wrong_change(change) is None


@pytest.mark.parametrize("lookups", names.STALLED)
def test_an_innocent_host_beside_stalled_ones(lookups: int) -> None:
    """Lookups that never end cost nobody else a second."""
    assert names.wrong_stall(lookups) is None


@pytest.mark.parametrize("change", names.CHANGES, ids=lambda change: change.name)
def test_a_name_that_moves_without_the_guard(change: names.Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut out the guard, and the metadata service is dialled: the tests above can fail."""
    monkeypatch.setattr(backend, "address_fault", lambda *_, **__: None)
    assert "169.254.169.254" in (names.wrong_change(change) or "")


@pytest.fixture(scope="module")
def lab() -> Iterator[namespaces.Lab]:
    """Two network namespaces; the scorecard reports a machine that cannot have them as a miss."""
    try:
        with namespaces.lab() as here:
            yield here
    except namespaces.NoNamespaces as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("check", namespaces.CHECKS, ids=lambda check: check.__name__)
def test_over_a_real_wire(lab: namespaces.Lab, check: Callable[[namespaces.Lab], str | None]) -> None:
    """The real command, a real name server, the whole internet owned by the attacker: nothing leaks."""
    assert check(lab) is None


def test_no_namespaces_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they cannot be built, the score says so and does not pass."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    score = namespaces.score()
    assert (score.met, "NOT RUN" in score.measured) == (False, True)
