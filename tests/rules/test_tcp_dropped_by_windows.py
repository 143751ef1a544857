from collections.abc import Mapping
from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from tests.build.packets import CLIENT, SERVER, SYN, Frame, Line, pcap
from tests.build.traces import Dropped, pktmon_trace
from tests.rules.judging import Judged, judge_files, packets

RULE = "tcp.dropped-by-windows"
FIREWALL, NO_LISTENER, DUPLICATE, UNKNOWN = 1207, 1204, 1217, 4711


def judged(folder: Path, frames: list[Frame], drops: Mapping[int, Dropped]) -> Judged:
    path = folder / "trace.etl"
    path.write_bytes(pktmon_trace(frames, drops=drops))
    return judge_files([path])


def knocking(times: int = 4, port: int = 5985) -> list[Frame]:
    line = Line(server=("10.0.0.9", port))
    for place in range(times):
        line.put(CLIENT, -1, flags=SYN, acked=None)
        line.now_ns += 1_000_000_000 << place
    return line.frames


def talking() -> list[Frame]:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\nContent-Length: 0\r\n\r\n")
    line.put(SERVER, 0, b"HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n")
    return line.frames


@pytest.mark.parametrize("alone", [False, True])
def test_a_filter_drops_every_attempt(tmp_path: Path, *, alone: bool) -> None:
    found = judged(tmp_path, knocking(), {number: Dropped(FIREWALL, 50, alone=alone) for number in range(1, 5)})
    finding = found.one(RULE)
    assert (finding.severity, finding.owner, finding.destination) == (Severity.MEDIUM, "server", "10.0.0.9:5985")
    assert packets(finding) == [1, 2, 3, 4]
    assert "dropped 4 packets between 10.0.0.1 and 10.0.0.9:5985" in finding.why
    assert "INET_ReceiveInspection (1207) at WFP (component 50)" in finding.why
    assert "0xE000460B" in finding.why
    assert "Get-NetFirewallRule" in str(finding.advice)
    assert "tcp.service-unreachable" not in found.rules, "this one explains it"


def test_no_one_listens(tmp_path: Path) -> None:
    finding = judged(tmp_path, knocking(2), {1: Dropped(NO_LISTENER, 49), 2: Dropped(NO_LISTENER, 49)}).one(RULE)
    assert "winrm/config/listener" in str(finding.advice)


def test_a_connection_that_came_up_all_the_same(tmp_path: Path) -> None:
    finding = judged(tmp_path, talking(), {4: Dropped(UNKNOWN, 77)}).one(RULE)
    assert (finding.severity, finding.owner) == (Severity.LOW, "network")
    assert "reason 4711 (4711) at component 77" in finding.why


def test_each_reason_and_component_is_a_finding(tmp_path: Path) -> None:
    found = judged(tmp_path, knocking(), {1: Dropped(FIREWALL, 50), 2: Dropped(FIREWALL, 49), 3: Dropped(8, 50), 4: Dropped(8, 50)})
    assert sorted(len(packets(one)) for one in found.findings if one.rule == RULE) == [1, 1, 2]


def test_what_tcp_drops_as_usual_is_an_issue_and_no_finding(tmp_path: Path) -> None:
    found = judged(tmp_path, talking(), {4: Dropped(DUPLICATE, 49)})
    assert RULE not in found.rules
    assert [issue.detail for issue in found.evidence.issues if issue.code == "capture.dropped"] == ["1 packet: INET_DuplicateSegment (1217) at TCPIP (49)"]


def test_other_traffic_is_not_told(tmp_path: Path) -> None:
    mixed = sorted([*knocking(), *talking()])
    assert RULE not in judged(tmp_path, knocking(port=445), {1: Dropped(FIREWALL, 50)}).rules
    assert RULE not in judged(tmp_path, mixed, {}).rules


def test_the_same_packets_in_a_pcap_say_nothing_of_drops(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(knocking()))
    found = judge_files([tmp_path / "a.pcap"])
    assert RULE not in found.rules
    assert "tcp.service-unreachable" in found.rules
