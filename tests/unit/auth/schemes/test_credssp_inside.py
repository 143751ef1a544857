"""What CredSSP's tokens hold: alerts in clear, and the fields of a TSRequest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.auth.schemes.credssp import records, ts_request
from analyzer.records.quality import Absent


def ts(version: int, error: bytes | None = None) -> bytes:
    fields = bytes([0xA0, 3, 2, 1, version])
    if error is not None:
        fields += bytes([0xA4, len(error) + 2, 2, len(error)]) + error
    return bytes([0x30, len(fields)]) + fields


@pytest.mark.parametrize(("code", "name"), [(70, "protocol_version"), (48, "unknown_ca"), (0, "close_notify"), (7, "alert 7")])
def test_an_alert_in_clear(code: int, name: str) -> None:
    value = records(bytes([21, 3, 3, 0, 2, 2, code])).value
    assert not isinstance(value, Absent)
    assert value.alerts == (name,)


def test_an_encrypted_alert_is_not_read() -> None:
    value = records(bytes([20, 3, 3, 0, 1, 1, 21, 3, 3, 0, 26]) + bytes(26)).value
    assert not isinstance(value, Absent)
    assert value.alerts == ()


def test_version_and_error_of_a_ts_request() -> None:
    assert ts_request(ts(6)) == (6, None)
    assert ts_request(ts(3, bytes.fromhex("C000006D"))) == (3, 0xC000006D)


@pytest.mark.parametrize("text", [b"", b"\x30", b"\x30\x00", b"NTLMSSP\0", ts(6)[:4], b"\x30\x03\xa0\x01\x02"])
def test_what_is_no_ts_request(text: bytes) -> None:
    assert ts_request(text) is None


@given(st.binary(max_size=80))
def test_no_bytes_raise(text: bytes) -> None:
    ts_request(b"\x30" + text)
