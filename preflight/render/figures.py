"""Figures of many rows, as people read them."""

from __future__ import annotations

_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def share(part: int, whole: int) -> str:
    """A share to a tenth of a percent; one that is not nothing, or not all, never looks like it."""
    if not whole:
        return "0 %"
    if 0 < part < whole * 0.0005:
        return "<0.1 %"
    if whole * 0.9995 <= part < whole:
        return ">99.9 %"
    return f"{100 * part / whole:.1f} %"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as people say them."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 90 * 60:
        return f"{round(whole / 60)} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours:,} h {minutes} min" if hours < 48 else f"{round(hours / 24):,} days"


def in_short(number: int) -> str:
    """Bytes in the unit that people read."""
    return next((f"{number / unit:.1f} {name}" for name, unit in _UNITS if number >= unit), f"{number} B")
