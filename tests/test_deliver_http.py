"""Delivery over HTTP: exact requests, exact bytes, and a cause for every way in which a server can misbehave."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import preflight.deliver.library
from preflight.deliver.client import Bounds, Client, Undelivered
from preflight.deliver.sparse import Span
from preflight.facts import Cause, Hop
from tests.delivery import CLIP, LOOPBACK, cause_of, deliver, failed
from tests.servers import (
    HTML,
    Certificates,
    ChangingETag,
    ContentRange,
    Drip,
    Drop,
    Gzip,
    Hangup,
    MediaServer,
    Multipart,
    NoRanges,
    Ranges,
    Raw,
    Redirect,
    ShortRange,
    Silent,
    Status,
)

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import Delivery, Transfer
    from tests.servers import Behaviour

QUICK = Bounds(allow_private=True, read_timeout=0.3, connect_timeout=0.5)


# ------------------------------------------------------------------------------------------ a good server


def test_exact_ranges_on_one_connection(server: MediaServer) -> None:
    """Each fetch is one bounded GET for exactly the missing bytes, all on the same connection; the size is proven."""
    url = server.serve("clip.mp4", CLIP)
    data, delivery = deliver(url, [(0, 11264)], [(5000, 20_000)], [(99_000, None)])
    assert [(entry.method, entry.range, entry.sent, entry.connection) for entry in server.log] == [
        ("GET", "bytes=0-11263", 11264, 0),
        ("GET", "bytes=11264-19999", 8736, 0),
        ("GET", "bytes=99000-99999", 1000, 0),
    ]
    assert data.held == (Span(0, 20_000), Span(99_000, 100_000))
    assert data.read(0, 20_000) + data.read(99_000, 100_000) == CLIP[:20_000] + CLIP[99_000:]
    assert (delivery.status, delivery.ranges, delivery.media_type_declared) == (206, True, "video/mp4")
    assert (delivery.size_bytes, delivery.size_proof) == (100_000, "content-range")
    assert (delivery.final_url, delivery.hops, delivery.local, delivery.failure) == (url, (), False, None)
    transfer = delivery.transfer
    assert (transfer.requests, transfer.connections, transfer.round_trips) == (3, 1, 4)
    assert 21_000 < transfer.bytes_received < 21_000 + 3 * 300
    assert 0 < transfer.seconds < 5


def test_what_a_request_carries(server: MediaServer) -> None:
    """A request asks, and gives nothing away: no cookie, no referer, an honest name, no compression."""
    server.serve("clip.mp4", CLIP, behaviour=Ranges(headers=(("Set-Cookie", "id=1"),)))
    url = server.serve("go", behaviour=Redirect("/clip.mp4"))
    deliver(url, [(0, 10)], [(5000, 5010)])
    assert len(server.log) == 3
    for entry in server.log:
        assert set(entry.headers) == {"host", "accept", "accept-encoding", "user-agent", "range"}
        assert entry.headers["accept-encoding"] == "identity"
        assert entry.headers["user-agent"].startswith("preflight/")


def test_nothing_is_fetched_twice(server: MediaServer) -> None:
    """Spans that are here already, or beyond the end of the file, cost no request."""
    url = server.serve("clip.mp4", CLIP)
    deliver(url, [(0, 1000)], [(0, 1000), (200, 300)], [(100_000, 200_000)], [(500, 500)])
    assert len(server.log) == 1


def test_close_spans_are_one_request(server: MediaServer) -> None:
    """Spans with a gap below 4 KiB are one request; distant ones are two, in order."""
    url = server.serve("clip.mp4", CLIP)
    deliver(url, [(0, 10)], [(60_000, 60_100), (20_000, 20_100), (24_000, 24_100)])
    assert [entry.range for entry in server.log[1:]] == ["bytes=20000-24099", "bytes=60000-60099"]


def test_a_file_smaller_than_the_first_range(server: MediaServer) -> None:
    """The first range may reach beyond the end."""
    data, delivery = deliver(server.serve("small.png", CLIP[:300], media_type="image/png"), [(0, 11264)])
    assert (data.complete, data.read(0, 300)) == (True, CLIP[:300])
    assert (delivery.size_bytes, delivery.media_type_declared, len(server.log)) == (300, "image/png", 1)


def test_an_empty_file(server: MediaServer) -> None:
    """A 416 with `bytes */0` is the proof of an empty file, in one request."""
    data, delivery = deliver(server.serve("empty.mp4", b""))
    assert (data.total, data.complete, delivery.failure) == (0, True, None)
    assert (delivery.size_proof, len(server.log)) == ("content-range", 1)


def test_ranges_without_a_total(server: MediaServer) -> None:
    """`bytes 0-999/*` is honest too: the bytes count, and the size is found when a range meets the end."""
    url = server.serve("clip.mp4", CLIP, behaviour=ContentRange(lambda start, stop, _: f"bytes {start}-{stop - 1}/*"))
    data, delivery = deliver(url, [(0, 1000)])
    assert (data.total, delivery.size_bytes, delivery.size_proof, delivery.ranges) == (None, None, None, True)
    data, delivery = deliver(url, [(0, 1000)], [(90_000, None)])
    assert (data.total, delivery.size_proof, data.read(90_000, 100_000)) == (100_000, "content-range", CLIP[90_000:])


def test_a_server_that_gives_less_per_range(server: MediaServer) -> None:
    """A range may be answered by its honest beginning; the rest is asked for."""
    url = server.serve("clip.mp4", CLIP, behaviour=ShortRange(400))
    data, _ = deliver(url, [(0, 1000)])
    assert [entry.range for entry in server.log] == ["bytes=0-999", "bytes=400-999", "bytes=800-999"]
    assert data.read(0, 1000) == CLIP[:1000]


def test_crumbs_end_at_the_request_cap(server: MediaServer) -> None:
    """A server that hands out one byte per request does not keep us for ever."""
    url = server.serve("clip.mp4", CLIP, behaviour=ShortRange(1))
    _, delivery = deliver(url, bounds=Bounds(allow_private=True, max_requests=10))
    assert (cause_of(delivery), len(server.log)) == (Cause.BUDGET, 10)


def test_if_range_only_with_a_strong_etag(server: MediaServer) -> None:
    """Follow-ups name the version that they continue, where its tag promises the same bytes."""
    strong = server.serve("strong.mp4", CLIP, behaviour=Ranges(etag='"v1"'))
    weak = server.serve("weak.mp4", CLIP, behaviour=Ranges(etag='W/"v1"'))
    assert deliver(strong, [(0, 10)], [(9000, 9010)])[1].etag == '"v1"'
    assert deliver(weak, [(0, 10)], [(9000, 9010)])[1].failure is None
    assert [entry.headers.get("if-range") for entry in server.asked("strong.mp4")] == [None, '"v1"']
    assert [entry.headers.get("if-range") for entry in server.asked("weak.mp4")] == [None, None]


def test_a_huge_file_costs_its_ranges(server: MediaServer, tmp_path: Path) -> None:
    """300 MB on the server, a few kilobytes on the wire."""
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(300_000_000)
    data, delivery = deliver(server.serve("huge.mp4", tmp_path / "huge.mp4"), [(0, 1000)], [(299_999_000, None)])
    assert (data.total, len(data), delivery.failure) == (300_000_000, 2000, None)


# ---------------------------------------------------------------------------------------- several versions


def test_a_changing_etag(server: MediaServer) -> None:
    """Another entity tag between two ranges means two files: no facts from a mixture."""
    url = server.serve("clip.mp4", CLIP, behaviour=ChangingETag())
    assert cause_of(deliver(url, [(0, 10)], [(9000, 9010)])[1]) is Cause.INCONSISTENT


def test_a_size_that_changes(server: MediaServer) -> None:
    """Another total between two ranges means the same."""
    lie = ContentRange(lambda start, stop, size: f"bytes {start}-{stop - 1}/{size + 1}", only_hit=2)
    _, delivery = deliver(server.serve("clip.mp4", CLIP, behaviour=lie), [(0, 10)], [(9000, 9010)])
    assert cause_of(delivery) is Cause.INCONSISTENT
    assert delivery.size_bytes == 100_000


def test_a_file_replaced_between_ranges(server: MediaServer) -> None:
    """A new version answers If-Range with all of itself: noticed by its tag."""
    url = server.serve("clip.mp4", CLIP, behaviour=Ranges(etag='"v1"'))

    async def run() -> Cause:
        async with Client(LOOPBACK) as client, client.source(url) as source:
            await source.fetch((Span(0, 10),))
            server.serve("clip.mp4", CLIP[::-1], behaviour=Ranges(etag='"v2"'))
            with pytest.raises(Undelivered) as caught:
                await source.fetch((Span(9000, 9010),))
            return caught.value.failure.cause

    assert asyncio.run(run()) is Cause.INCONSISTENT
    assert server.wait_closed()


# ---------------------------------------------------------------------------------- servers without ranges


@pytest.mark.parametrize(
    ("behaviour", "total", "proof"),
    [
        (NoRanges(), 100_000, "content-length"),
        (NoRanges(length=False), None, None),
        (NoRanges(chunked=True), None, None),
        (Multipart(), 100_000, "content-length"),
        (ContentRange(lambda *_: None), 100_000, "content-length"),
        (ContentRange(lambda start, stop, size: f"bytes {start + 1}-{stop}/{size}"), 100_000, "content-length"),
        (ContentRange(lambda start, stop, size: f"bytes {start}-{stop}/{size}"), 100_000, "content-length"),
        (ContentRange(lambda *_: "bytes */0"), 100_000, "content-length"),
        (ContentRange(lambda *_: "nonsense"), 100_000, "content-length"),
    ],
    ids=["length", "close", "chunked", "multipart", "unlabelled", "shifted", "longer", "unsatisfied", "nonsense"],
)
def test_a_server_that_ignores_or_mislabels_ranges(
    server: MediaServer, behaviour: Behaviour, total: int | None, proof: str | None
) -> None:
    """The file is streamed from its start, only as far as needed, and a later fetch goes on with the same stream."""
    url = server.serve("clip.mp4", CLIP, behaviour=behaviour)
    labelled = isinstance(behaviour, Multipart | ContentRange)
    data, delivery = deliver(url, [(0, 1000)], [(2000, 3000)])
    assert data.read(0, 3000) == CLIP[:3000]
    assert (delivery.ranges, delivery.size_bytes, delivery.size_proof) == (False, total, proof)
    assert [entry.range for entry in server.log] == ["bytes=0-999", None][: 1 + labelled]
    data, delivery = deliver(url, [(0, 1000)], [(90_000, None)])
    assert data.read(0, 100_000) == CLIP
    assert (delivery.size_bytes, delivery.size_proof) == (100_000, proof or "read")
    assert len(server.log) == 2 * (1 + labelled)
    assert server.wait_closed()


def test_streaming_stops_early(server: MediaServer, tmp_path: Path) -> None:
    """Of a large file without ranges, only about the asked bytes are received."""
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(300_000_000)
    url = server.serve("huge.mp4", tmp_path / "huge.mp4", behaviour=NoRanges())
    _, delivery = deliver(url, [(0, 11_264)])
    assert (delivery.failure, delivery.size_bytes) == (None, 300_000_000)
    assert delivery.transfer.bytes_received < 11_264 + 2 * 65_536


@pytest.mark.parametrize("behaviour", [NoRanges(), NoRanges(chunked=True)])
def test_streaming_ends_at_the_budget(server: MediaServer, tmp_path: Path, behaviour: Behaviour) -> None:
    """A stream that does not reach far enough within the byte budget ends there, give or take one read."""
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(50_000_000)
    url = server.serve("huge.mp4", tmp_path / "huge.mp4", behaviour=behaviour)
    bounds = Bounds(allow_private=True, max_bytes=1_000_000)
    data, delivery = deliver(url, [(0, 1000)], [(49_000_000, None)], bounds=bounds)
    assert cause_of(delivery) is Cause.BUDGET
    assert 1_000_000 <= len(data) < 1_000_000 + 65_536
    assert server.wait_closed()


def test_a_range_beyond_the_budget_is_not_requested(server: MediaServer) -> None:
    """What is known to exceed the budget costs no packet."""
    url = server.serve("clip.mp4", CLIP)
    _, delivery = deliver(url, [(0, 1000)], [(2000, 60_000)], bounds=Bounds(allow_private=True, max_bytes=50_000))
    assert (cause_of(delivery), len(server.log)) == (Cause.BUDGET, 1)


def test_a_first_range_is_cut_to_the_budget(server: MediaServer) -> None:
    """While the size is unknown the budget shortens the range: a small file is delivered within a small budget."""
    tight = Bounds(allow_private=True, max_bytes=500)
    assert deliver(server.serve("small.png", CLIP[:300]), [(0, 11264)], bounds=tight)[1].failure is None
    assert cause_of(deliver(server.serve("clip.mp4", CLIP), [(0, 11264)], bounds=tight)[1]) is Cause.BUDGET
    assert server.log[-1].range == "bytes=0-499"


def test_a_page_instead_of_a_medium(server: MediaServer) -> None:
    """A login page with status 200 is delivered as what it is."""
    data, delivery = deliver(server.page("clip.mp4"), [(0, 11264)])
    assert (delivery.media_type_declared, data.read(0, len(HTML)), data.complete) == ("text/html", HTML, True)


def test_an_empty_body_without_ranges(server: MediaServer) -> None:
    """Status 200 and nothing: an empty file."""
    data, delivery = deliver(server.serve("empty.mp4", b"", behaviour=NoRanges(length=False)))
    assert (data.total, delivery.size_proof, delivery.failure) == (0, "read", None)


def test_compressed_although_asked_not_to(server: MediaServer) -> None:
    """A compressed body has other positions: nothing of it enters the map."""
    data, delivery = deliver(server.serve("clip.mp4", CLIP, behaviour=Gzip()))
    assert (cause_of(delivery), len(data)) == (Cause.BAD_HTTP, 0)
    assert "gzip" in failed(delivery).detail
    assert server.wait_closed()


def test_a_stream_that_breaks_is_begun_again(server: MediaServer) -> None:
    """Without ranges the only repair is from the start; a server that always breaks has lost the connection."""
    url = server.serve("clip.mp4", CLIP, behaviour=NoRanges(cut=5000))
    data, delivery = deliver(url, [(0, 20_000)])
    assert (cause_of(delivery), len(server.log), len(data)) == (Cause.CONNECTION_LOST, 3, 5000)
    assert server.wait_closed()


def test_a_length_that_promises_too_much(server: MediaServer) -> None:
    """A body that is shorter than its Content-Length is a broken connection, not a shorter file."""
    url = server.serve("clip.mp4", CLIP, behaviour=NoRanges(claim=200_000, cut=100_000))
    _, delivery = deliver(url, [(0, 1000)], [(150_000, None)])
    assert cause_of(delivery) is Cause.CONNECTION_LOST


def test_part_of_the_file_when_all_was_asked(server: MediaServer) -> None:
    """A 206 without a Range cannot be placed."""
    answer = b"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc"
    url = server.serve("clip.mp4", CLIP, behaviour=Raw(answer))
    assert cause_of(deliver(url)[1]) is Cause.BAD_HTTP
    assert server.wait_closed()


# ------------------------------------------------------------------------------------- broken connections


def test_the_rest_of_a_broken_range(server: MediaServer) -> None:
    """A range that breaks in the middle is continued, not repeated."""
    url = server.serve("clip.mp4", CLIP, behaviour=Drop(after=400, times=1))
    data, delivery = deliver(url, [(0, 1000)])
    assert [entry.range for entry in server.log] == ["bytes=0-999", "bytes=400-999"]
    assert (data.read(0, 1000), delivery.failure) == (CLIP[:1000], None)


def test_a_range_that_always_breaks(server: MediaServer) -> None:
    """Three attempts, then the connection is lost; what came is kept."""
    url = server.serve("clip.mp4", CLIP, behaviour=Drop(after=100))
    data, delivery = deliver(url, [(0, 1000)])
    assert (cause_of(delivery), len(server.log), data.held) == (Cause.CONNECTION_LOST, 3, (Span(0, 300),))


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_closed_without_a_word(server: MediaServer, reset: bool) -> None:
    """Closed or reset before the answer: tried again, and told when it stays so."""
    recovering = server.serve("once.mp4", CLIP, behaviour=Hangup(times=1, reset=reset))
    assert deliver(recovering)[1].failure is None
    always = server.serve("always.mp4", CLIP, behaviour=Hangup(reset=reset))
    assert cause_of(deliver(always)[1]) is Cause.CONNECTION_LOST
    assert len(server.asked("always.mp4")) == 3


def test_a_short_body_honestly_framed(server: MediaServer) -> None:
    """A Content-Range that promises more than its body holds: the rest is asked for, then given up."""
    answer = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-999/5000\r\nContent-Length: 3\r\n\r\nabc"
    url = server.serve("clip.mp4", CLIP, behaviour=Raw(answer))
    data, delivery = deliver(url)
    assert server.log[1].range == "bytes=3-999"
    assert (data.held, delivery.size_bytes) == ((Span(0, 3),), 5000)


def test_a_long_body_is_cut_at_its_label(server: MediaServer) -> None:
    """Bytes beyond the promised range are not the file's."""
    head = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/5000\r\nTransfer-Encoding: chunked\r\n\r\n"
    behaviour = Raw(head + b"14\r\n" + b"0123456789" * 2)
    data, delivery = deliver(server.serve("clip.mp4", behaviour=behaviour), [(0, 10)])
    assert (data.held, data.read(0, 10), delivery.failure) == ((Span(0, 10),), b"0123456789", None)
    assert server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    ],
    ids=["zeros", "icy", "negative", "two-lengths", "bad-chunk", "endless-header", "upgrade"],
)
def test_what_is_not_http(server: MediaServer, answer: bytes) -> None:
    """An answer that is no sound HTTP is named so, and nothing else escapes."""
    assert cause_of(deliver(server.serve("clip.mp4", behaviour=Raw(answer)))[1]) is Cause.BAD_HTTP
    assert server.wait_closed()


@pytest.mark.parametrize("behaviour", [Silent(), Drip(seconds=5)])
def test_silence(server: MediaServer, behaviour: Behaviour) -> None:
    """A server that stops talking is a timeout, after one read timeout and no second attempt."""
    started = time.monotonic()
    _, delivery = deliver(server.serve("clip.mp4", CLIP, behaviour=behaviour), bounds=QUICK)
    assert (cause_of(delivery), len(server.log)) == (Cause.TIMEOUT, 1)
    assert 0.3 <= time.monotonic() - started < 3
    assert server.wait_closed()


def test_refused(server: MediaServer) -> None:
    """Nobody listens."""
    with MediaServer() as gone:
        url = gone.serve("clip.mp4")
    _, delivery = deliver(url)
    assert cause_of(delivery) is Cause.REFUSED
    assert (delivery.final_url, delivery.status) == (None, None)
    transfer = delivery.transfer
    assert (transfer.connections, transfer.requests, transfer.round_trips) == (0, 0, 3)


def test_no_such_host() -> None:
    """A name under `.invalid` never exists; where no name server answers, that is told instead."""
    _, delivery = deliver("http://clip.invalid/a.mp4", bounds=QUICK)
    assert cause_of(delivery) in {Cause.NO_SUCH_HOST, Cause.DNS_FAILED, Cause.TIMEOUT}


@pytest.mark.parametrize("url", ["s3://bucket/clip.mp4", "data:video/mp4;base64,AAAA", "http://", "http://u:p@h/x"])
def test_what_is_not_a_url_for_us(url: str) -> None:
    """A wrong form is refused before any packet, in words that repeat nothing of it."""
    _, delivery = deliver(url)
    assert cause_of(delivery) is Cause.INVALID_URL
    assert delivery.transfer.requests == 0


# -------------------------------------------------------------------------------------------------- status


@pytest.mark.parametrize(
    ("status", "cause", "requests"),
    [
        (400, Cause.STATUS, 1),
        (401, Cause.UNAUTHORIZED, 1),
        (403, Cause.FORBIDDEN, 1),
        (404, Cause.NOT_FOUND, 1),
        (410, Cause.GONE, 1),
        (418, Cause.STATUS, 1),
        (304, Cause.STATUS, 1),
        (429, Cause.RATE_LIMITED, 3),
        (500, Cause.SERVER_ERROR, 3),
        (503, Cause.SERVER_ERROR, 3),
    ],
)
def test_status(server: MediaServer, status: int, cause: Cause, requests: int) -> None:
    """Each refusal has its cause; only what may pass is tried again, on the same connection."""
    _, delivery = deliver(server.serve("clip.mp4", CLIP, behaviour=Status(status)))
    assert (cause_of(delivery), failed(delivery).status, delivery.status) == (cause, status, status)
    assert (len(server.log), server.accepted) == (requests, 1)
    assert (delivery.size_bytes, delivery.media_type_declared) == (None, None)


def test_416_that_cannot_be(server: MediaServer) -> None:
    """A 416 for the first byte of a file that is not empty: asked again without a range, and believed."""
    _, delivery = deliver(server.serve("clip.mp4", CLIP, behaviour=Status(416)))
    assert (cause_of(delivery), failed(delivery).status) == (Cause.STATUS, 416)
    assert [entry.range for entry in server.log] == ["bytes=0-999", None]


def test_no_content(server: MediaServer) -> None:
    """204 is an empty file."""
    data, delivery = deliver(server.serve("clip.mp4", CLIP, behaviour=Status(204)))
    assert (data.total, delivery.failure, delivery.status) == (0, None, 204)


@pytest.mark.parametrize("status", [429, 503])
def test_recovery(server: MediaServer, status: int) -> None:
    """A busy server that recovers delivers in the end."""
    url = server.serve("clip.mp4", CLIP, behaviour=Status(status, times=2, retry_after="0"))
    data, delivery = deliver(url)
    assert (data.read(0, 1000), delivery.failure, delivery.transfer.requests) == (CLIP[:1000], None, 3)


def test_retry_after_is_honoured(server: MediaServer) -> None:
    """The server's pause is kept, in seconds or as a date."""
    deliver(server.serve("seconds", CLIP, behaviour=Status(429, times=1, retry_after="1")))
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    deliver(server.serve("date", CLIP, behaviour=Status(503, times=1, retry_after=date)))
    for path, least, most in (("seconds", 1.0, 2.0), ("date", 0.5, 3.0)):
        first, second = server.asked(path)
        assert least <= second.at - first.at < most


def test_retry_after_never_outlives_the_deadline(server: MediaServer) -> None:
    """A pause that the deadline does not allow is not begun: the cause is told at once, with what was asked."""
    url = server.serve("clip.mp4", CLIP, behaviour=Status(429, times=1, retry_after="3600"))
    _, delivery = deliver(url)
    assert (cause_of(delivery), failed(delivery).retry_after) == (Cause.RATE_LIMITED, 3600)
    assert (len(server.log), delivery.transfer.seconds < 2) == (1, True)


# ----------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_recorded(server: MediaServer, status: int) -> None:
    """Each hop is recorded with its URL and status; the follow-up goes straight to the final URL."""
    final = server.serve("media/clip.mp4", CLIP)
    middle = server.serve("media/middle", behaviour=Redirect("clip.mp4?v=1", status))
    first = server.serve("first", behaviour=Redirect(middle, status))
    _, delivery = deliver(first, [(0, 1000)], [(50_000, 51_000)])
    assert delivery.hops == (Hop(first, status), Hop(middle, status))
    assert delivery.final_url == final + "?v=1"
    assert [entry.path for entry in server.log] == [
        "/first",
        "/media/middle",
        "/media/clip.mp4?v=1",
        "/media/clip.mp4?v=1",
    ]
    assert (delivery.transfer.requests, server.accepted) == (4, 1)


def test_redirect_with_a_space(server: MediaServer) -> None:
    """A space in a target is repaired as every client does."""
    server.serve("my%20clip.mp4", CLIP)
    _, delivery = deliver(server.serve("go", behaviour=Redirect("/my clip.mp4")))
    assert delivery.failure is None


@pytest.mark.parametrize("way", ["itself", "two", "chain"])
def test_endless_redirects(server: MediaServer, way: str) -> None:
    """Circles and long chains end at the cap."""
    server.serve("a", behaviour=Redirect("/a" if way == "itself" else "/b"))
    server.serve("b", behaviour=Redirect("/a"))
    for step in range(10):
        server.serve(f"chain{step}", behaviour=Redirect(f"/chain{step + 1}"))
    _, delivery = deliver(server.base + ("/chain0" if way == "chain" else "/a"))
    assert (cause_of(delivery), len(delivery.hops)) == (Cause.TOO_MANY_REDIRECTS, 6)
    assert ("circle" in failed(delivery).detail) == (way != "chain")


def test_five_redirects_are_allowed(server: MediaServer) -> None:
    """The cap is reached, not crossed."""
    for step in range(5):
        server.serve(f"chain{step}", behaviour=Redirect(f"/chain{step + 1}"))
    server.serve("chain5", CLIP)
    _, delivery = deliver(server.base + "/chain0")
    assert (delivery.failure, len(delivery.hops)) == (None, 5)


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:video/mp4,x",
        "ftp://127.0.0.1/x",
        "http:\\\\127.0.0.1\\x",
        "http://u:p@127.0.0.1/x",
        "http://[::1/x",
        "//[/x",
        "http://127.0.0.1:99999/",
        "http://",
        "/tab\there",
    ],
)
def test_redirects_to_nowhere(server: MediaServer, location: str | None) -> None:
    """A missing, malformed or foreign target ends in its own cause, and no further request."""
    _, delivery = deliver(server.serve("go", behaviour=Redirect(location)))
    assert (cause_of(delivery), len(delivery.hops), len(server.log)) == (Cause.BAD_REDIRECT, 1, 1)


def test_a_failure_behind_a_redirect(server: MediaServer) -> None:
    """The hops lead to the URL that failed."""
    url = server.serve("go", behaviour=Redirect("/missing"))
    _, delivery = deliver(url)
    assert (cause_of(delivery), delivery.hops) == (Cause.NOT_FOUND, (Hop(url, 302),))
    assert delivery.final_url == server.base + "/missing"


# ----------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


def test_tls(certificates: Certificates, tmp_path: Path) -> None:
    """A good certificate is checked against the host of the URL; the handshake is one more round trip."""
    with MediaServer(tls=certificates.good()) as server:
        url = server.serve("clip.mp4", CLIP).replace("127.0.0.1", "localhost")
        data, delivery = deliver(
            url, [(0, 1000)], [(50_000, 50_100)], authorities=certificates.write_authority(tmp_path)
        )
    assert (delivery.failure, data.read(0, 1000)) == (None, CLIP[:1000])
    assert (delivery.transfer.connections, delivery.transfer.requests, delivery.transfer.round_trips) == (1, 2, 4)
    assert 1100 < delivery.transfer.bytes_received < 1100 + 2 * 300


@pytest.mark.parametrize(
    ("kind", "cause", "connections"),
    [
        ("expired", Cause.TLS_EXPIRED, 1),
        ("wrong_host", Cause.TLS_WRONG_HOST, 1),
        ("untrusted", Cause.TLS_UNTRUSTED, 2),  # the second one looks whether a link of the chain is missing
    ],
)
def test_bad_certificates(
    certificates: Certificates, tmp_path: Path, kind: str, cause: Cause, connections: int
) -> None:
    """Each fault of a certificate has its own cause, is not tried twice, and no request is sent."""
    with MediaServer(tls=getattr(certificates, kind)()) as server:
        url = server.serve("clip.mp4", CLIP)
        _, delivery = deliver(url, authorities=certificates.write_authority(tmp_path))
        assert (cause_of(delivery), server.accepted, server.log) == (cause, connections, [])
        assert server.wait_closed()


def test_public_authorities_by_default(certificates: Certificates) -> None:
    """Without an extra authority the private one is unknown."""
    with MediaServer(tls=certificates.good()) as server:
        assert cause_of(deliver(server.serve("clip.mp4", CLIP))[1]) is Cause.TLS_UNTRUSTED


def test_plain_http_on_the_tls_port(server: MediaServer) -> None:
    """No TLS is spoken there."""
    url = server.serve("clip.mp4", CLIP).replace("http:", "https:")
    assert cause_of(deliver(url)[1]) is Cause.TLS_FAILED


# ------------------------------------------------------------------------------- two media, one connection pool


def test_two_media_at_once(server: MediaServer) -> None:
    """Image and video travel at the same time over one client, and each pays for its own bytes."""
    video = server.serve("clip.mp4", CLIP)
    image = server.serve("a.png", CLIP[:20_000], media_type="image/png", behaviour=NoRanges())

    async def one(client: Client, url: str, *fetches: tuple[int, int | None]) -> tuple[SparseBytes, Delivery]:
        async with client.source(url) as source:
            for start, stop in fetches:
                await source.fetch((Span(start, stop),))
                await asyncio.sleep(0.01)
            return source.data, source.delivery()

    async def both() -> tuple[tuple[SparseBytes, Delivery], tuple[SparseBytes, Delivery]]:
        async with Client(LOOPBACK) as client:
            return await asyncio.gather(
                one(client, video, (0, 1000), (50_000, 60_000), (99_000, None)), one(client, image, (0, 20_000))
            )

    (clip, first), (picture, second) = asyncio.run(both())
    assert clip.read(50_000, 60_000) == CLIP[50_000:60_000]
    assert picture.read(0, 20_000) == CLIP[:20_000]
    assert (first.transfer.requests, second.transfer.requests) == (3, 1)
    assert (first.transfer.connections, second.transfer.connections, server.accepted) == (1, 1, 2)
    assert 12_000 < first.transfer.bytes_received < 13_000
    assert 20_000 < second.transfer.bytes_received < 20_500


def test_a_client_keeps_its_connections(server: MediaServer) -> None:
    """The second check of the same host pays no connection."""
    url = server.serve("clip.mp4", CLIP)

    async def run() -> Transfer:
        async with Client(LOOPBACK) as client:
            for _ in range(2):
                async with client.source(url) as source:
                    await source.fetch((Span(0, 1000),))
            return source.delivery().transfer

    transfer = asyncio.run(run())
    assert (transfer.connections, transfer.round_trips, server.accepted) == (0, 1, 1)
    assert server.wait_closed()


# ------------------------------------------------------------------------------------------------ cancellation


@pytest.mark.parametrize(
    "behaviour",
    [Silent(), Drip(), Status(503, retry_after="10"), NoRanges(claim=10_000_000), Redirect("/clip.mp4")],
    ids=["silent", "drip", "pause", "stream", "redirects"],
)
def test_cancellation_leaks_nothing(server: MediaServer, behaviour: Behaviour) -> None:
    """Wherever the deadline strikes, sockets and tasks are gone when the client closes, and it can go on before."""
    url = server.serve("clip.mp4", CLIP, behaviour=behaviour)
    good = server.serve("good.mp4", CLIP)

    async def run() -> set[asyncio.Task[object]]:
        async with Client(Bounds(allow_private=True, max_redirects=10_000)) as client:
            for seconds in (0.0, 0.02, 0.1):
                async with client.source(url) as source:
                    with pytest.raises((TimeoutError, Undelivered)):
                        async with asyncio.timeout(seconds):
                            await source.fetch((Span(0, 200_000),))
                    assert source.delivery().reference == url
            async with client.source(good) as source:
                await source.fetch((Span(0, 1000),))
                assert source.data.read(0, 1000) == CLIP[:1000]
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert asyncio.run(run()) == set()
    assert server.wait_closed()


def test_cancelled_handshake_leaks_nothing() -> None:
    """A server that accepts and then says nothing in TLS: cancelled, its socket is closed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/x"

        async def run() -> None:
            async with Client(LOOPBACK) as client, client.source(url) as source:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await source.fetch((Span(0, 10),))

        asyncio.run(run())
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(2)
            while connection.recv(65536):
                pass


# ------------------------------------------------------------------------------------------------------ secrets


def test_no_url_in_any_log(server: MediaServer, caplog: pytest.LogCaptureFixture) -> None:
    """Even with every logger wide open, a presigned URL is a password: libraries write nothing of ours, we redact."""
    caplog.set_level(logging.DEBUG)
    server.serve("clip.mp4", CLIP)
    url = server.serve("go", behaviour=Redirect("/clip.mp4?X-Amz-Signature=SECRET2"))
    deliver(url + "?token=SECRET1", [(0, 10)], [(5000, 5010)])
    deliver(server.base + "/missing?token=SECRET3")
    assert len(server.log) == 4
    assert "SECRET" not in caplog.text
    assert "/go?token=" in caplog.text
    assert {record.name for record in caplog.records if "127.0.0.1" in record.getMessage()} == {"preflight"}


# ------------------------------------------------------------------------------------------------------- weight


def test_the_library_loads_with_the_first_url() -> None:
    """Neither the client's module nor a local file loads the HTTP library; a URL does."""
    script = """
import asyncio, sys
from preflight.deliver.client import Client
client = Client()
client.source("clip.mp4")
assert not {"httpx", "httpcore", "tenacity"} & set(sys.modules)
client.source("http://127.0.0.1/clip.mp4")
assert "httpx" in sys.modules
asyncio.run(client.__aexit__())
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_library_is_named_once() -> None:
    """Changing the HTTP library is a change in one module; a guard wraps the library that its user has."""
    package = Path(preflight.deliver.library.__file__).parents[1]
    importers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.parent.name != "guard"
        and re.search(r"^\s*(import|from) (httpx|httpcore)\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importers == {"deliver/library.py"}


# ------------------------------------------------------------------------------------------- the caller's patience


def test_the_callers_deadline_bounds_every_wait() -> None:
    """More time than usual is given to connections and answers alike, and less is never exceeded."""
    usual, patient, hasty = Bounds(), Bounds(timeout=60), Bounds(timeout=2)
    assert (usual.connect_seconds, usual.read_seconds) == (5, 20)
    assert (patient.connect_seconds, patient.read_seconds) == (60, 60)
    assert (hasty.connect_seconds, hasty.read_seconds) == (2, 2)
    assert (QUICK.connect_seconds, QUICK.read_seconds) == (0.5, 0.3)


def test_silence_ends_with_the_deadline(server: MediaServer) -> None:
    """A server that says nothing is waited for as long as the caller asked, not for a time of our own."""
    url = server.serve("clip.mp4", behaviour=Silent())
    _, delivery = deliver(url, bounds=Bounds(allow_private=True, timeout=0.4))
    assert cause_of(delivery) is Cause.TIMEOUT
    assert 0.3 < delivery.transfer.seconds < 5
    assert (delivery.transfer.requests, delivery.private) == (1, True)


def test_a_private_address_is_known_without_an_answer(server: MediaServer) -> None:
    """Refused, or never asked for its port's sake: what was allowed is told all the same."""
    with MediaServer() as gone:
        url = gone.serve("clip.mp4")
    assert deliver(url)[1].private
    assert deliver("http://127.0.0.1:9/x")[1].private
    assert not deliver("http://127.0.0.1:9/x", bounds=Bounds())[1].private


def test_another_protocol_is_no_lost_connection(server: MediaServer) -> None:
    """A server that greets in its own language and hangs up is asked once, and told as what it is."""
    url = server.serve("clip.mp4", behaviour=Raw(b"SSH-2.0-OpenSSH_9.6\r\n"))
    _, delivery = deliver(url)
    assert cause_of(delivery) is Cause.BAD_HTTP
    assert delivery.transfer.requests == 1
