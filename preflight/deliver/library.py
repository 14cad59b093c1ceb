"""The HTTP library, named here and nowhere else: its API-compatible successor is a change of two lines."""

from __future__ import annotations

import sys

# httpx imports its own command line, and with it a syntax highlighter, wherever those happen to be installed: half of
# its import time, and nothing that a library needs. Its own code foresees their absence.
_COMMAND_LINE = "httpx._main"
_hidden = _COMMAND_LINE not in sys.modules
if _hidden:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]

import httpcore as httpcore  # noqa: E402, PLC0414  (re-exported)
import httpx as httpx  # noqa: E402, PLC0414

if _hidden:
    del sys.modules[_COMMAND_LINE]
