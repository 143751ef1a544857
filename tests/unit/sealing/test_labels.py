"""What a body is called says nothing of what it is: an envelope under a label of encryption is clear text."""

import pytest

from analyzer.http.exchanges import parse
from analyzer.records.sealing import Message, Protection
from analyzer.sealing.messages import messages
from analyzer.settings import Limits
from tests.build.streams import talk

ENVELOPE = b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>'
LABEL = b'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'


def parts(data: bytes, header: bytes = b"\x01\x00\x00\x00" + bytes(12)) -> bytes:
    return (
        b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;"
        b"Length=%d\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        % len(data)
        + len(header).to_bytes(4, "little")
        + header
        + data
        + b"--Encrypted Boundary--\r\n"
    )


def said(body: bytes) -> tuple[Message, list[str]]:
    head = b"POST /wsman HTTP/1.1\r\nContent-Type: " + LABEL + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection, fetch = talk([head + body], [])
    (exchange,) = parse(connection, fetch, Limits()).exchanges
    found, issues = messages(connection, exchange, fetch, Limits())
    return found[0], [issue.detail for issue in issues]


@pytest.mark.parametrize(
    "body", [ENVELOPE, b'<?xml version="1.0"?>\n' + ENVELOPE, parts(ENVELOPE), parts(b"\xef\xbb\xbf" + ENVELOPE), parts(ENVELOPE.decode().encode("utf-16-le"))]
)
def test_an_envelope_under_the_label_is_clear(body: bytes) -> None:
    message, told = said(body)
    assert message.protection is Protection.CLEAR
    assert told == ["labeled as encrypted, but its content is a SOAP envelope in clear"]


@pytest.mark.parametrize("data", [bytes(range(200)), b"<" + bytes(range(1, 200)), b"<html><body>no</body></html>"])
def test_what_is_no_envelope_stays_what_it_is_called(data: bytes) -> None:
    message, told = said(parts(data))
    assert message.protection is Protection.SEALED
    assert told == []
