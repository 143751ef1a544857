"""NTLMSSP messages (MS-NLMP 2.2.1). Every length and offset is checked against the buffer before a byte is taken.

The layout is fixed, so it is read here with ``struct`` rather than by pyspnego, whose classes give ``''`` for a name that lies past the end, refuse the short
messages of old clients, and fail as a whole on one odd target-information pair. Tests compare both on valid messages.

A field that lies outside of the message makes the whole message unreadable (a liar's other fields are not believed); a damaged list of AV pairs does not, since
everything before the damage has its own length. Strings are UTF-16LE or OEM as the message's own flag says (2.2.2.5 A and B).
"""

import struct
from collections.abc import Mapping

from msgspec import Struct

from analyzer.auth.schemes.reading import Reading, unreadable
from analyzer.records.auth import NtlmToken

MAGIC = b"NTLMSSP\0"
NEGOTIATE, CHALLENGE, AUTHENTICATE = 1, 2, 3

# MS-NLMP 2.2.2.5
UNICODE = 0x00000001
SIGN = 0x00000010
SEAL = 0x00000020
ANONYMOUS = 0x00000800
DOMAIN_SUPPLIED = 0x00001000
WORKSTATION_SUPPLIED = 0x00002000
LOCAL_CALL = 0x00004000
EXTENDED_SESSION_SECURITY = 0x00080000
VERSION = 0x02000000
KEY_EXCHANGE = 0x40000000

# MS-NLMP 2.2.2.1
_AV_EOL, _AV_COMPUTER, _AV_DOMAIN, _AV_DNS_COMPUTER, _AV_FLAGS, _AV_TIMESTAMP, _AV_TARGET_NAME, _AV_BINDINGS = 0, 1, 2, 3, 6, 7, 9, 10
_AV_FLAG_MIC = 0x2
_NTLM2_HEADER_SIZE = 44
"""NTProofStr (16) and the fixed part of NTLMv2_CLIENT_CHALLENGE (28), MS-NLMP 2.2.2.7 and 2.2.2.8."""


class Authenticate(Struct, frozen=True, gc=False):
    """The fields of an AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3) as bytes. ``flags`` is None in the short form of old clients that ends before them."""

    lm_response: bytes
    nt_response: bytes
    domain: bytes
    user: bytes
    workstation: bytes
    session_key: bytes
    flags: int | None


class _LieError(ValueError):
    """A field that the message does not hold. It never leaves this module."""


def _lie(what: str, size: int, at: int, raw: bytes) -> _LieError:
    return _LieError(f"{what}: {size} bytes at {at} of a {len(raw)}-byte message")


def message_type(raw: bytes) -> int | None:
    """The MessageType of an NTLMSSP message, or None when ``raw`` is none or ends before it."""
    return int.from_bytes(raw[8:12], "little") if raw.startswith(MAGIC) and len(raw) >= 12 else None


def message(raw: bytes) -> Reading[NtlmToken]:
    """The message in ``raw``."""
    kind = message_type(raw)
    try:
        if kind == NEGOTIATE:
            return Reading(_negotiate(raw))
        if kind == CHALLENGE:
            return _challenge(raw)
        if kind == AUTHENTICATE:
            return _authenticate(raw)
    except _LieError as lie:
        return unreadable(f"NTLM message {kind}: {lie}")
    return unreadable(f"no NTLM message (type {kind}, {len(raw)} bytes)")


def authenticate_fields(raw: bytes) -> Reading[Authenticate]:
    """The raw fields of message 3, for whoever derives keys from them."""
    if message_type(raw) != AUTHENTICATE:
        return unreadable("no NTLM message 3")
    try:
        return Reading(_fields(raw))
    except _LieError as lie:
        return unreadable(f"NTLM message 3: {lie}")


def av_pairs(raw: bytes) -> tuple[dict[int, bytes], str]:
    """AV pairs by id, the first of each (MS-NLMP 2.2.2.1), and a complaint. A list that ends without MsvAvEOL is read to its end."""
    pairs: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        kind, size = struct.unpack_from("<HH", raw, at)
        at += 4
        if kind == _AV_EOL:
            return pairs, ""
        if at + size > len(raw):
            return pairs, f"AV pair {kind} declares {size} bytes of which {len(raw) - at} are there"
        pairs.setdefault(kind, raw[at : at + size])
        at += size
    return pairs, "AV pairs end without MsvAvEOL"


def _negotiate(raw: bytes) -> NtlmToken:
    # MS-NLMP 2.2.1.1. DomainName and Workstation are OEM whatever the flags say.
    flags = _uint32(raw, 12, "NegotiateFlags")
    domain = _oem(_field(raw, 16, "DomainName")) if flags & DOMAIN_SUPPLIED else None
    workstation = _oem(_field(raw, 24, "Workstation")) if flags & WORKSTATION_SUPPLIED else None
    return NtlmToken(NEGOTIATE, flags, domain=domain, workstation=workstation, key_exchange=bool(flags & KEY_EXCHANGE))


def _challenge(raw: bytes) -> Reading[NtlmToken]:
    # MS-NLMP 2.2.1.2: TargetName 12, flags 20, ServerChallenge 24, TargetInfo 40, Version 48. Old servers end at 32.
    flags = _uint32(raw, 20, "NegotiateFlags")
    if len(raw) < 32:
        raise _lie(what="ServerChallenge", size=8, at=24, raw=raw)
    target_name = _field(raw, 12, "TargetName")
    starts = _first_payload(raw, (12, 40))
    info = _field(raw, 40, "TargetInfo") if starts >= 48 else b""
    pairs, complaint = av_pairs(info) if info else ({}, "")
    token = NtlmToken(
        CHALLENGE,
        flags,
        server_challenge=raw[24:32],
        target=_text(target_name, flags),
        server_name=_av_text(pairs, _AV_COMPUTER),
        server_dns_name=_av_text(pairs, _AV_DNS_COMPUTER),
        server_domain=_av_text(pairs, _AV_DOMAIN),
        server_os_build=_version(raw, 48) if flags & VERSION and starts >= 56 else None,
        server_time=_AV_TIMESTAMP in pairs,
        key_exchange=bool(flags & KEY_EXCHANGE),
        stamp=pairs.get(_AV_TIMESTAMP),
    )
    return Reading(token, complaint)


def _authenticate(raw: bytes) -> Reading[NtlmToken]:
    fields = _fields(raw)
    flags = fields.flags or 0
    nt = fields.nt_response
    second = len(nt) >= _NTLM2_HEADER_SIZE and nt[16:18] == b"\x01\x01"
    pairs, complaint = av_pairs(nt[_NTLM2_HEADER_SIZE:]) if second else ({}, "")
    bindings = pairs.get(_AV_BINDINGS, b"")
    token = NtlmToken(
        AUTHENTICATE,
        flags,
        user=_text(fields.user, flags),
        domain=_text(fields.domain, flags),
        workstation=_text(fields.workstation, flags),
        nt_response_size=len(nt),
        lm_response_size=len(fields.lm_response),
        nt_proof=nt[:16] if second else None,
        version=_ntlm_version(fields, second=second),
        target_name=_av_text(pairs, _AV_TARGET_NAME),
        # MS-NLMP 2.2.2.1: MsvChannelBindings of all zeros means that the client has none.
        channel_binding=any(bindings) if second else None,
        mic=bool(int.from_bytes(pairs.get(_AV_FLAGS, b"")[:4], "little") & _AV_FLAG_MIC) if second else None,
        key_exchange=bool(flags & KEY_EXCHANGE),
        channel_bindings=bindings if any(bindings) else None,
        stamp=pairs.get(_AV_TIMESTAMP),
    )
    return Reading(token, complaint)


def _fields(raw: bytes) -> Authenticate:
    # MS-NLMP 2.2.1.3. Clients before NTLMv2 end the fixed part at 52 (no session key) or 60 (no flags).
    names = ((12, "LmChallengeResponse"), (20, "NtChallengeResponse"), (28, "DomainName"), (36, "UserName"), (44, "Workstation"))
    lm, nt, domain, user, workstation = (_field(raw, at, what) for at, what in names)
    starts = _first_payload(raw, (12, 20, 28, 36, 44))
    key = _field(raw, 52, "EncryptedRandomSessionKey") if starts >= 60 else b""
    flags = _uint32(raw, 60, "NegotiateFlags") if starts >= 64 else None
    return Authenticate(lm, nt, domain, user, workstation, key, flags)


def _ntlm_version(fields: Authenticate, *, second: bool) -> str | None:
    lm, nt, flags = fields.lm_response, fields.nt_response, fields.flags or 0
    if not nt and len(lm) <= 1 and not fields.user:
        # MS-NLMP 3.2.5.1.2: an empty response and no user is anonymous; a local logon sends the same but its own flag.
        return None if flags & LOCAL_CALL and not flags & ANONYMOUS else "anonymous"
    if second:
        return "ntlmv2"
    if len(nt) == 24:
        # MS-NLMP 3.3.1: with extended session security LmChallengeResponse is the client's challenge and 16 zeros.
        extended = flags & EXTENDED_SESSION_SECURITY and len(lm) == 24 and not any(lm[8:])
        return "ntlmv1-ess" if extended else "ntlmv1"
    # 24 bytes of LM response alone is NTLMv1 of the oldest clients.
    return "ntlmv1" if not nt and len(lm) == 24 else None


def _field(raw: bytes, at: int, what: str) -> bytes:
    """The bytes that the (Len, MaxLen, BufferOffset) triple at ``at`` points to. An empty field's offset means nothing (MS-NLMP 2.2.1.1)."""
    if at + 8 > len(raw):
        raise _lie("length and offset of " + what, 8, at, raw)
    size, _, begin = struct.unpack_from("<HHI", raw, at)
    if size and begin + size > len(raw):
        raise _lie(what, size, begin, raw)
    return raw[begin : begin + size] if size else b""


def _first_payload(raw: bytes, triples: tuple[int, ...]) -> int:
    """Where the payload begins, which tells how long the fixed part is: the lowest offset of a field that is not empty."""
    begins = [len(raw)]
    for at in triples:
        if at + 8 <= len(raw):
            size, _, begin = struct.unpack_from("<HHI", raw, at)
            if size:
                begins.append(begin)
    return min(begins)


def _uint32(raw: bytes, at: int, what: str) -> int:
    if at + 4 > len(raw):
        raise _lie(what, 4, at, raw)
    return int.from_bytes(raw[at : at + 4], "little")


def _version(raw: bytes, at: int) -> str | None:
    # MS-NLMP 2.2.2.10: major, minor, build; servers that are no Windows often send zeros.
    if at + 8 > len(raw) or not any(raw[at : at + 4]):
        return None
    major, minor, build = struct.unpack_from("<BBH", raw, at)
    return f"{major}.{minor}.{build}"


def _text(raw: bytes, flags: int) -> str:
    return raw.decode("utf-16-le", "replace") if flags & UNICODE else _oem(raw)


def text(raw: bytes, flags: int) -> str:
    """A string field of message 3 as text: UTF-16LE when NEGOTIATE_UNICODE was agreed, else the code page, read as Windows-1252."""
    return _text(raw, flags)


def _oem(raw: bytes) -> str:
    # The OEM code page is not on the wire. Windows-1252 is right for most, and Latin-1 for the bytes that it leaves undefined.
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _av_text(pairs: Mapping[int, bytes], kind: int) -> str | None:
    # MS-NLMP 2.2.2.1: always UTF-16LE, never terminated.
    value = pairs.get(kind)
    return None if value is None else value.decode("utf-16-le", "replace")
