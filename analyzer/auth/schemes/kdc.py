"""Messages of a key distribution center: AS-REQ, AS-REP, TGS-REQ, TGS-REP (RFC 4120 section 5.4) and KRB-ERROR (section 5.9), as far as they are in clear.

They are read here and not by an endpoint's library, as a capture holds thousands of them: no copy is made, and nothing is loaded. A message whose elements do
not lie inside of each other gives nothing.
"""

import hashlib
from collections.abc import Mapping

from msgspec import Struct

from analyzer.auth.schemes import der
from analyzer.records.kerberos import KdcKind

_KINDS = {0x6A: KdcKind.AS_REQ, 0x6B: KdcKind.AS_REP, 0x6C: KdcKind.TGS_REQ, 0x6D: KdcKind.TGS_REP, 0x7E: KdcKind.ERROR}
"""By application tag (section 5.10)."""
_SEQUENCE, _INTEGER, _OCTETS, _TIME, _STRING, _TICKET = 0x30, 0x02, 0x04, 0x18, 0x1B, 0x61
_AP_REQ, _PA_TGS_REQ = 0x6E, 1
_FIELDS, _NAMES, _NAME_CHARACTERS = 32, 16, 512
_INTEGER_OCTETS = 8
_ANONYMOUS = "WELLKNOWN/"
"""Names that stand for no one (RFC 8062, RFC 6113)."""
_Span = tuple[int, int]


class Clear(Struct, frozen=True, gc=False):
    """What is in clear of a message; ``ticket`` is SHA-256 of the ciphertext of the ticket in a reply, ``granting`` that of the ticket in a TGS-REQ."""

    kind: KdcKind
    client: str | None
    realm: str | None
    service: str | None
    error_code: int | None = None
    ticket: bytes | None = None
    server_ns: int | None = None
    etype: int | None = None
    granting: bytes | None = None
    granting_etype: int | None = None


def clear(raw: bytes) -> Clear | None:
    """What the message that ``raw`` begins with says in clear; None for damage and for anything else."""
    outer = der.head(raw, 0, len(raw))
    kind = None if outer is None else _KINDS.get(outer.tag)
    if outer is None or kind is None:
        return None
    try:
        fields = _fields(raw, (outer.begin, _end(outer, len(raw))))
        if kind is KdcKind.ERROR:
            return _error(raw, fields)
        return _request(raw, kind, fields) if kind.asks else _reply(raw, kind, fields)
    except (KeyError, ValueError, IndexError):  # a field is missing, or is not what it should be
        return None


def _request(raw: bytes, kind: KdcKind, fields: Mapping[int, _Span]) -> Clear:
    body = _fields(raw, fields[4])
    etype, granting = _granting(raw, fields[3]) if kind is KdcKind.TGS_REQ and 3 in fields else (None, None)
    service = _name(raw, body[3]) if 3 in body else None
    return Clear(kind, _client(raw, body.get(1)), _text(raw, body[2]), service, granting=granting, granting_etype=etype)


def _reply(raw: bytes, kind: KdcKind, fields: Mapping[int, _Span]) -> Clear:
    ticket = _fields(raw, _inside(raw, fields[5], _TICKET))
    etype, digest = _encrypted(raw, ticket[3])
    return Clear(kind, _client(raw, fields[4]), _text(raw, fields[3]), _name(raw, ticket[2]), ticket=digest, etype=etype)


def _encrypted(raw: bytes, span: _Span) -> tuple[int | None, bytes]:
    """EncryptedData (section 5.2.9): its encryption type, and SHA-256 of the ciphertext."""
    fields = _fields(raw, span)
    begin, end = _inside(raw, fields[2], _OCTETS)
    return _number(raw, fields[0]) if 0 in fields else None, hashlib.sha256(raw[begin:end]).digest()


def _number(raw: bytes, span: _Span) -> int | None:
    begin, end = _inside(raw, span, _INTEGER)
    return int.from_bytes(raw[begin:end], "big", signed=True) if 1 <= end - begin <= _INTEGER_OCTETS else None


def _granting(raw: bytes, span: _Span) -> tuple[int | None, bytes | None]:
    """The ticket-granting ticket in the pre-authentication data of a TGS-REQ (section 5.4.1)."""
    at, end = _inside(raw, span, _SEQUENCE)
    for _ in range(_FIELDS):
        if at >= end:
            break
        element = der.head(raw, at, end)
        if element is None:
            raise ValueError
        data = _fields(raw, (at, end))
        if _number(raw, data[1]) == _PA_TGS_REQ:
            asked = _fields(raw, _inside(raw, _inside(raw, data[2], _OCTETS), _AP_REQ))
            return _encrypted(raw, _fields(raw, _inside(raw, asked[3], _TICKET))[3])
        at = _end(element, end)
    return None, None


def _error(raw: bytes, fields: Mapping[int, _Span]) -> Clear:
    begin, end = _inside(raw, fields[6], _INTEGER)
    if not 1 <= end - begin <= _INTEGER_OCTETS:
        raise ValueError
    code = int.from_bytes(raw[begin:end], "big", signed=True)
    realm = _text(raw, fields[7]) if 7 in fields else _text(raw, fields[9]) if 9 in fields else None
    service = _name(raw, fields[10]) if 10 in fields else None
    return Clear(KdcKind.ERROR, _client(raw, fields.get(8)), realm, service, code, server_ns=_time(raw, fields))


def _time(raw: bytes, fields: Mapping[int, _Span]) -> int | None:
    """The fields stime and susec; None where they cannot be read."""
    if 4 not in fields or 5 not in fields:
        return None
    begin, end = _inside(raw, fields[4], _TIME)
    small, last = _inside(raw, fields[5], _INTEGER)
    return der.kerberos_ns(raw[begin:end], int.from_bytes(raw[small:last], "big", signed=True)) if last - small <= _INTEGER_OCTETS else None


def _client(raw: bytes, span: _Span | None) -> str | None:
    name = None if span is None else _name(raw, span)
    return None if not name or name.startswith(_ANONYMOUS) else name


def _fields(raw: bytes, span: _Span) -> dict[int, _Span]:
    """The fields of the SEQUENCE in ``span`` by their context tags, each with where its content lies."""
    at, end = _inside(raw, span, _SEQUENCE)
    found: dict[int, _Span] = {}
    while at < end:
        element = der.head(raw, at, end)
        if element is None or len(found) > _FIELDS:
            raise ValueError
        at = _end(element, end)
        if element.tag & 0xE0 == 0xA0:
            found[element.tag & 0x1F] = element.begin, at
    return found


def _inside(raw: bytes, span: _Span, tag: int) -> _Span:
    """The content of the element that ``span`` begins with, which has that tag."""
    element = der.head(raw, *span)
    if element is None or element.tag != tag:
        raise ValueError
    return element.begin, _end(element, span[1])


def _end(element: der.Head, limit: int) -> int:
    if element.begin + element.size > limit:
        raise ValueError
    return element.begin + element.size


def _text(raw: bytes, span: _Span) -> str:
    begin, end = _inside(raw, span, _STRING)
    return raw[begin : min(end, begin + _NAME_CHARACTERS)].decode("utf-8", "replace")


def _name(raw: bytes, span: _Span) -> str:
    """PrincipalName (section 5.2.2), its parts joined by slashes."""
    at, end = _inside(raw, _fields(raw, span)[1], _SEQUENCE)
    parts: list[str] = []
    while at < end and len(parts) < _NAMES:
        parts.append(_text(raw, (at, end)))
        at = _inside(raw, (at, end), _STRING)[1]
    return "/".join(parts)
