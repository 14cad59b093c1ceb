"""Which object a URL names, whoever signed the URL and until when.

Every signing makes a new URL of the same object, so what belongs to the signature is left out; host, path and every
other parameter count. What is left out wrongly makes one object of two, so a name alone is not enough: the signature
must be of a known form. It may also be of an unknown one when the path names a media file, and the URL tells an end.

A signature inside the path is part of the path: such URLs name a new object each time they are signed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from preflight.deliver import ends
from preflight.deliver.ends import Link
from preflight.deliver.presigned import fitting
from preflight.deliver.url import cut, host_of, port_of

if TYPE_CHECKING:
    from preflight.deliver.url import UrlParts

#: Unmistakable. The vendors have others (`x-oss-process=image/resize`) that do name the object.
_OF_A_SIGNER = re.compile(
    r"x-(?:amz|goog|tos|oss|obs)-(?:algorithm|credential|date|expires|signed-?headers|additional-headers|signature"
    r"|signature-version|access-key-id|content-sha256|policy)|(?:x-[a-z]+-)?security-token"
)
#: What a signer writes beside the marks by which `presigned.py` knows it.
_BESIDE = {
    "Azure SAS": "ss srt sr sp st spr sip se si ses sdd skoid sktid skt ske sks skv saoid suoid scid",
    "ByteDance": "x-orig-sign x-orig-authkey",
    "CloudFront canned policy": "hash-algorithm",
    "CloudFront custom policy": "hash-algorithm",
    "Notion": "signature",
    "Tencent COS": "q-ak q-key-time q-header-list q-url-param-list q-signature",
    "Tencent VOD key": "us exper rlimit",
}
_OF_ANY_SIGNATURE = re.compile(
    r"(?:access_|auth_)?token|auth|authorization|jwt|hmac|sig|sign|(?:x-)?signature"
    r"|exp|expiration|expire|(?:x-)?expires|expiry|deadline|validto"
)
_MEDIA_FILE = re.compile(
    r"\.(?:mp4|mov|m4v|3gp|webm|mkv|avi|ts|jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf])", re.IGNORECASE
)


@lru_cache(1024)  # asked for before a medium is fetched and after it: as many as may be under way
def identity(url: str) -> tuple[str, ...] | None:
    """The object's scheme, host, port, path and parameters; None: `url` is no URL that could be fetched.

    It may hold a secret of a signer that nobody knows: hash it before it is kept.
    """
    host, port = host_of(url), port_of(url)
    if host is None or port is None:
        return None
    parts = cut(url)
    fields: list[str] = [] if parts.query is None else parts.query.split("&")
    gone = _signature(host, parts) if parts.query else frozenset()
    return parts.scheme, host, str(port), parts.path or "/", *(field for field in fields if _name(field) not in gone)


def _signature(host: str, parts: UrlParts) -> frozenset[str]:
    """Names of the parameters that sign the URL, in lower case."""
    link = _taken_apart(host, parts)
    path_names_it = _MEDIA_FILE.fullmatch(link.path[link.path.rfind(".") :]) is not None
    names = {name for name in link.parameters if _OF_A_SIGNER.fullmatch(name)}
    ending = False
    for scheme in fitting(link):
        if (scheme.confidence == "high" or path_names_it) and scheme.read(link):
            names.update(scheme.needs.replace("|", " ").split(), _BESIDE.get(scheme.name, "").split())
            ending = True
    if path_names_it and (ending or ends.by_name(link)):
        names.update(name for name in link.parameters if _OF_ANY_SIGNATURE.fullmatch(name))
    return frozenset(names & link.parameters.keys())


def _taken_apart(host: str, parts: UrlParts) -> Link:
    """As `presigned.py` reads a link: of a name that is given twice nobody knows which value counts."""
    values: dict[str, set[str]] = {}
    for field in (parts.query or "").split("&"):
        name, equals, value = field.partition("=")
        if equals:
            values.setdefault(_name(name), set()).add(unquote(value, errors="replace"))
    single = {name: next(iter(given)) for name, given in values.items() if len(given) == 1}
    return Link(host, unquote(parts.path, errors="replace"), single, datetime.now(UTC))


def _name(field: str) -> str:
    return unquote_plus(field.partition("=")[0], errors="replace").lower()
