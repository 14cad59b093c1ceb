"""Output payloads: what a stranger may write to take over a terminal, a spreadsheet, a browser, a log or a reader.

Each payload goes into every place where text of strangers comes in, by real requests to real servers, and each report
goes through every renderer. What comes out is then read as its reader would read it: a terminal's control characters
by their Unicode category, CSV by the csv module and a spreadsheet's rule, HTML by a parser, JSON and the log by json.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, get_args

import av

import preflight
from preflight import log as logs
from preflight.log import log_to
from preflight.render import Format, render
from tests.hostile import Score
from tests.hostile.readers import (
    read_colours,
    read_csv,
    read_github,
    read_html,
    read_json,
    read_junit,
    read_log,
    read_sarif,
    read_terminal,
)
from tests.hostile.talker import Job, Talker
from tests.media import Clip, build, find_box, patch
from tests.servers import MediaServer, NoRanges, Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preflight import MediaReport, Report

with (Path(__file__).parents[1] / "data" / "output_payloads.csv").open(encoding="utf-8", newline="") as _file:
    PAYLOADS = {
        row["name"]: row["payload"].encode("latin-1", "backslashreplace").decode("unicode_escape")
        for row in csv.DictReader(_file)
    }
SAMPLES = Path(__file__).parents[2] / "sample_media"
PROFILE = Path(preflight.__file__).parent / "profiles" / "xcompute.toml"
_REQUEST = {"model": "kling-v2-6-motion-control", "mode": "std", "character_orientation": "image"}


READERS: dict[str, Callable[[str], Iterator[str]]] = {
    "json": read_json,
    "csv": read_csv,
    "html": read_html,
    "junit": read_junit,
    "github": read_github,
    "sarif": read_sarif,
}


def read_report(report: Report | MediaReport) -> Iterator[str]:
    """Everything active in any rendering of a report."""
    for verbosity in (-1, 2):
        plain = render(report, "text", verbosity=verbosity)
        yield from (f"text: {found}" for found in read_terminal(plain))
        yield from read_colours(render(report, "text", color=True, verbosity=verbosity), plain)
    for name in get_args(Format):
        if name in {"json", "csv"} or (name != "text" and isinstance(report, preflight.Report)):
            yield from (f"{name}: {found}" for found in READERS[name](render(report, name)))
    yield from (f"str: {found}" for found in read_terminal(str(report)))


# --------------------------------------------------------------------------------------------- the places


@cache
def _clip() -> bytes:
    return (SAMPLES / "tail-10.02s.mp4").read_bytes()


def _four(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").ljust(4, b" ")[:4]


def _branded(text: str) -> bytes:
    ftyp = find_box(_clip(), b"ftyp")[0]
    data = patch(_clip(), ftyp + 8, _four(text))
    return patch(data, ftyp + 16, _four(text[::-1]))


def _tagged(text: str) -> bytes:
    at = _clip().index(b"avc1", _clip().index(b"stsd"))
    return patch(_clip(), at, _four(text))


@cache
def _plain(format: str) -> bytes:  # noqa: A002  (libav's own word)
    return build(Clip(format=format, codec="libx264" if format == "mp4" else "libvpx"))


def _titled(text: str, format: str) -> bytes:  # noqa: A002  (libav's own word)
    """The clip again, with the text as title, comment and track title; what libav's muxers take of it."""
    written = io.BytesIO()
    usable = text.replace("\0", "").encode("utf-8", "replace").decode()
    with av.open(io.BytesIO(_plain(format)), "r") as source, av.open(written, "w", format=format) as sink:
        sink.metadata.update({"title": usable, "comment": usable})
        stream = sink.add_stream_from_template(source.streams.video[0])
        stream.metadata["title"] = usable
        stream.metadata["handler_name"] = usable
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    return written.getvalue()


def _head(payload: str, *lines: bytes) -> Raw:
    """An answer whose lines hold the payload as it is (`%` in them), even where that is no HTTP any more."""
    said = payload.encode("utf-8", "surrogatepass")
    body = b"not a medium"
    head = b"\r\n".join(line.replace(b"%", said) for line in lines)
    return Raw(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


_HEADERS = (b"Content-Type", b"ETag", b"Content-Encoding", b"Retry-After", b"Content-Range", b"Location", b"Server")
_STATUS = {b"Content-Range": b"206 P", b"Location": b"302 F", b"Retry-After": b"503 U"}


class Strangers:
    """A server and a folder; each place yields the requests that bring a payload in."""

    def __init__(self) -> None:
        self.checks = 0

    def __enter__(self) -> Self:
        self._open = ExitStack()
        self._open.enter_context(_offline())
        self._server = self._open.enter_context(MediaServer())
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        self._image = self._server.serve(
            "portrait.jpg", (SAMPLES / "portrait.jpg").read_bytes(), media_type="image/jpeg"
        )
        self._preflight = self._open.enter_context(preflight.Preflight(allow_private=True, timeout=1.5))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def requests(self, payload: str) -> Iterator[tuple[str, dict[str, object]]]:
        """A name for each place, and a whole request with the payload there; two media go into one request."""
        yield "prompt and names", {"prompt": payload, payload: payload, "watermark_info": {payload: {payload: 1}}}
        yield "values", dict.fromkeys((*_REQUEST, "keep_original_sound"), payload)
        yield "wrong types", {"model": [payload], "mode": {payload: payload}, "watermark_info": payload}
        places = [*self._urls(payload), *self._answers(payload), *self._files(payload)]
        for (first, image), (second, video) in pairwise([*places, places[0]]):
            yield f"{first} and {second}", {"image_url": image, "video_url": video}

    def _urls(self, payload: str) -> Iterator[tuple[str, str]]:
        video = f"{self._server.base}/x.mp4"
        yield "URL path", f"{self._server.base}/{payload}.mp4"
        yield "URL query", f"{video}?{payload}={payload}&x={payload}"
        yield "URL fragment", f"{video}#{payload}"
        yield "URL host", f"http://{payload}/x.mp4"
        yield "URL user", f"http://{payload}@127.0.0.1/x.mp4"
        yield "URL scheme", f"{payload}://x/y.mp4"
        yield "no URL", payload
        yield "data URL", f"data:{payload};base64,{payload}"

    def _answers(self, payload: str) -> Iterator[tuple[str, str]]:
        serve, raw = self._server.serve, payload.encode("utf-8", "surrogatepass")
        for header in _HEADERS:
            answer = _head(payload, b"HTTP/1.1 " + _STATUS.get(header, b"200 O"), header + b": %")
            yield header.decode(), serve(f"{header.decode()}.mp4", behaviour=answer)
        yield "reason", serve("reason.mp4", behaviour=_head(payload, b"HTTP/1.1 404 %"))
        yield "status line", serve("line.mp4", behaviour=_head(payload, b"% 200 OK"))
        page = b"<!DOCTYPE html><title>" + raw + b"</title>" + raw
        yield "page", serve("page.mp4", page, behaviour=NoRanges(), media_type="text/html")
        yield "brand", serve("brand.mp4", _branded(payload))
        yield "codec tag", serve("tag.mp4", _tagged(payload))
        yield "MP4 title", serve("title.mp4", _titled(payload, "mp4"))
        yield "Matroska title", serve("title.mkv", _titled(payload, "matroska"))
        yield "nothing known", serve("nothing.mp4", raw * 9)

    def _files(self, payload: str) -> Iterator[tuple[str, str]]:
        path = self._folder / f"{payload.replace('/', '_').replace(chr(0), '_')[:100]}.mp4"
        try:
            shutil.copyfile(SAMPLES / "tail-10.02s.mp4", path)
        except UnicodeEncodeError:  # no file of this system can have that name: then it is one that does not exist
            yield "impossible file", str(path)
        else:
            yield "file name", str(path)
        yield "no such file", f"{payload}/{payload}.mp4"

    def active(self, payload: str) -> Iterator[str]:
        """Everything active that comes of one payload, by place."""
        with _logged() as written:
            for place, given in self.requests(payload):
                request: dict[str, Any] = {**_REQUEST, "image_url": self._image, "video_url": self._image, **given}
                self.checks += 1
                report = self._preflight.check(request)
                yield from (f"{place}: {found}" for found in read_report(report))
                try:
                    report.raise_for_verdict()
                except preflight.PreflightFailed as error:
                    yield from (f"{place}, exception: {found}" for found in read_terminal(str(error)))
                if "video_url" in given:
                    probed = self._preflight.probe(str(given["video_url"]))
                    yield from (f"{place}, probe: {found}" for found in read_report(probed))
            logs.log("answer", url=f"http://h/{payload}", reason=payload, several=[payload, (payload,)])
            logs.LOGGER.warning("%s", payload)
            logs.LOGGER.error(payload, exc_info=ValueError(payload))
        yield from (f"log: {found}" for found in read_log(written.getvalue()))


@contextmanager
def _offline() -> Iterator[None]:
    """No name leads anywhere, and nobody is asked."""

    def look_up(host: object, *_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    real, socket.getaddrinfo = socket.getaddrinfo, look_up
    try:
        yield
    finally:
        socket.getaddrinfo = real


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    written = io.StringIO()
    logs.LOGGER.propagate = False  # what is logged raw here is for our formatter, not for pytest's own capture
    try:
        with log_to(written):
            yield written
    finally:
        logs.LOGGER.propagate = True


# ------------------------------------------------------------------------------------------ the command line


@dataclass(frozen=True, slots=True)
class _Words:
    """A command line with `{}` for the payload, and what it reads."""

    words: tuple[str, ...]
    stdin: str = ""
    crash: bool = False


def _commands(profile: Path) -> tuple[_Words, ...]:
    return (
        _Words(("{}",)),
        _Words(("explain", "{}")),
        _Words(("check", "{}")),
        _Words(("check", "--{}")),
        _Words(("check", "--ignore", "{}", "-")),
        _Words(("check", "--price", "{}", "-")),
        _Words(("check", "--profile", "{}", "-")),
        _Words(("check", "--profile", "{}.toml", "-")),
        _Words(("probe", "{}", "-vv")),
        _Words(("probe", "{}", "--format", "json")),
        _Words(("check", "-"), "{}"),
        _Words(("check", "-"), '{"{}": 1, "{}": 2}'),
        _Words(("check", "-"), "curl -X POST -d '{}' -H '{}' https://x.example"),
        _Words(("check", "-"), "requests.post(json={'video_url': '{}', '{}'})"),
        _Words(("profiles",)),
        _Words(("profiles", str(profile))),
        _Words(("rules", "--profile", str(profile))),
        _Words(("rules", "--profile", str(profile), "--format", "json")),
        _Words(("explain", "video-too-long", "--profile", str(profile))),
        _Words(("explain", "video-too-long", "--profile", str(profile), "--format", "json")),
        _Words(
            (
                "check",
                "--profile",
                str(profile),
                "--video",
                str(SAMPLES / "long-11s.mp4"),
                "-vv",
                "--orientation",
                "image",
            )
        ),
        _Words(("probe", "http://h.example:9/{}", "-vv"), crash=True),
    )


def said(talker: Talker, payload: str, folder: Path, turn: int = 0, turns: int = 1) -> Iterator[str]:
    """Everything active in what commands print when a payload is among their words, input or profile.

    `turn` of `turns`: only so many of the commands, others at each turn.
    """
    usable = payload.replace("\0", "")
    profile = folder / "own.toml"
    quoted = json.dumps("".join(c for c in usable if not "\ud800" <= c <= "\udfff") or "x")
    text = re.sub(
        r'^(title|note) = ".*"$',
        rf"\1 = {quoted}".replace("\\", "\\\\").replace("\\\\1", "\\1"),
        PROFILE.read_text(),
        flags=re.MULTILINE,
    )
    profile.write_text(text, "utf-8")
    for command in _commands(profile)[turn % turns :: turns]:
        words = tuple(word.replace("{}", usable) for word in command.words)
        heard = talker.run(Job(words, command.stdin.replace("{}", payload), crash=command.crash))
        for stream, printed in (("stdout", heard.stdout), ("stderr", heard.stderr)):
            reader = (
                read_json
                if stream == "stdout" and "json" in words and printed and "rules" not in words
                else read_terminal
            )
            yield from (f"{' '.join(command.words)}, {stream}: {found}" for found in reader(printed))


def score() -> Score:
    """Every payload, every place, every renderer."""
    misses: list[str] = []
    with Strangers() as strangers, Talker() as talker, tempfile.TemporaryDirectory() as folder:
        for name, payload in PAYLOADS.items():
            misses += (f"{name}: {found}" for found in strangers.active(payload))
            misses += (f"{name}: {found}" for found in said(talker, payload, Path(folder)))
    return Score(
        "output payloads × places × renderers",
        "≥ 40 payloads, 0 active",
        f"{len(PAYLOADS)} payloads, {strangers.checks} checks, {len(misses)} active",
        tuple(dict.fromkeys(misses)),
    )
