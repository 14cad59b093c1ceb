"""The rules about links, deliveries and answers: which situation is told by which rule, in which words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver.url import is_url
from preflight.facts import Cause, Delivery, Failure, Hop, Medium, NotMedia, Refusal
from preflight.findings import Severity
from preflight.rules import judge
from preflight.rules.expiry import span
from preflight.rules.reference import RULES as OURS
from tests.cases import NOW, XCOMPUTE, case, clip, found, medium

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.facts import Kind
    from preflight.findings import Finding

IDS = {rule.id for rule in OURS}
HTTPS = "https://cdn.example.com/clip.mp4"
SOON, LATE = NOW + timedelta(minutes=20), NOW + timedelta(days=2)
PAST = NOW - timedelta(hours=5)
MD5 = "0123456789abcdef0123456789abcdef"
#: Refusals that tell a broken file, not a wrong link: other rules tell them.
OF_FILES = {
    Refusal.PLAYLIST,
    Refusal.AUDIO,
    Refusal.UNSUPPORTED,
    Refusal.TRUNCATED,
    Refusal.CORRUPT,
    Refusal.TOO_COMPLEX,
    Refusal.CRASHES,
    Refusal.GARBAGE,
}


def told(about: Medium) -> dict[str, Finding]:
    """What the rules of this family say of a video."""
    return {name: finding for name, finding in found(case(video=about)).items() if name in IDS}


def link(url: str, **delivery: Any) -> dict[str, Finding]:
    """What they say of a good clip behind this link."""
    return told(medium("video", clip(), reference=url, **delivery))


def failed(cause: Cause, url: str = HTTPS, *, local: bool = False, **failure: Any) -> dict[str, Finding]:
    """What they say when delivery ended so."""
    words = Failure(cause, "in our own words", **failure)
    return told(medium("video", None, reference=url, size_bytes=None, local=local, failure=words))


def amz(start: Any, seconds: int, more: str = "") -> str:
    return f"{HTTPS}?X-Amz-Date={start:%Y%m%dT%H%M%SZ}&X-Amz-Expires={seconds}&X-Amz-Signature=SECRET{more}"


def azure(end: Any, more: str = "") -> str:
    return f"{HTTPS}?sv=2024-11-04&sig=SECRET&se={end:%Y-%m-%dT%H:%M:%SZ}{more}"


# ------------------------------------------------------------------------------------------------ the links

LINKS: list[tuple[str, set[str]]] = [
    (HTTPS, set()),
    ("https://cdn.example.com/my clip.mp4", {"url-form"}),
    ("https://", {"url-form"}),
    ("http://0x7f000001/clip.mp4", {"url-form"}),
    ("s3://bucket/clip.mp4", {"url-scheme"}),
    ("data:video/mp4;base64,AAAA", {"url-scheme"}),
    ("https://me:SECRET@cdn.example.com/clip.mp4", {"url-userinfo"}),
    ("https://cdn.example.com:22/clip.mp4", {"url-port"}),
    ("https://cdn.example.com:99999/clip.mp4", {"url-form"}),
    ("http://127.0.0.1:9/clip.mp4", {"url-port", "url-not-public"}),
    ("http://cdn.example.com/clip.mp4", {"url-http-plain"}),
    ("https://cdn.example.com:8443/clip.mp4", {"url-port-unusual"}),
    ("https://93.184.216.34/clip.mp4", {"url-ip-literal"}),
    ("https://abc.ngrok-free.app/clip.mp4", {"url-temporary-tunnel"}),
    ("https://bit.ly/AbC", {"url-shortener"}),
    ("https://api.telegram.org/file/bot1:SECRET/videos/file_7.mp4", {"url-bot-token", "url-expiry-unknown"}),
    (amz(NOW, 7 * 86400), set()),
    (amz(PAST, 3600), {"url-expired"}),
    (amz(PAST, 5 * 3600), {"url-expired"}),
    (amz(NOW, 1200), {"url-expires-soon"}),
    (amz(NOW, 3599), {"url-expires-soon"}),
    (amz(NOW, 3600), set()),
    (amz(NOW, 86400, "&X-Amz-Security-Token=SECRET"), {"url-session-token"}),
    (amz(NOW, 1200, "&X-Amz-Security-Token=SECRET"), {"url-session-token", "url-expires-soon"}),
    (amz(PAST, 3600, "&X-Amz-Security-Token=SECRET"), {"url-expired"}),
    (azure(LATE, "&sip=192.0.2.1"), {"url-ip-bound"}),
    (f"{HTTPS}?sv=2024-11-04&sig=SECRET&si=policy", {"url-expiry-unknown"}),
    (f"{HTTPS}?auth_key={LATE.timestamp():.0f}-0-0-{MD5}", {"url-expiry-unknown"}),
    (f"{HTTPS}?auth_key={PAST.timestamp():.0f}-0-0-{MD5}", {"url-expiry-unknown"}),
    (f"{HTTPS}?expires={SOON.timestamp():.0f}", {"url-expires-soon"}),
    (f"{HTTPS}?expires={PAST.timestamp():.0f}", set()),
    (f"{HTTPS}?v={PAST.timestamp():.0f}", set()),
]


@pytest.mark.parametrize(("url", "rules"), LINKS, ids=[url[:70] for url, _ in LINKS])
def test_a_link_is_told_by_its_text(url: str, rules: set[str]) -> None:
    """Each trait of a link is told by one rule, and a link without traits by none, although the clip came."""
    findings = link(url)
    assert set(findings) == rules
    assert_safe(findings.values())


def assert_safe(findings: Iterable[Finding]) -> None:
    """No secret and no unfilled hole stands in any text."""
    for finding in findings:
        assert "SECRET" not in f"{finding.observed} {finding.limit}"
        for text in (finding.message, finding.fix):
            assert "SECRET" not in text
            assert not re.search(r"\{\w*\}|None", text)


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        (f"{HTTPS}?expires={PAST.timestamp():.0f}", {"delivery-forbidden", "url-expiry-unsure"}),
        (f"{HTTPS}?auth_key={PAST.timestamp():.0f}-0-0-{MD5}", {"delivery-forbidden", "url-expiry-unsure"}),
        (f"{HTTPS}?auth_key={LATE.timestamp():.0f}-0-0-{MD5}", {"delivery-forbidden", "url-expiry-unknown"}),
        (azure(LATE, f"&st={SOON:%Y-%m-%dT%H:%M:%SZ}"), {"delivery-forbidden", "url-not-yet-valid"}),
        (amz(PAST, 60), {"delivery-forbidden", "url-expired"}),
        ("https://drive.google.com/file/d/1AbC/view", {"delivery-forbidden", "url-share-page"}),
    ],
)
def test_what_the_delivery_disproves_is_not_told(url: str, rules: set[str]) -> None:
    """A guess about a link counts only as long as no medium came from it; a documented expiry always counts."""
    assert set(failed(Cause.FORBIDDEN, url, status=403)) == rules
    assert set(link(url)) <= {"url-expired", "url-expiry-unknown"}


def test_a_lifetime_is_the_profiles_business() -> None:
    """Without a limit nothing expires soon; with a longer one more does."""
    url = amz(NOW, 7200)
    limit = XCOMPUTE.limits["url_lifetime_min"]
    longer = {**XCOMPUTE.limits, "url_lifetime_min": limit.model_copy(update={"value": 86400})}
    none = {name: value for name, value in XCOMPUTE.limits.items() if name != "url_lifetime_min"}
    about = medium("video", clip(), reference=url)
    assert "url-expires-soon" not in found(case(video=about))
    finding = found(case(video=about, profile=XCOMPUTE.model_copy(update={"limits": longer})))["url-expires-soon"]
    assert "in 2 h; it should live 1 day or more" in finding.message
    assert finding.limit == 86400
    assert "url-expires-soon" not in found(case(video=about, profile=XCOMPUTE.model_copy(update={"limits": none})))


def test_a_direct_form_is_suggested() -> None:
    """A page that has a link to the file itself is told with it, its secret parts removed."""
    page = told(
        medium("video", NotMedia(Refusal.HTML, "an HTML page"), reference="https://github.com/o/r/blob/main/a.mp4")
    )
    assert set(page) == {"url-share-page", "delivery-html"}
    assert "`https://raw.githubusercontent.com/o/r/main/a.mp4`" in page["url-share-page"].fix
    assert "`https://raw.githubusercontent.com/o/r/main/a.mp4`" in page["delivery-html"].fix
    shared = failed(Cause.NOT_FOUND, "https://www.dropbox.com/scl/fi/x/c.mp4?rlkey=SECRET&dl=0")
    rule = "`https://www.dropbox.com/<PATH>?<QUERY>&raw=1`, with <PATH> and <QUERY> from your link"
    assert rule in shared["url-share-page"].fix
    drive = failed(Cause.NOT_FOUND, "https://drive.google.com/file/d/1A2b3C4d5E6f7G8h9I0jKlMnOpQrStUv/view")
    rule = "`https://drive.usercontent.google.com/download?id=<ID>&export=download&confirm=t`, with <ID> from your link"
    assert rule in drive["url-share-page"].fix
    assert "aws s3 presign" in link("s3://bucket/clip.mp4")["url-scheme"].fix


# ----------------------------------------------------------------------------------------------- the delivery


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_told_by_exactly_one_rule(cause: Cause) -> None:
    """An error where the provider meets the same, a warning where it may pass; with our own words for it."""
    local = cause is Cause.NOT_A_FILE
    findings = failed(cause, "/media/clip.mp4" if local else HTTPS, local=local, status=None)
    assert len(findings) == 1
    [finding] = findings.values()
    assert finding.severity is (Severity.WARNING if cause.passing else Severity.ERROR)
    assert_safe([finding])


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("refusal", sorted(set(Refusal) - OF_FILES))
def test_every_answer_that_is_no_medium_is_told_by_exactly_one_rule(refusal: Refusal, kind: Kind) -> None:
    """A page, a document or nothing at all, for the image as for the video, from a server as from the disk."""
    for local in (False, True):
        about = medium(kind, NotMedia(refusal, "a thing", "x/y"), local=local)
        given = case(video=about) if kind == "video" else case(image=about)
        findings = [finding for finding in judge(given).findings if finding.rule in IDS]
        assert [finding.severity for finding in findings] == [Severity.ERROR]
        assert findings[0].subject == kind
        assert findings[0].pointer == f"/{kind}_url"
        assert_safe(findings)


@pytest.mark.parametrize("refusal", sorted(OF_FILES))
def test_a_broken_file_is_not_told_as_a_wrong_link(refusal: Refusal) -> None:
    """What the file itself does wrong belongs to the rules about files."""
    assert told(medium("video", NotMedia(refusal, "a thing"))) == {}


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("example.com/clip.mp4", "delivery-scheme-missing"),
        ("example.com", "delivery-scheme-missing"),
        ("www.example.com/clip.mp4", "delivery-scheme-missing"),
        ("//cdn.example.com/clip.mp4", "delivery-scheme-missing"),
        ("localhost:8000/clip.mp4", "delivery-scheme-missing"),
        ("https//example.com/x", "delivery-scheme-missing"),
        ('"https://example.com/x.mp4"', "delivery-scheme-missing"),
        ("~/x.mp4", "delivery-not-a-file"),
        ("cdn.example.com:8443/clip.mp4?token=SECRET", "delivery-scheme-missing"),
        ("clip.mp4", "delivery-not-a-file"),
        ("media/clip.mp4", "delivery-not-a-file"),
        ("/media/clip.mp4", "delivery-not-a-file"),
        ("./example.com/clip.mp4", "delivery-not-a-file"),
        ("C:\\clips\\clip.mp4", "delivery-not-a-file"),
        ("", "delivery-not-a-file"),
    ],
)
def test_a_path_to_nothing_may_be_a_url_without_scheme(path: str, rule: str) -> None:
    """What begins like a host is told so; everything else is a path that leads nowhere."""
    findings = failed(Cause.NOT_A_FILE, path, local=True)
    assert set(findings) == {rule}
    assert_safe(findings.values())


def test_an_unresolved_local_name_is_told_as_not_public() -> None:
    """No name server knows a local name, and the cause is the name."""
    assert set(failed(Cause.NO_SUCH_HOST, "https://nas.local/clip.mp4")) == {"url-not-public"}
    assert set(failed(Cause.NO_SUCH_HOST)) == {"delivery-no-such-host"}


def test_a_private_address_that_was_allowed_is_a_warning() -> None:
    """A development server is looked at, and no further fault is found with its URL."""
    findings = link("http://127.0.0.1:8000/clip.mp4", private=True)
    assert set(findings) == {"url-private-allowed"}
    assert findings["url-private-allowed"].severity is Severity.WARNING


def test_a_pause_is_told() -> None:
    """Whoever is limited is told for how long."""
    limited = failed(Cause.RATE_LIMITED, status=429, retry_after=7.0)["delivery-rate-limited"]
    assert limited.message.endswith("The server asks to wait 7 s.")
    assert limited.observed == 429


def test_the_host_of_a_failure_is_the_last_one_asked() -> None:
    """After a redirect the host given is not the one that failed."""
    failure = Failure(Cause.TLS_EXPIRED, "the certificate has expired")
    delivery = Delivery(HTTPS, final_url="https://old.example.org/clip.mp4", hops=(Hop(HTTPS, 302),), failure=failure)
    findings = told(Medium("video", delivery, None))
    assert set(findings) == {"delivery-tls-expired", "delivery-redirected"}
    assert "old.example.org" in findings["delivery-tls-expired"].message
    assert "cdn.example.com → old.example.org" in findings["delivery-redirected"].message


def test_redirects_are_noted_and_a_downgrade_is_warned_of() -> None:
    """One finding for the way, one more where it leaves encryption."""
    hops = (Hop(HTTPS + "?token=SECRET", 301), Hop("https://b.example.com/", 302))
    safe = link(HTTPS, hops=hops, final_url="https://c.example.com/clip.mp4")
    assert set(safe) == {"delivery-redirected"}
    assert "over 2 redirects" in safe["delivery-redirected"].message
    down = link(HTTPS, hops=hops, final_url="http://c.example.com/clip.mp4")
    assert set(down) == {"delivery-redirected", "delivery-redirect-downgrade"}
    assert_safe(down.values())


def test_a_server_without_ranges_is_noted_with_its_price() -> None:
    """How many bytes it took, and that the size is a claim."""
    about = medium("video", clip(), ranges=False, size_proof="content-length")
    transfer = replace(about.delivery.transfer, bytes_received=1_234_567)
    findings = told(Medium("video", replace(about.delivery, transfer=transfer), about.outcome))
    assert set(findings) == {"delivery-no-ranges", "delivery-size-unproven"}
    assert "1,234,567 bytes" in findings["delivery-no-ranges"].message
    assert "4,000,000 bytes" in findings["delivery-size-unproven"].message


@pytest.mark.parametrize(
    ("declared", "proven", "wrong"),
    [
        ("video/mp4", "video/mp4", False),
        ("Video/MP4; codecs=avc1", "video/mp4", False),
        ("video/mp4", "video/quicktime", False),
        ("video/webm", "video/x-matroska", False),
        ("application/octet-stream", "video/mp4", True),
        ("text/plain", "video/mp4", True),
        ("image/png", "video/mp4", True),
        ("video/mp4", "video/webm", True),
        ("", "video/mp4", True),
        (None, "video/mp4", True),
    ],
)
def test_a_declared_media_type_must_name_the_bytes(declared: str | None, proven: str, wrong: bool) -> None:
    """Names of the same format are equal; a generic, a wrong and a missing one are warned of."""
    findings = told(medium("video", clip(media_type=proven), media_type_declared=declared))
    assert set(findings) == ({"delivery-media-type"} if wrong else set())
    assert_safe(findings.values())


def test_a_hostile_media_type_is_made_safe() -> None:
    """A header is somebody else's text."""
    finding = told(medium("video", clip(), media_type_declared="\x1b]0;x\x07" + "a" * 500))["delivery-media-type"]
    assert "\x1b" not in finding.message
    assert len(finding.message) < 200


def test_a_page_at_the_end_of_redirects_is_told_with_its_host() -> None:
    """Where a log-in or consent page took over, the reader learns whose it is."""
    about = medium(
        "video",
        NotMedia(Refusal.HTML, "an HTML page"),
        hops=(Hop(HTTPS, 302),),
        final_url="https://login.example.org/?next=SECRET",
    )
    findings = told(about)
    assert "login.example.org" in findings["delivery-html"].fix
    assert_safe(findings.values())


# ------------------------------------------------------------------------------------------------ local files


@pytest.mark.parametrize("path", ["clip.mp4", "/media/clip.mp4", "http/clip.mp4", "C:\\clip.mp4", "", "s3:clip.mp4"])
def test_a_local_file_has_no_url_to_find_fault_with(path: str) -> None:
    """Every rule about URLs and HTTP is silent about a path, even when it is asked."""
    about = medium("video", clip(), reference=path, local=True)
    given = case(video=about)
    rules = [rule for rule in OURS if list(rule.check(given, about))]
    assert rules == []


@given(st.text())
def test_any_reference_is_judged(text: str) -> None:
    """Whatever the request names, the rules answer, as a URL and as a path."""
    for local in (True, False):
        for failure in (None, Failure(Cause.INVALID_URL, "x"), Failure(Cause.NOT_A_FILE, "x")):
            told(medium("video", None if failure else clip(), reference=text or "-", local=local, failure=failure))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 day"),
        (100_000, "1 day 3 h"),
        (864_000, "10 days"),
        (-7200, "2 h"),
    ],
)
def test_a_span_is_told_in_two_units(seconds: int, text: str) -> None:
    """As people say it; the direction of time is the sentence's business."""
    assert span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('"https://example.com/x.mp4"', "https://example.com/x.mp4"),
        ("https//example.com/x", "https://example.com/x"),
        ("https:/example.com", "https://example.com"),
        ("https://example.com/my clip.mp4", "https://example.com/my%20clip.mp4"),
        ("example.com/x.mp4", "https://example.com/x.mp4"),
        ("//example.com/x.mp4", "https://example.com/x.mp4"),
    ],
)
def test_a_slip_in_a_url_is_answered_with_the_url(text: str, meant: str) -> None:
    """The fix is the very text to use."""
    local = not is_url(text)
    findings = failed(Cause.NOT_A_FILE if local else Cause.INVALID_URL, text, local=local)
    [finding] = findings.values()
    assert finding.rule == ("delivery-scheme-missing" if local else "url-form")
    assert f"Write {meant}." in finding.fix


def test_an_unexpanded_home_is_told() -> None:
    """The shell's own sign is explained."""
    assert "~" in failed(Cause.NOT_A_FILE, "~/x.mp4", local=True)["delivery-not-a-file"].fix
    assert "~" not in failed(Cause.NOT_A_FILE, "x.mp4", local=True)["delivery-not-a-file"].fix


def test_a_failed_way_is_not_said_to_lead_to_the_file() -> None:
    """A loop and a redirect to nothing are redirects, and no more."""
    hops = (Hop(HTTPS, 302),) * 6
    failure = Failure(Cause.TOO_MANY_REDIRECTS, "redirects go in a circle")
    looped = told(medium("video", None, size_bytes=None, hops=hops, failure=failure, ranges=False))
    assert "the file" not in looped["delivery-redirected"].message
    assert "to know" not in looped["delivery-no-ranges"].message


def test_a_private_address_without_an_answer_did_not_send_anything() -> None:
    """Refused or silent, allowed: the warning stands, and claims no more than the address."""
    failure = Failure(Cause.REFUSED, "no")
    about = medium("video", None, reference="http://127.0.0.1:81/x", size_bytes=None, private=True, failure=failure)
    findings = told(about)
    assert set(findings) == {"url-private-allowed", "delivery-refused"}
    assert "came from" not in findings["url-private-allowed"].message
    assert findings["delivery-refused"].message == "The video's server 127.0.0.1 refuses connections at port 81."


def test_a_fault_of_the_port_does_not_hide_the_address() -> None:
    """Both are told in one round, unless private addresses were allowed."""
    failure = Failure(Cause.INVALID_URL, "the URL has port 9")
    url = "http://127.0.0.1:9/x"
    assert set(failed(Cause.INVALID_URL, url)) == {"url-port", "url-not-public"}
    allowed = told(medium("video", None, reference=url, size_bytes=None, private=True, failure=failure))
    assert set(allowed) == {"url-port", "url-private-allowed"}


def test_a_host_is_unknown_to_this_machine() -> None:
    """Whose word it is stands in the message."""
    failure = Failure(Cause.NO_SUCH_HOST, "this machine's name server knows no host of that name")
    finding = told(medium("video", None, size_bytes=None, failure=failure))["delivery-no-such-host"]
    assert "this machine's name server knows no host" in finding.message
    assert finding.severity is Severity.ERROR
