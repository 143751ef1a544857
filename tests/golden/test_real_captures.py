"""Real WinRM captures of known content (their makers published accounts, host logs or programs): what is counted, who logs on, what is found.

The captures lie in the folder named by WINRM_CAPTURES and are not part of the project.
"""

import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from analyzer.engine.local import Run, run
from analyzer.records.auth import Conversation, Mechanism, Outcome
from analyzer.records.finding import Finding
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.ids import key_number
from analyzer.records.quality import Absent
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.settings import Limits, Scope

_FOLDER = os.environ.get("WINRM_CAPTURES", "")
pytestmark = [pytest.mark.captures, pytest.mark.skipif(not _FOLDER, reason="WINRM_CAPTURES names no folder of captures")]

PACKER = "jborean93+github-misc/wireshark.pcapng"
CLIENT_SIDE = "OTRF+Security-Datasets/empire_psremoting_stager_WORKSTATION5_2020-09-20170827.cap"
SERVER_SIDE = "OTRF+Security-Datasets/empire_psremoting_stager_WORKSTATION6_2020-09-20170827.cap"
MERGED = "OTRF+Security-Datasets/derived_empire_WS5+WS6_merged.pcap"
COVENANT = "OTRF+Security-Datasets/covenant_psremoting_command_2020-08-06115603.cap"
EMPIRE = (CLIENT_SIDE, SERVER_SIDE, MERGED)


@cache
def _run(*names: str) -> Run:
    paths = [Path(_FOLDER, name) for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path.name} is not in the folder")
    return run([str(path) for path in paths], Limits(), Scope())


def _exchanges(*names: str) -> list[Exchange]:
    return list(_run(*names).result.evidence.exchanges.values())


def _conversations(*names: str) -> tuple[Conversation, ...]:
    return _run(*names).result.evidence.conversations


def _asked(exchange: Exchange) -> Request:
    assert not isinstance(exchange.request, Absent)
    return exchange.request


def _answered(exchange: Exchange) -> Response:
    assert not isinstance(exchange.response, Absent)
    return exchange.response


def _statuses(exchanges: Iterable[Exchange]) -> Counter[int | None]:
    return Counter(None if isinstance(exchange.response, Absent) else exchange.response.status for exchange in exchanges)


def _numbers(keys: Iterable[int]) -> set[int]:
    return {key_number(key) for key in keys}


def _connection_with(name: str, packet: int) -> Connection:
    return next(one for one in _run(name).result.evidence.connections.values() if packet in _numbers(one.packets))


def _finding(name: str, rule: str) -> Finding:
    return next(finding for finding in _run(name).result.findings if finding.rule == rule)


@pytest.mark.parametrize(("name", "connections", "count"), [(PACKER, 60, 159), (CLIENT_SIDE, 3, 13), (SERVER_SIDE, 3, 13), (MERGED, 3, 13), (COVENANT, 3, 18)])
def test_every_post_is_one_exchange(name: str, connections: int, count: int) -> None:
    exchanges = _exchanges(name)
    assert len(exchanges) == count
    assert {(_asked(exchange).method, _asked(exchange).target.partition("?")[0]) for exchange in exchanges} == {("POST", "/wsman")}
    assert len(_run(name).result.evidence.winrm) == len(_run(name).result.evidence.connections) == connections


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        (PACKER, {401: 79, 200: 78, None: 2}),
        (CLIENT_SIDE, {200: 13}),
        (SERVER_SIDE, {200: 13}),
        (MERGED, {200: 13}),
        (COVENANT, {200: 15, 204: 2, 500: 1}),
    ],
)
def test_statuses(name: str, statuses: dict[int | None, int]) -> None:
    assert _statuses(_exchanges(name)) == statuses


def test_packer_logs_on_29_times_and_is_accepted_only_when_the_server_takes_clear_text() -> None:
    spoken = _conversations(PACKER)
    assert len(spoken) == 29
    assert {(one.scheme, one.mechanism, one.client.user) for one in spoken} == {("Negotiate", Mechanism.NTLM, "vagrant")}
    accepted = [key_number(one.steps[0].packets[0]) for one in spoken if one.outcome is Outcome.ACCEPTED]
    assert len(accepted) == 8
    assert accepted[0] == 736
    assert {one.outcome for one in spoken[:21]} == {Outcome.REFUSED}


def test_a_clear_body_with_good_credentials_is_answered_401() -> None:
    exchanges = _run(PACKER).result.evidence.exchanges_of[_connection_with(PACKER, 708).id]
    carried = [_numbers(_asked(exchange).packets) | _numbers(_answered(exchange).packets) for exchange in exchanges]
    assert [_answered(exchange).status for exchange in exchanges] == [401, 401]
    assert set().union(*carried) >= {708, 714}
    message = _run(PACKER).result.evidence.messages[_asked(exchanges[1]).id]
    assert (message.protection, message.operation) == (Protection.CLEAR, "Create")


def test_clear_text_inside_one_host_is_no_finding() -> None:
    """Everything in this capture runs over the loopback: nobody on a network can read it."""
    evidence = _run(PACKER).result.evidence
    assert {one.server.host for one in evidence.connections.values()} == {"127.0.0.1"}
    assert "enc.plaintext-soap-direct" not in {finding.rule for finding in _run(PACKER).result.findings}
    assert evidence.messages[f"{_connection_with(PACKER, 708).id}.x2.q"].protection is Protection.CLEAR


def test_the_sealed_connection_of_the_packer_capture() -> None:
    evidence = _run(PACKER).result.evidence
    connection = _connection_with(PACKER, 766)
    assert 870 in _numbers(connection.packets)
    exchanges = evidence.exchanges_of[connection.id]
    messages = [evidence.messages[_asked(exchange).id] for exchange in exchanges if _asked(exchange).body.size]
    assert {message.protection for message in messages} == {Protection.SEALED}
    assert {message.protocol for message in messages} == {"HTTP-SPNEGO-session-encrypted"}
    assert all(len(message.parts) == 1 and message.parts[0].length for message in messages)
    assert [message.parts[0].sequence for message in messages] == list(range(len(messages)))
    (spoken,) = evidence.conversations_of[connection.id]
    assert (spoken.client.user, spoken.client.domain, spoken.client.workstation) == ("vagrant", "", "")  # sent as OEM strings
    assert spoken.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("name", EMPIRE)
def test_each_connection_of_empire_logs_on_once_with_kerberos(name: str) -> None:
    spoken = _conversations(name)
    facts = ("Kerberos", Mechanism.KERBEROS, "THESHIRE.LOCAL", "HTTP/WORKSTATION6.theshire.local", 18, Outcome.ACCEPTED)
    assert [(one.scheme, one.mechanism, one.realm, one.spn, one.etype, one.outcome) for one in spoken] == [facts] * 3
    assert len({one.connection for one in spoken}) == 3


@pytest.mark.parametrize("name", EMPIRE)
def test_empires_bodies_are_sealed_and_two_receives_are_answered_in_part(name: str) -> None:
    evidence = _run(name).result.evidence
    kinds = Counter(message.protection for message in evidence.messages.values() if message.size)
    assert set(kinds) == {Protection.SEALED}
    assert {message.protocol for message in evidence.messages.values() if message.size} == {"HTTP-Kerberos-session-encrypted"}
    assert [exchange.quality for exchange in evidence.exchanges.values() if exchange.quality] == [("response_cut",)] * 2


@pytest.mark.parametrize("name", EMPIRE)
def test_other_http_is_not_kept(name: str) -> None:
    assert {connection.server.host for connection in _run(name).result.evidence.connections.values()} == {"172.18.39.6"}
    assert not [finding.rule for finding in _run(name).result.findings if not finding.rule.startswith("capture.")]


def test_packets_of_both_sides_in_one_file_count_once() -> None:
    alone, merged = _exchanges(CLIENT_SIDE), _exchanges(MERGED)
    assert [exchange.id for exchange in alone] == [exchange.id for exchange in merged]
    assert [_asked(exchange).body.digest for exchange in alone] == [_asked(exchange).body.digest for exchange in merged]
    assert [_answered(exchange).body.size for exchange in alone] == [_answered(exchange).body.size for exchange in merged]
    connections = _run(MERGED).result.evidence.connections.values()
    assert all(connection.duplicates > 10 and not connection.to_server.conflicts and not connection.to_client.conflicts for connection in connections)
    noted = [issue.repeats for issue in _run(MERGED).result.evidence.issues if issue.code == "capture.duplicate-packets"]
    assert noted == [connection.duplicates for connection in connections]


def test_two_files_of_one_talk_are_twins() -> None:
    connections = _run(CLIENT_SIDE, SERVER_SIDE).result.evidence.connections
    twins = [(one.capture, connections[one.twin_of].capture) for one in connections.values() if one.twin_of is not None]
    assert len(connections) == 6
    assert len(twins) == 3
    assert all(near != far for near, far in twins)


def test_covenant_logs_on_anew_on_live_connections() -> None:
    spoken = _conversations(COVENANT)
    assert Counter(one.connection for one in spoken) == {"c1": 1, "c2": 2, "c3": 2}
    facts = ("Kerberos", Mechanism.KERBEROS, "THESHIRE.LOCAL", "HTTP/WORKSTATION6", Outcome.ACCEPTED)
    assert [(one.scheme, one.mechanism, one.realm, one.spn, one.outcome) for one in spoken] == [facts] * 5


def test_covenants_capture_is_cut_and_has_gaps() -> None:
    evidence = _run(COVENANT).result.evidence
    codes = Counter(issue.code for issue in evidence.issues)
    assert codes["capture.cut"] == 1
    assert codes["tcp.gap"] == 1
    cut = [exchange for exchange in evidence.exchanges.values() if exchange.quality]
    assert [(exchange.quality, _answered(exchange).body.missing) for exchange in cut] == [(("response_cut",), 952), (("response_cut",), 723)]
    assert {_answered(exchange).body.complete for exchange in cut} == {True}


def test_covenants_only_fault_is_sealed() -> None:
    evidence = _run(COVENANT).result.evidence
    (fault,) = [exchange for exchange in evidence.exchanges.values() if _answered(exchange).status == 500]
    assert evidence.messages[_answered(fault).id].protection is Protection.SEALED
