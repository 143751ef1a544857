"""Heads and bodies of HTTP with pseudonyms, byte for byte as long: field lines, SOAP with the Base64 in it, PowerShell's fragments (MS-PSRP 2.2.4), pages."""

import base64
import binascii
import re
import struct
from functools import partial

from analyzer.pseudonyms.blanks import Blanks, coded, equal, text
from analyzer.pseudonyms.records import field
from analyzer.pseudonyms.texts import Texts
from analyzer.pseudonyms.tokens import token

_LINE = re.compile(rb"[^\n]*\n?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(:[ \t]*)([^\r\n]*)([\r\n]*)")
_BASE64 = re.compile(r"\s*[A-Za-z0-9+/]{8,}={0,2}\s*")
_SENTENCES = re.compile(r"<(?:\w{1,16}:)?(?:Text|Message|FaultDetail)\b[^<>]{0,4000}>[^<>]{1,8000}<")
_SCHEMAS = ("http://schemas.microsoft.com/wbem/", "http://schemas.xmlsoap.org/", "http://schemas.dmtf.org/", "http://www.w3.org/")
"""How actions and resource URIs begin."""
_FRAGMENT, _MESSAGE = 21, 40


def head(data: bytes, texts: Texts, blanks: Blanks) -> bytes:
    """The lines of a head, or as many of them as there are."""
    made: list[bytes] = []
    for line in _LINE.findall(data):
        found = _FIELD.fullmatch(line)
        if found and not line.startswith(b"HTTP/") and b" HTTP/" not in line:
            value = text(found[3], partial(field, found[1].decode("latin-1"), texts=texts), blanks)
            made.append(found[1] + found[2] + value + found[4])
        else:
            made.append(text(line, texts.other, blanks))
    return equal(b"".join(made), data, blanks)


def body(data: bytes, texts: Texts, blanks: Blanks) -> bytes:
    """A body: XML, another text, or bytes, which are blanked; one that WinRM encrypted (MS-WSMV 2.2.9.1) stays."""
    if not data or (data.startswith(b"--") and b"OriginalContent" in data[:600]):
        return data
    coding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(data[:2]) or ("utf-16-le" if data[1:2] == b"\0" else "utf-8")
    try:
        told = data.decode(coding)
    except UnicodeDecodeError:
        told, coding = data.decode("latin-1"), "latin-1"
    printable = sum(sign.isprintable() or sign in "\r\n\t\ufeff" for sign in told)
    if printable < len(told) * (1 if coding != "latin-1" else 0.9):
        return blanks.add("compressed or binary body", len(data))
    change = (lambda one: xml(one, texts, blanks)) if "Envelope" in told[:4000] or "</rsp:" in told or "<rsp:" in told else texts.other
    return coded(change(told), coding, data, blanks)


def xml(told: str, texts: Texts, blanks: Blanks) -> str:
    """An envelope, or a part of one: tags stay but for names that were learned, the server's own sentences, too; what was typed and printed is replaced."""
    at, made = 0, []
    for found in _SENTENCES.finditer(told):
        made += [texts.markup(told[at : found.start()], lambda part: _between(part, texts, blanks)), texts.known(found[0])]
        at = found.end()
    return "".join((*made, texts.markup(told[at:], lambda part: _between(part, texts, blanks))))


def _between(part: str, texts: Texts, blanks: Blanks) -> str:
    """What stands between two tags: Base64, or a text."""
    bare = part.strip()
    if bare.startswith(_SCHEMAS):
        return texts.known(part)
    if _BASE64.fullmatch(part) and len(bare) % 4 == 0:
        return part.replace(bare, packed(bare, texts, blanks))
    return texts.line(part) if "</" not in part else texts.markup(part)


def packed(told: str, texts: Texts, blanks: Blanks) -> str:
    """Base64 in an envelope: text, PowerShell's fragments, or what cannot be read, which is blanked."""
    try:
        data = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError):
        return texts.line(told)
    made = token(data, texts) or fragments(data, texts, blanks)
    if made is None:
        try:
            plain = data.decode("utf-8")
            whole = all(sign.isprintable() or sign in "\r\n\t\ufeff\x1b\x0c\b" for sign in plain)
        except UnicodeDecodeError:
            whole = False
        if not whole and told.isalpha():
            return texts.line(told)
        made = coded(texts.line(plain), "utf-8", data, blanks) if whole else blanks.add("compressed or binary content of an envelope", len(data))
    return base64.b64encode(made).decode()


def fragments(data: bytes, texts: Texts, blanks: Blanks) -> bytes | None:
    """Fragments with their objects' texts replaced; None when the bytes are none. Those of one object are read as one."""
    places: dict[bytes, list[tuple[int, int, bool]]] = {}
    at = 0
    while at < len(data):
        if at + _FRAGMENT > len(data):
            return None
        identity, flags, size = data[at : at + 8], data[at + 16], struct.unpack_from(">I", data, at + 17)[0]
        if flags > 3 or at + _FRAGMENT + size > len(data):
            return None
        places.setdefault(identity, []).append((at + _FRAGMENT, size, bool(flags & 1)))
        at += _FRAGMENT + size
    made = bytearray(data)
    for pieces in places.values():
        whole = b"".join(data[at : at + size] for at, size, _ in pieces)
        start = _MESSAGE if pieces[0][2] else 0
        changed = whole[:start] + _message(whole[start:], texts, blanks)
        place = 0
        for at, size, _ in pieces:
            made[at : at + size] = changed[place : place + size]
            place += size
    return bytes(made)


def _message(data: bytes, texts: Texts, blanks: Blanks) -> bytes:
    """CLIXML, perhaps cut within a character."""
    first = next((place for place in range(min(4, len(data))) if data[place] & 0xC0 != 0x80), 0)
    last = len(data)
    for back in range(1, min(4, len(data)) + 1):
        if data[-back] & 0xC0 == 0xC0:
            last = len(data) - back if back < {0xC0: 2, 0xE0: 3, 0xF0: 4}.get(data[-back] & 0xF0, 2) else last
            break
    try:
        told = data[first:last].decode("utf-8")
    except UnicodeDecodeError:
        return blanks.add("compressed or binary content of an envelope", len(data))
    return data[:first] + coded(texts.markup(told), "utf-8", data[first:last], blanks) + data[last:]
