"""A loopback media server that misbehaves on request: real sockets, one behaviour per path, every request logged.

    with MediaServer() as server:
        url = server.serve("clip.mp4", data, media_type="video/mp4")                # honours Range
        url = server.serve("old.mp4", data, behaviour=NoRanges())                   # answers 200 with everything
        url = server.serve("busy.mp4", data, behaviour=Status(429, times=2, retry_after="0"))
        ...
        assert [entry.range for entry in server.log] == ["bytes=0-11263"]

`data` is bytes, or the path of a (possibly huge, sparse) file. A behaviour is a small object that answers one `Ask`;
`ask.hit` counts the requests for its path from 1, so "fails twice, then works" needs no state of its own.
`Certificates` makes TLS servers: `MediaServer(tls=Certificates().good())`.
"""

from __future__ import annotations

import contextlib
import gzip
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Headers = list[tuple[str, str]]
Data = bytes | Path
_CHUNK = 65536
_REASONS = {200: "OK", 206: "Partial Content", 404: "Not Found", 416: "Range Not Satisfiable"}


@dataclass(slots=True)
class Logged:
    """One request as the server saw it, and what it answered."""

    method: str
    path: str
    """With the query, as on the request line."""
    headers: dict[str, str]
    """Names in lower case."""
    connection: int
    """Which accepted connection, from 0."""
    at: float
    """`time.monotonic()` of its arrival."""
    status: int | None = None
    sent: int = 0
    """Body bytes handed to the socket."""

    @property
    def range(self) -> str | None:
        """The Range header as sent."""
        return self.headers.get("range")


@dataclass(slots=True)
class Resource:
    """What is served at one path."""

    data: Data
    media_type: str | None
    behaviour: Behaviour
    hits: int = 0

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data) if isinstance(self.data, bytes) else self.data.stat().st_size

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes `[start, stop)` in pieces."""
        if isinstance(self.data, bytes):
            for at in range(start, stop, _CHUNK):
                yield self.data[at : min(at + _CHUNK, stop)]
            return
        with self.data.open("rb") as file:
            file.seek(start)
            while start < stop and (piece := file.read(min(_CHUNK, stop - start))):
                start += len(piece)
                yield piece


class Gone(Exception):
    """The client closed the connection, or the behaviour did."""


@dataclass(slots=True)
class Ask:
    """One request in the hands of a behaviour: what was asked, and the means to answer."""

    resource: Resource
    log: Logged
    headers: dict[str, str]
    """The request's headers for the behaviour to read, and to edit when it pretends not to have seen one."""
    hit: int
    closing: threading.Event
    _socket: socket.socket

    @property
    def head_only(self) -> bool:
        """Was it HEAD?"""
        return self.log.method == "HEAD"

    def byte_range(self) -> tuple[int, int] | None:
        """The asked range as half-open `(start, stop)` clipped to the file; None when there is none to honour."""
        text = self.headers.get("range")
        if text is None or not text.startswith("bytes=") or "," in text:
            return None
        first, _, last = text.removeprefix("bytes=").partition("-")
        size = self.resource.size
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(int(last) + 1, size) if last else size

    def head(self, status: int, headers: Headers) -> None:
        """Send the status line and the headers."""
        self.log.status = status
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Whatever')}", *(f"{k}: {v}" for k, v in headers), "", ""]
        self.raw("\r\n".join(lines).encode("utf-8"))

    def body(self, data: bytes) -> None:
        """Send body bytes, counted in the log."""
        if not self.head_only:
            self.log.sent += len(data)
            self.raw(data)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone from error

    def answer(self, status: int, headers: Headers = [], body: bytes = b"") -> None:  # noqa: B006
        """Send a whole small answer."""
        self.head(status, [*headers, ("Content-Length", str(len(body)))])
        self.body(body)

    def content(self, start: int, stop: int) -> None:
        """Send `[start, stop)` of the file."""
        for chunk in self.resource.chunks(start, stop):
            self.body(chunk)

    def pause(self, seconds: float) -> None:
        """Say nothing for a while; ends early when the client hangs up or the server closes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._socket], [], [], min(left, 0.02))
            if readable or self.closing.is_set():
                raise Gone

    def hear(self) -> None:
        """Wait until the client says something, and leave it unread."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            raise Gone from error

    def fileno(self) -> int:
        """The socket's number, for a behaviour that watches it in its own way."""
        return self._socket.fileno()

    def part(self) -> None:
        """End the connection and hear the client out: closing over unread bytes would be a reset."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(0.5)
            while self._socket.recv(_CHUNK):
                pass
        except OSError as error:
            raise Gone from error
        raise Gone

    def hang_up(self) -> None:
        """Close the connection, whatever was promised."""
        raise Gone

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        raise Gone


class Behaviour(Protocol):
    """How one path answers."""

    def respond(self, ask: Ask) -> None:
        """Answer one request."""


# ------------------------------------------------------------------------------------------ behaviours


@dataclass(frozen=True, slots=True)
class Ranges:
    """A good server: 206 with Content-Range, 416 beyond the end, 200 without a Range."""

    etag: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def respond(self, ask: Ask) -> None:
        """Answer."""
        send_range(ask, headers=list(self.headers), etag=self.etag)


def send_range(
    ask: Ask,
    *,
    headers: Headers | None = None,
    etag: str | None = None,
    content_range: Callable[[int, int, int], str | None] = lambda start, stop, size: f"bytes {start}-{stop - 1}/{size}",
    send: int | None = None,
) -> None:
    """What a good server sends; `content_range` may lie, and after `send` body bytes the connection is closed."""
    size, asked = ask.resource.size, ask.byte_range()
    headers = [*(headers or []), ("Accept-Ranges", "bytes")]
    if ask.resource.media_type is not None:
        headers.append(("Content-Type", ask.resource.media_type))
    if etag is not None:
        headers.append(("ETag", etag))
        if ask.headers.get("if-range", etag) != etag:
            asked = None
    if asked is not None and asked[0] >= size:
        ask.answer(416, [*headers, ("Content-Range", f"bytes */{size}")])
        return
    start, stop = asked or (0, size)
    if asked is not None and (text := content_range(start, stop, size)) is not None:
        headers.append(("Content-Range", text))
    ask.head(206 if asked else 200, [*headers, ("Content-Length", str(stop - start))])
    ask.content(start, stop if send is None else min(stop, start + send))
    if send is not None and send < stop - start:
        ask.hang_up()


@dataclass(frozen=True, slots=True)
class NoRanges:
    """Ignores `Range`: 200 with the whole file; `length` tells it, `claim` lies about it, `cut` hangs up early."""

    length: bool = True
    chunked: bool = False
    claim: int | None = None
    cut: int | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def respond(self, ask: Ask) -> None:
        """Answer."""
        size = ask.resource.size
        headers = list(self.headers)
        if ask.resource.media_type is not None:
            headers.append(("Content-Type", ask.resource.media_type))
        stop = size if self.cut is None else self.cut
        if self.chunked:
            ask.head(200, [*headers, ("Transfer-Encoding", "chunked")])
            for chunk in ask.resource.chunks(0, stop):
                ask.raw(b"%x\r\n" % len(chunk))
                ask.body(chunk)
                ask.raw(b"\r\n")
            if self.cut is None:
                ask.raw(b"0\r\n\r\n")
        elif self.length:
            ask.head(200, [*headers, ("Content-Length", str(size if self.claim is None else self.claim))])
            ask.content(0, stop)
        else:
            ask.head(200, [*headers, ("Connection", "close")])
            ask.content(0, stop)
        if self.cut is not None or not (self.length or self.chunked):
            ask.hang_up()


@dataclass(frozen=True, slots=True)
class Status:
    """This status; the first `times` requests only when given, then a good server."""

    status: int
    times: int | None = None
    retry_after: str | None = None
    body: bytes = b"no"
    headers: tuple[tuple[str, str], ...] = ()

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if self.times is not None and ask.hit > self.times:
            send_range(ask)
            return
        headers = [*self.headers, ("Content-Type", "text/plain")]
        if self.retry_after is not None:
            headers.append(("Retry-After", self.retry_after))
        ask.answer(self.status, headers, b"" if self.status in {204, 304} else self.body)


@dataclass(frozen=True, slots=True)
class Redirect:
    """To `location` (absolute, relative, nonsense; None: the header is missing)."""

    location: str | None
    status: int = 302

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.answer(self.status, [] if self.location is None else [("Location", self.location)], b"moved")


@dataclass(frozen=True, slots=True)
class ContentRange:
    """206 whose Content-Range is made by `form(start, stop, size)`; None leaves the header out."""

    form: Callable[[int, int, int], str | None]
    only_hit: int | None = None
    """Lie at this request only."""
    without_range: Behaviour | None = None
    """How a request without Range is answered; a good server's 200 when not given."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if self.without_range is not None and "range" not in ask.headers:
            self.without_range.respond(ask)
        elif self.only_hit is not None and ask.hit != self.only_hit:
            send_range(ask)
        else:
            send_range(ask, content_range=self.form)


@dataclass(frozen=True, slots=True)
class Multipart:
    """206 as multipart/byteranges, whatever was asked; 200 without a Range."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if (asked := ask.byte_range()) is None:
            send_range(ask)
            return
        part = b"".join(ask.resource.chunks(*asked))
        body = b"--x\r\nContent-Range: bytes 0-1/2\r\n\r\n" + part + b"\r\n--x--\r\n"
        ask.answer(206, [("Content-Type", "multipart/byteranges; boundary=x")], body)


@dataclass(frozen=True, slots=True)
class ChangingETag:
    """A new entity tag at every request; `If-Range` is ignored."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.headers.pop("if-range", None)
        send_range(ask, etag=f'"v{ask.hit}"')


@dataclass(frozen=True, slots=True)
class Drop:
    """Hang up after `after` body bytes, at the first `times` requests (at all when None); then a good server."""

    after: int
    times: int | None = None

    def respond(self, ask: Ask) -> None:
        """Answer."""
        send_range(ask, send=self.after if self.times is None or ask.hit <= self.times else None)


@dataclass(frozen=True, slots=True)
class ShortRange:
    """206 for at most `at_most` bytes of what was asked, honestly labelled."""

    at_most: int

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if (asked := ask.byte_range()) is not None:
            first, last = asked[0], min(asked[1], asked[0] + self.at_most) - 1
            ask.headers["range"] = f"bytes={first}-{last}"
        send_range(ask)


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close without a word (with a reset when asked), at the first `times` requests; then a good server."""

    times: int | None = None
    reset: bool = False

    def respond(self, ask: Ask) -> None:
        """Answer."""
        if self.times is not None and ask.hit > self.times:
            send_range(ask)
        elif self.reset:
            ask.reset()
        else:
            ask.hang_up()


@dataclass(frozen=True, slots=True)
class Drip:
    """The good answer's body, `chunk` bytes every `seconds`."""

    seconds: float = 0.05
    chunk: int = 1

    def respond(self, ask: Ask) -> None:
        """Answer."""
        start, stop = ask.byte_range() or (0, ask.resource.size)
        size = ask.resource.size
        ask.head(206, [("Content-Range", f"bytes {start}-{stop - 1}/{size}"), ("Content-Length", str(stop - start))])
        data = b"".join(ask.resource.chunks(start, stop))
        for at in range(0, len(data), self.chunk):
            ask.body(data[at : at + self.chunk])
            ask.pause(self.seconds)


@dataclass(frozen=True, slots=True)
class Silent:
    """Reads the request and never answers."""

    def respond(self, ask: Ask) -> None:
        """Wait until the client has had enough."""
        ask.pause(3600)


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes instead of an answer, then the end of the connection."""

    data: bytes

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.raw(self.data)
        ask.hang_up()


@dataclass(frozen=True, slots=True)
class Gzip:
    """The whole file, compressed although nobody asked for it."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        body = gzip.compress(b"".join(ask.resource.chunks(0, ask.resource.size)))
        ask.answer(200, [("Content-Encoding", "gzip"), ("Content-Type", "video/mp4")], body)


HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"


# ---------------------------------------------------------------------------------------------- server


class MediaServer:
    """Serves on a free loopback port, in threads, until the `with` block ends. `log` holds every request.

    `greeting` is what it does on every connection before it waits for a request, if it comes to that: it need not
    speak HTTP, or TLS, at all.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", greeting: Behaviour | None = None
    ) -> None:
        self.log: list[Logged] = []
        self._greeting = greeting
        self._accepted = 0
        self._tls = tls
        self._host = host
        self._resources: dict[str, Resource] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self._host, 0), backlog=128)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="media-server")
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    # -- what a test uses

    @property
    def base(self) -> str:
        """`http://127.0.0.1:port`, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def serve(
        self,
        path: str,
        data: Data = b"",
        *,
        media_type: str | None = "video/mp4",
        behaviour: Behaviour | None = None,
    ) -> str:
        """Serve `data` at `path`; returns the URL."""
        path = "/" + path.removeprefix("/")
        self._resources[path] = Resource(data, media_type, behaviour or Ranges())
        return self.base + path

    def page(self, path: str, html: bytes = HTML) -> str:
        """Serve a web page with status 200, as a login wall does."""
        return self.serve(path, html, media_type="text/html; charset=utf-8", behaviour=NoRanges())

    def asked(self, path: str) -> list[Logged]:
        """The requests for one path (without its query), in order."""
        path = "/" + path.removeprefix("/")
        return [entry for entry in self.log if entry.path.partition("?")[0] == path]

    @property
    def accepted(self) -> int:
        """How many connections clients have made, those still in the listener's queue included."""
        while True:
            with self._lock:
                if not self._waiting(0):
                    return self._accepted
            time.sleep(0.001)

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._open) if self.accepted else 0

    def wait_closed(self, seconds: float = 2.0) -> bool:
        """Wait until the clients have closed every connection; False when they do not."""
        deadline = time.monotonic() + seconds
        while self.open_connections and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self.open_connections

    # -- how it works

    def _waiting(self, seconds: float) -> bool:
        return bool(select.select([self._listener], [], [], seconds)[0])

    def _accept(self) -> None:
        while not self._closing.is_set():
            if not self._waiting(0.05):
                continue
            with self._lock:  # nobody sees a connection that is neither waiting nor counted
                connection, _ = self._listener.accept()
                number, self._accepted = self._accepted, self._accepted + 1
                self._open.add(connection)
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._converse, args=(connection, number), name=f"connection-{number}")
            self._threads.append(thread)
            thread.start()

    def _converse(self, plain: socket.socket, number: int) -> None:
        connection = plain
        try:
            if self._greeting is not None:
                unasked = Logged("", "", {}, number, time.monotonic())
                self._greeting.respond(Ask(Resource(b"", None, self._greeting), unasked, {}, 1, self._closing, plain))
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
            with connection.makefile("rb") as reader:
                if reader.peek(1)[:1] == b"\x16":  # a TLS hello on a plain port, answered as web servers do
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    return
                while (asked := _read_request(reader, number)) is not None:
                    self._answer(asked, connection)
                    if asked.headers.get("connection", "").lower() == "close":
                        break
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open -= {plain, connection}
            connection.close()
            plain.close()

    def _answer(self, asked: Logged, connection: socket.socket) -> None:
        resource = self._resources.get(asked.path.partition("?")[0])
        with self._lock:
            self.log.append(asked)
            if resource is not None:
                resource.hits += 1
        if resource is None:
            resource = Resource(b"", None, Status(404))
        resource.behaviour.respond(Ask(resource, asked, dict(asked.headers), resource.hits, self._closing, connection))


def _read_request(reader: BinaryIO, number: int) -> Logged | None:
    """The next request of a connection; None at its end."""
    line = reader.readline().decode("latin-1")
    if not line.strip():
        return None
    method, path, _ = line.split(" ", 2)
    headers = {}
    while (line := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Logged(method, path, headers, number, time.monotonic())


class Certificates:
    """A private authority and TLS contexts for servers on 127.0.0.1 and localhost."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._stranger = trustme.CA()

    def write_authority(self, folder: Path) -> Path:
        """The PEM file that makes a client trust `good`, `wrong_host` and `expired`."""
        path = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(path))
        return path

    def good(self) -> ssl.SSLContext:
        """A valid certificate."""
        return self._context(self._authority.issue_cert("127.0.0.1", "localhost"))

    def wrong_host(self) -> ssl.SSLContext:
        """A certificate for another name."""
        return self._context(self._authority.issue_cert("elsewhere.example"))

    def expired(self) -> ssl.SSLContext:
        """A certificate that ended yesterday."""
        now = datetime.now(UTC)
        ended = self._authority.issue_cert(
            "127.0.0.1", "localhost", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
        )
        return self._context(ended)

    def untrusted(self) -> ssl.SSLContext:
        """A certificate of an authority that nobody knows."""
        return self._context(self._stranger.issue_cert("127.0.0.1", "localhost"))

    @staticmethod
    def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context
