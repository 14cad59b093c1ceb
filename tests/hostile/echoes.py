"""Servers that quote whatever they were asked, in every header and every kind of body."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.servers import Ask, MediaServer, Resource, send_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Logged


def _loudest(ask: Ask) -> str:
    """The longest word of what was asked: a canary."""
    return str(max(re.findall(r"[A-Za-z0-9]+", ask.log.path), key=len))


def _asked(ask: Ask) -> str:
    return f"http://{ask.log.headers['host']}{ask.log.path}"


def _echo(ask: Ask) -> list[tuple[str, str]]:
    """Every header that may quote the question, all of them at once."""
    said = _asked(ask)
    names = ("Server", "Via", "Warning", "X-Cache-Key", "Link", "Content-Location", "Content-Disposition", "Set-Cookie")
    return [(name, f"<{said}>; x={_loudest(ask)}") for name in names]


def _clip(ask: Ask) -> None:
    send_range(ask)


def _echoed(ask: Ask) -> None:
    send_range(ask, headers=_echo(ask), etag=f'"{_loudest(ask)}"')


def _typed(ask: Ask) -> None:
    ask.resource.media_type = f"video/{_loudest(ask)}"
    send_range(ask)


def _coded(ask: Ask) -> None:
    send_range(ask, headers=[("Content-Encoding", _loudest(ask))])


def _refused(ask: Ask) -> None:
    ask.answer(403, _echo(ask), f"SignatureDoesNotMatch: {_asked(ask)}".encode())


def _failed(ask: Ask) -> None:
    ask.answer(503, [*_echo(ask), ("Retry-After", _loudest(ask))], _asked(ask).encode())


def _worded(ask: Ask) -> None:
    ask.raw(f"HTTP/1.1 404 {_asked(ask)}\r\nContent-Length: 0\r\n\r\n".encode())


def _page(ask: Ask) -> None:
    said = _asked(ask)
    page = f"<!DOCTYPE html><title>{said}</title><link rel=canonical href='{said}'><body><a href='{said}'>{said}</a>"
    ask.answer(200, [("Content-Type", "text/html")], page.encode())


def _document(ask: Ask) -> None:
    key = f"<Error><Code>ExpiredToken</Code><StringToSign>{_asked(ask).replace('&', '&amp;')}</StringToSign></Error>"
    ask.answer(200, [("Content-Type", "application/xml")], b'<?xml version="1.0"?>' + key.encode())


def _object(ask: Ask) -> None:
    ask.answer(200, [("Content-Type", "application/json")], json.dumps({"error": _asked(ask)}).encode())


def _playlist(ask: Ask) -> None:
    ask.answer(200, [("Content-Type", "video/mp4")], f"#EXTM3U\n#EXTINF:1,\n{_asked(ask)}\n".encode())


def _garbage(ask: Ask) -> None:
    ask.raw(f"{_asked(ask)}\r\n\r\n".encode())
    ask.hang_up()


def _miscounted(ask: Ask) -> None:
    ask.answer(206, [("Content-Range", f"bytes 0-1/{_loudest(ask)}")], b"ab")


def _gone(ask: Ask) -> None:
    ask.hang_up()


def _to(target: str) -> Callable[[Ask], None]:
    """A redirect; `{path}` in the target is path and query, `{word}` a canary."""

    def respond(ask: Ask) -> None:
        host = ask.log.headers["host"]
        if host.startswith("elsewhere.example") or ask.log.path.startswith("/again"):
            send_range(ask)
            return
        port = host.rpartition(":")[2]
        where = target.format(path=ask.log.path, word=_loudest(ask), host=host, port=port)
        ask.answer(302, [("Location", where), *_echo(ask)], _asked(ask).encode())

    return respond


BEHAVIOURS: dict[str, Callable[[Ask], None]] = {
    "good": _clip,
    "echo in headers and ETag": _echoed,
    "echo as Content-Type": _typed,
    "echo as Content-Encoding": _coded,
    "403 that quotes": _refused,
    "echo in the reason": _worded,
    "page that quotes": _page,
    "XML that quotes": _document,
    "JSON that quotes": _object,
    "playlist of it": _playlist,
    "no HTTP but the URL": _garbage,
    "echo in Content-Range": _miscounted,
    "redirect to itself": _to("/again{path}"),
    "redirect away": _to("http://elsewhere.example:{port}{path}"),
    "redirect with a password": _to("http://{word}:{word}@elsewhere.example:{port}{path}"),
    "redirect to ftp": _to("ftp://{host}{path}"),
    "redirect to javascript": _to("javascript:location='{path}'"),
    "redirect without a scheme": _to("//elsewhere.example:{port}{path}"),
    "redirect to nonsense": _to("http://[{word}{path}"),
    "redirect with a bad character": _to("http://{host}{path}\\{word}"),
}
#: These cost a pause each: a few links meet them.
SLOW: dict[str, Callable[[Ask], None]] = {"503 that quotes": _failed, "hang-up": _gone}


@dataclass(frozen=True, slots=True)
class _By:
    """A behaviour made of a function."""

    answer: Callable[[Ask], None]

    def respond(self, ask: Ask) -> None:
        """Answer."""
        self.answer(ask)


class AnyPath(MediaServer):
    """Serves one clip at every path, in one way."""

    def __init__(self, behaviour: Callable[[Ask], None], data: bytes, media_type: str = "video/mp4") -> None:
        super().__init__()
        self._data, self._media_type, self._behaviour = data, media_type, _By(behaviour)

    def _answer(self, asked: Logged, connection: Any) -> None:
        path = asked.path.partition("?")[0]
        self._resources[path] = Resource(self._data, self._media_type, self._behaviour)
        super()._answer(asked, connection)
