"""When a URL dies, as far as its own text tells: signed links, temporary links, links for somebody else's address.

A guess is never an error, and a guess that the delivery disproved is not told at all.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from preflight.deliver.presigned import expiry
from preflight.findings import Severity
from preflight.language import say, told
from preflight.rules.limits import scalar
from preflight.rules.model import Breach, Breaches, Case, Rule, rule
from preflight.rules.url import delivered

if TYPE_CHECKING:
    from datetime import datetime

    from preflight.deliver.ends import Expiry
    from preflight.facts import Medium

SIGNERS = "the signers' documentation of signed URLs (table: preflight/deliver/presigned.py)"


#: All rules of this family ask about the same link.
_read = lru_cache(maxsize=2)(expiry)


def _end(case: Case, medium: Medium) -> Expiry | None:
    return None if medium.delivery.local else _read(medium.delivery.reference, case.now)


def _moment(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """`3 days`, `2 h 5 min`, `40 s`: two units at most, rounded down."""
    seconds = int(abs(length).total_seconds())
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        whole = say("{days} days", days=days) if days > 1 else say("1 day")
        return whole + (" " + say("{hours} h", hours=hours) if hours and days < 3 else "")
    if hours:
        return say("{hours} h", hours=hours) + (" " + say("{minutes} min", minutes=minutes) if minutes else "")
    return say("{minutes} min", minutes=minutes) if minutes else say("{seconds} s", seconds=seconds)


@rule(
    "url-expired",
    "reference",
    Severity.ERROR,
    title="The signed URL has expired",
    message="The {subject} URL ({scheme}) expired at {moment}, {span} ago.",
    why="The storage refuses an expired signature, so the provider cannot fetch the file.",
    fix="Sign the URL again, for as long as the queue and the job may take; a day is a safe choice. If it was signed "
    "just now, compare the clocks of the two machines.",
    source=SIGNERS,
)
def url_expired(case: Case, medium: Medium) -> Breaches:
    """A documented signature whose end has come."""
    end = _end(case, medium)
    if end and end.instant and end.confidence == "high" and end.instant <= case.now:
        yield Breach(end.instant.isoformat(), case.now.isoformat(), values=_words(end, end.instant, case))


@rule(
    "url-expires-soon",
    "reference",
    Severity.WARNING,
    limits=("url_lifetime_min",),
    title="The signed URL may expire before the job fetches it",
    message="The {subject} URL ({scheme}) {expires} at {moment}, in {span}; it should live {least} or more.",
    why="A job waits in a queue before its media are fetched, and a retry fetches them again.",
    fix="Sign the URL with a longer lifetime; a day is a safe choice.",
    source=SIGNERS,
)
def url_expires_soon(case: Case, medium: Medium) -> Breaches:
    """An end, certain or guessed, within the profile's least lifetime."""
    end, limit = _end(case, medium), case.limit("url_lifetime_min")
    if not (limit and end and end.instant and end.instant > case.now):
        return
    least = timedelta(seconds=float(limit.number))
    if end.instant < case.now + least:
        expires = say("expires") if end.confidence == "high" else say("seems to expire")
        words = _words(end, end.instant, case) | {"expires": expires, "least": span(least)}
        yield Breach(end.instant.isoformat(), scalar(limit.number), limit, values=words)


@rule(
    "url-expiry-unsure",
    "reference",
    Severity.WARNING,
    title="The URL seems to have expired",
    message="The {subject} URL ({scheme}) seems to have expired: {reason}.",
    why="Its text looks like a signed link whose time is over, but the form is not certain, or the server alone knows "
    "how long a signature holds.",
    fix="Make a fresh link, and check again.",
    source=SIGNERS,
)
def url_expiry_unsure(case: Case, medium: Medium) -> Breaches:
    """A guessed end that has come, and no medium that proves the guess wrong."""
    end = _end(case, medium)
    if end is None or delivered(medium):
        return
    if end.instant and end.confidence != "high" and end.instant <= case.now:
        reason = say("a parameter that looks like its end says {moment}", moment=_moment(end.instant))
        values = {"scheme": told(end.scheme), "reason": reason}
        yield Breach(end.instant.isoformat(), case.now.isoformat(), values=values)
    elif end.signed_at and end.lifetime and _usual_time_is_over(end, case):
        words = {"moment": _moment(end.signed_at), "span": span(end.lifetime)}
        reason = say("it was signed at {moment}, and such links usually live {span}", **words)
        values = {"scheme": told(end.scheme), "reason": reason}
        yield Breach(end.signed_at.isoformat(), case.now.isoformat(), values=values)


@rule(
    "url-expiry-unknown",
    "reference",
    Severity.NOTE,
    title="The URL dies at a time that its text does not tell",
    message="The {subject} URL ({scheme}) is temporary, and its text does not tell until when{usual}.",
    why="If it dies while the job waits in the queue, the provider cannot fetch the file.",
    fix="Submit soon after the link was made, or copy the file to storage whose links you sign yourself.",
    source=SIGNERS,
)
def url_expiry_unknown(case: Case, medium: Medium) -> Breaches:
    """A temporary link whose end is known to the server only."""
    end = _end(case, medium)
    if end and not end.instant and not end.unending and (delivered(medium) or not _usual_time_is_over(end, case)):
        usual = say("; such links usually live {span}", span=span(end.lifetime)) if end.lifetime else ""
        yield Breach(values={"scheme": told(end.scheme), "usual": usual})


@rule(
    "url-session-token",
    "reference",
    Severity.NOTE,
    title="The URL was signed with temporary credentials",
    message="The {subject} URL ({scheme}) was signed with temporary credentials: it expires at {moment} at the latest, "
    "and earlier if their session ends before that.",
    why="Such a URL dies with the session that signed it, often after one hour, whatever lifetime it states.",
    fix="If the job may wait long, sign with long-lived credentials, or just before you submit.",
    source="https://repost.aws/knowledge-center/presigned-url-s3-bucket-expiration",
)
def url_session_token(case: Case, medium: Medium) -> Breaches:
    """A session token beside an end that is still to come."""
    end = _end(case, medium)
    if end and end.may_die_earlier and end.instant and end.instant > case.now:
        yield Breach(end.instant.isoformat(), values=_words(end, end.instant, case))


@rule(
    "url-not-yet-valid",
    "reference",
    Severity.ERROR,
    title="The signed URL is not valid yet",
    message="The {subject} URL ({scheme}) is valid from {moment}, in {span}.",
    why="The storage refuses a signature whose time has not begun, so the provider cannot fetch the file.",
    fix="Sign the URL with an earlier start or without one; if it was signed just now, compare the clocks of the two "
    "machines and start a quarter of an hour in the past.",
    source=SIGNERS,
)
def url_not_yet_valid(case: Case, medium: Medium) -> Breaches:
    """A documented signature whose start is still to come."""
    end = _end(case, medium)
    if end and end.not_before and end.confidence == "high" and end.not_before > case.now and not delivered(medium):
        yield Breach(end.not_before.isoformat(), case.now.isoformat(), values=_words(end, end.not_before, case))


@rule(
    "url-ip-bound",
    "reference",
    Severity.WARNING,
    title="The signed URL is restricted to some IP addresses",
    message="The {subject} URL ({scheme}) may be fetched from {bound} only.",
    why="The provider fetches from addresses of its own, which you do not know; the storage refuses them.",
    fix="Sign the URL without an address restriction.",
    source=SIGNERS,
)
def url_ip_bound(case: Case, medium: Medium) -> Breaches:
    """A signature that names addresses."""
    end = _end(case, medium)
    if end and end.bound:
        yield Breach(end.bound, values={"scheme": told(end.scheme), "bound": told(end.bound)})


def _words(end: Expiry, instant: datetime, case: Case) -> dict[str, str]:
    return {"scheme": told(end.scheme), "moment": _moment(instant), "span": span(instant - case.now)}


def _usual_time_is_over(end: Expiry, case: Case) -> bool:
    return bool(end.signed_at and end.lifetime and end.signed_at + end.lifetime <= case.now)


@rule(
    "url-bot-token",
    "reference",
    Severity.WARNING,
    title="The URL contains the token of a Telegram bot",
    message="The {subject} URL contains the token of a Telegram bot.",
    why="Whoever sees the URL controls the bot: the provider, its logs, and every log on the way.",
    fix="Download the file, upload it to storage of your own, and revoke the token with @BotFather.",
    source="https://core.telegram.org/bots/api#getfile",
)
def url_bot_token(case: Case, medium: Medium) -> Breaches:
    """A file link of the Telegram Bot API."""
    end = _end(case, medium)
    if end and end.scheme == "Telegram bot file":
        yield Breach("api.telegram.org")


RULES: tuple[Rule, ...] = (
    url_expired,
    url_expires_soon,
    url_expiry_unsure,
    url_expiry_unknown,
    url_session_token,
    url_not_yet_valid,
    url_ip_bound,
    url_bot_token,
)
