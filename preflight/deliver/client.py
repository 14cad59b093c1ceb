"""Where bytes come from: a URL or a local path, one client for many media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from preflight.deliver.file import FileSource
from preflight.deliver.source import Bounds, Source, Turn, Undelivered
from preflight.deliver.url import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from preflight.deliver.resolver import Resolver
    from preflight.deliver.transport import Session

__all__ = ["Bounds", "Client", "Source", "Undelivered"]


class Client:
    """Opens sources; keeps connections between them. It belongs to the event loop that first used it.

    `authorities` is a PEM file with certificate authorities to trust beside the usual public ones, `resolver` what
    turns names into addresses (this machine's own, if none is given), `proxy` the URL of a proxy that is trusted to
    reach no more than it should: it looks the names up, so the guard cannot.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        *,
        authorities: Path | None = None,
        resolver: Resolver | None = None,
        proxy: str | None = None,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._authorities = authorities
        self._resolver = resolver
        self._proxy = proxy
        self._session: Session | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.aclose()

    def load(self, references: Iterable[object]) -> None:
        """Import what the first request needs, on the caller's thread: beside other imports it would take longer."""
        if any(isinstance(reference, str) and is_url(reference) for reference in references):
            import preflight.deliver.http  # noqa: F401, PLC0415

    def source(self, reference: str, turn: Turn | None = None) -> Source:
        """The source of a URL, or of a local path. Nothing is opened before its first fetch.

        `turn` is moved to each further host that a redirect leads to.
        """
        if not is_url(reference):
            return FileSource(reference, self._bounds)
        # Imported here: the HTTP library costs more than everything else, and a local file does not need it.
        from preflight.deliver.http import HttpSource  # noqa: PLC0415
        from preflight.deliver.transport import Session  # noqa: PLC0415

        if self._session is None:
            self._session = Session(
                self._bounds, authorities=self._authorities, resolver=self._resolver, proxy=self._proxy
            )
        return HttpSource(reference, self._session, self._bounds, turn)
