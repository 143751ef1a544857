"""The one place that imports pyspnego: ASN.1 of SPNEGO and Kerberos tokens.

pyspnego is an endpoint's library, and its parsers are private modules. So: `der.shape` has looked at sizes and nesting before it is called (its readers copy
the rest of the buffer at each element and recurse into nested frames); the exceptions that its readers leak are named once, below; and each function returns
plain values. Where it is stricter than evidence allows (an unknown encryption type or name type ends its parsing) its ASN.1 readers are used instead of its
message classes. It is imported at first use, since that takes a tenth of a second.
"""

import struct
from collections.abc import Mapping
from typing import Protocol, cast

from msgspec import Struct

from analyzer.auth.schemes import der
from analyzer.auth.schemes.reading import Reading, unreadable

# unpack on an empty slice; a tag, OID or enumeration that is not valid; b"" indexed; a mandatory field that is missing; a frame in a frame in a frame.
_LEAKS = (struct.error, ValueError, IndexError, KeyError, TypeError, RecursionError, NotImplementedError)


class _Element(Protocol):
    """The part of pyspnego's ASN1Value that is used here."""

    @property
    def tag_number(self) -> int: ...
    @property
    def b_data(self) -> bytes: ...


class NegToken(Struct, frozen=True, gc=False):
    """A NegotiationToken of RFC 4178 section 4.2: ``message`` init or resp, OIDs dotted, ``state`` the negState's number, ``token`` the mechanism's bytes."""

    message: str
    mechanisms: tuple[str, ...]
    supported: str | None
    state: int | None
    token: bytes | None
    mic: bool


class ApReq(Struct, frozen=True, gc=False):
    """What is in clear of an AP-REQ (RFC 4120 section 5.5.1)."""

    mutual_required: bool
    realm: str
    service: tuple[str, ...]
    etype: int
    kvno: int | None
    authenticator_etype: int
    cipher: bytes | None
    """The ticket's ciphertext; None when it is not whole."""


class KrbError(Struct, frozen=True, gc=False):
    """The fields of a KRB-ERROR (RFC 4120 section 5.9.1) that tell why."""

    code: int
    realm: str | None
    service: tuple[str, ...]
    server_ns: int | None


def neg_token(raw: bytes) -> Reading[NegToken]:
    """The SPNEGO token in ``raw``, in its GSS frame or bare. A token whose lengths do not fit but which is still readable has a complaint."""
    outline = der.shape(raw)
    if outline.problem:
        return unreadable(outline.problem)
    from spnego._spnego import NegTokenInit, NegTokenResp, unpack_token

    try:
        token = unpack_token(raw)
    except _LEAKS as leak:
        return unreadable(outline.misfit or f"SPNEGO: {leak}")
    if isinstance(token, NegTokenInit):
        read = NegToken("init", tuple(token.mech_types), None, None, token.mech_token, token.mech_list_mic is not None)
        return Reading(read, outline.misfit)
    if isinstance(token, NegTokenResp):
        state = None if token.neg_state is None else int(token.neg_state)
        read = NegToken("resp", (), token.supported_mech, state, token.response_token, token.mech_list_mic is not None)
        return Reading(read, outline.misfit)
    return unreadable("no SPNEGO token")


def ap_req(raw: bytes) -> Reading[ApReq]:
    """The AP-REQ in ``raw`` (without GSS framing)."""
    outline = der.shape(raw)
    if outline.problem:
        return unreadable(outline.problem)
    from spnego._asn1 import TagClass, extract_asn1_tlv, unpack_asn1, unpack_asn1_tagged_sequence

    try:
        request = _application(raw)
        ticket = unpack_asn1_tagged_sequence(unpack_asn1(extract_asn1_tlv(request[3], TagClass.application, 1))[0])
        sealed = unpack_asn1_tagged_sequence(ticket[3])
        authenticator = unpack_asn1_tagged_sequence(request[4])
        read = ApReq(
            # RFC 4120 5.5.1: APOptions is a bit string whose first octet counts unused bits; bit 2 is mutual-required.
            mutual_required=bool(request[2].b_data[1] & 0x20),
            realm=_text(ticket[1]),
            service=_name(ticket[2]),
            etype=_integer(sealed[0]),
            kvno=_integer(sealed[1]) if 1 in sealed else None,
            authenticator_etype=_integer(authenticator[0]),
            cipher=bytes(sealed[2].b_data) if 2 in sealed and not outline.misfit else None,
        )
    except _LEAKS as leak:
        return unreadable(outline.misfit or f"AP-REQ: {leak}")
    return Reading(read, outline.misfit)


def ap_rep(raw: bytes) -> Reading[int]:
    """The encryption type of the AP-REP in ``raw`` (RFC 4120 section 5.5.2, without GSS framing)."""
    outline = der.shape(raw)
    if outline.problem:
        return unreadable(outline.problem)
    from spnego._asn1 import unpack_asn1_tagged_sequence

    try:
        etype = _integer(unpack_asn1_tagged_sequence(_application(raw)[2])[0])
    except _LEAKS as leak:
        return unreadable(outline.misfit or f"AP-REP: {leak}")
    return Reading(etype, outline.misfit)


def krb_error(raw: bytes) -> Reading[KrbError]:
    """The KRB-ERROR in ``raw`` (without GSS framing)."""
    outline = der.shape(raw)
    if outline.problem:
        return unreadable(outline.problem)
    try:
        error = _application(raw)
        realm = _text(error[9]) if 9 in error else None
        server_ns = der.kerberos_ns(bytes(error[4].b_data), _integer(error[5])) if 4 in error and 5 in error else None
        read = KrbError(_integer(error[6]), realm, _name(error[10]) if 10 in error else (), server_ns)
    except _LEAKS as leak:
        return unreadable(outline.misfit or f"KRB-ERROR: {leak}")
    return Reading(read, outline.misfit)


def _application(raw: bytes) -> Mapping[int, _Element]:
    from spnego._asn1 import unpack_asn1, unpack_asn1_tagged_sequence

    return cast("Mapping[int, _Element]", unpack_asn1_tagged_sequence(unpack_asn1(unpack_asn1(raw)[0].b_data)[0]))


def _integer(value: _Element) -> int:
    # X.690 8.3: two's complement, most significant octet first. RFC 4120 5.2.4 holds all of them in 32 bits.
    octets = value.b_data
    if value.tag_number != 2 or not 1 <= len(octets) <= 8:
        detail = f"an integer of {len(octets)} octets with tag {int(value.tag_number)}"
        raise ValueError(detail)
    return int.from_bytes(octets, "big", signed=True)


def _text(value: _Element) -> str:
    # RFC 4120 5.2.1: KerberosString is a GeneralString of IA5 letters; Active Directory puts UTF-8 there.
    return value.b_data.decode("utf-8", "replace")


def _name(value: _Element) -> tuple[str, ...]:
    # RFC 4120 5.2.2: PrincipalName ::= SEQUENCE { name-type [0], name-string [1] SEQUENCE OF KerberosString }
    from spnego._asn1 import unpack_asn1_sequence, unpack_asn1_tagged_sequence

    return tuple(_text(part) for part in unpack_asn1_sequence(unpack_asn1_tagged_sequence(value)[1]))


def md4(data: bytes) -> bytes:
    """MD4 (RFC 1320), which OpenSSL no longer has."""
    from spnego._ntlm_raw.md4 import md4 as digest

    return bytes(digest(data))


def desl(key: bytes, data: bytes) -> bytes:
    """DESL of MS-NLMP section 6: 24 bytes from a 16-byte key and 8 bytes of data."""
    from spnego._ntlm_raw.crypto import desl as encrypt

    return bytes(encrypt(key, data))


def rc4k(key: bytes, data: bytes) -> bytes:
    """One-time RC4 (MS-NLMP section 6)."""
    from spnego._ntlm_raw.crypto import rc4k as crypt

    return bytes(crypt(key, data))


def derived_keys(flags: int, exported: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Sign keys of client and server, seal keys of client and server (MS-NLMP 3.4.5.2 and 3.4.5.3)."""
    from spnego._ntlm_raw.crypto import sealkey, signkey

    return (
        bytes(signkey(flags, exported, "initiate")),
        bytes(signkey(flags, exported, "accept")),
        bytes(sealkey(flags, exported, "initiate")),
        bytes(sealkey(flags, exported, "accept")),
    )


def lm_hash(password: str) -> bytes:
    """LMOWFv1 of MS-NLMP 3.3.1."""
    from spnego._ntlm_raw.crypto import des

    # the OEM code page is not known; pyspnego's own function takes some passwords for a pair of hashes
    padded = password.upper().encode("cp437", "replace").ljust(14, b"\x00")[:14]
    return b"".join(bytes(des(half, b"KGS!@#$%")) for half in (padded[:7], padded[7:]))


def key_exchange_key(flags: int, session_base_key: bytes, lm: bytes, lm_response: bytes, server_challenge: bytes) -> bytes:
    """KXKEY of MS-NLMP 3.4.5.1 for NTLMv1. ``lm`` is the LM hash, needed when the flags say LM_KEY or NON_NT_SESSION_KEY."""
    from spnego._ntlm_raw.crypto import kxkey

    return bytes(kxkey(flags, session_base_key, lm, lm_response, server_challenge))
