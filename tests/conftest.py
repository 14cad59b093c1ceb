"""What every test may ask for, and what no test may depend on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.servers import MediaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The language of the developer's machine does not count, for what a test starts neither.
os.environ["LC_ALL"] = "C.UTF-8"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies, colour switches, certificate overrides and our own settings of the developer's shell do not count."""
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith("PREFLIGHT_"):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[MediaServer]:
    """A loopback media server; see `tests/servers.py`."""
    with MediaServer() as running:
        yield running
