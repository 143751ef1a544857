"""NTLMSSP messages: against pyspnego where they are valid, by hand where they lie."""

import struct

import pytest
from spnego._ntlm_raw.messages import Authenticate, AvId
from spnego._ntlm_raw.messages import Challenge as PyChallenge

from analyzer.auth.schemes import ntlm
from analyzer.records.auth import NtlmToken
from analyzer.records.quality import Absent
from tests.unit.auth.builders import (
    live_tokens,
    ntlm1,
    ntlm2,
    ntlm3,
    ntlmv2_response,
)


def _ntlm(raw: bytes) -> NtlmToken:
    value, _ = ntlm.message(raw)
    assert isinstance(value, NtlmToken)
    return value


def test_ntlm_agrees_with_pyspnego_on_a_live_challenge() -> None:
    raw = live_tokens("ntlm")[1]
    ours, theirs = _ntlm(raw), PyChallenge.unpack(raw)
    assert (ours.target, ours.server_challenge, ours.flags) == (theirs.target_name, theirs.server_challenge, theirs.flags)
    info = theirs.target_info
    assert info is not None
    assert (ours.server_name, ours.server_dns_name) == (info[AvId.nb_computer_name], info[AvId.dns_computer_name])
    assert ours.server_time is (AvId.timestamp in info)
    version = theirs.version
    assert version is not None
    assert ours.server_os_build == f"{version.major}.{version.minor}.{version.build}"


def test_ntlm_agrees_with_pyspnego_on_a_live_authenticate() -> None:
    raw = live_tokens("ntlm")[2]
    ours, theirs = _ntlm(raw), Authenticate.unpack(raw)
    assert (ours.user, ours.domain, ours.workstation) == (theirs.user_name, theirs.domain_name, theirs.workstation)
    assert (ours.user, ours.domain, ours.version, ours.target_name, ours.mic) == ("alice", "LAB", "ntlmv2", "HTTP/srv", True)
    fields, _ = ntlm.authenticate_fields(raw)
    assert not isinstance(fields, Absent)
    assert (fields.nt_response, fields.session_key) == (theirs.nt_challenge_response, theirs.encrypted_random_session_key)
    assert ours.nt_proof == fields.nt_response[:16]


def test_windows_version_of_a_challenge() -> None:
    raw = ntlm2()
    token = _ntlm(raw)
    assert (token.server_os_build, token.server_name, token.server_domain, token.target) == ("10.0.17763", "SRV", "LAB", "LAB")


@pytest.mark.parametrize("end", [b"", b"\0", b"\0\0", b"\x07\0"])
def test_target_information_without_its_end_is_read(end: bytes) -> None:
    value, complaint = ntlm.message(ntlm2(end=end))
    assert isinstance(value, NtlmToken)
    assert (value.server_name, complaint) == ("SRV", "AV pairs end without MsvAvEOL")


def test_an_av_pair_longer_than_its_list_keeps_the_pairs_before_it() -> None:
    value, complaint = ntlm.message(ntlm2(end=struct.pack("<HH", 3, 500)))
    assert isinstance(value, NtlmToken)
    assert (value.server_name, value.server_dns_name) == ("SRV", None)
    assert complaint.startswith("AV pair 3 declares 500 bytes")


@pytest.mark.parametrize("offset", [10**6, 0xFFFFFFFF])
def test_a_name_past_the_end_is_a_lie_and_no_empty_name(offset: int) -> None:
    raw = ntlm3("alice".encode("utf-16-le"), offset=offset)
    assert Authenticate.unpack(raw).user_name == ""
    value, complaint = ntlm.message(raw)
    assert isinstance(value, Absent)
    assert "UserName: 10 bytes at" in complaint


def test_an_empty_names_offset_means_nothing() -> None:
    assert _ntlm(ntlm3(b"", offset=10**6, nt=b"", lm=b"\0")).user == ""


def test_oem_strings() -> None:
    token = _ntlm(ntlm3(b"J\xfcrgen\x81", b"LAB", flags=0x00088206, workstation=b"PC"))
    assert (token.user, token.domain, token.workstation) == ("Jürgen\x81", "LAB", "PC")


def test_a_upn_stays_as_sent_with_its_empty_domain() -> None:
    token = _ntlm(ntlm3("alice@lab.test".encode("utf-16-le")))
    assert (token.user, token.domain) == ("alice@lab.test", "")


@pytest.mark.parametrize(
    ("nt", "lm", "flags", "user", "version"),
    [
        (b"\x11" * 24, b"\x12" * 24, 0xE2808215, b"a\0", "ntlmv1"),
        (b"\x11" * 24, b"\x12" * 8 + bytes(16), 0xE2888215, b"a\0", "ntlmv1-ess"),
        (b"\x11" * 24, b"\x12" * 8 + bytes(16), 0xE2808215, b"a\0", "ntlmv1"),
        (b"", b"\x12" * 24, 0xE2808215, b"a\0", "ntlmv1"),
        (ntlmv2_response(bytes(4)), bytes(24), 0xE2888215, b"a\0", "ntlmv2"),
        (b"", b"\0", 0xE2888A15, b"", "anonymous"),
        (b"", b"", 0xE2888215, b"", "anonymous"),
        (b"", b"", 0xE288C215, b"", None),
        (b"\x11" * 30, bytes(24), 0xE2888215, b"a\0", None),
    ],
)
def test_version_of_the_response(nt: bytes, lm: bytes, flags: int, user: bytes, version: str | None) -> None:
    assert _ntlm(ntlm3(user, nt=nt, lm=lm, flags=flags)).version == version


@pytest.mark.parametrize(
    ("pairs", "mic", "binding"),
    [
        (bytes(4), False, False),
        (struct.pack("<HHI", 6, 4, 2) + bytes(4), True, False),
        (struct.pack("<HHI", 6, 4, 1) + struct.pack("<HH", 10, 16) + bytes(16) + bytes(4), False, False),
        (struct.pack("<HH", 10, 16) + b"\x77" * 16 + bytes(4), False, True),
    ],
)
def test_mic_and_channel_binding_of_an_ntlmv2_response(pairs: bytes, mic: bool, binding: bool) -> None:  # noqa: FBT001
    token = _ntlm(ntlm3(b"a\0", nt=ntlmv2_response(pairs)))
    assert (token.mic, token.channel_binding) == (mic, binding)
    assert token.channel_bindings == (b"\x77" * 16 if binding else None)


def test_ntlmv1_has_neither_mic_nor_channel_binding() -> None:
    token = _ntlm(ntlm3(b"a\0"))
    assert (token.mic, token.channel_binding, token.target_name) == (None, None, None)


def test_short_messages_of_old_clients() -> None:
    assert _ntlm(b"NTLMSSP\0" + struct.pack("<II", 1, 0x0207)).flags == 0x0207
    old = b"NTLMSSP\0" + struct.pack("<IHHIIQ", 2, 0, 0, 32, 0x8201, 7)
    assert (_ntlm(old).server_challenge, _ntlm(old).server_os_build) == (struct.pack("<Q", 7), None)


@pytest.mark.parametrize("raw", [b"", b"NTLMSSP\0", b"NTLMSSP\0\x03\0\0", b"NTLMSSP\0\x09\0\0\0" + bytes(80), b"NTLMSSP\0\x02\0\0\0" + bytes(13)])
def test_what_is_no_ntlm_message(raw: bytes) -> None:
    value, complaint = ntlm.message(raw)
    assert isinstance(value, Absent)
    assert complaint


def test_every_cut_of_an_authenticate_is_absent_or_whole() -> None:
    raw = live_tokens("ntlm")[2]
    whole = _ntlm(raw)
    for size in range(len(raw)):
        value, complaint = ntlm.message(raw[:size])
        assert isinstance(value, Absent) or (value.user, value.domain) == (whole.user, whole.domain) or complaint


def test_the_first_message_may_name_the_workstation_in_oem() -> None:
    raw = b"NTLMSSP\0" + struct.pack("<IIHHIHHI", 1, 0x3207, 3, 3, 32, 2, 2, 35) + b"LABPC"
    assert (_ntlm(raw).domain, _ntlm(raw).workstation) == ("LAB", "PC")
    assert (_ntlm(ntlm1()).domain, _ntlm(ntlm1()).workstation) == (None, None)
