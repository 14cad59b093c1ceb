"""One line of the table: a figure, what was measured, and the bar that it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured. `met` is None where this machine could not measure it; then `measured` says why."""

    what: str
    measured: str
    bar: str
    met: bool | None
    detail: str = ""


def ratio(what: str, value: float, bar: str, least: float, detail: str = "") -> Figure:
    """A figure that has to reach `least`."""
    return Figure(what, f"{value:.1f} ×", bar, value >= least, detail)


def faults(what: str, wrong: list[str], bar: str, detail: str = "") -> Figure:
    """A figure that is met when nothing was wrong."""
    told = "; ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return Figure(what, f"{len(wrong)} wrong", bar, not wrong, told or detail)
