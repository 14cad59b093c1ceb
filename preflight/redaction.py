"""The last net against a secret in an output: whatever looks like a URL inside a sentence is shown redacted."""

from __future__ import annotations

import re

from preflight.deliver.url import GONE, redact

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>`]+")
_QUERY = re.compile(r"([?&][^\s=&\"'<>`]{1,64}=)[^\s&\"'<>`]+")


def redact_urls(text: str) -> str:
    """`text` with every URL in it as `redact` shows it."""
    return _URL.sub(lambda match: redact(match.group()), text)


def redact_trace(text: str) -> str:
    """The same for text that is not ours (a traceback), where a query may stand without its URL."""
    return _QUERY.sub(rf"\1{GONE}", redact_urls(text))
