"""Every exception and every status has a cause, and no foreign text enters a report."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver.backend import NotPublic
from preflight.deliver.failure import LIBRARY, RETRIED, failure_of, status_failure
from preflight.deliver.library import httpcore, httpx
from preflight.facts import Cause

if TYPE_CHECKING:
    from types import ModuleType

SECRET = "https://host/clip.mp4?X-Amz-Signature=SECRET"  # noqa: S105


def exceptions(library: ModuleType) -> list[type[Exception]]:
    return [
        kind
        for name in library.__all__
        if isinstance(kind := getattr(library, name), type) and issubclass(kind, Exception)
    ]


def raised(kind: type[Exception], *args: object) -> Exception:
    error = kind.__new__(kind)
    error.args = args
    return error


@pytest.mark.parametrize(
    "kind", exceptions(httpx) + exceptions(httpcore), ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_every_exception_of_the_library_is_in_the_table(kind: type[Exception]) -> None:
    """When the library grows an exception, this test asks what it means."""
    assert any(issubclass(kind, listed) for listed, _ in LIBRARY)
    failure = failure_of(raised(kind, SECRET))
    assert "SECRET" not in failure.detail


def test_no_entry_of_the_table_is_dead() -> None:
    """A general entry never stands before a special one."""
    for position, (kind, _) in enumerate(LIBRARY):
        assert not any(issubclass(kind, earlier) for earlier, _ in LIBRARY[:position])


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, SECRET)
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (verification(9), Cause.TLS_EXPIRED),
        (verification(10), Cause.TLS_EXPIRED),
        (verification(62), Cause.TLS_WRONG_HOST),
        (verification(64), Cause.TLS_WRONG_HOST),
        (verification(18), Cause.TLS_SELF_SIGNED),
        (verification(20), Cause.TLS_UNTRUSTED),
        (verification(23), Cause.TLS_UNTRUSTED),
        (ssl.SSLError(1, SECRET), Cause.TLS_FAILED),
        (socket.gaierror(socket.EAI_NONAME, SECRET), Cause.NO_SUCH_HOST),
        (socket.gaierror(socket.EAI_NODATA, SECRET), Cause.NO_SUCH_HOST),
        (socket.gaierror(socket.EAI_AGAIN, SECRET), Cause.DNS_FAILED),
        (socket.gaierror(socket.EAI_FAIL, SECRET), Cause.DNS_FAILED),
        (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), Cause.REFUSED),
        (OSError(errno.ENETUNREACH, SECRET), Cause.UNREACHABLE),
        (OSError(errno.EHOSTUNREACH, SECRET), Cause.UNREACHABLE),
        (TimeoutError(errno.ETIMEDOUT, SECRET), Cause.TIMEOUT),
        (ConnectionResetError(errno.ECONNRESET, SECRET), Cause.CONNECTION_LOST),
        (OSError(errno.EMFILE, SECRET), Cause.MACHINE),
        (UnicodeError(SECRET), Cause.INVALID_URL),
        (NotPublic("h.example", "10.0.0.1", "a private address"), Cause.NOT_PUBLIC),
        (None, Cause.UNREACHABLE),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_the_cause_is_found_in_the_chain(error: Exception | None, cause: Cause, depth: int) -> None:
    """However deep the library wraps it, what the system said decides."""
    wrapped: Exception = httpcore.ConnectError(SECRET)
    link = wrapped
    for _ in range(depth):
        link.__context__ = OSError(SECRET)
        link = link.__context__
    link.__cause__ = ExceptionGroup("several", [error]) if error and depth == 3 else error
    failure = failure_of(wrapped)
    assert failure.cause is cause
    assert "SECRET" not in failure.detail


def test_a_chain_in_a_circle_ends() -> None:
    """An exception may be its own context's context."""
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__context__, second.__context__ = second, first
    assert failure_of(first).cause is Cause.BAD_HTTP


def test_lost_or_broken() -> None:
    """The same protocol error means a lost connection when the other side had hung up."""
    assert failure_of(httpcore.RemoteProtocolError(SECRET)).cause is Cause.BAD_HTTP
    assert failure_of(httpcore.RemoteProtocolError(SECRET), lost=True).cause is Cause.CONNECTION_LOST
    assert failure_of(ssl.SSLError(1, SECRET), lost=True).cause is Cause.CONNECTION_LOST


@given(st.integers(100, 999), st.none() | st.floats(0, 1e6))
def test_every_status(status: int, pause: float | None) -> None:
    """A status is a delivery or has a cause; 2xx is one, nothing else is."""
    failure = status_failure(status, pause)
    assert (failure is None) == (status // 100 == 2)
    if failure is not None:
        assert (failure.status, failure.retry_after) == (status, pause)
        assert (failure.cause in RETRIED) == (status == 429 or status >= 500)


def test_what_is_tried_again_may_pass() -> None:
    """Nothing is retried that the provider would meet just the same, but a refused connection."""
    assert {cause for cause in RETRIED if not cause.passing} == {Cause.REFUSED}


def test_a_name_without_an_address_is_not_an_unknown_name() -> None:
    """Whose word it is, and what it says, are told apart."""
    unknown, empty = (failure_of(socket.gaierror(code, SECRET)) for code in (socket.EAI_NONAME, socket.EAI_NODATA))
    assert unknown.detail == "this machine's name server knows no host of that name"
    assert empty.detail == "the name exists, but it has no address"
