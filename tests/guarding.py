"""What the guards' tests share: a provider that writes down what it gets, and media that pass, warn or fail."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from preflight.guard import PATH
from tests.servers import MediaServer, Ranges, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parents[1] / "sample_media"
TOKEN = "sk-canary-7Hq2VbN9xLtR"  # noqa: S105  (a canary)
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ETAG = '"v1"'


@dataclass
class Provider:
    """Where submissions go; `got` is every request as it came: method, path, headers, body."""

    base: str
    got: list[tuple[str, str, list[tuple[str, str]], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where a request is submitted."""
        return self.base + PATH

    def bodies(self) -> list[Any]:
        """What was submitted."""
        return [json.loads(body) for _, _, _, body in self.got]


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider on loopback. It answers with a task, in two chunks."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self._body()
            running.got.append((self.command, self.path, self.headers.items(), body))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b'{"code": 200, ', b'"data": []}'):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_PUT = do_POST  # noqa: N815  (their protocol)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        running = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


class World:
    """Requests whose media a server has; `etag` None: it names no version of its files."""

    def __init__(self, server: MediaServer, etag: str | None = ETAG) -> None:
        self.server = server
        self._named = Ranges(etag=etag)
        image = server.serve("ref.jpg", SAMPLES / "portrait.jpg", media_type="image/jpeg", behaviour=self._named)
        server.serve("busy.mp4", behaviour=Status(503, retry_after="0"))
        self.good: dict[str, Any] = {
            "model": "kling-v2-6-motion-control",
            "prompt": "she dances as in the reference video",
            "image_url": image,
            "video_url": self.clip("dance-8s.mp4"),
            "character_orientation": "image",
            "mode": "std",
        }
        self.warned = {**self.good, "video_url": self.clip("tail-10.02s.mp4")}
        self.bad = {**self.good, "video_url": self.clip("long-11s.mp4")}
        self.local = {**self.good, "video_url": str(SAMPLES / "dance-8s.mp4")}
        self.unknown = {**self.good, "video_url": f"{server.base}/busy.mp4"}

    def clip(self, name: str) -> str:
        """The URL of one of the sample clips."""
        return self.server.serve(name, SAMPLES / name, behaviour=self._named)

    @property
    def fetches(self) -> int:
        """How many requests for media there were."""
        return len(self.server.log)


def options(**more: Any) -> Any:
    """Of every guard in these tests: loopback is allowed and not held against the request."""
    return {
        "allow_private": True,
        "ignore": ("url-private-allowed",),
        "timeout": 5.0,
        "isolation": "none",
        **more,
    }
