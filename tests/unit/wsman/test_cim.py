"""Operations on CIM classes in envelopes: what is asked, of which class, and what came back, as JSON."""

import json
from pathlib import Path

import pytest

import analyzer
from analyzer.records.operations import CimOperation, Touches
from analyzer.wsman.cim import changes, class_of
from tests.build.cim import SERVER, WMI, cim_talk, enumerate_, invoke, pull, transfer
from tests.build.talk_http import post
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge

SERVICE = f"{WMI}root/cimv2/Win32_Service"
REGISTRY = f"{WMI}root/default/StdRegProv"
P = 'xmlns:p="x"'


def operations(lan: Wire) -> tuple[CimOperation, ...]:
    return judge(lan).evidence.operations


def test_an_enumeration_with_its_pulls() -> None:
    lan = Wire()
    talk = cim_talk(lan)
    item = "<p:Win32_Service {}><p:Name>{}</p:Name><p:Started>true</p:Started><p:ProcessId>{}</p:ProcessId></p:Win32_Service>"
    asked, answered = enumerate_(talk, "SELECT Name FROM Win32_Service WHERE Name = 'a &amp; b'", item.format(P, "a", 7))
    pull(talk, item.format(P, "b", "007"))
    first, second = operations(lan)
    assert (first.name, first.namespace, first.class_name, first.query) == (
        "Enumerate",
        "root/cimv2",
        "Win32_Service",
        "SELECT Name FROM Win32_Service WHERE Name = 'a & b'",
    )
    assert json.loads(first.instances[0]) == {"__CLASS": "Win32_Service", "Name": "a", "Started": True, "ProcessId": 7}
    assert (second.name, second.enumeration, second.class_name, second.query) == ("Pull", first.id, "Win32_Service", first.query)
    assert json.loads(second.instances[0])["ProcessId"] == "007", "no number is written so"
    assert (first.touches, first.changes, first.status) == (Touches.SERVICE, False, 200)
    assert (min(first.packets) & 0xFFFF, min(first.answer_packets) & 0xFFFF) == (asked, answered)


def test_values_of_every_form() -> None:
    lan = Wire()
    inside = (
        '<p:None xsi:nil="true"/><p:Text xsi:type="cim:string">42</p:Text><p:List>1</p:List><p:List>x</p:List><p:List>-5</p:List>'
        '<p:Ref><a:Address>http://x</a:Address><a:ReferenceParameters><w:SelectorSet><w:Selector Name="Name">svc</w:Selector></w:SelectorSet>'
        "</a:ReferenceParameters></p:Ref><p:Empty/>"
    )
    transfer(cim_talk(lan), "Get", SERVICE, "", f"<p:Win32_Service {P} xmlns:cim='c'>{inside}</p:Win32_Service>", [("Name", "svc")])
    [one] = operations(lan)
    assert one.selectors == (("Name", "svc"),)
    assert json.loads(one.instances[0]) == {
        "__CLASS": "Win32_Service",
        "None": None,
        "Text": "42",
        "List": [1, "x", -5],
        "Ref": {"Address": "http://x", "ReferenceParameters": {"SelectorSet": {"Selector": {"Name": "Name", "Value": "svc"}}}},
        "Empty": "",
    }


def test_a_method_with_its_arguments_and_what_it_gave_back() -> None:
    lan = Wire()
    invoke(cim_talk(lan), SERVICE, "ChangeStartMode", "<p:StartMode>Disabled</p:StartMode>", "<p:ReturnValue>0</p:ReturnValue>", [("Name", "WinDefend")])
    [one] = operations(lan)
    assert (one.name, one.method, one.class_name, one.return_value) == ("Invoke", "ChangeStartMode", "Win32_Service", 0)
    assert json.loads(one.arguments or "") == {"StartMode": "Disabled"}
    assert (one.changes, one.touches, one.selectors) == (True, Touches.SERVICE, (("Name", "WinDefend"),))


def test_a_fault_and_no_answer() -> None:
    lan = Wire()
    talk = cim_talk(lan)
    invoke(talk, SERVICE, "StopService", "", "", status=500)
    talk.send(post("/wsman", content=None))
    [one] = operations(lan)
    assert (one.status, one.fault_code, one.return_value, one.instances) == (500, "5", None, ())


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        (f"{WMI}root/cimv2/Win32_Process", "root/cimv2", "Win32_Process"),
        (f"{WMI}root/Microsoft/Windows/TaskScheduler/PS_ScheduledTask", "root/Microsoft/Windows/TaskScheduler", "PS_ScheduledTask"),
        ("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_Process", "root/scx", "CIM_Process"),
        ("http://schemas.dmtf.org/wbem/wscim/1/*", "root/scx", "Win32_Bios"),
        ("http://schemas.microsoft.com/wbem/wsman/1/config/service", "root/scx", None),
    ],
)
def test_the_class_of_a_resource(uri: str, namespace: str, name: str | None) -> None:
    assert class_of(uri, (("__cimnamespace", "root/scx"),) if "scx" in namespace else (), "select * from Win32_Bios") == (namespace, name)


def test_what_changes() -> None:
    assert [changes("Invoke", method) for method in ("GetStringValue", "EnumKey", "CheckAccess", "SetStringValue", "Create", None)] == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]
    assert [changes(name, None) for name in ("Get", "Enumerate", "Pull", "Put", "Create", "Delete")] == [False, False, False, True, True, True]


def test_damage_leaves_what_came_before_it() -> None:
    lan = Wire()
    broken = f"<p:Win32_Service {P}><p:Name>svc</p:Name><p:State>Run</p:Wrong>"
    transfer(cim_talk(lan), "Get", SERVICE, "", broken, [("Name", "svc")])
    [one] = operations(lan)
    assert one.cut
    assert json.loads(one.instances[0])["Name"] == "svc"


def test_depth_and_number_have_a_limit_that_is_told() -> None:
    lan = Wire()
    deep = "<p:a xmlns:p='x'>" * 200 + "</p:a>" * 200
    transfer(cim_talk(lan), "Get", SERVICE, "", deep)
    judged = judge(lan)
    assert judged.evidence.operations[0].cut
    assert [issue.detail for issue in judged.evidence.issues if issue.code == "wsman.limit"] == ["depth=64: later elements were not read"]


def test_shells_are_no_operations() -> None:
    lan = Wire()
    cmd = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
    transfer(cim_talk(lan), "Create", cmd, "<rsp:Shell xmlns:rsp='x'/>", "<rsp:Shell xmlns:rsp='x'/>")
    assert operations(lan) == ()


def test_the_table_the_transcript_and_the_mask(tmp_path: Path) -> None:
    lan = Wire()
    talk = cim_talk(lan)
    given = "<p:Name>svc</p:Name><p:StartPassword>Ofen9!xyz</p:StartPassword><p:PathName>C:\\a.exe</p:PathName>"
    invoke(talk, SERVICE, "Create", given, "<p:ReturnValue>0</p:ReturnValue>")
    secret = (
        "<p:hDefKey>2147483650</p:hDefKey><p:sSubKeyName>Winlogon</p:sSubKeyName><p:sValueName>DefaultPassword</p:sValueName><p:sValue>Kachel7?abc</p:sValue>"
    )
    invoke(talk, REGISTRY, "SetStringValue", secret, "<p:ReturnValue>0</p:ReturnValue>")
    (tmp_path / "evidence").mkdir()
    case = analyzer.analyze([lan.capture(tmp_path / "evidence" / "wire.pcap")])
    service, registry = case.listed("operations")
    assert json.loads(str(service["arguments"])) == {"Name": "svc", "StartPassword": "***", "PathName": "C:\\a.exe"}
    assert json.loads(str(registry["arguments"]))["sValue"] == "***"
    assert json.loads(str(registry["arguments"]))["hDefKey"] == 2147483650
    text = "".join(case.transcript()) + case.overview()
    assert "ASK" in text
    assert "Win32_Service.Create (root/cimv2) [service]" in text
    assert "Ofen9!xyz" not in text + str(case.listed("findings"))
    assert "Kachel7?abc" not in text + str(case.listed("findings"))
    case.report(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Invoke Win32_Service.Create (root/cimv2)" in report
    assert "Ofen9!xyz" not in report
    case.save(tmp_path / "case")
    again = analyzer.open_case(tmp_path / "case")
    assert [row["arguments"] for row in again.listed("operations")] == [service["arguments"], registry["arguments"]]
    assert "Win32_Service.Create" in "".join(again.transcript())


def test_both_sides_of_a_proxy_are_one_operation() -> None:
    from tests.build.cim import envelope
    from tests.build.talk_http import reply
    from tests.build.talk_proxy import far_leg, near_leg, proxied

    lan = Wire()
    asked = envelope(f"{SERVICE}/StopService", f"<p:StopService_INPUT {P}/>", SERVICE, [("Name", "x")], message="5F0C9D1E-8A3B-4C57-9E21-7B46D0A9C3F8")
    told = envelope(f"{SERVICE}/StopServiceResponse", f"<p:StopService_OUTPUT {P}><p:ReturnValue>5</p:ReturnValue></p:StopService_OUTPUT>")
    proxied(near_leg(lan), far_leg(lan), post("http://srv01:5985/wsman", content=asked), reply(200, content=told))
    judged: Judged = judge(lan)
    [one] = judged.evidence.operations
    assert (one.id, one.return_value) == ("c1.x1", 5)
    assert one.server != SERVER
