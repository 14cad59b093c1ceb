"""`preflight profiles`: whose limits there are, and where each number comes from."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json

import click

from preflight.cli import options, output


@click.command(
    short_help="List the profiles, or the limits of one.",
    epilog="""\b
Examples:
  preflight profiles
  preflight profiles kling-official
  preflight profiles ./my-provider.toml     (also tells what is wrong with the file)
""",
)
@click.argument("name", metavar="[NAME|FILE]", required=False)
@options.format_option
@options.color_option
def profiles(name: str | None, format_: str, no_color: bool) -> None:
    """List the profiles, or the limits of one with their source, date and basis."""
    from preflight.profiles import built_in, load_profile
    from preflight.rules import require_profile

    found = [load_profile(one) for one in ([name] if name else built_in())]
    if name:
        require_profile(found[0], name)
    if format_ == "json":
        brief = [{"name": one.name, "revision": one.revision, "title": one.title} for one in found]
        whole = found[0].model_dump_json(by_alias=True) if name else json.dumps(brief, ensure_ascii=False)
        output.write_utf8(whole + "\n")
        return
    from preflight.render.catalogue import list_profiles, tell_profile

    width, color = output.width(), output.use_color(no_color)
    told = tell_profile(found[0], width=width, color=color) if name else list_profiles(found, width=width, color=color)
    output.write(told)
