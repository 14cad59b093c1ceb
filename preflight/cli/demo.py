"""`preflight demo`: the main job on sample media, without any URL."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import click

from preflight.cli import options, output


@click.command(short_help="Check three requests on sample media.")
@options.color_option
def demo(no_color: bool) -> int:
    """Check three requests on sample media: one passes, one warns, one fails.

    Serves the media on a loopback port and fetches them as it would from anywhere else. Exits with 0 when the
    three verdicts are what they should be.
    """
    from preflight.demo import run

    return run(output.write, width=output.width(), color=output.use_color(no_color))
