"""What became of a submission, whatever came back: one frozen value, and what to do next.

The status decides, because it is there even when a gateway answers in the provider's place; the body adds the task or
the provider's own words. Those words are a stranger's: bounded, redacted and printable before they leave this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from preflight.deliver.url import GONE
from preflight.language import say
from preflight.printable import clean
from preflight.provider.refusals import refusal_of
from preflight.redaction import hide, redact_trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Longest body that is read, in bytes; a real answer has a few hundred.
LONGEST_BODY = 65_536
#: Longest number of it that is looked at, in digits.
_LONGEST_CODE = 6
#: Longest text of it that is looked at, in characters.
_LONGEST_TEXT = 8_192
_KEY_WORD = re.compile(r"[0-9A-Za-z]{8,}")
#: What a task's id looks like: nothing to escape, and no URL.
_TASK = re.compile(r"[\w.:-]{1,200}", re.ASCII)
#: A key that is shorter stands in other words by chance.
_SHORTEST_KEY = 8


class OutcomeKind(StrEnum):
    """What became of it, in one word."""

    ACCEPTED = "accepted"
    INVALID_REQUEST = "invalid-request"
    AUTHENTICATION = "authentication"
    BALANCE = "balance"
    RATE_LIMITED = "rate-limited"
    PROVIDER_ERROR = "provider-error"
    NOT_SENT = "not-sent"
    UNANSWERED = "unanswered"
    NOT_UNDERSTOOD = "not-understood"
    BLOCKED = "blocked"
    """Held back here: the report, or a bound that its user set, speaks against it."""
    DECLINED = "declined"
    """Held back here: its user said no."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submission."""

    kind: OutcomeKind
    accepted: bool | None
    """Does the provider have a job now? None: nobody can tell from here, so look before you submit again."""
    task_ids: tuple[str, ...] = ()
    status: int | None = None
    """The HTTP status; None: no answer came."""
    message: str | None = None
    """The provider's own words, or what happened on the way; safe to print."""
    retry_after: float | None = None
    """Seconds that the provider asks to wait."""
    attempts: int = 1

    def wire(self) -> dict[str, object]:
        """As `submission` stands in the JSON of `preflight submit`."""
        told = asdict(self)
        known = refusal_of(self.message or "")
        return {"outcome": told.pop("kind").value, **told, "rules": known.rules if known else (), "next": advice(self)}


_BY_STATUS = {
    **dict.fromkeys((400, 413, 415, 422), OutcomeKind.INVALID_REQUEST),
    **dict.fromkeys((401, 403), OutcomeKind.AUTHENTICATION),
    402: OutcomeKind.BALANCE,
    429: OutcomeKind.RATE_LIMITED,
}
_BY_TYPE = {
    "invalid_request_error": OutcomeKind.INVALID_REQUEST,
    "authentication_error": OutcomeKind.AUTHENTICATION,
    "payment_required": OutcomeKind.BALANCE,
    "rate_limit_error": OutcomeKind.RATE_LIMITED,
    "server_error": OutcomeKind.PROVIDER_ERROR,
}
#: Of the 4xx, those behind which there may be a job: a gateway gave up waiting for the provider; it is there already.
_OPEN = frozenset((408, 409))
#: Kinds by which the provider says that it did not take the job.
_REFUSED = frozenset(
    {
        OutcomeKind.INVALID_REQUEST,
        OutcomeKind.AUTHENTICATION,
        OutcomeKind.BALANCE,
        OutcomeKind.RATE_LIMITED,
    }
)


def read_answer(
    status: int, body: bytes, *, retry_after: float | None = None, key: str = "", urls: Iterable[str] = ()
) -> Outcome:
    """What an answer says. `key` and `urls` are what was sent: no secret of theirs is told, should it repeat them."""
    said = _object(body)
    message = _words(said)
    shown = None if message is None else _safe(message, key, urls)
    ids = tuple(_shown_task(task, key, urls) for task in _tasks(said))
    if 200 <= status < 300 and ids:
        return Outcome(OutcomeKind.ACCEPTED, True, ids, status, shown)
    kind = _kind_inside(said) if status < 300 else _kind_of(status)
    if ids and kind in _REFUSED:  # of what is refused there is no task
        kind = OutcomeKind.NOT_UNDERSTOOD
    refused = kind in _REFUSED or (400 <= status < 500 and status not in _OPEN)
    return Outcome(kind, False if refused and not ids else None, ids, status, shown, retry_after)


def _kind_of(status: int) -> OutcomeKind:
    return _BY_STATUS.get(status, OutcomeKind.PROVIDER_ERROR if status >= 500 else OutcomeKind.NOT_UNDERSTOOD)


def _kind_inside(said: Mapping[str, object]) -> OutcomeKind:
    """The error that a body tells although the status says success; relays write the upstream's status into it."""
    for holder in (said.get("error"), said):
        if isinstance(holder, Mapping):
            code, named = holder.get("code"), holder.get("type")
            digits = str(code) if isinstance(code, int | str) else ""
            if digits.isdecimal() and len(digits) <= _LONGEST_CODE and 400 <= int(digits) < 600:
                return _kind_of(int(digits))
            if isinstance(named, str) and named in _BY_TYPE:
                return _BY_TYPE[named]
    return OutcomeKind.NOT_UNDERSTOOD


# ---------------------------------------------------------------------------------------- the body


def _object(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body; an empty one where there is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _tasks(said: Mapping[str, object]) -> Iterator[str]:
    """Every task id: in the list of the page, or where other relays of the same schema put it."""
    data = said.get("data")
    for item in (*(data if isinstance(data, list) else [data]), said):
        task = item.get("task_id") if isinstance(item, Mapping) else None
        if isinstance(task, str | int) and not isinstance(task, bool) and str(task).strip():
            yield str(task).strip()[:_LONGEST_TEXT]


def _words(said: Mapping[str, object]) -> str | None:
    """What the provider says in words."""
    error = said.get("error")
    inside = error if isinstance(error, Mapping) else {}
    for text in (inside.get("message"), error, said.get("message"), said.get("msg"), said.get("detail")):
        if isinstance(text, str) and text.strip():
            return text.strip()
    return None


def _shown_task(task: str, key: str, urls: Iterable[str]) -> str:
    """A task's id, whole where it is one: parts of it that also stand in the key or in a URL do so by chance."""
    if not _TASK.fullmatch(task):
        return _safe(task, key, urls)
    return re.sub(re.escape(key), GONE, task, flags=re.IGNORECASE) if len(key) >= _SHORTEST_KEY else task


def _safe(text: str, key: str, urls: Iterable[str]) -> str:
    """A stranger's text as it may be shown: without the key, without what URLs must not show, on one short line."""
    text = text[:_LONGEST_TEXT]
    for word in sorted({key, *_KEY_WORD.findall(key)} - {""}, key=len, reverse=True):
        text = re.sub(re.escape(word), GONE, text, flags=re.IGNORECASE)
    return clean(hide(redact_trace(text), urls))


# -------------------------------------------------------------------------------------- what to say


def headline(outcome: Outcome) -> str:
    """What became of it, in one sentence."""
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return say("The provider accepted the job: {tasks}.", tasks=", ".join(outcome.task_ids))
        case OutcomeKind.NOT_SENT:
            return say("Nothing was sent to the provider.")
        case OutcomeKind.UNANSWERED:
            return say("The request was sent and no answer came, so it may have been accepted.")
        case OutcomeKind.BLOCKED:
            return say("Not submitted. {why}", why=outcome.message)
        case OutcomeKind.DECLINED:
            return say("Not submitted, as you wish.")
        case _ if outcome.task_ids:
            return say(
                "{answer} It names a task: {tasks}.", answer=_answered(outcome), tasks=", ".join(outcome.task_ids)
            )
        case _:
            return _answered(outcome)


def _answered(outcome: Outcome) -> str:
    status = outcome.status
    match outcome.kind:
        case OutcomeKind.INVALID_REQUEST:
            return say("The provider refuses the request (status {status}).", status=status)
        case OutcomeKind.AUTHENTICATION:
            return say("The provider does not accept the API key (status {status}).", status=status)
        case OutcomeKind.BALANCE:
            return say("The account's balance does not cover the job (status {status}).", status=status)
        case OutcomeKind.RATE_LIMITED:
            return say("The provider takes no more requests for now (status {status}).", status=status)
        case OutcomeKind.PROVIDER_ERROR:
            return say("The provider failed (status {status}), and there may be a job.", status=status)
        case _ if outcome.accepted is False:
            return say("The answer is none that the provider's page describes (status {status}).", status=status)
        case _:
            return say(
                "The answer is none that the provider's page describes (status {status}), and there may be a job.",
                status=status,
            )


def advice(outcome: Outcome) -> str:
    """What to do next."""
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return say("Ask for the task by its id until the video is there.")
        case OutcomeKind.INVALID_REQUEST:
            return say("Nothing was accepted: correct the request, then submit it again.")
        case OutcomeKind.AUTHENTICATION:
            return say("Nothing was accepted: put a valid key into PREFLIGHT_API_KEY, then submit again.")
        case OutcomeKind.BALANCE:
            return say("Nothing was accepted: top up the account, then submit again.")
        case OutcomeKind.RATE_LIMITED:
            return say("Nothing was accepted: submit again later, or let it wait longer with --max-wait.")
        case OutcomeKind.NOT_SENT | OutcomeKind.DECLINED:
            return say("It is safe to submit again.")
        case OutcomeKind.BLOCKED:
            return say("Nothing was sent: mend what the report names, or raise the bound that holds it back.")
        case OutcomeKind.NOT_UNDERSTOOD if outcome.accepted is False:
            return say("Nothing was accepted: make sure that --base-url is the provider's address.")
        case _:
            return say("It may have been accepted: look at your tasks before you submit again.")
