"""The many ways in which a link's text tells when it ends: one small reader for each.

A reader gets a link taken apart and answers an `Expiry`, or None where the link is not of its form after all. What
makes no sense is not of its form: a reader never guesses and never raises. Which reader reads which link is the table
in `presigned.py`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Confidence = Literal["high", "medium", "low"]


class Expiry(NamedTuple):
    """The end of a link, as far as its text tells. Instants are aware and UTC."""

    instant: datetime | None = None
    """From here on it is refused. None: it ends at a time that the text does not tell, or never (`unending`)."""
    not_before: datetime | None = None
    signed_at: datetime | None = None
    """When it was signed, where only the server knows for how long."""
    lifetime: timedelta | None = None
    """How long such links usually live, where the text does not tell."""
    unending: bool = False
    bound: str | None = None
    """Who alone may fetch it, where the text restricts that: "one IP address"."""
    may_die_earlier: bool = False
    """Signed with temporary credentials: it ends with their session, at `instant` at the latest."""
    scheme: str = ""
    """Whose signature: "AWS Signature V4"."""
    confidence: Confidence = "low"


@dataclass(frozen=True, slots=True)
class Link:
    """A URL taken apart: host, decoded path, and its parameters with lower-case names."""

    host: str
    path: str
    parameters: Mapping[str, str]
    """Without those that are given twice with different values: nobody knows which one a server reads."""
    now: datetime

    def __getitem__(self, name: str) -> str:
        return self.parameters.get(name, "")


Reader = Callable[[Link], Expiry | None]


# --------------------------------------------------------------------------------------------- instants

_CREATION = datetime(2000, 1, 1, tzinfo=UTC)
_UTC8 = timezone(timedelta(hours=8))
_MD5 = r"[0-9a-fA-F]{32}"
_PATH_B = re.compile(rf"/([0-9]{{12}})/{_MD5}/.")
_PATH_C = re.compile(rf"/{_MD5}/([0-9a-fA-F]{{8}})/.")


def _from_epoch(seconds: float) -> datetime | None:
    """Seconds since 1970 as an instant; None before the year 2001 and past the calendar's end."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds >= 1_000_000_000 else None
    except (OverflowError, ValueError, OSError):
        return None


def decimal(text: str) -> datetime | None:
    """Seconds since 1970, in digits."""
    return _from_epoch(int(text)) if re.fullmatch(r"[0-9]{10,12}", text) else None


def milliseconds(text: str) -> datetime | None:
    """Milliseconds since 1970, in digits."""
    return _from_epoch(int(text) / 1000) if re.fullmatch(r"[0-9]{13}", text) else None


def hexadecimal(text: str) -> datetime | None:
    """Seconds since 1970, as eight hexadecimal digits."""
    return _from_epoch(int(text, 16)) if re.fullmatch(r"[0-9a-fA-F]{8}", text) else None


@lru_cache(1024)  # many links are signed within a second
def _compact(text: str) -> datetime | None:
    return _parsed(text, "%Y%m%dT%H%M%SZ") if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", text, re.IGNORECASE) else None


def _iso(text: str) -> datetime | None:
    """`2026-01-02`, `2026-01-02T03:04Z`, `2026-01-02T03:04:05Z`, with a fraction or not; the calendar is UTC."""
    match = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]{1,7})?Z)?", text)
    return _parsed(f"{match[1]}T{match[2] or '00:00'}{match[3] or ':00'}", "%Y-%m-%dT%H:%M:%S") if match else None


def _parsed(text: str, form: str, zone: timezone = UTC) -> datetime | None:
    try:
        instant = datetime.strptime(text.upper(), form).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if instant >= _CREATION else None


def _after(start: datetime | None, seconds: str) -> datetime | None:
    if start is None or not re.fullmatch(r"[0-9]{1,8}", seconds):
        return None  # no signer grants more than 30 days; ten digits are an instant in the place of a duration
    try:
        return start + timedelta(seconds=int(seconds))
    except OverflowError:
        return None


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant), default=None)


# ---------------------------------------------------------------------------------------------- readers


def _end(instant: datetime | None, start: datetime | None = None, bound: str | None = None) -> Expiry | None:
    return Expiry(instant, start, bound=bound) if instant else None


def _signed(instant: datetime | None) -> Expiry | None:
    """Only the signing time is in the link; how long it holds is set at the server, half an hour by default."""
    return Expiry(signed_at=instant, lifetime=timedelta(minutes=30)) if instant else None


def at(name: str, parse: Callable[[str], datetime | None] = decimal, ip: str = "") -> Reader:
    """Parameter `name` is the end; parameter `ip` ties the link to one address."""
    return lambda link: _end(parse(link[name]), bound="one IP address" if link[ip] else None)


def at_hex(name: str) -> Reader:
    """Parameter `name` is the end, in hexadecimal."""
    return at(name, hexadecimal)


def date_and_seconds(vendor: str) -> Reader:
    """`X-<vendor>-Date` + `X-<vendor>-Expires`: the family of AWS Signature V4."""
    return lambda link: _end(_after(_compact(link[f"x-{vendor}-date"]), link[f"x-{vendor}-expires"]))


def unknown(lifetime: timedelta | None = None, path: str = "") -> Reader:
    """It ends, or may be revoked, at a time that only the server knows."""
    return lambda link: Expiry(lifetime=lifetime) if re.match(path, link.path) else None


def unending(_: Link) -> Expiry:
    """It holds until somebody revokes it."""
    return Expiry(unending=True)


def cloudfront_policy(link: Link) -> Expiry | None:
    """A JSON policy in CloudFront's own base64."""
    policy: Any = _base64_json(link["policy"].translate(str.maketrans("-_~", "+=/")))
    try:
        conditions = policy["Statement"][0]["Condition"]
        end = _numeric_date(conditions["DateLessThan"]["AWS:EpochTime"])
        start = _numeric_date(conditions.get("DateGreaterThan", {}).get("AWS:EpochTime"))
        addresses = str(conditions.get("IpAddress", "0.0.0.0/0"))
    except (TypeError, KeyError, IndexError, AttributeError):
        return None
    return _end(end, start, None if "0.0.0.0/0" in addresses else "some IP addresses")


def azure(link: Link) -> Expiry | None:
    """Azure's shared access signature: the end of the signature or of its key; `si` keeps the end at the server."""
    end = _earliest(_iso(link["se"]), _iso(link["ske"]))
    start = max(filter(None, (_iso(link["st"]), _iso(link["skt"]))), default=None)
    bound = "some IP addresses" if link["sip"] else None
    return Expiry(end, start, bound=bound) if end or link["si"] else None


def cos(link: Link) -> Expiry | None:
    """`<start>;<end>` of the signature and of its key: the earlier end."""
    spans = [link[name].split(";") for name in ("q-sign-time", "q-key-time") if link[name]]
    if any(len(span) != 2 or not decimal(span[0]) or not decimal(span[1]) for span in spans):
        return None
    return _end(_earliest(*(decimal(end) for _, end in spans)), decimal(spans[0][0]) if spans else None)


def bos(link: Link) -> Expiry | None:
    """`bce-auth-v1/<key>/<start>/<seconds>/…`; -1 seconds: for ever."""
    fields = link["authorization"].split("/")
    if len(fields) < 4 or not fields[0].startswith("bce-auth-v"):
        return None
    start = _iso(fields[2])
    return Expiry(unending=True) if start and fields[3] == "-1" else _end(_after(start, fields[3]))


def signing_time(name: str) -> Reader:
    """`<time>-<random>-<uid>-<md5>`, the time in decimal or in hexadecimal."""

    def read(link: Link) -> Expiry | None:
        match = re.fullmatch(rf"([0-9a-fA-F]+)-[0-9A-Za-z]+-[0-9A-Za-z]+-{_MD5}", link[name])
        return _signed(decimal(match[1]) or hexadecimal(match[1])) if match else None

    return read


def cdn_path_b(link: Link) -> Expiry | None:
    """`/<signing time in China's zone>/<md5>/…`."""
    match = _PATH_B.match(link.path)
    return _signed(_parsed(match[1], "%Y%m%d%H%M", _UTC8)) if match else None


def cdn_path_c(link: Link) -> Expiry | None:
    """`/<md5>/<signing time in hexadecimal>/…`."""
    match = _PATH_C.match(link.path)
    return _signed(hexadecimal(match[1])) if match else None


def path_hex(link: Link) -> Expiry | None:
    """`/<md5>/<end in hexadecimal>/…`."""
    match = re.search(rf"/{_MD5}/([0-9a-fA-F]{{8}})/", link.path)
    return _end(hexadecimal(match[1])) if match else None


def sign_and_t(link: Link) -> Expiry | None:
    """`sign=<md5>&t=<time>`: Tencent writes the signing time, Qiniu the end. Only an end lies in the future."""
    instant = hexadecimal(link["t"]) or decimal(link["t"])
    if not instant or not re.fullmatch(_MD5, link["sign"]):
        return None
    return _end(instant) if instant > link.now else _signed(instant)


def qiniu(link: Link) -> Expiry | None:
    """`e=<end>` beside `token=<key>:<signature>`."""
    return _end(decimal(link["e"])) if ":" in link["token"] else None


def upyun(link: Link) -> Expiry | None:
    """Eight digits of a hash, then the end."""
    return _end(decimal(link["_upt"][8:]))


def edge_auth(link: Link) -> Expiry | None:
    """`st=…~exp=…~acl=…~hmac=…` in one parameter."""
    for name in ("hdnts", "hdnea", "hdntl", "__token__"):
        fields = dict(field.partition("=")[::2] for field in link[name].split("~"))
        if instant := decimal(fields.get("exp", "")):
            return _end(instant, decimal(fields.get("st", "")), "one IP address" if fields.get("ip") else None)
    return None


def baidu_pan(link: Link) -> Expiry | None:
    """`time=<start>&expires=8h`."""
    hours = re.fullmatch(r"([0-9]{1,4})h", link["expires"])
    return _end(_after(decimal(link["time"]), str(int(hours[1]) * 3600))) if hours else None


_TOKEN = re.compile(r"eyJ[\w-]*\.([\w-]+)\.[\w-]*", re.ASCII)


def jwt(link: Link) -> Expiry | None:
    """A JSON Web Token, in a parameter or in the path (RFC 7519, section 4.1); its signature is not checked."""
    for text in (*link.parameters.values(), *link.path.split("/")):
        match = _TOKEN.fullmatch(text) if text.startswith("eyJ") else None
        claims = _base64_json(match[1].translate(str.maketrans("-_", "+/"))) if match else None
        if isinstance(claims, dict) and (end := _numeric_date(claims.get("exp"))):
            return _end(end, _numeric_date(claims.get("nbf")))
    return None


def _numeric_date(value: object) -> datetime | None:
    return _from_epoch(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _base64_json(text: str) -> object:
    try:
        return json.loads(base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True))
    except (ValueError, RecursionError):
        return None


_ENDS = ("expires", "expire", "exp", "expiry", "expiration", "expirationtimestamp", "deadline", "x-expires", "validto")
_SHORT_ENDS = ("e", "t", "ex", "oe")
_SECRET_NAME = re.compile(r"sig|token|key|secret|auth|credential|policy|jwt|hmac|pass|pwd|code|session|hash|md5")


def by_name(link: Link) -> Expiry | None:
    """Read whatever is named like an end. A bare `t=` or `e=` counts only beside something that is named like a key."""
    signed = any(map(_SECRET_NAME.search, link.parameters))
    instants = [
        instant
        for name in (*_ENDS, *(_SHORT_ENDS if signed else ()))
        if (instant := _some_instant(link[name], link.now))
    ]
    instants += [
        instant
        for name in link.parameters
        if (match := re.fullmatch(r"(.*)expires", name)) and re.fullmatch(r"[0-9]{1,8}", link[name])
        if (instant := _after(_compact(link[f"{match[1]}date"]), link[name]))
    ]
    return _end(_earliest(*instants))


def _some_instant(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    instant = decimal(text) or milliseconds(text) or hexadecimal(text) or _iso(text)
    near = instant and now - timedelta(days=5 * 365) <= instant <= now + timedelta(days=10 * 365)
    return instant if near else None
