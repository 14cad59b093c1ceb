"""Guards: nothing is submitted that did not pass, with one line of change.

    httpx.Client(transport=preflight.guard.httpx())             # the same object serves httpx.AsyncClient
    session.mount("https://xcompute.us", preflight.guard.requests())
    generate = preflight.guard.call(sdk.videos.generate)        # also a decorator, also for coroutine functions

A guard looks at `POST …/v1/videos/generations`, checks the payload, and raises `preflight.PreflightFailed` (which
carries the `report`) in place of sending what fails. Everything else passes byte for byte: other methods and paths,
and payloads of other models, which are those that neither name a motion-control model nor have a
`character_orientation`. The options are those of `Guard`. Headers are not looked at, but for the body's coding.
"""

# ruff: noqa: PLC0415  (each library is imported by whoever asks for its guard)

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar, Unpack, overload

from preflight.guard.gate import Guard
from preflight.guard.payload import PATH
from preflight.guard.policy import Policy
from preflight.settings import AllOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    import httpx as _httpx
    import httpx2 as _httpx2
    from requests.adapters import BaseAdapter

    from preflight.guard.on_httpx import HttpxGuard
    from preflight.guard.on_httpx2 import Httpx2Guard
    from preflight.guard.on_requests import RequestsGuard
    from preflight.report import Report

__all__ = ["PATH", "Guard", "Policy", "call", "httpx", "httpx2", "requests"]

P = ParamSpec("P")
R = TypeVar("R")


class GuardOptions(AllOptions, total=False):
    """The keyword arguments of every guard; see `Guard` for their meaning."""

    block_unknown: bool
    block_warn: bool
    max_billed_seconds: float | None
    max_cost: Decimal | int | str | None
    on_report: Callable[[Report], object] | None
    reuse_seconds: float
    unreadable: Literal["raise", "pass"]


def httpx(
    transport: _httpx.BaseTransport | _httpx.AsyncBaseTransport | None = None,
    *,
    path: str = PATH,
    **options: Unpack[GuardOptions],
) -> HttpxGuard:
    """A transport for `httpx.Client(transport=…)` and `httpx.AsyncClient(transport=…)`.

    A client that is given a transport leaves `verify`, `cert`, `http2`, `limits` and the environment's proxies to it,
    so give these to the transport inside. `Client(proxy=…)` would go past the guard: it belongs there too.

    Args:
        transport: the transport inside, `httpx.HTTPTransport(verify=…, proxy=…)` say; None: httpx's default.
        path: the end of the URL's path to which requests are submitted, under any base URL.
        options: those of `Guard`.

    Raises:
        UsageError: an option makes no sense.
        ProfileInvalid: the profile does not exist or does not hold.
    """
    from preflight.guard.on_httpx import HttpxGuard

    return HttpxGuard(Guard(**options), transport, path)


def httpx2(
    transport: _httpx2.BaseTransport | _httpx2.AsyncBaseTransport | None = None,
    *,
    path: str = PATH,
    **options: Unpack[GuardOptions],
) -> Httpx2Guard:
    """The same for `httpx2.Client` and `httpx2.AsyncClient`; see `httpx`."""
    from preflight.guard.on_httpx2 import Httpx2Guard

    return Httpx2Guard(Guard(**options), transport, path)


def requests(adapter: BaseAdapter | None = None, *, path: str = PATH, **options: Unpack[GuardOptions]) -> RequestsGuard:
    """An adapter for `requests.Session().mount("https://…", …)`: it sees what goes to URLs that begin like that.

    Args:
        adapter: the adapter inside, `HTTPAdapter(max_retries=…)` say; None: the guard sends by itself.
        path: the end of the URL's path to which requests are submitted.
        options: those of `Guard`.

    Raises:
        UsageError: an option makes no sense.
        ProfileInvalid: the profile does not exist or does not hold.
    """
    from preflight.guard.on_requests import RequestsGuard

    return RequestsGuard(Guard(**options), adapter, path)


@overload
def call(
    function: Callable[P, R], /, *, payload: str | None = None, **options: Unpack[GuardOptions]
) -> Callable[P, R]: ...


@overload
def call(
    *, payload: str | None = None, **options: Unpack[GuardOptions]
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def call(
    function: Callable[P, R] | None = None, /, *, payload: str | None = None, **options: Unpack[GuardOptions]
) -> object:
    """A function (or coroutine function) that submits, with a guard before it; without one, a decorator.

    The payload is the argument called `payload`. Without that name it is found: the first dict that is a
    motion-control request, else the fields given as arguments of their own (`model=…, image_url=…`), where None
    means left out.

    The guard's session lives as long as the process. To end it sooner, or to share it between functions:
    `with preflight.guard.Guard() as guard: generate = guard.call(…)`.

    Raises:
        UsageError: an option makes no sense, or the function has no such parameter.
        ProfileInvalid: the profile does not exist or does not hold.
    """
    guard = Guard(**options)
    return guard.call(payload=payload) if function is None else guard.call(function, payload=payload)
