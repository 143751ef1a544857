"""The one place of this folder that imports scapy: Kerberos ASN.1 (RFC 4120) and its keys (RFC 3961, 3962, 8009, 4757).

scapy is an endpoint's library too: what it raises on bytes that are no such structure is named once, below, and becomes None. It is imported at first use.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct

from analyzer.auth.schemes import der
from analyzer.formats.scapy_quiet import quietly
from analyzer.records.secrets import Secret

T = TypeVar("T")


KEY_SIZES = {17: 16, 18: 32, 19: 16, 20: 32, 23: 16}
"""Encryption types that are opened, with the size of their keys: AES with SHA-1 (RFC 3962), AES with SHA-2 (RFC 8009), RC4 (RFC 4757)."""


_CHECKSUMS = {17: 12, 18: 12, 19: 16, 20: 24}
"""Encryption types of AES, with the size of their checksums."""


class Key(Struct, frozen=True, gc=False):
    """A Kerberos key: encryption type by number, and value."""

    etype: int
    value: Secret


class Encrypted(Struct, frozen=True, gc=False):
    """An EncryptedData (RFC 4120 section 5.2.9)."""

    etype: int
    kvno: int | None
    cipher: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the ciphertext: the same ticket wherever it is carried."""
        return hashlib.sha256(self.cipher).digest()


class Ticket(Struct, frozen=True, gc=False):
    """A Ticket (section 5.3): realm, service principal as ``HTTP/host``, its encrypted part."""

    realm: str
    service: str
    encrypted: Encrypted


class ApReq(Struct, frozen=True, gc=False):
    """An AP-REQ (section 5.5.1)."""

    ticket: Ticket
    authenticator: Encrypted


class TicketPart(Struct, frozen=True, gc=False):
    """EncTicketPart (section 5.3): the session key, the client's name, when it begins and ends (seconds since 1970; None where that cannot be read)."""

    key: Key
    client: str
    realm: str
    begins_s: int | None = None
    ends_s: int | None = None


class Authenticator(Struct, frozen=True, gc=False):
    """Authenticator (section 5.5.1): the client's name and the sub-session key, if it chose one."""

    client: str
    realm: str
    subkey: Key | None


class KdcRequest(Struct, frozen=True, gc=False):
    """A TGS-REQ: the AP-REQ with the ticket-granting ticket in its pre-authentication data (section 5.4.1)."""

    ap_req: ApReq


class KdcReply(Struct, frozen=True, gc=False):
    """An AS-REP (11) or TGS-REP (13): the ticket that was issued, the part encrypted for the client, the client's name and the salt hint."""

    kind: int
    client: str
    realm: str
    ticket: Ticket
    encrypted: Encrypted
    salt: str | None


@cache
def _leaks() -> tuple[type[Exception], ...]:
    """What scapy's ASN.1 and rfc3961 raise, or let through."""
    import struct

    with quietly():
        from scapy.asn1.asn1 import ASN1_Error
        from scapy.error import Scapy_Exception
        from scapy.libs.rfc3961 import InvalidChecksum

    return (
        Scapy_Exception,
        ASN1_Error,
        InvalidChecksum,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        struct.error,
        NotImplementedError,
        RecursionError,
    )


def _try(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except _leaks():
        return None


@cache
def _layers() -> Any:  # noqa: ANN401  a module
    with quietly():
        import scapy.layers.kerberos as module

    return module


@cache
def _keys() -> Any:  # noqa: ANN401  a class
    with quietly():
        from scapy.libs.rfc3961 import Key as ScapyKey

    return ScapyKey


def decrypt(key: Key, usage: int, cipher: bytes) -> bytes | None:
    """The plaintext of ``cipher`` under a key for a key usage (RFC 4120 section 7.5.1); None when its integrity check fails, or the key is none of its type."""
    if len(key.value) != KEY_SIZES.get(key.etype):
        return None
    return _try(lambda: bytes(_keys()(key.etype, key=bytes(key.value)).decrypt(usage, cipher)))


def encryption_key(key: Key, usage: int) -> tuple[bytes, int] | None:
    """Ke for a key usage and the size of the checksum behind the ciphertext (RFC 3961 section 5.3, RFC 8009 section 5), for AES; None for other keys. What is
    decrypted with it has not been checked."""
    if key.etype not in _CHECKSUMS or len(key.value) != KEY_SIZES[key.etype]:
        return None
    made = _keys()(key.etype, key=bytes(key.value))
    constant = usage.to_bytes(4, "big") + b"\xaa"
    sizes = (KEY_SIZES[key.etype] * 8,) if made.ep.rfc8009 else ()
    found = _try(lambda: bytes(made.ep.derive(made, constant, *sizes)))
    return None if found is None else (found, _CHECKSUMS[key.etype])


def string_to_key(etype: int, password: bytes, salt: bytes) -> Key | None:
    """The long-term key of a password (RFC 3962 section 4, RFC 8009 section 4, RFC 4757 section 2)."""
    made = _try(lambda: _keys().string_to_key(etype, bytes(password), salt))
    return None if made is None else Key(etype, Secret(made.key))


def _plain(value: Any) -> Any:  # noqa: ANN401  scapy's ASN.1 values wrap what they hold
    return getattr(value, "val", value)


def _words(name: Any) -> str:  # noqa: ANN401
    return "/".join(_text(part) for part in name.nameString)


def _text(value: Any) -> str:  # noqa: ANN401
    found = _plain(value)
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def _encrypted(part: Any) -> Encrypted:  # noqa: ANN401
    kvno = _plain(part.kvno) if part.kvno is not None else None
    return Encrypted(int(_plain(part.etype)), None if kvno is None else int(kvno), bytes(_plain(part.cipher)))


def _ticket(part: Any) -> Ticket:  # noqa: ANN401
    return Ticket(_text(part.realm), _words(part.sname), _encrypted(part.encPart))


def _key(part: Any) -> Key:  # noqa: ANN401
    return Key(int(_plain(part.keytype)), Secret(bytes(_plain(part.keyvalue))))


def ap_req(raw: bytes) -> ApReq | None:
    """An AP-REQ without its GSS frame."""

    def read() -> ApReq:
        message = _layers().KRB_AP_REQ(raw)
        return ApReq(_ticket(message.ticket), _encrypted(message.authenticator))

    return _try(read)


def ap_rep(raw: bytes) -> Encrypted | None:
    """The encrypted part of an AP-REP without its GSS frame."""
    return _try(lambda: _encrypted(_layers().KRB_AP_REP(raw).encPart))


def ticket(raw: bytes) -> Ticket | None:
    """A Ticket by itself, as credential caches keep it."""
    return _try(lambda: _ticket(_layers().KRB_Ticket(raw)))


def ticket_part(raw: bytes) -> TicketPart | None:
    """A decrypted EncTicketPart."""

    def read() -> TicketPart:
        part = _layers().EncTicketPart(raw)
        begins = part.authtime if part.starttime is None else part.starttime
        return TicketPart(_key(part.key), _words(part.cname), _text(part.crealm), _seconds(begins), _seconds(part.endtime))

    return _try(read)


def _seconds(moment: Any) -> int | None:  # noqa: ANN401  scapy's GeneralizedTime, or its text
    text = str(_plain(moment))
    ns = der.kerberos_ns(text.encode(), 0)
    return None if ns is None else ns // 1_000_000_000


def authenticator(raw: bytes) -> Authenticator | None:
    """A decrypted Authenticator."""

    def read() -> Authenticator:
        part = _layers().KRB_Authenticator(raw)
        return Authenticator(_words(part.cname), _text(part.crealm), None if part.subkey is None else _key(part.subkey))

    return _try(read)


def ap_rep_subkey(raw: bytes) -> Key | None:
    """The sub-session key of a decrypted EncAPRepPart (section 5.5.2), None when there is none."""

    def read() -> Key | None:
        part = _layers().EncAPRepPart(raw)
        return None if part.subkey is None else _key(part.subkey)

    return _try(read)


_PA_TGS_REQ = 1
_PA_ETYPE_INFO2 = 19


def tgs_req(raw: bytes) -> KdcRequest | None:
    """The AP-REQ of a TGS-REQ."""

    def read() -> KdcRequest | None:
        for entry in _layers().KRB_TGS_REQ(raw).padata or ():
            if int(_plain(entry.padataType)) == _PA_TGS_REQ:
                carried = entry.padataValue
                message = carried if hasattr(carried, "authenticator") else _layers().KRB_AP_REQ(bytes(_plain(carried)))
                return KdcRequest(ApReq(_ticket(message.ticket), _encrypted(message.authenticator)))
        return None

    return _try(read)


def kdc_rep(raw: bytes) -> KdcReply | None:
    """An AS-REP or a TGS-REP."""

    def read() -> KdcReply:
        kind = 11 if raw[:1] == b"\x6b" else 13
        message = _layers().KRB_AS_REP(raw) if kind == 11 else _layers().KRB_TGS_REP(raw)
        return KdcReply(kind, _words(message.cname), _text(message.crealm), _ticket(message.ticket), _encrypted(message.encPart), _salt(message))

    return _try(read)


def _salt(message: Any) -> str | None:  # noqa: ANN401
    for entry in message.padata or ():
        if int(_plain(entry.padataType)) == _PA_ETYPE_INFO2:
            for info in getattr(entry.padataValue, "seq", ()):
                if info.salt is not None:
                    return _text(info.salt)
    return None


def kdc_rep_key(raw: bytes) -> Key | None:
    """The session key in a decrypted EncASRepPart or EncTGSRepPart (section 5.4.2)."""

    def read() -> Key:
        layers = _layers()
        part = layers.EncASRepPart(raw) if raw[:1] == b"\x79" else layers.EncTGSRepPart(raw)
        return _key(part.key)

    return _try(read)


class Credential(Struct, frozen=True, gc=False):
    """A ticket of a KRB-CRED with its session key; names as ``alice@LAB.EXAMPLE``."""

    ticket: Ticket
    key: Key
    client: str
    service: str


def krb_cred(raw: bytes) -> tuple[Credential, ...] | None:
    """The tickets of a KRB-CRED (RFC 4120 section 5.8.1) whose encrypted part is in clear (encryption type 0); None for anything else."""

    def read() -> tuple[Credential, ...] | None:
        layers = _layers()
        message = layers.KRB_CRED(raw)
        if int(_plain(message.encPart.etype)) != 0:
            return None
        part = layers.EncKrbCredPart(bytes(_plain(message.encPart.cipher)))
        made = []
        for told, info in zip(message.tickets, part.ticketInfo, strict=True):
            found = _ticket(told)
            client = "" if info.pname is None else f"{_words(info.pname)}@{_text(info.prealm)}"
            made.append(Credential(found, _key(info.key), client, f"{found.service}@{found.realm}"))
        return tuple(made)

    return _try(read)
