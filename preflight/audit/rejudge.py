"""The verdicts of a run made anew, from the facts that it found: another profile, no fetch.

Facts are stored without the secrets of URLs; the URLs themselves are read from the input again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from preflight.audit.auditor import line_of
from preflight.audit.codec import decode
from preflight.audit.model import BadRow
from preflight.audit.summary import Tally
from preflight.errors import UsageError
from preflight.pipeline import conclude
from preflight.request import ReadRequest, read_request

if TYPE_CHECKING:
    from preflight.audit.conduct import Order
    from preflight.audit.folder import Run
    from preflight.audit.model import Job
    from preflight.facts import Medium
    from preflight.settings import Settings


def rejudge(order: Order, old: Run, run: Run, settings: Settings) -> None:
    """Write into `run` what `settings` make of the facts in `old`, a finished run of the same order.

    Raises:
        UsageError: `old` was of another input, is not finished, or has facts of another version.
        RunStopped: `run` cannot be written.
    """
    if old.manifest.input.get("rows") != run.manifest.input.get("rows") or _identity(old) != _identity(run):
        raise UsageError(f"{old.path} is a run of another input, or of another choice of its rows")
    for shard in order.shards():
        if run.is_finished(shard.index):
            continue
        if not old.is_finished(shard.index):
            raise UsageError(f"{old.path} is not finished: finish it first, then judge it anew")
        media = {line["row"]: line["media"] for line in old.lines(shard.index)}
        tally = Tally()
        with run.journal(shard.index) as journal:
            for job in shard.jobs:
                line = _line(job, media[job.row], settings)
                tally.add(line["result"])
                if job.row not in journal.done:
                    journal.add(line)
            journal.finish(tally.to_json(), {job.row for job in shard.jobs})
    run.complete()


def _identity(run: Run) -> tuple[object, ...]:
    told, options = run.manifest.input, run.manifest.options
    return (*(value for name, value in told.items() if name != "path"), *(options.get(n) for n in ("sample", "seed")))


def _line(job: Job | BadRow, media: dict[str, Any], settings: Settings) -> dict[str, Any]:
    started = time.monotonic()
    if isinstance(job, BadRow):
        nothing = ReadRequest({}, (), no_row=job.reason)
        report = conclude(nothing, None, None, settings, started=started, only="request")
        return line_of(job, 1, report.model_dump(mode="json"), None, None)
    request = read_request(job.request)
    image = _restored(media["image"], request.image_url)
    video = _restored(media["video"], request.video_url)
    report = conclude(request, image, video, settings, started=started, only=job.medium)
    return line_of(job, 1, report.model_dump(mode="json"), image, video)


def _restored(record: Any, reference: str | None) -> Medium | None:
    """A medium with the URL that its row names; where a redirect led stays redacted."""
    if record is None or reference is None:
        return None
    medium = decode(record)
    if medium is None:
        raise UsageError("the facts of this run are of another version of preflight: audit the input again")
    delivery = replace(medium.delivery, reference=reference)
    if not delivery.hops and delivery.final_url is not None:
        delivery = replace(delivery, final_url=reference)
    return replace(medium, delivery=delivery)
