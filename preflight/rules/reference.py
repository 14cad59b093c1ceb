"""What each reference of the request turned out to be: the URL, the delivery, and the answer.

`url.py` and `expiry.py` read the link, `delivery.py` tells why nothing came, and here is what came instead of a medium,
or around it. Refusals that tell a broken *file* are told in `medium.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from preflight.deliver.share import share_page
from preflight.deliver.url import cut, host_of
from preflight.facts import ImageFacts, NotMedia, Refusal, VideoFacts
from preflight.findings import Severity
from preflight.language import say, told
from preflight.printable import clean
from preflight.rules import delivery, expiry, url
from preflight.rules.delivery import PUBLIC_LINK, RFC_9110
from preflight.rules.limits import size
from preflight.rules.model import Breach, Breaches, Case, Rule, rule

if TYPE_CHECKING:
    from preflight.facts import Medium

# ------------------------------------------------------------------------------------------------ the way


@rule(
    "delivery-redirected",
    "reference",
    Severity.NOTE,
    title="The URL redirects",
    message="The {subject} URL leads over {count}: {hosts}.",
    why="Some fetchers follow one redirect or none, and every hop is one more host that must be up when the job runs.",
    fix="Use the URL at which the redirects end, if that is the file and no short-lived signed link.",
    source=RFC_9110 + "15.4 (redirection)",
)
def redirected(_: Case, medium: Medium) -> Breaches:
    """One redirect or more, wherever they ended."""
    hops = len(medium.delivery.hops)
    if hops:
        count = say("{count} redirects", count=hops) if hops > 1 else say("1 redirect")
        hosts = list(dict.fromkeys(host_of(url) or "?" for url in _way(medium)))
        yield Breach(hops, 0, values={"count": count, "hosts": " → ".join(hosts)})


@rule(
    "delivery-redirect-downgrade",
    "reference",
    Severity.WARNING,
    title="A redirect leads from https to http",
    message="A redirect of the {subject} URL leads from https to plain http at {host}.",
    why="Many fetchers refuse to leave an encrypted connection, and what follows can be read and changed on the way.",
    fix="Let the server redirect to https, or use an https URL of the file itself.",
    source=RFC_9110 + "17.1 and RFC 6797 (strict transport security)",
)
def redirect_downgrade(_: Case, medium: Medium) -> Breaches:
    """Any hop from https to http."""
    for before, after in pairwise(_way(medium)):
        if cut(before).scheme == "https" and cut(after).scheme == "http":
            yield Breach("http", "https", values={"host": host_of(after) or say("another server")})
            return


def _way(medium: Medium) -> list[str]:
    """Every URL asked, in order."""
    journey = medium.delivery
    return [*(hop.url for hop in journey.hops), *([journey.final_url] if journey.final_url else [])]


@rule(
    "delivery-no-ranges",
    "reference",
    Severity.NOTE,
    title="The server sends no ranges",
    message="The {subject}'s server ignores range requests; {received} were received{purpose}.",
    why="Whoever wants to look at the file has to load it from its begin, which makes probing slow, here and at the "
    "provider.",
    fix="Serve the file from storage that honours range requests (object storage, nginx and Apache do).",
    source=RFC_9110 + "14 (range requests)",
)
def no_ranges(_: Case, medium: Medium) -> Breaches:
    """An answer that was the whole file although a range was asked for."""
    if medium.delivery.ranges is False:
        purpose = say(" to know the facts") if url.delivered(medium) else ""
        received = size(medium.delivery.transfer.bytes_received)
        yield Breach(observed=False, values={"received": received, "purpose": purpose})


@rule(
    "delivery-size-unproven",
    "reference",
    Severity.NOTE,
    title="The size is only what the server claims",
    message="The {subject}'s size, {size}, is the server's claim; no answer has proved it.",
    why="Servers that ignore ranges give the size in a header, which may be wrong; the limits are judged by it.",
    fix="Serve the file from storage that honours range requests.",
    source=RFC_9110 + "8.6 (Content-Length) and 14.4 (Content-Range)",
)
def size_unproven(_: Case, medium: Medium) -> Breaches:
    """A size from Content-Length alone."""
    if medium.delivery.size_proof == "content-length" and medium.delivery.size_bytes is not None:
        yield Breach(medium.delivery.size_bytes, values={"size": size(medium.delivery.size_bytes)})


# ----------------------------------------------------------------------------------------------- the media type

_ISO = {"video/mp4", "video/quicktime", "video/x-m4v", "video/3gpp", "video/3gpp2", "application/mp4"}
#: Media types that honestly name the same bytes.
_SAME: tuple[frozenset[str], ...] = (
    frozenset(_ISO),
    frozenset({"video/x-matroska", "video/matroska", "video/webm", "application/x-matroska"}),
    frozenset({"video/mp2t", "video/mp2ts", "video/vnd.dlna.mpeg-tts", "video/mpeg"}),
    frozenset({"video/x-msvideo", "video/avi", "video/msvideo", "video/vnd.avi"}),
    frozenset({"image/jpeg", "image/jpg", "image/pjpeg"}),
    frozenset({"image/png", "image/x-png", "image/apng", "image/vnd.mozilla.apng"}),
    frozenset({"image/bmp", "image/x-ms-bmp", "image/x-bmp"}),
    frozenset({"image/tiff", "image/tif", "image/x-tiff"}),
    frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"}),
    frozenset({"image/avif", "image/avif-sequence"}),
)


@rule(
    "delivery-media-type",
    "reference",
    Severity.WARNING,
    title="The server names a wrong media type",
    message="The {subject} is {sniffed}, but the server says {declared}.",
    why="Fetchers that trust the header refuse the file or handle it as something else; several APIs refuse a generic "
    "type such as application/octet-stream.",
    fix="Set the object's Content-Type to {sniffed}. S3: `aws s3 cp s3://BUCKET/KEY s3://BUCKET/KEY "
    "--content-type {sniffed} --metadata-directive REPLACE`.",
    source=RFC_9110 + "8.3 (Content-Type)",
)
def media_type(_: Case, medium: Medium) -> Breaches:
    """A declared type that is not one of the names of what the bytes are; also none at all."""
    outcome = medium.outcome
    if medium.delivery.local or not isinstance(outcome, VideoFacts | ImageFacts):
        return
    declared = (medium.delivery.media_type_declared or "").partition(";")[0].strip().lower()
    names = next((same for same in _SAME if outcome.media_type in same), frozenset({outcome.media_type}))
    if declared not in names:
        said = clean(declared, 60)
        values = {"declared": said or say("nothing"), "sniffed": outcome.media_type}
        yield Breach(said or "nothing", outcome.media_type, values=values)


# ---------------------------------------------------------------------------------------- something else came

_NO_MEDIUM = "The provider gets the same bytes, finds no picture or clip in them, and the job fails."


def _answer(
    refusal: Refusal, *, title: str, message: str, fix: str, why: str = _NO_MEDIUM, source: str = PUBLIC_LINK
) -> Rule:
    """The rule that tells one kind of bytes that are no medium."""

    @rule(
        f"delivery-{refusal.value}",
        "refusal",
        Severity.ERROR,
        title=title,
        message=message,
        why=why,
        fix=fix,
        source=source,
    )
    def check(_: Case, medium: Medium) -> Breaches:
        outcome = medium.outcome
        if isinstance(outcome, NotMedia) and outcome.refusal is refusal:
            values = {"detail": told(outcome.detail), "hint": _hint(medium)}
            yield Breach(outcome.media_type or refusal.value, values=values)

    return check


def _hint(medium: Medium) -> str:
    """What the way tells about a page: a known service, or another host that the redirects ended at."""
    if medium.delivery.local:
        return say("Save the picture or clip itself, not the page that shows it.")
    given, final = medium.delivery.reference, medium.delivery.final_url
    page = share_page(given) or share_page(final or "")
    if page and page.kind in ("page", "tunnel"):
        texts = url.page_texts(page)
        return say("It is a link of {service}. {advice}", **texts)
    start, end = host_of(given), host_of(final or "")
    if start and end and start != end:
        return say("The redirects end at {host}: probably a log-in or consent page. Use the file's own link.", host=end)
    return say("Use the link of the file itself, not of the page that shows it.")


empty = _answer(
    Refusal.EMPTY,
    title="The file is empty",
    message="The {subject} is empty: 0 bytes.",
    fix="Save or upload the file again, and see that it ends without an error.",
)
html = _answer(
    Refusal.HTML,
    title="A web page instead of a medium",
    message="The {subject} is a web page (HTML), not a medium.",
    why="A share, log-in, consent or error page came, or was saved, in place of the file. The provider finds no "
    "picture or clip in it, and the job fails.",
    fix="{hint} What always works is a copy in public storage.",
)
json = _answer(
    Refusal.JSON,
    title="JSON instead of a medium",
    message="The {subject} is {detail}, not a medium.",
    why="The URL is one of an API: it answers with a description or an error, not with the bytes.",
    fix="Use the file's own URL, which often stands in that JSON; for Firebase append alt=media.",
)
xml = _answer(
    Refusal.XML,
    title="XML instead of a medium",
    message="The {subject} is {detail}, not a medium.",
    why="Object storage answers with XML when it refuses or lists; the bytes of the file are not in it.",
    fix="Open the URL and read the <Code>: sign a new link for AccessDenied, correct the key for NoSuchKey.",
)
text = _answer(
    Refusal.TEXT,
    title="Text instead of a medium",
    message="The {subject} is {detail}, not a medium.",
    fix="Use the link of the picture or clip itself; a text that holds its URL is not followed.",
)
lfs_pointer = _answer(
    Refusal.LFS_POINTER,
    title="A Git LFS pointer instead of the file",
    message="The {subject} is a Git LFS pointer, not the file that it points to.",
    why="The repository keeps large files elsewhere, and its raw address answers with a small text about them.",
    fix="On GitHub use https://media.githubusercontent.com/media/OWNER/REPOSITORY/BRANCH/PATH; on Hugging Face "
    "/resolve/ in place of /raw/; in a clone run `git lfs pull` first.",
    source="https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md",
)
archive = _answer(
    Refusal.ARCHIVE,
    title="An archive instead of a medium",
    message="The {subject} is {detail}, not a medium.",
    why="The provider does not unpack archives. A folder link of a cloud drive often answers with a ZIP.",
    fix="Unpack it and upload the picture or clip itself; of a cloud drive give the link of the one file.",
)
pdf = _answer(
    Refusal.PDF,
    title="A PDF instead of a medium",
    message="The {subject} is a PDF document, not a medium.",
    fix="Export the picture from it: `pdftoppm -png -r 150 in.pdf out`.",
)

RULES: tuple[Rule, ...] = (
    *url.RULES,
    *expiry.RULES,
    *delivery.RULES,
    redirected,
    redirect_downgrade,
    no_ranges,
    size_unproven,
    media_type,
    empty,
    html,
    json,
    xml,
    text,
    lfs_pointer,
    archive,
    pdf,
)
