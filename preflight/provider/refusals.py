"""Upstream error texts, and the rules that know them beforehand: data with sources, in `refusals.toml`.

The same refusal reaches people in many forms: another case, another number, inside a relay's wrapper, in Chinese. So
texts are compared as sequences of words: case, punctuation and the values of numbers do not count, and what stands
around does not matter.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

#: A number with its unit, a word, or one Chinese character.
_TOKEN = re.compile(
    r"(?P<number>\d+(?:[.,]\d+)*(?:\s*(?:s|sec|secs|seconds?|px|pixels?|秒)(?![a-z]))?)|[a-z]+|[\u3400-\u9fff]"
)
_FILLERS = frozenset({"a", "an", "the", "be", "is", "are"})
_CODE = re.compile(r"(?:code|error|错误码?|代码)\W{0,4}(\d{3,6})(?!\d)", re.IGNORECASE)
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One known refusal. Without `rules` nothing of it can be known beforehand, and `advice` says what to do."""

    texts: tuple[str, ...]
    codes: frozenset[int]
    rules: tuple[str, ...]
    meaning: str
    advice: str | None
    source: str


@cache
def refusals() -> tuple[Refusal, ...]:
    """Every known refusal, the more telling before the less."""
    tables = tomllib.loads((Path(__file__).parent / "refusals.toml").read_text("utf-8"))["refusal"]
    return tuple(
        Refusal(
            texts=(*table["texts"], *table.get("translations", ())),
            codes=frozenset(table.get("codes", ())),
            rules=tuple(table["rules"]),
            meaning=table["meaning"],
            advice=table.get("advice"),
            source=table["source"],
        )
        for table in tables
    )


def refusal_of(text: str) -> Refusal | None:
    """The known refusal that a text of the provider is, or holds; None: nobody has told us of it."""
    said = f" {_normal(text)} "
    for refusal in refusals():
        if any(f" {_normal(known)} " in said for known in refusal.texts):
            return refusal
    codes = {int(code) for code in _CODE.findall(text[:_LONGEST])}
    return next((refusal for refusal in refusals() if refusal.codes & codes), None)


@lru_cache(256)
def _normal(text: str) -> str:
    """The words of a text, one blank between them: "Video duration can't be < 3.0 s" is `video duration can not #`."""
    plain = (
        unicodedata.normalize("NFKC", text[:_LONGEST])
        .casefold()
        .replace("can't", "can not")
        .replace("cannot", "can not")
    )
    words = ("#" if match["number"] else match[0] for match in _TOKEN.finditer(plain))
    return " ".join(word for word in words if word not in _FILLERS)
