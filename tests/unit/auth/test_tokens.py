"""Scheme word and bytes become a token: the bytes decide, secrets stay out, and no bytes raise."""

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spnego._spnego import NegTokenInit, NegTokenResp

from analyzer.auth.headers import Challenge, credentials
from analyzer.auth.tokens import begins_handshake, challenge_token, credentials_token, rejects
from analyzer.records.auth import Mechanism, Token
from analyzer.records.quality import Absent, Why
from analyzer.settings import Limits
from tests.unit.auth.builders import (
    KRB5_OID,
    LIMITS,
    NEGOEX_OID,
    NTLM_OID,
    ap_rep,
    ap_req,
    b64,
    framed,
    krb_error,
    live_tokens,
    ntlm1,
    ntlm2,
    ntlm3,
    tlv,
)


def _client(scheme: str, raw: bytes) -> Token:
    return credentials_token(Challenge(scheme, b64(raw), (), b64(raw)), LIMITS).token


def _server(scheme: str, raw: bytes) -> Token:
    reading = challenge_token(Challenge(scheme, b64(raw), (), b64(raw)), LIMITS)
    assert reading is not None
    return reading.token


@pytest.mark.parametrize("scheme", ["Negotiate", "NTLM", "Kerberos", "CredSSP", "Nego2", "NEGOTIATE"])
@pytest.mark.parametrize(
    ("raw", "mechanism", "step"),
    [
        (ntlm1(), Mechanism.NTLM, "negotiate"),
        (ntlm3(b"a\0"), Mechanism.NTLM, "authenticate"),
        (ntlm3(b"a\0")[:40], Mechanism.NTLM, "authenticate"),
        (framed(b"\x01\0", ap_req()), Mechanism.KERBEROS, "authenticate"),
        (framed(b"\x01\0", ap_req())[:50], Mechanism.KERBEROS, "authenticate"),
        (NegTokenInit([KRB5_OID, NTLM_OID], mech_token=framed(b"\x01\0", ap_req())).pack(), Mechanism.KERBEROS, "authenticate"),
        (NegTokenInit([NTLM_OID], mech_token=ntlm1()).pack(), Mechanism.NTLM, "negotiate"),
        (NegTokenInit([NTLM_OID]).pack(), Mechanism.NTLM, "negotiate"),
        (NegTokenInit([KRB5_OID, NTLM_OID]).pack(), Mechanism.UNKNOWN, "negotiate"),
        (NegTokenInit([NEGOEX_OID], mech_token=b"NEGOEXTSxxxx").pack(), Mechanism.UNKNOWN, "negotiate"),
        (NegTokenResp(response_token=ntlm3(b"a\0")).pack(), Mechanism.NTLM, "authenticate"),
        (b"\x16\x03\x01\0\x04\x01\0\0\0", Mechanism.CREDSSP, "negotiate"),
        (b"\x17\x03\x03\0\x01a", Mechanism.CREDSSP, "authenticate"),
    ],
)
def test_the_bytes_decide_the_mechanism_and_the_step(scheme: str, raw: bytes, mechanism: Mechanism, step: str) -> None:
    token = _client(scheme, raw)
    assert (token.scheme, token.mechanism, token.step) == (scheme, mechanism, step)
    assert (token.size, token.digest) == (len(raw), hashlib.sha256(raw).digest())


@pytest.mark.parametrize("raw", [ntlm2(), framed(b"\x02\0", ap_rep()), NegTokenResp().pack(), b"\x16\x03\x03\0\x04\x02\0\0\0", b"?"])
def test_every_token_of_a_challenge_is_a_challenge(raw: bytes) -> None:
    assert _server("Negotiate", raw).step == "challenge"


def test_bare_challenges_and_parameters_carry_no_token() -> None:
    assert challenge_token(Challenge("Negotiate", None, (), ""), LIMITS) is None
    assert challenge_token(Challenge("Basic", None, (("realm", "x"),), 'realm="x"'), LIMITS) is None
    assert challenge_token(Challenge("Bearer", "abc", (), "abc"), LIMITS) is None


def _has_secret(token: Token, secret: str) -> bool:
    return secret in repr(msgspec.to_builtins(token))


def test_no_password_and_no_bearer_token_reaches_a_record() -> None:
    reading = credentials_token(Challenge("Basic", b64(b"alice:hunter22"), (), b64(b"alice:hunter22")), LIMITS)
    assert (reading.token.user, reading.token.mechanism, reading.token.step) == ("alice", Mechanism.BASIC, "credentials")
    assert not _has_secret(reading.token, "hunter22")
    bearer = credentials_token(Challenge("Bearer", "eyJhbGci", (), "eyJhbGci"), LIMITS)
    assert bearer.token.mechanism is Mechanism.UNKNOWN
    assert [one.code for one in bearer.complaints] == ["auth.unknown-scheme"]
    assert not _has_secret(bearer.token, "eyJhbGci")
    assert "eyJhbGci" not in bearer.complaints[0].detail


def test_the_certificate_scheme() -> None:
    sent = credentials("http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual")
    assert not isinstance(sent, Absent)
    reading = credentials_token(sent, LIMITS)
    assert (reading.token.mechanism, reading.token.step, reading.complaints) == (Mechanism.CERTIFICATE, "credentials", ())


def test_what_is_no_base64_keeps_scheme_and_size() -> None:
    reading = credentials_token(Challenge("NTLM", "§$%", (), "§$%"), LIMITS)
    assert (reading.token.scheme, reading.token.mechanism, reading.token.size) == ("NTLM", Mechanism.UNKNOWN, 3)
    assert [one.code for one in reading.complaints] == ["auth.malformed-token"]


def test_an_oversized_token_keeps_its_magic() -> None:
    small = Limits(token_bytes=64)
    raw = ntlm3(b"a\0")
    reading = credentials_token(Challenge("NTLM", b64(raw), (), b64(raw)), small)
    assert isinstance(reading.token.ntlm, Absent)
    assert reading.token.ntlm.why is Why.OVER_LIMIT
    assert (reading.token.mechanism, reading.token.step) == (Mechanism.NTLM, "authenticate")
    assert "token_bytes = 64" in reading.complaints[0].detail


def test_which_tokens_begin_a_handshake() -> None:
    begins = [ntlm1(), framed(b"\x01\0", ap_req()), framed(b"\x01\0", ap_req())[:40], NegTokenInit([NTLM_OID]).pack(), live_tokens("credssp")[0]]
    goes_on = [ntlm3(b"a\0"), NegTokenResp(response_token=ntlm1()).pack(), live_tokens("credssp")[2], framed(b"\x02\0", ap_rep())]
    assert all(begins_handshake(_client("Negotiate", raw)) for raw in begins)
    assert not any(begins_handshake(_client("Negotiate", raw)) for raw in goes_on)


def test_which_tokens_end_it() -> None:
    assert rejects(_server("Negotiate", tlv(0xA1, tlv(0x30, tlv(0xA0, tlv(10, b"\x02"))))))
    assert rejects(_server("Kerberos", framed(b"\x03\0", krb_error())))
    assert not rejects(_server("Negotiate", ntlm2()))
    assert not rejects(_server("Kerberos", framed(b"\x02\0", ap_rep())))


REAL = [
    *(token for protocol in ("ntlm", "negotiate", "credssp") for token in live_tokens(protocol)),
    framed(b"\x01\0", ap_req()),
    framed(b"\x02\0", ap_rep()),
    framed(b"\x03\0", krb_error()),
    NegTokenInit([KRB5_OID, NTLM_OID, NEGOEX_OID], mech_token=framed(b"\x01\0", ap_req())).pack(),
    ntlm2(),
    ntlm3("alice".encode("utf-16-le"), "LAB".encode("utf-16-le")),
]


def _read_both(scheme: str, raw: bytes) -> None:
    for token in (_client(scheme, raw), _server(scheme, raw)):
        assert (token.size, token.digest) == (len(raw), hashlib.sha256(raw).digest())
        begins_handshake(token)
        rejects(token)


_PREFIXES = [b"", b"NTLMSSP\0\x01\0\0\0", b"NTLMSSP\0\x02\0\0\0", b"NTLMSSP\0\x03\0\0\0", b"\x60", b"\x60\x82\x01\x00\x06\x06\x2b\x06\x01\x05\x05\x02"]
_PREFIXES += [b"\xa0", b"\xa1\x82", b"\x6e\x82", b"\x6f", b"\x7e", b"\x16\x03\x01", bytes.fromhex("608201ff06092a864886f7120102020100 6e".replace(" ", ""))]


@settings(max_examples=400)
@given(st.sampled_from(_PREFIXES), st.binary(max_size=400))
def test_any_bytes_give_a_token(prefix: bytes, rest: bytes) -> None:
    _read_both("Negotiate", prefix + rest)


@settings(max_examples=600)
@given(st.sampled_from(REAL), st.data())
def test_mutated_real_tokens_give_a_token(raw: bytes, data: st.DataObject) -> None:
    mutated = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 6))):
        mutated[data.draw(st.integers(0, min(len(mutated) - 1, 160)))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutated)))
    _read_both("Kerberos", bytes(mutated[:cut]) + data.draw(st.binary(max_size=8)))


@pytest.mark.parametrize("raw", REAL, ids=range(len(REAL)))  # some are random
def test_every_cut_gives_a_token(raw: bytes) -> None:
    for size in range(min(len(raw), 500)):
        _read_both("Negotiate", raw[:size])


@given(st.text(st.characters(max_codepoint=255)))
def test_any_credentials_text_gives_a_token(value: str) -> None:
    for scheme in ("Basic", "Digest", "NTLM", "Bearer", ""):
        sent = credentials(f"{scheme} {value}")
        if not isinstance(sent, Absent):
            credentials_token(sent, LIMITS)
