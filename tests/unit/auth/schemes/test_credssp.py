"""TLS records of a live CredSSP handshake, and by hand."""

from analyzer.auth.schemes import credssp
from analyzer.records.auth import TlsRecords
from tests.unit.auth.builders import (
    live_tokens,
)


def test_a_live_credssp_handshake_is_tls_records() -> None:
    readings = [credssp.records(raw) for raw in live_tokens("credssp")]
    assert all(isinstance(reading.value, TlsRecords) and reading.complaint == "" for reading in readings)
    hello, answer = (reading.value for reading in readings[:2])
    assert isinstance(hello, TlsRecords)
    assert isinstance(answer, TlsRecords)
    assert (hello.handshakes, hello.contents) == (("client_hello",), ("handshake",))
    assert answer.handshakes[0] == "server_hello"


def test_handshake_messages_over_several_records_and_after_the_cipher_change() -> None:
    messages = b"\x0b\0\0\x05aaaaa" + b"\x0e\0\0\0"
    raw = b"".join((b"\x16\x03\x03\0\x04" + messages[:4], b"\x16\x03\x03\0\x09" + messages[4:], b"\x14\x03\x03\0\x01\x01", b"\x16\x03\x03\0\x04abcd"))
    value, complaint = credssp.records(raw)
    assert value == TlsRecords(("handshake", "handshake", "change_cipher_spec", "handshake"), ("certificate", "server_hello_done", "encrypted"), "TLS 1.2")
    assert complaint == ""


def test_a_cut_record_is_kept_and_reported() -> None:
    value, complaint = credssp.records(live_tokens("credssp")[0][:-7])
    assert isinstance(value, TlsRecords)
    assert value.handshakes == ("client_hello",)
    assert complaint
