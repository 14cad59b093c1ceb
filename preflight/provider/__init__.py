"""The provider's side of a submission: its endpoint, its answers, and what its refusals mean."""

from __future__ import annotations

# Here, because the command's help names them, and must not wait for the HTTP library.
BASE_URL = "https://xcompute.us"
#: The provider probes the media before it answers, so an answer may take a while (seconds).
ANSWER_SECONDS = 120.0
#: How long all pauses that a rate limit asks for may be, taken together (seconds).
WAIT_SECONDS = 120.0
