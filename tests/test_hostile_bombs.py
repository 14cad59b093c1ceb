"""Resource bombs: the probe answers, the child stays below its limits, this process hardly notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from preflight.worker import Worker
from tests.hostile import bombs
from tests.hostile.claims import BOMBS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="worker", scope="module")
def _worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_contained(name: str, worker: Worker) -> None:
    """In time, in memory, and the next medium is served."""
    seen = bombs.detonate(worker, name)
    assert bombs.problem(seen) is None, seen
    assert bombs.serves(worker)


@pytest.mark.parametrize("name", bombs.SERVED)
def test_a_bomb_of_a_server_is_contained(name: str) -> None:
    """In time, and without growing the process that asked."""
    seen = bombs.deliver(name)
    assert bombs.problem(seen, bombs.GROWTH) is None, seen
