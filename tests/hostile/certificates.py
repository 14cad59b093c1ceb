"""Certificates with one fault each, made at run time, for TLS servers on 127.0.0.1."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

if TYPE_CHECKING:
    from pathlib import Path

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_NOW = datetime.now(UTC)
_DAY = timedelta(days=1)
_HERE = x509.IPAddress(IPv4Address("127.0.0.1"))
#: Where a certificate says that its issuer's can be had. Nobody listens there, and nobody is to ask.
_ISSUER_URL = "http://127.0.0.1:9/issuer.crt"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, and the key that belongs to it."""

    certificate: x509.Certificate
    key: Key

    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    authority: bool = False,
    names: tuple[x509.GeneralName, ...] = (_HERE, x509.DNSName("localhost")),
    since: timedelta = -_DAY,
    until: timedelta = 90 * _DAY,
    key: Key | None = None,
    usage: ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    issuer_url: str | None = None,
    odd: bool = False,
) -> Issued:
    """A certificate signed by `issuer`, or by itself; `odd` adds a critical extension that nobody knows."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW + since)
        .not_valid_after(_NOW + until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_key(issuer.key if issuer else key), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if issuer_url is not None:
        where = x509.UniformResourceIdentifier(issuer_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if odd:
        unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _authority_key(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def serve_with(leaf: Issued, *chain: Issued) -> ssl.SSLContext:
    """A server's context that shows a certificate and these others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a bad server may serve what a good one must not
    private = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(private + leaf.pem() + b"".join(link.pem() for link in chain))
        file.flush()
        context.load_cert_chain(file.name)
    return context


class Faults:
    """One server context for each fault, by name; the client trusts `authorities`."""

    def __init__(self, folder: Path) -> None:
        weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  (that is the fault)
        root, stranger = issue("A Root", authority=True), issue("A Stranger", authority=True)
        between = issue("Between", root, authority=True)
        late = issue("Late Between", root, authority=True, until=-timedelta(hours=1))
        forged = issue("No Authority", root)
        self.authorities = folder / "authorities.pem"
        self.authorities.write_bytes(root.pem())
        self.contexts = {
            "good": serve_with(issue("good", root)),
            "full-chain": serve_with(issue("chained", between), between),
            "chain-with-root": serve_with(issue("chained", between), between, root),
            "chain-out-of-order": serve_with(issue("chained", between), stranger, root, between),
            "expired": serve_with(issue("expired", root, until=-timedelta(hours=1))),
            "not-yet-valid": serve_with(issue("early", root, since=_DAY)),
            "expired-in-between": serve_with(issue("chained", late), late),
            "wrong-name": serve_with(issue("elsewhere", root, names=(x509.DNSName("elsewhere.example"),))),
            "wrong-address": serve_with(issue("there", root, names=(x509.IPAddress(IPv4Address("127.0.0.2")),))),
            "address-as-name": serve_with(issue("text", root, names=(x509.DNSName("127.0.0.1"),))),
            "wildcard-address": serve_with(issue("wild", root, names=(x509.DNSName("*.0.0.1"),))),
            "no-names": serve_with(issue("127.0.0.1", root, names=())),
            "self-signed": serve_with(issue("alone")),
            "unknown-authority": serve_with(issue("strange", stranger)),
            "unknown-authority-in-full": serve_with(issue("strange", stranger), stranger),
            "incomplete": serve_with(issue("chained", between, issuer_url=_ISSUER_URL)),
            "incomplete-without-a-word": serve_with(issue("chained", between)),
            "signed-by-no-authority": serve_with(issue("forged", forged), forged),
            "for-clients-only": serve_with(issue("client", root, usage=ExtendedKeyUsageOID.CLIENT_AUTH)),
            "weak-key": serve_with(issue("weak", root, key=weak)),
            "odd-extension": serve_with(issue("odd", root, odd=True)),
            "endless-chain": self._endless(root),
            "wants-a-certificate": self._wanting(issue("good", root), root),
        }

    @staticmethod
    def _endless(root: Issued) -> ssl.SSLContext:
        """A valid chain of 120 links."""
        links = [root]
        for number in range(120):
            links.append(issue(f"Link {number}", links[-1], authority=True))
        return serve_with(issue("far", links[-1]), *reversed(links[1:]))

    def _wanting(self, leaf: Issued, root: Issued) -> ssl.SSLContext:
        """A server that wants to know who asks."""
        context = serve_with(leaf)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=root.pem().decode("ascii"))
        return context
