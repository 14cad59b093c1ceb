"""What a command calls its input: the real name of a file on this machine, otherwise `in.mp4` or the like."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from preflight.deliver.url import redact
from preflight.facts import ImageFacts, VideoFacts
from preflight.printable import clean

if TYPE_CHECKING:
    from preflight.facts import Medium

_EXTENSIONS = {"matroska": "mkv", "mpegts": "ts", "jpeg": "jpg"}
#: What ffmpeg would take for an option or for a protocol.
_NEEDS_A_FOLDER = re.compile(r"-|[^/]*:")


def input_name(medium: Medium | None) -> str:
    """One word of a shell command; a local name that cannot be shown as it is gives way to the general one."""
    if medium is None:
        return "in.mp4"
    path = medium.delivery.reference
    if medium.delivery.local and path and redact(path) == clean(path) == path and "`" not in path:
        return shlex.quote(f"./{path}" if _NEEDS_A_FOLDER.match(path) else path)
    return f"in.{_extension(medium)}"


def output_name(medium: Medium | None) -> str:
    """The same for a picture that is written anew: a JPEG stays one, everything else becomes a PNG."""
    outcome = medium.outcome if medium else None
    return "out.jpg" if isinstance(outcome, ImageFacts) and outcome.format == "jpeg" else "out.png"


def _extension(medium: Medium) -> str:
    outcome = medium.outcome
    name = outcome.container if isinstance(outcome, VideoFacts) else getattr(outcome, "format", "")
    return _EXTENSIONS.get(name, name) or ("png" if medium.kind == "image" else "mp4")
