"""Bytes to facts. Pure and restartable: no input, no output, no clock.

`probe` looks at the spans that are here. It answers with facts, with "not media", or with the exact spans that it
needs; deliver fetches those and it runs again.
"""

# ruff: noqa: PLC0415  (the readers bring libav: whoever leaves the probing to a worker never loads them)

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Hole, Holes
from preflight.facts import NeedSpans, NotMedia

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import Outcome


def probe(data: SparseBytes) -> Outcome | NeedSpans:
    """The facts of the bytes that are here, or the spans that are missing."""
    from preflight.probes.image import probe_image
    from preflight.probes.sniff import sniff
    from preflight.probes.video import probe_video

    try:
        sniffed = sniff(data.read(0, FLIGHT_BYTES), data.total)
        if sniffed.refusal is not None:
            return NotMedia(sniffed.refusal, sniffed.detail, sniffed.media_type)
        return probe_image(data, sniffed) if sniffed.family == "image" else probe_video(data, sniffed)
    except Hole as hole:
        return NeedSpans((hole.span,))
    except Holes as holes:
        return NeedSpans(holes.spans)
