"""Why a certificate cannot be traced to a known authority: because nobody knows that, or because a link is missing.

Verification says the same of both. Browsers hide the second case, because they fetch the missing certificate from the
address that the server's own one names; servers that download media do not, so it is the one that puzzles people.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any

from preflight.deliver.library import httpcore
from preflight.deliver.network import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: OpenSSL's verify codes for "the issuer is not here" (X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT and its two sisters).
_NO_ISSUER = frozenset({2, 20, 21})
#: The second look is worth so many seconds.
_SECONDS = 3.0


async def lacks_link(error: Exception, peer: tuple[Any, ...], host: str | None) -> bool:
    """Did the handshake with `peer` fail because the server sends its own certificate without the one that signed it?

    Asks the very same address again, verifying nothing and sending nothing, to see what it presents.
    """
    refusal = error.__cause__
    if not isinstance(refusal, ssl.SSLCertVerificationError) or refusal.verify_code not in _NO_ISSUER:
        return False
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
        stream = await connect(peer[0], peer[1], _SECONDS)
        encrypted = await stream.start_tls(context, host, _SECONDS)
        try:
            return _is_incomplete(_presented(encrypted.get_extra_info("ssl_object")))
        finally:
            await encrypted.aclose()
    return False


def _presented(connection: Any) -> list[Mapping[str, Any]]:
    """Every certificate that the server sent, decoded."""
    # The objects that know how to decode an unverified certificate are reached through an internal name up to 3.12.
    # Python 3.13 has a public `get_unverified_chain`, which gives bytes that only this same object can decode.
    return [certificate.get_info() for certificate in connection._sslobj.get_unverified_chain()]  # noqa: SLF001


def _is_incomplete(chain: Sequence[Mapping[str, Any]]) -> bool:
    """Is it one certificate, signed by another one that can be fetched where it says?"""
    return len(chain) == 1 and chain[0]["issuer"] != chain[0]["subject"] and bool(chain[0].get("caIssuers"))
