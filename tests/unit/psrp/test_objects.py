"""Objects as JSON, error records, host calls and messages of a session: as PowerShell writes them, and whatever else is there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.engine.shell_limits import reached
from analyzer.psrp import errors, history, hosts, objects, session
from analyzer.psrp.fragments import PsMessage
from analyzer.psrp.shells import Built
from analyzer.records.wsman import Shell
from analyzer.settings import Limits

SERVICE = (
    '<Obj RefId="0"><TN RefId="0"><T>System.ServiceProcess.ServiceController</T><T>System.Object</T></TN><ToString>WinRM</ToString><Props>'
    '<S N="Name">WinRM</S><B N="CanStop">true</B><I32 N="Count">-3</I32><Db N="Load">0.5</Db><Nil N="Site"/><Obj N="Status" RefId="1"><TN RefId="1">'
    "<T>System.Enum</T></TN><ToString>Running</ToString><I32>4</I32></Obj>"
    '<Obj N="Needs" RefId="2"><TN RefId="2"><T>System.Object[]</T></TN><LST><S>RPCSS</S><S>HTTP_x000A_</S></LST></Obj>'
    '<Obj N="Map" RefId="3"><DCT><En><S N="Key">a</S><I32 N="Value">1</I32></En><En><I32 N="Key">2</I32><SS N="Value">AAAA</SS></En></DCT></Obj>'
    '<Ref N="Again" RefId="0"/></Props><MS><S N="PSComputerName">srv</S></MS></Obj>'
)


def test_an_object() -> None:
    found = objects.shown(SERVICE)
    assert found.types == "System.ServiceProcess.ServiceController, System.Object"
    assert json.loads(found.json or "") == {
        "Name": "WinRM",
        "CanStop": True,
        "Count": -3,
        "Load": 0.5,
        "Site": None,
        "Status": "Running",
        "Needs": ["RPCSS", "HTTP\n"],
        "Map": {"a": 1, "2": "<SecureString, encrypted>"},
        "Again": "WinRM",
        "PSComputerName": "srv",
    }


@pytest.mark.parametrize(
    ("text", "types"),
    [("<S>one</S>", "System.String"), ("<I64>1</I64>", "System.Int64"), ("<Objs><B>true</B></Objs>", "System.Boolean"), ("<Nil/>", None), ("no xml", None)],
)
def test_plain_values_are_their_text(text: str, types: str | None) -> None:
    assert objects.shown(text) == objects.Shown(types)


def test_a_value_with_properties_of_its_own() -> None:
    line = '<Obj RefId="0"><S>first line</S><MS><I64 N="ReadCount">1</I64></MS></Obj>'
    assert json.loads(objects.shown(line).json or "") == {"value": "first line", "ReadCount": 1}


@pytest.mark.parametrize("text", ["--5", "-", "5-", "\u0665", "9" * 30])
def test_a_number_that_is_none_is_text(text: str) -> None:
    shown = objects.shown(f'<Obj RefId="0"><MS><I32 N="a">{text}</I32></MS></Obj>')
    assert json.loads(shown.json or "") == {"a": text}


def test_references_do_not_multiply() -> None:
    text = '<Obj RefId="0"><MS>' + "".join(f'<Obj N="m{n}" RefId="{n + 1}"><MS><Ref N="a" RefId="{n}"/><Ref N="b" RefId="{n}"/></MS></Obj>' for n in range(500))
    assert len(objects.shown(text + "</MS></Obj>").json or "") < 40_000


def test_depth_and_length_have_limits() -> None:
    deep = '<Obj><MS><Obj N="x">' * 1000 + "</Obj></MS></Obj>" * 1000
    assert "…" in (objects.shown(deep).json or "")
    assert objects.shown(f"<Obj><MS><S N='x'>{'y' * objects.LONGEST}</S></MS></Obj>") == objects.Shown()


ERROR = (
    '<Obj RefId="0"><ToString>Cannot find path</ToString><MS><S N="FullyQualifiedErrorId">PathNotFound,Get</S><I32 N="ErrorCategory_Category">13</I32>'
    '<S N="ErrorCategory_TargetName">C:\\x</S><S N="TargetObject">C:\\x</S><Obj N="InvocationInfo" RefId="1"><Props><S N="ScriptName">C:\\t.ps1</S>'
    '<I32 N="ScriptLineNumber">7</I32><I32 N="OffsetInLine">3</I32><S N="Line">Get-Item C:\\x</S><S N="PositionMessage">At C:\\t.ps1:7 char:3</S></Props></Obj>'
    "</MS></Obj>"
)


def test_an_error_record() -> None:
    assert json.loads(errors.details(ERROR) or "") == {
        "category": "ObjectNotFound",
        "target_name": "C:\\x",
        "id": "PathNotFound,Get",
        "target": "C:\\x",
        "script": "C:\\t.ps1",
        "line": 7,
        "column": 3,
        "statement": "Get-Item C:\\x",
        "position": "At C:\\t.ps1:7 char:3",
    }
    flat = '<Obj><MS><I32 N="InvocationInfo_ScriptLineNumber">2</I32><S N="InvocationInfo_Line">x</S></MS></Obj>'
    assert json.loads(errors.details(flat) or "") == {"line": 2, "statement": "x"}
    own = ERROR.replace("<Obj ", '<Obj N="ExceptionAsErrorRecord" ', 1)
    failed = f'<Obj><MS><I32 N="PipelineState">5</I32>{own}</MS></Obj>'
    assert json.loads(errors.of_state(failed) or "")["category"] == "ObjectNotFound"
    assert errors.details("<S>x</S>") is None
    assert errors.of_state("<S>x</S>") is None


def test_prompts_and_their_answers() -> None:
    method = '<Obj N="mi" RefId="1"><ToString>Prompt</ToString><I32>12</I32></Obj>'
    assert hosts.call(f'<Obj><MS>{method}<Obj N="mp" RefId="2"><LST><S>Enter</S></LST></Obj></MS></Obj>') == "Prompt(Enter)"
    entry = '<En><S N="Key">Name</S><S N="Value">bob</S></En><En><S N="Key">Password</S><SS N="Value">AA</SS></En>'
    answer = f'<Obj><MS>{method}<Obj N="mr" RefId="2"><DCT>{entry}</DCT></Obj></MS></Obj>'
    assert hosts.answer(answer) == "Prompt returned Name=bob; Password=<SecureString, encrypted>"
    assert hosts.answer(f'<Obj><MS>{method}<Obj N="me" RefId="2"><ToString>not there</ToString></Obj></MS></Obj>') == "Prompt failed: not there"


def pool(kind: str, text: str) -> session.Said:
    return session.said(PsMessage(kind, "P", None, text, len(text), whole=True))


def test_what_both_sides_say_of_a_session() -> None:
    version = '<Obj N="PSVersionTable" RefId="2"><DCT><En><S N="Key">PSVersion</S><Version N="Value">5.1.1</Version></En></DCT></Obj>'
    table = version.replace('N="PSVersionTable"', 'N="Value"')
    arguments = (
        f'<Obj N="ApplicationArguments" RefId="1"><DCT><En><S N="Key">PSVersionTable</S>{table}</En><En><S N="Key">who</S><S N="Value">me</S></En></DCT></Obj>'
    )
    found = dict(pool("INIT_RUNSPACEPOOL", f'<Obj><MS><I32 N="MinRunspaces">1</I32><I32 N="MaxRunspaces">3</I32>{arguments}</MS></Obj>').facts)
    assert found == {
        "MinRunspaces": "1",
        "MaxRunspaces": "3",
        "ApplicationArguments": '{"PSVersionTable":{"PSVersion":"5.1.1"},"who":"me"}',
        "PSVersionTable": '{"PSVersion":"5.1.1"}',
    }
    private = arguments.replace("ApplicationArguments", "ApplicationPrivateData")
    assert dict(pool("APPLICATION_PRIVATE_DATA", f"<Obj><MS>{private}</MS></Obj>").facts)["PSVersionTable"] == '{"PSVersion":"5.1.1"}'
    capability = '<Obj><MS><Version N="protocolversion">2.3</Version><Version N="PSVersion">2.0</Version></MS></Obj>'
    assert pool("SESSION_CAPABILITY", capability).facts == (("PSRPVersion", "2.3"), ("PSVersion", "2.0"))
    assert pool("RUNSPACEPOOL_STATE", '<Obj><MS><I32 N="RunspaceState">5</I32></MS></Obj>') == session.Said(
        (("RunspacePoolState", "Broken"),), ("state", "Broken")
    )
    assert pool("PUBLIC_KEY", "anything").event == ("keys", "the client's public RSA key")
    assert pool("USER_EVENT", "<S>x</S>") == session.Said()


WORDS = (
    "<Obj>",
    "</Obj>",
    "<MS>",
    "</MS>",
    '<S N="x">',
    "</S>",
    "<DCT>",
    "</DCT>",
    "<En>",
    "</En>",
    "<LST>",
    "</LST>",
    "<I32>",
    "</I32>",
    "9",
    '<Ref RefId="0"/>',
    "<Nil/>",
)
pieces = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)


@given(st.one_of(pieces, st.text(max_size=60)), st.sampled_from(sorted(session._READ)))
def test_any_text_is_read(text: str, kind: str) -> None:
    assert objects.shown(text).json is None or json.loads(objects.shown(text).json or "") is not ...
    for read in (errors.details, errors.of_state, hosts.call, hosts.answer):
        read(text)
    pool(kind, text)


def test_objects_beyond_the_room_of_a_shell_are_counted_and_said() -> None:
    known = history.History(room=10)
    assert [known.kept(text) for text in ("12345", "123456", "12345", None)] == ["12345", None, "12345", None]
    assert known.unparsed == 1
    shell = Shell("A", "powershell", None, "c", "s", 0, 0, (), (), None, 0, (), unparsed=known.unparsed)
    (issue,) = reached(Built((shell,), ()), Limits())
    assert (issue.code, issue.detail) == ("wsman.limit", f"json_characters={history.ROOM}: 1 objects of shell A are given as text only")
