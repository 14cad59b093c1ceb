"""What the text of a URL tells: whether it is one, whether its form is sound, whose host it names, how to show it.

Form is judged on the raw text, before any parser and any name lookup. Parsers repair what they read (they drop tabs
and line breaks, turn backslashes, decode hosts), each in its own way, and where two of them disagree a URL means one
host to the checker and another to the fetcher. So what a parser would have to repair is refused.

Showing is an allow-list: host, readable path, parameter names. A value is replaced unless both its name and its
shape are known to be harmless.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple
from urllib.parse import unquote

from preflight.deliver.address import address_fault

LONGEST_URL = 8192
#: A URL is looked at from many sides within one check: so many of the last ones are remembered.
_RECENT = 8192
#: What stands for a removed part.
GONE = "…"

FaultKind = Literal["scheme-missing", "scheme", "characters", "length", "userinfo", "host", "port-number", "port"]


@dataclass(frozen=True, slots=True)
class UrlFault:
    """What is wrong with a URL's form. `detail` completes "the URL …" and repeats nothing that may be a secret."""

    kind: FaultKind
    detail: str


class UrlParts(NamedTuple):
    """A URL cut at its delimiters (RFC 3986, appendix B), nothing decoded and nothing repaired."""

    scheme: str
    """Lower case; empty where there is none."""
    authority: str | None
    path: str
    query: str | None
    fragment: str | None


_CUT = re.compile(r"(?s)(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?")
_MEANT_AS_URL = re.compile(
    r"\s*(?:[A-Za-z][A-Za-z0-9+.-]+://|(?:https?|data|blob|javascript|mailto|about|ftp|file):)", re.IGNORECASE
)
_PLAIN = re.compile(r"[!-\[\]-~]*")  # printable ASCII without a backslash
_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IDEOGRAPHIC_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")

#: Ports that browsers refuse to fetch from (WHATWG Fetch, "port blocking"), and those of well-known data stores.
# fmt: off
_BLOCKED_PORTS = frozenset((
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    1433, 1521, 2375, 2379, 3306, 3389, 5432, 5900, 6379, 11211, 27017,
))
# fmt: on


def is_url(reference: str) -> bool:
    """Tell a URL, sound or not, from a local path: it brings a scheme of its own (`http://`, `s3://`, `data:`)."""
    return _MEANT_AS_URL.match(reference) is not None


@lru_cache(_RECENT)
def cut(url: str) -> UrlParts:
    """Cut any text at its delimiters."""
    match = _CUT.fullmatch(url)
    # Every part is optional and the path takes what is left, so there always is a match.
    scheme, authority, path, query, fragment = match.groups() if match else ("", None, url, None, None)
    return UrlParts((scheme or "").lower(), authority, path, query, fragment)


@lru_cache(_RECENT)
def host_of(url: str) -> str | None:
    """Name the host as a resolver is asked for it: lower case, A-labels, no final dot, no brackets.

    None for a URL whose form is not sound; a fault of the port alone leaves the host what it is.
    """
    fault = url_fault(url)
    if fault is not None and fault.kind not in ("port-number", "port"):
        return None
    host, _ = _split_port(cut(url).authority or "")
    return host[1:-1].lower() if host.startswith("[") else _ascii_host(host)


def port_of(url: str) -> int | None:
    """Tell the port that a sound URL names or implies."""
    if url_fault(url) is not None:
        return None
    parts = cut(url)
    _, port = _split_port(parts.authority or "")
    return int(port) if port else {"http": 80, "https": 443}[parts.scheme]


def literal_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read the address that a host of `host_of` *is*; None: it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def names_private_address(url: str) -> bool:
    """Tell whether the host is an address, and one that is not public; looks nothing up."""
    address = literal_address(host_of(url) or "")
    return address is not None and address_fault(address) is not None


# ------------------------------------------------------------------------------------------------ form

_QUOTES = "\"'`<>\u2018\u2019\u201c\u201d\u00ab\u00bb"
_MAIMED_SCHEME = re.compile(r"(https?)(?::/{0,2}|/{2})(?=[^/:])", re.IGNORECASE)


def repaired(text: str) -> str | None:
    """Write the sound URL that a slip of typing or pasting was meant to be; None: it is no such slip, or sound already.

    Quotes or white space around it, a colon or slash of `https://` left out, spaces inside.
    """
    meant = text.strip().strip(_QUOTES).strip()
    meant = _MAIMED_SCHEME.sub(lambda match: f"{match[1].lower()}://", meant, count=1) if meant[:4].isalpha() else meant
    meant = meant.replace(" ", "%20")
    return meant if meant != text and url_fault(meant) is None else None


@lru_cache(_RECENT)
def url_fault(text: str) -> UrlFault | None:
    """Find the first thing wrong with the form of a media URL, or None. Looks nothing up."""
    if len(text) > LONGEST_URL:
        return UrlFault("length", f"is {len(text)} characters long; {LONGEST_URL} are the most that is fetched")
    if fault := _character_fault(text):
        return fault
    parts = cut(text)
    if not parts.scheme:
        return UrlFault("scheme-missing", "has no scheme; it must begin with https://")
    if parts.scheme not in ("http", "https"):
        if not is_url(text):  # `example.com:8080/x`: what stands before the colon is a host
            return UrlFault("scheme-missing", "has no scheme; it must begin with https://")
        return UrlFault("scheme", f"has the scheme {_shown_scheme(parts.scheme)}; only http and https are fetched")
    if not parts.authority:
        return UrlFault("host", "names no host")
    if "@" in parts.authority:
        return UrlFault("userinfo", "carries a user name or password before the host")
    host, port = _split_port(parts.authority)
    return _host_fault(host) or _port_fault(port)


def _character_fault(text: str) -> UrlFault | None:
    if _PLAIN.fullmatch(text):
        return None
    for position, character in enumerate(text, start=1):
        category = unicodedata.category(character)
        if character == "\\":
            name = "a backslash"
        elif category in ("Zs", "Zl", "Zp") or character in "\t\n\r":
            name = "white space" if character != " " else "a space"
        elif category in ("Cc", "Cf", "Cs"):
            name = f"an invisible character (U+{ord(character):04X})"
        else:
            continue
        return UrlFault("characters", f"holds {name} (character {position} of {len(text)})")
    return None


def _split_port(authority: str) -> tuple[str, str | None]:
    """Host (brackets kept) and port text; None where no colon follows the host."""
    bracket = authority.rfind("]")
    host, colon, port = authority[bracket + 1 :].partition(":")
    return authority[: bracket + 1] + host, port if colon else None


@lru_cache(_RECENT)
def _host_fault(host: str) -> UrlFault | None:
    if host.startswith("["):
        return None if _is_ipv6(host) else UrlFault("host", "has brackets around something that is no IPv6 address")
    if not host:
        return UrlFault("host", "names no host")
    name = _ascii_host(host)
    if name is None:
        return UrlFault("host", "has a host name that no name server can be asked for (look-alike or illegal letters)")
    labels = name.split(".")
    if len(name) > 253 or any(len(label) > 63 for label in labels):
        return UrlFault("host", "has a host name longer than the name system allows (253 in all, 63 between dots)")
    if not all(labels):
        return UrlFault("host", "has a host name with two dots in a row, or one at its start")
    if _NUMBER.fullmatch(labels[-1]):
        if isinstance(literal_address(name), ipaddress.IPv4Address):
            return None
        return UrlFault("host", "has a host of digits that is no plain IPv4 address")
    if not all(map(_LABEL.fullmatch, labels)):
        return UrlFault("host", "has a host name with characters that host names do not have")
    return None


def _is_ipv6(host: str) -> bool:
    try:
        return host.endswith("]") and "%" not in host and bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False


@lru_cache(_RECENT)
def _ascii_host(host: str) -> str | None:
    """Write the host in A-labels, lower case, without the final dot; None: not a name of IDNA 2008."""
    name = host.lower().translate(_IDEOGRAPHIC_DOTS).removesuffix(".")
    if name.isascii() and "xn--" not in name:
        return name
    if len(name) > 253 or unicodedata.normalize("NFKC", name) != name:
        return None
    import idna  # noqa: PLC0415  (httpx brings it and encodes by it too; few hosts need it)

    try:
        ascii_name = name if name.isascii() else idna.encode(name).decode("ascii")
        idna.decode(ascii_name)
    except (idna.IDNAError, UnicodeError):
        return None
    return ascii_name


def _port_fault(port: str | None) -> UrlFault | None:
    if not port:  # absent, or the empty port that RFC 3986 allows
        return None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return UrlFault("port-number", "has a port that is no number from 1 to 65535")
    if int(port) in _BLOCKED_PORTS:
        return UrlFault("port", f"has port {int(port)}, which belongs to another protocol and is never fetched from")
    return None


# ------------------------------------------------------------------------------------------- redaction

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:$\[\]-]{0,39}")
_FLAG = r"0|1|true|false|yes|no|t"
_HARMLESS_VALUES: dict[str, re.Pattern[str]] = {
    name: re.compile(shape, re.IGNORECASE)
    for names, shape in (
        ("response-content-type content-type mime", r"(?:image|video|application)(?:/|%2f)[a-z0-9.+-]{2,40}"),
        ("width height w h q quality dpr page fps", r"[0-9]{1,5}"),
        ("format fm fmt ext", r"jpe?g|png|webp|gif|avif|heic|bmp|tiff?|mp4|mov|m4v|webm|mkv|auto"),
        ("dl raw download inline confirm", _FLAG),
        ("export", "download|view"),
        ("alt", "media|json"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-goog-algorithm", "GOOG4-(?:RSA|HMAC)-SHA256"),
        ("x-tos-algorithm", "TOS4-HMAC-SHA256"),
        ("x-oss-signature-version", "OSS4-HMAC-SHA256"),
        ("x-amz-signedheaders x-goog-signedheaders x-tos-signedheaders", "host"),
        ("x-amz-date x-goog-date x-tos-date x-oss-date x-obs-date", r"[0-9]{8}T[0-9]{6}Z"),
        ("x-amz-expires x-goog-expires x-tos-expires x-oss-expires x-obs-expires", r"[0-9]{1,10}"),
        ("expires x-expires expire deadline", r"[0-9]{10}"),
        ("se st ske skt", r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}(?::|%3A)[0-9]{2}(?:(?::|%3A)[0-9]{2})?Z)?"),
        ("sp", "r"),
        ("spr", "https"),
        ("sr", "[bcf]"),
    )
    for name in names.split()
}
_UUID = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])", re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_HEX_RUN = re.compile(r"[0-9a-fA-F]{16,}")
_LONG_RUN = re.compile(r"[0-9A-Za-z]{24,}")
_WORD = re.compile(r"[0-9A-Za-z]+")
#: Hosts whose paths open the door: which, and the part of the path that may be shown before the file's extension.
_SECRET_PATHS = (
    (re.compile(r"(?:[\w.-]+\.)?dropboxusercontent\.com"), re.compile(r"/cd/0/get|/apitl/1")),
    (re.compile(r"(?:[\w.-]+\.)?googleusercontent\.com"), re.compile(r"")),
    (re.compile(r"api\.telegram\.org"), re.compile(r"/file")),
)


@lru_cache(_RECENT)
def redact(reference: str) -> str:
    """Write the reference as it may be shown anywhere; a local path stays as it is. Any text is accepted."""
    if not is_url(reference):
        return _shown_path_or_bare_url(reference)
    parts = cut(reference.strip())
    if parts.authority is None:
        kept = re.match(r"[\w.+-]{1,40}/[\w.+-]{1,40}(?=[;,])", parts.path) if parts.scheme == "data" else None
        return f"{parts.scheme}:{kept[0] if kept else ''}{GONE}"
    host = _shown_host(parts.authority)
    if host is None:  # where a host's bounds are unclear, so are those of a password
        return f"{_shown_scheme(parts.scheme)}://{GONE}"
    if len(reference) > LONGEST_URL:
        return f"{_shown_scheme(parts.scheme)}://{host}/{GONE}"
    return f"{_shown_scheme(parts.scheme)}://{host}{_shown_path(host, parts.path)}{_shown_query(parts.query)}"


def _shown_path_or_bare_url(reference: str) -> str:
    """Without a scheme it is a path, or a URL that lacks one and carries a query or a password all the same."""
    if len(reference) > LONGEST_URL:  # no path is that long; pasted media may be
        return f"{reference[:40]}{GONE}"
    user, at, rest = reference.partition("@")
    if at and ":" in user and not re.search(r"[/\\]", user.lstrip("/")):
        reference = f"{GONE}@{rest}"
    path, _, query = reference.partition("?")
    return path + _shown_query(query.partition("#")[0]) if "=" in query else reference


def _shown_scheme(scheme: str) -> str:
    return scheme if len(scheme) <= 12 else f"{scheme[:12]}{GONE}"


def _shown_host(authority: str) -> str | None:
    """Host and port, userinfo removed; None where the form leaves doubt about where the host ends."""
    host, port = _split_port(authority.rpartition("@")[2])
    if not re.fullmatch(r"[\w.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\]", host) or not re.fullmatch(r"[0-9]{0,5}", port or ""):
        return None
    return host if port is None else f"{host}:{port}"


def _shown_path(host: str, path: str) -> str:
    for hosts, prefix in _SECRET_PATHS:
        if hosts.fullmatch(host.partition(":")[0].lower()) and (kept := prefix.match(path)):
            extension = _EXTENSION.search(path)
            return f"{kept[0]}/{GONE}{extension[0] if extension else ''}"
    return "/".join(map(_shown_segment, path.split("/")))


def _shown_segment(segment: str) -> str:
    plain = unquote(segment, errors="replace")
    if plain != segment:
        # Delimiters hidden by percent-encoding: no telling what the segment holds.
        hidden = re.search(r"[/?&=;@#:%]", plain) is not None
        return GONE if hidden else segment if _shown_word(plain) == plain else _shown_word(plain)
    user, at, rest = segment.rpartition("@")
    if at and ":" in user:
        segment = f"{GONE}@{rest}"
    if "=" not in segment:
        return _shown_word(segment)
    return "".join(  # matrix parameters, or a query whose question mark is missing
        f"{_shown_name(field)}={GONE}" if "=" in field else field if field in ("&", ";") else _shown_word(field)
        for field in re.split(r"([&;])", segment)
    )


def _shown_name(field: str) -> str:
    name = field.partition("=")[0]
    return name if _NAME.fullmatch(name) and not _looks_secret(name) else GONE


def _shown_word(word: str) -> str:
    """Keep a word of a path, or only its extension where it looks like a key rather than a name."""
    if re.fullmatch(r"s--[\w-]+--", word):  # Cloudinary's signature
        return f"s--{GONE}--"
    if _JWT.search(word) or re.match(r"(?i)bot[0-9]+:", word):
        return GONE
    extension = _EXTENSION.search(word)
    stem = word[: extension.start()] if extension else word
    return f"{GONE}{extension[0] if extension else ''}" if _looks_secret(stem) else word


def _looks_secret(text: str) -> bool:
    """Long hexadecimal, base64 or random letters? Words, dates, numbers and UUIDs (names of objects) are not."""
    text = _UUID.sub("-", text)
    if _LONG_RUN.search(text) or any(not run.isdigit() for run in _HEX_RUN.findall(text)):
        return True
    return len(text) >= 16 and sum(map(_class_changes, _WORD.findall(text))) >= 3


def _class_changes(word: str) -> int:
    """Count how often small letters, capitals and digits take turns; a capital that begins a word does not count."""
    kinds = "".join("d" if character.isdigit() else "U" if character.isupper() else "l" for character in word)
    return sum(before != after and before + after != "Ul" for before, after in pairwise(kinds))


def _shown_query(query: str | None) -> str:
    if query is None:
        return ""
    shown = []
    for field in re.split(r"[&;]", query):
        name, equals, value = field.partition("=")
        harmless = _HARMLESS_VALUES.get(name.lower())
        if not equals:
            shown.append(name if name.lower() in ("", "raw", "download", "inline", "dl") else GONE)
        elif harmless and harmless.fullmatch(value):
            shown.append(field)
        else:
            shown.append(f"{_shown_name(field)}={GONE}" if value else f"{_shown_name(field)}=")
    return "?" + "&".join(shown)
