"""Result lines as an audit writes them: real reports on facts written by hand, on as many rows as wanted."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

from preflight.facts import Cause, Delivery, Durations, Failure, Medium, NotMedia, Refusal, Transfer
from preflight.pipeline import conclude
from preflight.profiles import load_profile
from preflight.request import ReadRequest, read_request
from preflight.settings import Settings
from tests.reports import CLIP, DELIVERY, PICTURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.facts import Kind, Outcome

SETTINGS = Settings(load_profile(), price=Decimal("0.07"))
HOSTS = ("cdn.example.com", "media.example.org", "bucket.s3.amazonaws.com", "slow.example.net")
PORTRAIT = replace(PICTURE, truncated=False, coded_width=768, coded_height=1024, alpha=False, animated=False, frames=1)
SECRET = "5ecr3tSignatur3"  # noqa: S105  (a canary, no password)


def delivered(url: str, outcome: Outcome | None, *, failure: Failure | None = None, seconds: float = 0.125) -> Medium:
    """A medium that came (or did not) from `url`."""
    kind: Kind = "image" if ".png" in url else "video"
    declared = "image/png" if kind == "image" else "video/mp4"
    if failure is not None:
        transfer = Transfer(requests=1, connections=1, bytes_received=300, round_trips=2, seconds=seconds)
        return Medium(kind, Delivery(url, status=failure.status, failure=failure, transfer=transfer), None)
    transfer = replace(DELIVERY.transfer, seconds=seconds)
    return Medium(kind, replace(DELIVERY, reference=url, media_type_declared=declared, transfer=transfer), outcome)


def lasting(seconds: Fraction) -> Outcome:
    """A sound clip of this length."""
    durations = Durations(container=seconds, video=seconds, audio=seconds, header=seconds, present=seconds)
    return replace(CLIP, durations=durations, encrypted=False, sample_aspect_ratio=Fraction(1), rotation=0)


def line(
    row: int,
    image: Medium | None = None,
    video: Medium | None = None,
    *,
    orientation: str = "image",
    id: str | None = None,  # noqa: A002  (the field's own word)
    settings: Settings = SETTINGS,
) -> dict[str, Any]:
    """The result line of one row."""
    payload: dict[str, object] = {"model": "kling-v2-6-motion-control", "character_orientation": orientation}
    payload |= {"mode": "std", "prompt": "a dancer"}
    payload |= {f"{medium.kind}_url": medium.delivery.reference for medium in (image, video) if medium}
    report = conclude(read_request(payload), image, video, settings, started=time.monotonic() - 0.01)
    return report.model_dump(mode="json") | {"row": row, "id": id, "input": {}}


def bad_line(row: int) -> dict[str, Any]:
    """The result line of a row that is no job."""
    nothing = ReadRequest({}, (), no_row="has 3 columns, the header has 5")
    report = conclude(nothing, None, None, SETTINGS, started=time.monotonic(), only="request")
    return report.model_dump(mode="json") | {"row": row, "id": None, "input": {}}


def lines(count: int, seed: int = 0, *, hosts: int = len(HOSTS)) -> Iterator[dict[str, Any]]:
    """A run's result lines: most rows pass, some are too long, missing, rate-limited, no media, or no job at all."""
    random = Random(seed)  # noqa: S311  (the same rows each time)
    names = [HOSTS[number] if number < len(HOSTS) else f"host{number}.example.com" for number in range(hosts)]
    made = [_kind(number, name, orientation) for name in names[:50] for number in range(12)
            for orientation in ("image", "video")]  # fmt: skip
    for row in range(1, count + 1):
        result = random.choice(made)
        host = names[random.randrange(len(names))] if hosts > 50 else None
        video = result["video"]
        if host and video:
            video = video | {"url": f"https://{host}/clips/{row}.mp4"}
        yield result | {"row": row, "id": f"job-{row:07}", "video": video}


def _kind(number: int, host: str, orientation: str) -> dict[str, Any]:
    """One of twelve kinds of rows."""
    image = delivered(f"https://{host}/portraits/{number}.png", PORTRAIT, seconds=0.02 * (number + 1))
    url = f"https://{host}/clips/{number}.mp4?X-Amz-Expires=86400&X-Amz-Signature={SECRET}"
    clip = delivered(url, lasting(Fraction(3) + Fraction(number * 37, 60)), seconds=0.03 * (number + 1))
    if number == 8:
        clip = delivered(url, lasting(Fraction(1202, 100)))
    elif number == 9:
        clip = delivered(url, None, failure=Failure(Cause.NOT_FOUND, "the server answered 404", 404))
    elif number == 10:
        clip = delivered(url, None, failure=Failure(Cause.RATE_LIMITED, "the server answered 429", 429, 30))
    elif number == 11 and host == HOSTS[0]:
        return bad_line(0)
    elif number == 11:
        clip = delivered(url, NotMedia(Refusal.HTML, "an HTML page", "text/html"))
    return line(0, image, clip, orientation=orientation)
