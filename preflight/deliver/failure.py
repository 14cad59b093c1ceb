"""What went wrong, from what was raised or answered: one table for exceptions, one for statuses.

The cause is found along the whole chain of an exception, because libraries wrap what the system said. The words are
ours: a library's text may hold the URL, and with it a secret.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING

from preflight.deliver.backend import NotPublic
from preflight.deliver.connection import IncompleteChain, TooSlow
from preflight.deliver.library import httpcore, httpx
from preflight.deliver.meter import Flooded
from preflight.facts import Cause, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Causes that another attempt may cure within seconds.
RETRIED = frozenset(
    {
        Cause.DNS_FAILED,
        Cause.REFUSED,
        Cause.UNREACHABLE,
        Cause.CONNECTION_LOST,
        Cause.RATE_LIMITED,
        Cause.SERVER_ERROR,
    }
)

_BROKEN = Failure(Cause.BAD_HTTP, "what it sends cannot be read as an answer")
_LOST = Failure(Cause.CONNECTION_LOST, "the connection broke before the answer was complete")
_SILENT = Failure(Cause.TIMEOUT, "the server did not answer in time")
_NO_CONNECTION = Failure(Cause.UNREACHABLE, "no connection to the server could be made")
_NO_ROOM = Failure(Cause.MACHINE, "too many files and connections are open to make another one")
_BAD_URL = Failure(Cause.INVALID_URL, "the URL cannot be requested")

#: Every exception of the HTTP library, most specific first (a test holds the table complete).
LIBRARY: tuple[tuple[type[Exception], Failure], ...] = (
    (httpx.TimeoutException, _SILENT),
    (httpcore.TimeoutException, _SILENT),
    (httpx.ConnectError, _NO_CONNECTION),
    (httpcore.ConnectError, _NO_CONNECTION),
    (httpx.NetworkError, _LOST),
    (httpcore.NetworkError, _LOST),
    (httpx.UnsupportedProtocol, _BAD_URL),
    (httpcore.UnsupportedProtocol, _BAD_URL),
    (httpx.InvalidURL, _BAD_URL),
    (httpx.HTTPError, _BROKEN),
    (httpx.StreamError, _BROKEN),
    (httpx.CookieConflict, _BROKEN),
    (httpcore.ProtocolError, _BROKEN),
    (httpcore.ProxyError, Failure(Cause.UNREACHABLE, "the proxy opens no connection to the server")),
    (httpcore.ConnectionNotAvailable, _NO_CONNECTION),
)

_CERTIFICATE = {  # X509_V_ERR_*
    9: (Cause.TLS_EXPIRED, "the certificate is not valid yet"),
    10: (Cause.TLS_EXPIRED, "the certificate has expired"),
    62: (Cause.TLS_WRONG_HOST, "the certificate is for another host"),
    64: (Cause.TLS_WRONG_HOST, "the certificate is for another address"),
    18: (Cause.TLS_SELF_SIGNED, "the certificate is signed by itself"),
    19: (Cause.TLS_UNTRUSTED, "the certificate chain ends in an unknown authority"),
    2: (Cause.TLS_UNTRUSTED, "the certificate is signed by an unknown authority"),
    20: (Cause.TLS_UNTRUSTED, "the certificate is signed by an unknown authority"),
    21: (Cause.TLS_UNTRUSTED, "the certificate is signed by an unknown authority"),
}

_NO_ADDRESS = getattr(socket, "EAI_NODATA", None)

_SYSTEM = {
    errno.ECONNREFUSED: Failure(Cause.REFUSED, "the server refuses connections at this port"),
    errno.ENETUNREACH: Failure(Cause.UNREACHABLE, "there is no route to the server's network"),
    errno.EHOSTUNREACH: Failure(Cause.UNREACHABLE, "there is no route to the server"),
    errno.EADDRNOTAVAIL: Failure(Cause.UNREACHABLE, "this machine has no address to reach the server from"),
    errno.EMFILE: _NO_ROOM,
    errno.ENFILE: _NO_ROOM,
    errno.EBUSY: _NO_ROOM,  # what the lookup of a name says when it can open no file
    errno.ENETDOWN: Failure(Cause.UNREACHABLE, "the network is down"),
    errno.ETIMEDOUT: _SILENT,
    errno.ECONNRESET: _LOST,
    errno.ECONNABORTED: _LOST,
    errno.EPIPE: _LOST,
}

_STATUS = {
    401: (Cause.UNAUTHORIZED, "the server wants a login"),
    403: (Cause.FORBIDDEN, "the server forbids it"),
    404: (Cause.NOT_FOUND, "there is nothing at this URL"),
    410: (Cause.GONE, "the server says that it is gone for good"),
    429: (Cause.RATE_LIMITED, "the server limits the rate of requests"),
}


def failure_of(error: BaseException, *, lost: bool = False) -> Failure:
    """Why a request ended in `error`. `lost`: the other side had closed the connection by then."""
    chain = tuple(_chain(error))
    for link in chain:
        if (failure := _of_system(link)) is not None:
            return failure
    for link in chain:
        if isinstance(link, ssl.SSLError) and any(isinstance(other, httpcore.ConnectError) for other in chain):
            return Failure(Cause.TLS_FAILED, "no encrypted connection could be agreed on")
    if lost:
        return _LOST
    for link in chain:
        for kind, failure in LIBRARY:
            if isinstance(link, kind):
                return failure
    return _BROKEN


#: What our own side of the connection says, beside `NotPublic`.
_OURS: dict[type[BaseException], Failure] = {
    IncompleteChain: Failure(Cause.TLS_INCOMPLETE, "the server leaves out the certificate that signed its own"),
    TooSlow: Failure(Cause.TIMEOUT, "the server sends too few bytes a second for the answer to end"),
    Flooded: Failure(Cause.BUDGET, "the server sends more than the byte budget before its answer is complete"),
}


def _of_system(error: BaseException) -> Failure | None:
    """What our guard, the certificate check, the resolver or the operating system said."""
    match error:
        case NotPublic():
            where = error.address if error.host in {"", error.address} else f"{error.host} is {error.address}"
            return Failure(Cause.NOT_PUBLIC, f"{where}, {error.fault}")
        case ssl.SSLCertVerificationError():
            unknown = (Cause.TLS_UNTRUSTED, "the certificate is not accepted")
            cause, detail = _CERTIFICATE.get(error.verify_code, unknown)
            return Failure(cause, detail)
        case socket.gaierror():
            return _of_lookup(error)
        case UnicodeError():
            return Failure(Cause.INVALID_URL, "the host name cannot be looked up as it is spelled")
        case OSError() if not isinstance(error, ssl.SSLError):
            return _SYSTEM.get(error.errno or 0)
    return _OURS.get(type(error))


def _of_lookup(error: socket.gaierror) -> Failure:
    if error.errno == socket.EAI_NONAME:
        return Failure(Cause.NO_SUCH_HOST, "this machine's name server knows no host of that name")
    if error.errno == _NO_ADDRESS:
        return Failure(Cause.NO_SUCH_HOST, "the name exists, but it has no address")
    return Failure(Cause.DNS_FAILED, "this machine's name server gave no answer")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and what it was raised in; each once."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions
        waiting += [cause for cause in (link.__cause__, link.__context__) if cause is not None]


def status_failure(status: int, pause: float | None) -> Failure | None:
    """Why a final status is no delivery; None for one that comes with the file. `pause`: its Retry-After."""
    if 200 <= status < 300:
        return None
    if status in _STATUS:
        cause, detail = _STATUS[status]
    elif status >= 500:
        cause, detail = Cause.SERVER_ERROR, "the server failed"
    else:
        cause, detail = Cause.STATUS, "the server did not send the file"
    return Failure(cause, f"{detail} (status {status})", status=status, retry_after=pause)
