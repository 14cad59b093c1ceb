"""The pipeline, top to bottom: request -> deliver -> probe -> judge -> estimate -> report."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from preflight.estimate import estimate
from preflight.inspection import Previews
from preflight.log import log
from preflight.report import build_report
from preflight.request import read_request
from preflight.rules import judge
from preflight.rules.model import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from preflight.facts import Kind, Medium
    from preflight.findings import Subject
    from preflight.inspection import Inspector
    from preflight.report import Report
    from preflight.request import GenerationRequest, ReadRequest
    from preflight.settings import Settings

T = TypeVar("T")


async def run(payload: Mapping[str, object] | GenerationRequest, inspector: Inspector, settings: Settings) -> Report:
    """One request, end to end."""
    started = inspector.started()
    request = read_request(payload)
    image, video = await _each(request, inspector.inspect)
    return conclude(request, image, video, settings, started=started)


async def run_illustrated(
    payload: Mapping[str, object] | GenerationRequest, inspector: Inspector, settings: Settings
) -> tuple[Report, Previews]:
    """The same, and small pictures of the media; they decide nothing, and cost what `transfer` tells more."""
    started = inspector.started()
    request = read_request(payload)
    image, video = await _each(request, inspector.illustrate)
    report = conclude(request, image and image.medium, video and video.medium, settings, started=started)
    return report, Previews(image and image.preview, video and video.preview)


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


async def _each(
    request: ReadRequest, look: Callable[[Kind, str], Coroutine[None, None, T]]
) -> tuple[T | None, T | None]:
    """What comes of looking at both media of a request, side by side."""
    async with asyncio.TaskGroup() as group:
        image = group.create_task(look("image", request.image_url)) if request.image_url else None
        video = group.create_task(look("video", request.video_url)) if request.video_url else None
    return image.result() if image else None, video.result() if video else None
