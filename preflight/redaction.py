"""The last net against a secret in an output: whatever looks like a URL inside a sentence is shown redacted."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from preflight.deliver.url import GONE, redact

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Also as JSON, a JSON pointer or a path writes it. A quotation mark ends it only where no more of it can follow.
_URL = re.compile(
    r"""(?:https?:(?:/|\\/|~1)|[A-Za-z][A-Za-z0-9+.-]*:(?://|(?:\\/){2}|~1~1))(?:[^\s"'<>`]|["'<>`](?=[\w%=&?.]))+"""
)
_QUERY = re.compile(r"""([?&;#][^\s=&"'<>`]{1,64}=)(?:[^\s&"'<>`]|["'<>`](?=[\w%]))+""")
_LOGIN = re.compile(r"""[^\s/@:"'<>`]{1,64}:[^\s/@"'<>`]{1,256}@(?=[\w.-])""")
#: What a part of a URL is between delimiters, whichever count as such: too long to be found elsewhere by chance.
_WORDS = (re.compile(r"[0-9A-Za-z_-]{8,}"), re.compile(r"[0-9A-Za-z]{8,}"))


def redact_urls(text: str) -> str:
    """`text` with every URL in it as `redact` shows it."""
    if ":" not in text:  # every URL has one
        return text
    return _URL.sub(lambda match: redact(match.group().replace("\\/", "/").replace("~1", "/")), text)


def redact_quoted(text: str, words: Iterable[str]) -> str:
    """The same for a message about somebody's `words` (the command line): what `redact` changes goes as a whole.

    A pattern has to guess where a URL ends; a word of the command line is known to its last character.
    """
    parts = {part for word in words for part in (word, word.partition("=")[2])}  # --profile=URL too
    for word in sorted(parts, key=lambda part: (-len(part), part)):
        if (shown := redact(word)) != word:
            text = text.replace(word, shown).replace(repr(word)[1:-1], shown)
    return redact_trace(text)


def redact_trace(text: str) -> str:
    """The same for text that is not ours (a traceback), where a query or a login may stand without its URL."""
    return _LOGIN.sub(f"{GONE}@", _QUERY.sub(rf"\1{GONE}", redact_urls(text)))


def hide(text: str, urls: Iterable[str]) -> str:
    """`text` of a server that may quote what it was asked: without the parts of `urls` that `redact` does not show."""
    if not any(pattern.search(text) for pattern in _WORDS):
        return text
    return _hidden(text, tuple(dict.fromkeys(urls)))


@lru_cache(1024)  # the same answer is told in several places
def _hidden(text: str, urls: tuple[str, ...]) -> str:
    for url in urls:
        shown = redact(url).lower()
        found = {word for form in {url, unquote(url)} for pattern in _WORDS for word in pattern.findall(form)}
        for word in sorted(found, key=lambda word: (-len(word), word)):
            if word.lower() not in shown:
                text = re.sub(re.escape(word), GONE, text, flags=re.IGNORECASE)
    return text
