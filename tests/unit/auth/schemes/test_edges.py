"""Edges of the parsers of tokens: each number of a table against the number of its specification, written here a second time, and each length at its limit."""

import pytest

from analyzer.auth.schemes import credssp, der, ntlm
from analyzer.auth.schemes.der import Head
from analyzer.records.auth import TlsRecords

HANDSHAKES = "0 hello_request, 1 client_hello, 2 server_hello, 4 new_session_ticket, 8 encrypted_extensions, 11 certificate, 12 server_key_exchange, "
HANDSHAKES += "13 certificate_request, 14 server_hello_done, 15 certificate_verify, 16 client_key_exchange, 20 finished, 22 certificate_status"
ALERTS = "0 close_notify, 10 unexpected_message, 20 bad_record_mac, 40 handshake_failure, 42 bad_certificate, 43 unsupported_certificate, "
ALERTS += "44 certificate_revoked, 45 certificate_expired, 46 certificate_unknown, 47 illegal_parameter, 48 unknown_ca, 49 access_denied, 50 decode_error, "
ALERTS += "51 decrypt_error, 70 protocol_version, 71 insufficient_security, 80 internal_error, 86 inappropriate_fallback, 90 user_canceled, "
ALERTS += "116 certificate_required"


def named(text: str) -> list[tuple[int, str]]:
    return [(int(number), name) for number, name in (row.split() for row in text.split(", "))]


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return bytes([kind]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def records(raw: bytes) -> tuple[TlsRecords, str]:
    value, complaint = credssp.records(raw)
    assert isinstance(value, TlsRecords)
    return value, complaint


@pytest.mark.parametrize(("number", "name"), named(HANDSHAKES))
def test_handshake_messages(number: int, name: str) -> None:
    """RFC 8446 appendix B.3 and RFC 5246 section 7.4."""
    value, _ = records(record(22, bytes([number, 0, 0, 1, 9])))
    assert value.handshakes == (name,)


@pytest.mark.parametrize("number", [3, 5, 7, 9, 10, 17, 19, 21, 23, 255])
def test_other_numbers_are_no_handshake_message(number: int) -> None:
    value, _ = records(record(22, bytes([number, 0, 0, 1, 9])))
    assert value.handshakes == ("encrypted",)


@pytest.mark.parametrize(("number", "name"), [*named(ALERTS), (41, "alert 41"), (255, "alert 255")])
def test_alerts(number: int, name: str) -> None:
    """RFC 8446 section 6."""
    value, _ = records(record(21, bytes([2, number])))
    assert value.alerts == (name,)


def test_an_encrypted_alert_has_no_name() -> None:
    value, _ = records(record(21, bytes(3)))
    assert value.alerts == ()


def test_content_types() -> None:
    """RFC 8446 section 5.1."""
    value, complaint = records(b"".join(record(kind, b"\1\2\3") for kind in (20, 21, 23)))
    assert (value.contents, complaint) == (("change_cipher_spec", "alert", "application_data"), "")


@pytest.mark.parametrize(
    ("number", "name"), [(0x0300, "SSL 3.0"), (0x0301, "TLS 1.0"), (0x0302, "TLS 1.1"), (0x0303, "TLS 1.2"), (0x0304, "TLS 1.3"), (0x0305, None)]
)
def test_versions(number: int, name: str | None) -> None:
    value, _ = records(record(23, b"\1", number))
    assert value.version == name


@pytest.mark.parametrize(
    ("raw", "looks"),
    [
        *[(raw, True) for raw in (b"\x14\x03", b"\x15\x03", b"\x16\x03", b"\x17\x03")],
        *[(raw, False) for raw in (b"", b"\x16", b"\x13\x03", b"\x18\x03", b"\x16\x02", b"\x03\x16")],
    ],
)
def test_what_looks_like_tls(raw: bytes, looks: object) -> None:
    assert credssp.looks_like_tls(raw) is looks


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"\x04", None),
        (b"\x04\x00", Head(4, 2, 0)),
        (b"\x04\x7f", Head(4, 2, 0x7F)),
        (b"\x04\x80", None),
        (b"\x04\x81", None),
        (b"\x04\x81\x80", Head(4, 3, 0x80)),
        (b"\x04\x84\x01\x02\x03\x04", Head(4, 6, 0x01020304)),
        (b"\x04\x84\x01\x02\x03", None),
        (b"\x04\x85\x01\x02\x03\x04\x05", None),
        (b"\x1e\x00", Head(0x1E, 2, 0)),
        (b"\x1f\x00", None),
        (b"\x3f\x00", None),
        (b"\xbf\x00", None),
        (b"\x20\x00", Head(0x20, 2, 0)),
    ],
)
def test_heads_of_elements(raw: bytes, found: Head | None) -> None:
    """X.690 sections 8.1.2 and 8.1.3."""
    assert der.head(raw, 0, len(raw)) == found


@pytest.mark.parametrize(("size", "found"), [(8, None), (11, None), (12, 3), (13, 3)])
def test_the_type_of_an_ntlm_message_needs_twelve_bytes(size: int, found: int | None) -> None:
    assert ntlm.message_type((b"NTLMSSP\0\x03\0\0\0" + b"\xff" * 9)[:size]) == found
