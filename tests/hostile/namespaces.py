"""The real command against a real name server, in two network namespaces joined by a wire.

Inside runs `preflight probe`, unchanged and with default options. Outside is everything else: it owns every address
there is, public ones with web servers and private ones that nobody must ever reach (`outside.py`). Its name server
rebinds, mixes, flips and stalls. A raw socket at each end counts packets, so a packet that nobody answers is heard too.

It needs Linux, root, iproute2 and strace. Where they are missing this is a miss of the score, not a pass.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from preflight.deliver.address import address_fault
from preflight.facts import Cause
from tests.hostile import Score
from tests.hostile.names import INNOCENT_SECONDS, MANY
from tests.hostile.ssrf import VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME_SERVER = "9.9.9.9"
OWN = ("198.20.0.2", "2a00:1450::2")
_GATES = ("198.20.0.1", "2a00:1450::1")
PUBLIC = frozenset(
    {"93.184.216.34", "8.8.8.8", "64:ff9b::808:808", "100.63.255.254", "100.128.0.1", *MANY}
    | {"2606:4700:4700::1111", "2001:4860:4860::8888"}
)
_ROOT = Path(__file__).parents[2]
_COMMAND = (sys.executable, "-m", "preflight")
_UNGUARDED = """
import sys
import preflight.deliver.backend as backend
backend.address_fault = lambda *_, **__: None
backend.is_own_address = lambda _: False
from preflight.cli import main
sys.exit(main())
"""
#: A library call that asks for many names that stall, and then for an innocent one; prints its seconds and outcome.
_STALLED = """
import asyncio, sys, time
import preflight
async def main(count):
    async with preflight.AsyncPreflight(timeout=4) as session:
        hostile = [asyncio.create_task(session.probe(f"http://stall-{n}.example/clip.mp4")) for n in range(count)]
        await asyncio.sleep(0.5)
        started = time.monotonic()
        report = await session.probe("http://plain.example/clip.mp4")
        print(time.monotonic() - started, report.video is not None)
        await asyncio.gather(*hostile)
asyncio.run(main(int(sys.argv[1])))
"""


class NoNamespaces(Exception):
    """This machine cannot have them; the text says why."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One URL for the command, and what has to become of it: a cause, or None where the clip is fetched."""

    name: str
    url: str
    cause: str | None = Cause.NOT_PUBLIC


#: Turns of answers for each name; see `outside.answer`.
ZONE: dict[str, Any] = {
    ".": NAME_SERVER,
    "plain.example": [["93.184.216.34"]],
    "both.example": [["93.184.216.34", "2606:4700:4700::1111"]],
    "private.example": [["10.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "loopback.example": [["127.0.0.1"]],
    "mixed.example": [["8.8.8.8", "127.0.0.1"]],
    "mixed-six.example": [["8.8.8.8", "::1"]],
    "flip.example": [["8.8.8.8"], ["169.254.169.254"]],
    "flop.example": [["8.8.8.8"], ["10.0.0.1"]],
    "alias.example": [["=intra.example"]],
    "intra.example": [["10.0.0.1"]],
    "good-alias.example": [["=plain.example"]],
    "loop.example": [["!loop"]],
    "nat64.example": [["64:ff9b::7f00:1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "translated.example": [["::ffff:0:127.0.0.1"]],
    "own.example": [[OWN[0]]],
    "own-six.example": [[OWN[1]]],
    "own-mapped.example": [[f"::ffff:{OWN[0]}"]],
    "own-nat64.example": [["64:ff9b::c614:2"]],
    "many.example": [list(MANY)],
    "many-and-one.example": [[*MANY[:150], "10.0.0.1", *MANY[150:]]],
    "empty.example": [[]],
    "fails.example": [["!fails"]],
    "refuses.example": [["!refuses"]],
    "garbage.example": [["!garbage"]],
    "other-id.example": [["10.0.0.1", "!other-id"]],
    "cut.example": [["10.0.0.1", "!cut"]],
    **{f"stall-{number}.example": [["!silent"]] for number in range(64)},
    **{f"ip-{number}.example": [[row["vector"]]] for number, row in enumerate(VECTORS) if row["kind"] == "ip"},
}


def _names() -> Iterator[Visit]:
    for host, cause in {
        "plain": None,
        "both": None,
        "good-alias": None,
        "many": None,
        "loop": Cause.NO_SUCH_HOST,
        "empty": Cause.NO_SUCH_HOST,
        "nobody": Cause.NO_SUCH_HOST,
        "fails": Cause.DNS_FAILED,
        "refuses": Cause.DNS_FAILED,
        "garbage": Cause.DNS_FAILED,
        "other-id": Cause.DNS_FAILED,
    }.items():
        yield Visit(f"name: {host}", f"http://{host}.example/clip.mp4", cause)
    for host in ("private", "loopback", "mixed", "mixed-six", "alias", "nat64", "mapped", "translated", "cut"):
        yield Visit(f"name: {host}", f"http://{host}.example/clip.mp4")
    for host in ("own", "own-six", "own-mapped", "own-nat64", "many-and-one"):
        yield Visit(f"name: {host}", f"http://{host}.example/clip.mp4")
    yield Visit("name: flips between two ranges", "http://flip.example/close.mp4")
    yield Visit("name: flops between two ranges", "http://flop.example/close.mp4")


def _rows() -> Iterator[Visit]:
    """The shared table: denied URL rows, and IP rows as literal, as answer and as the target of a redirect."""
    for number, row in enumerate(VECTORS):
        vector, denied = row["vector"], row["expected"] == "deny"
        if row["kind"] == "url" and denied and row["by"] != "path":
            by = Cause.NOT_PUBLIC if row["by"] == "address" else Cause.INVALID_URL
            yield Visit(f"url: {vector[:50]!r}", vector, by)
        elif row["kind"] == "ip":
            cause = Cause.NOT_PUBLIC if denied else None
            url = f"http://[{vector}]/clip.mp4" if ":" in vector else f"http://{vector}/clip.mp4"
            yield Visit(f"ip: {vector}", url, cause)
            yield Visit(f"redirect: {vector}", f"http://8.8.8.8/to?{quote(url)}", cause)
            yield Visit(f"answer: {vector}", f"http://ip-{number}.example/clip.mp4", cause)


def _redirects() -> Iterator[Visit]:
    for target in (
        "http://localhost/clip.mp4",
        "http://private.example/clip.mp4",
        "http://mixed.example/clip.mp4",
        "http://metadata.google.internal/",
        "//169.254.169.254/latest",
        f"http://{OWN[0]}/clip.mp4",
        f"http://[{OWN[1]}]/clip.mp4",
    ):
        yield Visit(f"redirect: {target}", f"http://8.8.8.8/to?{quote(target)}")
    for target in ("http://0x7f000001/", "http://2130706433/", "http://127.0.0.1\\@8.8.8.8/", "file:///"):
        yield Visit(f"redirect: {target}", f"http://8.8.8.8/to?{quote(target)}", Cause.BAD_REDIRECT)
    yield Visit("redirect: to itself", "http://8.8.8.8/to?/clip.mp4", None)


VISITS = (
    *_rows(),
    *_names(),
    *_redirects(),
    Visit("own", f"http://{OWN[0]}/"),
    Visit("own IPv6", f"http://[{OWN[1]}]/"),
)
#: Denied by what they are: no lookup, no packet, not even a socket.
SOCKETLESS = tuple(
    Visit(row["vector"], f"http://[{row['vector']}]/" if ":" in row["vector"] else f"http://{row['vector']}/")
    if row["kind"] == "ip"
    else Visit(row["vector"], row["vector"])
    for row in VECTORS
    if row["kind"] != "scenario" and row["expected"] == "deny" and not row["answers"]
)


@dataclass(slots=True)
class Heard:
    """What both ends heard during one run."""

    leaked: dict[str, int] = field(default_factory=dict)
    """Packets to addresses that nobody may reach, by address and port."""
    public: int = 0
    """Packets to public addresses, name lookups not counted."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)


class Lab:
    """The two namespaces. Each run has ends of its own, so that it hears what it caused and nothing else."""

    def __init__(self, inside: str, outside: str) -> None:
        self._inside, self._outside = inside, outside

    def run(self, *command: str, timeout: float = 240) -> tuple[str, Heard]:
        """Run a command inside; its output, and what both ends heard."""
        with _program(self._outside, "world", "pf0") as world, _program(self._inside, "canary", "lo") as canary:
            done = subprocess.run(
                ["ip", "netns", "exec", self._inside, *command],
                capture_output=True, text=True, timeout=timeout, check=False, cwd=_ROOT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            out, lo = _stop(world), _stop(canary)
        if done.returncode not in {0, 1, 3}:
            raise RuntimeError(f"{command[:4]} ended with {done.returncode}: {done.stderr[-2000:]}")
        heard = Heard(requests=[tuple(request) for request in (*out["requests"], *lo["requests"])])
        for where, count in (*out["packets"].items(), *lo["packets"].items()):
            address, port = where.split()
            if address in PUBLIC:
                heard.public += count
            elif (address, port) not in {
                (NAME_SERVER, "53"),
                (NAME_SERVER, "0"),
            }:  # lookups, and ICMP about late answers
                heard.leaked[where] = heard.leaked.get(where, 0) + count
        return done.stdout, heard

    def probe(
        self, visits: Sequence[Visit], *options: str, command: Sequence[str] = _COMMAND
    ) -> tuple[list[str], Heard]:
        """Run `preflight probe` over the visits; what each became ("" where it was fetched), and what was heard."""
        urls = [visit.url for visit in visits]
        printed, heard = self.run(*command, "probe", "--format", "json", *options, "--", *urls)
        reports = [json.loads(line) for line in printed.splitlines()]
        return [_outcome(report) for report in reports], heard

    def traced(self, visits: Sequence[Visit]) -> list[str]:
        """Every use of an internet socket that the kernel sees when `preflight probe` looks at the visits."""
        tracer = (
            "strace",
            "-f",
            "-qq",
            "-yy",
            "-e",
            "trace=socket,connect,sendto,sendmsg,sendmmsg",
            "-o",
            "/dev/stdout",
        )
        printed, _ = self.run(*tracer, *_COMMAND, "probe", "-q", "--", *(visit.url for visit in visits))
        return re.findall(r".*\bAF_INET6?\b.*", printed)


def _outcome(report: dict[str, Any]) -> str:
    unread = report["unread"]
    if unread is None:
        return ""
    return str(unread["failure"]["cause"] if unread["failure"] else unread["not_media"]["refusal"])


@contextlib.contextmanager
def lab() -> Iterator[Lab]:
    """Build the namespaces; take them away at the end.

    Raises:
        NoNamespaces: they cannot be built here.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoNamespaces("network namespaces need Linux and root")
    if missing := [tool for tool in ("ip", "strace") if shutil.which(tool) is None]:
        raise NoNamespaces(f"{' and '.join(missing)} not found (Debian: apt-get install iproute2 strace)")
    inside, outside = (f"pf-{os.getpid()}-{side}" for side in ("inside", "outside"))
    with contextlib.ExitStack() as stack:
        for name in (inside, outside):
            _run("ip", "netns", "add", name)
            stack.callback(_run, "ip", "netns", "del", name)
        settings = Path("/etc/netns") / inside
        settings.mkdir(parents=True)
        stack.callback(_remove, settings)
        (settings / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n")
        (settings / "nsswitch.conf").write_text("hosts: files dns\n")
        (settings / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        _join(inside, outside)
        yield Lab(inside, outside)


def _remove(settings: Path) -> None:
    shutil.rmtree(settings)
    with contextlib.suppress(OSError):  # somebody else's namespaces may have their settings beside ours
        settings.parent.rmdir()


def _join(inside: str, outside: str) -> None:
    _run("ip", "link", "add", "pf0", "netns", inside, "type", "veth", "peer", "name", "pf0", "netns", outside)
    for name, addresses in ((inside, OWN), (outside, _GATES)):
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", name, "addr", "add", f"{addresses[0]}/30", "dev", "pf0")
        _run("ip", "-n", name, "addr", "add", f"{addresses[1]}/64", "dev", "pf0", "nodad")
        _run("ip", "-n", name, "link", "set", "pf0", "up")
    _run("ip", "-n", outside, "addr", "add", f"{NAME_SERVER}/32", "dev", "lo")
    for family, gate, own, everything in (("-4", _GATES[0], OWN[0], "0.0.0.0/0"), ("-6", _GATES[1], OWN[1], "::/0")):
        _run("ip", "-n", inside, family, "route", "add", "default", "via", gate)
        # Every address is the world's own, but for the one at the other end.
        _run("ip", "-n", outside, family, "route", "add", own, "dev", "pf0", "table", "local")
        _run("ip", "-n", outside, family, "route", "add", "local", everything, "dev", "lo", "table", "local")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNamespaces(f"{' '.join(command)} failed: {done.stderr.strip()}")


@contextlib.contextmanager
def _program(namespace: str, role: str, device: str) -> Iterator[subprocess.Popen[str]]:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.hostile.outside", role, device]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as program:
        try:
            stdin, stdout = _pipes(program)
            stdin.write(json.dumps(ZONE) + "\n")
            stdin.flush()
            if stdout.readline() != "up\n":
                raise NoNamespaces(f"the {role} did not start")
            yield program
        finally:
            program.kill()


def _stop(program: subprocess.Popen[str]) -> dict[str, Any]:
    stdin, stdout = _pipes(program)
    stdin.close()
    heard: dict[str, Any] = json.loads(stdout.readline())
    return heard


def _pipes(program: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert program.stdin is not None
    assert program.stdout is not None
    return program.stdin, program.stdout


# --------------------------------------------------------------------------------------------- checks


def visits(here: Lab) -> str | None:
    """Everything has its answer, and nothing leaks."""
    became, heard = here.probe(VISITS)
    pairs = zip(VISITS, became, strict=True)
    faults = [f"{visit.name} ended as {end or 'fetched'}" for visit, end in pairs if end != (visit.cause or "")]
    faults += [f"{count} packets to {where}" for where, count in heard.leaked.items()]
    return "; ".join(faults) or None


def sockets(here: Lab) -> str | None:
    """What is denied by what it is makes no socket at all."""
    return "; ".join(here.traced(SOCKETLESS)) or None


def connections(here: Lab) -> str | None:
    """Whatever is visited, the kernel is asked for TCP connections to public addresses alone."""
    lines = [line for line in here.traced(VISITS) if re.search(r"connect\(\d+<TCP", line)]
    reached = {found for line in lines for found in re.findall(r'(?:inet_addr\(|AF_INET6, )"([^"]+)"', line)}
    stray = reached - PUBLIC - {NAME_SERVER} - {"::ffff:8.8.8.8"}
    return "no connection was seen" if not reached else f"connections to {sorted(stray)}" if stray else None


def private(here: Lab) -> str | None:
    """With --allow-private the private addresses are reached, and metadata services are not."""
    _, heard = here.probe(VISITS, "--allow-private")
    reached = {where.split()[0] for where in heard.leaked}
    metadata = {address for address in reached if "metadata" in (address_fault(address, allow_private=True) or "")}
    faults = [f"{address} was reached" for address in metadata]
    faults += [
        f"{address} was not reached" for address in ("10.0.0.1", "127.0.0.1", "::1", OWN[0]) if address not in reached
    ]
    return "; ".join(faults) or None


def stalled(here: Lab) -> str | None:
    """64 names that stall as long as names do by default, and an innocent one."""
    printed, _ = here.run("env", "RES_OPTIONS=timeout:5 attempts:2", sys.executable, "-c", _STALLED, "64")
    seconds, fetched = printed.split()
    in_time = fetched == "True" and float(seconds) < INNOCENT_SECONDS
    return None if in_time else f"the innocent one took {float(seconds):.1f} s, fetched: {fetched}"


def hearing(here: Lab) -> str | None:
    """The proof of the proof: the same command with its guard cut out is heard all over the place."""
    _, heard = here.probe(VISITS, command=(sys.executable, "-c", _UNGUARDED))
    reached = {where.split()[0] for where in heard.leaked}
    deaf = {"10.0.0.1", "169.254.169.254", "127.0.0.1", "::1", "fd00:ec2::254", "64:ff9b::7f00:1", *OWN} - reached
    return f"not heard: {sorted(deaf)}" if deaf else None


CHECKS = (visits, sockets, connections, private, stalled, hearing)


def score() -> Score:
    """All checks, or why they could not be made."""
    figure = (
        "`preflight probe` in a network namespace: visits with the expected answer; packets and connections that leak"
    )
    try:
        with lab() as here:
            faults = {check.__name__: check(here) for check in CHECKS}
    except NoNamespaces as reason:
        return Score(figure, "all; 0", f"NOT RUN: {reason}", (f"not run: {reason}",))
    misses = tuple(f"{name}: {fault}" for name, fault in faults.items() if fault)
    held = f"{len(CHECKS) - len(misses)} of {len(CHECKS)} checks hold"
    measured = f"{held}, over {len(VISITS)} visits, and {len(SOCKETLESS)} that make no socket (strace)"
    return Score(figure, "all; 0", measured, misses)
