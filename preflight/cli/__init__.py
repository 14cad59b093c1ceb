"""The command line: parse, call, print, exit.

Only click is imported here; each command imports what it needs when it runs, so that help and usage errors are
instant. Machine output goes to standard output, everything else to standard error.
"""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from preflight import __version__
from preflight.cli.output import OutputLost, say
from preflight.errors import UsageError
from preflight.findings import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Command -> the module that holds it, in the order of the help.
_COMMANDS = {
    "check": "preflight.cli.check",
    "probe": "preflight.cli.probe",
    "demo": "preflight.cli.demo",
    "rules": "preflight.cli.rules",
    "explain": "preflight.cli.rules",
    "profiles": "preflight.cli.profiles",
    "schema": "preflight.cli.schema",
}


class _LazyGroup(click.Group):
    """Commands are imported when somebody asks for one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, or None."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with the nearest name for a slip."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_COMMANDS)}"
            ctx.fail(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.command(
    "preflight",
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  preflight demo                          three requests on sample media, no URL needed
  preflight check request.json            one request: what will be refused, what will be billed
  preflight check --image ref.png --video dance.mp4 --orientation image
  preflight probe https://example.com/dance.mp4
  preflight explain video-too-long

\b
Exit codes: 0 pass or warn, 1 fail, 2 wrong usage, 3 unknown, 70 a crash of ours, 130 interrupted.

\b
Completion: eval "$(_PREFLIGHT_COMPLETE=bash_source preflight)"   (or zsh_source, fish_source)
""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def group() -> None:
    """Know what the provider will say, and what it will bill, before you submit.

    Looks at the reference image and the reference video of a Kling motion-control request, at about the cost of
    fetching one byte, and reports what would be refused, what would cost more than thought, and how to mend it.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


def _run(arguments: list[str]) -> int:
    try:
        return int(group.main(arguments, prog_name="preflight", standalone_mode=False) or ExitCode.PASS)
    except click.exceptions.NoArgsIsHelpError as asked:
        say(asked.format_message())
        return ExitCode.USAGE
    except click.ClickException as error:
        say(f"{_command_path(error)}: {_one_line(error.format_message())}{_hint(error)}")
        return ExitCode.USAGE
    except UsageError as error:
        say(f"preflight: {_one_line(str(error))}")
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        say("preflight: interrupted")
        return ExitCode.INTERRUPTED
    except OutputLost as error:
        say(f"preflight: cannot write the output: {error}")
        return ExitCode.CRASH
    except Exception as error:  # noqa: BLE001  (the last net: a crash must not look like a verdict)
        _tell_of_crash(error, arguments)
        return ExitCode.CRASH


def _command_path(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "preflight"


def _hint(error: click.ClickException) -> str:
    return f" (see: {_command_path(error)} --help)" if isinstance(error, click.UsageError) else ""


def _one_line(message: str) -> str:
    from preflight.printable import clean

    return clean(" ".join(message.split()), None).rstrip(".")


def _tell_of_crash(error: Exception, arguments: list[str]) -> None:
    """Name the kind and the place, never the message: it may quote a URL with its secret."""
    import traceback

    debug = os.environ.get("PREFLIGHT_DEBUG") == "1" or any(re.fullmatch("-v{2,}", word) for word in arguments)
    if debug:
        from preflight.redaction import redact_trace

        say(redact_trace("".join(traceback.format_exception(error)).rstrip()))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    advice = "please report it" if debug else "run it again with PREFLIGHT_DEBUG=1 and report what it prints"
    say(f"preflight: crashed ({type(error).__name__}{place}); this is a fault of preflight, not a verdict: {advice}")
