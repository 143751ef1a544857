"""Real handshakes of the public captures against tshark's own reading of the same frames. The folder is named by WINRM_CAPTURES; nothing of it is kept here."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from analyzer.auth import conversations, steps_of
from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.http import Exchange
from tests.unit.auth.builders import LIMITS, Fields, connection, talk

_FOLDER = os.environ.get("WINRM_CAPTURES", "")
pytestmark = [
    pytest.mark.captures,
    pytest.mark.tshark,
    pytest.mark.skipif(not _FOLDER, reason="WINRM_CAPTURES names no folder of captures"),
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
]

PACKER = "jborean93+github-misc/wireshark.pcapng"
COVENANT = "OTRF+Security-Datasets/covenant_psremoting_command_2020-08-06115603.cap"
EMPIRE = "OTRF+Security-Datasets/derived_empire_WS5+WS6_merged.pcap"
GSSAPI = "odedshimon+BruteShark/Pcap_Examples__HTTP_-_NTLM_GSSAPI.pcap"
NTLM = "odedshimon+BruteShark/Pcap_Examples__HTTP_-_NTLM.pcap"
KERBEROS_RC4 = "odedshimon+BruteShark/Pcap_Examples__Kerberos_v5_UDP_2.pcap"
EVENT_FORWARDING = "corelight+CVE-2022-30216/testing__Traces__successful.pcap"
DIGEST = "openwall+john-samples/HTTP__http_authorization_digest_basic.pcapng"
SPACE = "zeek+zeek/testing__btest__Traces__http__basic-auth-with-extra-space.pcap"

_HEADERS = {"http.authorization": "Authorization", "http.proxy_authorization": "Proxy-Authorization"}
_CHALLENGES = {"http.www_authenticate": "WWW-Authenticate", "http.proxy_authenticate": "Proxy-Authenticate"}
_BETWEEN = "\x1f"


def _rows(capture: str, wanted: str, fields: Iterable[str]) -> list[list[list[str]]]:
    """One row a frame, one list of values a field."""
    path = Path(_FOLDER, capture)
    if not path.exists():
        pytest.skip(f"{capture} is not in the folder")
    names = list(fields)
    command = ["tshark", "-n", "-r", str(path), "-d", "tcp.port==4030,http", "-Y", wanted, "-T", "fields", "-E", f"aggregator={_BETWEEN}"]
    for name in names:
        command += ["-e", name]
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    return [[[value for value in cell.split(_BETWEEN) if value] for cell in row + [""] * (len(names) - len(row))] for row in rows]


def _exchanges(capture: str) -> list[tuple[Exchange, ...]]:
    """The exchanges of each TCP stream, paired in the order of the capture."""
    fields = ["tcp.stream", "http.request.method", "http.response.code", *_HEADERS, *_CHALLENGES]
    streams: dict[str, list[tuple[Fields | None, tuple[int, Fields] | None]]] = {}
    for row in _rows(capture, "tcp && (http.request || http.response)", fields):
        pairs = streams.setdefault(row[0][0], [])
        sent = tuple((name, value) for name, values in zip(_HEADERS.values(), row[3:5], strict=True) for value in values)
        back = tuple((name, value) for name, values in zip(_CHALLENGES.values(), row[5:7], strict=True) for value in values)
        if row[1]:
            pairs.append((sent, None))
        elif row[2] and pairs and pairs[-1][1] is None:
            pairs[-1] = (pairs[-1][0], (int(row[2][0]), back))
    return [talk(*pairs) for pairs in streams.values()]


def _found(capture: str) -> list[Conversation]:
    found: list[Conversation] = []
    for exchanges in _exchanges(capture):
        made, issues = conversations(connection(), exchanges, LIMITS)
        assert issues == ()
        found += made
    return found


def _first(values: list[str]) -> str:
    return values[0] if values else ""


@pytest.mark.parametrize("capture", [PACKER, GSSAPI, EVENT_FORWARDING, NTLM])
def test_ntlm_identities_and_challenges_as_tshark_reads_them(capture: str) -> None:
    names = ["ntlmssp.auth.username", "ntlmssp.auth.domain", "ntlmssp.auth.hostname", "ntlmssp.negotiateflags"]
    theirs = _rows(capture, "http && ntlmssp.messagetype == 3", names)
    # tshark prints an empty string as NULL.
    expected = sorted(tuple(_first(value).replace("NULL", "") for value in row[:3]) for row in theirs)
    found = [one for one in _found(capture) if one.ntlm_version is not None]
    assert sorted((one.client.user, one.client.domain, one.client.workstation) for one in found) == expected
    assert sorted((one.signing, one.sealing) for one in found) == sorted(
        (bool(flags & 0x10), bool(flags & 0x20)) for flags in (int(_first(row[3]), 16) for row in theirs)
    )
    assert {one.mechanism for one in found} == {Mechanism.NTLM}


@pytest.mark.parametrize("capture", [PACKER, GSSAPI, EVENT_FORWARDING])
def test_ntlm_servers_as_tshark_reads_them(capture: str) -> None:
    names = ["ntlmssp.ntlmserverchallenge", "ntlmssp.challenge.target_info.nb_computer_name", "ntlmssp.version.build_number"]
    expected = sorted(tuple(map(_first, row)) for row in _rows(capture, "http && ntlmssp.messagetype == 2", names))
    found = [one for one in _found(capture) if one.server_challenge is not None]
    ours = sorted(((one.server_challenge or b"").hex(), one.server_name or "", (one.server_os_build or "").rpartition(".")[2]) for one in found)
    assert ours == expected


@pytest.mark.parametrize("capture", [COVENANT, EMPIRE, KERBEROS_RC4])
def test_kerberos_services_as_tshark_reads_them(capture: str) -> None:
    names = ["kerberos.realm", "kerberos.SNameString", "kerberos.etype"]
    theirs = _rows(capture, "http && kerberos.msg_type == 14", names)
    expected = sorted((_first(row[0]), "/".join(row[1]), int(row[2][0])) for row in theirs)
    found = _found(capture)
    assert sorted((one.realm or "", one.spn or "", one.etype or 0) for one in found) == expected
    assert {(one.mechanism, one.outcome, one.round_trips, one.client.user) for one in found} == {(Mechanism.KERBEROS, Outcome.ACCEPTED, 1, None)}


def test_clear_bodies_are_refused_until_the_server_allows_them() -> None:
    found = _found(PACKER)
    assert {(one.scheme, one.mechanism, one.client.user, one.ntlm_version) for one in found} == {("Negotiate", Mechanism.NTLM, "vagrant", "ntlmv2")}
    assert [one.outcome for one in found[:2]] == [Outcome.REFUSED, Outcome.REFUSED]
    assert found[-1].outcome is Outcome.ACCEPTED


def test_words_of_a_whole_handshake() -> None:
    (exchanges,) = (one for one in _exchanges(GSSAPI) if len(one) == 3)
    words = steps_of(conversations(connection(), exchanges, LIMITS)[0], exchanges, Audience.SERVER)
    assert list(words.values()) == ["offer", "challenge", "accepted"]


def test_digest_and_basic_on_one_connection() -> None:
    assert [(one.mechanism, one.client.user, one.realm) for one in _found(DIGEST)] == [
        (Mechanism.DIGEST, "john", "testrealm@example.org"),
        (Mechanism.BASIC, "max", "restricted"),
    ]


def test_an_extra_space_after_the_scheme() -> None:
    assert [(one.mechanism, one.client.user) for one in _found(SPACE)] == [(Mechanism.BASIC, "test")]
