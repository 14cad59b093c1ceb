"""A headless Chromium that a test or a benchmark can ask, by way of Playwright. It is the system's: none is fetched."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page, Request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Whatever it wants to look up, it finds nothing: no packet leaves this machine.
_ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update"]


class Browser:
    """A browser with one page; a context manager.

    Args:
        width: columns of pixels.
        dark: what the reader prefers.
    """

    page: Page

    def __init__(self, width: int = 1200, *, dark: bool = False) -> None:
        assert CHROMIUM, "no Chromium is installed"
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
            self.fresh(width, dark=dark)
        except BaseException:
            self._playwright.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def fresh(self, width: int = 1200, *, dark: bool = False, **options: Any) -> None:
        """Another page in place of the present one, of which nothing is kept. `options`: Playwright's for a context."""
        for context in self._browser.contexts:
            context.close()
        self._told: list[str] = []
        self._asked: list[str] = []
        window: Any = {"viewport": {"width": width, "height": 1000}, "color_scheme": "dark" if dark else "light"}
        context = self._browser.new_context(**window, **options)
        self.page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._told.append(str(error)))
        self.page.on("request", self._note)

    def _hear(self, message: ConsoleMessage) -> None:
        self._told.append(message.text)

    def _note(self, request: Request) -> None:
        self._asked.append(request.url)

    def open(self, path: Path) -> float:
        """Load a file; answers the seconds until it was loaded and painted."""
        started = time.monotonic()
        self.page.goto(path.as_uri())
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - started

    def run(self, script: str) -> Any:
        """The value of an expression, after a promise that it may be."""
        return self.page.evaluate(script)

    def complaints(self) -> list[str]:
        """What the console said, and what was thrown."""
        return list(self._told)

    def asked_for(self) -> list[str]:
        """Every address that the page wanted to load."""
        return list(self._asked)
