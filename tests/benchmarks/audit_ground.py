"""Where audits are measured: nginx with the benchmark's clips on many loopback hosts, and commands with their cost.

Server and client each have a core of their own, where the machine has two: what one of them takes, the other does not
lose. The certificate's authority reaches the client as it does in `measure.py`.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import certifi
import trustme

from tests.benchmarks.clips import clips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).parent.parent.parent
#: Hosts are addresses of this machine; each counts as a host of its own.
HOSTS = tuple(f"127.0.1.{number}" for number in range(1, 51))
_HOSTS_OF_A_TABLE = 16
#: What a table of jobs names, one after the other: what generators of video write, and what else is around.
VIDEOS = ("fast8.mp4", "tail8.mp4", "fast8.mp4", "tail8.mp4", "hevc10.mp4", "norm.mkv", "fast8.mp4", "vp9.webm")
IMAGES = ("portrait.jpg", "image.jpg", "tiny.png")
_CLIPS = ("fast8", "tail8", "hevc10", "norm", "vp9", "image")
#: Seconds that nginx waits before every answer of the slow port, spread evenly.
LATENCY = (0.04, 0.16)
_STEPS = 12
_CONFIG = """\
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
user root; daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  log_format moment '$msec'; access_log {folder}/access.log moment;
  sendfile on; tcp_nodelay on; keepalive_requests 1000000; keepalive_timeout 300s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ video/mp4 mp4; video/x-matroska mkv; video/webm webm; image/jpeg jpg; image/png png; }}
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem; ssl_protocols TLSv1.3;
  split_clients "$connection.$connection_requests.$msec" $pause {{ {pauses} }}
  server {{
    listen {http} backlog=1024; listen {https} ssl backlog=1024;
    location ~ ^/[^/]+/(?<name>[^/]+)$ {{ alias {folder}/media/$name; }}
  }}
  server {{
    listen {slow} backlog=1024;
    location ~ ^/[^/]+/(?<name>[^/]+)$ {{ echo_sleep $pause; echo_exec /now/$name; }}
    location ^~ /now/ {{ internal; alias {folder}/media/; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """A running server and how to speak to it."""

    folder: Path
    """On a file system in memory; free for what a measurement writes."""
    http: int
    https: int
    slow: int
    """The port that answers after `LATENCY`."""
    environment: dict[str, str]
    """For commands that must trust the server."""

    def urls(self, count: int, names: Sequence[str], port: int, hosts: int = _HOSTS_OF_A_TABLE) -> list[str]:
        """So many different URLs of media, their hosts in turn."""
        scheme = "https" if port == self.https else "http"
        return [
            f"{scheme}://{HOSTS[number % hosts]}:{port}/{number}/{names[number // hosts % len(names)]}"
            for number in range(count)
        ]

    def jobs(self, count: int, port: int, hosts: int = _HOSTS_OF_A_TABLE) -> list[tuple[str, str]]:
        """So many jobs: the URLs of an image and of a video."""
        images, videos = (self.urls(count, names, port, hosts) for names in (IMAGES, VIDEOS))
        return list(zip(images, videos, strict=True))


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended, and what it took."""

    code: int
    wall: float
    cpu: float
    """Processor seconds of it and all its children."""
    peak_kb: int
    """Largest resident memory: of one of its processes, or, where it was watched, of all of them together."""
    out: str
    err: str


class Command:
    """A command of the client's core that runs; a context manager that ends it."""

    def __init__(self, words: Iterable[str], ground: Ground, *, core: int | None = 0) -> None:
        pin = ["taskset", "-c", str(core)] if core is not None and (os.cpu_count() or 1) > 1 else []
        self._out, self._err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            [*pin, *words],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env=ground.environment,
            cwd=ROOT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._out.close()
        self._err.close()

    def wait(self, patience: float = 600.0, *, watch: bool = False) -> Done:
        """Its end and its cost; with `watch`, the memory of all its processes is looked at as it runs.

        Raises:
            TimeoutError: it does not come to an end.
        """
        end, peak = time.monotonic() + patience, 0
        while True:
            if watch:
                peak = max(peak, _resident_kb(self.process.pid))
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                raise TimeoutError(f"{self.process.args!r} goes on after {patience} s")
            time.sleep(0.25 if watch else 0.005)
        wall = time.monotonic() - self._started
        self.process.returncode = code = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read())
        return Done(code, wall, usage.ru_utime + usage.ru_stime, peak or usage.ru_maxrss, *texts)


def _resident_kb(session: int) -> int:
    """Resident memory of all processes of a session."""
    pages = 0
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if folder.name.isdigit() and os.getsid(int(folder.name)) == session:
                pages += int((folder / "statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def run(
    words: Iterable[str], ground: Ground, *, core: int | None = 0, patience: float = 600.0, watch: bool = False
) -> Done:
    """Run a command on the client's core to its end; see `Command.wait`."""
    with Command(words, ground, core=core) as command:
        return command.wait(patience, watch=watch)


def audit_words(table: Path, *more: str, cache: str = "off") -> list[str]:
    """An audit of a table as anybody would start it, but that loopback is allowed; the run lies beside the table."""
    return [
        *(sys.executable, "-m", "preflight", "audit", str(table), "--run", str(table.with_suffix(".run"))),
        *("--orientation", "video", "--allow-private", "--cache", cache, *more),
    ]


def write_table(path: Path, jobs: Iterable[tuple[str, str]]) -> Path:
    """Jobs as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "image_url", "video_url"))
        writer.writerows((f"job{number}", *urls) for number, urls in enumerate(jobs))
    return path


def seconds_of_requests(ground: Ground) -> float:
    """From the first answer of the server to its last, since the log was begun anew."""
    moments = (ground.folder / "access.log").read_text("ascii").split()
    return float(moments[-1]) - float(moments[0])


def forget_requests(ground: Ground) -> None:
    """Begin the server's log anew."""
    os.truncate(ground.folder / "access.log", 0)


def fresh(ground: Ground, name: str, jobs: Iterable[tuple[str, str]]) -> Path:
    """A table whose run has not begun."""
    shutil.rmtree(ground.folder / f"{name}.run", ignore_errors=True)
    return write_table(ground.folder / f"{name}.csv", jobs)


def shuffled(jobs: Sequence[tuple[str, str]], seed: int = 1) -> list[tuple[str, str]]:
    """The same jobs in another order."""
    return random.Random(seed).sample(jobs, len(jobs))  # noqa: S311  (reproducible, no secret)


@contextlib.contextmanager
def ground(cache: Path) -> Iterator[Ground]:
    """Start the server on the last core; `cache`: the folder in which the clips are kept between benchmarks."""
    home = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="preflight-audit-", dir=home) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        media = folder / "media"
        media.mkdir()
        made = clips(cache, lambda line: print(line, file=sys.stderr, flush=True))
        for clip in _CLIPS:
            shutil.copy(made[clip], media / made[clip].name)
        for picture in ("portrait.jpg", "tiny.png"):
            shutil.copy(ROOT / "sample_media" / picture, media / picture)
        environment = _trust(folder)
        ports = _free_ports(3)
        share, step = 100 / _STEPS, (LATENCY[1] - LATENCY[0]) / (_STEPS - 1)
        pauses = [(f"{share:.2f}%", LATENCY[0] + number * step) for number in range(_STEPS - 1)]
        text = " ".join(f"{part} {seconds:.3f};" for part, seconds in [*pauses, ("*", LATENCY[1])])
        config = folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, pauses=text, http=ports[0], https=ports[1], slow=ports[2]))
        core = (os.cpu_count() or 1) - 1
        words = ["taskset", "-c", str(core), "nginx", "-p", str(folder), "-c", str(config), "-e", "stderr"]
        server = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment)
        stack.callback(server.wait)
        stack.callback(server.terminate)
        _await(ports[0], server)
        yield Ground(folder, ports[0], ports[1], ports[2], environment)


def _trust(folder: Path) -> dict[str, str]:
    """The environment in which certifi's copy has one authority more, which vouches for our hosts."""
    authority = trustme.CA()
    authority.issue_cert(*HOSTS).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    modules = folder / "modules"
    shutil.copytree(Path(certifi.__file__).parent, modules / "certifi", ignore=shutil.ignore_patterns("__pycache__"))
    bundle = modules / "certifi" / "cacert.pem"
    with bundle.open("ab") as file:
        file.write(authority.cert_pem.bytes())
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(modules),
        "SSL_CERT_FILE": str(bundle),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOSTS[0], port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("nginx did not start (Debian: apt-get install nginx-light)")
