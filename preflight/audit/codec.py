"""A medium's facts as JSON and back, for the journal of a run and for the cache between runs.

The facts' own declarations are the format: a field that keeps its default is left out, a fraction is "n/d", a choice
of several classes names its class. What is read back equals what was written, except that every URL is redacted: these
files stay on disk. A record of another version, or of facts that no longer exist, is no record.
"""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from preflight.deliver.url import redact
from preflight.facts import Delivery, Hop, Medium
from preflight.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Callable

#: Raise it when a field of the facts changes its meaning; one that is added or removed needs nothing.
VERSION = 1
_URLS = {(Delivery, "reference"), (Delivery, "final_url"), (Hop, "url")}
_CLASS = "is"
#: The leaves that JSON has itself, and what stands for each.
_PLAIN: dict[Any, frozenset[type]] = {
    str: frozenset({str}),
    bool: frozenset({bool}),
    int: frozenset({int}),
    float: frozenset({float, int}),
}


class _Unreadable(Exception):
    """Not what `encode` writes."""


class _Coder(NamedTuple):
    """How values of one declared type are written and read."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def encode(medium: Medium) -> dict[str, Any]:
    """`medium` as a JSON object, without a secret."""
    delivery = medium.delivery
    if delivery.etag:
        told = hide(delivery.etag, delivery.urls)
        medium = dataclasses.replace(medium, delivery=dataclasses.replace(delivery, etag=told))
    written: dict[str, Any] = _coder(Medium).encode(medium)
    return {"v": VERSION, **written}


def decode(record: object) -> Medium | None:
    """The medium that `encode` wrote; None: another version wrote this, or something else did."""
    if not isinstance(record, dict) or record.get("v") != VERSION:
        return None
    try:
        medium: Medium = _coder(Medium).decode({name: value for name, value in record.items() if name != "v"})
    except _Unreadable:
        return None
    return medium


@cache
def _coder(declared: Any) -> _Coder:
    """The coder of a declared type.

    Raises:
        TypeError: facts have a field of a type that this module does not know.
    """
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        return _choice(tuple(one for one in inner if one is not types.NoneType))
    if origin is Literal:
        return _leaf(frozenset(inner))
    if origin is tuple and inner[1:] == (...,):
        return _many(_coder(inner[0]))
    if declared in _PLAIN:
        return _plain(_PLAIN[declared])
    if declared is Fraction:
        return _Coder(lambda value: f"{value.numerator}/{value.denominator}", _fraction)
    if isinstance(declared, type) and issubclass(declared, Enum):
        return _enum(declared)
    if dataclasses.is_dataclass(declared) and isinstance(declared, type):
        return _record(declared)
    raise TypeError(f"no way to write {declared}")


def _same(value: Any) -> Any:
    return value


def _plain(allowed: frozenset[type]) -> _Coder:
    def read(value: object) -> object:
        if type(value) not in allowed:
            raise _Unreadable
        return value

    return _Coder(_same, read)


def _leaf(allowed: frozenset[object]) -> _Coder:
    def read(value: object) -> object:
        if not isinstance(value, str) or value not in allowed:
            raise _Unreadable
        return value

    return _Coder(_same, read)


def _enum(declared: type[Enum]) -> _Coder:
    members = {member.value: member for member in declared}

    def read(value: object) -> Enum:
        if not isinstance(value, str) or value not in members:
            raise _Unreadable
        return members[value]

    return _Coder(lambda member: member.value, read)


@lru_cache(1024)  # the same few come again and again, within one medium and in all of a collection
def _fraction(value: object) -> Fraction:
    above, _, below = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        return Fraction(int(above), int(below))
    except (ValueError, ZeroDivisionError):
        raise _Unreadable from None


def _many(one: _Coder) -> _Coder:
    def read(values: object) -> tuple[object, ...]:
        if not isinstance(values, list):
            raise _Unreadable
        return tuple(map(one.decode, values))

    return _Coder(lambda values: list(map(one.encode, values)), read)


def _choice(declared: tuple[Any, ...]) -> _Coder:
    """Of several classes, the one that the value names; of one type or None, the type."""
    if len(declared) == 1:
        if declared[0] in _PLAIN:
            return _plain(_PLAIN[declared[0]] | {types.NoneType})
        one = _coder(declared[0])
        return _Coder(
            lambda value: None if value is None else one.encode(value),
            lambda value: None if value is None else one.decode(value),
        )
    coders = {each.__name__: _coder(each) for each in declared}
    named = tuple(coders)

    def write(value: object) -> object:
        name = type(value).__name__
        return None if value is None else {_CLASS: name, **coders[name].encode(value)}

    def read(value: object) -> object:
        if value is None:
            return None
        if not isinstance(value, dict) or value.get(_CLASS) not in named:
            raise _Unreadable
        return coders[value[_CLASS]].decode({name: inside for name, inside in value.items() if name != _CLASS})

    return _Coder(write, read)


def _record(declared: type) -> _Coder:
    """A dataclass, field by field."""
    # The facts import this for annotations only; their own names are found in their own module.
    hints = get_type_hints(declared, localns={"Fraction": Fraction})
    fields = []
    for field in dataclasses.fields(declared):
        coder = _shown if (declared, field.name) in _URLS else _coder(hints[field.name])
        # None is None alone, and what has to be given is no default: most fields need no comparison of values.
        is_compared = field.default not in (None, dataclasses.MISSING)
        fields.append((field.name, field.default, is_compared, coder))
    decoders = {name: coder.decode for name, _, _, coder in fields}

    def write(value: object) -> dict[str, Any]:
        written = {}
        for name, default, is_compared, coder in fields:
            inside = getattr(value, name)
            if inside is not default and not (is_compared and inside == default):
                written[name] = inside if coder.encode is _same else coder.encode(inside)
        return written

    def read(written: object) -> object:
        if not isinstance(written, dict):
            raise _Unreadable
        try:
            return declared(**{name: decoders[name](inside) for name, inside in written.items()})
        except (KeyError, TypeError):  # a field that no longer exists, or one that has come
            raise _Unreadable from None

    return _Coder(write, read)


def _show(url: str | None) -> str | None:
    return None if url is None else redact(url)


_shown = _Coder(_show, _coder(str | None).decode)
