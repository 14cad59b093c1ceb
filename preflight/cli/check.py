"""`preflight check`: one request, end to end."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.errors import RequestUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from preflight.render import Format

#: A request is a few hundred bytes; above this the file is something else, most likely the clip itself.
_LONGEST_REQUEST = 1_000_000

#: What a request given by flags alone means where it says nothing; a request file speaks for itself.
_FLAG_DEFAULTS = {"model": "kling-v2-6-motion-control", "mode": "std"}

#: The flags are named as people type them, their values after the fields of the request.
_request_flags = options.together(
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

\b
Exit codes: 0 pass or warn (--strict: pass only), 1 fail, 2 wrong usage, 3 unknown.
"""
)
@click.argument("request_", metavar="[REQUEST.json | -]", required=False)
@_request_flags
@click.option("--profile", metavar="NAME|FILE", help="Whose limits apply; see: preflight profiles.")
@click.option("--price", type=options.PRICE, metavar="AMOUNT", help="Money per billed second, such as 0.07.")
@click.option("--ignore", multiple=True, metavar="RULE[,RULE…]", help="Leave a rule out; repeatable.")
@click.option("--strict", is_flag=True, help="A warning fails, too.")
@options.network_options
@options.check_format_option
@options.talk_options
def check(  # noqa: PLR0913, PLR0917  (one parameter for each option)
    request_: str | None,
    profile: str | None,
    price: Decimal | None,
    ignore: tuple[str, ...],
    strict: bool,
    network: dict[str, Any],
    format_: Format,
    quiet: bool,
    verbose: int,
    no_color: bool,
    **flags: Any,
) -> int:
    """Check one request: will it be accepted, and what will be billed?

    The request is a JSON file, standard input (-), or the flags below; a pasted curl command is read as well.
    Media are URLs, or local files that are to be uploaded later.
    """
    level = options.verbosity(quiet, verbose)
    payload = _payload(request_, flags)
    chosen = network if profile is None else {"profile": profile, **network}
    with output.status("fetching image and video …", shown=not quiet):
        from preflight.api import Preflight

        with Preflight(
            price=price,
            ignore=[name for names in ignore for name in names.replace(",", " ").split()],
            expect=payload,
            **chosen,
        ) as preflight:
            output.prepare(format_)
            report = preflight.check(payload)
    output.write_report(report, format_, level, no_color=no_color, strict=strict)
    return report.exit_code(strict=strict)


def _payload(source: str | None, flags: dict[str, Any]) -> Mapping[str, object]:
    watermark = flags.pop("watermark")
    given = {name: value for name, value in flags.items() if value is not None}
    if watermark is not None:
        given["watermark_info"] = {"enabled": watermark}
    if source is not None:
        return {**_read(source), **given}
    if not given:
        piped = sys.stdin is not None and not sys.stdin.isatty()
        raise click.UsageError(
            "give a request file, - for standard input, or --image, --video and --orientation"
            + ("; what is piped in is read by: preflight check -" if piped else "")
        )
    return {**_FLAG_DEFAULTS, **given}


def _read(source: str) -> Mapping[str, object]:
    from preflight.deliver.url import is_url, redact
    from preflight.request import parse_request

    if is_url(source):
        raise click.UsageError(
            f"{redact(source)} is a URL, not a request file; name it with --video or --image, "
            "or look at it alone: preflight probe URL"
        )
    if source.lstrip().startswith(("{", "[", "curl ")):
        raise click.UsageError(
            "that is the request itself, not the name of its file; give it on standard input: "
            "preflight check - < request.json"
        )
    origin = "standard input" if source == "-" else source
    if source == "-" and sys.stdin is not None and sys.stdin.isatty():
        output.say("preflight: reading the request from standard input; end it with Ctrl-D")
    try:
        if source == "-":
            data = sys.stdin.buffer.read(_LONGEST_REQUEST + 1) if sys.stdin is not None else b""
        else:
            with Path(source).open("rb") as file:
                data = file.read(_LONGEST_REQUEST + 1)
    except (OSError, ValueError) as error:
        raise RequestUnreadable(f"{origin}: {getattr(error, 'strerror', None) or 'not a file name'}") from None
    probe = f"preflight probe {'FILE' if source == '-' else source}"
    if len(data) > _LONGEST_REQUEST:
        raise RequestUnreadable(f"{origin}: too large for a request; for a clip or a picture: {probe}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestUnreadable(f"{origin}: not text, so not a request; for a clip or a picture: {probe}") from None
    return parse_request(text, origin)
