"""Asking the profile for a number, and saying numbers so that a reader can compare them.

A limit may be a table keyed by a request field. While that field is missing or invalid every number of the table may
apply, so a comparison has three answers: broken whichever applies, kept whichever applies, or not established.
All comparisons are exact (`Fraction`); floats and rounding exist only in text and in the report.
"""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from preflight.language import later, say, speaking, told
from preflight.rules.model import Breach, Unestablished, established

if TYPE_CHECKING:
    from collections.abc import Callable

    from preflight.facts import ImageFacts, VideoFacts
    from preflight.findings import Scalar
    from preflight.profiles import Basis, Limit
    from preflight.rules.model import Case

#: Where rules without a limit of their own take their claims from.
PAGE = "https://api.xcompute.us (page: Kling v2.6 Motion Control)"
VENDOR = "https://kling.ai/document-api/api/video/3-0-omni/motion-control"
LIBAV = "measured with libav, which most servers probe with"
NO_EVIDENCE = "no text of the provider or of the vendor speaks of this; no refusal is known, so it is only a warning"
LOGS = "public production logs and user reports of motion-control jobs"
#: How a profile knows what it states.
BASES: dict[Basis, str] = {
    "documented": later("documented"),
    "upstream": later("upstream"),
    "observed": later("observed"),
    "inferred": later("inferred"),
    "own": later("own"),
}
#: Both sides of a picture, and what a message calls them.
SIDES = {"width": later("width"), "height": later("height")}

_TEXT_PLACES = 9
#: A cut is advised this many seconds below its aim: a cut often comes out a frame or two longer than asked.
CUT_MARGIN = Fraction(1, 5)


def numbers(case: Case, limit: Limit) -> tuple[Fraction, ...]:
    """Every number of the limit that may apply to this request: one, or a whole table while its key is not known.

    Raises:
        Unestablished: the key is known and the table has no number for it; another key's number would be a lie.
    """
    if limit.by is None:
        return limit.numbers(None)
    key = getattr(case.request, limit.by)
    if key is not None and isinstance(limit.value, dict) and key not in limit.value:
        raise Unestablished(say("the profile states no limit for {name} {value}", name=limit.by, value=key))
    return limit.numbers(key)


def exceeded(case: Case, name: str, value: int | Fraction, slack: Fraction | None = None) -> Fraction | None:
    """The upper limit that `value` breaks by more than `slack`, or None.

    Raises:
        Unestablished: it depends on a request field that is missing or invalid, or for which no number is stated.
    """
    return _broken(case, name, lambda number: _is_above(value, number + slack if slack else number), max)


def undercut(case: Case, name: str, value: int | Fraction, slack: Fraction | None = None) -> Fraction | None:
    """The lower limit that `value` breaks by more than `slack`, or None; raises as `exceeded` does."""
    return _broken(case, name, lambda number: _is_above(number, value + slack if slack else value), min)


def _is_above(one: int | Fraction, other: int | Fraction) -> bool:
    """`one > other`, as exact as that, without the detour that fractions take."""
    return one.numerator * other.denominator > other.numerator * one.denominator


def _broken(
    case: Case, name: str, breaks: Callable[[Fraction], bool], mildest: Callable[[tuple[Fraction, ...]], Fraction]
) -> Fraction | None:
    limit = case.limit(name)
    if limit is None:
        return None
    candidates = numbers(case, limit)
    broken = sum(map(breaks, candidates))
    if broken == len(candidates):
        return mildest(candidates)
    if broken:
        raise Unestablished(say("{name} is missing or invalid, and the limit depends on it", name=limit.by))
    return None


def stated(facts: VideoFacts | ImageFacts, name: str) -> Any:
    """A fact that a file may rightly leave unsaid: its value, or None where the file is silent and a default holds.

    Raises:
        Unestablished: the probe wanted to know it and could not.
    """
    for item in facts.unknown:
        if item.fact == name:
            raise Unestablished(told(item.reason))
    return operator.attrgetter(name)(facts)


def aspect(facts: VideoFacts | ImageFacts) -> Fraction:
    """Width divided by height, as displayed; raises `Unestablished` where one is not known."""
    width, height = established(facts, "width"), established(facts, "height")
    if not width or not height:
        raise Unestablished(say("a side of it has no length"))
    return Fraction(width, height)


# ------------------------------------------------------------------------------------------------ text


def seconds(value: Fraction, *, beside: Fraction | None = None) -> str:
    """`10.02`: two or three places, more only where fewer would make it look equal to the number `beside` it."""
    for places in range(2, _TEXT_PLACES + 1):
        shown = round(value, places)
        if beside is not None and (shown > beside) - (shown < beside) != (value > beside) - (value < beside):
            continue
        if places >= 3 or shown == value:
            break
    return f"{float(shown):.{places}f}"


def size(count: int) -> str:
    """`104,857,600 bytes`."""
    return say("{count:,} bytes", count=count)


def plain(number: Fraction) -> str:
    """A limit as people write it: `10`, `0.4`."""
    return f"{float(number):g}" if number.denominator != 1 else str(number.numerator)


def scalar(number: Fraction | int) -> Scalar:
    """A number for the report: an int where it is one, otherwise a float of at most microseconds."""
    exact = Fraction(number)
    return exact.numerator if exact.denominator == 1 else float(round(exact, 6))


def listed(names: tuple[str, ...]) -> str:
    """`mp4, mov or m4v`."""
    return names[0] if len(names) == 1 else say(", ").join(names[:-1]) + say(" or ") + names[-1]


def listing(observed: str, by: Limit, **values: str) -> Breach:
    """The breach of a limit that lists names: as data they stand in English, a message says them in its language."""
    with speaking("en"):
        data = listed(by.names)
    return Breach(observed, data, by, values=values | {"limit": listed(by.names)})
