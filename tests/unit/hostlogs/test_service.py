"""Events of WinRM's own log: shells by their ids or by resource URI, account and time; sessions by the server's name; logons by how they ended."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from tests.build.host_logs import CLIENT_HOST, passed, winlogbeat, written

SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"
LOG = "Microsoft-Windows-WinRM/Operational"
POOLED = SAMPLES / "nginx-pooled-second-client" / "capture.pcapng"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
FIRST, SECOND = "11C96C2C-027C-4CCE-AF55-40DF1470B192", "478B4630-3F6F-4346-926E-874DA155CDD3"


def logged(tmp_path: Path, *events: Mapping[str, object], capture: Path = POOLED) -> Case:
    """The sample in which nginx serves a second client on the connection of the first, with these events."""
    return analyzer.analyze(capture).join_events(written(tmp_path / "log.json", events))


def said(number: int, data: Mapping[str, object], when: str = "2026-11-24T10:24:41.994500Z", host: str = "SRV01.lab.example") -> dict[str, object]:
    """An event of WinRM's log at that time."""
    return {**winlogbeat(number, data, channel=LOG, host=host), "@timestamp": when}


def moment(at_ns: object) -> str:
    """A time of a table as events have it."""
    return datetime.fromtimestamp(int(str(at_ns)) / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def joins(case: Case) -> list[tuple[object, ...]]:
    return [(row["event_id"], row["joined"], row["subject"], row["confidence"]) for row in case.listed("host_events")]


def test_each_shell_has_the_event_of_its_own_beginning(tmp_path: Path) -> None:
    begun = {"resourceUri": f"{SHELL} (LAB\\alice clientIP: 10.20.2.1)"}
    case = logged(tmp_path, said(91, begun), said(91, begun, "2026-11-24T10:24:42.457500Z"), said(91, begun, "2026-11-24T10:24:42.457600Z"))
    found = joins(case)
    assert found[:2] == [(91, "shell", FIRST, 0.5), (91, "shell", SECOND, 0.9)]
    assert len(found) == 2, "a third event tells of a shell that is not in the capture, or of none"
    assert "2 events about shells" in " ".join(case.overview().split())


@pytest.mark.parametrize(
    "data",
    [
        {"resourceUri": f"{SHELL} (LAB\\bob clientIP: 10.20.2.1)"},
        {"resourceUri": "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"},
        {"resourceUri": SHELL, "shellId": "00000000-0000-0000-0000-000000000000"},
        {},
    ],
)
def test_a_shell_of_another_account_kind_or_id(data: Mapping[str, object], tmp_path: Path) -> None:
    assert joins(logged(tmp_path, said(91, data))) == []


def test_a_shells_id_names_it_at_any_time_and_host(tmp_path: Path) -> None:
    case = logged(tmp_path, said(11, {"resourceUri": SHELL, "shellId": SECOND.lower()}, "2026-11-24T12:00:00Z", CLIENT_HOST))
    assert joins(case) == [(11, "shell", SECOND, 1.0)]


def test_a_session_by_the_servers_name(tmp_path: Path) -> None:
    sample = SAMPLES / "direct-ntlm-healthy"
    capture = next(sample.glob("capture.pcap*"))
    way = analyzer.analyze(capture).listed("connections")[0]
    passes = passed((str(way["client_ip"]), int(str(way["client_port"]))), (str(way["server_ip"]), 5985), inbound=False)
    at = moment(way["first_time"])
    told = {**winlogbeat(5156, passes, host=CLIENT_HOST), "@timestamp": at}
    case = logged(tmp_path, told, said(6, {"connection": f"{way['server_ip']}/wsman?PSVersion=5.1.1"}, at, CLIENT_HOST), capture=capture)
    assert joins(case) == [(5156, "connection", "c1", 1.0), (6, "session", "c1", 0.8)]
    other = logged(tmp_path, told, said(6, {"connection": "other.lab.example/wsman"}, at, CLIENT_HOST), capture=capture)
    assert joins(other) == [(5156, "connection", "c1", 1.0)]


def test_a_refused_logon_and_an_accepted_one(tmp_path: Path) -> None:
    capture = next((SAMPLES / "wrong-password").glob("capture*.pcap*"))
    logon = next(row for row in analyzer.analyze(capture).listed("logons") if row["outcome"] == "refused")
    end = next(row for row in analyzer.analyze(capture).listed("authentications") if row["outcome"] == "refused")["last_time"]
    when = moment(end)
    refused = said(161, {"authFailureMessage": "The user name or password is incorrect."}, when)
    case = logged(tmp_path, refused, said(169, {"username": "alice"}, when), capture=capture)
    assert joins(case) == [(161, "logon", logon["logon_id"], 0.5)]
