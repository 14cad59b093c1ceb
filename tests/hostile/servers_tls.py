"""Servers whose TLS is at fault: the certificate, the handshake, or what comes inside."""

from __future__ import annotations

from tests.hostile.behaviours import AfterConnections, Drips, End, Floods, HearsFirst, answer, head, part, says
from tests.hostile.staging import FILLING, FOREIGN, FRONT, OPENING, WHOLE, Attack
from tests.servers import Drip, Hangup, NoRanges, Ranges, Redirect, Silent

_FAILED = "fail delivery-tls-failed"

CERTIFICATES: tuple[Attack, ...] = tuple(
    Attack(f"certificate-{kind}", Ranges(), ends, tls=kind)
    for kind, ends in (
        ("good", "warn"),
        ("full-chain", "warn"),
        ("chain-with-root", "warn"),
        ("chain-out-of-order", "warn"),
        ("expired", "fail delivery-tls-expired"),
        ("not-yet-valid", "fail delivery-tls-expired"),
        ("expired-in-between", "fail delivery-tls-expired"),
        ("wrong-name", "fail delivery-tls-wrong-host"),
        ("wrong-address", "fail delivery-tls-wrong-host"),
        ("address-as-name", "fail delivery-tls-wrong-host"),
        ("wildcard-address", "fail delivery-tls-wrong-host"),
        ("no-names", "fail delivery-tls-wrong-host"),
        ("self-signed", "fail delivery-tls-self-signed"),
        ("unknown-authority", "fail delivery-tls-untrusted"),
        ("unknown-authority-in-full", "fail delivery-tls-untrusted"),
        ("incomplete", "fail delivery-tls-incomplete"),
        ("incomplete-without-a-word", "fail delivery-tls-untrusted"),
        ("signed-by-no-authority", "fail delivery-tls-untrusted"),
        ("for-clients-only", "fail delivery-tls-untrusted"),
        ("weak-key", "fail delivery-tls-untrusted"),
        ("odd-extension", "fail delivery-tls-untrusted"),
        ("endless-chain", "fail delivery-tls-untrusted"),
    )
)

HANDSHAKES: tuple[Attack, ...] = (
    Attack("tls-stalls", says(end=End.HOLD), "unknown delivery-timeout", greets=True, https=True),
    Attack("tls-drips", Drips(b"\x16\x03\x03\x40\x00", b"\x02"), "unknown delivery-timeout", greets=True, https=True),
    Attack("tls-closes", HearsFirst(says()), "unknown delivery-unreachable", greets=True, https=True),
    Attack("tls-resets", HearsFirst(says(end=End.RESET)), "unknown delivery-connection-lost", greets=True, https=True),
    *(
        Attack(f"tls-{name}", HearsFirst(says(words)), _FAILED, greets=True, https=True)
        for name, words in (
            ("too-old", b"\x15\x03\x01\x00\x02\x02\x46"),
            ("no-common-cipher", b"\x15\x03\x03\x00\x02\x02\x28"),
            ("http2-only", b"\x15\x03\x03\x00\x02\x02\x78"),
            ("unknown-name", b"\x15\x03\x03\x00\x02\x02\x70"),
            ("garbage", b"\xde\xad\xbe\xef" * 99),
            ("ssh", b"SSH-2.0-OpenSSH_9.6\r\n"),
            ("plain-http", head("400 Bad Request", "Content-Length: 0")),
            ("oversized-record", b"\x16\x03\x03\xff\xff" + bytes(0xFFFF)),
            ("a-hello-of-nonsense", b"\x16\x03\x03\x00\x04\x02\xff\xff\xff" + bytes(99)),
        )
    ),
    Attack(
        "tls-endless-records",
        HearsFirst(Floods(b"", b"\x16\x03\x03\x00\x00")),
        _FAILED,
        greets=True,
        https=True,
        budget=WHOLE,
    ),
    Attack(
        "tls-endless-warnings",
        HearsFirst(Floods(b"", b"\x15\x03\x03\x00\x02\x01\x5a")),
        _FAILED,
        greets=True,
        https=True,
        budget=WHOLE,
    ),
    Attack(
        "tls-endless-garbage",
        Floods(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff", b"a"),
        _FAILED,
        greets=True,
        https=True,
        budget=WHOLE,
    ),
    Attack("tls-on-no-tls", Ranges(), _FAILED, https=True),
    Attack("tls-wants-a-certificate", Ranges(), "unknown delivery-connection-lost", tls="wants-a-certificate"),
)

#: What is seen of an incomplete chain is seen by a second look, which the server may spoil.
SECOND_LOOKS: tuple[Attack, ...] = tuple(
    Attack(
        f"tls-second-look-{name}",
        AfterConnections(1, then),
        "fail delivery-tls-untrusted",
        tls="incomplete",
        greets=True,
        bounds=(("timeout", 10.0),),
        within=4.0,
    )
    for name, then in (
        ("stalls", says(end=End.HOLD)),
        ("closes", HearsFirst(says())),
        ("resets", HearsFirst(says(end=End.RESET))),
        ("garbage", HearsFirst(says(b"\xde\xad\xbe\xef" * 99))),
    )
)

INSIDE: tuple[Attack, ...] = (
    Attack("secure-silence", Silent(), "unknown delivery-timeout", tls="good"),
    Attack("secure-drip", Drip(), "unknown delivery-timeout", tls="good"),
    Attack("secure-hang-up", Hangup(), "unknown delivery-connection-lost", tls="good"),
    Attack("secure-reset", Hangup(reset=True), "unknown delivery-connection-lost", tls="good"),
    Attack(
        "secure-flood",
        Floods(head("200 OK", "Content-Type: video/mp4") + OPENING, FILLING),
        "unknown delivery-budget delivery-no-ranges",
        tls="good",
        budget=WHOLE,
    ),
    Attack(
        "secure-early-hints", Floods(b"", head("103 Early Hints")), "unknown delivery-budget", tls="good", budget=WHOLE
    ),
    Attack("secure-http2", says(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), "unknown delivery-bad-http", tls="good"),
    Attack(
        "secure-cut-without-length",
        says(head("200 OK", "Content-Type: video/mp4") + FRONT[:60_000]),
        "fail video-truncated delivery-no-ranges",
        tls="good",
        budget=WHOLE,
    ),
    Attack(
        "secure-length-too-large",
        NoRanges(claim=len(FRONT) + 5, cut=len(FRONT)),
        "unknown delivery-budget delivery-no-ranges delivery-size-unproven",
        tls="good",
        budget=WHOLE,
    ),
    Attack("secure-smuggling", says(part(FRONT) + part(FOREIGN), end=End.HOLD), "warn", tls="good"),
    Attack(
        "secure-smuggling-behind-a-404",
        says(answer("404 No", b"no") + part(FOREIGN), end=End.NEXT),
        "fail delivery-not-found",
        tls="good",
    ),
    Attack(
        "secure-redirect-to-plain-metadata",
        Redirect("http://169.254.169.254/"),
        "fail url-not-public delivery-redirected delivery-redirect-downgrade",
        tls="good",
    ),
)

ATTACKS = (*CERTIFICATES, *HANDSHAKES, *SECOND_LOOKS, *INSIDE)
