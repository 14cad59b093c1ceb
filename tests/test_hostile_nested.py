"""No medium makes anything open a file, a socket or a process: neither by a forced format nor by a disguise."""

from __future__ import annotations

import av
import pytest

from preflight.deliver.sparse import SparseBytes
from preflight.facts import ImageFacts, NotMedia, VideoFacts
from preflight.probes import libav, probe
from preflight.worker import Worker
from tests.hostile import nested
from tests.hostile.disguises import Bait, disguises

MADE = disguises(Bait("/nowhere/bait.ts", 9))


@pytest.mark.skipif(
    nested.why_not() is not None, reason="nested opens need strace: the scorecard counts this as a miss"
)
class TestSeenByTheKernel:
    """strace counts."""

    @pytest.mark.parametrize("phase", nested.PHASES)
    def test_nothing_is_opened(self, phase: str) -> None:
        """No disguise opens anything, by any way in."""
        seen = nested.trace(phase)
        assert seen.opened == ()
        assert (seen.bait_taken, seen.visits) == (0, 0)
        assert seen.probes >= len(MADE)

    def test_a_careless_reader_is_seen(self) -> None:
        """The trace, the bait and the listener work: libav without our limits takes both baits."""
        seen = nested.trace("control")
        assert any("bait.ts" in call for call in seen.opened)
        assert any("connect(" in call for call in seen.opened)
        assert seen.bait_taken > 0
        assert seen.visits > 0


def test_a_disguise_gets_the_same_answer_on_either_side_of_the_seal() -> None:
    """Where nothing can be opened, nothing is missed: the facts are those of an open process."""
    worker = Worker()
    try:
        for name, data in MADE.items():
            sparse = SparseBytes.whole(data)
            answer = worker.probe(sparse)
            assert isinstance(answer, VideoFacts | ImageFacts | NotMedia), name
            assert answer == probe(sparse), name
    finally:
        worker.stop()


@pytest.mark.parametrize("name", [*libav._OPTIONS, "safe"])
def test_libav_knows_the_options(name: str) -> None:
    """A misspelt option is ignored without a word; one that libav knows must take notice of nonsense."""
    nonsense = {"protocol_whitelist": {name: "none"}, "format_whitelist": {name: "none"}}.get(name, {name: "nonsense"})
    content = b"ffconcat version 1.0\nfile 'data:,;FFMETADATA1'\n"
    with pytest.raises(ValueError, match="Invalid argument"):
        av.open(libav._Bytes(content, len(content)), format="concat", options={"safe": "0"} | nonsense)


@pytest.mark.parametrize("lost", ["protocol_whitelist", "format_whitelist"])
def test_a_list_that_libav_ignores_is_noticed(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each list is proved by itself: without it, or with its name misspelt, nothing is probed at all."""
    misspelt = {f"{name}s" if name == lost else name: value for name, value in libav._PACKET_OPTIONS.items()}
    monkeypatch.setattr(libav, "_PACKET_OPTIONS", misspelt)
    libav.prove_refusals.cache_clear()
    with pytest.raises(RuntimeError, match="ignores what it is forbidden"):
        libav.read(b"", "mov")
    with pytest.raises(RuntimeError, match="ignores what it is forbidden"):
        libav.prove_refusals()
    monkeypatch.undo()
    libav.prove_refusals()


def test_service_names_never_reach_libav() -> None:
    """A packet of service names is stuffing, wherever it stands; packets that only look so inside are left alone."""
    packet = b"\x47\x40\x11\x10" + bytes(184)
    other = b"\x47\x41\x00\x10" + b"\x47\x40\x11\x10" * 46
    hidden = libav._SERVICE_NAMES.sub(b"\x47\x1f\xff", packet + other + packet)
    assert hidden.count(b"\x47\x1f\xff") == 2
    assert other in hidden
