"""The guard as a transport of httpx2."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import httpx2

from preflight.guard.transport import GuardingTransport

if TYPE_CHECKING:
    from types import ModuleType


class Httpx2Guard(GuardingTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A transport for `httpx2.Client` and for `httpx2.AsyncClient`."""

    library: ClassVar[ModuleType] = httpx2
