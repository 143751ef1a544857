"""Events joined to what the packets show: by ports and process ids, by names and time; and what must not be joined."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

import analyzer
from analyzer.api import Case
from analyzer.cli.commands import cli
from analyzer.errors import InputError
from tests.build.host_logs import CLIENT_HOST, POWERSHELL, SYSMON, passed, started, winlogbeat, written
from tests.build.sessions import Session
from tests.build.talk_http import offer, post, reply
from tests.build.talk_proxy import ALICE, SERVER, direct, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire

PUBLIC = Path(os.environ.get("WINRM_CAPTURES", "/nowhere"), "OTRF+Security-Datasets")
HOSTED = "C:\\Windows\\System32\\wsmprovhost.exe"


def logged(tmp_path: Path, *events: Mapping[str, object], lan: Wire | None = None) -> Case:
    """A capture of one logon at the server, which tells no time, with these events."""
    if lan is None:
        lan = Wire()
        trip(direct(lan), post("/wsman", basic("alice")), reply(200))
    (tmp_path / "evidence").mkdir()
    return analyzer.analyze(lan.capture(tmp_path / "evidence" / "wire.pcap")).join_events(written(tmp_path / "log.json", events))


def rows(case: Case) -> list[tuple[object, object, object]]:
    return [(row["event_id"], row["joined"], row["subject"]) for row in case.listed("host_events")]


WAY = passed((ALICE, 50001), (SERVER, 5985))


def test_a_connection_by_its_ports_either_way_round(tmp_path: Path) -> None:
    back = {**WAY, "SourceAddress": SERVER, "SourcePort": "5985", "DestAddress": f"::ffff:{ALICE}", "DestPort": "50001"}
    sysmon = {"SourceIp": ALICE, "SourcePort": 50001, "DestinationIp": SERVER, "DestinationPort": 5985, "Protocol": "tcp", "Initiated": "true"}
    case = logged(tmp_path, winlogbeat(5156, WAY), winlogbeat(5156, back), winlogbeat(3, sysmon, channel=SYSMON, host=CLIENT_HOST, at=3))
    assert rows(case) == [(5156, "connection", "c1"), (5156, "connection", "c1"), (3, "connection", "c1")]
    found = case.listed("host_events")
    assert {row["confidence"] for row in found} == {1.0}
    assert [row["address"] for row in found] == [SERVER, SERVER, ALICE]
    assert found[2]["basis"] == "addresses and ports, as the client"
    assert "1 of 1 WinRM connection logged by a host" in " ".join(case.overview().split())


@pytest.mark.parametrize(
    ("event", "joined"),
    [
        (winlogbeat(5156, {**WAY, "SourcePort": "50002"}), "not_seen"),
        (winlogbeat(5156, {**WAY, "Protocol": "17"}), None),
        (winlogbeat(5156, WAY, at=3600), "not_seen"),
        (winlogbeat(5156, passed((ALICE, 1), (SERVER, 445))), None),
        (winlogbeat(5156, {**WAY, "SourcePort": "x"}), None),
    ],
)
def test_another_connection(event: Mapping[str, object], joined: str | None, tmp_path: Path) -> None:
    found = rows(logged(tmp_path, event))
    assert [one for _, one, _ in found] == ([] if joined is None else [joined])
    assert all(subject is None for _, _, subject in found)


def test_a_logon_by_port_or_by_user_and_time(tmp_path: Path) -> None:
    way, data = winlogbeat(5156, WAY), {"TargetUserName": "alice", "LogonType": "3"}
    case = logged(
        tmp_path,
        way,
        winlogbeat(4624, {**data, "IpAddress": ALICE, "IpPort": "50001"}),
        winlogbeat(4624, {**data, "IpAddress": "-", "IpPort": "-"}),
        winlogbeat(4624, {**data, "TargetUserName": "bob"}),
        winlogbeat(4624, {**data, "LogonType": "5"}),
        winlogbeat(4624, {**data, "IpAddress": "10.9.9.9", "IpPort": "1"}),
        winlogbeat(4624, data, at=300),
        winlogbeat(4776, {"TargetUserName": "alice"}, host="DC01"),
    )
    told = [row for row in case.listed("host_events") if row["joined"] == "logon"]
    assert [(row["event_id"], row["subject"], row["basis"], row["confidence"]) for row in told] == [
        (4624, "l1", "user, address and port", 1.0),
    ], "a domain controller was not asked"


def test_a_domain_controller_is_asked_about_ntlm(tmp_path: Path) -> None:
    lan = Wire()
    talk, shake = direct(lan), ntlm()
    trip(talk, post("/wsman", shake.credentials(0)), shake.challenge())
    trip(talk, post("/wsman", shake.credentials(1)), reply(200))
    case = logged(tmp_path, winlogbeat(4776, {"TargetUserName": "ALICE"}, host="DC01"), winlogbeat(4776, {"TargetUserName": "bob"}, host="DC01"), lan=lan)
    assert rows(case) == [(4776, "logon", "l1")]


def test_a_clock_that_was_measured_narrows_the_time(tmp_path: Path) -> None:
    """The server's NTLM challenge says another time than the capture: what its log says at the capture's time is something else."""
    lan = Wire()
    talk, shake = direct(lan), ntlm()
    trip(talk, post("/wsman", shake.credentials(0)), shake.challenge())
    trip(talk, post("/wsman", shake.credentials(1)), reply(200))
    case = logged(tmp_path, winlogbeat(5156, WAY), winlogbeat(4688, started(7, 896, HOSTED)), lan=lan)
    [clock] = case.evidence.story.clocks
    assert abs(clock.ahead_ns) > 3600 * 1_000_000_000
    assert rows(case) == [(5156, "connection", "c1"), (4688, "not_seen", None)]


def test_a_shell_that_could_not_be_read_has_its_process_by_time(tmp_path: Path) -> None:
    case = logged(
        tmp_path,
        winlogbeat(5156, WAY),
        winlogbeat(4688, started(1280, 896, HOSTED), at=0.2),
        winlogbeat(4688, started(2000, 1280, "C:\\Windows\\System32\\whoami.exe", "whoami /all"), at=0.3),
        winlogbeat(4688, started(2001, 2000, "C:\\x.exe"), at=0.4),
        winlogbeat(4103, {"Payload": "x"}, channel=POWERSHELL, pid=1280, at=0.5),
        winlogbeat(4689, {"ProcessId": hex(1280)}, at=0.6),
        winlogbeat(4103, {"Payload": "of another process with that number"}, channel=POWERSHELL, pid=1280, at=0.7),
        winlogbeat(4688, started(3000, 4000, "C:\\y.exe"), at=0.8),
    )
    assert [one for _, one, _ in rows(case)] == ["connection", "process", "child", "child", "activity", "activity"]
    assert {subject for _, _, subject in rows(case)} == {"c1"}
    text = "".join(case.transcript())
    assert "    1280  C:\\Windows\\System32\\wsmprovhost.exe" in text
    assert "      2000  whoami /all" in text
    assert "        2001  C:\\x.exe" in text
    report = _report(case, tmp_path)
    assert "  2000  whoami /all" in report
    assert "    2001  C:\\x.exe" in report


def _report(case: Case, tmp_path: Path) -> str:
    case.report(tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_process_at_another_time_or_on_another_host_is_none(tmp_path: Path) -> None:
    case = logged(
        tmp_path,
        winlogbeat(5156, WAY),
        winlogbeat(4688, started(1, 896, HOSTED), at=3600),
        winlogbeat(4688, started(2, 896, HOSTED), host="OTHER"),
        winlogbeat(4688, started(0, 896, HOSTED)),
    )
    assert rows(case) == [(5156, "connection", "c1"), (4688, "not_seen", None)]


def test_two_shells_at_one_time_are_not_told_apart_for_sure(tmp_path: Path) -> None:
    lan = Wire()
    for client, port in ((ALICE, 50001), ("10.10.1.12", 50002)):
        trip(direct(lan, client, port), post(), offer())
    case = logged(tmp_path, winlogbeat(5156, WAY), winlogbeat(4688, started(7, 896, HOSTED)), lan=lan)
    process = next(row for row in case.listed("host_events") if row["joined"] == "process")
    assert process["confidence"] == 0.5
    assert "2 shells began then" in str(process["basis"])


def test_secrets_in_events_are_masked(tmp_path: Path) -> None:
    line = "net user bob Ofen9!xyz /add"
    case = logged(tmp_path, winlogbeat(5156, WAY), winlogbeat(4688, started(8, 896, HOSTED)), winlogbeat(4688, started(9, 8, "net.exe", line), at=0.1))
    case.save(tmp_path / "case")
    again = analyzer.open_case(tmp_path / "case")
    for one in (case.listed("host_events"), again.listed("host_events"), "".join(case.transcript()), "".join(again.transcript())):
        assert "Ofen9!xyz" not in str(one)
        assert "net user bob ***" in str(one)
    assert [row["packets"] for row in again.listed("host_events")] == ["1", "1", "1"]
    assert "Ofen9!xyz" in str(case.show_secrets().listed("host_events"))


def test_a_process_that_the_server_told_its_client(tmp_path: Path) -> None:
    """Of two processes that begin at once the one whose id the answer to Create has."""
    lan = Wire()
    session = Session(lan, client=ALICE, server=SERVER)
    session.create(b"", "<rsp:ProcessId>4711</rsp:ProcessId>")
    events = (winlogbeat(4688, started(pid, 896, HOSTED)) for pid in (1280, 4711))
    found = logged(tmp_path, winlogbeat(5156, WAY), *events, lan=lan).listed("host_events")
    assert [(row["process_id"], row["joined"], row["subject"], row["confidence"]) for row in found if row["event_id"] == 4688] == [
        (1280, "not_seen", None, 0.9),
        (4711, "process", session.shell, 1.0),
    ]


def test_the_command_and_a_missing_file(tmp_path: Path) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    capture = str(lan.capture(tmp_path / "wire.pcap"))
    log = str(written(tmp_path / "log.json", [winlogbeat(5156, WAY)]))
    done = CliRunner().invoke(cli, ["show", "host_events", capture, "--events", log, "-f", "jsonl"])
    assert (done.exit_code, '"subject":"c1"' in done.output.replace(" ", "")) == (0, True)
    assert CliRunner().invoke(cli, ["analyze", capture, "--events", "no.json"]).exit_code == 2
    with pytest.raises(InputError):
        analyzer.analyze(capture).join_events(tmp_path / "no.json")


@pytest.mark.captures
@pytest.mark.skipif(not os.environ.get("WINRM_CAPTURES"), reason="WINRM_CAPTURES names no folder of captures")
@pytest.mark.parametrize(
    ("capture", "logs", "process", "key"),
    [
        ("empire_psremoting_stager_WORKSTATION5_2020-09-20170827.cap", "host_empire_psremoting_stager.zip", 9036, True),
        ("covenant_psremoting_command_2020-08-06115603.cap", "host_covenant_psremoting_command.zip", 1280, False),
    ],
)
def test_public_captures_join_exactly(capture: str, logs: str, process: int, key: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """All connections from both hosts' logs, and the process that the shell ran in."""
    with zipfile.ZipFile(PUBLIC / "expected" / logs) as archive:
        archive.extractall(tmp_path)
    case = analyzer.analyze(PUBLIC / capture, keytab=PUBLIC / "keys" / "theshire.keytab" if key else None, events=[tmp_path])
    found = case.listed("host_events")
    sides = {(row["subject"], str(row["computer"]).partition(".")[0]) for row in found if row["joined"] == "connection" and row["event_id"] == 5156}
    assert sides == {(f"c{number}", name) for number in (1, 2, 3) for name in ("WORKSTATION5", "WORKSTATION6")}
    assert {row["process_id"] for row in found if row["joined"] == "process"} == {process}
    shells = {str(row["shell_id"]) for row in case.listed("shells")} or {"c1"}
    assert {row["subject"] for row in found if row["joined"] == "process"} == shells
    assert {row["subject"] for row in found if row["joined"] == "logon" and row["event_id"] == 4624} == {row["logon_id"] for row in case.listed("logons")}
    assert not [row for row in found if row["joined"] == "not_seen"]
    if key:
        assert {row["basis"] for row in found if row["joined"] == "process"} == {"process id that the server tells its client, and time"}
        below = {(row["process_id"], row["parent_id"]) for row in found if row["joined"] == "child" and row["event_id"] == 4688}
        assert below == {(10116, 9036), (3384, 10116), (3148, 10116)}
