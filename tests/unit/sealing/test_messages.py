"""What protects a body, told from its content type and its first bytes."""

import pytest

from analyzer.http.exchanges import parse
from analyzer.records.sealing import Message, Protection
from analyzer.sealing.messages import messages
from analyzer.settings import Limits
from tests.build.streams import Piece, talk
from tests.unit.sealing.test_multipart import END, part

SOAP = b"<?xml version='1.0'?><s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'/>"
SEALED_TYPE = b'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'


def message(content_type: bytes | None, body: bytes) -> tuple[Message, list[str]]:
    field = b"" if content_type is None else b"Content-Type: " + content_type + b"\r\n"
    return _read([b"POST /wsman HTTP/1.1\r\n" + field + b"Content-Length: %d\r\n\r\n" % len(body) + body])


def _read(pieces: list[Piece]) -> tuple[Message, list[str]]:
    connection, fetch = talk(pieces, [])
    (exchange,) = parse(connection, fetch, Limits()).exchanges
    (found,), issues = messages(connection, exchange, fetch, Limits())
    return found, [issue.code for issue in issues]


@pytest.mark.parametrize(
    ("content_type", "body", "protection"),
    [
        (SEALED_TYPE, part(b"x") + END, Protection.SEALED),
        (b"Multipart/X-Multi-Encrypted; protocol=x", part(b"x") + END, Protection.SEALED),
        (b"application/soap+xml;charset=UTF-8", SOAP, Protection.CLEAR),
        (b"application/soap+xml;charset=UTF-16", SOAP.decode().encode("utf-16"), Protection.CLEAR),
        (b"text/xml", SOAP, Protection.CLEAR),
        (b"text/xml", b"no markup", Protection.NONE),
        (None, b"<s:Envelope xmlns:s='x'/>", Protection.CLEAR),
        (None, b"\xef\xbb\xbf<s:Envelope xmlns:s='x'/>", Protection.CLEAR),
        (b"text/html", b"<html></html>", Protection.NONE),
        (b"application/soap+xml", b"", Protection.EMPTY),
        (SEALED_TYPE, b"", Protection.EMPTY),
    ],
)
def test_protection(content_type: bytes | None, body: bytes, protection: Protection) -> None:
    found, issues = message(content_type, body)
    assert (found.protection, found.size, issues) == (protection, len(body), [])


def test_parts_are_found_in_chunked_bodies() -> None:
    body = part(b"ciphertext") + END
    cut = [body[at : at + 7] for at in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut)
    head = b"POST / HTTP/1.1\r\nContent-Type: " + SEALED_TYPE + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    found, issues = _read([head + chunks + b"0\r\n\r\n"])
    assert [(one.length, one.data_size, body[one.data_at : one.data_at + one.data_size]) for one in found.parts] == [(10, 10, b"ciphertext")]
    assert issues == []


def test_a_malformed_body_is_an_issue_but_not_one_with_a_hole() -> None:
    assert message(SEALED_TYPE, b"rubbish")[1] == ["sealing.malformed"]
    head = b"POST / HTTP/1.1\r\nContent-Type: " + SEALED_TYPE + b"\r\nContent-Length: 50\r\n\r\n"
    found, issues = _read([head + b"--Enc", 45])
    assert (found.protection, found.parts, issues) == (Protection.SEALED, (), [])
