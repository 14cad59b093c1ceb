"""What a rule is, and the four things that it may be about.

A rule is declared once, by the decorator above its check. The check is a small function over facts that yields a
`Breach` for each thing it finds wrong; who it is, how severe, in which words and from which source is the
declaration's business, so a check cannot misreport its own identity. It never fetches and never probes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from preflight.language import later, say, told

if TYPE_CHECKING:
    from datetime import datetime

    from preflight.facts import ImageFacts, Medium, VideoFacts
    from preflight.findings import Scalar, Severity, Subject
    from preflight.profiles import Limit, Profile
    from preflight.request import ReadRequest

Scope = Literal["request", "reference", "failure", "refusal", "video", "image", "pair"]
#: Scopes that each slot of a request is asked about, unless a rule names one.
OF_A_MEDIUM: frozenset[Scope] = frozenset(("reference", "failure", "refusal"))
#: What a text calls what a finding is about.
SUBJECTS: dict[Subject, str] = {
    "request": later("request"),
    "image": later("image"),
    "video": later("video"),
    "pair": later("pair"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """All that a rule may look at."""

    request: ReadRequest
    image: Medium | None
    """None: the request names no image."""
    video: Medium | None
    profile: Profile
    now: datetime
    """Aware, UTC. The only clock that a rule knows."""

    def limit(self, name: str) -> Limit | None:
        """The profile's limit, or None where the profile states none (then the rule has nothing to say)."""
        return self.profile.limits.get(name)


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing wrong. `values` fill the rule's message and fix, beside `observed`, `limit`, `subject` and `file`."""

    observed: Scalar = None
    limit: Scalar = None
    by: Limit | None = None
    """The profile's limit that was broken: it brings its source, its basis and its severity."""
    pointer: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


class Unestablished(Exception):
    """A fact that the check needs is not known; the engine records the rule as not evaluated."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


Breaches = Iterator[Breach]
Check = Callable[..., Iterable[Breach]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One declared rule. Texts are templates over the breach's values; `limits` names what it asks the profile."""

    id: str
    scope: Scope
    subjects: tuple[Subject, ...]
    severity: Severity
    title: str
    message: str
    why: str
    fix: str
    source: str
    limits: tuple[str, ...]
    check: Check = field(compare=False)


def rule(  # noqa: PLR0913  (a declaration has as many parts as a rule page has sections)
    id: str,  # noqa: A002  (the field's own word)
    scope: Scope,
    severity: Severity,
    *,
    title: str,
    message: str,
    why: str,
    fix: str,
    source: str,
    limits: tuple[str, ...] = (),
    subjects: tuple[Subject, ...] = (),
) -> Callable[[Check], Rule]:
    """Declare a rule. The scope decides what its check is called with.

    | scope       | check(…)                                  | called for                                           |
    |-------------|-------------------------------------------|------------------------------------------------------|
    | `request`   | `(case)`                                  | every request                                        |
    | `reference` | `(case, medium: Medium)`                  | each medium of `subjects` (default: image and video) |
    | `failure`   | `(case, medium: Medium)`                  | each of them whose bytes could not be had            |
    | `refusal`   | `(case, medium: Medium)`                  | each of them whose bytes are no medium               |
    | `video`     | `(case, clip: VideoFacts)`                | a video whose facts are known                        |
    | `image`     | `(case, picture: ImageFacts)`             | an image whose facts are known                       |
    | `pair`      | `(case, picture: ImageFacts, clip: VideoFacts)` | both known                                     |
    """
    default: tuple[Subject, ...] = ("image", "video") if scope in OF_A_MEDIUM else (scope,)  # type: ignore[assignment]
    about = subjects or default

    def declare(check: Check) -> Rule:
        return Rule(id, scope, about, severity, title, message, why, fix, source, limits, check)

    return declare


def established(facts: VideoFacts | ImageFacts, name: str) -> Any:
    """The value of a fact by name (`width`; `durations.container` of a clip).

    Raises:
        Unestablished: it is None; the reason is the one that the facts carry.
    """
    value: Any = facts
    for part in name.split("."):
        value = getattr(value, part)
    if value is not None:
        return value
    reasons = (told(item.reason) for item in facts.unknown if item.fact == name)
    raise Unestablished(next(reasons, None) or say("{name} is not established", name=name))
