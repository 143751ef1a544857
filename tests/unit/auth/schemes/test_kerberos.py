"""Kerberos messages made by hand: whole, odd and cut."""

import hashlib

import pytest

from analyzer.auth.schemes import der, kerberos
from analyzer.records.auth import KerberosToken
from analyzer.records.quality import Absent
from tests.unit.auth.builders import (
    ap_rep,
    ap_req,
    framed,
    krb_error,
    tlv,
)


def _kerberos(raw: bytes) -> KerberosToken:
    value, _ = kerberos.message(raw)
    assert isinstance(value, KerberosToken)
    return value


@pytest.mark.parametrize("raw", [framed(b"\x01\0", ap_req()), ap_req()])
def test_an_ap_req_shows_service_realm_and_encryption(raw: bytes) -> None:
    ticket = hashlib.sha256(b"\x5a" * 300).digest()
    expected = KerberosToken("AP-REQ", "LAB.TEST", "HTTP/srv.lab.test", 18, 18, 4, mutual_required=True, ticket=ticket)
    assert kerberos.message(raw) == (expected, "")


def test_numbers_that_no_table_lists_are_kept() -> None:
    token = _kerberos(framed(b"\x01\0", ap_req(-135, None, options=bytes(4), kind=99)))
    assert (token.etype, token.kvno, token.mutual_required, token.spn) == (-135, None, False, "HTTP/srv.lab.test")


def test_ap_rep_and_error() -> None:
    assert _kerberos(framed(b"\x02\0", ap_rep())).message == "AP-REP"
    error = _kerberos(framed(b"\x03\0", krb_error(37)))
    assert (error.message, error.error_code, error.realm, error.spn) == ("KRB-ERROR", 37, "LAB.TEST", "HTTP/srv")


def test_an_ap_req_cut_in_its_authenticator_keeps_what_came_before() -> None:
    value, complaint = kerberos.message(framed(b"\x01\0", ap_req())[:-200])
    assert isinstance(value, KerberosToken)
    assert value.spn == "HTTP/srv.lab.test"
    assert "declares" in complaint


def test_an_ap_req_cut_in_its_ticket_is_still_an_ap_req() -> None:
    raw = framed(b"\x01\0", ap_req())[:60]
    assert isinstance(kerberos.message(raw).value, Absent)
    assert kerberos.kind(raw) == "AP-REQ"


@pytest.mark.parametrize("raw", [b"", b"\x60", b"\x60\x80", framed(b"\x04\0", ap_req()), tlv(0x60, tlv(6, der.SPNEGO), b"\x01\0")])
def test_what_is_no_kerberos_message(raw: bytes) -> None:
    assert isinstance(kerberos.message(raw).value, Absent)
