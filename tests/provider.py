"""A stand-in of the provider: `POST /v1/videos/generations` as its page describes it, on loopback, with real HTTP.

    with Provider() as provider:
        ...                                                  # submit to provider.base with provider.key
        assert provider.asked == [] and provider.jobs == {}
        provider.then(PAGE[429], Trouble("after-reading", "silence"))   # for the next connections, in this order

It validates what the page states, fetches both media and decodes all of them; what it refuses, it refuses in the words
of the real upstream. It knows nothing of preflight: its numbers are the page's and the vendor's, written here again.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self

import av
from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODELS = ("kling-v2-6-motion-control", "kling-v3-motion-control")
LONGEST = {"image": 10, "video": 30}
SHORTEST = 3
MOST_BYTES = {"image": 10 * 1024 * 1024, "video": 100 * 1024 * 1024}
VIDEO_SIDES, IMAGE_SIDES, IMAGE_ASPECT = (340, 3850), (300, 65536), (Fraction(2, 5), Fraction(5, 2))
PATH = "/v1/videos/generations"
#: A stream that ends so many seconds before the file says so is cut off.
_MISSING = Fraction(1, 2)


# -------------------------------------------------------------------------------------------- answers


@dataclass(frozen=True)
class Reply:
    """This answer, whatever was asked. `cut`: so many bytes of its body, then a reset. `drip`: that part, slowly."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    drip: Literal["head", "body"] | None = None


@dataclass(frozen=True)
class Trouble:
    """No answer: the connection stays silent, is closed, or is reset, before or after what has arrived was read."""

    when: Literal["before-reading", "after-reading"]
    how: Literal["silence", "close", "reset"]


Step = Reply | Trouble


def error(status: int, message: str, kind: str) -> Reply:
    """An error as the page shows it."""
    body = {"error": {"code": status, "message": message, "type": kind}}
    return Reply(status, json.dumps(body, ensure_ascii=False).encode(), (("Content-Type", "application/json"),))


#: The page's own error examples.
PAGE = {
    400: error(400, "请求参数无效", "invalid_request_error"),
    401: error(401, "身份验证失败，请检查您的API密钥", "authentication_error"),
    402: error(402, "账户余额不足，请充值后再试", "payment_required"),
    429: error(429, "请求过于频繁，请稍后再试", "rate_limit_error"),
    500: error(500, "服务器内部错误，请稍后重试", "server_error"),
}


@dataclass(frozen=True)
class Asked:
    """One request that reached the provider whole."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True)
class Job:
    """An accepted job: its request, and the seconds that it is billed."""

    request: Mapping[str, Any]
    billed: Fraction
    picture: Fraction
    """The picture alone, which another server might bill."""


class Refused(Exception):
    """The request is not accepted, in the upstream's words."""


# ---------------------------------------------------------------------------------------------- media


@dataclass(frozen=True)
class Measured:
    """What a decoder really found in a video; seconds and pixels as displayed."""

    file: Fraction
    """From the first thing shown or heard to the last."""
    picture: Fraction
    width: int
    height: int


@dataclass
class _Stream:
    starts: list[Fraction] = field(default_factory=list)
    stops: list[Fraction] = field(default_factory=list)
    packets_end: Fraction | None = None

    @property
    def stop(self) -> Fraction:
        """A coder pads its last packet; what the file says of that packet is what is heard."""
        return max(self.stops) if self.packets_end is None else min(max(self.stops), self.packets_end)


def measure(data: bytes) -> Measured:
    """Decode every frame and every sample.

    Raises:
        Refused: it is no video, or its end is missing.
    """
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            return _measured(container)
    except (av.error.FFmpegError, ValueError, IndexError):
        raise Refused("Failed to read the video file, the format is not supported") from None


def _measured(container: av.container.InputContainer) -> Measured:
    found: dict[int, _Stream] = {}
    picture = container.streams.video[0]
    size, is_cut = (0, 0), False
    for packet in container.demux([*container.streams.video, *container.streams.audio]):
        stream = found.setdefault(packet.stream.index, _Stream())
        is_cut |= packet.is_corrupt
        if packet.stream.type == "audio" and packet.pts is not None and packet.time_base is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            stream.packets_end = max(end, stream.packets_end or end)
        with contextlib.suppress(av.error.FFmpegError):  # a damaged frame; the next one may be whole
            for frame in packet.decode():
                _note(frame, stream)
                if packet.stream.index == picture.index and isinstance(frame, av.VideoFrame):
                    size = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
    shown = [stream for stream in found.values() if stream.stops]
    frames = found[picture.index]
    start, stop = min(min(stream.starts) for stream in shown), max(stream.stop for stream in shown)
    stated = Fraction(container.duration, av.time_base) if container.duration else None
    if is_cut or (stated is not None and stop - start < stated - _MISSING):
        raise Refused("The video file is incomplete")
    return Measured(stop - start, frames.stop - min(frames.starts), *size)


def _note(frame: Any, stream: _Stream) -> None:
    if frame.pts is None:
        return
    sound = isinstance(frame, av.AudioFrame)
    lasts = Fraction(frame.samples, frame.sample_rate) if sound else (frame.duration or 0) * frame.time_base
    stream.starts.append(frame.pts * frame.time_base)
    stream.stops.append(frame.pts * frame.time_base + lasts)


def judge_video(data: bytes, orientation: str) -> Measured:
    """Accept a reference video, or refuse it."""
    found = measure(data)
    if found.file < SHORTEST:
        raise Refused(f"Video duration can not less than {SHORTEST}s")
    if found.file > LONGEST[orientation]:
        raise Refused(f"Video duration can not longer than {LONGEST[orientation]}.0s")
    for name, side in (("width", found.width), ("height", found.height)):
        if not VIDEO_SIDES[0] <= side <= VIDEO_SIDES[1]:
            raise Refused(f"{name} must be between {VIDEO_SIDES[0]}px and {VIDEO_SIDES[1]}px")
    return found


def judge_image(data: bytes) -> None:
    """Accept a reference image, or refuse it."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            kind, (width, height) = picture.format, picture.size
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise Refused("Failed to read the image file") from None
    if kind not in {"JPEG", "MPO", "PNG"}:
        raise Refused(f"Image format {kind} is not supported")
    sides = IMAGE_SIDES[0] <= min(width, height) and max(width, height) <= IMAGE_SIDES[1]
    if not (sides and IMAGE_ASPECT[0] <= Fraction(width, height) <= IMAGE_ASPECT[1]):
        raise Refused("Image pixel is invalid")


def fetch(url: str, kind: Literal["image", "video"]) -> bytes:
    """Download a medium."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  (a test gave the URL)
            if int(answer.headers.get("Content-Length") or 0) > MOST_BYTES[kind]:
                raise Refused(f"{kind} size is too large")
            data: bytes = answer.read(MOST_BYTES[kind] + 1)
    except (OSError, ValueError, urllib.error.URLError):
        raise Refused("Failed to download the file") from None
    if len(data) > MOST_BYTES[kind]:
        raise Refused(f"{kind} size is too large")
    return data


# --------------------------------------------------------------------------------------------- fields

_CHECKS: dict[str, Callable[[Any], bool]] = {
    "model": lambda value: value in MODELS,
    "prompt": lambda value: isinstance(value, str) and len(value) <= 2500,
    "image_url": lambda value: isinstance(value, str) and value.startswith(("http://", "https://")),
    "video_url": lambda value: isinstance(value, str) and value.startswith(("http://", "https://")),
    "keep_original_sound": lambda value: value in ("yes", "no"),
    "character_orientation": lambda value: value in LONGEST,
    "mode": lambda value: value in ("std", "pro"),
    "watermark_info": lambda value: isinstance(value, dict) and isinstance(value.get("enabled", False), bool),
}
_REQUIRED = ("model", "image_url", "video_url", "character_orientation", "mode")


def is_valid(request: object) -> bool:
    """Does the request hold what the page requires, in its types?"""
    if not isinstance(request, dict) or any(name not in request for name in _REQUIRED):
        return False
    return all(
        isinstance(value := request[name], str | dict) and check(value)
        for name, check in _CHECKS.items()
        if name in request
    )


# --------------------------------------------------------------------------------------------- server


class Provider:
    """Serves until the `with` block ends."""

    def __init__(self, key: str = "sk-test-0123456789abcdef0123456789") -> None:
        self.key = key
        self.asked: list[Asked] = []
        self.jobs: dict[str, Job] = {}
        self.connections = 0
        self.closing = threading.Event()
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="provider")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def base(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def then(self, *steps: Step) -> None:
        """What the next connections meet, one step each; after them it answers as always."""
        with self._lock:
            self._steps += steps

    def next_step(self) -> Step | None:
        """Count a connection, and tell what it is to meet."""
        with self._lock:
            self.connections += 1
            return self._steps.pop(0) if self._steps else None

    def answer(self, asked: Asked) -> Reply:
        """What the provider says to a request."""
        if asked.path != PATH or asked.method != "POST":
            return error(404, "Not Found", "invalid_request_error")
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return PAGE[401]
        try:
            request = json.loads(asked.body)
        except ValueError:
            return PAGE[400]
        if asked.headers.get("content-type") != "application/json" or not is_valid(request):
            return PAGE[400]
        try:
            judge_image(fetch(request["image_url"], "image"))
            found = judge_video(fetch(request["video_url"], "video"), request["character_orientation"])
        except Refused as refusal:
            return error(400, str(refusal), "invalid_request_error")
        with self._lock:
            task = f"task_{len(self.jobs) + 1:026d}"
            self.jobs[task] = Job(request, found.file, found.picture)
        body = {"code": 200, "data": [{"status": "submitted", "task_id": task}]}
        return Reply(200, json.dumps(body).encode(), (("Content-Type", "application/json"),))


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """One connection: one request."""
        provider = self.server.provider
        self.step = provider.next_step()
        with contextlib.suppress(OSError):
            if isinstance(self.step, Trouble) and self.step.when == "before-reading":
                self.connection.recv(1, socket.MSG_PEEK)
                self._make_trouble(self.step.how)
            else:
                self.close_connection = True
                self.handle_one_request()

    def do_POST(self) -> None:
        """Note what was asked, and answer."""
        provider = self.server.provider
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, headers, body)
        provider.asked.append(asked)
        if isinstance(self.step, Trouble):
            self._make_trouble(self.step.how)
        else:
            self._send(self.step or provider.answer(asked))

    do_GET = do_POST  # noqa: N815

    def _send(self, reply: Reply) -> None:
        if reply.drip == "head":
            self._drip(b"HTTP/1.1 200 OK\r\nServer: " + b"x" * 1000)
            return
        self.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(reply.body))), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        if reply.drip == "body":
            self._drip(reply.body)
            return
        self.wfile.write(reply.body[: reply.cut])
        if reply.cut is not None:
            self.wfile.flush()
            self._make_trouble("reset")

    def _drip(self, data: bytes) -> None:
        for byte in data:
            if self.server.provider.closing.wait(0.02):
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def _make_trouble(self, how: str) -> None:
        if how == "silence":
            self.server.provider.closing.wait(30)
        elif how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""
