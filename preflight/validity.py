"""How long a verdict holds: reports of this process that may be taken again instead of fetching anew.

Nothing is asked of any server for it, so what is promised is limited: that a request was judged moments ago, under
the same options, from bytes that their servers named with a strong entity tag (one version of the file, not a mixture
of two) and whose size they proved; and that none of its links has come near its end since. A file that is replaced
under its URL after it was judged is not noticed; neither would it be between a fresh check and the provider's fetch.

Only what may be submitted is kept. A failing request is looked at again each time, so that whoever mends a file behind
its URL is not refused for what it was. No URL and no secret stays here: requests are digests, reports are redacted.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from preflight.deliver.headers import strong_etag
from preflight.deliver.presigned import expiry
from preflight.findings import Verdict
from preflight.request import GenerationRequest, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preflight.report import Report
    from preflight.settings import Terms

    Payload = Mapping[str, object] | GenerationRequest

#: Reports that are kept at most; a report takes some thirty kilobytes.
MOST_REPORTS = 256


@dataclass(frozen=True, slots=True)
class _Kept:
    """A report, what it rests on, and when its media were first asked for: by the calendar and by a steady clock."""

    report: Report
    terms: Terms
    at: float
    steady: float

    def is_younger(self, seconds: float) -> bool:
        """Both clocks must say so: the calendar may be set back, and the steady one sleeps when a laptop does."""
        return 0 <= time.time() - self.at <= seconds and time.monotonic() - self.steady <= seconds


_KEPT: dict[bytes, _Kept] = {}
_LOCK = threading.Lock()


def remember(payload: Payload, terms: Terms, report: Report) -> None:
    """Keep a report that may be taken again; whatever was kept of the same request before is out of date."""
    if (key := _key(payload)) is None:
        return
    age = report.timing.seconds
    with _LOCK:
        _KEPT.pop(key, None)
        if _may_be_kept(report):
            _KEPT[key] = _Kept(report, terms, time.time() - age, time.monotonic() - age)
        if len(_KEPT) > MOST_REPORTS:
            del _KEPT[next(iter(_KEPT))]


def recall(payload: Payload, terms: Terms, seconds: float) -> Report | None:
    """The report of an earlier check of this request under these terms, at most `seconds` old; None: none holds."""
    key = _key(payload)
    kept = None if key is None else _KEPT.get(key)
    if kept is None or not kept.is_younger(seconds) or kept.terms != terms:
        return None
    request = read_request(payload)
    least = terms.settings.profile.limits.get("url_lifetime_min")
    lifetime = timedelta(seconds=float(max(least.numbers(None))) if least else 0)
    holds = all(_outlives(url, lifetime) for url in (request.image_url, request.video_url))
    return kept.report if holds else None


def _may_be_kept(report: Report) -> bool:
    """Is it a request that may be submitted, both of whose media were fully established, each as one version?"""
    return report.verdict in (Verdict.PASS, Verdict.WARN) and all(
        medium is not None
        and not (medium.local or medium.failure or medium.not_media)
        and strong_etag(medium.etag) not in (None, '""')
        and medium.size_proof in ("content-range", "read")
        for medium in (report.image, report.video)
    )


def _outlives(url: str | None, least: timedelta) -> bool:
    """Does the link live long enough for a job's wait in the queue, as far as its text tells?"""
    now = datetime.now(UTC)
    end = expiry(url or "", now)
    return end is None or end.unending or (end.instant is not None and end.instant > now + least)


def _key(payload: Payload) -> bytes | None:
    """A digest of the whole request, whatever the order of its fields; None: it is none that JSON could carry."""
    given = payload.model_dump(exclude_unset=True) if isinstance(payload, GenerationRequest) else payload
    try:
        text = json.dumps(dict(given), sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None
    return blake2b(text.encode(), digest_size=16).digest()
