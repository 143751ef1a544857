"""What a server's certificate tells, and what it means to authentication: the channel binding that a client derives
from it (extended protection)."""

import hashlib
import ipaddress
import struct
from functools import lru_cache
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from analyzer.records.tls import Certificate

if TYPE_CHECKING:
    from cryptography import x509

_PREFIX = b"tls-server-end-point:"
_WEAK = ("md5", "sha1")
_KNOWN = 512
"""Certificates of which the description is remembered: a server shows the same one on every connection."""


@lru_cache(maxsize=_KNOWN)
def channel_binding(certificate: bytes) -> bytes | None:
    """The 16 bytes that an NTLM response to the owner of this DER certificate carries as MsvAvChannelBindings (MS-NLMP 2.2.2.1).

    That is the MD5 of a gss_channel_bindings_struct without addresses (RFC 4121 section 4.1.1.2) whose application data is the certificate's hash, made by the
    hash of its signature, SHA-256 in place of MD5 and SHA-1 (RFC 5929 section 4.1). None when it cannot be read, or its signature has no hash of its own.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        signed_by = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
    if signed_by is None:
        return None
    data = _PREFIX + hashlib.new("sha256" if signed_by.name in _WEAK else signed_by.name, certificate).digest()
    return hashlib.md5(bytes(16) + struct.pack("<I", len(data)) + data, usedforsecurity=False).digest()


@lru_cache(maxsize=_KNOWN)
def described(certificate: bytes) -> Certificate | None:
    """What a DER certificate says; None when it cannot be read."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    with catch_warnings():
        simplefilter("ignore")  # the library's complaints of old and odd certificates are for those who make them
        try:
            return _described(x509.load_der_x509_certificate(certificate), certificate)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):  # TypeError: a public key of a kind that is not known
            return None


def _described(read: "x509.Certificate", certificate: bytes) -> Certificate:
    return Certificate(
        sha256=hashlib.sha256(certificate).digest(),
        subject=read.subject.rfc4514_string(),
        issuer=read.issuer.rfc4514_string(),
        common_name=_common_name(read),
        names=_names(read),
        not_before_s=int(read.not_valid_before_utc.timestamp()),
        not_after_s=int(read.not_valid_after_utc.timestamp()),
        self_signed=_is_self_signed(read),
        key=_key(read),
        signature=_signature(read),
        server_use=_server_use(read),
    )


def _common_name(read: "x509.Certificate") -> str | None:
    from cryptography.x509.oid import NameOID

    found = [part.value for part in read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return found[-1] if found and isinstance(found[-1], str) else None


def _names(read: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        general = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    return tuple(str(name.value) for name in general if isinstance(name, x509.DNSName | x509.IPAddress))


def _is_self_signed(read: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        read.verify_directly_issued_by(read)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _key(read: "x509.Certificate") -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    public = read.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {public.curve.name}"
    return type(public).__name__.removeprefix("_").removesuffix("PublicKey")


def _signature(read: "x509.Certificate") -> str | None:
    hashed = read.signature_hash_algorithm
    return None if hashed is None else hashed.name


def _server_use(read: "x509.Certificate") -> bool | None:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        uses = read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None
    return ExtendedKeyUsageOID.SERVER_AUTH in uses or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses


def covers(certificate: Certificate, host: str) -> bool:
    """The certificate is valid for that host name or address (RFC 9525 section 6): by subjectAltName, or without one by
    its common name, as Windows has it."""
    wanted = host.strip("[]").rstrip(".").lower()
    names = certificate.names or ((certificate.common_name,) if certificate.common_name else ())
    address = _address(wanted)
    if address is not None:
        return any(_address(name) == address for name in names)
    return any(_matches(name.rstrip(".").lower(), wanted) for name in names)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _matches(name: str, wanted: str) -> bool:
    """A star stands for the whole first label only."""
    if not name.startswith("*."):
        return name == wanted
    label, dot, rest = wanted.partition(".")
    return bool(label and dot) and rest == name[2:]
