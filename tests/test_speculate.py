"""Latency mode: the tail is fetched beside the head, and what that costs and saves is exact."""

from __future__ import annotations

import dataclasses
import time
from fractions import Fraction

import preflight
from tests.media import Clip, build
from tests.servers import Ask, MediaServer, NoRanges, Ranges, Silent, Status

TAIL = Clip(width=352, height=352, fps=Fraction(10), gop=10, video=Fraction(6), audio=Fraction(6))
HEAD = dataclasses.replace(TAIL, muxer=(("movflags", "faststart"),), by_name=True)


def test_an_index_at_the_end_costs_one_trip(server: MediaServer) -> None:
    """Both ends travel at once: two requests on two connections, and no further trip."""
    url = server.serve("tail.mp4", build(TAIL))
    report = preflight.probe(url, allow_private=True, speculate=True)
    assert report.medium.transfer.requests == 2
    assert report.medium.transfer.round_trips == 2  # one to connect, one to ask
    assert sorted(entry.range or "" for entry in server.log) == ["bytes=-11264", "bytes=0-11263"]
    assert server.accepted == 2


def test_the_facts_are_those_of_the_patient_way(server: MediaServer) -> None:
    """Speculation changes no fact, for an index at either end."""
    for name, clip in (("tail", TAIL), ("head", HEAD)):
        url = server.serve(name, build(clip))
        quick = preflight.probe(url, allow_private=True, speculate=True).medium
        slow = preflight.probe(url, allow_private=True).medium
        assert quick.model_copy(update={"transfer": None}) == slow.model_copy(update={"transfer": None})


def test_a_lost_bet_costs_nothing_but_its_bytes(server: MediaServer) -> None:
    """A server that never answers the tail, or has no ranges, does not delay or spoil the answer."""
    clip = build(HEAD)
    url = server.serve("slow-tail.mp4", clip, behaviour=_SilentTail())
    report = preflight.probe(url, allow_private=True, speculate=True, timeout=5)
    assert report.video is not None
    assert report.medium.transfer.seconds < 2
    whole = server.serve("whole.mp4", clip, behaviour=NoRanges())
    assert preflight.probe(whole, allow_private=True, speculate=True).video is not None


def test_a_refused_tail_is_asked_for_again_in_turn(server: MediaServer) -> None:
    """Where the bet fails and the end is needed, the ordinary follow-up brings it."""
    url = server.serve("picky.mp4", build(TAIL), behaviour=_RefusedSuffix())
    report = preflight.probe(url, allow_private=True, speculate=True)
    assert report.video is not None
    assert report.video.durations.container == 6


class _SilentTail:
    """Answers every range but a suffix."""

    def respond(self, ask: Ask) -> None:
        (Silent() if _is_suffix(ask) else Ranges()).respond(ask)


class _RefusedSuffix:
    """Refuses a suffix with 403."""

    def respond(self, ask: Ask) -> None:
        (Status(403) if _is_suffix(ask) else Ranges()).respond(ask)


def _is_suffix(ask: Ask) -> bool:
    return ask.headers.get("range", "").startswith("bytes=-")


def test_a_bet_outlives_no_deadline(server: MediaServer) -> None:
    """A server that is silent after the first range: the deadline ends the wait for the tail, and all of it."""
    url = server.serve("first.mp4", build(TAIL), behaviour=_FirstRange())
    started = time.monotonic()
    report = preflight.probe(url, allow_private=True, speculate=True, timeout=1)
    assert time.monotonic() - started < 1.8
    assert report.medium.failure is not None
    assert report.medium.failure.cause == "timeout"
    assert report.medium.transfer.requests == len(server.log) == 2


class _FirstRange:
    """Answers the range from the beginning, and nothing else."""

    def respond(self, ask: Ask) -> None:
        (Ranges() if ask.headers.get("range", "").startswith("bytes=0-") else Silent()).respond(ask)
