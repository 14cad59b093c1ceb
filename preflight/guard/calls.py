"""A guard before any function that submits: where the payload is among a call's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from preflight.errors import GuardCannotRead, UsageError
from preflight.guard.payload import is_ours
from preflight.language import say
from preflight.request import FIELDS, GenerationRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from preflight.guard.gate import Guard

P = ParamSpec("P")
R = TypeVar("R")


def guarded(guard: Guard, name: str | None, function: Callable[P, R]) -> Callable[P, R]:
    """`function` with a guard before it. `name`: the parameter that holds the payload; None: it is found.

    Raises:
        UsageError: the function has no such parameter.
    """
    signature = _signature(function)
    if name is not None:
        _require(name, function, signature)

    def payload_of(arguments: tuple[object, ...], keywords: Mapping[str, object]) -> object:
        given = _bound(signature, arguments, keywords)
        found = _found(given, (*arguments, *keywords.values())) if name is None else given.get(name)
        if not isinstance(found, Mapping | GenerationRequest):
            raise GuardCannotRead(
                say("No payload is found among the arguments of {function}, so nothing can be checked.",
                    function=_called(function))
            )  # fmt: skip
        return found

    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        @wraps(function)
        async def acall(*arguments: P.args, **keywords: P.kwargs) -> Any:
            payload = guard.ours(lambda: payload_of(arguments, keywords))
            if payload is not None:
                await guard.aadmit(payload)
            return await cast("Callable[P, Awaitable[Any]]", function)(*arguments, **keywords)

        return cast("Callable[P, R]", acall)

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        payload = guard.ours(lambda: payload_of(arguments, keywords))
        if payload is not None:
            guard.admit(payload)
        return function(*arguments, **keywords)

    return call


def _signature(function: Callable[..., object]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some functions that are written in C tell none
        return None


def _require(name: str, function: Callable[..., object], signature: inspect.Signature | None) -> None:
    parameters = signature.parameters if signature else {}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if signature is not None and name not in parameters and not takes_any:
        raise UsageError(
            say("{function} has no parameter {name}; it has: {parameters}",
                function=_called(function), name=name, parameters=", ".join(parameters) or "-")
        )  # fmt: skip


def _bound(
    signature: inspect.Signature | None, arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> dict[str, object]:
    """The arguments by name, as the function will see them. What it cannot be called with is Python's to refuse."""
    if signature is None:
        return dict(keywords)
    bound = signature.bind(*arguments, **keywords)
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        value = bound.arguments[name]
        # A default that no field can have (None, NOT_GIVEN) stands for a field that is left out.
        if value is not parameter.default or isinstance(value, str | bool | Mapping):
            given[name] = value
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= value
    return given


def _found(given: Mapping[str, object], values: tuple[object, ...]) -> object:
    """A dict that is a request of ours; else the fields that are given one by one; else any dict there is."""
    dicts = [value for value in values if isinstance(value, Mapping | GenerationRequest)]
    fields = {name: value for name, value in given.items() if name in FIELDS and value is not None}
    candidates = [*dicts, fields] if fields else dicts
    return next((value for value in candidates if is_ours(value)), candidates[0] if candidates else None)


def _called(function: Callable[..., object]) -> str:
    return f"{getattr(function, '__qualname__', type(function).__name__)}()"
