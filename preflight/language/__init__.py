"""What preflight says, in the language of its reader: English in the code, other languages in catalogues.

The English text is the key, so the code reads as it speaks. A catalogue is a folder of TOML files named after the
language; each line is an English text and its translation, with the same `{values}`. Facts stay data: what deliver and
the probes tell in passing is English inside them, and is translated where it is shown (`told`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_TAGS: Final[dict[Language, str]] = {"en": "en", "zh": "zh-Hans"}
_spoken: ContextVar[Language] = ContextVar("language", default="en")


def speak(language: Language) -> None:
    """Say everything in this language from here on: in this context, and in the tasks that it starts."""
    _spoken.set(language)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Say everything in this language within the block."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken() -> Language:
    """The language of this context."""
    return _spoken.get()


def tag() -> str:
    """The language of this context as browsers, screen readers and fonts know it."""
    return _TAGS[_spoken.get()]


def say(text: str, /, **values: object) -> str:
    """A text in the reader's language; `values` fill its places, in whatever order that language has them."""
    language = _spoken.get()
    said = text if language == "en" else catalogue(language).get(text, text)
    return said.format_map(values) if values else said


def about(place: object, problem: str) -> str:
    """What is wrong with a file, an option or a row, behind its name."""
    # A URL ends with a space: what looks for URLs in a text would take a full-width mark for a part of one.
    gap = " " if spoken() != "en" and "://" in str(place) else ""
    return say("{place}: {problem}", place=f"{place}{gap}", problem=problem)


def clauses(*parts: str) -> str:
    """Parts of one sentence side by side; things of one kind, a list, stand with `say(", ")` between them."""
    return reduce(lambda said, more: say("{said}, {more}", said=said, more=more), parts)


def later(text: str) -> str:
    """Mark a text that stands in a table and is said from there: it belongs into the catalogues like any other."""
    return text


def told(text: str) -> str:
    """A finished English sentence of a fact (why it is not known, how a delivery failed) in the reader's language.

    A sentence that no catalogue knows stays as it is, and so does any that is longer than ours are.
    """
    language = _spoken.get()
    return text if language == "en" or len(text) > _LONGEST else _translated(language, text)


@cache
def catalogue(language: Language) -> dict[str, str]:
    """English text -> the same in this language; what is missing is said in English."""
    import tomllib  # noqa: PLC0415  (whoever reads English needs no catalogue)

    folder = Path(__file__).parent / language
    files = [tomllib.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.toml"))]
    return {text: translation for lines in files for text, translation in lines.items()}


# ----------------------------------------------------------------------------- recognising finished sentences

#: What a stranger chose may stand inside a sentence: it costs no more than a sentence of ours, nested so deep at most.
_LONGEST, _DEEPEST = 1000, 5
#: A template with fewer signs of its own would recognise whatever comes.
_FEWEST_SIGNS = 5
_PLACE = re.compile(r"\{(\w+)(?:![rs])?(?::[^{}]*)?\}")
#: What places of these names hold; any other holds anything.
_SHAPES = {"host": r"\S+?", "address": r"[0-9a-fA-F:.]+(?:%\S+)?"}
#: What stands in places of these names is somebody's own word, and no word of ours that means the same.
_OWN_WORDS = frozenset(("fields", "host", "names", "path"))
#: What stands between the clauses of a sentence, and between those of a Chinese one.
_JOINTS = (("; ", "；"), (": ", "："), (", ", "，"))


class _Template(NamedTuple):
    """A text with places, as what recognises a finished sentence made of it."""

    head: str
    tail: str
    text: str
    translation: str

    def places(self, sentence: str) -> dict[str, str] | None:
        """What stands in the places, if the sentence is one of this text's."""
        if not (sentence.startswith(self.head) and sentence.endswith(self.tail)):
            return None
        match = _pattern(self.text).fullmatch(sentence)
        return match.groupdict() if match else None


@lru_cache(1024)
def _translated(language: Language, text: str, depth: int = 0) -> str:
    exact = catalogue(language).get(text)
    if exact is not None or depth == _DEEPEST:
        return exact or text
    templates = _templates(language)
    for template in [*templates.get(text[:1], []), *templates.get("", [])]:
        if (places := template.places(text)) is not None:
            return _filled(template.translation, language, places, depth + 1)
    return _by_clauses(language, text, depth + 1)


def _filled(translation: str, language: Language, places: dict[str, str], depth: int) -> str:
    """The values are finished words already: no form that a place asks for is applied to them again."""

    def value(place: re.Match[str]) -> str:
        found = places[place[1]]
        return found if place[1] in _OWN_WORDS else _translated(language, found, depth)

    return _PLACE.sub(value, translation)


def _by_clauses(language: Language, text: str, depth: int) -> str:
    """A sentence that is known in parts only, clause by clause; a word alone may be anybody's."""
    for joint, mark in _JOINTS:
        parts = text.split(joint)
        if len(parts) == 1:
            continue
        said = [_translated(language, part, depth) if " " in part else part for part in parts]
        if said != parts:
            return mark.join(said)
    return text


@cache
def _templates(language: Language) -> dict[str, list[_Template]]:
    """The texts with places by their first letter ("" where a place comes first), those that say most before others."""
    found: dict[str, list[_Template]] = defaultdict(list)
    for text, translation in sorted(catalogue(language).items(), key=lambda item: -len(_PLACE.sub("", item[0]))):
        head, *rest = _PLACE.split(text)
        signs = len("".join(_PLACE.sub("", text).split()))
        if rest and (signs >= _FEWEST_SIGNS or _SHAPES.keys() >= set(rest[::2])):
            found[head[:1]].append(_Template(head, rest[-1], text, translation))
    return dict(found)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """What a finished sentence made of this text looks like; a place that comes again holds the same again.

    A place ends where the words behind it come first, once and for all (an atomic group): no sentence, however long,
    makes this go back and look for other ends. Only the last one may reach further, to where the sentence ends.
    """
    head, *rest = _PLACE.split(text)
    pattern, seen = re.escape(head), set[str]()
    for number, name in enumerate(rest[::2]):
        place = f"(?P={name})" if name in seen else f"(?P<{name}>{_SHAPES.get(name, '.*?')})"
        words = re.escape(rest[2 * number + 1])
        pattern += place + words if 2 * number + 2 == len(rest) else f"(?>{place}{words})"
        seen.add(name)
    return re.compile(pattern, re.DOTALL)
