"""Sessions end to end: what `shells`, `streams` and the transcript say of them, who claims it, and what is hidden of what was typed."""

import json
import uuid
from pathlib import Path

import dpkt
import pytest

import analyzer
from analyzer.api import Case
from tests.build.sessions import SHELL, Session, psrp
from tests.build.talks import Wire

INIT, CAPABILITY, PRIVATE, STATE, POOL_CALL = 0x00010004, 0x00010002, 0x00021009, 0x00021005, 0x00021100
OUTPUT, ERROR, CALL, ANSWER, PUBLIC_KEY, SESSION_KEY = 0x00041004, 0x00041005, 0x00041100, 0x00041101, 0x00010005, 0x00010006


def _table(version: str) -> str:
    return f'<S N="Key">PSVersionTable</S><Obj N="Value"><DCT><En><S N="Key">PSVersion</S><Version N="Value">{version}</Version></En></DCT></Obj>'


def _arguments(name: str, version: str, more: str = "") -> str:
    return f'<Obj><MS><Obj N="{name}"><DCT><En>{_table(version)}</En>{more}</DCT></Obj></MS></Obj>'


def _host(kind: str, body: str) -> str:
    return f'<Obj><MS><I64 N="ci">1</I64><Obj N="mi"><ToString>{kind}</ToString><I32>12</I32></Obj>{body}</MS></Obj>'


PROPERTIES = (
    "<rsp:Owner>LAB\\carla</rsp:Owner><rsp:ClientIP>10.10.1.1</rsp:ClientIP><rsp:ProcessId>4711</rsp:ProcessId><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>"
    "<rsp:MaxIdleTimeOut>PT2147483.647S</rsp:MaxIdleTimeOut><rsp:Locale>de-DE</rsp:Locale><rsp:DataLocale>fr-FR</rsp:DataLocale><rsp:State>Connected</rsp:State>"
)


def _case(tmp_path: Path) -> Case:
    lan = Wire()
    session = Session(lan, uri="http://schemas.microsoft.com/powershell/Helpdesk.JEA")
    more = '<En><S N="Key">ticket</S><S N="Value">INC-7</S></En>'
    capability = '<Obj><MS><Version N="protocolversion">2.3</Version><Version N="PSVersion">2.0</Version></MS></Obj>'
    session.create(psrp(CAPABILITY, capability) + psrp(INIT, _arguments("ApplicationArguments", "7.4.1", more), identity=2), PROPERTIES)
    session.receive(
        psrp(PRIVATE, _arguments("ApplicationPrivateData", "5.1.20348"), identity=50)
        + psrp(STATE, '<Obj><MS><I32 N="RunspaceState">2</I32></MS></Obj>', identity=51)
    )
    session.send(psrp(PUBLIC_KEY, "<Obj/>", identity=3))
    session.receive(psrp(SESSION_KEY, "<Obj/>", identity=52))
    session.receive(psrp(POOL_CALL, _host("SetShouldExit", '<Obj N="mp"><LST><I32>3</I32></LST></Obj>'), identity=53))
    service = (
        '<Obj RefId="0"><TN RefId="0"><T>Lab.Service</T><T>System.Object</T></TN><ToString>WinRM</ToString><Props><S N="Name">WinRM</S>'
        '<S N="Password">Ofen9!x</S></Props></Obj>'
    )
    error = (
        '<Obj><ToString>no such file</ToString><MS><S N="FullyQualifiedErrorId">PathNotFound,Get</S>'
        '<I32 N="ErrorCategory_Category">13</I32><S N="TargetObject">C:\\x</S>'
        '<S N="InvocationInfo_ScriptName">C:\\t.ps1</S><I32 N="InvocationInfo_ScriptLineNumber">7</I32><I32 N="InvocationInfo_OffsetInLine">3</I32></MS></Obj>'
    )
    prompt = _host("Prompt", '<Obj N="mp"><LST><S>Log on</S></LST></Obj>')
    name = session.run("Get-Service WinRM", 9, [(OUTPUT, service), (ERROR, error), (OUTPUT, "<S>plain</S>"), (CALL, prompt)])
    answered = _host("Prompt", '<Obj N="mr"><DCT><En><S N="Key">Password</S><S N="Value">Kachel#77</S></En></DCT></Obj>')
    session.send(psrp(ANSWER, answered, pipeline=uuid.UUID(int=9), identity=4), name)
    shell = f"<rsp:Shell><rsp:ShellId>{session.shell.lower()}</rsp:ShellId><rsp:State>Disconnected</rsp:State></rsp:Shell>"
    listed = f"<n:PullResponse><n:Items>{shell}</n:Items></n:PullResponse>"
    session.ask("http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull", "<n:Pull/>", listed, selected=False, uri=SHELL)
    session.delete()
    return analyzer.analyze(str(lan.capture(tmp_path / "a.pcap")))


def test_what_both_sides_say(tmp_path: Path) -> None:
    case = _case(tmp_path)
    (row,) = case.shells.to_dict("records")
    expected = {
        "owner": "LAB\\carla",
        "process_id": 4711,
        "reported_client_ip": "10.10.1.1",
        "client_ip": "10.10.1.11",
        "configuration": "Helpdesk.JEA",
        "state": "Disconnected",
        "pool_state": "Opened",
        "culture": "fr-FR",
        "ui_culture": "de-DE",
        "idle_timeout_s": 7200.0,
        "max_idle_timeout_s": 2147483.647,
        "client_version": "7.4.1",
        "server_version": "5.1.20348",
        "key_exchange": "complete",
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["application_arguments"])["ticket"] == "INC-7"
    said = {(one["name"], one["by"]): one for one in json.loads(row["facts"])}
    assert said["PSRPVersion", "client"]["value"] == "2.3"
    assert said["Owner", "server"]["packets"] == said["ProcessId", "server"]["packets"]
    assert said["State", "server"]["value"] == "Disconnected"
    history = json.loads(row["history"])
    assert [one["what"] for one in history] == ["create", "state", "keys", "keys", "host call", "delete"]
    assert history[4]["text"] == "SetShouldExit(3)"


def test_objects_and_errors(tmp_path: Path) -> None:
    rows = _case(tmp_path).streams.to_dict("records")
    assert [row["stream"] for row in rows] == ["output", "error", "output", "host", "host"]
    assert rows[0]["types"] == "Lab.Service, System.Object"
    assert json.loads(rows[0]["object"]) == {"Name": "WinRM", "Password": "***"}
    assert (rows[1]["error_category"], rows[1]["error_id"], rows[1]["error_position"]) == ("ObjectNotFound", "PathNotFound,Get", "C:\\t.ps1:7 char:3")
    assert (rows[2]["types"], rows[2]["object"]) == ("System.String", None)


def test_the_transcript(tmp_path: Path) -> None:
    text = _case(tmp_path).transcript()
    assert "SESSION session configuration Helpdesk.JEA: a custom or restricted endpoint, not Microsoft.PowerShell" in text
    assert "SESSION the server says: owner LAB\\carla, process 4711, client address 10.10.1.1, state Disconnected" in text
    assert "SESSION PowerShell as each side says: client 7.4.1, server 5.1.20348" in text
    assert "SESSION Key exchange for SecureStrings: the session key, encrypted for the client's RSA key." in text
    assert "AT      ObjectNotFound, target C:\\x, at C:\\t.ps1:7 char:3" in text
    assert "HOST    SetShouldExit(3)" in text
    assert "HOST    Prompt(Log on)" in text
    assert "Prompt returned Password=***" in text
    assert "Kachel#77" not in text


def _answers_only(path: Path) -> Path:
    """The capture without what clients sent (each file of the lab's builder is a pcap of Ethernet frames)."""
    with path.open("rb") as source, path.with_name("answers.pcap").open("wb") as target:
        reader, writer = dpkt.pcap.Reader(source), dpkt.pcap.Writer(target)
        for when, frame in reader:
            if dpkt.ethernet.Ethernet(frame).data.data.sport == 5985:
                writer.writepkt(frame, when)
    return path.with_name("answers.pcap")


def test_a_shell_of_which_only_answers_are_there_is_known_by_them(tmp_path: Path) -> None:
    lan = Wire()
    session = Session(lan)
    session.create()
    session.run("Get-Secret", 3, [(OUTPUT, "<S>first</S>"), (OUTPUT, "<S>second</S>")])
    case = analyzer.analyze(str(_answers_only(lan.capture(tmp_path / "a.pcap", last=None))))
    created = {row["shell_id"] for row in case.shells.to_dict("records")}
    assert created == {session.shell}  # the answer to Create names it
    lan = Wire()
    session = Session(lan)
    session.run("Get-Secret", 3, [(OUTPUT, "<S>first</S>"), (OUTPUT, "<S>second</S>")])
    case = analyzer.analyze(str(_answers_only(lan.capture(tmp_path / "b.pcap"))))
    (shell,) = case.shells.to_dict("records")
    assert (shell["shell_id"], shell["kind"], shell["commands"], shell["complete"]) == ("c1", "powershell", 1, False)
    (command,) = case.commands.to_dict("records")
    assert (command["command_id"], command["text"], command["complete"]) == (str(uuid.UUID(int=3)).upper(), "", False)
    assert [row["text"] for row in case.streams.to_dict("records")] == ["first", "second"]


def test_the_report(tmp_path: Path) -> None:
    case = _case(tmp_path)
    case.report(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<li>session configuration Helpdesk.JEA: a custom or restricted endpoint, not Microsoft.PowerShell</li>" in page
    assert "<li>the server says: owner LAB\\carla, process 4711, client address 10.10.1.1, state Disconnected</li>" in page
    assert "<li>10.10.1.11 (LAB\\carla) created the shell." in page
    assert "ObjectNotFound, at C:\\t.ps1:7 char:3" in page
    assert "Kachel#77" not in page


def _read_line(number: int) -> str:
    return _host("ReadLine", "").replace(">1<", f">{number}<")


@pytest.mark.parametrize(("prompt", "shown"), [("Password: ", "***"), ("Enter the passphrase: ", "***"), ("Name: ", "Kachel#77x")])
def test_what_is_typed_at_a_prompt_for_a_secret(prompt: str, shown: str, tmp_path: Path) -> None:
    lan = Wire()
    session = Session(lan)
    session.create()
    name = session.run("Read-Host", 9, [(CALL, _host("Write1", f'<Obj N="mp"><LST><S>{prompt}</S></LST></Obj>')), (CALL, _read_line(2))])
    session.send(psrp(ANSWER, _host("ReadLine", '<S N="mr">Kachel#77x</S>'), pipeline=uuid.UUID(int=9), identity=4), name)
    case = analyzer.analyze(str(lan.capture(tmp_path / "a.pcap")))
    assert f"ReadLine returned {shown}" in case.transcript()
    assert [row["text"] for row in case.streams.to_dict("records")][-1] == f"ReadLine returned {shown}"
    assert "Kachel#77x" in case.show_secrets().transcript()
