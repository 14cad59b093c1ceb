"""The verdicts of a run made anew, from the facts that it found: another profile, no fetch.

Facts are stored without the secrets of URLs; the URLs themselves are read from the input again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from preflight.audit.auditor import line_of, request_of
from preflight.audit.codec import decode
from preflight.audit.durable import shown
from preflight.audit.summary import Tally
from preflight.deliver.url import redact
from preflight.errors import UsageError
from preflight.facts import Transfer
from preflight.language import say

if TYPE_CHECKING:
    import threading

    from preflight.audit.conduct import Order
    from preflight.audit.folder import Run
    from preflight.audit.manifest import Manifest
    from preflight.audit.model import BadRow, Job
    from preflight.facts import Medium
    from preflight.settings import Settings


def source_of(old: Run) -> dict[str, str]:
    """What a run that is made of the facts in `old` was started with, so that facts of two runs are never mixed.

    Raises:
        UsageError: `old` is not finished.
    """
    if not old.is_complete:
        raise UsageError(say("{path} is not finished: finish it first, then judge it anew", path=shown(old.path)))
    return {"rejudged run": old.digest}


def require_same_rows(old: Run, manifest: Manifest) -> None:
    """Make sure that `old` is a run of the rows that `manifest` tells of.

    Raises:
        UsageError: it was of another input, or of another choice of its rows or columns.
    """
    if _rows_of(old.manifest) != _rows_of(manifest):
        raise UsageError(
            say("{path} is a run of another input, or of another choice of its rows or columns", path=shown(old.path))
        )


def rejudge(order: Order, old: Run, run: Run, settings: Settings, stop: threading.Event) -> bool:
    """Write into `run` what `settings` make of the facts in `old`, a finished run of the same rows.

    False: `stop` was set before the last row; what is written is kept, and another call goes on from there.

    Raises:
        UsageError: `old` has facts of other media, or of another version.
        RunStopped: `run` cannot be written.
    """
    for shard in order.shards():
        if stop.is_set():
            return False
        if run.is_finished(shard.index):
            continue
        media = {line["row"]: line["media"] for line in old.lines(shard.index)}
        tally = Tally()
        with run.journal(shard.index) as journal:
            for job in shard.jobs:
                if stop.is_set():
                    return False
                line = _line(job, media.get(job.row, {}), settings)
                tally.add(line["result"])
                if job.row not in journal.done:
                    journal.add(line)
            journal.finish(tally.to_json(), {job.row for job in shard.jobs})
    run.complete()
    return True


def _rows_of(manifest: Manifest) -> tuple[object, ...]:
    told = {name: value for name, value in manifest.input.items() if name != "path"}
    return (told, *(manifest.options.get(name) for name in ("as", "map", "sample", "seed")))


def _line(job: Job | BadRow, media: dict[str, Any], settings: Settings) -> dict[str, Any]:
    started, request = time.monotonic(), request_of(job, settings)
    image = _restored(job.row, media.get("image"), request.image_url)
    video = _restored(job.row, media.get("video"), request.video_url)
    return line_of(job, 1, request, image, video, settings, started=started)


def _restored(row: int, record: Any, reference: str | None) -> Medium | None:
    """A medium with the URL that its row names, for nothing; where a redirect led stays redacted."""
    medium = None if record is None else decode(record)
    if record is not None and medium is None:
        raise UsageError(say("the facts of this run are of another version of preflight: audit the input again"))
    if (medium and medium.delivery.reference) != (reference and redact(reference)):
        raise UsageError(say("row {row} named other media in that run: its columns were read otherwise", row=row))
    if medium is None or reference is None:
        return None
    delivery = replace(medium.delivery, reference=reference, transfer=Transfer())
    if not delivery.hops and delivery.final_url is not None:
        delivery = replace(delivery, final_url=reference)
    return replace(medium, delivery=delivery)
