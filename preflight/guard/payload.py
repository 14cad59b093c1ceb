"""Which submissions are ours to judge, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import unquote

from preflight.errors import GuardCannotRead, UsageError
from preflight.language import say
from preflight.request import GenerationRequest
from preflight.request.fields import ALLOWED
from preflight.settings import shown

if TYPE_CHECKING:
    from collections.abc import Callable

Payload = Mapping[str, object] | GenerationRequest

#: Where the provider's page submits, whatever stands before it.
PATH = "/v1/videos/generations"


def is_ours(payload: object) -> TypeGuard[Payload]:
    """Is it a motion-control request? It names one of the models, or it has the field that no other request has.

    The endpoint serves other models too; what belongs to them is nobody's business here.
    """
    if isinstance(payload, GenerationRequest):
        return True
    if not isinstance(payload, Mapping):
        return False
    return "character_orientation" in payload or payload.get("model") in ALLOWED["model"]


def matcher(path: str) -> Callable[[str, str], bool]:
    """What tells a submission by its method and its URL's path: `path` under any base URL.

    Raises:
        UsageError: there is nothing in `path`.
    """
    end = f"/{path.strip('/')}" if isinstance(path, str) else "/"
    if end == "/":
        raise UsageError(say("path is the end of a URL's path, such as {example}, not {value}",
                             example=PATH, value=shown(path)))  # fmt: skip
    return lambda method, asked: method.upper() == "POST" and unquote(asked).rstrip("/").endswith(end)


def read_body(body: object, coding: str | None) -> dict[str, Any] | None:
    """The JSON object in a request's body; None: the body is empty. `coding`: its Content-Encoding.

    Raises:
        GuardCannotRead: it is something else, or cannot be read without consuming it.
    """
    if body is None or body in (b"", ""):
        return None
    if not isinstance(body, bytes | bytearray | str):
        raise GuardCannotRead(_unread(say("The body is streamed or made of parts")))
    if (coding or "identity").strip().lower() != "identity":
        raise GuardCannotRead(_unread(say("The body is compressed or encoded")))
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):  # of broken text, of impossible numbers, of a thousand brackets
        payload = None
    if not isinstance(payload, dict):
        raise GuardCannotRead(_unread(say("The body is not a JSON object")))
    return payload


def _unread(reason: str) -> str:
    return say('{reason}, so it cannot be checked before it is sent; unreadable="pass" would let it through.',
               reason=reason)  # fmt: skip
