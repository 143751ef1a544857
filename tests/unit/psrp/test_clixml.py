"""Text of CLIXML as a person reads it; damaged or hostile XML is shown as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.psrp import clixml

PIPELINE = (
    '<Obj><MS><Obj N="PowerShell"><MS><Obj N="Cmds"><LST>'
    '<Obj><MS><S N="Cmd">Get-Process</S><B N="IsScript">false</B><Obj N="Args"><LST>'
    '<Obj><MS><S N="N">-Name</S><S N="V">lsass</S></MS></Obj><Obj><MS><Nil N="N"/><S N="V">two words</S></MS></Obj></LST></Obj></MS></Obj>'
    '<Obj><MS><S N="Cmd">Out-String</S><Obj N="Args"><LST/></Obj></MS></Obj>'
    "</LST></Obj></MS></Obj></MS></Obj>"
)


def test_a_pipeline_is_a_command_line() -> None:
    assert clixml.pipeline(PIPELINE) == "Get-Process -Name lsass two words | Out-String"
    assert clixml.pipeline("<Obj/>") is None
    assert clixml.pipeline("no XML") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<S>one &amp; two_x000A_three</S>", "one & two\nthree"),
        ("<Objs><S>in a list</S></Objs>", "in a list"),
        ("<I32>42</I32>", "42"),
        ("<B>true</B>", "true"),
        ("<Nil/>", ""),
        ("<S/>", ""),
        ("<S>_x005F_x000A_</S>", "_x000A_"),
        ("<S>_xD83D__xDE00_</S>", "\U0001f600"),
        ('<Obj><ToString>C:\\x &lt;y&gt;</ToString><Props><S N="a">1</S></Props></Obj>', "C:\\x <y>"),
        ('<Obj><MS><S N="Name">a</S><I32 N="Id">7</I32></MS></Obj>', "Name=a; Id=7"),
        ("<Obj><LST><I32>1</I32><I32>2</I32></LST></Obj>", "1, 2"),
        ('<Obj><DCT><En><S N="Key">k</S><S N="Value">v</S></En></DCT></Obj>', "k=v"),
        ("<broken", "<broken"),
        ("", ""),
    ],
)
def test_objects(text: str, shown: str) -> None:
    assert clixml.shown(text) == shown


@pytest.mark.parametrize("text", ["<SS>AAAA</SS>", "<Objs><SS>AAAA</SS></Objs>", '<Obj><MS><S N="User">a</S><SS N="Password">AAAA</SS></MS></Obj>'])
def test_a_secure_string_stays_encrypted(text: str) -> None:
    assert "<SecureString, encrypted>" in clixml.shown(text)
    assert "AAAA" not in clixml.shown(text)


def test_a_credential_among_arguments_stays_encrypted() -> None:
    credential = '<Obj N="V"><TN><T>System.Management.Automation.PSCredential</T></TN><ToString>System.Management.Automation.PSCredential</ToString>'
    credential += '<Props><S N="UserName">LAB\\alice</S><SS N="Password">BASE64SECRET</SS></Props></Obj>'
    text = PIPELINE.replace('<S N="V">lsass</S>', credential)
    line = clixml.pipeline(text)
    assert line is not None
    assert "BASE64SECRET" not in line
    assert "LAB\\alice" in line
    assert "<SecureString, encrypted>" in line


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><S>&a;</S>',
        '<!ENTITY a "b">',
        "<a>" * 100_000,
    ],
)
def test_hostile_documents_are_not_built(text: str) -> None:
    assert clixml.tree(text) is None
    assert clixml.error(text) == text


def test_deep_nesting_is_no_recursion() -> None:
    deep = "<Obj><LST>" * 3000 + "<S>x</S>" + "</LST></Obj>" * 3000
    assert isinstance(clixml.shown(deep), str)
    assert isinstance(clixml.record(deep, "Message"), str)


def test_records() -> None:
    state = (
        '<Obj><MS><I32 N="PipelineState">5</I32><Obj N="ExceptionAsErrorRecord"><ToString>boom</ToString></Obj></MS></Obj>',
        '<Obj><MS><I32 N="PipelineState">4</I32></MS></Obj>',
    )
    assert [clixml.state(text) for text in state] == [("Failed", "boom"), ("Completed", "")]
    error = '<Obj><ToString>failed</ToString><MS><S N="FullyQualifiedErrorId">Id,Cmd</S></MS></Obj>'
    assert clixml.error(error) == "failed [Id,Cmd]"
    progress = '<Obj><MS><S N="Activity">Copy</S><S N="StatusDescription">half</S><I32 N="PercentComplete">50</I32></MS></Obj>'
    assert clixml.progress(progress) == "Copy - half - 50 %"
    assert clixml.record('<Obj><MS><S N="InformationalRecord_Message">look</S></MS></Obj>', "InformationalRecord_Message") == "look"
    call = '<Obj><MS><Obj N="mi"><ToString>WriteLine2</ToString><I32>16</I32></Obj><Obj N="mp"><LST><S>hello</S></LST></Obj></MS></Obj>'
    assert clixml.host_call(call) == "WriteLine2(hello)"


WORDS = ("<Obj>", "</Obj>", "<MS>", "</MS>", '<S N="Cmd">', "</S>", "<S>", "text", "_x0041_", "_xD800_", "&amp;", "<LST>", "</LST>", "<Nil/>", "<SS>", "\0")
pieces = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)


@given(st.one_of(pieces, st.text(max_size=60)))
def test_any_text_is_read(text: str) -> None:
    for read in (clixml.shown, clixml.error, clixml.progress, clixml.host_call, clixml.record):
        read(text).encode()  # a lone surrogate would not go into any file
    clixml.pipeline(text)
    clixml.state(text)


@pytest.mark.parametrize("text", ["<S>x</S>" + " " * 200_000 + "x", "<Objs>" + " " * 200_000, "<S " * 50_000, "<ToString>" * 50_000, "_x00" * 50_000])
def test_hostile_texts_take_no_long_time(text: str) -> None:
    assert clixml.shown(text) == text
