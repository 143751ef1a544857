"""The master secret of TLS up to 1.2 from a server's RSA private key, or from a premaster secret in a key log: RSA key exchange only.

RFC 5246 sections 7.4.7.1 and 8.1; RFC 7627 section 4 (extended master secret). A key is believed when what it decrypts has 48 bytes and begins with the version
that the client offered; what is encrypted later proves it again, record by record.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from analyzer.formats.tls_keys import Suite, prf
from analyzer.formats.tls_records import CLIENT_HELLO, SERVER_HELLO
from analyzer.records.secrets import RsaKey, Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

RSA_SUITES = frozenset({0x0004, 0x0005, 0x000A, 0x002F, 0x0035, 0x003C, 0x003D, 0x009C, 0x009D, 0xC09C, 0xC09D, 0xC0A0, 0xC0A1})
"""Cipher suites with RSA key exchange, of those that are decrypted (IANA registry)."""
_CLIENT_KEY_EXCHANGE = 16
_EXTENDED_MASTER_SECRET = 23
_PREMASTER = 48
_MASTER = 48
_loaded: dict[bytes, "RSAPrivateKey | None"] = {}

Spoken = Sequence[tuple[int, bytes]]
"""One side's handshake messages in clear: (type, body)."""


def master_of(
    client: Spoken, server: Spoken, suite: Suite, version: int, randoms: tuple[bytes, bytes], keys: Iterable[RsaKey], premasters: Mapping[bytes, Secret]
) -> tuple[Secret, str] | None:
    """(master secret, tag of what it was made with); None when no key fits or the client's key exchange is not there."""
    exchange = next((body for kind, body in client if kind == _CLIENT_KEY_EXCHANGE), b"")
    sealed = exchange[2:] if version >= 0x0300 and len(exchange) >= 2 and int.from_bytes(exchange[:2], "big") == len(exchange) - 2 else exchange
    offered = next((body[:2] for kind, body in client if kind == CLIENT_HELLO), b"")
    if not sealed or not offered:
        return None
    found = _premaster(sealed, offered, keys, premasters)
    if found is None:
        return None
    premaster, tag = found
    if _extended(server):
        seed, label = _session_hash(client, server, suite, version), b"extended master secret"
    else:
        seed, label = randoms[0] + randoms[1], b"master secret"
    return Secret(prf(version, suite.digest, premaster, label, seed, _MASTER)), tag


def _premaster(sealed: bytes, offered: bytes, keys: Iterable[RsaKey], premasters: Mapping[bytes, Secret]) -> tuple[bytes, str] | None:
    known = premasters.get(sealed[:8])
    if known is not None:
        return bytes(known), "keylog"
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    for key in keys:
        loaded = _key(bytes(key.value))
        if loaded is None or (loaded.key_size + 7) // 8 != len(sealed):
            continue
        try:
            premaster = loaded.decrypt(sealed, PKCS1v15())
        except ValueError:
            continue
        if len(premaster) == _PREMASTER and premaster[:2] == offered:
            return premaster, key.tag
    return None


def _key(der: bytes) -> "RSAPrivateKey | None":
    if der not in _loaded:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        made = load_der_private_key(der, password=None)
        _loaded[der] = made if isinstance(made, RSAPrivateKey) else None
    return _loaded[der]


def _extended(server: Spoken) -> bool:
    """The server agreed to the extended master secret."""
    hello = next((body for kind, body in server if kind == SERVER_HELLO), b"")
    if len(hello) < 38:
        return False
    at = 35 + hello[34] + 3 + 2
    while at + 4 <= len(hello):
        if int.from_bytes(hello[at : at + 2], "big") == _EXTENDED_MASTER_SECRET:
            return True
        at += 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
    return False


def _session_hash(client: Spoken, server: Spoken, suite: Suite, version: int) -> bytes:
    """Of all handshake messages up to the client's key exchange, as they were sent: its hello, the server's, then the client's others."""
    place = next(place for place, (kind, _) in enumerate(client) if kind == _CLIENT_KEY_EXCHANGE)
    before = [one for one in server if one[0] not in (0, 4, 20)]  # HelloRequest is left out; NewSessionTicket and Finished come later
    whole = b"".join(bytes([kind]) + len(body).to_bytes(3, "big") + body for kind, body in (client[0], *before, *client[1 : place + 1]))
    if version >= 0x0303:
        return hashlib.new(suite.digest, whole).digest()
    return hashlib.md5(whole, usedforsecurity=False).digest() + hashlib.sha1(whole, usedforsecurity=False).digest()
