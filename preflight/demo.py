"""The main job on real media, for somebody who has no URL at hand yet: three requests, three verdicts.

The sample media are served over real HTTP, with ranges, on a loopback port, and go through the whole pipeline. One
thing differs from a real check: a loopback address is allowed and not held against the request, and the demo says so.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING

from preflight.api import Preflight
from preflight.findings import ExitCode, Verdict
from preflight.language import later, say
from preflight.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Scene:
    """One request of the demo and the verdict that it must get."""

    title: str
    image: str
    video: str
    verdict: Verdict


SCENES = (
    Scene(later("A good picture and an 8 s clip"), "portrait.jpg", "dance-8s.mp4", Verdict.PASS),
    Scene(later("The sound ends 20 ms after a video of exactly 10 s"), "portrait.jpg", "tail-10.02s.mp4", Verdict.WARN),
    Scene(later("A thumbnail and an 11 s clip"), "tiny.png", "long-11s.mp4", Verdict.FAIL),
)
#: What a server on this machine cannot help being; a real request is not excused from it.
EXCUSED = ("url-private-allowed",)


def sample_media() -> Path:
    """The folder of the sample media: inside an installed package, or at the top of a checkout."""
    package = Path(str(files("preflight")))
    return next(folder for folder in (package / "sample_media", package.parent / "sample_media") if folder.is_dir())


def run(
    write: Callable[[str], object], *, width: int = 100, color: bool = False, scenes: Iterable[Scene] = SCENES
) -> ExitCode:
    """Check the requests and write their reports, wrapped at `width` columns; `CRASH` if a verdict surprises."""
    surprises = []
    with serve(sample_media()) as base, Preflight(allow_private=True, ignore=EXCUSED) as preflight:
        told = {"base": base, "rules": ", ".join(EXCUSED)}
        write(say("Sample media at {base} (loopback allowed for the demo, {rules} not reported)", **told) + "\n")
        for number, scene in enumerate(scenes, 1):
            report = preflight.check(
                {
                    "model": "kling-v2-6-motion-control",
                    "prompt": "The character dances as in the reference video, evening light",
                    "image_url": f"{base}/{scene.image}",
                    "video_url": f"{base}/{scene.video}",
                    "character_orientation": "image",
                    "mode": "std",
                }
            )
            names = {"image": scene.image, "video": scene.video}
            write(f"\n{number}. {say('{title}: {image} and {video}', title=say(scene.title), **names)}\n\n")
            write(render(report, "text", width=width, color=color))
            if report.verdict is not scene.verdict:
                verdicts = {"found": report.verdict, "expected": scene.verdict}
                surprises.append(say("{image} and {video}: {found}, not {expected}", **names, **verdicts))
    if surprises:
        write("\n" + "\n  ".join([say("The demo went wrong:"), *surprises]) + "\n")
        return ExitCode.CRASH
    write("\n" + say("Your own: preflight check --image URL --video URL --orientation image") + "\n")
    return ExitCode.PASS


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the files of a folder over HTTP on a free loopback port; gives the base URL, without a final slash."""

    class Handler(_RangeHandler):
        root = folder

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="demo server", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True


class _RangeHandler(BaseHTTPRequestHandler):
    """GET of one folder's files, with single byte ranges (RFC 9110, section 14)."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    root: Path

    def do_GET(self) -> None:
        """Answer with a file, or a part of it."""
        path = self.root / self.path.partition("?")[0].lstrip("/")
        if path.parent != self.root or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        data = path.read_bytes()
        span = _span(self.headers.get("Range", ""), len(data))
        if span is None:
            self._answer(HTTPStatus.OK, path, data, {"Accept-Ranges": "bytes"})
        elif not span:
            self._answer(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, path, b"", {"Content-Range": f"bytes */{len(data)}"}
            )
        else:
            proof = f"bytes {span.start}-{span.stop - 1}/{len(data)}"
            self._answer(HTTPStatus.PARTIAL_CONTENT, path, data[span.start : span.stop], {"Content-Range": proof})

    def _answer(self, status: HTTPStatus, path: Path, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        media_type = guess_type(path.name)[0] or "application/octet-stream"
        for name, value in ({"Content-Type": media_type, "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the reports."""


def _span(header: str, total: int) -> range | None:
    """The bytes that a Range header asks for; empty if there are none, None if it is no valid single byte range."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    first, last = match.groups() if match else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        return None
    if not first:
        return range(max(0, total - int(last)), total)
    return range(int(first), min(int(last) + 1 if last else total, total))
