"""What the job will cost, in seconds and in money: a likely value, the interval around it, and what both rest on.

The provider bills the real duration that its server probes. Which of a file's durations that is, and how it is
rounded, is not published, so the estimate is an interval: from the floor of the smallest honest measure to the ceiling
of the largest. Seconds are exact `Fraction`, money is `Decimal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from preflight.facts import VideoFacts
from preflight.language import say, told
from preflight.rules.limits import BASES, CUT_MARGIN, numbers, plain, seconds
from preflight.rules.model import Unestablished

if TYPE_CHECKING:
    from collections.abc import Callable

    from preflight.facts import Durations
    from preflight.profiles import Rounding
    from preflight.rules.model import Case

#: Below this overhang past a whole second, a cut is worth its while: a quarter of a second for the price of one.
_OVERHANG = Fraction(1, 4)
#: Money is told to a millionth, or to the last place of the price where that is finer.
_PLACES = Decimal("0.000001")
#: However little it is, so many digits of it are told.
_DIGITS = 6

_ROUND: dict[Rounding, Callable[[Fraction], Fraction]] = {
    "none": lambda value: value,
    "nearest": lambda value: Fraction(floor(value + Fraction(1, 2))),
    "ceil": lambda value: Fraction(ceil(value)),
    "floor": lambda value: Fraction(floor(value)),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Money; `currency` is None where the price was given without one."""

    currency: str | None
    per_second: Decimal
    expected: Decimal
    at_least: Decimal
    at_most: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that will be billed; None where the duration is not established. `hold_seconds`: what may be reserved."""

    billed_seconds: Fraction | None
    at_least: Fraction | None
    at_most: Fraction | None
    rounding: str
    hold_seconds: Fraction | None
    cost: Cost | None
    assumptions: tuple[str, ...]


def estimate(case: Case, price: Decimal | None) -> Estimate:
    """The estimate for one request. `price` is money per second; without it, the profile's tariff decides.

    A clip without an established container duration is not estimated: every number but the hold is None.
    """
    billing = case.profile.billing
    hold = _hold(case)
    clip = case.video.outcome if case.video is not None else None
    if not isinstance(clip, VideoFacts) or (durations := clip.durations).container is None:
        reason = say("The real duration of the video is not established, so nothing can be estimated.")
        return Estimate(None, None, None, billing.rounding, hold, None, (reason,))

    billed = _ROUND[billing.rounding](durations.container)
    low, high = _span(durations)
    at_least, at_most = Fraction(floor(low)), Fraction(ceil(high))
    cost, about_money = _cost(case, price, billed, at_least, at_most)
    assumptions = (
        *_about_seconds(case, durations, low, high),
        *_about_picture(clip),
        *_about_window(case, durations.container, hold),
        *about_money,
    )
    return Estimate(billed, at_least, at_most, billing.rounding, hold, cost, assumptions)


def _span(durations: Durations) -> tuple[Fraction, Fraction]:
    """The smallest measure of the picture and the largest that a libav-based server may read."""
    picture = (durations.container, durations.video, durations.present, durations.decoded)
    file = (durations.container, durations.video)
    return min(value for value in picture if value is not None), max(value for value in file if value is not None)


def _hold(case: Case) -> Fraction | None:
    """The upper end of the window, None where the request does not say which window."""
    ends = _ends(case, "video_duration_max")
    return ends.pop() if len(ends) == 1 else None


def _ends(case: Case, name: str) -> set[Fraction]:
    """Every end of the window that may apply; none where the profile does not state it for this request."""
    limit = case.limit(name)
    try:
        return set(numbers(case, limit)) if limit else set()
    except Unestablished:
        return set()


# ----------------------------------------------------------------------------------------------- money


def _cost(
    case: Case, price: Decimal | None, billed: Fraction, at_least: Fraction, at_most: Fraction
) -> tuple[Cost | None, tuple[str, ...]]:
    currency: str | None = None
    about: tuple[str, ...] = ()
    if price is None:
        tariff = case.profile.tariff
        if tariff is None:
            return None, ()
        wanted = (case.request.model, case.request.mode)
        price = next((item.per_second for item in tariff.prices if (item.model, item.mode) == wanted), None)
        if price is None:
            return None, (say("The profile has no price for this model and mode."),)
        currency = tariff.currency
        origin = {"date": tariff.checked, "basis": say(BASES[tariff.basis]), "source": told(tariff.source)}
        about = (say("The price is the profile's, read on {date} ({basis}: {source}).", **origin),)
    expected, least, most = (_money(price, amount) for amount in (billed, at_least, at_most))
    return Cost(currency, price, expected, least, most), about


def _money(price: Decimal, amount: Fraction) -> Decimal:
    """`price` times seconds, exact where that ends within a millionth, never rounded to nothing; no idle zeros."""
    with localcontext(prec=60):
        product = price * amount.numerator / amount.denominator
        finest = min(int(price.as_tuple().exponent), product.adjusted() + 1 - _DIGITS if product else 0)
        places = min(_PLACES, Decimal(1).scaleb(finest))
        text = f"{product.quantize(places, ROUND_HALF_UP):f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


# ----------------------------------------------------------------------------------------- assumptions


def _about_seconds(case: Case, durations: Durations, low: Fraction, high: Fraction) -> tuple[str, ...]:
    """What matters for this clip; what holds for every clip stands in docs/durations.md."""
    container = durations.container
    assert container is not None
    said = []
    if low != high:
        said.append(
            say(
                "The file's own measures reach from {low} s to {high} s; which of them is billed is not published.",
                low=seconds(low, beside=high),
                high=seconds(high),
            )
        )
    if durations.present is not None and durations.video is not None and durations.present < durations.video:
        said.append(say("The file is cut off: a job that runs at all may be billed by what is left of it."))
    if (saving := _saving(case, container)) is not None:
        said.append(
            say(
                "Where seconds are rounded up, {seconds} s cost {cost} s; a cut to {cut} s saves one second.",
                seconds=seconds(container, beside=Fraction(floor(container))),
                cost=ceil(container),
                cut=plain(saving),
            )
        )
    elif container.denominator != 1 and case.profile.billing.rounding == "none":
        said.append(say("Whether the server rounds seconds is not published."))
    return tuple(said)


def _about_picture(clip: VideoFacts) -> tuple[str, ...]:
    if clip.durations.video is None and clip.audio is not None:
        return (say("How long the picture alone lasts is not established; a server that bills it may bill less."),)
    return ()


def _saving(case: Case, container: Fraction) -> Fraction | None:
    """The length to cut to where a small overhang past a whole second may cost a whole one."""
    whole = floor(container)
    if case.profile.billing.rounding not in ("none", "ceil") or not 0 < container - whole <= _OVERHANG:
        return None
    cut = whole - CUT_MARGIN
    return cut if cut > 0 and cut >= max(_ends(case, "video_duration_min"), default=0) else None


def _about_window(case: Case, container: Fraction, hold: Fraction | None) -> tuple[str, ...]:
    lows = _ends(case, "video_duration_min")
    if (hold is not None and container > hold) or (lows and container < min(lows)):
        return (say("The clip is outside the window; the estimate holds only if it is accepted all the same."),)
    return ()
