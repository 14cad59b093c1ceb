"""The pipeline, top to bottom: request -> deliver -> probe -> judge -> estimate -> report."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from preflight.estimate import estimate
from preflight.log import log
from preflight.report import build_report
from preflight.request import read_request
from preflight.rules import judge
from preflight.rules.model import Case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preflight.facts import Kind, Medium
    from preflight.findings import Subject
    from preflight.inspection import Inspector
    from preflight.report import Report
    from preflight.request import GenerationRequest, ReadRequest
    from preflight.settings import Settings


async def run(payload: Mapping[str, object] | GenerationRequest, inspector: Inspector, settings: Settings) -> Report:
    """One request, end to end."""
    started = inspector.started()
    request = read_request(payload)
    image, video = await _inspect_both(request, inspector)
    return conclude(request, image, video, settings, started=started)


def conclude(
    request: ReadRequest,
    image: Medium | None,
    video: Medium | None,
    settings: Settings,
    *,
    started: float,
    only: Subject | None = None,
) -> Report:
    """What follows from a request and its inspected media; with `only`, about that subject alone."""
    case = Case(request=request, image=image, video=video, profile=settings.profile, now=datetime.now(UTC))
    judgement = judge(case, settings.ignore, only)
    report = build_report(case, judgement, estimate(case, settings.price), seconds=time.monotonic() - started)
    log("verdict", verdict=report.verdict, findings=[finding.rule for finding in report.findings])
    return report


async def _inspect_both(request: ReadRequest, inspector: Inspector) -> tuple[Medium | None, Medium | None]:
    references: tuple[tuple[Kind, str | None], ...] = (("image", request.image_url), ("video", request.video_url))
    async with asyncio.TaskGroup() as group:
        image, video = (
            group.create_task(inspector.inspect(kind, reference)) if reference else None
            for kind, reference in references
        )
    return image.result() if image else None, video.result() if video else None
