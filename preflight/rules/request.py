"""The request itself: its fields, one by one. What they point to is other families' business.

Reading has found the problems already (`preflight.request`); a rule here names a kind of problem, says why it matters
and what to do. No message quotes a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.language import say, told
from preflight.rules.limits import PAGE, VENDOR
from preflight.rules.model import Breach, Breaches, Case, Unestablished, rule

if TYPE_CHECKING:
    from preflight.request import Kind, Problem


def _breaches(case: Case, kind: Kind) -> Breaches:
    for problem in case.request.problems:
        if problem.kind == kind:
            yield Breach(
                observed=problem.observed,
                limit=", ".join(problem.allowed) or None,
                pointer=problem.pointer,
                values={
                    "field": _field(problem),
                    "observed": told(problem.observed),
                    "expected": problem.expected,
                    "or_none": say(", or leave it out") if problem.optional else "",
                    "suggestion": say("; most likely {name} is meant", name=problem.nearest) if problem.nearest else "",
                },
            )


def _field(problem: Problem) -> str:
    """`/watermark_info/enabled` -> `watermark_info.enabled`, as people say it."""
    names = problem.pointer.split("/")[1:]
    return ".".join(name.replace("~1", "/").replace("~0", "~") for name in names) or say("The request")


@rule(
    "request-row",
    "request",
    Severity.ERROR,
    title="The row is no request",
    message="This row {observed}, so there is no request to judge.",
    why="Every row of an audited table is one job. This one cannot be submitted as it stands, and leaving it out in "
    "silence would make the result look better than it is.",
    fix="Correct the row in the table, or delete it, and audit the new table as a run of its own (--run).",
    source="preflight's own rule for tables of jobs",
)
def no_row(case: Case) -> Breaches:
    """An audit's input has a row that cannot be read as a job."""
    if case.request.no_row is not None:
        yield Breach(observed=case.request.no_row, pointer="", values={"observed": told(case.request.no_row)})


@rule(
    "request-nested",
    "request",
    Severity.ERROR,
    title="The request stands inside another object",
    message="The fields stand inside {field}; {expected}.",
    why="Other services, SDKs and playgrounds wrap the same fields into input, data or parameters. Here the body of "
    "the HTTP call is the request itself; a wrapped one is answered with 400, for it lacks every required field.",
    fix="Send what stands inside {field}, without the object around it.",
    source=PAGE,
)
def nested(case: Case) -> Breaches:
    """The fields of the page, one level down."""
    yield from _breaches(case, "nested")


@rule(
    "request-field-missing",
    "request",
    Severity.ERROR,
    title="A required field is missing",
    message="{field} is missing; {expected} is needed.",
    why="model, image_url, video_url, character_orientation and mode have no default. "
    "Without one of them the request is answered with 400 and no task is made.",
    fix="Add {field} to the request: {expected}.",
    source=PAGE,
)
def field_missing(case: Case) -> Breaches:
    """Each required field that is absent."""
    yield from _breaches(case, "missing")


@rule(
    "request-field-unknown",
    "request",
    Severity.ERROR,
    title="A field that the page does not list",
    message="{field}: {expected}{suggestion}.",
    why="A strict server refuses it; a lenient one drops it without a word, and the job runs, and is billed, "
    "without what the field was meant to do. Each service that sells this model has its own names.",
    fix="Rename it or take it out. The fields are: {limit}.",
    source=PAGE,
)
def field_unknown(case: Case) -> Breaches:
    """Each field, of the request or of watermark_info, that does not exist."""
    yield from _breaches(case, "unknown")


@rule(
    "request-field-type",
    "request",
    Severity.ERROR,
    title="A field has a value of the wrong type",
    message="{field} is {observed}; {expected} is needed{suggestion}.",
    why="Every field has one JSON type. The usual slip is keep_original_sound, which is the string yes or no and not "
    "true or false; null is no value either: an optional field that is not wanted is left out.",
    fix="Give {field} {expected}{or_none}.",
    source=PAGE,
)
def field_type(case: Case) -> Breaches:
    """Each field whose JSON type is not the page's, and a request that is no object."""
    yield from _breaches(case, "type")


@rule(
    "request-field-value",
    "request",
    Severity.ERROR,
    title="A field has a value that the page does not list",
    message="{field} is {observed}; {expected} is needed{suggestion}.",
    why="The values are fixed words in lower case, and other services use other words for the same choice "
    "(720p and 1080p for std and pro, say). Any other word is an invalid parameter.",
    fix="Give {field} {expected}.",
    source=PAGE,
)
def field_value(case: Case) -> Breaches:
    """Each field whose value is of the right type and is none of the allowed ones."""
    yield from _breaches(case, "value")


@rule(
    "request-url-blank",
    "request",
    Severity.ERROR,
    title="A media URL is empty",
    message="{field} is {observed}; {expected} is needed.",
    why="An empty string often means that an upload failed, or that a template was filled with a variable that "
    "was not set. There is nothing to fetch, so the job cannot run.",
    fix="Put {expected} into {field}, and look at the code that should have put it there.",
    source=PAGE,
)
def url_blank(case: Case) -> Breaches:
    """image_url or video_url is empty or only white space."""
    yield from _breaches(case, "blank")


@rule(
    "request-media-inline",
    "request",
    Severity.ERROR,
    title="The medium itself stands where its URL belongs",
    message="{field} holds the medium itself, as a data: URI or in base64; a link is needed.",
    why="The page takes links only. The vendor's own API does take an image in base64, but without the data: prefix "
    "(with it the answer is `File is not in a valid base64 format`), and never a video.",
    fix="Upload the file where anybody can fetch it, and put that link into {field}.",
    source=f"{PAGE}; {VENDOR}",
)
def media_inline(case: Case) -> Breaches:
    """image_url or video_url is a data: URI or a long base64 text."""
    yield from _breaches(case, "inline")


@rule(
    "request-media-same",
    "request",
    Severity.ERROR,
    title="Image and video are the same reference",
    message="image_url and video_url are the same; one file cannot be the image and the video.",
    why="One of the two was copied into the other's place. Whichever it is, the provider cannot read it as both.",
    fix="Give image_url the picture of the character and video_url the clip with the motion.",
    source=PAGE,
)
def media_same(case: Case) -> Breaches:
    """The two references are the same text."""
    image, video = case.request.image_url, case.request.video_url
    if image is not None and video is not None and image.strip() == video.strip():
        yield Breach(pointer="/video_url")


@rule(
    "request-prompt-missing",
    "request",
    Severity.NOTE,
    title="There is no prompt",
    message="The request has no prompt.",
    why="It is optional, and the page recommends one: the more concrete the description of action, camera and style, "
    "the steadier the result.",
    fix="Add a sentence about the action, the camera and the style to prompt.",
    source=PAGE,
)
def prompt_missing(case: Case) -> Breaches:
    """The prompt is absent or blank; a wrong one is told by its type."""
    if case.request.prompt is not None and not case.request.prompt.strip():
        yield Breach(pointer="/prompt")


@rule(
    "request-prompt-too-long",
    "request",
    Severity.ERROR,
    title="The prompt is too long",
    message="The prompt has {observed} characters; at most {limit} are accepted.",
    why="A longer prompt is an invalid parameter to the vendor, and the refusal may come only after the job was "
    "accepted.",
    fix="Shorten the prompt to {limit} characters; keep the action, the camera and the style.",
    source=VENDOR,
    limits=("prompt_max",),
)
def prompt_too_long(case: Case) -> Breaches:
    """More characters (Unicode code points) than the profile allows."""
    limit = case.limit("prompt_max")
    if limit is None:
        return
    if case.request.prompt is None:
        raise Unestablished(say("the prompt is not a string"))
    if len(case.request.prompt) > limit.number:
        yield Breach(observed=len(case.request.prompt), limit=int(limit.number), by=limit, pointer="/prompt")


RULES = (
    no_row,
    nested,
    field_missing,
    field_unknown,
    field_type,
    field_value,
    url_blank,
    media_inline,
    media_same,
    prompt_missing,
    prompt_too_long,
)
