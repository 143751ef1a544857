"""Makes what the tests of the authentication stage are fed with: records by hand, and tokens by live pyspnego contexts or byte by byte."""

import base64
import os
import struct
import tempfile
from array import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unittest import mock

import spnego

from analyzer.records.auth import Audience, Conversation
from analyzer.records.http import Body, Exchange, Framing, Header, Request, Response
from analyzer.records.ids import exchange_id, packet_key, request_id, response_id
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.transport import Connection, End, Endpoint, Extents, Stream
from analyzer.settings import Limits

LIMITS = Limits()
EMPTY = Body(Framing.NONE, 0, None, (), missing=0, complete=True, digest=b"", starts=b"")
MISSING = Absent(Why.NOT_CAPTURED)
KRB5 = bytes.fromhex("06092a864886f712010202")
NTLM_OID, KRB5_OID, MS_KRB5_OID, NEGOEX_OID = "1.3.6.1.4.1.311.2.2.10", "1.2.840.113554.1.2.2", "1.2.840.48018.1.2.2", "1.3.6.1.4.1.311.2.2.30"

Fields = Sequence[tuple[str, str]]


def connection(protocol: str = "http") -> Connection:
    def nothing() -> "array[int]":
        return array("q")

    stream = Stream(Extents(nothing(), nothing(), nothing(), nothing(), nothing(), nothing(), nothing()), (), 0)
    ends = (Endpoint("10.0.0.1", 50000), Endpoint("10.0.0.2", 5985))
    return Connection("c1", 0, *ends, 0, 10**12, nothing(), stream, stream, End.OPEN, None, (), protocol)


def ask(*fields: tuple[str, str]) -> Fields:
    return fields


def reply(status: int, *fields: tuple[str, str]) -> tuple[int, Fields]:
    return status, fields


def talk(*pairs: tuple[Fields | None, tuple[int, Fields] | None]) -> tuple[Exchange, ...]:
    """Exchanges of connection c1: each pair is a request's headers (None: not captured) and a response's status and headers (None: not captured)."""
    return tuple(_exchange(position, sent, answer) for position, (sent, answer) in enumerate(pairs, start=1))


def _exchange(position: int, sent: Fields | None, answer: tuple[int, Fields] | None) -> Exchange:
    name = exchange_id("c1", position)
    at = position * 1_000_000
    packets = (packet_key(0, position * 10), packet_key(0, position * 10 + 1))
    request: Known[Request] = MISSING
    response: Known[Response] = MISSING
    if sent is not None:
        request = Request(request_id(name), "POST", "/wsman", "HTTP/1.1", _headers(sent), EMPTY, 0, 0, at, at + 10, packets[:1])
    if answer is not None:
        response = Response(response_id(name), answer[0], "", "HTTP/1.1", _headers(answer[1]), EMPTY, 0, 0, at + 500, at + 510, packets[1:])
    return Exchange(name, "c1", 0, position, request, response)


def _headers(fields: Fields) -> tuple[Header, ...]:
    return tuple(Header(name, value, 0) for name, value in (("Host", "srv:5985"), *fields))


def only(found: tuple[tuple[Conversation, ...], tuple[Issue, ...]], audience: Audience = Audience.SERVER) -> Conversation:
    (one,) = (conversation for conversation in found[0] if conversation.audience is audience)
    return one


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@cache
def live_tokens(protocol: str) -> tuple[bytes, ...]:
    """Tokens of a whole handshake in turn, client first: ``ntlm`` raw, ``negotiate`` SPNEGO around NTLM, ``credssp`` TLS records."""
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder, "accounts")
        accounts.write_text("LAB:alice:Passw0rd\n", encoding="utf-8")
        with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(accounts)}):
            options = spnego.NegotiateOptions.use_negotiate if protocol == "negotiate" else spnego.NegotiateOptions.none
            client = spnego.client("LAB\\alice", "Passw0rd", hostname="srv", service="HTTP", protocol=protocol, options=options)
            server = spnego.server(hostname="srv", service="HTTP", protocol=protocol, options=options)
            return tuple(_handshake(client, server))


def _handshake(client: spnego.ContextProxy, server: spnego.ContextProxy) -> list[bytes]:
    tokens: list[bytes] = []
    token: bytes | None = None
    speaker, listener = client, server
    while not (client.complete and server.complete) or token:
        token = speaker.step(token)
        if not token:
            break
        tokens.append(token)
        speaker, listener = listener, speaker
    return tokens


def ntlm1(flags: int = 0xE2088297) -> bytes:
    return b"NTLMSSP\0" + struct.pack("<II", 1, flags) + bytes(16) + b"\x0a\0\x63\x45\0\0\0\x0f"


def ntlm2(pairs: Sequence[tuple[int, bytes]] = ((2, "LAB".encode("utf-16-le")), (1, "SRV".encode("utf-16-le"))), *, end: bytes = bytes(4)) -> bytes:
    info = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in pairs) + end
    target = "LAB".encode("utf-16-le")
    head = b"NTLMSSP\0" + struct.pack("<IHHII", 2, len(target), len(target), 56, 0xE28A8215) + b"\x01\x23\x45\x67\x89\xab\xcd\xef" + bytes(8)
    return head + struct.pack("<HHI", len(info), len(info), 56 + len(target)) + b"\x0a\0\x63\x45\0\0\0\x0f" + target + info


def ntlm3(  # a message 3 field by field, MS-NLMP 2.2.1.3
    user: bytes,
    domain: bytes = b"",
    nt: bytes = b"\x11" * 24,
    lm: bytes = bytes(24),
    flags: int = 0xE2888215,
    workstation: bytes = b"",
    offset: int | None = None,
) -> bytes:
    at = 72
    triples = b""
    payload = b""
    for value in (lm, nt, domain, user, workstation, b""):
        begin = offset if offset is not None and value is user else at + len(payload)
        triples += struct.pack("<HHI", len(value), len(value), begin)
        payload += value
    return b"NTLMSSP\0" + struct.pack("<I", 3) + triples + struct.pack("<I", flags) + b"\x0a\0\x63\x45\0\0\0\x0f" + payload


def ntlmv2_response(pairs: bytes) -> bytes:
    return b"\x22" * 16 + b"\x01\x01" + bytes(6) + bytes(8) + b"\x33" * 8 + bytes(4) + pairs


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element."""
    value = b"".join(parts)
    if len(value) < 0x80:
        return bytes((tag, len(value))) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + value


def number(value: int) -> bytes:
    return tlv(2, value.to_bytes(4, "big", signed=True))


def principal(*names: bytes, kind: int = 2) -> bytes:
    return tlv(0x30, tlv(0xA0, number(kind)), tlv(0xA1, tlv(0x30, *(tlv(0x1B, name) for name in names))))


def encrypted(etype: int, kvno: int | None = None, size: int = 300) -> bytes:
    version = b"" if kvno is None else tlv(0xA1, number(kvno))
    return tlv(0x30, tlv(0xA0, number(etype)), version, tlv(0xA2, tlv(4, b"\x5a" * size)))


def ap_req(etype: int = 18, kvno: int | None = 4, *, options: bytes = b"\x20\0\0\0", kind: int = 2) -> bytes:
    """RFC 4120 5.5.1, without framing."""
    ticket = tlv(
        0x61,
        tlv(
            0x30,
            tlv(0xA0, number(5)),
            tlv(0xA1, tlv(0x1B, b"LAB.TEST")),
            tlv(0xA2, principal(b"HTTP", b"srv.lab.test", kind=kind)),
            tlv(0xA3, encrypted(etype, kvno)),
        ),
    )
    fields = (tlv(0xA0, number(5)), tlv(0xA1, number(14)), tlv(0xA2, tlv(3, b"\0" + options)), tlv(0xA3, ticket), tlv(0xA4, encrypted(18)))
    return tlv(0x6E, tlv(0x30, *fields))


def ap_rep() -> bytes:
    return tlv(0x6F, tlv(0x30, tlv(0xA0, number(5)), tlv(0xA1, number(15)), tlv(0xA2, encrypted(18, size=60))))


def krb_error(code: int = 37) -> bytes:
    fields = (
        tlv(0xA0, number(5)),
        tlv(0xA1, number(30)),
        tlv(0xA4, tlv(0x18, b"20240101000000Z")),
        tlv(0xA5, number(0)),
        tlv(0xA6, number(code)),
        tlv(0xA9, tlv(0x1B, b"LAB.TEST")),
        tlv(0xAA, principal(b"HTTP", b"srv")),
    )
    return tlv(0x7E, tlv(0x30, *fields))


def framed(token_id: bytes, message: bytes) -> bytes:
    """The GSS framing of RFC 4121 4.1."""
    return tlv(0x60, KRB5, token_id, message)
