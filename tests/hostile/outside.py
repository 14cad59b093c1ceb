"""The two ends of `namespaces.py`, each a program in its own network namespace.

    python -m tests.hostile.outside world DEVICE < zone.json     the whole internet: name server, web server, sniffer
    python -m tests.hostile.outside canary lo < zone.json        what hears in the namespace where preflight runs

Both print "up", serve until their standard input ends, and then print what they heard as one JSON object. The world
answers for *every* address (its namespace routes all of them to itself), so whatever leaves preflight's namespace is
heard under the address that was meant, by the listener and, packet by packet, by a raw socket.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import struct
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CLIP = (Path(__file__).parents[2] / "sample_media" / "dance-8s-tail.mp4").read_bytes()
TYPES = {1: 4, 28: 6}
"""A and AAAA: the record types that are asked for, and the family of what they hold."""
_CNAME = 5
_UDP_BYTES = 512


class Heard:
    """What came, shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.packets: dict[str, int] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.lookups: dict[str, int] = {}

    def packet(self, where: str) -> None:
        """One more packet to an address and port."""
        with self._lock:
            self.packets[where] = self.packets.get(where, 0) + 1

    def request(self, address: str, host: str, path: str) -> None:
        """A request arrived at an address."""
        with self._lock:
            self.requests.append((address, host, path))

    def lookup(self, name: str, kind: int) -> int:
        """How often this was asked before."""
        with self._lock:
            count = self.lookups[f"{name} {kind}"] = self.lookups.get(f"{name} {kind}", 0) + 1
        return count - 1

    def told(self) -> str:
        """All of it."""
        with self._lock:
            return json.dumps({"packets": self.packets, "requests": self.requests, "lookups": self.lookups})


# --------------------------------------------------------------------------------------------- sniffer


def sniff(device: str, heard: Heard) -> None:
    """Count what arrives on a device, by destination; what only keeps IPv6 itself going is left out."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(0x0003))
    raw.bind((device, 0x0003))

    def run() -> None:
        while True:
            packet, (_, protocol, kind, *_) = raw.recvfrom(65536)
            if kind != socket.PACKET_OUTGOING and (where := _destination(protocol, packet)):
                heard.packet(where)

    threading.Thread(target=run, daemon=True).start()


def _destination(protocol: int, packet: bytes) -> str | None:
    if protocol == 0x0800:
        transport, after = packet[9], (packet[0] & 15) * 4
        address = str(IPv4Address(packet[16:20]))
    elif protocol == 0x86DD:
        transport, after = packet[6], 40
        address = str(IPv6Address(packet[24:40]))
    else:
        return None
    if transport in {0, 58}:  # hop-by-hop and ICMPv6: neighbours and groups, the kernel's own
        return None
    port = struct.unpack_from(">H", packet, after + 2)[0] if transport in {6, 17} else 0
    return f"{address} {port}"


# ----------------------------------------------------------------------------------------- name server


def answer(query: bytes, zone: dict[str, Any], heard: Heard, *, room: int = 65535) -> bytes | None:
    """The answer to one query; None: silence.

    A name of the zone has a list of turns, one for each lookup, the last repeated. A turn is a list of addresses; an
    item `=name` is an alias; `!word` is one of the misbehaviours below.
    """
    name, position = _question(query)
    kind = struct.unpack_from(">H", query, position)[0]
    asked = query[12 : position + 4]
    turns = zone.get(name)
    turn: list[str] = turns[min(heard.lookup(name, kind), len(turns) - 1)] if turns else ["!missing"]
    flags, records = 0x8180, [record for item in turn for record in _records(item, kind, zone)]
    for word in (item for item in turn if item.startswith("!")):
        if word == "!silent":
            return None
        if word == "!garbage":
            return query[:2] + bytes(range(255))
        if word == "!other-id":
            query = bytes(2) + query[2:]
        flags |= {"!missing": 3, "!fails": 2, "!refuses": 5, "!cut": 0x0200}.get(word, 0)
    whole = _message(query, flags, asked, records)
    return whole if len(whole) <= room else _message(query, flags | 0x0200, asked, [])


def _message(query: bytes, flags: int, asked: bytes, records: list[bytes]) -> bytes:
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + asked + b"".join(records)


def _records(item: str, kind: int, zone: dict[str, Any]) -> list[bytes]:
    """Records for an item of a turn, as far as they are of the kind that was asked for."""
    if item == "!loop":  # a name that points to itself
        return [b"\xc0\x0c" + struct.pack(">HHIH", _CNAME, 1, 0, 2) + b"\xc0\x0c"]
    if item.startswith("="):
        target = b"".join(bytes([len(label)]) + label.encode() for label in item[1:].split(".")) + b"\0"
        alias = b"\xc0\x0c" + struct.pack(">HHIH", _CNAME, 1, 0, len(target)) + target
        final = [record for address in zone[item[1:]][0] for record in _records(address, kind, zone)]
        return [alias, *(target + record[2:] for record in final)]
    if item.startswith("!"):
        return []
    address = ip_address(item)
    if TYPES.get(kind) != address.version:
        return []
    return [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(address.packed)) + address.packed]


def _question(query: bytes) -> tuple[str, int]:
    """The name that is asked for, and where its type begins."""
    labels, position = [], 12
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode("ascii", "replace").lower())
        position += 1 + length
    return ".".join(labels), position + 1


def serve_names(zone: dict[str, Any], heard: Heard) -> None:
    """Answer at port 53, over UDP and, where an answer is too long for that, over TCP."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, plain = self.request
            if (message := answer(data, zone, heard, room=_UDP_BYTES)) is not None:
                plain.sendto(message, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(length := self.rfile.read(2)) == 2:
                query = self.rfile.read(struct.unpack(">H", length)[0])
                if (message := answer(query, zone, heard)) is not None:
                    self.wfile.write(struct.pack(">H", len(message)) + message)

    # Bound to the name server's own address: an answer must come from where the question went.
    for server in (socketserver.ThreadingUDPServer, socketserver.ThreadingTCPServer):
        server.allow_reuse_address = True
        server.daemon_threads = True
    where = (zone["."], 53)
    for listening in (socketserver.ThreadingUDPServer(where, Udp), socketserver.ThreadingTCPServer(where, Tcp)):
        threading.Thread(target=listening.serve_forever, daemon=True).start()


# ------------------------------------------------------------------------------------------ web server


def serve_web(heard: Heard) -> None:
    """Answer at port 80 of every address: a clip, `/close…` a clip and no second request, `/to?URL` a redirect."""

    class Web(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = str(IPv6Address(self.connection.getsockname()[0]).ipv4_mapped or self.connection.getsockname()[0])
            heard.request(address, self.headers.get("Host", ""), self.path)
            path, _, query = self.path.partition("?")
            if path == "/to":
                self.send_response(HTTPStatus.FOUND)
                self.send_header("Location", unquote(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send_range(close=path.startswith("/close"))

        def _send_range(self, *, close: bool) -> None:
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(CLIP)) + 1, len(CLIP))
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(CLIP)}")
            self.send_header("Content-Length", str(stop - start))
            self.send_header("Content-Type", "video/mp4")
            if close:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(CLIP[start:stop])

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6
        request_queue_size = 256
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no event."""

    threading.Thread(target=Server(("::", 80), Web).serve_forever, daemon=True).start()


def main(role: str, device: str) -> None:
    """Serve until standard input ends; its first line is the zone."""
    heard = Heard()
    zone = json.loads(sys.stdin.readline())
    sniff(device, heard)
    serve_web(heard)
    if role == "world":
        serve_names(zone, heard)
    print("up", flush=True)
    sys.stdin.read()
    print(heard.told(), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
