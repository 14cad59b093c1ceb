"""A loopback HTTP proxy: forwards requests of absolute form, opens tunnels, and keeps a log of what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Listens until the `with` block ends. `names` tells where a host of its requests really is."""

    def __init__(self, names: dict[str, tuple[str, int]], *, refuses: bool = False) -> None:
        self.asked: list[str] = []
        """Every request line's target."""
        self.authorizations: list[str] = []
        self._names = names
        self._refuses = refuses
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._start(self._serve, connection)

    def _start(self, what: object, *with_: socket.socket) -> None:
        self._open.update(with_)
        thread = threading.Thread(target=what, args=with_)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := client.recv(65536)):
                    return
                head += piece
            method, target, _ = head.decode("latin-1").split(" ", 2)
            self.asked.append(target)
            lines = head.decode("latin-1").lower().split("\r\n")
            self.authorizations += [line for line in lines if line.startswith("proxy-authorization:")]
            host = target.rpartition(":")[0] if method == "CONNECT" else urlsplit(target).hostname or ""
            if self._refuses or host not in self._names:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(self._names[host]) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = urlsplit(target).path
                    server.sendall(head.replace(target.encode(), path.encode(), 1))
                self._start(self._pump, server, client)
                self._pump(client, server)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
