"""Billed seconds and money: an interval that holds the likely value, exact, and honest about what it rests on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from preflight.estimate import Estimate, estimate
from preflight.facts import AudioFacts, Cause, Durations, Failure, NotMedia, Refusal
from preflight.profiles import Billing, Profile, Rounding
from tests.cases import OFFICIAL, XCOMPUTE, case, clip, exactly, lasting, medium, picture

ROUNDINGS: tuple[Rounding, ...] = ("none", "nearest", "ceil", "floor")
AUDIO = AudioFacts("aac", 2, 44_100)
SECONDS = st.fractions(min_value=0, max_value=120, max_denominator=90_000)
PRICES = st.decimals(min_value="0.0000001", max_value=10, places=7)


def rounding(name: Rounding) -> Profile:
    billing = Billing(rounding=name, source=XCOMPUTE.billing.source, checked=XCOMPUTE.billing.checked, basis="inferred")
    return XCOMPUTE.model_copy(update={"billing": billing})


def of(durations: Durations, *, price: str | None = None, profile: Profile = XCOMPUTE, **fields: Any) -> Estimate:
    given_price = Decimal(price) if price is not None else None
    return estimate(case(clip(durations=durations), profile=profile, **fields), given_price)


@pytest.mark.parametrize(
    ("durations", "billed", "at_least", "at_most"),
    [
        (lasting(8), "8", 8, 8),
        (lasting("8.02"), "8.02", 8, 9),
        (lasting("8.02", video=8), "8.02", 8, 9),
        (lasting(8, video=6), "8", 6, 8),
        (lasting("5.069", video="6.003"), "5.069", 5, 7),
        (lasting(6, present="3.56"), "6", 3, 6),
        (lasting(6, header=18), "6", 6, 6),
        (lasting(6, audio=18), "6", 6, 6),
        (Durations(container=Fraction(6)), "6", 6, 6),
        (Durations(container=Fraction(6), decoded=Fraction(11, 2)), "6", 5, 6),
    ],
)
def test_the_interval(durations: Durations, billed: str, at_least: int, at_most: int) -> None:
    """From the floor of the smallest measure of the picture to the ceiling of container and picture."""
    result = of(durations)
    assert result.billed_seconds == exactly(billed)
    assert result.at_least == at_least
    assert result.at_most == at_most
    assert result.rounding == "none"


def test_a_picture_of_unknown_length_may_cost_less() -> None:
    """Where there is sound, the file may be longer than its picture; without sound there is nothing else in it."""
    known = Durations(container=Fraction(8))
    with_sound, silent = (estimate(case(clip(durations=known, audio=sound)), None) for sound in (AUDIO, None))
    assert any("may bill less" in said for said in with_sound.assumptions)
    assert not any("may bill less" in said for said in silent.assumptions)


@pytest.mark.parametrize(
    ("name", "seconds", "billed"),
    [
        ("none", "8.02", "8.02"),
        ("nearest", "8.49", "8"),
        ("nearest", "8.5", "9"),
        ("nearest", "7.5", "8"),
        ("ceil", "8.02", "9"),
        ("ceil", "8", "8"),
        ("floor", "8.98", "8"),
    ],
)
def test_the_profile_rounds(name: Rounding, seconds: str, billed: str) -> None:
    """The likely value follows the profile's rounding; halves go up."""
    result = of(lasting(seconds), profile=rounding(name))
    assert (result.billed_seconds, result.rounding) == (exactly(billed), name)


@given(container=SECONDS, video=st.none() | SECONDS, present=st.none() | SECONDS, name=st.sampled_from(ROUNDINGS))
def test_the_likely_value_is_inside_its_interval(
    container: Fraction, video: Fraction | None, present: Fraction | None, name: Rounding
) -> None:
    """at_least <= billed <= at_most, in seconds and in money, and both ends are whole."""
    result = of(Durations(container=container, video=video, present=present), price="0.112", profile=rounding(name))
    assert result.billed_seconds is not None
    assert result.at_least is not None
    assert result.at_most is not None
    assert result.cost is not None
    assert result.at_least <= result.billed_seconds <= result.at_most
    assert result.at_least.denominator == result.at_most.denominator == 1
    assert result.cost.at_least <= result.cost.expected <= result.cost.at_most


@given(shorter=SECONDS, longer=SECONDS, name=st.sampled_from(ROUNDINGS), price=PRICES)
def test_a_longer_clip_never_costs_less(shorter: Fraction, longer: Fraction, name: Rounding, price: Decimal) -> None:
    """Every number of the estimate grows with the duration."""
    assume(shorter <= longer)
    one, other = (of(lasting(item), price=str(price), profile=rounding(name)) for item in (shorter, longer))
    for field in ("billed_seconds", "at_least", "at_most"):
        assert getattr(one, field) <= getattr(other, field)
    for field in ("expected", "at_least", "at_most"):
        assert getattr(one.cost, field) <= getattr(other.cost, field)


@given(seconds=SECONDS, price=PRICES)
def test_money_is_exact(seconds: Fraction, price: Decimal) -> None:
    """Whole seconds are priced to the last digit, and any duration to within a millionth."""
    cost = of(lasting(seconds), price=str(price)).cost
    assert cost is not None
    assert Fraction(cost.at_most) == Fraction(price) * -(-seconds.numerator // seconds.denominator)
    assert abs(Fraction(cost.expected) - Fraction(price) * seconds) <= Fraction(1, 2_000_000)


@pytest.mark.parametrize(("price", "expected"), [("0.07", "0.5614"), ("100", "802"), ("0.0571428", "0.4582853")])
def test_money_is_said_without_idle_zeros(price: str, expected: str) -> None:
    """8.02 seconds times the price, as a person would write it."""
    cost = of(lasting("8.02"), price=price).cost
    assert cost is not None
    assert str(cost.expected) == expected
    assert (cost.currency, cost.per_second) == (None, Decimal(price))


def test_money_needs_a_price() -> None:
    """No tariff and no price: no money. A given price goes before the tariff."""
    assert of(lasting(8)).cost is None
    listed = of(lasting(8), profile=OFFICIAL, mode="pro").cost
    assert listed is not None
    assert (listed.currency, listed.per_second, listed.expected) == ("USD", Decimal("0.112"), Decimal("0.896"))
    given_price = of(lasting(8), profile=OFFICIAL, price="1").cost
    assert given_price is not None
    assert (given_price.currency, given_price.expected) == (None, Decimal(8))


def test_a_model_without_a_price_costs_nothing_known() -> None:
    """The tariff has no word on an unknown model; the estimate says so."""
    result = of(lasting(8), profile=OFFICIAL, model="kling-v9")
    assert result.cost is None
    assert "The profile has no price for this model and mode." in result.assumptions


@pytest.mark.parametrize(("orientation", "hold"), [("image", 10), ("video", 30), (None, None)])
def test_the_hold_is_the_upper_end_of_the_window(orientation: str | None, hold: int | None) -> None:
    """Unknown where the request does not say which window."""
    assert of(lasting(8), orientation=orientation).hold_seconds == hold


@pytest.mark.parametrize(
    "video",
    [
        clip(durations=Durations()),
        clip(durations=Durations(video=Fraction(8), header=Fraction(8))),
        picture(),
        NotMedia(Refusal.HTML, "a web page"),
        medium("video", None, size_bytes=None, failure=Failure(Cause.TIMEOUT, "no answer")),
    ],
)
def test_without_a_duration_nothing_is_estimated(video: Any) -> None:
    """An unknown duration is never zero seconds."""
    result = estimate(case(video), Decimal(1))
    assert (result.billed_seconds, result.at_least, result.at_most, result.cost) == (None, None, None, None)
    assert result.hold_seconds == 30
    assert result.assumptions == ("The real duration of the video is not established, so nothing can be estimated.",)
    assert estimate(replace(case(), video=None), None).billed_seconds is None


@pytest.mark.parametrize(
    ("seconds", "cut"),
    [("8.02", "7.8"), ("8.25", "7.8"), ("8.26", None), ("8", None), ("3.02", None), ("4.1", "3.8"), ("0.1", None)],
)
def test_one_cut_that_saves_a_second_is_told(seconds: str, cut: str | None) -> None:
    """Where a small overhang may cost a whole second, and the cut stays in the window."""
    said = [text for text in of(lasting(seconds)).assumptions if "saves one second" in text]
    assert len(said) == (1 if cut else 0)
    if cut:
        assert said[0].startswith(
            f"Where seconds are rounded up, {float(seconds):.2f} s cost {int(float(seconds)) + 1} s;"
        )
        assert f"a cut to {cut} s" in said[0]
    for name in ("floor", "nearest"):
        assert not any("saves" in text for text in of(lasting(seconds), profile=rounding(name)).assumptions)


@pytest.mark.parametrize(
    ("durations", "words"),
    [
        (lasting("8.02", video=8), "from 8.00 s to 8.02 s"),
        (lasting(6, present="3.56"), "cut off"),
        (lasting(31), "outside the window"),
        (lasting(2), "outside the window"),
        (lasting("8.5"), "Whether the server rounds seconds is not published."),
    ],
)
def test_assumptions_are_plain_sentences(durations: Durations, words: str) -> None:
    """What the numbers of this clip rest on is said, and nothing that holds for every clip."""
    assert of(lasting(8)).assumptions == of(lasting(8), price="0.07").assumptions == ()
    assumptions = of(durations).assumptions
    assert any(words in text for text in assumptions)
    assert all(text[0].isupper() and text.endswith((".", ").")) and "None" not in text for text in assumptions)


@pytest.mark.parametrize(
    ("price", "expected"), [("0.00001", "0.0000802"), ("0.0000001", "0.000000802"), ("1E-12", "0.00000000000802")]
)
def test_money_is_never_rounded_to_nothing(price: str, expected: str) -> None:
    """However small the price: the first digits that are not zero are there."""
    cost = of(lasting("8.02"), price=price).cost
    assert cost is not None
    assert f"{cost.expected:f}" == expected
