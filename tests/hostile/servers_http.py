"""Servers that speak broken HTTP, or none, or put more into a connection than they were asked for."""

from __future__ import annotations

from dataclasses import replace

from tests.hostile.behaviours import Behind, End, HearsFirst, answer, by_hit, chunked, head, part, says
from tests.hostile.staging import FOREIGN, FRONT, WHOLE, Attack
from tests.servers import NoRanges, Ranges, Status

_BROKEN = "unknown delivery-bad-http"
_LENGTH = f"Content-Length: {len(FRONT)}"
_STREAMED = "warn delivery-no-ranges delivery-size-unproven"

OTHER_LANGUAGES: tuple[Attack, ...] = tuple(
    Attack(name, says(words), _BROKEN, greets=True)
    for name, words in (
        ("ssh", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("smtp", b"220 mail.example ESMTP ready\r\n"),
        ("ftp", b"220 FTP ready\r\n"),
        ("redis", b"-ERR unknown command 'GET'\r\n"),
        ("mysql", b"\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00"),
        ("icy", b"ICY 200 OK\r\nicy-name: radio\r\n\r\n"),
        ("rtsp", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"),
        ("sip", b"SIP/2.0 200 OK\r\n\r\n"),
        (
            "http2-only",
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x00\x04\x08\x00\x00\x00\x00\x00",
        ),
        ("http2-goaway", b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0d"),
        ("tls-alert", b"\x15\x03\x03\x00\x02\x02\x46"),
        ("zeros", bytes(4096)),
        ("http09", b"<html>no status line, no headers</html>"),
        ("a-video-without-http", FRONT[:20_000]),
        ("utf-16", "HTTP/1.1 200 OK\r\n\r\n".encode("utf-16")),
        ("byte-order-mark", b"\xef\xbb\xbf" + head("200 OK")),
    )
)

STATUS_LINES: tuple[Attack, ...] = tuple(
    Attack(f"status-line-{name}", says(line + b"\r\nContent-Length: 0\r\n\r\n"), ends)
    for name, line, ends in (
        ("000", b"HTTP/1.1 000 Nothing", _BROKEN),
        ("99", b"HTTP/1.1 99 Short", _BROKEN),
        ("999", b"HTTP/1.1 999 Odd", "unknown delivery-server-error"),
        ("1000", b"HTTP/1.1 1000 Long", _BROKEN),
        ("minus", b"HTTP/1.1 -200 OK", _BROKEN),
        ("words", b"HTTP/1.1 OK", _BROKEN),
        ("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x", _BROKEN),
        ("http3", b"HTTP/3.0 200 OK", "fail delivery-empty delivery-no-ranges delivery-size-unproven"),
        ("lower-case", b"http/1.1 200 ok", _BROKEN),
        ("leading-space", b" HTTP/1.1 200 OK", _BROKEN),
        ("tabs", b"HTTP/1.1\t200\tOK", _BROKEN),
        ("nul", b"HTTP/1.1 200 O\x00K", _BROKEN),
        ("carriage-return", b"HTTP/1.1 200 O\rK", _BROKEN),
    )
)

HEADERS: tuple[Attack, ...] = tuple(
    Attack(f"header-{name}", says(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n" + FRONT), ends, data=FRONT)
    for name, lines, ends in (
        ("without-colon", b"Content-Length 5", _BROKEN),
        ("space-before-colon", b"Content-Length : 5", _BROKEN),
        ("without-name", b": 5", _BROKEN),
        ("nul", b"X: a\x00b", _BROKEN),
        ("length-negative", b"Content-Length: -5", _BROKEN),
        ("length-signed", b"Content-Length: +5", _BROKEN),
        ("length-hex", b"Content-Length: 0x10", _BROKEN),
        ("length-words", b"Content-Length: many", _BROKEN),
        ("length-empty", b"Content-Length:", _BROKEN),
        ("length-twice", b"Content-Length: 5\r\nContent-Length: 6", _BROKEN),
        ("length-list", b"Content-Length: 5, 6", _BROKEN),
        ("length-of-30-digits", b"Content-Length: " + b"9" * 30, _BROKEN),
        ("length-same-twice", b"%b\r\n%b\r\nContent-Type: video/mp4" % ((_LENGTH.encode(),) * 2), _STREAMED),
        ("coding-unknown", b"Transfer-Encoding: xchunked", _BROKEN),
        ("coding-twice", b"Transfer-Encoding: chunked, chunked", _BROKEN),
        ("coding-identity", b"Transfer-Encoding: identity", _BROKEN),
        ("folded", b"Content-Type:\r\n video/mp4\r\n" + _LENGTH.encode(), _STREAMED),
        ("not-ascii", b"X-\xc3\xa4: \xff\xfe\r\n" + _LENGTH.encode(), _BROKEN),
        (
            "values-not-ascii",
            b"X: \xff\xfe\r\nServer: \xe2\x80\xae\r\nContent-Type: video/mp4\r\n" + _LENGTH.encode(),
            _STREAMED,
        ),
    )
)

BODIES: tuple[Attack, ...] = tuple(
    Attack(
        f"chunk-{name}",
        says(head("200 OK", "Content-Type: video/mp4", "Transfer-Encoding: chunked") + body),
        ends,
        budget=WHOLE,
    )
    for name, body, ends in (
        ("size-words", b"zz\r\n", f"{_BROKEN} delivery-no-ranges"),
        ("size-negative", b"-5\r\nabcde\r\n", f"{_BROKEN} delivery-no-ranges"),
        ("size-huge", b"f" * 30 + b"\r\nabc", f"{_BROKEN} delivery-no-ranges"),
        ("size-0x", b"0x5\r\nabcde\r\n", f"{_BROKEN} delivery-no-ranges"),
        ("without-end", b"5\r\nabcdeXX5\r\nabcde\r\n", f"{_BROKEN} delivery-no-ranges"),
        ("longer-than-its-size", b"2\r\nabcdefgh\r\n0\r\n\r\n", f"{_BROKEN} delivery-no-ranges"),
        ("bare-lf", b"5\nabcde\n0\n\n", "unknown delivery-connection-lost delivery-no-ranges"),
        ("extended", chunked(FRONT, 8000, b";a=b"), "warn delivery-no-ranges"),
        (
            "trailers-lie",
            chunked(FRONT)[:-2] + b"Content-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\n",
            "warn delivery-no-ranges",
        ),
    )
)

_EVIL = part(FOREIGN)
_SAID = "Content-Type: video/mp4"

_GAP = b"\r\n\r\n"


def _line_feeds(blank: bytes) -> bytes:
    """An answer whose header ends in `blank`, which parsers accept, while its body holds what looks like that end.

    Whoever takes that for the end counts as many bytes too few in the body as there are smuggled behind it.
    """
    at = 11_200
    body = FRONT[:at] + _GAP + FRONT[at + len(_GAP) : 11_264]
    short = part(FOREIGN, 0, 10_900, "X: ")
    evil = part(FOREIGN, 0, 10_900, "X: " + "p" * (at + len(_GAP) - len(short)))
    label = f"Content-Range: bytes 0-11263/{len(FRONT)}\nContent-Length: 11264".encode()
    return b"HTTP/1.1 206 Partial\nContent-Type: video/mp4\n" + label + blank + body + evil


#: The connection holds another answer when the next medium is asked for: it must not be believed.
SMUGGLING: tuple[Attack, ...] = (
    Attack("smuggles-behind-a-range", Behind(_EVIL), "warn", data=FRONT),
    Attack("smuggles-behind-the-first-of-two-ranges", by_hit(Behind(_EVIL), Ranges()), "warn"),
    Attack("smuggles-late", Behind(_EVIL, late=0.005), "warn", data=FRONT),
    Attack("smuggles-one-byte", Behind(b"H"), "warn", data=FRONT),
    Attack("smuggles-an-empty-line", Behind(b"\r\n"), "warn", data=FRONT),
    Attack("smuggles-half-an-answer", Behind(_EVIL[:40]), "warn", data=FRONT),
    Attack("smuggles-early-hints", Behind(head("103 Early Hints") + _EVIL), "warn", data=FRONT),
    Attack("smuggles-behind-a-stream", says(answer("200 OK", FRONT, _SAID) + _EVIL, end=End.HOLD), _STREAMED),
    Attack(
        "smuggles-behind-chunks",
        says(head("200 OK", _SAID, "Transfer-Encoding: chunked") + chunked(FRONT) + _EVIL, end=End.HOLD),
        "warn delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack(
        "smuggles-behind-a-404", says(answer("404 Not Found", b"no") + _EVIL, end=End.NEXT), "fail delivery-not-found"
    ),
    Attack("smuggles-behind-a-500", by_hit(says(answer("500 Failed", b"no") + _EVIL, end=End.NEXT), Ranges()), "warn"),
    Attack(
        "smuggles-behind-a-redirect",
        says(answer("302 Found", b"moved", "Location: /good") + _EVIL, end=End.NEXT),
        "warn delivery-redirected",
        also=(("good", Ranges()),),
    ),
    Attack(
        "smuggles-behind-a-416",
        by_hit(Ranges(), says(answer("416 No", b"", "Content-Range: bytes */7") + _EVIL, end=End.NEXT)),
        "unknown delivery-inconsistent",
    ),
    Attack("smuggles-behind-a-304", says(head("304 Not Modified") + _EVIL, end=End.NEXT), "fail delivery-status"),
    Attack(
        "smuggles-in-the-body-of-a-204",
        says(answer("204 No Content", _EVIL), end=End.NEXT),
        "unknown delivery-inconsistent delivery-no-ranges delivery-size-unproven",
    ),
    Attack(
        "smuggles-in-length-and-chunks",
        says(
            head("200 OK", _SAID, "Content-Length: 5", "Transfer-Encoding: chunked") + chunked(FRONT) + _EVIL,
            end=End.HOLD,
        ),
        "warn delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack(
        "smuggles-before-the-request",
        HearsFirst(says(_EVIL + _EVIL, end=End.HOLD)),
        "fail video-too-short",
        greets=True,
    ),
    Attack(
        "smuggles-in-a-range-longer-than-its-label",
        says(
            head("206 Partial", _SAID, "Content-Length: 22528", f"Content-Range: bytes 0-11263/{len(FRONT)}")
            + FRONT[:11264]
            + _EVIL[:11264],
            end=End.NEXT,
        ),
        "warn",
    ),
    Attack("asks-to-close-and-stays", says(part(FRONT, 0, 11264, "Connection: close") + _EVIL, end=End.HOLD), "warn"),
    Attack("smuggles-behind-bare-line-feeds", says(_line_feeds(b"\n\n"), end=End.HOLD), "warn"),
    Attack("smuggles-behind-mixed-line-ends", says(_line_feeds(b"\n\r\n"), end=End.HOLD), "warn"),
    Attack(
        "http10-keep-alive",
        says(
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Type: video/mp4\r\n"
            b"Content-Length: %d\r\n\r\n" % len(FRONT) + FRONT + _EVIL,
            end=End.HOLD,
        ),
        _STREAMED,
    ),
)

STATUSES: tuple[Attack, ...] = (
    *(
        Attack(f"status-{status}", Status(status), ends)
        for status, ends in (
            (204, "fail delivery-empty delivery-no-ranges delivery-size-unproven"),
            (205, "fail delivery-text delivery-no-ranges delivery-size-unproven"),
            (300, "fail delivery-status"),
            (305, "fail delivery-status"),
            (400, "fail delivery-status"),
            (401, "fail delivery-unauthorized"),
            (402, "fail delivery-status"),
            (403, "fail delivery-forbidden"),
            (404, "fail delivery-not-found"),
            (407, "fail delivery-status"),
            (410, "fail delivery-gone"),
            (418, "fail delivery-status"),
            (429, "unknown delivery-rate-limited"),
            (451, "fail delivery-status"),
            (500, "unknown delivery-server-error"),
            (503, "unknown delivery-server-error"),
            (511, "unknown delivery-server-error"),
        )
    ),
    Attack("a-challenge", Status(401, headers=(("WWW-Authenticate", "Basic realm=x"),)), "fail delivery-unauthorized"),
    Attack(
        "partial-for-the-whole",
        says(head("206 Partial", "Content-Length: 3") + b"abc"),
        f"{_BROKEN} delivery-no-ranges",
    ),
    Attack("no-ranges-at-all", NoRanges(), "warn delivery-no-ranges delivery-size-unproven", budget=WHOLE),
)

#: What comes after the next question is an answer to it, as far as any client can tell: so they rest before it.
_PATIENT = tuple(replace(attack, rest=0.1) for attack in SMUGGLING)
ATTACKS = (*OTHER_LANGUAGES, *STATUS_LINES, *HEADERS, *BODIES, *_PATIENT, *STATUSES)
