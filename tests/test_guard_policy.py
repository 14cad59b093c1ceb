"""What a caller does not accept: verdicts, seconds, money; and what a refusal says."""

from __future__ import annotations

import copy
import pickle
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import preflight
from preflight import PreflightFailed, UsageError
from preflight.guard import Guard, Policy
from preflight.language import catalogue, speaking
from tests.guarding import World, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import MediaServer


def verdict(payload: dict[str, Any], **policy: Any) -> str | None:
    """What the guard objects to; None: the payload may be submitted."""
    with Guard(**options(**policy)) as guard:
        try:
            guard.admit(payload)
        except PreflightFailed as stopped:
            return stopped.objection
    return None


CASES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "pass": ("good", {"block_unknown": True, "block_warn": True}, None),
    "fail": ("bad", {}, "The verdict is fail."),
    "a file": ("local", {},
               "The request names a local file, which the provider cannot fetch: upload it, and submit its URL."),
    "unknown": ("unknown", {}, None),
    "unknown, strict": (
        "unknown", {"block_unknown": True}, "The verdict is unknown, and only what is established may be submitted.",
    ),
    "unknown, no warnings": ("unknown", {"block_warn": True}, None),
    "warn": ("warned", {"block_unknown": True}, None),
    "warn, strict": (
        "warned", {"block_warn": True}, "The verdict is warn, and only what passes without a warning may be submitted.",
    ),
    "seconds": ("good", {"max_billed_seconds": 8}, None),
    "too many": ("good", {"max_billed_seconds": 7.5}, "Up to 8 s may be billed, and at most 7.5 s are allowed."),
    # 10.02 s may be billed as 11: the bound holds against the worst case, not the likely one
    "perhaps too many": ("warned", {"max_billed_seconds": 10.5},
                         "Up to 11 s may be billed, and at most 10.5 s are allowed."),
    "nobody knows": ("unknown", {"max_billed_seconds": 30},
                     "How many seconds will be billed cannot be estimated, and at most 30 s are allowed."),
    "money": ("good", {"max_cost": "0.56", "price": "0.07"}, None),
    "too dear": ("good", {"max_cost": Decimal("0.55"), "price": "0.07"},
                 "The request may cost up to 0.56, and at most 0.55 is allowed."),
    "price unknown": ("unknown", {"max_cost": 1, "price": "0.07"},
                      "What the request will cost cannot be estimated, and at most 1 is allowed."),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_stopped(name: str, server: MediaServer) -> None:
    """Each policy on each verdict, against real media."""
    which, policy, objection = CASES[name]
    assert verdict(getattr(World(server), which), **policy) == objection


def test_the_currency_is_the_tariffs(server: MediaServer) -> None:
    """A profile's tariff is a price as well."""
    built_in = preflight.load_profile().model_dump(by_alias=True)
    prices = [{"model": World(server).good["model"], "mode": "std", "per_second": "0.5"}]
    tariff = {
        "currency": "USD",
        "prices": prices,
        "source": "a test",
        "checked": date(2026, 1, 1),
        "basis": "documented",
    }
    profile = preflight.Profile.model_validate({**built_in, "tariff": tariff})
    objection = verdict(World(server).good, profile=profile, max_cost="3")
    assert objection == "The request may cost up to 4 USD, and at most 3 is allowed."


def test_every_report_is_told(server: MediaServer) -> None:
    """The callback sees what passed, what warned, what nobody knows and what was stopped, in that order."""
    world, seen = World(server), list[preflight.Report]()
    with Guard(**options(on_report=seen.append)) as guard:
        for payload in (world.good, world.warned, world.unknown):
            assert guard.admit(payload) is seen[-1]
        with pytest.raises(PreflightFailed) as stopped:
            guard.admit(world.bad)
    assert stopped.value.report is seen[-1]
    assert [report.verdict for report in seen] == ["pass", "warn", "unknown", "fail"]


def test_a_refusal_says_why_and_can_be_pickled(server: MediaServer) -> None:
    """The objection, then what was found; the same after a trip through a queue of jobs, or a copy."""
    with Guard(**options()) as guard, pytest.raises(PreflightFailed) as stopped:
        guard.admit(World(server).bad)
    refusal = stopped.value
    assert str(refusal).startswith("The verdict is fail. video-too-long: ")
    for again in (pickle.loads(pickle.dumps(refusal)), copy.copy(refusal)):  # noqa: S301
        assert (str(again), again.report, again.objection) == (str(refusal), refusal.report, refusal.objection)


WRONG: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (Policy, {"max_billed_seconds": 0}, "above zero, not 0"),
    (Policy, {"max_billed_seconds": "10"}, "above zero, not '10'"),
    (Policy, {"max_billed_seconds": float("nan")}, "above zero, not nan"),
    (Policy, {"max_cost": 0.8}, "Decimal.*not 0.8"),
    (Policy, {"max_cost": "-1"}, "not '-1'"),
    (Guard, {"max_cost": "1"}, "max_cost needs a price: .* xcompute has none"),
    (Guard, {"reuse_seconds": -1}, "0 or more, not -1"),
    (Guard, {"reuse_seconds": float("nan")}, "0 or more, not nan"),
    (Guard, {"unreadable": "ignore"}, "'raise' or 'pass', not 'ignore'"),
    (Guard, {"timeout": 0}, "timeout"),
    (Guard, {"profile": "nobody"}, "no profile 'nobody'"),
    (Guard, {"max_bill_seconds": 3}, "no such option: max_bill_seconds"),
    (preflight.guard.httpx, {"blockwarn": True}, "no such option: blockwarn"),
    (preflight.guard.requests, {"ignore": "no-such-rule"}, "no-such-rule"),
    (preflight.check, {"payload": {}, "alow_private": True}, "no such option: alow_private"),
]


@pytest.mark.parametrize(("make", "arguments", "match"), WRONG)
def test_wrong_usage_is_told_at_once(make: Callable[..., Any], arguments: dict[str, Any], match: str) -> None:
    """When the guard is made, not at the first submission; a misspelt bound is no bound that is silently not there."""
    with pytest.raises(UsageError, match=match):
        make(**arguments)


def test_in_chinese(server: MediaServer) -> None:
    """What the guards say is said in the reader's language, every sentence of it."""
    assert verdict(World(server).bad, lang="zh") == "校验结论为不通过。"
    with speaking("zh"):
        assert verdict(World(server).good, max_billed_seconds=7) == "最多可能计费 8 秒，而上限是 7 秒。"
    said = catalogue("zh")
    assert {"The verdict is fail.", "The body is not a JSON object"} <= said.keys()
