"""Messages of a KDC made by hand: whole, odd and cut; scapy is asked what it reads in the same bytes."""

import hashlib

import pytest

from analyzer.auth.schemes import scapy_adapter
from analyzer.auth.schemes.kdc import Clear, clear
from analyzer.records.kerberos import KdcKind
from tests.build.talk_kdc import TICKET, as_rep, as_req, kdc_error, tgs_rep, tgs_req
from tests.unit.auth.builders import number, principal, tlv

TOLD = 1_767_323_045_000_001_000
"""2026-01-02 03:04:05.000001 UTC, ns since 1970."""

DIGEST = hashlib.sha256(TICKET).digest()
MESSAGES = {
    "as-req": (as_req("alice"), Clear(KdcKind.AS_REQ, "alice", "LAB.TEST", "krbtgt/LAB.TEST")),
    "as-rep": (as_rep("alice"), Clear(KdcKind.AS_REP, "alice", "LAB.TEST", "krbtgt/LAB.TEST", ticket=DIGEST, etype=18)),
    "tgs-req": (tgs_req("HTTP/srv01"), Clear(KdcKind.TGS_REQ, None, "LAB.TEST", "HTTP/srv01", granting=DIGEST, granting_etype=18)),
    "tgs-rep": (tgs_rep("alice", "HTTP/srv01"), Clear(KdcKind.TGS_REP, "alice", "LAB.TEST", "HTTP/srv01", ticket=DIGEST, etype=18)),
    "error": (kdc_error(7, "HTTP/srv01"), Clear(KdcKind.ERROR, None, "LAB.TEST", "HTTP/srv01", 7, server_ns=TOLD)),
    "error with a client": (kdc_error(24, "krbtgt/LAB.TEST", "alice"), Clear(KdcKind.ERROR, "alice", "LAB.TEST", "krbtgt/LAB.TEST", 24, server_ns=TOLD)),
}
EACH = pytest.mark.parametrize("name", MESSAGES)


@EACH
def test_what_is_in_clear(name: str) -> None:
    raw, expected = MESSAGES[name]
    assert clear(raw) == expected


@EACH
def test_bytes_behind_it_do_not_matter(name: str) -> None:
    raw, expected = MESSAGES[name]
    assert clear(raw + bytes(20)) == expected


@EACH
def test_a_cut_message_gives_nothing(name: str) -> None:
    raw, _ = MESSAGES[name]
    assert {clear(raw[:size]) for size in range(len(raw))} == {None}


@EACH
def test_damage_never_raises(name: str) -> None:
    raw, _ = MESSAGES[name]
    for at in range(min(len(raw), 200)):
        for value in (0, 0x1F, 0x30, 0x80, 0x84, 0xFF):
            clear(raw[:at] + bytes((value,)) + raw[at + 1 :])


def test_scapy_reads_the_same() -> None:
    raw, expected = MESSAGES["tgs-rep"]
    told = scapy_adapter.kdc_rep(raw)
    assert told is not None
    assert (told.client, told.realm, told.ticket.service, told.ticket.encrypted.digest) == (expected.client, expected.realm, expected.service, expected.ticket)
    assert scapy_adapter.tgs_req(tgs_req("HTTP/srv01")) is not None


def test_anonymous_names_no_one() -> None:
    told = clear(as_rep("WELLKNOWN/ANONYMOUS"))
    assert told is not None
    assert told.client is None


@pytest.mark.parametrize("raw", [b"", b"\x30\x03\x02\x01\x05", b"\x6e\x02\x30\x00", b"\x7e\x02\x30\x00", b"\x6b\x80\x30\x00"])
def test_something_else(raw: bytes) -> None:
    assert clear(raw) is None


@pytest.mark.parametrize(
    ("octets", "code"), [(b"\x18", 24), (b"\x00\x80", 128), (b"\x7f\xff\xff\xff", 0x7FFFFFFF), (bytes(7) + b"\x07", 7), (b"", None), (bytes(9), None)]
)
def test_an_error_code_has_one_to_eight_octets(octets: bytes, code: int | None) -> None:
    """DER writes as few octets as there can be (X.690 section 8.3.2); more are read as they are."""
    whole = kdc_error(7, "HTTP/srv01")
    fields = b"".join(
        (
            tlv(0xA0, number(5)),
            tlv(0xA1, number(30)),
            tlv(0xA4, tlv(0x18, b"20240101000000Z")),
            tlv(0xA5, number(0)),
            tlv(0xA6, tlv(0x02, octets)),
            tlv(0xA9, tlv(0x1B, b"LAB.TEST")),
            tlv(0xAA, principal(b"HTTP", b"srv01")),
        )
    )
    told, usual = clear(tlv(0x7E, tlv(0x30, fields))), clear(whole)
    assert usual is not None
    assert usual.error_code == 7
    assert (None if told is None else told.error_code) == code


@pytest.mark.parametrize(("name", "kind"), [("as-rep", 11), ("tgs-rep", 13)])
def test_the_kind_of_a_reply(name: str, kind: int) -> None:
    told = scapy_adapter.kdc_rep(MESSAGES[name][0])
    assert told is not None
    assert told.kind == kind
