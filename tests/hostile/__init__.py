"""The hostile world, rebuilt on loopback: each module attacks one promise and tells what became of it.

A module holds its attacks as a table and has `score()`, which runs all of them. `python -m tests.scorecard` prints the
scores side by side; pytest runs the same tables case by case.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """One line of the scorecard."""

    figure: str
    """What was attacked."""
    bar: str
    """What must hold."""
    measured: str
    """What did hold, in numbers."""
    misses: tuple[str, ...] = ()
    """The attacks that got through, by name, with what happened."""

    @property
    def met(self) -> bool:
        """Did everything hold?"""
        return not self.misses
