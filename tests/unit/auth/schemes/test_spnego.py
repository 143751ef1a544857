"""SPNEGO wrapping: against pyspnego where it is valid, by hand where it is odd."""

import pytest
from spnego._spnego import NegTokenInit, NegTokenResp, unpack_token

from analyzer.auth.schemes import spnego
from analyzer.records.auth import Mechanism
from analyzer.records.quality import Absent
from tests.unit.auth.builders import (
    KRB5_OID,
    NEGOEX_OID,
    NTLM_OID,
    live_tokens,
    tlv,
)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_spnego_agrees_with_pyspnego_on_a_live_handshake(turn: int) -> None:
    raw = live_tokens("negotiate")[turn]
    value, complaint = spnego.message(raw)
    assert not isinstance(value, Absent)
    assert complaint == ""
    theirs = unpack_token(raw)
    assert value.spnego.message == ("init" if turn == 0 else "resp")
    assert value.token == (theirs.mech_token if turn == 0 else theirs.response_token)
    assert value.spnego.mic is (theirs.mech_list_mic is not None)


def test_states_and_reject() -> None:
    for number, name in enumerate(("accept-completed", "accept-incomplete", "reject", "request-mic")):
        value, _ = spnego.message(tlv(0xA1, tlv(0x30, tlv(0xA0, tlv(10, bytes((number,)))))))
        assert not isinstance(value, Absent)
        assert value.spnego.state == name


def test_an_unknown_state_is_malformed() -> None:
    assert isinstance(spnego.message(tlv(0xA1, tlv(0x30, tlv(0xA0, tlv(10, b"\x07"))))).value, Absent)


def test_negoex_is_noted_among_the_mechanisms() -> None:
    value, _ = spnego.message(NegTokenInit([NEGOEX_OID, KRB5_OID, NTLM_OID], mech_token=b"NEGOEXTS").pack())
    assert not isinstance(value, Absent)
    assert value.spnego.mechanisms == (spnego.NEGOEX, KRB5_OID, NTLM_OID)
    assert spnego.named_mechanism(value.spnego) is Mechanism.UNKNOWN


def test_init2_has_its_mic_at_four() -> None:
    hints = NegTokenInit([NTLM_OID], hint_name=b"not_defined_in_RFC4178@please_ignore").pack()
    signed = NegTokenInit([NTLM_OID], hint_name=b"not_defined_in_RFC4178@please_ignore", mech_list_mic=b"\x01" * 16).pack()
    for raw, mic in ((hints, False), (signed, True)):
        value, _ = spnego.message(raw)
        assert not isinstance(value, Absent)
        assert value.spnego.mic is mic


def test_the_chosen_mechanism_names_a_token_without_content() -> None:
    value, _ = spnego.message(NegTokenResp(supported_mech=NTLM_OID).pack())
    assert not isinstance(value, Absent)
    assert spnego.named_mechanism(value.spnego) is Mechanism.NTLM


def test_frames_in_frames_do_not_recurse() -> None:
    raw = b""
    for _ in range(3000):
        raw = tlv(0x60, bytes.fromhex("06062b0601050502"), raw)
    assert isinstance(spnego.message(raw).value, Absent)


def test_many_elements_are_refused_quickly() -> None:
    assert isinstance(spnego.message(tlv(0xA1, tlv(0x30, b"\xa0\x00" * 60_000))).value, Absent)


def test_bytes_after_the_token_are_reported_and_do_not_harm() -> None:
    raw = live_tokens("negotiate")[1]
    value, complaint = spnego.message(raw + bytes(5000))
    assert not isinstance(value, Absent)
    assert value.token == unpack_token(raw).response_token
    assert complaint == "5000 bytes follow the token"
