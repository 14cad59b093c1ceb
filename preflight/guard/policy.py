"""What a caller does not accept: one place that decides whether a checked request is submitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.errors import UsageError
from preflight.findings import Verdict
from preflight.language import say
from preflight.settings import exact_amount, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from preflight.report import Report
    from preflight.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """What is not submitted. A failing request never is, and neither is one that names a local file.

    The bounds hold against the estimate's upper end (`at_most`); where nothing can be estimated, they object.

    Raises:
        UsageError: a bound is no number above zero.
    """

    block_unknown: bool = False
    """Stop also what could not be established."""
    block_warn: bool = False
    """Stop also what has warnings."""
    max_billed_seconds: float | None = None
    max_cost: Decimal | int | str | None = None
    """Money for one request, in the price's currency; it needs a price, see `require_price`."""
    on_report: Callable[[Report], object] | None = None
    """Called with every report before anything is decided; what it raises stops the submission."""

    def __post_init__(self) -> None:
        most = self.max_billed_seconds
        if most is not None and (
            isinstance(most, bool) or not isinstance(most, int | float) or not 0 < most < math.inf
        ):
            raise UsageError(
                say("max_billed_seconds is a number of seconds above zero, not {value}", value=shown(most))
            )
        if self.max_cost is not None and exact_amount(self.max_cost) is None:
            raise UsageError(
                say(
                    "max_cost is money above zero, such as Decimal('0.80') or '0.80', not {value}",
                    value=shown(self.max_cost),
                )
            )

    def require_price(self, settings: Settings) -> None:
        """Make sure that a bound on money can be held against something.

        Raises:
            UsageError: there is a `max_cost`, and neither a price nor a tariff in the profile.
        """
        if self.max_cost is not None and settings.price is None and settings.profile.tariff is None:
            raise UsageError(
                say(
                    "max_cost needs a price: give one, or a profile with a tariff; {profile} has none",
                    profile=settings.profile.name,
                )
            )

    def objection(self, report: Report) -> str | None:
        """Why this request is not to be submitted, in one sentence; None: nothing speaks against it."""
        if report.verdict is Verdict.FAIL:
            return say("The verdict is fail.")
        if any(medium is not None and medium.local for medium in (report.image, report.video)):
            return say(
                "The request names a local file, which the provider cannot fetch: upload it, and submit its URL."
            )
        if report.verdict is Verdict.UNKNOWN and self.block_unknown:
            return say("The verdict is unknown, and only what is established may be submitted.")
        if report.verdict is Verdict.WARN and self.block_warn:
            return say("The verdict is warn, and only what passes without a warning may be submitted.")
        return self._too_long(report) or self._too_dear(report)

    def _too_long(self, report: Report) -> str | None:
        most, reached = self.max_billed_seconds, report.estimate.at_most
        if most is None:
            return None
        if reached is None:
            return say(
                "How many seconds will be billed cannot be estimated, and at most {most} s are allowed.",
                most=f"{most:g}",
            )
        if reached > most:
            return say(
                "Up to {reached} s may be billed, and at most {most} s are allowed.",
                reached=f"{reached:g}",
                most=f"{most:g}",
            )
        return None

    def _too_dear(self, report: Report) -> str | None:
        if (most := exact_amount(self.max_cost)) is None:
            return None
        cost = report.estimate.cost
        if cost is None or cost.at_most is None:
            return say(
                "What the request will cost cannot be estimated, and at most {most} is allowed.", most=f"{most:f}"
            )
        if cost.at_most > most:
            reached = f"{cost.at_most:f}" + (f" {cost.currency}" if cost.currency else "")
            return say(
                "The request may cost up to {reached}, and at most {most} is allowed.",
                reached=reached,
                most=f"{most:f}",
            )
        return None
