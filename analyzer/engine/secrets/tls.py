"""What decrypts TLS: key logs (NSS format, SSLKEYLOGFILE), and a server's RSA private key."""

from collections.abc import Iterator, Sequence

from analyzer.engine.secrets.content import Content, Entry
from analyzer.errors import UsageError
from analyzer.formats.key_logs import entries, entry
from analyzer.formats.reader import Fetch
from analyzer.records.capture import Capture
from analyzer.records.secrets import RsaKey, Secret, TlsSecret

_TLS_KEY_LOG = 0x544C534B
_PEM = b"-----BEGIN "
_PRIVATE = b"PRIVATE KEY-----"
_PKCS8 = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
_PFX = b"\x02\x01\x03\x30"


def is_keylog(content: Content) -> bool:
    """Some line is one of a key log."""
    return any(entry(line) is not None for _, line in content.lines)


def keylog_file(content: Content) -> Iterator[Entry]:
    """The lines that are one's."""
    data = (content.text or "").encode("ascii", "replace")
    return keylog(data, f"keylog:{content.name}")


def keylog(data: bytes, tag: str = "keylog") -> Iterator[TlsSecret]:
    """The lines of a TLS key log (the NSS format: label, client random, secret); lines that are none are passed over."""
    for label, random, value in entries(data):
        yield TlsSecret(label, random, Secret(value), tag)


def carried_secrets(captures: Sequence[Capture], fetch: Fetch) -> tuple[TlsSecret, ...]:
    """The TLS key logs that pcapng files carry in decryption secrets blocks (type ``TLSK``)."""
    return tuple(
        secret for capture in captures for kind, at, size in capture.secrets if kind == _TLS_KEY_LOG for secret in keylog(fetch(2 * capture.ordinal, at, size))
    )


def is_key(content: Content) -> bool:
    """PEM of any kind, a PKCS #8 private key in DER, or a PKCS #12 store: the last is told from a key by its reader."""
    return _PEM in content.data[: 1 << 16] or (content.data[:1] == b"\x30" and (_PKCS8 in content.data[:32] or _PFX in content.data[:8]))


def private_key(content: Content) -> Iterator[Entry]:
    """The RSA private keys of a file. `UsageError` says what it is instead."""
    blocks = list(_blocks(content.data))
    if not blocks:
        what = "a PKCS #12 store; write its key with: openssl pkcs12 -in STORE -nocerts -nodes -out key.pem"
        if content.data[:1] != b"\x30":
            what = "PEM without a private key (a certificate or a public key decrypts nothing)"
        msg = f"{content.path}: {what}"
        raise UsageError(msg)
    for place, block in enumerate(blocks, 1):
        yield RsaKey(f"rsa_key:{content.name}" + (f":{place}" if len(blocks) > 1 else ""), _rsa(content.path, block))


def _blocks(data: bytes) -> Iterator[bytes]:
    if data[:1] == b"\x30":
        if _PKCS8 in data[:32]:
            yield data
        return
    at = data.find(_PEM)
    while at >= 0:
        line = data[at : data.find(b"\n", at)].strip()
        end = data.find(b"-----END ", at)
        closing = data.find(b"-----", end + 9) if end >= 0 else -1
        end = closing + 5 if closing >= 0 else len(data)
        if line.endswith(_PRIVATE):
            yield data[at:end] + b"\n"
        at = data.find(_PEM, end)


def _rsa(path: str, block: bytes) -> Secret:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    load = serialization.load_pem_private_key if block.startswith(_PEM) else serialization.load_der_private_key
    try:
        found = load(block, password=None)
    except TypeError:
        msg = f"{path}: the private key is protected by a passphrase; write it without: openssl pkey -in KEY -out key.pem"
        raise UsageError(msg) from None
    except (ValueError, UnsupportedAlgorithm):
        msg = f"{path}: a private key that is damaged or of a kind that is not known"
        raise UsageError(msg) from None
    if not isinstance(found, RSAPrivateKey):
        msg = f"{path}: a private key that is not RSA; only RSA key exchange can be decrypted with a server's key"
        raise UsageError(msg)
    return Secret(found.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
