"""What is measured, in which order, and the samples that come of it.

Runs are interleaved: every round takes each case in turn, so that whatever else the machine does meets all of them
alike. What is slow and steady (the peers) runs in fewer rounds, spread evenly. Medians are compared, never best times.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import certifi
import trustme

from tests.benchmarks.link import SERVER_ADDRESS
from tests.benchmarks.server import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.benchmarks.link import Hosts

_ROOT = Path(__file__).parent.parent.parent
#: Rounds of each tool in a full run.
ROUNDS = {
    "curl": 11,
    "preflight": 11,
    "speculate": 11,
    "pair": 11,
    "check": 11,
    "ffprobe": 7,
    "av.open": 3,
    "mediainfo": 2,
}
#: Seconds that each clip lasts, and how far an honest answer may be off: a figure for a wrong answer is worth nothing.
_LENGTHS = {"fast8": 8, "tail8": 8, "trunc-fast8": 8, "hevc10": 6, "norm": 8, "nodur": 8, "vp9": 8, "live": 8, "ts": 8}
_LENGTHS |= {"fast30": 30, "tail30": 30, "frag-sidx": 30, "frag-mfra": 30, "frag-none": 30, "avi": 6}
_LENGTHS |= {"fast90": 90, "tail90": 90}
_TOLERANCE = 0.2
_IMAGE_WIDTH = 3840

#: The clips with which images, whole processes and TLS are measured, too.
PAIRED = ("fast8", "tail8")
#: The one-byte curl asks for a byte of these; which clip it is makes no difference.
FLOOR = ("fast8", "tail8", "fast30", "tail30", "fast90", "tail90")


class Broken(Exception):
    """A run gave no answer, or a wrong one."""


@dataclass(frozen=True, slots=True)
class Key:
    """One cell: a tool on a clip over a scheme."""

    tool: str
    clip: str
    scheme: str = "http"


@dataclass(slots=True)
class Samples:
    """All runs of one cell."""

    seconds: list[float] = field(default_factory=list)
    process_seconds: list[float] = field(default_factory=list)
    """Of tools that time themselves: with the start and the end of their process."""
    tallies: list[Tally] = field(default_factory=list)

    received: list[int] = field(default_factory=list)
    """Bytes on the client's interface until the end of the call or process, TCP/IP headers included."""

    @property
    def ms(self) -> float:
        """Milliseconds, median."""
        return 1000 * statistics.median(self.seconds)

    @property
    def process_ms(self) -> float:
        """Milliseconds of the whole process, median."""
        return 1000 * statistics.median(self.process_seconds)

    @property
    def kb(self) -> float:
        """Thousands of bytes on the client's interface, median."""
        return statistics.median(self.received) / 1000

    def count(self, what: str) -> int:
        """A figure of the server's tally, median."""
        return round(statistics.median(int(getattr(tally, what)) for tally in self.tallies))


Results = dict[Key, Samples]


@dataclass(frozen=True, slots=True)
class Case:
    """One cell to be filled, and the client's job that does it."""

    key: Key
    job: dict[str, Any]
    check: Callable[[Case, dict[str, Any]], None]


# ------------------------------------------------------------------------------------------------------- the plan


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases for some clips, given the tools that are here and the trust that they need."""

    files: dict[str, Path]
    tools: frozenset[str]
    authority: Path
    trust: dict[str, str]

    def cases(self) -> list[Case]:
        """Every case, in the order of a round."""
        clips = [name for name in self.files if name != "image"]
        cases = [case for clip in clips for case in self._of_clip(clip)]
        for clip in PAIRED:
            if clip in self.files:
                cases += self._of_pair(clip)
        return [case for case in cases if case.key.tool in self.tools]

    def _of_clip(self, clip: str) -> Iterable[Case]:
        url = self._url(clip, "http")
        if clip in FLOOR:
            yield self._curl(clip, "http")
        yield Case(Key("preflight", clip), {"job": "probe_url", "url": url}, _has_duration)
        yield Case(Key("speculate", clip), {"job": "probe_url", "url": url, "speculate": True}, _has_duration)
        yield self._ffprobe(clip, "http")
        yield Case(Key("av.open", clip), {"job": "open_url", "url": url}, _anything)
        yield self._process(Key("mediainfo", clip), ["mediainfo", url], _anything)

    def _of_pair(self, clip: str) -> Iterable[Case]:
        for scheme in ("http", "https"):
            image, video = self._url("image", scheme), self._url(clip, scheme)
            request = {
                "model": "kling-v2-6-motion-control",
                "mode": "std",
                "image_url": image,
                "video_url": video,
                "character_orientation": "video",
            }
            if scheme == "https":
                yield self._curl(clip, scheme)
                yield Case(Key("preflight", clip, scheme), {"job": "probe_url", "url": video}, _has_duration)
                yield self._ffprobe(clip, scheme)
            yield Case(Key("preflight", "image", scheme), {"job": "probe_url", "url": image}, _anything)
            yield Case(Key("pair", clip, scheme), {"job": "check_pair", "request": request}, _has_both)
            words = ["--image", image, "--video", video, "--orientation", "video", "--allow-private"]
            yield self._process(Key("check", clip, scheme), [_preflight_command(), "check", *words], _passed)

    def _curl(self, clip: str, scheme: str) -> Case:
        words = ["curl", "-sS", "-r", "0-0", "-o", "/dev/null", "-w", "%{time_total}", "--cacert", str(self.authority)]
        return self._process(Key("curl", clip, scheme), [*words, self._url(clip, scheme)], _passed)

    def _ffprobe(self, clip: str, scheme: str) -> Case:
        words = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams"]
        return self._process(Key("ffprobe", clip, scheme), [*words, self._url(clip, scheme)], _anything)

    def _process(self, key: Key, argv: list[str], check: Callable[[Case, dict[str, Any]], None]) -> Case:
        return Case(key, {"job": "run", "argv": argv, "environment": self.trust}, check)

    def _url(self, clip: str, scheme: str) -> str:
        return f"{scheme}://{SERVER_ADDRESS}/{self.files[clip].name}"


def _preflight_command() -> str:
    return str(Path(sys.executable).with_name("preflight"))


def _anything(case: Case, answer: dict[str, Any]) -> None:
    """Peers may be at a loss; their time counts all the same."""


def _passed(case: Case, answer: dict[str, Any]) -> None:
    if answer["code"] != 0:
        raise Broken(f"{' '.join(case.job['argv'])}: exit {answer['code']}\n{answer['output']}{answer['errors']}")


def _has_duration(case: Case, answer: dict[str, Any]) -> None:
    length, duration = _LENGTHS.get(case.key.clip), answer["duration"]
    if length is not None and (duration is None or abs(duration - length) > _TOLERANCE):
        raise Broken(f"{case.key}: a duration of {duration}, not {length}")


def _has_both(case: Case, answer: dict[str, Any]) -> None:
    _has_duration(case, answer)
    if answer["width"] != _IMAGE_WIDTH:
        raise Broken(f"{case.key}: an image of width {answer['width']}")


# -------------------------------------------------------------------------------------------------- the two hosts


class Peer:
    """A process on one of the hosts that answers lines with lines of JSON."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._words = argv
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=environment
        )

    def ask(self, line: str) -> Any:
        """One question, one answer."""
        stdin: IO[str] | None = self._process.stdin
        assert stdin is not None
        stdin.write(line + "\n")
        stdin.flush()
        return json.loads(self.hear())

    def hear(self) -> str:
        """The next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Broken(f"{' '.join(self._words)} ended")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.__exit__(None, None, None)


def start_server(hosts: Hosts, folder: Path, certificate: Path, environment: dict[str, str]) -> Peer:
    """The counting range server on the server's host, http and https."""
    words = [sys.executable, "-m", "tests.benchmarks.server", str(folder), SERVER_ADDRESS]
    server = Peer([*hosts.server, *words, "--certificate", str(certificate)], environment)
    server.hear()
    return server


def start_client(hosts: Hosts, environment: dict[str, str]) -> Peer:
    """The warm process on the client's host."""
    return Peer([*hosts.client, sys.executable, "-m", "tests.benchmarks.client"], environment)


@dataclass(frozen=True, slots=True)
class Trust:
    """A certificate for the server, and how each tool is brought to trust it."""

    certificate: Path
    authority: Path
    environment: dict[str, str]


def make_trust(folder: Path) -> Trust:
    """An authority of our own, beside the usual public ones: loading those is part of what a check costs.

    preflight has no option for another authority, on purpose. It finds a copy of certifi with one certificate more.
    """
    authority = trustme.CA()
    certificate, alone = folder / "server.pem", folder / "authority.pem"
    authority.issue_cert(SERVER_ADDRESS).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(alone))
    modules = folder / "modules"
    shutil.copytree(Path(certifi.__file__).parent, modules / "certifi", ignore=shutil.ignore_patterns("__pycache__"))
    bundle = modules / "certifi" / "cacert.pem"
    with bundle.open("ab") as file:
        file.write(alone.read_bytes())
    # A bare environment: no proxy, no debug switches of Python, byte code cached as everywhere.
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(modules),
        "SSL_CERT_FILE": str(bundle),
    }
    return Trust(certificate, alone, environment)


# --------------------------------------------------------------------------------------------------------- a run


def installed() -> frozenset[str]:
    """The tools of this machine that can be measured."""
    peers = {name for name in ("ffprobe", "mediainfo", "curl") if shutil.which(name)}
    return frozenset({"preflight", "pair", "check", "av.open"} | peers)


def measure(
    cases: list[Case], rounds: dict[str, int], client: Peer, server: Peer, say: Callable[[str], None]
) -> Results:
    """Run every case in each of its rounds, after one round that only warms up."""
    results: Results = defaultdict(Samples)
    for tool_case in {case.key.tool: case for case in cases}.values():
        _once(tool_case, client, server)
    total = max(rounds.values())
    for number in range(total):
        say(f"round {number + 1} of {total}")
        for case in cases:
            if _is_due(number, rounds[case.key.tool], total):
                answer, tally = _once(case, client, server)
                samples = results[case.key]
                own = float(answer["output"]) if case.key.tool == "curl" else answer["seconds"]
                samples.seconds.append(own)
                samples.process_seconds.append(answer["seconds"])
                samples.received.append(answer["received"])
                samples.tallies.append(tally)
    return dict(results)


def _once(case: Case, client: Peer, server: Peer) -> tuple[dict[str, Any], Tally]:
    answer = client.ask(json.dumps(case.job))
    tally = Tally(**server.ask(""))
    case.check(case, answer)
    return answer, tally


def _is_due(number: int, rounds: int, total: int) -> bool:
    """Spread `rounds` evenly over `total`."""
    return (number + 1) * rounds // total > number * rounds // total
