"""Servers that lie about ranges, sizes and versions, send something else, or send the client somewhere else."""

from __future__ import annotations

from tests.hostile.behaviours import End, answer, by_hit, head, says
from tests.hostile.staging import FRONT, STILL, TAIL, WHOLE, Attack
from tests.servers import (
    HTML,
    ChangingETag,
    ContentRange,
    Gzip,
    Multipart,
    NoRanges,
    Ranges,
    Redirect,
    ShortRange,
    Silent,
    Status,
)

_STREAMED = "warn delivery-no-ranges delivery-size-unproven"
_LATEST = "unknown delivery-inconsistent"

#: A label that cannot be true: the file is streamed instead, and read as it is.
LABELS: tuple[Attack, ...] = tuple(
    Attack(f"range-{name}", ContentRange(label), _STREAMED, budget=WHOLE)
    for name, label in (
        ("unlabelled", lambda *_: None),
        ("nonsense", lambda *_: "bytes of something"),
        ("shifted", lambda start, stop, size: f"bytes {start + 1}-{stop}/{size}"),
        ("longer-than-asked", lambda start, stop, size: f"bytes {start}-{stop}/{size}"),
        ("from-the-start-of-another", lambda start, stop, size: f"bytes 0-{stop - start - 1}/{size}" if start else "x"),
        ("backwards", lambda start, stop, size: f"bytes {stop}-{start}/{size}"),
        ("negative", lambda _, stop, size: f"bytes -{stop}-{stop}/{size}"),
        ("beyond-the-total", lambda start, stop, _: f"bytes {start}-{stop - 1}/{stop - 1}"),
        ("unsatisfied", lambda *_: "bytes */0"),
        ("of-30-digits", lambda start, stop, _: f"bytes {start}-{stop - 1}/{'9' * 30}"),
        ("in-other-units", lambda start, stop, size: f"items {start}-{stop - 1}/{size}"),
        ("in-other-digits", lambda start, stop, _: f"bytes {start}-{stop - 1}/\u0661\u0662"),
        ("labelled-twice", lambda start, stop, size: f"bytes {start}-{stop - 1}/{size}\r\nContent-Range: bytes 0-1/2"),
    )
)

RANGES: tuple[Attack, ...] = (
    Attack("multipart-ranges", Multipart(), _STREAMED, budget=WHOLE),
    Attack("crumbs", ShortRange(1), "unknown delivery-budget"),
    Attack(
        "an-empty-range",
        says(head("206 Partial", f"Content-Range: bytes 0-11263/{len(TAIL)}", "Content-Length: 0"), end=End.NEXT),
        "unknown delivery-connection-lost",
    ),
    Attack(
        "a-range-shorter-than-its-label",
        says(
            head("206 Partial", f"Content-Range: bytes 0-11263/{len(TAIL)}", "Content-Length: 3") + b"abc", end=End.NEXT
        ),
        "unknown delivery-bad-http delivery-no-ranges",
    ),
    Attack("ranges-once", by_hit(Ranges(), NoRanges()), "warn delivery-no-ranges", budget=WHOLE),
    Attack("refuses-all-but-the-first", by_hit(Ranges(), Status(416)), "fail delivery-no-ranges delivery-status"),
    Attack(
        "refuses-the-first-byte",
        says(head("416 No", "Content-Range: bytes */0", "Content-Length: 0"), end=End.NEXT),
        "fail delivery-empty",
    ),
    Attack(
        "refuses-a-range-it-has",
        by_hit(
            says(head("416 No", f"Content-Range: bytes */{len(TAIL)}", "Content-Length: 0"), end=End.NEXT), Ranges()
        ),
        _STREAMED,
        budget=WHOLE,
    ),
    Attack(
        "refuses-every-range",
        says(head("416 No", "Content-Length: 0"), end=End.NEXT),
        "fail delivery-no-ranges delivery-status",
    ),
    Attack("another-total", ContentRange(lambda a, b, size: f"bytes {a}-{b - 1}/{size + 1}", only_hit=2), _LATEST),
    Attack("another-tag", ChangingETag(), _LATEST),
    Attack("another-file-behind-a-weak-tag", by_hit(Ranges(etag='W/"1"'), Ranges(etag='W/"2"')), _LATEST),
    Attack("a-tag-of-60000-letters", Ranges(etag='"' + "e" * 60_000 + '"'), "warn", budget=WHOLE),
    Attack(
        "a-total-without-end",
        ContentRange(lambda a, b, _: f"bytes {a}-{b - 1}/{'9' * 18}"),
        "fail video-too-large",
        data=FRONT,
    ),
    Attack("a-total-one-byte-too-large", ContentRange(lambda a, b, size: f"bytes {a}-{b - 1}/{size + 1}"), _LATEST),
    Attack(
        "a-total-that-ends-with-the-range",
        ContentRange(lambda a, b, _: f"bytes {a}-{b - 1}/{b}"),
        "fail video-truncated",
    ),
    Attack("a-total-that-nobody-knows", ContentRange(lambda a, b, _: f"bytes {a}-{b - 1}/*"), "warn", budget=WHOLE),
    Attack(
        "a-length-too-large",
        NoRanges(claim=len(TAIL) + 5, cut=len(TAIL)),
        "unknown delivery-budget delivery-no-ranges delivery-size-unproven",
        budget=WHOLE,
    ),
    Attack(
        "a-length-too-small",
        NoRanges(claim=50_000),
        "fail video-truncated delivery-no-ranges delivery-size-unproven",
        budget=WHOLE,
    ),
    Attack(
        "a-body-cut-without-length",
        says(head("200 OK", "Content-Type: video/mp4") + FRONT[:60_000]),
        "fail video-truncated delivery-no-ranges",
        budget=WHOLE,
    ),
    Attack(
        "a-length-and-nothing",
        NoRanges(claim=50_000, cut=0),
        "unknown delivery-connection-lost delivery-no-ranges delivery-size-unproven",
    ),
    Attack("compressed", Gzip(), "unknown delivery-bad-http delivery-no-ranges"),
    Attack(
        "a-range-of-something-compressed", Ranges(headers=(("Content-Encoding", "br"),)), "unknown delivery-bad-http"
    ),
    Attack("an-unreadable-coding", Ranges(headers=(("Content-Encoding", "\x7f(;"),)), "unknown delivery-bad-http"),
    Attack("a-label-on-the-whole", NoRanges(headers=(("Content-Range", "bytes 0-9/10"),)), _STREAMED, budget=WHOLE),
)

#: Something else than a clip, under a clip's name and type.
CONTENTS: tuple[Attack, ...] = (
    *(
        Attack(f"sends-{name}", Ranges(), ends, data=data)
        for name, data, ends in (
            ("a-page", HTML, "fail delivery-html"),
            ("a-page-in-utf-16", HTML.decode().encode("utf-16"), "fail delivery-html"),
            ("json", b'{"error": "expired", "url": "https://example.com/x"}', "fail delivery-json"),
            ("an-s3-error", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "fail delivery-xml"),
            ("a-text", b"Rate limit exceeded. Please slow down.\n" * 9, "fail delivery-text"),
            (
                "an-lfs-pointer",
                b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n",
                "fail delivery-lfs-pointer",
            ),
            ("a-playlist", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", "fail video-playlist"),
            ("an-archive", b"PK\x03\x04" + bytes(400), "fail delivery-archive"),
            ("a-pdf", b"%PDF-1.7\n" + bytes(400), "fail delivery-pdf"),
            ("nothing", b"", "fail delivery-empty"),
            ("one-byte", b"\x00", "fail video-corrupt"),
            ("noise", bytes(range(256)) * 99, "fail video-corrupt"),
            ("a-clip-cut-short", TAIL[:100_000], "fail video-truncated"),
            ("a-picture", STILL, "fail delivery-media-type video-is-image"),
        )
    ),
    Attack(
        "a-page-for-a-range",
        ContentRange(lambda a, b, size: f"bytes {a}-{b - 1}/{size}"),
        "fail delivery-html",
        data=HTML * 200,
    ),
    Attack(
        "a-page-behind-the-first-range", by_hit(Ranges(), says(answer("200 OK", HTML))), f"{_LATEST} delivery-no-ranges"
    ),
    Attack("a-wrong-media-type", Ranges(), "warn delivery-media-type", media_type="text/html; charset=rot13"),
    Attack("no-media-type", Ranges(), "warn delivery-media-type", media_type=None),
    Attack(
        "a-media-type-of-60000-letters",
        Ranges(),
        "warn delivery-media-type",
        media_type="a/" + "b" * 60_000,
        budget=WHOLE,
    ),
)

_NOWHERE = "fail delivery-bad-redirect delivery-redirected"
_FOREIGN = (("good", Ranges()),)

REDIRECTS: tuple[Attack, ...] = (
    *(
        Attack(f"redirects-to-{name}", Redirect(location), _NOWHERE)
        for name, location in (
            ("no-target", None),
            ("nothing", ""),
            ("a-file", "file:///etc/passwd"),
            ("javascript", "javascript:alert(1)"),
            ("data", "data:video/mp4;base64,AAAA"),
            ("ftp", "ftp://127.0.0.1/x"),
            ("gopher", "gopher://127.0.0.1:6379/_FLUSHALL"),
            ("backslashes", "http:\\\\127.0.0.1\\x"),
            ("a-password", "http://user:secret@127.0.0.1/x"),
            ("half-an-address", "http://[::1/x"),
            ("a-bracket", "//[/x"),
            ("port-99999", "http://127.0.0.1:99999/"),
            ("port-0", "http://127.0.0.1:0/"),
            ("port-22", "http://127.0.0.1:22/"),
            ("no-host", "http://"),
            ("three-slashes", "http:///x"),
            ("a-tab", "/a\tb"),
            ("a-nul", "/a%00\x7fb"),
            ("a-right-to-left-mark", "/a\u202egpj.mp4"),
            ("a-false-a-label", "http://xn--a-0000000000000.example/"),
            ("octal-digits", "http://0177.0.0.1/x"),
            ("a-number", "http://2130706433/x"),
            ("9000-letters", "/" + "a" * 9000),
        )
    ),
    *(
        Attack(
            f"redirects-to-{name}",
            Redirect(f"http://{host}/latest/meta-data/"),
            "fail url-not-public delivery-redirected",
        )
        for name, host in (
            ("metadata", "169.254.169.254"),
            ("metadata-mapped", "[::ffff:169.254.169.254]"),
            ("metadata-nat64", "[64:ff9b::a9fe:a9fe]"),
            ("metadata-of-aws-v6", "[fd00:ec2::254]"),
            ("link-local", "169.254.1.1"),
            ("no-address", "0.0.0.0"),  # noqa: S104  (nothing is bound)
            ("multicast", "224.0.0.1"),
        )
    ),
    Attack("redirects-to-itself", Redirect("/clip.mp4"), "fail delivery-too-many-redirects delivery-redirected"),
    Attack(
        "redirects-in-a-circle",
        Redirect("/b"),
        "fail delivery-too-many-redirects delivery-redirected",
        also=(("b", Redirect("/clip.mp4")),),
    ),
    Attack(
        "redirects-for-ever",
        Redirect("/1"),
        "fail delivery-too-many-redirects delivery-redirected",
        also=tuple((str(step), Redirect(f"/{step + 1}")) for step in range(1, 12)),
    ),
    Attack(
        "redirects-with-a-long-target",
        says(head("302 Found", "Location: /" + "a" * 60_000, "Content-Length: 0"), end=End.NEXT),
        _NOWHERE,
        budget=WHOLE,
    ),
    Attack(
        "redirects-with-two-targets",
        says(head("302 Found", "Location: /good", "Location: file:///etc/passwd", "Content-Length: 0"), end=End.NEXT),
        "fail delivery-not-found delivery-redirected",
        also=_FOREIGN,
    ),
    Attack("redirects-with-a-space", Redirect("/good?a b"), "warn delivery-redirected", also=_FOREIGN),
    Attack("redirects-a-range", by_hit(Ranges(), Redirect("/good")), "warn delivery-redirected", also=_FOREIGN),
    Attack(
        "redirects-a-range-to-another-file",
        by_hit(Ranges(), Redirect("/other")),
        f"{_LATEST} delivery-redirected",
        also=(("other", ContentRange(lambda a, b, size: f"bytes {a}-{b - 1}/{size + 1}")),),
    ),
    Attack(
        "redirects-to-a-stop",
        Redirect("/silent"),
        "unknown delivery-timeout delivery-redirected",
        also=(("silent", Silent()),),
    ),
    Attack(
        "redirects-to-a-page",
        Redirect("/login"),
        "fail delivery-html delivery-redirected delivery-no-ranges",
        also=(("login", says(head("200 OK", "Content-Type: text/html") + HTML)),),
    ),
    Attack(
        "redirects-by-a-page",
        says(head("200 OK", "Refresh: 0; url=http://169.254.169.254/") + HTML),
        "fail delivery-html delivery-no-ranges",
    ),
    Attack("redirects-post-style", Redirect("/good", 303), "warn delivery-redirected", also=_FOREIGN),
    Attack("redirects-permanently", Redirect("/good", 308), "warn delivery-redirected", also=_FOREIGN),
    Attack("redirects-with-status-304", Redirect("/good", 304), "fail delivery-status", also=_FOREIGN),
)

ATTACKS = (*LABELS, *RANGES, *CONTENTS, *REDIRECTS)
