"""Does what preflight says hold? Every medium under both orientations: our verdict against a provider that decodes all.

`python -m tests.agreement` prints the table. A row agrees when the provider's answer lies inside what we told:

* `pass`, and `warn` about anything else: it is accepted.
* `warn` that says "may be refused" (a rule of `OPEN`): either answer is what we told.
* `fail`: it is refused.
* `unknown` promises nothing; none of these media may end there.

And what is accepted is billed inside our interval, also where a server bills the picture alone, if we claim to know
how long that is.
"""

from __future__ import annotations

import json
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from preflight.api import Preflight
from preflight.demo import sample_media
from preflight.rules import RULES
from tests.hard_media import ROWS, mp4
from tests.pictures import encode
from tests.provider import PATH, Job, Provider
from tests.servers import MediaServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preflight.report import Report
    from tests.servers import Data

F = Fraction
#: Rules whose warning says that the provider may refuse.
OPEN = frozenset({"video-duration-borderline", "video-duration-undeclared", "video-size-ambiguous"})
ORIENTATIONS = ("image", "video")
_SAMPLES = sample_media()


@dataclass(frozen=True)
class Subject:
    """A request's media; what is not under test is ordinary."""

    name: str
    video: Callable[[], Data]
    image: Callable[[], bytes]


@dataclass(frozen=True)
class Compared:
    """One row of the table."""

    name: str
    orientation: str
    verdict: str
    promised: str
    """`accepted`, `refused`, `either` or `nothing`."""
    answer: str
    """`accepted`, or the provider's words."""
    billed: tuple[Fraction, Fraction] | None
    """What is billed for the file, and for its picture alone."""
    expected: tuple[float | None, float | None, float | None]
    """Our lower end, likely value and upper end."""
    knows_picture: bool
    """Do we say how long the picture alone is?"""
    errors: frozenset[str]
    """The rules that said "error"."""

    @property
    def agrees(self) -> bool:
        """Does the answer lie inside what we told?"""
        is_accepted = self.answer == "accepted"
        if self.promised == "nothing" or (self.promised != "either" and is_accepted != (self.promised == "accepted")):
            return False
        if self.billed is None:
            return True
        (least, _, most), bills = self.expected, self.billed[: 1 + self.knows_picture]
        return least is not None and most is not None and all(least <= seconds <= most for seconds in bills)


# ---------------------------------------------------------------------------------------------- media


def _portrait(kind: str = "PNG", size: tuple[int, int] = (400, 400)) -> bytes:
    return encode(kind, picture=Image.new("RGB", size, "teal"))


def _sample(name: str) -> Callable[[], bytes]:
    return (_SAMPLES / name).read_bytes


def _padded(folder: Path, size: int) -> Path:
    """A good clip with zeros behind it up to a size; the file has a hole and takes no room."""
    path = folder / f"{size}.mp4"
    path.write_bytes(_sample("dance-8s.mp4")())
    with path.open("r+b") as file:
        file.truncate(size)
    return path


#: Lengths around the limits in seconds: of the picture, and of the sound; None: silent.
_LENGTHS: tuple[tuple[str, str | None], ...] = (
    ("1", None), ("2.5", "2.5"), ("2.85", None), ("2.95", None), ("3.05", None), ("3.05", "3"), ("2.9", "3.1"),
    ("3", "2.8"), ("9.75", "9.8"), ("9.95", None), ("9.95", "10.03"), ("10", "9.9"), ("10.05", "10"), ("10.1", None),
    ("10.2", "10.2"), ("9", "10.2"), ("12", "12"), ("29.8", None), ("29.95", "30.02"), ("30.05", None), ("30.1", None),
    ("31", None), ("6", "30.2"),
)  # fmt: skip
_PICTURES: dict[str, Callable[[], bytes]] = {
    "png 300 x 300": partial(_portrait, size=(300, 300)),
    "png 299 x 400": partial(_portrait, size=(299, 400)),
    "png 1000 x 400": partial(_portrait, size=(1000, 400)),
    "png 1004 x 400": partial(_portrait, size=(1004, 400)),
    "jpeg 768 x 1344": partial(_portrait, "JPEG", (768, 1344)),
    "webp": partial(_portrait, "WEBP"),
    "gif": partial(_portrait, "GIF"),
    "bmp": partial(_portrait, "BMP"),
    "tiny.png": _sample("tiny.png"),
    "portrait-rotated.jpg": _sample("portrait-rotated.jpg"),
}
#: Thousands of frames: what they show is shown by fewer frames above.
_SLOW = frozenset({"30.01", "30.06"})


def subjects(folder: Path) -> Iterator[Subject]:
    """Every medium, beside one that passes; large ones are written into `folder`."""
    for row in ROWS:
        if row.name not in _SLOW:
            yield Subject(row.name, row.make, _portrait)
    for picture, sound in _LENGTHS:
        fps = next(F(rate) for rate in (5, 10, 20) if (F(picture) * rate).denominator == 1)
        make = mp4(video=F(picture), audio=F(sound) if sound else None, fps=fps)
        yield Subject(f"{picture} s, {f'sound {sound} s' if sound else 'silent'}", make, _portrait)
    for path in sorted((*_SAMPLES.glob("*.m*4"), *_SAMPLES.glob("*.mov"), *_SAMPLES.glob("*.webm"))):
        yield Subject(path.name, path.read_bytes, _sample("portrait.jpg"))
    for size in (100_000_000, 100_000_001, 104_857_601):
        yield Subject(f"{size:,} bytes", partial(_padded, folder, size), _sample("portrait.jpg"))
    for name, image in _PICTURES.items():
        yield Subject(name, _sample("dance-8s.mp4"), image)


# ------------------------------------------------------------------------------------------ comparing


def compare() -> Iterator[Compared]:
    """Check and submit every medium under both orientations."""
    about_the_way = [rule.id for rule in RULES if rule.id.startswith("url-")]
    with (
        tempfile.TemporaryDirectory(prefix="agreement-") as folder,
        MediaServer() as media,
        Provider() as provider,
        Preflight(allow_private=True, ignore=about_the_way) as preflight,
    ):
        for number, subject in enumerate(subjects(Path(folder))):
            video = media.serve(f"{number}.mp4", subject.video(), media_type=None)
            image = media.serve(f"{number}.png", subject.image(), media_type=None)
            for orientation in ORIENTATIONS:
                request = {
                    "model": "kling-v2-6-motion-control",
                    "prompt": "The character follows the reference video.",
                    "image_url": image,
                    "video_url": video,
                    "character_orientation": orientation,
                    "mode": "std",
                }
                report = preflight.check(request)
                yield _compared(subject.name, orientation, report, *_submit(provider, request))


def _submit(provider: Provider, request: dict[str, str]) -> tuple[str, Job | None]:
    """The provider's answer, and the job if there is one; with a client that is not preflight's."""
    headers = {"Authorization": f"Bearer {provider.key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(provider.base + PATH, json.dumps(request).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            return "accepted", provider.jobs[json.load(answer)["data"][0]["task_id"]]
    except urllib.error.HTTPError as refused:
        with refused:
            return json.load(refused)["error"]["message"], None


def _compared(name: str, orientation: str, report: Report, answer: str, job: Job | None) -> Compared:
    said = {finding.rule for finding in report.findings}
    promised = {"fail": "refused", "unknown": "nothing"}.get(report.verdict, "either" if said & OPEN else "accepted")
    estimate = report.estimate
    return Compared(
        name,
        orientation,
        report.verdict,
        promised,
        answer,
        (job.billed, job.picture) if job else None,
        (estimate.at_least, estimate.billed_seconds, estimate.at_most),
        knows_picture=report.video is not None and report.video.durations.video is not None,
        errors=frozenset(finding.rule for finding in report.findings if finding.severity == "error"),
    )


def main() -> int:
    """Print the table; 1 if a row disagrees."""
    rows = []
    for row in compare():
        rows.append(row)
        least, likely, most = (f"{value:.3f}" if value is not None else "-" for value in row.expected)
        billed = f"{float(row.billed[0]):.3f}" if row.billed else "-"
        sign = " " if row.agrees else "!"
        told = f"{row.verdict:<5} {row.promised:<9} {least:>7} {likely:>7} {most:>7}  {billed:>7}  {row.answer}"
        print(f"{sign} {row.name:<24} {row.orientation:<6} {told}")
    off = [abs(float(row.billed[0]) - row.expected[1]) for row in rows if row.billed and row.expected[1] is not None]
    print(f"{len(rows)} requests, {sum(row.agrees for row in rows)} agree; {len(off)} accepted, "
          f"the likely value is off by {max(off):.3f} s at most")  # fmt: skip
    return int(any(not row.agrees for row in rows))


if __name__ == "__main__":
    sys.exit(main())
