"""The outer shape of ASN.1 DER (X.690 section 8.1), looked at before anything is read out of it.

Two jobs. `shape` walks all constructed elements once, in linear time, and tells whether the lengths fit and whether there are more or deeper elements than any
token has; the library behind `pyspnego_adapter` copies the rest of the buffer for each element, so that its cost would otherwise be quadratic. `frame` opens
the GSS-API framing ``60 length 06 length OID token`` (RFC 2743 section 3.1) without trusting its outer length, which may count bytes that were cut off.
"""

import re
from datetime import UTC, datetime

from msgspec import Struct

SPNEGO = bytes.fromhex("2b0601050502")
KERBEROS_OIDS = (
    bytes.fromhex("2a864886f712010202"),  # 1.2.840.113554.1.2.2
    bytes.fromhex("2a864882f712010202"),  # 1.2.840.48018.1.2.2, Microsoft's misspelling (MS-SPNG 3.1.5.2)
    bytes.fromhex("2a864886f71201020203"),  # 1.2.840.113554.1.2.2.3, user to user
    bytes.fromhex("2b0601050205"),  # 1.3.6.1.5.2.5, IAKERB
)
NTLM_OID = bytes.fromhex("2b06010401823702020a")  # 1.3.6.1.4.1.311.2.2.10

_ELEMENTS = 2048
_DEPTH = 24
_OID_SIZE = 64
_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_MICROSECONDS = 1_000_000


class Shape(Struct, frozen=True, gc=False):
    """``problem`` says why the bytes should not be read at all, ``misfit`` where lengths and bytes disagree; both "" when all is well."""

    problem: str
    misfit: str


class Frame(Struct, frozen=True, gc=False):
    """The mechanism's object identifier (DER, without tag and length) and the bytes after it."""

    oid: bytes
    token: bytes


class Head(Struct, frozen=True, gc=False):
    """An element's tag, and where its content begins and how long it says it is."""

    tag: int
    begin: int
    size: int


def shape(raw: bytes) -> Shape:
    """What is wrong with the nesting of the element that ``raw`` begins with."""
    outer = head(raw, 0, len(raw))
    if outer is None:
        return Shape("", "no whole tag and length at byte 0")
    end = min(len(raw), outer.begin + outer.size)
    misfit = f"{len(raw) - end} bytes follow the token" if end < len(raw) else ""
    elements = 0
    todo = [(0, end, 0)]
    while todo:
        at, end, depth = todo.pop()
        while at < end:
            elements += 1
            element = head(raw, at, end)
            if element is None:
                misfit = misfit or f"no whole tag and length at byte {at}"
                break
            if element.begin + element.size > end:
                misfit = misfit or f"the element at byte {at} declares {element.size} bytes of which {end - element.begin} are there"
            if elements > _ELEMENTS or depth > _DEPTH or (element.tag == 0x06 and element.size > _OID_SIZE):
                return Shape(f"more than {_ELEMENTS} elements, {_DEPTH} levels or {_OID_SIZE} bytes of an object identifier", misfit)
            if element.tag & 0x20:
                todo.append((element.begin, min(end, element.begin + element.size), depth + 1))
            at = element.begin + element.size
    return Shape("", misfit)


def frame(raw: bytes) -> Frame | None:
    """The GSS-API framing of an initial token, or None when ``raw`` has none."""
    outer = head(raw, 0, len(raw))
    if outer is None or outer.tag != 0x60:
        return None
    oid = head(raw, outer.begin, len(raw))
    if oid is None or oid.tag != 0x06 or oid.begin + oid.size > len(raw):
        return None
    end = oid.begin + oid.size
    return Frame(raw[oid.begin : end], raw[end:])


def head(raw: bytes, at: int, end: int) -> Head | None:
    """The element that begins at ``at``, None when tag and length are not whole before ``end``."""
    # X.690 8.1.2.4: tag numbers from 31 take more octets. No token of this project has one; the shape then has a misfit.
    if at + 2 > end or raw[at] & 0x1F == 0x1F:
        return None
    size = raw[at + 1]
    begin = at + 2
    if size < 0x80:
        return Head(raw[at], begin, size)
    # X.690 8.1.3.5: the long form; 0x80 is the indefinite form, which DER forbids.
    octets = size & 0x7F
    if octets == 0 or octets > 4 or begin + octets > end:
        return None
    return Head(raw[at], begin + octets, int.from_bytes(raw[begin : begin + octets], "big"))


def kerberos_ns(time: bytes, microseconds: int) -> int | None:
    """KerberosTime (RFC 4120 section 5.2.3) with its microseconds, as ns since 1970; None for what is no time."""
    found = _TIME.fullmatch(time)
    if found is None or not 0 <= microseconds < _MICROSECONDS:
        return None
    try:
        year, month, day, hour, minute, second = map(int, found.groups())
        whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(whole.timestamp()) * 1_000_000_000 + microseconds * 1_000
