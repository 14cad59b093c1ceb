"""A range server that counts: what each client asked, over how many connections, and how many bytes reached it.

    python -m tests.benchmarks.server FOLDER ADDRESS [--ports 80 443] [--certificate chain.pem]

Plain threads and blocking sockets: a small range is one `send`, so an answer leaves in the microseconds after its
question. Bytes are what the client's kernel acknowledged (TCP_INFO, read when the connection ends), TLS and headers
included, so what an abandoned download still dragged through the line counts and what stayed in our own buffers does
not. The count is asked for on standard input, one line each.
"""

from __future__ import annotations

import argparse
import json
import mmap
import re
import socket
import ssl
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".ts": "video/mp2t",
    ".avi": "video/x-msvideo",
    ".jpg": "image/jpeg",
}
_RANGE = re.compile(rb"^range:\s*bytes=(\d*)-(\d*)\s*$", re.IGNORECASE | re.MULTILINE)
#: Up to this many bytes of a body leave together with their header.
_AT_ONCE = 65536
#: Where `tcpi_bytes_acked` stands in Linux's struct tcp_info.
_BYTES_ACKED = 120
#: What most servers of the Internet use, whatever this machine prefers.
_CONGESTION = b"cubic"
#: Questions closer together than this were asked in parallel: one who waits for an answer needs a round trip.
TOGETHER_SECONDS = 0.02


@dataclass(slots=True)
class Tally:
    """What came since the last count."""

    connections: int = 0
    requests: int = 0
    bytes: int = 0
    trips: int = 0
    """Requests that had to wait for the answer to another; the first is one."""


@dataclass(slots=True)
class _Books:
    connections: int = 0
    open: int = 0
    bytes: int = 0
    asked: list[float] = field(default_factory=list)


class RangeServer:
    """Serves the files of one folder on each address, until the process ends."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name.encode(): _mapped(path) for path in folder.iterdir() if path.is_file()}
        self._types = {
            name: _MEDIA_TYPES.get(Path(name.decode()).suffix, "application/octet-stream") for name in self._files
        }
        self._books = _Books()
        self._changed = threading.Condition()

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None, congestion: bytes | None = None) -> int:
        """Start serving, under the named congestion control or the machine's own; returns the port."""
        listener = socket.create_server((host, port), backlog=256)
        if congestion is not None:  # accepted connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion)
        threading.Thread(target=self._accept, args=(listener, tls), daemon=True).start()
        return int(listener.getsockname()[1])

    def take(self, patience: float = 5.0) -> Tally:
        """Wait until every connection has ended, then hand out the count and begin a new one."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._books.open == 0, patience):
                raise TimeoutError(f"{self._books.open} connections are still open")
            books, self._books = self._books, _Books()
        asked = sorted(books.asked)
        trips = sum(at - before > TOGETHER_SECONDS for before, at in zip([float("-inf"), *asked], asked, strict=False))
        return Tally(books.connections, len(asked), books.bytes, trips)

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while True:
            connection, _ = listener.accept()
            with self._changed:
                self._books.connections += 1
                self._books.open += 1
            threading.Thread(target=self._serve, args=(connection, tls), daemon=True).start()

    def _serve(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                connection.do_handshake()  # apart, so that a client who gives up here leaves a socket to read from
            self._converse(connection)
        except OSError:  # the client left in the middle: abandoning a download is how some probes work
            pass
        finally:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            connection.close()
            with self._changed:
                self._books.bytes += struct.unpack_from("=Q", info, _BYTES_ACKED)[0]
                self._books.open -= 1
                self._changed.notify_all()

    def _converse(self, connection: socket.socket) -> None:
        heard = b""
        while True:
            while b"\r\n\r\n" not in heard:
                if not (more := connection.recv(65536)):
                    return
                heard += more
            question, _, heard = heard.partition(b"\r\n\r\n")
            with self._changed:
                self._books.asked.append(time.monotonic())
            self._answer(connection, question)
            if re.search(rb"^connection:\s*close", question, re.IGNORECASE | re.MULTILINE):
                return

    def _answer(self, connection: socket.socket, question: bytes) -> None:
        method, target, _ = question.split(b"\r\n", 1)[0].split(b" ", 2)
        name = target.lstrip(b"/").split(b"?", 1)[0]
        content = self._files.get(name)
        if content is None:
            connection.sendall(_header(HTTPStatus.NOT_FOUND, 0))
            return
        total, asked = len(content), _RANGE.search(question.replace(b"\r\n", b"\n"))
        start, stop = _span(asked, total) if asked else (0, total)
        more = {"Content-Type": self._types[name], "Accept-Ranges": "bytes", "ETag": f'"{name.hex()}-{total:x}"'}
        if start >= total:
            header = _header(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, {"Content-Range": f"bytes */{total}"})
            connection.sendall(header)
            return
        if asked:
            more["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        header = _header(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK, stop - start, more)
        first = min(stop, start + _AT_ONCE) if method != b"HEAD" else start
        connection.sendall(header + content[start:first])
        with memoryview(content) as view:
            for at in range(first, stop if method != b"HEAD" else first, 4 * _AT_ONCE):
                connection.sendall(view[at : min(stop, at + 4 * _AT_ONCE)])


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _span(asked: re.Match[bytes], total: int) -> tuple[int, int]:
    """Half-open; starts at or past `total` when there is nothing to send."""
    first, last = asked[1], asked[2]
    if first:
        return int(first), min(total, int(last) + 1) if last else total
    return (max(0, total - int(last)), total) if last and int(last) else (total, total)


def _header(status: HTTPStatus, length: int, more: dict[str, str] | None = None) -> bytes:
    fields = {
        "Server": "range-server",
        "Date": formatdate(usegmt=True),
        "Content-Length": str(length),
        "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT",
        **(more or {}),
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def main() -> None:
    """Serve, and answer each line on standard input with the count as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("address")
    parser.add_argument("--ports", type=int, nargs=2, default=(80, 443))
    parser.add_argument("--certificate", type=Path, required=True, help="PEM: private key and chain")
    arguments = parser.parse_args()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.load_cert_chain(arguments.certificate)
    server = RangeServer(arguments.folder)
    server.listen(arguments.address, arguments.ports[0], congestion=_CONGESTION)
    server.listen(arguments.address, arguments.ports[1], tls, _CONGESTION)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(asdict(server.take())), flush=True)


if __name__ == "__main__":
    main()
