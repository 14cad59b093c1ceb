"""A headless Chromium that a test or a benchmark can ask: the DevTools protocol over two pipes, nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
    # Whatever it wants to look up, it finds nothing: no packet leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


class Browser:
    """One page in a browser of its own; a context manager.

    Args:
        width: columns of pixels.
        dark: what the reader prefers.
    """

    def __init__(self, width: int = 1200, *, dark: bool = False) -> None:
        assert CHROMIUM, "no Chromium is installed"
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        down, self._out = _pipe(is_ours_first=False)
        self._in, up = _pipe(is_ours_first=True)
        self._process = subprocess.Popen(
            [
                "/bin/bash", "-c", f'exec "$0" "$@" 3<&{down} 4>&{up}',
                CHROMIUM, *_ARGUMENTS, f"--user-data-dir={self._folder.name}",
            ],
            pass_fds=(down, up),
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(down)
        os.close(up)
        self._held = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        try:
            self._attach(width, dark=dark)
        except BaseException:
            self.__exit__()
            raise

    def _attach(self, width: int, *, dark: bool) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        # A window has a smallest width; what the page is laid out for has not.
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=theme)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._folder.cleanup()

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command and its answer; events that come before it are kept."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path) -> float:
        """Load a file; answers the seconds until it was loaded and painted."""
        started = time.monotonic()
        self.ask("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - started

    def run(self, script: str) -> Any:
        """The value of an expression, after a promise that it may be."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """What the console said, and what was thrown."""
        methods = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in methods]

    def asked_for(self) -> list[str]:
        """Every address that the page wanted to load."""
        events = (event for event in self.events if event["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in events]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._in], [], [], 60)
            assert ready, "the browser is silent"
            got = os.read(self._in, 1 << 20)
            assert got, "the browser has gone"
            self._held += got
        message, _, self._held = self._held.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


def _pipe(*, is_ours_first: bool) -> tuple[int, int]:
    """A pipe whose other end has a number that stands in nobody's way when the browser gets it as 3 or 4."""
    reader, writer = os.pipe()
    theirs = writer if is_ours_first else reader
    moved = fcntl.fcntl(theirs, fcntl.F_DUPFD, 20)
    os.close(theirs)
    return (reader, moved) if is_ours_first else (moved, writer)
