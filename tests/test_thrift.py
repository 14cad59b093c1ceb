"""Trips and bytes are exact: what each layout costs, counted by the server."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

import preflight
from preflight.deliver.source import FLIGHT_BYTES
from tests.hard_media import AVI, FASTSTART, GOOD, SIX, WEBM, changed, fragmented, mp4
from tests.media import build, find_box
from tests.servers import MediaServer, NoRanges

HEAD = f"bytes=0-{FLIGHT_BYTES - 1}"
#: Sound enough that a file is far longer than one flight, pictures few enough that its index fits in one.
LOUD = SIX | {"fps": Fraction(10)}
MANY = dataclasses.replace(
    GOOD, muxer=(("movflags", "frag_keyframe+empty_moov+skip_trailer"),), gop=10, video=Fraction(30)
)


def ranges(server: MediaServer, data: bytes) -> list[str]:
    """The ranges that one probe of these bytes asks for; it must end in facts."""
    report = preflight.probe(server.serve("medium", data), allow_private=True, isolation="none")
    assert report.unread is None
    assert server.accepted == 1
    assert report.medium.transfer.requests == len(server.log)
    assert report.medium.transfer.connections == 1
    assert {entry.method for entry in server.log} == {"GET"}
    assert {entry.headers["accept-encoding"] for entry in server.log} == {"identity"}
    return [entry.range or "" for entry in server.log]


ONE_TRIP = {
    "faststart": mp4(**LOUD, **FASTSTART),
    "global sidx": fragmented("frag_keyframe+empty_moov+default_base_moof+global_sidx", **SIX, by_name=True),
    "matroska": mp4(**SIX, format="matroska"),
    "webm": mp4(**(SIX | WEBM)),
    "webm vp9": mp4(**(SIX | WEBM | {"codec": "libvpx-vp9"})),
    "avi": mp4(**SIX, **AVI),
    "cut": changed(mp4(**LOUD, **FASTSTART), lambda data: data[: len(data) // 2]),
}


@pytest.mark.parametrize("name", ONE_TRIP)
def test_one_trip_where_one_is_enough(name: str, server: MediaServer) -> None:
    """One bounded range of one flight, and nothing else."""
    data = ONE_TRIP[name]()
    assert len(data) > FLIGHT_BYTES
    assert ranges(server, data) == [HEAD]
    assert sum(entry.sent for entry in server.log) == FLIGHT_BYTES


def test_a_page_and_an_empty_file_cost_one_trip(server: MediaServer) -> None:
    """What is no medium is known from its first bytes."""
    for data in (b"<!doctype html><title>Log in</title>" + b" " * 50_000, b""):
        server.log.clear()
        report = preflight.probe(server.serve("page", data), allow_private=True, isolation="none")
        assert report.unread is not None
        assert [entry.range for entry in server.log] == [HEAD]


def test_an_index_at_the_end_is_one_exact_follow_up(server: MediaServer) -> None:
    """From the end of the media to the end of the file: the index, to the byte."""
    data = mp4(**LOUD)()
    start, stop = find_box(data, b"moov")
    assert stop == len(data)
    assert ranges(server, data) == [HEAD, f"bytes={start}-{stop - 1}"]


def test_an_index_beyond_the_first_flight_is_completed(server: MediaServer) -> None:
    """A long index that begins in the head: exactly its rest."""
    data = mp4(video=Fraction(30), audio=Fraction(30), fps=Fraction(50), **FASTSTART)()
    _, stop = find_box(data, b"moov")
    assert stop > FLIGHT_BYTES
    assert ranges(server, data) == [HEAD, f"bytes={FLIGHT_BYTES}-{stop - 1}"]


def test_an_index_of_fragments_is_followed_to_the_last_one(server: MediaServer) -> None:
    """Head, tail with `mfra`, last fragment: three trips."""
    data = build(dataclasses.replace(MANY, muxer=(("movflags", "frag_keyframe+empty_moov"),)))
    asked = ranges(server, data)
    assert len(asked) <= 3
    assert sum(entry.sent for entry in server.log) <= 2 * FLIGHT_BYTES + 4096


def test_fragments_without_an_index_cost_a_part_of_one(server: MediaServer) -> None:
    """Four trips at most, and never the whole file: the last fragment is found by its usual weight."""
    data = build(dataclasses.replace(MANY, codec_options=(("qp", "5"),), audio=Fraction(30)))
    asked = ranges(server, data)
    assert len(asked) <= 4
    assert sum(entry.sent for entry in server.log) < len(data) / 2


def test_a_live_recording_costs_its_tail(server: MediaServer) -> None:
    """No duration in the header: the last clusters, in one more trip."""
    data = mp4(**(SIX | WEBM), to_pipe=True, muxer=(("live", "1"),))()
    assert len(ranges(server, data)) == 2


def test_a_server_without_ranges_is_left_as_soon_as_the_facts_stand(server: MediaServer) -> None:
    """A faststart clip is known from the beginning of the stream, and the rest is not read."""
    data = mp4(**LOUD, **FASTSTART)() + bytes(3_000_000)
    report = preflight.probe(server.serve("whole", data, behaviour=NoRanges()), allow_private=True, isolation="none")
    assert report.video is not None
    assert report.medium.transfer.requests == 1
    assert report.medium.transfer.bytes_received < 200_000
