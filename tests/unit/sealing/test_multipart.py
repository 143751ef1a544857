"""The parts of sealed bodies (MS-WSMV 2.2.9.1), found by declared lengths, never by searching ciphertext."""

import struct

import pytest

from analyzer.sealing.multipart import Parts, parts

BOUNDARY = b"--Encrypted Boundary\r\n"
END = b"--Encrypted Boundary--\r\n"
STREAM = b"\tContent-Type: application/octet-stream\r\n"
NTLM = b"\x01\x00\x00\x00" + b"CHECKSUM" + struct.pack("<I", 7)
CFX = b"\x05\x04\x07\xff\x00\x00\x00\x1c" + struct.pack(">Q", 99) + bytes(44)


def part(data: bytes, *, token: bytes = NTLM, protocol: bytes = b"SPNEGO", length: int | None = None, tab: bytes = b"\t", dashes: bytes = b"--") -> bytes:
    head = (
        dashes + b"Encrypted Boundary\r\n" + tab + b"Content-Type: application/HTTP-" + protocol + b"-session-encrypted\r\n"
        + tab + b"OriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % (len(data) if length is None else length)
    )  # fmt: skip
    return head + dashes + b"Encrypted Boundary\r\n" + tab + b"Content-Type: application/octet-stream\r\n" + struct.pack("<I", len(token)) + token + data


def read(body: bytes, limit: int = 10) -> Parts:
    return parts(lambda at, size: body[at : at + size], len(body), limit)


def data_of(body: bytes, found: Parts) -> list[bytes]:
    return [body[one.data_at : one.data_at + one.data_size] for one in found.parts]


def test_one_part() -> None:
    body = part(b"ciphertext") + END
    found = read(body)
    assert (data_of(body, found), found.protocol, found.problem) == ([b"ciphertext"], "HTTP-SPNEGO-session-encrypted", None)
    assert (found.parts[0].length, found.parts[0].header, found.parts[0].sequence) == (10, NTLM, 7)


def test_many_parts() -> None:
    body = part(b"one") + part(b"three") + part(b"") + END
    assert data_of(body, read(body)) == [b"one", b"three", b""]


def test_kerberos_tokens_tell_their_number() -> None:
    found = read(part(b"x" * 30, token=CFX, protocol=b"Kerberos") + END)
    assert (found.parts[0].header, found.parts[0].sequence, found.protocol) == (CFX, 99, "HTTP-Kerberos-session-encrypted")


@pytest.mark.parametrize("data", [b"--Encrypted Boundary\r\n", b"\r\n--Encrypted Boundary--\r\n", STREAM * 2, BOUNDARY + STREAM + b"\x10\x00\x00\x00"])
def test_ciphertext_may_look_like_a_delimiter(data: bytes) -> None:
    body = part(data) + part(b"second") + END
    found = read(body)
    assert (data_of(body, found), found.problem) == ([data, b"second"], None)


@pytest.mark.parametrize(("tab", "dashes"), [(b"", b"--"), (b"\t", b"-- "), (b"", b"-- ")])
def test_exchange_and_event_forwarding_write_it_otherwise(tab: bytes, dashes: bytes) -> None:
    body = part(b"ciphertext", tab=tab, dashes=dashes) + dashes + b"Encrypted Boundary--\r\n"
    found = read(body)
    assert (data_of(body, found), found.problem) == ([b"ciphertext"], None)


def test_credssp_lengths_are_those_of_its_tls_records() -> None:
    """MS-WSMV 2.2.9.1.3: the declared length is that of the plain text, the records are longer; the token counts into the first one."""
    records = b"\x17\x03\x03" + struct.pack(">H", 20) + b"r" * 20 + b"\x17\x03\x03" + struct.pack(">H", 9) + b"s" * 9
    body = part(records[16:], token=records[:16], protocol=b"CredSSP", length=5) + END
    found = read(body)
    assert (data_of(body, found), found.problem) == ([records[16:]], None)


@pytest.mark.parametrize(
    ("body", "count", "word"),
    [
        (part(b"short", length=5000), 1, "does not fit"),
        (part(b"ciphertext", length=4) + END, 1, "no delimiter"),
        (part(b"one") + b"--Encrypted Boundary\r\nrubbish\r\n", 1, "not understood"),
        (part(b"one")[:-10], 0, "does not fit"),
        (BOUNDARY + STREAM + b"\x10\x00", 0, "not captured"),
        (BOUNDARY + STREAM + b"\xff\xff\xff\x7f" + bytes(50), 0, "token header"),
        (b"\x00\x01\x02", 0, "not understood"),
    ],
)
def test_what_does_not_follow_the_specification_is_told(body: bytes, count: int, word: str) -> None:
    found = read(body)
    assert len(found.parts) == count
    assert found.problem is not None
    assert word in found.problem
    assert all(one.data_at + one.data_size <= len(body) for one in found.parts)


def test_the_number_of_parts_is_limited() -> None:
    found = read(part(b"x") * 5 + END, limit=3)
    assert len(found.parts) == 3
    assert found.problem is not None


def test_an_empty_body_has_no_parts() -> None:
    assert read(b"") == Parts((), None, None)
