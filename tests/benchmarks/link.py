"""A slow network on one machine: two hosts (network namespaces) joined by a line with a real round-trip time.

    with link(rtt_ms=50, mbit=100) as hosts:
        subprocess.run([*hosts.client, "curl", f"http://{SERVER_ADDRESS}/"])

TCP is the kernel's own at both ends (initial window of 10 segments, nothing remembered between connections). The
addresses exist in these two namespaces only; nothing outside is touched, and nothing outside can be reached from them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_ADDRESS = "10.78.0.1"
_CLIENT_ADDRESS = "10.78.0.2"
DEVICE = "pf0"
#: Longer than any flight of this benchmark: the line delays and paces, it does not lose.
_QUEUE_BYTES = 1_000_000
_SET_UP = f"""
set -e
ip link set lo up
ip addr add "$1/24" dev {DEVICE}
ip link set {DEVICE} up txqueuelen 10000
echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save
"""


class NoLink(Exception):
    """This machine cannot have such a link; the text says why."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """How to start a command on each host: words to put before it."""

    server: tuple[str, ...]
    client: tuple[str, ...]


@contextlib.contextmanager
def link(rtt_ms: float, mbit: float) -> Iterator[Hosts]:
    """Build the two hosts and their line; take them away at the end.

    Raises:
        NoLink: it cannot be built here.
    """
    _check_machine()
    names = [f"pf-{os.getpid()}-{role}" for role in ("server", "client")]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preflight-link-")))
        program = folder / "slowlink"
        _run("gcc", "-O2", "-Wall", "-o", str(program), str(Path(__file__).with_name("slowlink.c")))
        for name in names:
            _run("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        delay_us, bits = round(rtt_ms * 500), round(mbit * 1e6)
        line = subprocess.Popen(
            [program, *names, DEVICE, str(delay_us), str(bits), str(_QUEUE_BYTES)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.enter_context(line)
        stack.callback(line.terminate)
        assert line.stdout is not None
        assert line.stderr is not None
        if line.stdout.readline() != "up\n":
            raise NoLink(f"the line cannot be built: {line.stderr.read().strip()}")
        for name, address in zip(names, (SERVER_ADDRESS, _CLIENT_ADDRESS), strict=True):
            _run("ip", "netns", "exec", name, "sh", "-c", _SET_UP, "sh", address)
        server, client = (("ip", "netns", "exec", name) for name in names)
        yield Hosts(server, client)


def _check_machine() -> None:
    if sys.platform != "linux":
        raise NoLink("the slow link needs Linux")
    if os.geteuid() != 0:
        raise NoLink("the slow link needs root: it makes network namespaces")
    missing = [tool for tool in ("gcc", "ip") if shutil.which(tool) is None]
    if missing:
        raise NoLink(f"the slow link needs {' and '.join(missing)} (Debian: apt-get install gcc libc6-dev iproute2)")
    if not Path("/dev/net/tun").exists():
        raise NoLink("the slow link needs /dev/net/tun (modprobe tun)")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoLink(f"{' '.join(command[:4])} … failed: {done.stderr.strip()}")
