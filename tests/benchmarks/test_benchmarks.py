"""The benchmark counts right: a wrong figure in a table of figures is found by nobody."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.bars import Bar, Offline, bars
from tests.benchmarks.measure import Key, Samples, _is_due
from tests.benchmarks.server import TOGETHER_SECONDS, RangeServer, Tally

if TYPE_CHECKING:
    from pathlib import Path

_CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def server(tmp_path: Path) -> RangeServer:
    """A server of one file."""
    (tmp_path / "clip.mp4").write_bytes(_CONTENT)
    return RangeServer(tmp_path)


def _ask(connection: socket.socket, range_: str, path: str = "/clip.mp4") -> tuple[bytes, bytes]:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nRange: bytes={range_}\r\n\r\n".encode())
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65536)
    header, _, body = heard.partition(b"\r\n\r\n")
    length = int(header.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return header, body


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("100-199", 100, 200),
        ("255000-", 255000, 256000),
        ("-10", 255990, 256000),
        ("0-999999", 0, 256000),
    ],
)
def test_ranges_are_what_was_asked(server: RangeServer, asked: str, start: int, stop: int) -> None:
    """Every form of a range brings exactly its bytes and says so."""
    with socket.create_connection(("127.0.0.1", server.listen("127.0.0.1", 0))) as connection:
        header, body = _ask(connection, asked)
    assert body == _CONTENT[start:stop]
    assert header.startswith(b"HTTP/1.1 206")
    assert f"Content-Range: bytes {start}-{stop - 1}/256000".encode() in header


def test_what_is_not_there_is_refused(server: RangeServer) -> None:
    """A range behind the end is 416 with the size; an unknown path is 404."""
    with socket.create_connection(("127.0.0.1", server.listen("127.0.0.1", 0))) as connection:
        assert b"416" in (header := _ask(connection, "256000-")[0])
        assert b"Content-Range: bytes */256000" in header
        assert _ask(connection, "0-0", "/other")[0].startswith(b"HTTP/1.1 404")


def test_requests_connections_and_bytes_are_counted(server: RangeServer) -> None:
    """A count holds what reached the client since the last one, and waits for the connections' ends."""
    port = server.listen("127.0.0.1", 0)
    received = 0
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for asked in ("0-999", "5000-5999"):
                header, body = _ask(connection, asked)
                received += len(header) + 4 + len(body)
    tally = server.take()
    assert (tally.connections, tally.requests) == (2, 4)
    assert received <= tally.bytes <= received + 4  # TCP counts a connection's start and end as a byte each
    assert server.take() == Tally()


def test_waiting_is_a_trip_and_asking_at_once_is_not(server: RangeServer) -> None:
    """Requests side by side are one trip; one that comes a round trip later is another."""
    port = server.listen("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", port)) as one, socket.create_connection(("127.0.0.1", port)) as other:
        for connection in (one, other):
            connection.sendall(b"GET /clip.mp4 HTTP/1.1\r\nRange: bytes=0-0\r\n\r\n")
        one.recv(65536)
        other.recv(65536)
        one.settimeout(3 * TOGETHER_SECONDS)
        with pytest.raises(TimeoutError):
            one.recv(1)
        one.settimeout(5)
        _ask(one, "1-1")
    assert server.take().trips == 2


@pytest.mark.parametrize(("rounds", "total"), [(11, 11), (7, 11), (3, 11), (2, 11), (1, 3)])
def test_fewer_rounds_are_spread(rounds: int, total: int) -> None:
    """A tool with fewer rounds gets exactly those, not all at the beginning."""
    due = [number for number in range(total) if _is_due(number, rounds, total)]
    assert len(due) == rounds
    assert due[-1] == total - 1


def test_a_bar_is_met_or_missed_or_unknown() -> None:
    """At most and at least count their limit in; what was not measured is neither met nor missed."""
    assert Bar("", "", at_most=True, limit=2, measured=2).met is True
    assert Bar("", "", at_most=True, limit=2, measured=2.01).met is False
    assert Bar("", "", at_most=False, limit=2, measured=2).met is True
    assert Bar("", "", at_most=False, limit=2, measured=1.99).met is False
    assert Bar("", "", at_most=False, limit=2, measured=None).met is None


def test_the_worst_clip_decides() -> None:
    """A bar over several clips shows the one that is farthest from it, and needs all of them."""
    results = {
        Key("curl", "fast8"): Samples([0.1], [0.11], [Tally(bytes=1)], [1]),
        Key("ffprobe", "fast8"): Samples([0.5], [0.5], [Tally(bytes=900_000)], [900_000]),
        Key("ffprobe", "tail8"): Samples([0.6], [0.6], [Tally(bytes=900_000)], [900_000]),
        Key("preflight", "fast8"): Samples([0.1], [0.1], [Tally(bytes=10_000)], [10_000]),
        Key("preflight", "tail8"): Samples([0.2], [0.2], [Tally(bytes=20_000)], [20_000]),
    }
    judged = {
        (bar.work, bar.unit): bar for bar in bars(results, Offline({"fast8": 0.001}, {"fast8": 0.004}, {"fast8": True}))
    }
    faster = judged["library against ffprobe, 8 s", "× faster"]
    assert faster.measured == pytest.approx(3.0)
    assert (faster.detail, faster.met) == ("tail8", False)
    fewer = judged["library against ffprobe, 8 s", "× fewer bytes"]
    assert fewer.measured == pytest.approx(45)
    assert (fewer.detail, fewer.met) == ("tail8", True)
    assert judged["library, moov at end", "× floor"].measured == pytest.approx(2.0)
    assert judged["library against ffprobe, 30 s", "× faster"].met is None
