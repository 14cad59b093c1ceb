"""The hunt for secrets: canaries in URLs of every format, looked for in everything that leaves a process.

Servers on loopback answer the links well, badly, and with the question echoed in every header and body; commands and
programs also put them where they do not belong; and a bug of ours is made to quote them.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.hostile import Score
from tests.hostile.canaries import FORMATS, Canaries, links
from tests.hostile.echoes import BEHAVIOURS, SLOW, AnyPath
from tests.hostile.talker import Job, Talker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.canaries import Link
    from tests.hostile.talker import Said

SAMPLES = Path(__file__).parents[2] / "sample_media"

#: One check or probe, and everything that a program can make of its report.
_LOOK = """
import json, traceback
from typing import get_args
import preflight
from preflight.render import Format, render
options = {"allow_private": True, "timeout": 3.0}
request = json.loads(given)
for report in (preflight.check(request, **options), preflight.probe(request["video_url"], **options)):
    for format in get_args(Format):
        if format not in ("text", "json", "csv") and not hasattr(report, "verdict"):
            continue
        for color in (False, True):
            for verbosity in (-1, 0, 2):
                print(render(report, format, width=100, color=color, verbosity=verbosity))
    print(repr(report), str(report), report.model_dump())
    try:
        report.raise_for_verdict()
    except preflight.PreflightFailed as error:
        print(repr(error), *error.args, traceback.format_exc())
    except AttributeError:
        assert not hasattr(report, "verdict")
"""

#: A URL where something else belongs: what the errors say, with all that they are chained to.
_MISUSE = """
import traceback
import preflight
from preflight.log import log_to
request = {"model": "kling-v2-6-motion-control", "image_url": given, "video_url": given}
attempts = [
    lambda: preflight.check(given),
    lambda: preflight.check([given]),
    lambda: preflight.check({given: given}),
    lambda: preflight.check(request, profile=given),
    lambda: preflight.check(request, profile=given + ".toml"),
    lambda: preflight.check(request, price=given),
    lambda: preflight.check(request, ignore=given),
    lambda: preflight.check(request, ignore=[given]),
    lambda: preflight.check(request, timeout=given),
    lambda: preflight.check(request, max_bytes=given),
    lambda: preflight.check(request, isolation=given),
    lambda: preflight.check(request, proxy=given),
    lambda: preflight.check(request, proxy=given, trust_proxy=True),
    lambda: preflight.load_profile(given),
    lambda: preflight.probe({"url": given}),
    lambda: preflight.Preflight().check(request),
    lambda: preflight.GenerationRequest(model=given, mode=[given], image_url={"url": given}),
    lambda: log_to("/no/such/" + given).__enter__(),
]
for attempt in attempts:
    try:
        print(repr(attempt()))
    except Exception as error:
        print(repr(error), str(error), traceback.format_exc())
for wrong in ({"image_url": [given]}, {"video_url": {"url": given}}, {"mode": given, "model": given},
              {"prompt": given, "watermark_info": {given: given}}, {"keep_original_sound": given},
              {"character_orientation": given, given: 1}):
    report = preflight.check({**request, "video_url": "x.mp4", "image_url": "x.png", **wrong})
    print(repr(report), report.to_json())
"""

#: `{}` is a URL with secrets. Each is a mistake that somebody makes.
_WRONG_WORDS = """
{}|chekc {}|check {}|probe --format {} x.mp4|check --image {} --wrong|check --wrong={}|check --{}|check -{}
check x.json {} {}|check - --profile {}|check - --profile={}|check - --profile={}.toml|check - --price {}
check - --ignore {}|check - --ignore video-too-long,{}|check - --timeout {}|check - --max-bytes {}|check - --format {}
check - --proxy {}|check - --proxy {} --trust-proxy|check - --log /no/such/{}|check - -q -v --video {}|explain {}
explain video-too-long --profile {}|rules --profile {}|rules {}|profiles {}|schema {}|demo {}|probe {} --timeout x
probe --no-such {}
""".strip().replace("\n", "|")

#: Requests on standard input that cannot be read, or read to the end.
_WRONG_INPUT = (
    "{}", '{{"video_url": "{}"', '{{"video_url": "{}", "video_url": "{}"}}', '{{"{}": 1, "{}": 2}}', '["{}"]', '"{}"',
    "{{'video_url': '{}', }}", "{{video_url: '{}'}}", "video_url = '{}'\nrequest(", '{{"video_url": NaN, "x": "{}"}}',
    "curl '{}'", "curl -d '{{\"video_url\": \"{}\"' https://api.example.com", "curl -d @{} https://api.example.com",
    "curl -u x:{} -H 'Authorization: {}' -d '", "```\n{}\n```\n```\n{}\n```", "image_url: {}\nvideo_url: {}\n",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary that got out."""

    output: str
    place: str
    word: str

    def __str__(self) -> str:
        return f"{self.output}: {self.place} ({self.word[:60]})"


class Hunt:
    """Servers, the talker and the canaries; each method drives one kind of output over all links."""

    def __init__(self) -> None:
        self.canaries = Canaries()
        self.links = links(self.canaries)
        #: One link of each format, for outputs that never look at what the URL leads to.
        self.formats = list({link.number: link for link in self.links}.values())
        self.outputs = 0

    def __enter__(self) -> Self:
        self._open = ExitStack()
        clip = (SAMPLES / "dance-8s.mp4").read_bytes()
        ways = BEHAVIOURS | SLOW
        self._ports = {name: self._open.enter_context(AnyPath(way, clip)).port for name, way in ways.items()}
        self._talker = self._open.enter_context(Talker())
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def _leaks(self, output: str, said: Said, link: Link | None = None, *, log: bool = True) -> Iterator[Leak]:
        self.outputs += 1
        printed = f"{said.stdout}\n{said.stderr}"
        text = f"{printed}\n{said.log}" if log else printed
        found = self.canaries.leaks(text) | self.canaries.broken_leaks(printed)
        yield from (Leak(f"{output}{f' {link.host}' if link else ''}", place, word) for place, word in found.items())

    def probes(self) -> Iterator[Leak]:
        """Every link against every behaviour, through the command."""
        for name, port in self._ports.items():
            chosen = self.links if name in BEHAVIOURS else self.links[::30]
            urls = [link.at(port, fragment=True) for link in chosen] + [chosen[0].at(port, user=True)]
            for words, step in ((("-vv",), 1), (("--format", "json"), 1), (("--format", "csv", "--log", "-"), 3)):
                job = Job(("probe", *urls[::step], "--allow-private", "--timeout", "3", *words))
                yield from self._leaks(f"probe {' '.join(words)}, {name}", self._talker.run(job))

    def reports(self) -> Iterator[Leak]:
        """Every link in a check by the library: every rendering, every representation."""
        names = list(BEHAVIOURS)
        for number, link in enumerate(self.links):
            for name in ("good", names[1 + number % (len(names) - 1)]):
                port = self._ports[name]
                given = {"image_url": link.at(port, user=number % 2 == 0), "video_url": link.at(port, fragment=True)}
                request = {"model": "kling-v2-6-motion-control", "mode": "std", "character_orientation": "image"}
                prompt = f"like {link.at(port)} and ({link.at(port, user=True)}), please"
                job = Job(code=_LOOK, given=json.dumps({**request, **given, "prompt": prompt}))
                yield from self._leaks(f"report, {name}", self._run(job), link)

    def mistakes(self) -> Iterator[Leak]:
        """A URL of each format in every wrong place: of the command line, of standard input, of the library."""
        for link in self.formats:
            url = link.at(9, user=True, fragment=True)
            for words in _WRONG_WORDS.split("|"):
                said = self._talker.run(Job(tuple(word.replace("{}", url) for word in words.split())))
                yield from self._leaks(words, said, link)
            for text in _WRONG_INPUT:
                said = self._talker.run(Job(("check", "-"), stdin=text.format(*[url] * text.count("{}"))))
                yield from self._leaks(f"check - < {text}", said, link)
            yield from self._leaks("library", self._run(Job(code=_MISUSE, given=url)), link)

    def crashes(self) -> Iterator[Leak]:
        """A bug of ours whose exceptions quote the URL; asyncio's own debug log is not ours to keep quiet then."""
        for link in self.formats:
            for words in (("-vv",), ()):
                job = Job(("probe", link.at(9, user=True, fragment=True), "--allow-private", *words), crash=True)
                said = self._talker.run(job)
                assert said.code == 70, said
                yield from self._leaks(f"crash {words}", said, link, log=False)

    def process(self) -> Iterator[Leak]:
        """What the system shows of the children: their command lines and environments; and the files left behind."""
        for child in Path(f"/proc/{self._talker.pid}/task/{self._talker.pid}/children").read_text().split():
            shown = b"".join((Path("/proc") / child / name).read_bytes() for name in ("cmdline", "environ"))
            yield from (Leak("process", *leak) for leak in self.canaries.leaks(shown.decode("latin-1")).items())
        names = "\n".join(map(str, self._talker.folder.rglob("*")))
        yield from (Leak("file name", *leak) for leak in self.canaries.leaks(names).items())

    def _run(self, job: Job) -> Said:
        said = self._talker.run(job)
        assert "Error" not in said.stderr, said.stderr
        return said


KINDS = ("probes", "reports", "mistakes", "crashes", "process")


def score() -> Score:
    """Hunt through everything."""
    with Hunt() as hunt:
        leaks = [leak for kind in KINDS for leak in getattr(hunt, kind)()]
    return Score(
        "secret canaries: signed-URL formats × outputs",
        "0 occurrences",
        f"{len(FORMATS)} formats, {len(hunt.links)} links, {hunt.outputs} outputs: {len(leaks)} occurrences",
        tuple(dict.fromkeys(map(str, leaks))),
    )
