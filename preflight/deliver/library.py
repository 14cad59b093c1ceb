"""The HTTP library, named here and nowhere else: its API-compatible successor is a change of these two lines."""

from __future__ import annotations

import httpcore as httpcore  # noqa: PLC0414  (re-exported)
import httpx as httpx  # noqa: PLC0414
