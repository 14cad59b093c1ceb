"""What preflight says beforehand against what a provider that decodes everything answers."""

from __future__ import annotations

import pytest

from preflight.provider.refusals import refusal_of
from tests.agreement import Compared, compare


@pytest.fixture(scope="module")
def table() -> list[Compared]:
    """Every medium under both orientations, checked and submitted."""
    return list(compare())


def test_every_answer_lies_inside_what_we_told(table: list[Compared]) -> None:
    """No surprise: what passes is accepted, what fails is refused, and what is billed is inside the estimate."""
    assert len({row.name for row in table}) >= 60
    assert [row for row in table if not row.agrees] == []


def test_the_table_asks_something(table: list[Compared]) -> None:
    """Each answer, each promise and each refusal in words occurs; and few rows leave the answer open."""
    assert {row.promised for row in table} == {"accepted", "refused", "either"}
    assert sum(row.promised == "either" for row in table) < len(table) / 5
    answers = " ".join({row.answer for row in table})
    words = ("accepted", "less than 3s", "longer than 10.0s", "longer than 30.0s", "pixel", "px", "large", "incomplete")
    assert [word for word in words if word not in answers] == []


def test_a_refusal_is_explained_by_the_rule_that_knew_it(table: list[Compared]) -> None:
    """What the provider says when it refuses is mapped to a rule that had said "error" for the same request."""
    known = [(row, refusal) for row in table if row.promised == "refused" and (refusal := refusal_of(row.answer))]
    assert len({refusal.meaning for _, refusal in known}) >= 4
    assert [row for row, refusal in known if row.errors.isdisjoint(refusal.rules)] == []


def test_the_likely_value_is_what_is_billed(table: list[Compared]) -> None:
    """Not only the interval holds: the headline is right to less than a frame of these clips."""
    off = [abs(float(row.billed[0]) - row.expected[1]) for row in table if row.billed and row.expected[1] is not None]
    assert max(off) < 0.05
