"""What every guard does with a payload: check it, tell whoever wants to know, and let it through or raise."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, Unpack, overload

from preflight.api import Preflight
from preflight.errors import GuardCannotRead, PreflightFailed, UsageError
from preflight.guard.calls import guarded
from preflight.guard.payload import is_ours
from preflight.guard.policy import Policy
from preflight.language import say, speaking
from preflight.profiles import DEFAULT
from preflight.settings import settings_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from preflight.guard.payload import Payload
    from preflight.report import Report
    from preflight.settings import AllOptions

P = ParamSpec("P")
R = TypeVar("R")

#: Sessions that a forked process got from its parent, kept untouched: their sockets are the parent's.
_OF_PARENTS: list[Preflight] = []
#: How old a verdict may be that is taken again.
REUSE_SECONDS = 300.0


def _end(session: Preflight, process: int) -> None:
    """Close the session of a guard that nobody holds any more: beside whichever thread happens to collect garbage."""
    if process != os.getpid():
        _OF_PARENTS.append(session)
        return
    threading.Thread(target=session.__exit__, name="preflight-end", daemon=True).start()


class Guard:
    """Stands before submissions; a context manager of either colour.

    It may be used from any number of threads and event loops at once. Its one session is opened by the first check,
    and again by a check that comes after `close`.

    Args:
        block_unknown: stop also what could not be established.
        block_warn: stop also what has warnings.
        max_billed_seconds: stop what may be billed longer than this, or cannot be estimated.
        max_cost: stop what may cost more than this, or cannot be estimated; it needs a price.
        on_report: called with every report, before anything is decided.
        reuse_seconds: a verdict of the same request in this process is taken again for so long, where it still holds;
            0: check anew each time.
        unreadable: what becomes of a submission that cannot be read: "raise" `GuardCannotRead`, or "pass".
        options: those of `AsyncPreflight`, the profile included.

    Raises:
        UsageError: an option makes no sense.
        ProfileInvalid: the profile does not exist or does not hold.
    """

    def __init__(
        self,
        *,
        block_unknown: bool = False,
        block_warn: bool = False,
        max_billed_seconds: float | None = None,
        max_cost: Decimal | int | str | None = None,
        on_report: Callable[[Report], object] | None = None,
        reuse_seconds: float = REUSE_SECONDS,
        unreadable: Literal["raise", "pass"] = "raise",
        **options: Unpack[AllOptions],
    ) -> None:
        if isinstance(reuse_seconds, bool) or not isinstance(reuse_seconds, int | float) or not reuse_seconds >= 0:
            raise UsageError(
                say("reuse_seconds is a number of seconds, 0 or more, not {value}", value=shown(reuse_seconds))
            )
        if unreadable not in ("raise", "pass"):
            raise UsageError(say("unreadable is 'raise' or 'pass', not {value}", value=shown(unreadable)))
        self._policy = Policy(block_unknown, block_warn, max_billed_seconds, max_cost, on_report)
        self._reuse_seconds = reuse_seconds
        self._unreadable = unreadable
        self._lock = threading.Lock()
        self._abandoned: weakref.finalize[..., Guard] | None = None
        settings = settings_of(options.pop("profile", DEFAULT), options)
        self._policy.require_price(settings)
        self._lang = settings.lang
        # As they were read: what was given may be an iterator, and name a language that changes.
        self._options: AllOptions = {
            **options,
            "profile": settings.profile,
            "ignore": settings.ignore,
            "lang": settings.lang,
        }
        self._session, self._process = Preflight(**self._options), os.getpid()

    def admit(self, payload: Payload) -> Report:
        """Check a payload that is about to be submitted; returns when it may be.

        Raises:
            PreflightFailed: it may not.
        """
        return self._decided(self._opened().check(payload, reuse_seconds=self._reuse_seconds))

    async def aadmit(self, payload: Payload) -> Report:
        """The same for a coroutine: its event loop goes on meanwhile."""
        return self._decided(await self._opened().acheck(payload, reuse_seconds=self._reuse_seconds))

    @overload
    def call(self, function: Callable[P, R], /, *, payload: str | None = None) -> Callable[P, R]: ...

    @overload
    def call(self, /, *, payload: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def call(self, function: Callable[..., Any] | None = None, /, *, payload: str | None = None) -> Any:
        """A function (or coroutine function) that submits, with this guard before it; see `preflight.guard.call`."""
        return partial(guarded, self, payload) if function is None else guarded(self, payload, function)

    def ours(self, read: Callable[[], object]) -> Payload | None:
        """The payload that `read` finds in a submission, if it is one to be judged.

        Raises:
            GuardCannotRead: it cannot be read, and such submissions are not to pass.
        """
        try:
            payload = read()
        except GuardCannotRead:
            if self._unreadable == "pass":
                return None
            raise
        return payload if is_ours(payload) else None

    def _decided(self, report: Report) -> Report:
        if self._policy.on_report is not None:
            self._policy.on_report(report)
        with speaking(self._lang):
            objection = self._policy.objection(report)
        if objection is not None:
            raise PreflightFailed(report, objection)
        return report

    def _opened(self) -> Preflight:
        with self._lock:
            self._leave_to_parent()
            if self._abandoned is None:
                self._abandoned = weakref.finalize(self, _end, self._session, self._process)
                self._abandoned.atexit = False  # what is open then ends with the process
            return self._session.__enter__()

    def _leave_to_parent(self) -> None:
        """After a fork: what the session remembers is here, its thread is not."""
        if self._process == os.getpid():
            return
        if self._abandoned is not None:
            self._abandoned.detach()
        _OF_PARENTS.append(self._session)
        self._session, self._process, self._abandoned = Preflight(**self._options), os.getpid(), None

    # ------------------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Let go of connections and of the process that probes."""
        with self._lock:
            self._leave_to_parent()
            if self._abandoned is not None:
                self._abandoned.detach()
                self._abandoned = None
            self._session.__exit__()

    async def aclose(self) -> None:
        """The same for a coroutine."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
