"""The command line: parse, call, print, exit.

Only click is imported here; each command imports what it needs when it runs, so that help and usage errors are
instant. Machine output goes to standard output, everything else to standard error.
"""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import atexit
import errno
import gc
import os
import re
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from preflight import __version__
from preflight.cli import output
from preflight.cli.language import before_commands, speak_first, with_language
from preflight.cli.output import OutputLost
from preflight.cli.settled import defaults
from preflight.errors import UsageError
from preflight.findings import ExitCode
from preflight.language import later, say, told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

#: What a full or broken disk says to a writer.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_INTERRUPTED = later("preflight: interrupted")
#: What a mistake quotes may be a whole file; more than this of it helps nobody (characters).
_LONGEST_MESSAGE = 1000

#: Command -> the module that holds it, in the order of the help.
_COMMANDS = {
    "check": "preflight.cli.check",
    "probe": "preflight.cli.probe",
    "audit": "preflight.cli.audit",
    "submit": "preflight.cli.submit",
    "report": "preflight.cli.report",
    "demo": "preflight.cli.demo",
    "rules": "preflight.cli.rules",
    "explain": "preflight.cli.rules",
    "profiles": "preflight.cli.profiles",
    "config": "preflight.cli.config",
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
        return with_language(getattr(import_module(_COMMANDS[cmd_name]), cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with the nearest name for a slip."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, n=1)
            names = ", ".join(_COMMANDS)
            hint = say("did you mean {name}?", name=near[0]) if near else say("there are {names}", names=names)
            ctx.fail(say("no command {name!r}; {hint}", name=args[0], hint=hint))
        name, command, rest = super().resolve_command(ctx, args)
        if name and command and not _asks_for_help(rest):  # which is to be had whatever is settled
            ctx.default_map = {name: defaults(ctx, command)}
        return name, command, rest


def _asks_for_help(words: Sequence[str]) -> bool:
    return not {"-h", "--help"}.isdisjoint(words)


@before_commands
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
Exit codes: 0 pass or warn, 1 fail, 2 wrong usage or no room for the output, 3 unknown, 10 to 17 what became of a
submission, 70 a crash of ours, 130 interrupted.

\b
Completion: eval "$(_PREFLIGHT_COMPLETE=bash_source preflight)"   (or zsh_source, fish_source)
""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def group() -> None:
    """Know what the provider will say, and what it will bill, before you submit.

    Reads the reference image and the reference video of a Kling motion-control request from a few kilobytes of
    each, and reports what would be refused, what would cost more than thought, and how to mend it.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    # Imports and the network share one interpreter: the default of 5 ms would keep an answer waiting for the lock.
    sys.setswitchinterval(0.0005)
    # What is imported lives as long as the process: looking through it for garbage again and again only costs.
    gc.set_threshold(50_000)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where somebody chose to ignore it (nohup)
        signal.signal(signal.SIGINT, _leave_at_once)
    _leave(_run(sys.argv[1:] if arguments is None else list(arguments)))


def _leave(code: int) -> NoReturn:
    """Exit at once. All is written and closed; taking the process apart piece by piece would cost as much as a trip."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    atexit._run_exitfuncs()  # noqa: SLF001  (what others registered still runs: it has no public name)
    os._exit(code)


def _leave_at_once(_number: int, _frame: FrameType | None) -> NoReturn:
    """What Ctrl-C does: one line, and the end.

    Not an exception, which could be raised in the middle of an import while the loop's thread imports too: Python
    then loses the exception or a lock of its imports, and hangs. There is nothing to put away, and all that was
    printed has been flushed.
    """
    clear = b"\r\x1b[K" if os.isatty(2) else b""
    with suppress(OSError):
        os.write(2, clear + say(_INTERRUPTED).encode() + b"\n")
    os._exit(ExitCode.INTERRUPTED)


def _run(arguments: list[str]) -> int:
    if sys.stdout is None:  # `>&-`: an answer would be dropped, and the exit code would say that all is well
        _fail_to_write(say("standard output is closed"))
        return ExitCode.USAGE
    speak_first()
    try:
        return int(group.main(arguments, prog_name="preflight", standalone_mode=False) or ExitCode.PASS)
    except click.exceptions.NoArgsIsHelpError as asked:
        output.say(asked.format_message())
        return ExitCode.USAGE
    except (click.ClickException, UsageError) as error:
        _tell_of_mistake(error, arguments)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        output.say(say(_INTERRUPTED))
        return ExitCode.INTERRUPTED
    except OutputLost as error:
        _fail_to_write(told(str(error)))
        return ExitCode.USAGE
    except OSError as error:
        if error.errno not in _NO_ROOM:
            _tell_of_crash(error, arguments)
            return ExitCode.CRASH
        output.drop_output()  # click printed: help, the version, completions
        _fail_to_write(told(error.strerror or type(error).__name__))
        return ExitCode.USAGE
    except Exception as error:  # noqa: BLE001  (the last net: a crash must not look like a verdict)
        _tell_of_crash(error, arguments)
        return ExitCode.CRASH


def _fail_to_write(reason: str) -> None:
    output.say(say("preflight: cannot write the output: {reason}", reason=reason))


def _tell_of_mistake(error: click.ClickException | UsageError, arguments: list[str]) -> None:
    """One line: which command, what is wrong, where to read on. The one place where a caller's words are echoed."""
    from preflight.printable import clean
    from preflight.redaction import redact_quoted

    message = told(error.format_message()) if isinstance(error, click.ClickException) else str(error)
    context = getattr(error, "ctx", None)
    command = next((word for word in arguments if word in _COMMANDS), None)
    path = context.command_path if context else f"preflight {command}" if command else "preflight"
    problem = clean(" ".join(redact_quoted(message, arguments).split()), _LONGEST_MESSAGE).rstrip(".。")
    output.say(say("{path}: {problem} (see: {path} --help)", path=path, problem=problem))


def _tell_of_crash(error: Exception, arguments: list[str]) -> None:
    """Name the kind and the place, never the message: it may quote a URL with its secret."""
    import traceback

    debug = os.environ.get("PREFLIGHT_DEBUG") == "1" or any(re.fullmatch("-v{2,}", word) for word in arguments)
    if debug:
        from preflight.printable import clean_lines
        from preflight.redaction import redact_trace

        output.say(clean_lines(redact_trace("".join(traceback.format_exception(error)).rstrip())))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    advice = say("please report it")
    if not debug:
        advice = say("run it again with PREFLIGHT_DEBUG=1 and report what it prints")
    output.say(
        say(
            "preflight: crashed ({what}); this is a fault of preflight, not a verdict: {advice}",
            what=f"{type(error).__name__}{place}",
            advice=advice,
        )
    )
