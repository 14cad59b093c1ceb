"""`preflight check`: requests, end to end."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.errors import RequestUnreadable
from preflight.language import about, later, say, told
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from preflight.api import Preflight
    from preflight.cli.several import Asked
    from preflight.profiles import Profile
    from preflight.render import Format

#: A request is a few hundred bytes; above this the file is something else, most likely the clip itself.
_LONGEST_REQUEST = 1_000_000

#: What a request given by flags alone means where it says nothing; a request file speaks for itself.
_FLAG_DEFAULTS = {"model": "kling-v2-6-motion-control", "mode": "std"}

#: The flags are named as people type them, their values after the fields of the request.
request_flags = options.together(
    click.option("--image", "image_url", metavar="URL|FILE", help="Reference image."),
    click.option("--video", "video_url", metavar="URL|FILE", help="Reference video."),
    click.option("--orientation", "character_orientation", metavar="image|video",
                 help="Whose orientation counts; image takes 3 to 10 s of video, video 3 to 30 s."),
    click.option("--mode", metavar="std|pro", help="Default with flags alone: std."),
    click.option("--model", metavar="NAME", help=f"Default with flags alone: {_FLAG_DEFAULTS['model']}."),
    click.option("--prompt", metavar="TEXT", help="What the page recommends to describe: motion, camera, style."),
    click.option("--sound", "keep_original_sound", metavar="yes|no", help="Keep the video's own sound (default yes)."),
    click.option("--watermark/--no-watermark", default=None, help="Default: no watermark."),
)  # fmt: skip


@click.command(
    short_help="Check requests: will they be accepted, and what will be billed?",
    epilog="""\b
Examples:
  preflight check request.json
  preflight check request.json --mode pro --orientation video      (what if: flags win over the file)
  preflight check --image https://example.com/a.png --video https://example.com/b.mp4 --orientation image
  preflight check --image a.png --video b.mp4 --orientation image  (before anything is uploaded)
  pbpaste | preflight check -                                      (JSON, or a whole curl command)
  preflight check request.json --price 0.07 --strict && ./submit.sh
  preflight check request.json --format json | jq .estimate
  preflight check request.json --format html > report.html         (a page to keep, to print, to pass on)
  preflight check jobs/ more/*.json --format junit > report.xml    (several; jobs/**/*.motion.json)

\b
Exit codes: 0 pass or warn (--strict: pass only), 1 fail, 2 wrong usage, 3 unknown. Of several requests the worst
decides: 2 before 1 before 3.
""",
)
@click.argument("requests", metavar="[REQUEST.json | FOLDER | -]…", nargs=-1)
@request_flags
@options.judging_options
@click.option("--strict", is_flag=True, help="A warning fails, too.")
@options.network_options
@options.speculate_option
@options.check_format_option
@click.option("--no-previews", is_flag=True, help="With html: fetch no more than the facts take; no pictures.")
@options.talk_options
def check(  # noqa: PLR0913, PLR0917  (one parameter for each option)
    requests: tuple[str, ...],
    profile: str | Profile | None,
    price: Decimal | None,
    ignore: tuple[str, ...],
    strict: bool,
    network: dict[str, Any],
    format_: Format,
    no_previews: bool,
    quiet: bool,
    verbose: int,
    no_color: bool,
    **flags: Any,
) -> int:
    """Check requests: will they be accepted, and what will be billed?

    A request is a JSON file, standard input (-), or the flags below; a pasted curl command is read as well. Media are
    URLs, or local files that are to be uploaded later. Of a folder, every *.motion.json below it is checked. The
    flags hold for each of several files.
    """
    level = options.verbosity(quiet, verbose)
    chosen = network if profile is None else {"profile": profile, **network}
    if _is_several(requests, format_):
        from preflight.cli.several import Manner, check_several, files_of

        asked = [_ask(name, flags) for name in files_of(requests, format_)]
        expected = next((item.payload for item in asked if item.payload is not None), None)
        with _open(expected, price=price, ignore=ignore, **chosen) as preflight:
            return check_several(preflight, asked, Manner(format_, level, no_color, strict))
    payload = read_payload(requests[0] if requests else None, flags)
    illustrated = format_ == "html" and not no_previews
    with (
        output.status(say("fetching image and video …"), shown=not quiet),
        _open(payload, previews=illustrated, price=price, ignore=ignore, **chosen) as preflight,
    ):
        output.prepare(format_)
        report, previews = preflight.illustrate(payload) if illustrated else (preflight.check(payload), None)
    output.write_report(report, format_, level, no_color=no_color, strict=strict, previews=previews)
    return report.exit_code(strict=strict)


def _is_several(names: Sequence[str], format_: Format) -> bool:
    """Is this more than one report? A form for machines tells any number of files, one included."""
    from preflight.render import MACHINES

    return len(names) > 1 or (len(names) == 1 and (format_ in MACHINES or is_folder(names[0])))


def is_folder(name: str) -> bool:
    """Does a word of the command line name a folder?"""
    return name != "-" and os.path.isdir(name)  # noqa: PTH112  (a word may be too long for a Path to look at)


def _open(expected: Mapping[str, object] | None, **chosen: Any) -> Preflight:
    """A session whose first media are already on their way."""
    from preflight.api import Preflight

    return Preflight(expect=expected, **chosen)


def read_payload(source: str | None, flags: Mapping[str, Any]) -> Mapping[str, object]:
    """The request of a file, of standard input (`-`) or of the flags alone (None); the flags win over a file.

    `flags`: what `request_flags` hands to a command.

    Raises:
        click.UsageError: neither a source nor a flag is given, or the source is not the name of a file.
        RequestUnreadable: there is no request in it.
    """
    given = _given(flags)
    if source is not None:
        return {**_parse(_read(source), source), **given}
    if not given:
        piped = sys.stdin is not None and not sys.stdin.isatty()
        raise click.UsageError(
            say("give a request file, - for standard input, or --image, --video and --orientation")
            + (say("; what is piped in is read by: {command} -", command=_command()) if piped else "")
        )
    return {**_FLAG_DEFAULTS, **given}


def _command() -> str:
    return click.get_current_context().command_path


def _ask(name: str, flags: Mapping[str, Any]) -> Asked:
    """One of several requests; what cannot be read is told with it, and stops no other."""
    from preflight.cli.several import Asked
    from preflight.redaction import redact_quoted
    from preflight.request.locate import Source

    given, text = _given(flags), ""
    called = redact_quoted(_origin(name), [name])  # it may be a URL that stands where no URL belongs
    try:
        text = _read(name)
        payload = {**_parse(text, name), **given}
    except (click.UsageError, RequestUnreadable) as error:
        is_file = name != "-" and isinstance(error, RequestUnreadable)
        return Asked(Source(called, text, is_file), None, clean(redact_quoted(str(error), [name])))
    return Asked(Source(called, text, name != "-", frozenset(given)), payload)


def _given(flags: Mapping[str, Any]) -> dict[str, object]:
    """The fields that the flags give."""
    given = {name: value for name, value in flags.items() if name != "watermark" and value is not None}
    return given if flags["watermark"] is None else {**given, "watermark_info": {"enabled": flags["watermark"]}}


def _origin(source: str) -> str:
    return say("standard input") if source == "-" else source


def _parse(text: str, source: str) -> Mapping[str, object]:
    from preflight.request import parse_request

    return parse_request(text, _origin(source))


def _read(source: str) -> str:
    """The text of a file, or of standard input."""
    from preflight.deliver.url import is_url, redact

    if is_url(source):
        raise click.UsageError(
            say(
                "{url} is a URL, not a request file; name it with --video or --image, "
                "or look at it alone: preflight probe URL",
                url=redact(source),
            )
        )
    if source.lstrip().startswith(("{", "[", "curl ")):
        raise click.UsageError(
            say(
                "that is the request itself, not the name of its file; give it on standard input: "
                "preflight check - < request.json"
            )
        )
    origin = _origin(source)
    if source == "-" and sys.stdin is not None and sys.stdin.isatty():
        output.say(say("preflight: reading the request from standard input; end it with Ctrl-D"))
    try:
        if source == "-":
            data = sys.stdin.buffer.read(_LONGEST_REQUEST + 1) if sys.stdin is not None else b""
        else:
            with Path(source).open("rb") as file:
                data = file.read(_LONGEST_REQUEST + 1)
    except (OSError, ValueError) as error:
        reason = told(getattr(error, "strerror", None) or later("not a file name"))
        raise RequestUnreadable(about(origin, reason)) from None
    probe = f"preflight probe {'FILE' if source == '-' else source}"
    if len(data) > _LONGEST_REQUEST:
        advice = say("too large for a request; for a clip or a picture: {probe}", probe=probe)
        raise RequestUnreadable(about(origin, advice))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        advice = say("not text, so not a request; for a clip or a picture: {probe}", probe=probe)
        raise RequestUnreadable(about(origin, advice)) from None
