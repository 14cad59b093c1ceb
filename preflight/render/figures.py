"""Figures of many rows, as people read them."""

from __future__ import annotations

from unicodedata import east_asian_width

from preflight.language import say

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
        return say("{seconds} s", seconds=whole)
    if whole < 90 * 60:
        return say("{minutes} min", minutes=round(whole / 60))
    hours, minutes = divmod(round(whole / 60), 60)
    if hours < 48:
        return say("{hours} h {minutes} min", hours=f"{hours:,}", minutes=minutes)
    return say("{days:,} days", days=round(hours / 24))


def columns(text: str) -> int:
    """How many columns of a terminal a line takes: a Chinese character has two."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(character) in "WF") for character in text)


def in_short(number: int) -> str:
    """Bytes in the unit that people read."""
    return next((f"{number / unit:.1f} {name}" for name, unit in _UNITS if number >= unit), f"{number} B")
