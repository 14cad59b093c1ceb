"""The guard as a transport of httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import httpx

from preflight.guard.transport import GuardingTransport

if TYPE_CHECKING:
    from types import ModuleType


class HttpxGuard(GuardingTransport, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for `httpx.Client` and for `httpx.AsyncClient`."""

    library: ClassVar[ModuleType] = httpx
