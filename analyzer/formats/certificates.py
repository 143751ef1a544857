"""What a server's certificate means to authentication: the channel binding that a client derives from it (extended protection)."""

import hashlib
import struct

_PREFIX = b"tls-server-end-point:"
_WEAK = ("md5", "sha1")


def channel_binding(certificate: bytes) -> bytes | None:
    """The 16 bytes that an NTLM response to the owner of this DER certificate carries as MsvAvChannelBindings (MS-NLMP 2.2.2.1).

    That is the MD5 of a gss_channel_bindings_struct without addresses (RFC 4121 section 4.1.1.2) whose application data is the certificate's hash, made by the
    hash of its signature, SHA-256 in place of MD5 and SHA-1 (RFC 5929 section 4.1). None when it cannot be read, or its signature has no hash of its own.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        signed_by = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if signed_by is None:
        return None
    data = _PREFIX + hashlib.new("sha256" if signed_by.name in _WEAK else signed_by.name, certificate).digest()
    return hashlib.md5(bytes(16) + struct.pack("<I", len(data)) + data, usedforsecurity=False).digest()
