"""Servers that keep a client waiting, or never stop talking."""

from __future__ import annotations

import zlib

from tests.hostile.behaviours import Crumbs, Drips, End, Floods, Letters, ResetsIn, by_hit, chunked, head, part, says
from tests.hostile.staging import FILLING, FRONT, OPENING, WHOLE, Attack
from tests.servers import Drip, Drop, Hangup, Ranges, Redirect, Silent, Status

_LATE = "unknown delivery-timeout"
_RANGE = head("206 Partial Content", f"Content-Range: bytes 0-11263/{len(FRONT)}", "Content-Length: 11264")
_CHUNKED = head("200 OK", "Content-Type: video/mp4", "Transfer-Encoding: chunked")
_ENDLESS = head("200 OK", "Content-Type: video/mp4")
#: Under the slowest pace, and with patience enough to outlive a read timeout: the pace ends it, not the deadline.
_SOON = (("timeout", 30.0), ("patience", 0.5))
_PACE_SECONDS = 10.0
#: 64 MiB of zeros in 64 KiB.
_BOMB = zlib.compress(bytes(64 << 20), 9, 31)

SILENCE: tuple[Attack, ...] = (
    Attack("never-answers", Silent(), _LATE, budget=0),
    Attack("never-reads", says(end=End.HOLD), _LATE, greets=True, budget=0),
    Attack("stops-in-the-status-line", says(b"HTTP/1.1 2", end=End.HOLD), _LATE),
    Attack("stops-in-the-headers", says(b"HTTP/1.1 200 OK\r\nContent-Type: vi", end=End.HOLD), _LATE),
    Attack("stops-after-the-headers", says(_RANGE, end=End.HOLD), _LATE),
    Attack("stops-in-the-body", says(_RANGE + FRONT[:5000], end=End.HOLD), _LATE),
    Attack("stops-before-the-last-byte", says(_RANGE + FRONT[:11263], end=End.HOLD), _LATE),
    Attack("stops-in-a-chunk", says(_CHUNKED + b"2c00\r\n" + FRONT[:500], end=End.HOLD), f"{_LATE} delivery-no-ranges"),
    Attack("stops-in-the-second-range", by_hit(Ranges(), Silent()), _LATE),
    Attack("stops-after-a-redirect", Redirect("/next"), f"{_LATE} delivery-redirected", also=(("next", Silent()),)),
    Attack("stops-after-continue", says(head("100 Continue"), end=End.HOLD), _LATE),
)

DRIPS: tuple[Attack, ...] = (
    Attack("drips-the-status-line", Letters(b"HTTP/1.1 200 O" + b"K" * 500), _LATE),
    Attack("drips-headers", Drips(b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n"), _LATE),
    Attack("drips-one-header", Drips(b"HTTP/1.1 200 OK\r\nX: ", b"a", 0.01), _LATE),
    Attack("drips-the-body", Drip(), _LATE),
    Attack("drips-a-body-without-ranges", Drips(_ENDLESS, b"a"), f"{_LATE} delivery-no-ranges"),
    Attack("drips-chunks", Drips(_CHUNKED, b"1\r\na\r\n"), f"{_LATE} delivery-no-ranges"),
    Attack("drips-a-chunk-size", Drips(_CHUNKED, b"0"), f"{_LATE} delivery-no-ranges"),
    Attack("drips-early-hints", Drips(b"", head("103 Early Hints", "Link: </x>")), _LATE),
    Attack(
        "drips-redirects",
        Redirect("/next"),
        f"{_LATE} delivery-redirected",
        also=(
            ("next", Drips(head("302 Found", "Location: /a", "Content-Length: 9999999"), b"a")),
            ("a", Letters(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n", 0.05)),
        ),
    ),
    Attack("under-the-slowest-pace", Drip(0.01), _LATE, bounds=_SOON, within=_PACE_SECONDS),
    Attack(
        "under-the-slowest-pace-in-headers",
        Drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.02),
        _LATE,
        bounds=_SOON,
        within=_PACE_SECONDS,
    ),
    Attack(
        "under-the-slowest-pace-in-hints",
        Drips(b"", head("103 Early Hints")),
        _LATE,
        bounds=_SOON,
        within=_PACE_SECONDS,
    ),
    Attack(
        "under-the-slowest-pace-without-ranges",
        Drips(_ENDLESS, b"a", 0.01),
        f"{_LATE} delivery-no-ranges",
        bounds=_SOON,
        within=_PACE_SECONDS,
    ),
)

FLOODS: tuple[Attack, ...] = (
    Attack("endless-early-hints", Floods(b"", head("103 Early Hints")), "unknown delivery-budget", budget=WHOLE),
    Attack("endless-continue", Floods(b"", head("100 Continue")), "unknown delivery-budget", budget=WHOLE),
    Attack("endless-headers", Floods(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "unknown delivery-bad-http", budget=WHOLE),
    Attack("an-endless-header", Floods(b"HTTP/1.1 200 OK\r\nX: ", b"y"), "unknown delivery-bad-http", budget=WHOLE),
    Attack("an-endless-status-line", Floods(b"HTTP/1.1 200 ", b"O"), "unknown delivery-bad-http", budget=WHOLE),
    Attack("endless-empty-lines", Floods(b"", b"\r\n"), "unknown delivery-bad-http", budget=WHOLE),
    Attack(
        "8000-headers",
        says(
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 8000 + b"Content-Type: video/mp4\r\n"
            b"Content-Length: %d\r\n\r\n" % len(FRONT) + FRONT
        ),
        "warn delivery-no-ranges delivery-size-unproven",
        budget=WHOLE,
    ),
    Attack("a-flood-of-cookies", Ranges(headers=(("Set-Cookie", "id=" + "x" * 4000),) * 10), "warn", budget=WHOLE),
    Attack("endless-garbage", Floods(b"", b"\xde\xad\xbe\xef"), "unknown delivery-bad-http", budget=WHOLE),
    Attack(
        "an-endless-body",
        Floods(_ENDLESS + OPENING, FILLING),
        "unknown delivery-no-ranges delivery-budget",
        budget=WHOLE,
    ),
    Attack(
        "endless-chunks",
        Floods(_CHUNKED + b"%x\r\n%b\r\n" % (len(OPENING), OPENING), b"1000\r\n" + FILLING + b"\r\n"),
        "unknown delivery-no-ranges delivery-budget",
        budget=WHOLE,
    ),
    Attack(
        "a-terabyte",
        Floods(head("200 OK", "Content-Type: video/mp4", "Content-Length: 1099511627776") + OPENING, FILLING),
        "fail delivery-no-ranges delivery-budget delivery-size-unproven video-too-large",
        budget=WHOLE,
    ),
    Attack(
        "chunks-of-one-byte", Floods(_CHUNKED, b"1\r\na\r\n"), "fail delivery-no-ranges delivery-text", budget=WHOLE
    ),
    Attack(
        "endless-chunk-extension",
        Floods(_CHUNKED + b"10;", b"x"),
        "unknown delivery-bad-http delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack(
        "endless-chunk-extensions",
        Floods(_CHUNKED, b"1;" + b"x" * 4000 + b"\r\na\r\n"),
        "unknown delivery-no-ranges delivery-budget",
        budget=WHOLE,
    ),
    Attack(
        "an-endless-chunk-size", Floods(_CHUNKED, b"0"), "unknown delivery-bad-http delivery-no-ranges", budget=WHOLE
    ),
    Attack(
        "endless-trailers",
        Floods(_CHUNKED + chunked(FRONT)[:-2], b"X: y\r\n"),
        "unknown delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack("a-flood-behind-a-range", Floods(part(FRONT), FRONT), "warn", data=FRONT, budget=WHOLE),
    Attack("a-flood-behind-a-404", Floods(head("404 Not Found"), bytes(4096)), "fail delivery-not-found", budget=WHOLE),
    Attack(
        "a-flood-behind-a-503",
        Floods(head("503 Busy", "Content-Length: 99999999999"), bytes(4096)),
        "unknown delivery-server-error",
        budget=WHOLE,
    ),
    Attack(
        "a-flood-behind-a-redirect",
        Floods(head("302 Found", "Location: /good"), bytes(4096)),
        "warn delivery-redirected",
        also=(("good", Ranges()),),
        budget=WHOLE,
    ),
    Attack(
        "a-flood-behind-a-416",
        Floods(head("416 No", "Content-Range: bytes */0"), bytes(4096)),
        "fail delivery-empty",
        budget=WHOLE,
    ),
    Attack("crumbs-under-large-headers", Crumbs(1, 60_000), "unknown delivery-budget", budget=WHOLE),
    Attack(
        "gzip-bomb",
        says(head("200 OK", "Content-Encoding: gzip", f"Content-Length: {len(_BOMB)}") + _BOMB),
        "unknown delivery-bad-http delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack(
        "gzip-bomb-in-a-range",
        says(
            head(
                "206 Partial",
                "Content-Encoding: gzip",
                f"Content-Range: bytes 0-11263/{len(_BOMB)}",
                "Content-Length: 11264",
            )
            + _BOMB[:11264]
        ),
        "unknown delivery-bad-http",
        budget=WHOLE,
    ),
    Attack(
        "50-codings",
        says(head("200 OK", "Content-Encoding: " + ", ".join(["gzip"] * 50)) + _BOMB),
        "unknown delivery-bad-http delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack(
        "gzip-in-transfer",
        says(head("200 OK", "Transfer-Encoding: gzip, chunked") + chunked(_BOMB)),
        "unknown delivery-bad-http",
        budget=WHOLE,
    ),
)

BREAKS: tuple[Attack, ...] = (
    Attack("closes-without-a-word", Hangup(), "unknown delivery-connection-lost", budget=0),
    Attack("resets-without-a-word", Hangup(reset=True), "unknown delivery-connection-lost", budget=0),
    Attack("closes-in-the-headers", says(b"HTTP/1.1 200 OK\r\nConte"), "unknown delivery-connection-lost"),
    Attack(
        "resets-in-the-headers",
        says(b"HTTP/1.1 200 OK\r\nConte", 0.05, end=End.RESET),
        "unknown delivery-connection-lost",
    ),
    Attack("resets-in-the-body", ResetsIn(3000), "unknown delivery-connection-lost"),
    Attack("closes-in-the-body", Drop(3000), "unknown delivery-connection-lost"),
    Attack(
        "closes-in-a-chunk",
        says(_CHUNKED + b"2c00\r\n" + FRONT[:500]),
        "unknown delivery-connection-lost delivery-no-ranges",
    ),
    Attack("breaks-once", by_hit(Hangup(reset=True), Ranges()), "warn"),
    Attack("breaks-in-every-second-answer", by_hit(Hangup(), Ranges(), Hangup(), Ranges()), "warn"),
    Attack("asks-to-wait-for-ever", Status(503, retry_after="9" * 300), "unknown delivery-server-error"),
    Attack(
        "asks-to-wait-a-century",
        Status(429, retry_after="Fri, 31 Dec 2126 23:59:59 GMT"),
        "unknown delivery-rate-limited",
    ),
    Attack(
        "asks-to-wait-until-yesterday",
        Status(503, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"),
        "unknown delivery-server-error",
    ),
    Attack("asks-to-wait-in-nonsense", Status(503, retry_after="-1e999 soon\t;"), "unknown delivery-server-error"),
    Attack(
        "asks-to-wait-in-year-0",
        Status(503, retry_after="Mon, 00 Foo 0000 99:99:99 +9999"),
        "unknown delivery-server-error",
    ),
    Attack(
        "asks-to-wait-with-a-redirect",
        says(head("302 Found", "Location: /good", "Retry-After: 99999", "Content-Length: 0"), end=End.NEXT),
        "warn delivery-redirected",
        also=(("good", Ranges()),),
    ),
    Attack("fails-twice-then-serves", Status(503, times=2, retry_after="0"), "warn"),
    Attack("fails-in-the-second-range", by_hit(Ranges(), Status(500)), "unknown delivery-server-error"),
)

ATTACKS = (*SILENCE, *DRIPS, *FLOODS, *BREAKS)
