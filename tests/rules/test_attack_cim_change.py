"""Changes by CIM: services, tasks, the registry and event consumers; reading, refused and failed operations are none."""

import pytest

from analyzer.engine.work import told
from analyzer.records.finding import Severity
from tests.build.cim import WMI, cim_talk, enumerate_, invoke, transfer
from tests.build.talks import Wire
from tests.golden.claims import wrong
from tests.rules.judging import Judged, judge

RULE = "attack.cim-change"
SERVICE, REGISTRY = f"{WMI}root/cimv2/Win32_Service", f"{WMI}root/default/StdRegProv"
DONE = "<p:ReturnValue>0</p:ReturnValue>"


def _invoked(resource: str, method: str, given: str = "", back: str = DONE, status: int = 200) -> Judged:
    lan = Wire()
    invoke(cim_talk(lan), resource, method, given, back, [("Name", "svc")], status)
    return judge(lan)


def test_a_service_is_made() -> None:
    judged = _invoked(SERVICE, "Create", "<p:Name>svc</p:Name><p:PathName>C:\\evil.exe</p:PathName><p:StartPassword>abc12345</p:StartPassword>")
    finding = judged.one(RULE)
    assert (finding.severity, finding.title) == (Severity.LOW, "Service changed by CIM on 10.10.1.21")
    assert "Win32_Service.Create with Name “svc”, PathName “C:\\evil.exe”" in finding.why
    assert "ReturnValue is 0" in finding.why
    assert "abc12345" not in finding.why
    assert finding.packets[0] == judged.evidence.operations[0].packets[0]
    assert {"T1543.003", "T1047"} <= set(finding.attack)
    assert list(wrong(told(judged.evidence), finding)) == []


@pytest.mark.parametrize(
    ("resource", "method", "word"),
    [
        (f"{WMI}root/Microsoft/Windows/TaskScheduler/PS_ScheduledTask", "RegisterByXml", "Scheduled task"),
        (f"{WMI}root/cimv2/Win32_ScheduledJob", "Create", "Scheduled task"),
        (REGISTRY, "SetDWORDValue", "Registry"),
        (SERVICE, "StopService", "Service"),
    ],
)
def test_each_kind(resource: str, method: str, word: str) -> None:
    assert _invoked(resource, method).one(RULE).title.startswith(f"{word} changed")


def test_an_event_consumer_weighs_more() -> None:
    lan = Wire()
    consumer = f"{WMI}root/subscription/CommandLineEventConsumer"
    body = '<p:CommandLineEventConsumer xmlns:p="x"><p:Name>c</p:Name><p:CommandLineTemplate>cmd /c a.exe</p:CommandLineTemplate></p:CommandLineEventConsumer>'
    transfer(cim_talk(lan), "Create", consumer, body, "<a:ResourceCreated/>")
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert "Create on CommandLineEventConsumer with Name “c”, CommandLineTemplate “cmd /c a.exe”" in finding.why


def test_what_is_no_change() -> None:
    assert _invoked(REGISTRY, "GetStringValue").found(RULE) == []
    assert _invoked(REGISTRY, "EnumKey").found(RULE) == []
    assert _invoked(SERVICE, "StopService", status=500).found(RULE) == [], "refused"
    assert _invoked(SERVICE, "StopService", back="<p:ReturnValue>2</p:ReturnValue>").found(RULE) == [], "not done"
    assert _invoked(f"{WMI}root/cimv2/Win32_OperatingSystem", "Reboot").found(RULE) == [], "another class"
    lan = Wire()
    enumerate_(cim_talk(lan), "select * from Win32_Service", "")
    assert judge(lan).found(RULE) == []


def test_what_came_back_is_not_known() -> None:
    lan = Wire()
    _, answered = invoke(cim_talk(lan), SERVICE, "StartService", "", DONE)
    judged = judge(lan, last=answered - 1)
    assert judged.evidence.operations[0].status is None
    assert all("ReturnValue" not in one.why for one in judged.found(RULE))
