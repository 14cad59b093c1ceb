"""`preflight submit`: check one request, show what it will cost, then submit it, once."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.cli.check import read_payload, request_flags
from preflight.cli.interrupts import on_interrupt
from preflight.findings import ExitCode
from preflight.language import about, say, told
from preflight.provider import ANSWER_SECONDS, BASE_URL, WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from preflight.guard.policy import Policy
    from preflight.profiles import Profile
    from preflight.provider.answers import Outcome
    from preflight.provider.client import Attempt, Endpoint
    from preflight.report import Report

_policy_options = options.together(
    click.option("--strict", is_flag=True, help="A warning holds it back, too."),
    click.option("--allow-unknown", is_flag=True, help="Submit also where the verdict is unknown."),
    click.option("--max-billed-seconds", type=options.SECONDS, metavar="SECONDS",
                 help="Hold it back where more may be billed (the estimate's upper end)."),
    click.option("--max-cost", type=options.PRICE, metavar="AMOUNT",
                 help="Hold it back where it may cost more; needs --price, or a profile with prices."),
)  # fmt: skip
_provider_options = options.together(
    click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where standard input is no terminal."),
    click.option("--base-url", envvar="PREFLIGHT_BASE_URL", metavar="URL", default=BASE_URL,
                 show_default=True, help="Where the provider is; also PREFLIGHT_BASE_URL."),
    click.option("--answer-timeout", type=options.SECONDS, default=ANSWER_SECONDS, show_default=True, metavar="SECONDS",
                 help="For the provider's answer, everything included."),
    click.option("--max-wait", type=options.SECONDS, default=WAIT_SECONDS, show_default=True, metavar="SECONDS",
                 help="Wait so long in all when the provider puts it off (status 429)."),
)  # fmt: skip


@click.command(
    short_help="Check one request, then submit it to the provider.",
    epilog="""\b
Examples:
  preflight submit request.json                         (asks before it submits)
  preflight submit request.json --yes --price 0.07 --max-cost 0.80
  pbpaste | preflight submit - --yes                    (JSON, or a whole curl command)
  preflight submit request.json --yes --format json | jq -r '.submission.task_ids[]'

\b
The API key is read from PREFLIGHT_API_KEY and from nowhere else. A POST that may have reached the provider is never
repeated. The proxy of the environment (HTTPS_PROXY, NO_PROXY), or --proxy, is used for the provider as well.

\b
Exit codes: 0 accepted; not sent: 1 held back by the verdict or a bound, 2 wrong usage, 3 verdict unknown,
15 no connection (safe to repeat), 130 you said no; refused: 10 request (400), 11 key (401), 12 balance (402),
13 rate limit (429); open: 14 provider error (5xx), 16 no answer, 17 answer not understood.
""",
)
@click.argument("request_", metavar="[REQUEST.json | -]", required=False)
@request_flags
@options.judging_options
@_policy_options
@_provider_options
@options.network_options
@options.speculate_option
@options.format_option
@options.talk_options
def submit(  # noqa: PLR0913, PLR0917  (one parameter for each option)
    request_: str | None,
    profile: str | Profile | None,
    price: Decimal | None,
    ignore: tuple[str, ...],
    strict: bool,
    allow_unknown: bool,
    max_billed_seconds: float | None,
    max_cost: Decimal | None,
    yes: bool,
    base_url: str,
    answer_timeout: float,
    max_wait: float,
    network: dict[str, Any],
    format_: str,
    quiet: bool,
    verbose: int,
    no_color: bool,
    **flags: Any,
) -> int:
    """Check one request, show what it will cost, ask, and submit it.

    What is submitted is the request as it was given, if its verdict is pass or warn. Media are URLs: the provider
    fetches them itself.
    """
    from preflight.guard.policy import Policy
    from preflight.provider.client import encode, endpoint

    level = options.verbosity(quiet, verbose)
    payload = read_payload(request_, flags)
    body = encode(payload)
    key = os.environ.get("PREFLIGHT_API_KEY")
    to = endpoint(base_url, key, proxy=network.get("proxy"), timeout=answer_timeout)
    policy = Policy(not allow_unknown, strict, max_billed_seconds, max_cost)
    if not yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise click.UsageError(say("standard input is no terminal, so nobody can be asked: add --yes"))
    chosen = {"price": price, "ignore": ignore, **network} | ({"profile": profile} if profile else {})
    with _told_of_interrupts() as attempt:
        report = _check(payload, policy, chosen, shown=not quiet)
        if format_ == "text":
            output.write_report(report, "text", level, no_color=no_color, strict=strict)
        outcome = _held_back(report, policy, ask=not yes)
        if outcome is None:
            outcome = _submit(body, to, max_wait, attempt)
        _write(report, outcome, format_, level, no_color=no_color)
    return _exit_code(outcome, report, strict=strict)


def _check(payload: Mapping[str, object], policy: Policy, chosen: dict[str, Any], *, shown: bool) -> Report:
    with output.status(say("fetching image and video …"), shown=shown):
        from preflight.api import Preflight

        if policy.max_cost is not None:
            from preflight.profiles import DEFAULT
            from preflight.settings import settings_of

            policy.require_price(settings_of(chosen.get("profile", DEFAULT), {"price": chosen["price"]}))
        with Preflight(expect=payload, **chosen) as preflight:
            return preflight.check(payload)


def _held_back(report: Report, policy: Policy, *, ask: bool) -> Outcome | None:
    """What ends it before anything is sent, or None."""
    from preflight.provider.answers import Outcome, OutcomeKind
    from preflight.render.phrases import bill

    if (objection := policy.objection(report)) is not None:
        return Outcome(OutcomeKind.BLOCKED, False, message=objection, attempts=0)
    cost = say(", ").join(f"{label} {value}" for label, value in bill(report.estimate))
    if ask and not click.confirm(f"{cost}\n{say('Submit?')}", default=False, err=True):
        return Outcome(OutcomeKind.DECLINED, False, attempts=0)
    return None


def _submit(body: bytes, to: Endpoint, max_wait: float, attempt: Attempt) -> Outcome:
    from preflight.provider import client

    try:
        with output.status(say("waiting for the provider's answer …")):
            return client.submit(body, to, pause=_pause, max_wait=max_wait, attempt=attempt)
    except Exception as error:  # the last net: a crash must not hide that there may be a job
        if not attempt.sent:
            raise
        return _crashed(error)


def _crashed(error: Exception) -> Outcome:
    """A fault of ours after the request was sent; its kind and place, never its words, which may hold the key."""
    from traceback import extract_tb

    from preflight.provider.answers import Outcome, OutcomeKind

    frame = extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    words = say("this is a fault of preflight ({what}): please report it", what=what)
    return Outcome(OutcomeKind.UNANSWERED, None, message=words)


def _pause(seconds: float, number: int) -> None:
    clear = "\r\x1b[K" if os.isatty(2) else ""
    output.say(
        clear
        + say(
            "preflight submit: the provider takes no more requests for now; attempt {number} in {seconds} s",
            number=number,
            seconds=f"{seconds:.0f}" if seconds >= 10 else f"{seconds:g}",
        )
    )
    time.sleep(seconds)


@contextmanager
def _told_of_interrupts() -> Iterator[Attempt]:
    """Ctrl-C ends the process at once, and says whether there may be a job by then."""
    from preflight.provider.client import Attempt

    attempt = Attempt()

    def leave() -> None:
        words = say("interrupted; nothing was sent")
        if attempt.refused:
            words = say("interrupted; nothing was accepted")
        if attempt.sent:
            words = say("interrupted; the request may have been accepted: look at your tasks before you submit again")
        clear = "\r\x1b[K" if os.isatty(2) else ""
        os.write(2, f"{clear}{about('preflight submit', words)}\n".encode())
        os._exit(ExitCode.INTERRUPTED)

    with on_interrupt(leave):
        yield attempt


def _write(report: Report, outcome: Outcome, format_: str, level: int, *, no_color: bool) -> None:
    """Print what became of it. A job that may exist is told on standard error where standard output leads nowhere."""
    from preflight.provider.answers import headline

    try:
        if format_ == "json":
            both = {"report": report.model_dump(mode="json", by_alias=True), "submission": outcome.wire()}
            output.write_utf8(json.dumps(both, ensure_ascii=False) + "\n")
        else:
            output.write(_text(outcome, quiet=level < 0, color=output.use_color(no_color)))
    except Exception:  # the output is lost, or cannot be made
        output.say(about("preflight submit", headline(outcome)))
        raise
    if outcome.accepted is not False and os.path.samestat(os.fstat(sys.stdout.fileno()), Path(os.devnull).stat()):
        output.say(about("preflight submit", headline(outcome)))


def _text(outcome: Outcome, *, quiet: bool, color: bool) -> str:
    from rich.text import Text

    from preflight.provider.answers import OutcomeKind, advice, headline
    from preflight.provider.refusals import refusal_of
    from preflight.render.page import Page

    looks = {True: ("✓", "bold green"), False: ("✗", "bold red"), None: ("?", "bold magenta")}
    sign, style = looks[outcome.accepted]
    page = Page(output.width(), color=color)
    if not quiet:
        page.blank()
    words = "" if outcome.kind is OutcomeKind.BLOCKED else outcome.message or ""
    if quiet:
        page.verbatim(Text.assemble((f"{sign} ", style), _in_one_line(outcome, words)), 0)
        return page.text()
    page.line(Text.assemble((f"{sign} ", style), headline(outcome)))
    if words:
        page.row(say("reason") if outcome.status is None else say("in words"), words)
        if known := refusal_of(words):
            page.row(say("meaning"), told(known.meaning))
            page.row(say("rules"), ", ".join(known.rules))
    page.row(say("next"), advice(outcome))
    return page.text()


def _in_one_line(outcome: Outcome, words: str) -> str:
    from preflight.provider.answers import headline

    if words and outcome.task_ids:  # what ends with an id is not lengthened: it would read as a part of it
        return say("{headline} In words: {words}", headline=headline(outcome), words=words)
    return about(headline(outcome).rstrip(".。"), words) if words else headline(outcome)


def _exit_code(outcome: Outcome, report: Report, *, strict: bool) -> ExitCode:
    from preflight.provider.answers import OutcomeKind

    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return ExitCode.PASS
        case OutcomeKind.BLOCKED:
            return report.exit_code(strict=strict) or ExitCode.FAIL
        case OutcomeKind.DECLINED:
            return ExitCode.INTERRUPTED
        case kind:
            return ExitCode[kind.name]
