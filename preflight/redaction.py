"""The last net against a secret in an output: whatever looks like a URL inside a sentence is shown redacted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preflight.deliver.url import GONE, is_url, redact

if TYPE_CHECKING:
    from collections.abc import Iterable

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://|(?:\\/){2})[^\s\"'<>`]+")  # also as JSON may escape it
_QUERY = re.compile(r"([?&][^\s=&\"'<>`]{1,64}=)[^\s&\"'<>`]+")


def redact_urls(text: str) -> str:
    """`text` with every URL in it as `redact` shows it."""
    return _URL.sub(lambda match: redact(match.group().replace("\\/", "/")), text)


def redact_quoted(text: str, words: Iterable[str]) -> str:
    """The same for a message about somebody's `words` (the command line): those that are URLs go as a whole.

    A pattern has to guess where a URL ends; a word of the command line is known to its last character.
    """
    parts = {part for word in words for part in (word, word.partition("=")[2])}  # --profile=URL too
    for word in sorted(parts, key=len, reverse=True):
        if is_url(word):
            text = text.replace(word, redact(word)).replace(repr(word)[1:-1], redact(word))
    return redact_trace(text)


def redact_trace(text: str) -> str:
    """The same for text that is not ours (a traceback), where a query may stand without its URL."""
    return _QUERY.sub(rf"\1{GONE}", redact_urls(text))
