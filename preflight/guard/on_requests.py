"""The guard as an adapter of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter, HTTPAdapter

from preflight.guard.payload import PATH, matcher, read_body
from preflight.language import say

if TYPE_CHECKING:
    import requests

    from preflight.guard.gate import Guard
    from preflight.guard.payload import Payload


class RequestsGuard(HTTPAdapter):
    """Looks at submissions and sends every request, untouched, itself or through the adapter inside.

    Args:
        guard: what judges; it is closed with the adapter.
        adapter: the one inside, with retries and pools of your choice; None: this one sends.
        path: the end of the URL's path to which requests are submitted.
    """

    def __init__(self, guard: Guard, adapter: BaseAdapter | None = None, path: str = PATH) -> None:
        super().__init__()
        self._guard = guard
        self._inner = adapter
        self._submits = matcher(path)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **keywords: Any) -> requests.Response:
        """Check what is submitted, then send.

        Raises:
            PreflightFailed: it may not be submitted; nothing was sent.
            GuardCannotRead: it cannot be read; nothing was sent.
        """
        if (payload := self._submitted(request)) is not None:
            self._guard.admit(payload)
        send = super().send if self._inner is None else self._inner.send
        return send(request, *arguments, **keywords)

    def _submitted(self, request: requests.PreparedRequest) -> Payload | None:
        """The payload of a request that submits one; of its headers only the coding of the body is looked at."""
        if not self._submits(request.method or "", urlsplit(request.url or "").path):
            return None
        return self._guard.ours(lambda: read_body(request.body, request.headers.get("Content-Encoding")))

    def __getstate__(self) -> NoReturn:
        """The adapter's own would leave the guard behind.

        Raises:
            TypeError: always.
        """
        raise TypeError(say("a guard holds a session and cannot be pickled or copied: make one where it is used"))

    def close(self) -> None:
        """Close the adapter inside, and the guard."""
        try:
            super().close()
            if self._inner is not None:
                self._inner.close()
        finally:
            self._guard.close()
