"""Secrets that nothing else looks like, in every place of a URL that can hold one, and the eye that finds them again.

Each of the 54 formats of signed links gets canaries of its own in all its secret parameters and path parts, in a
fragment and in a user name. A canary is found also in part (eight characters of it), percent-decoded, in base64, and
broken over lines.
"""

from __future__ import annotations

import base64
import csv
import json
import random
import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

with (Path(__file__).parents[1] / "data" / "presigned_examples.csv").open(encoding="utf-8", newline="") as _file:
    EXAMPLES = [(int(row["row"]), row["url"]) for row in csv.DictReader(_file)]
FORMATS = sorted({number for number, _ in EXAMPLES})

#: The secret parameters that each format may carry (column "secret params to redact" of the shared table).
_X = "{0}-Signature {0}-Credential {0}-Security-Token"
SECRET_NAMES = {
    1: _X.format("X-Amz"),
    2: "AWSAccessKeyId Signature x-amz-security-token",
    3: "Signature Key-Pair-Id",
    4: "Policy Signature Key-Pair-Id",
    5: _X.format("X-Goog"),
    6: "Signature GoogleAccessId",
    7: "token",
    8: "sig skoid sktid",
    9: "OSSAccessKeyId Signature security-token",
    10: _X.format("x-oss"),
    11: "auth_key",
    14: "q-signature q-ak x-cos-security-token",
    15: "sign",
    16: "sign",
    17: "sign us",
    18: _X.format("X-Tos") + " X-Tos-Policy",
    19: "x-signature x-orig-sign x-orig-authkey",
    20: "signature tk policy",
    21: "token",
    22: "sign",
    23: "_upt",
    24: "AccessKeyId Signature x-obs-security-token",
    25: _X.format("X-Obs"),
    26: "authorization x-bce-security-token",
    27: "Signature KSSAccessKeyId UCloudPublicKey",
    28: _X.format("X-Amz"),
    29: "Authorization",
    30: "hm",
    33: "oh _nc_ohc _nc_gid",
    34: "hash",
    35: "t",
    36: "signature sig lsig n",
    38: "upsig e",
    39: "sign pkey",
    40: "ssig KID",
    41: "hdnts hdnea __token__ hdntl",
    42: "token md5 st bcdn_token",
    44: "s",
    45: "Policy Signature X-Amz-Signature",
    46: _X.format("X-Amz") + " signature",
    47: "token jwt sig " + _X.format("X-Amz"),
    48: "t pub_secret",
    50: "code authcode",
    51: "x-oss-signature x-oss-access-key-id security-token",
    52: "sign access_token",
    54: "sig sign token key secret auth credential policy jwt hmac password passwd pwd code session",
}
_WINDOW = 8
_RUN = re.compile(rf"[A-Za-z0-9]{{{_WINDOW},}}")


class Canaries:
    """Makes secrets that nothing else looks like, and finds them again in any text."""

    def __init__(self, seed: int = 4) -> None:
        self._random = random.Random(seed)  # noqa: S311  (the same canaries in every run)
        self._places: dict[str, str] = {}
        self._innocent: set[str] = set()

    def word(self, place: str, length: int = 28, alphabet: str = string.ascii_letters + string.digits) -> str:
        """A new secret; `place` names it when it is found."""
        text = "".join(self._random.choices(alphabet, k=length))
        self.watch(text, place)
        return text

    def hexadecimal(self, place: str, length: int = 32) -> str:
        """The same as a hash is written."""
        return self.word(place, length, "0123456789abcdef")

    def watch(self, secret: str, place: str) -> None:
        """Look for every part of a secret, as it is and in base64."""
        forms = [secret, *(_in_base64(secret, shift) for shift in range(3))]
        for form in forms:
            for run in re.findall(r"[A-Za-z0-9]+", form):
                for at in range(len(run) - _WINDOW + 1):
                    self._places[run[at : at + _WINDOW].lower()] = place

    def leaks(self, text: str) -> dict[str, str]:
        """The places whose canaries are in a text, each with the word that gave it away."""
        found: dict[str, str] = {}
        for form in {text, unquote(unquote(text)), text.replace("\\", "")}:
            for word in set(_RUN.findall(form)) - self._innocent:
                if place := self._place(word):
                    found[place] = word
                else:
                    self._innocent.add(word)
        return found

    def broken_leaks(self, text: str) -> dict[str, str]:
        """The same for text that may break its words over lines."""
        whole = re.sub(r"\s+", "", text)
        places = ((self._place(word), word) for word in _RUN.findall(whole))
        return {place: word[:80] for place, word in places if place}

    def _place(self, word: str) -> str | None:
        low = word.lower()
        parts = (low[at : at + _WINDOW] for at in range(len(low) - _WINDOW + 1))
        return next((self._places[part] for part in parts if part in self._places), None)


def _in_base64(secret: str, shift: int) -> str:
    """What base64 makes of it inside a longer text, without the ends that depend on the neighbours."""
    return base64.urlsafe_b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")[shift + 1 : -2]


@dataclass(frozen=True, slots=True)
class Link:
    """One signed link whose secrets are canaries; the host's name means loopback in a `Talker`."""

    number: int
    host: str
    path: str
    query: str
    user: str
    fragment: str

    def at(self, port: int, *, user: bool = False, fragment: bool = False) -> str:
        """The link at a port, on request with a password or a fragment."""
        authority = f"{self.user}@{self.host}:{port}" if user else f"{self.host}:{port}"
        return f"http://{authority}{self.path}?{self.query}" + (f"#{self.fragment}" if fragment else "")


def links(canaries: Canaries) -> list[Link]:
    """Every example of the table, with canaries for secrets, and with the secret parameters it lacks."""
    return [_link(canaries, row, number, url) for row, (number, url) in enumerate(EXAMPLES)]


def _link(canaries: Canaries, row: int, number: int, url: str) -> Link:
    name = f"{row}/{number}"
    rest = url.removeprefix("https://")
    host, _, rest = rest.partition("/")
    path, _, query = rest.partition("?")
    path = _filled(canaries, f"{name} path", path)
    fields = [_field(canaries, name, field) for field in query.split("&") if field]
    there = {field.partition("=")[0].lower() for field in fields}
    for key in SECRET_NAMES.get(number, "").split():
        if key.lower() not in there:
            fields += [f"{key}={canaries.word(f'{name} {key}')}%2B{canaries.word(f'{name} {key}')}%3D"]
    user = f"{canaries.word(f'{name} user', 12)}:{canaries.word(f'{name} password')}"
    fragment = f"access_token={canaries.word(f'{name} fragment')}"
    return Link(number, host, f"/{path}", "&".join(fields), user, fragment)


def _field(canaries: Canaries, name: str, field: str) -> str:
    key, _, value = field.partition("=")
    return f"{key}={_filled(canaries, f'{name} {key}', value)}"


def _word(canaries: Canaries, place: str, _text: str) -> str:
    return canaries.word(place)


def _hash(canaries: Canaries, place: str, _text: str) -> str:
    return canaries.hexadecimal(place)


def _short_hash(canaries: Canaries, place: str, _text: str) -> str:
    return canaries.hexadecimal(place, 8)


def _jwt(canaries: Canaries, place: str, text: str) -> str:
    head, claims, _ = text.split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    said = base64.urlsafe_b64encode(json.dumps({**body, "sub": canaries.word(place)}).encode())
    return f"{head}.{said.decode().rstrip('=')}.{canaries.word(place, 43)}"


def _policy(canaries: Canaries, place: str, text: str) -> str:
    body: dict[str, Any] = json.loads(base64.b64decode(text.replace("_", "=").replace("-", "+").replace("~", "/")))
    body["Statement"][0]["Resource"] = f"https://cdn.example.com/{canaries.word(place)}/*"
    return base64.b64encode(json.dumps(body).encode()).decode().replace("+", "-").replace("=", "_").replace("/", "~")


#: What stands for a secret in the examples, and what becomes of it.
_SLOTS: tuple[tuple[str, Callable[[Canaries, str, str], str]], ...] = (
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", _jwt),
    (r"eyJTdGF0[\w~-]+", _policy),
    (r"[0-9a-f]{32}", _hash),
    (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", _hash),
    (r"0a1b2c3d(?=[0-9]{10})", _short_hash),
    (r"SECRET2?|AKIAEXAMPLE", _word),
    (r"(?:AKIA|LTAI|AKID|AK123|AK|K2|K|x@y\.iam|unistore|72d4cd1101)(?=$|[:%/])", _word),
)
_SLOT = re.compile("|".join(f"({pattern})" for pattern, _ in _SLOTS))


def _filled(canaries: Canaries, place: str, text: str) -> str:
    def fill(match: re.Match[str]) -> str:
        _, make = _SLOTS[(match.lastindex or 1) - 1]
        return make(canaries, place, match[0])

    return _SLOT.sub(fill, text)
