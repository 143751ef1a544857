"""TLS with pseudonyms (RFC 8446, RFC 5246): the name that a client asks for, and certificates, as far as they travel in clear. What is encrypted stays."""

from analyzer.pseudonyms.blanks import Blanks, text
from analyzer.pseudonyms.certificates import certificate
from analyzer.pseudonyms.tokens import Namer, der

_CHANGE_CIPHER, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_CLIENT_HELLO, _CERTIFICATE, _REQUEST = 1, 11, 13
_NAME = 0
_RECORD, _MESSAGE = 5, 4


def tls(data: bytes, texts: Namer, blanks: Blanks) -> bytes:
    """A direction's bytes from the beginning of a record on, up to the first hole."""
    made = bytearray(data)
    places: list[int] = []
    at = 0
    while at + _RECORD <= len(data):
        kind, size = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
        if kind not in (_CHANGE_CIPHER, _ALERT, _HANDSHAKE, _DATA) or data[at + 1] != 3:
            made[at:] = text(data[at:], texts.other, blanks) if data[at:].isascii() else blanks.add("bytes of no protocol that is known", len(data) - at)
            break
        if kind in (_CHANGE_CIPHER, _DATA):
            break
        if kind == _HANDSHAKE:
            places += range(at + _RECORD, min(at + _RECORD + size, len(data)))
        at += _RECORD + size
    told = bytearray(data[place] for place in places)
    _messages(told, texts, blanks)
    for place, value in zip(places, told, strict=True):
        made[place] = value
    return bytes(made)


def _messages(told: bytearray, texts: Namer, blanks: Blanks) -> None:
    at = 0
    while at + _MESSAGE <= len(told):
        kind, size = told[at], int.from_bytes(told[at + 1 : at + 4], "big")
        begin, end = at + _MESSAGE, at + _MESSAGE + size
        if end > len(told):
            told[begin:] = blanks.add("a handshake message that is not whole", len(told) - begin)
        elif kind == _CLIENT_HELLO:
            _hello(told, begin, end, texts, blanks)
        elif kind == _CERTIFICATE:
            _certificates(told, begin, end, texts)
        elif kind == _REQUEST and size > 4:
            _authorities(told, begin, end, texts)
        at = end


def _hello(told: bytearray, at: int, end: int, texts: Namer, blanks: Blanks) -> None:
    at += 34
    for width in (1, 2, 1):
        at += width + int.from_bytes(told[at : at + width], "big")
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(told[at : at + 2], "big"), int.from_bytes(told[at + 2 : at + 4], "big")
        if kind == _NAME and size > 5:
            told[at + 9 : at + 4 + size] = text(bytes(told[at + 9 : at + 4 + size]), texts.name, blanks)
        at += 4 + size


def _certificates(told: bytearray, at: int, end: int, texts: Namer) -> None:
    at += 3
    while at + 3 <= end:
        size = int.from_bytes(told[at : at + 3], "big")
        if at + 3 + size > end:
            return
        told[at + 3 : at + 3 + size] = certificate(bytes(told[at + 3 : at + 3 + size]), texts)
        at += 3 + size


def _authorities(told: bytearray, at: int, end: int, texts: Namer) -> None:
    """The issuers that a server wants client certificates of (RFC 5246 section 7.4.4): the list at the end of the message."""
    at += 1 + told[at]
    at += 2 + int.from_bytes(told[at : at + 2], "big")
    at += 2
    while at + 2 <= end:
        size = int.from_bytes(told[at : at + 2], "big")
        if at + 2 + size > end:
            return
        told[at + 2 : at + 2 + size] = der(bytes(told[at + 2 : at + 2 + size]), texts)
        at += 2 + size
