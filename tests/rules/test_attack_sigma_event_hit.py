"""The user's Sigma rules over forwarded events and over what operations ask for."""

from pathlib import Path

import pytest

import analyzer
from analyzer.records.finding import Finding, Severity
from analyzer.records.ids import key_number
from tests.build.cim import WMI, cim_talk, invoke
from tests.build.forwarding import MACHINE, ack, delivery, event, source_talk, tell
from tests.build.talks import Wire

RULE = "attack.sigma-event-hit"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
SIGMA = """
title: A title
id: 6ff6a2b4-0000-4000-8000-000000000002
level: high
tags: [attack.execution, attack.t1059]
logsource: {{product: windows, {source}}}
detection:
  selection: {{{selection}}}
  condition: selection
"""


def found(lan: Wire, tmp_path: Path, source: str, selection: str) -> list[Finding]:
    (tmp_path / "sigma").mkdir()
    (tmp_path / "sigma" / "a.yml").write_text(SIGMA.format(source=source, selection=selection), encoding="utf-8")
    case = analyzer.analyze(lan.capture(tmp_path / "wire.pcap"), sigma_dirs=[tmp_path / "sigma"])
    return [one for one in case.result.findings if one.rule == RULE]


def _forwarded() -> tuple[Wire, int]:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, delivery([event(1, 4624, {"TargetUserName": "bob"})]), ack())
    values = {"NewProcessName": "C:\\Windows\\System32\\whoami.exe", "CommandLine": "whoami /all", "SubjectUserName": "alice", "SubjectDomainName": "LAB"}
    started = {"Image": "C:\\Temp\\x.exe", "TargetObject": "HKLM\\SOFTWARE\\X", "Details": "DWORD (0x00000001)"}
    registry = event(9, 13, started, channel=SYSMON, provider="Microsoft-Windows-Sysmon")
    cleared = "<UserData><LogFileCleared xmlns='x'><SubjectUserName>mallory</SubjectUserName></LogFileCleared></UserData>"
    sent, _ = tell(talk, delivery([event(2, 4688, values), event(3, 4688, values), registry, event(4, 1102, inside=cleared)], number=2), ack(2))
    return lan, sent


@pytest.mark.parametrize(
    ("source", "selection", "count"),
    [
        ("category: process_creation", "Image|endswith: '\\whoami.exe'", 2),
        ("category: process_creation", "User: 'LAB\\alice'", 2),
        ("service: security", "EventID: 4688", 2),
        ("service: security", "EventID: 1102, SubjectUserName: mallory", 1),
        ("category: registry_set", "TargetObject|contains: '\\SOFTWARE\\'", 1),
        ("service: sysmon", "EventID: 13", 1),
    ],
)
def test_a_rule_by_its_log_source(source: str, selection: str, count: int, tmp_path: Path) -> None:
    lan, sent = _forwarded()
    (finding,) = found(lan, tmp_path, source, selection)
    assert (finding.title, finding.severity, finding.attack) == ("Sigma: A title", Severity.HIGH, ("T1059",))
    assert f"fits {count} forwarded event{'' if count == 1 else 's'} of {MACHINE}" in finding.why
    assert sent in {key_number(key) for key in finding.packets}


@pytest.mark.parametrize(
    ("source", "selection"),
    [
        ("service: system", "EventID: 4688"),
        ("category: process_creation", "EventID: 4624"),
        ("category: dns_query", "EventID: 4688"),
        ("service: iis", "EventID: 4688"),
    ],
)
def test_a_rule_for_another_log(source: str, selection: str, tmp_path: Path) -> None:
    assert found(_forwarded()[0], tmp_path, source, selection) == []


def test_events_that_were_sent_again_count_once(tmp_path: Path) -> None:
    lan = Wire()
    for number, port in ((1, 50001), (2, 50002)):
        tell(source_talk(lan, port), delivery([event(7, 4688, {"CommandLine": "whoami"})], number=number), ack(number))
    (finding,) = found(lan, tmp_path, "service: security", "EventID: 4688")
    assert "fits 1 forwarded event of" in finding.why


SERVICE, REGISTRY = f"{WMI}root/cimv2/Win32_Service", f"{WMI}root/default/StdRegProv"
TASK = f"{WMI}root/Microsoft/Windows/TaskScheduler/PS_ScheduledTask"
MADE = "<p:Name>svc</p:Name><p:PathName>C:\\Windows\\System32\\cmd.exe /c evil.bat</p:PathName>"
VALUE = "<p:hDefKey>2147483650</p:hDefKey><p:sSubKeyName>SOFTWARE\\Run</p:sSubKeyName><p:sValueName>x</p:sValueName><p:sValue>evil.exe</p:sValue>"
XML = "<p:TaskName>t</p:TaskName><p:Xml>&lt;Exec&gt;&lt;Command&gt;powershell&lt;/Command&gt;&lt;Arguments&gt;-enc AAAA&lt;/Arguments&gt;&lt;/Exec&gt;</p:Xml>"
DONE = "<p:ReturnValue>0</p:ReturnValue>"


@pytest.mark.parametrize(
    ("resource", "method", "given", "source", "selection"),
    [
        (SERVICE, "Create", MADE, "service: system", "Provider_Name: 'Service Control Manager', EventID: 7045, ImagePath|contains: evil"),
        (SERVICE, "Create", MADE, "service: security", "EventID: 4697, ServiceFileName|contains: evil"),
        (SERVICE, "Create", MADE, "category: process_creation", "CommandLine|contains: evil, ParentImage|endswith: '\\services.exe'"),
        (REGISTRY, "SetStringValue", VALUE, "category: registry_set", "TargetObject: 'HKLM\\SOFTWARE\\Run\\x', Details: evil.exe"),
        (TASK, "RegisterByXml", XML, "service: security", "EventID: 4698, TaskContent|contains: powershell"),
        (TASK, "RegisterByXml", XML, "category: process_creation", "CommandLine: 'powershell -enc AAAA'"),
    ],
)
def test_what_an_operation_asks_for(resource: str, method: str, given: str, source: str, selection: str, tmp_path: Path) -> None:
    lan = Wire()
    asked, _ = invoke(cim_talk(lan), resource, method, given, DONE)
    (finding,) = found(lan, tmp_path, source, selection)
    assert "fits 1 operation on 10.10.1.21" in finding.why
    assert "would tell" in finding.why
    assert key_number(finding.packets[0]) == asked


def test_an_operation_that_failed(tmp_path: Path) -> None:
    lan = Wire()
    invoke(cim_talk(lan), SERVICE, "Create", MADE, "<p:ReturnValue>2</p:ReturnValue>")
    invoke(cim_talk(lan, 50002), SERVICE, "Create", MADE, "", status=500)
    assert found(lan, tmp_path, "service: system", "EventID: 7045") == []
