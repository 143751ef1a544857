"""The command line of a method of a CIM class, as a server's XML reader sees it: a decoy is never shown, and the line behind it is."""

import pytest

from analyzer.formats.holes import HOLE
from analyzer.records.sealing import Message, Protection
from analyzer.wsman.invoke import invoked

CLASS = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process"
SCX = "http://schemas.microsoft.com/wbem/wscim/1/cim-schema/2/SCX_OperatingSystem"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
LINE = "<p:CommandLine>whoami &amp; ver</p:CommandLine>"


def envelope(inside: str, *, header: str = "") -> str:
    return (
        f'<?xml version="1.0"?><s:Envelope xmlns:s="{SOAP}" xmlns:p="{CLASS}"><s:Header>{header}</s:Header>'
        f"<s:Body><p:Create_INPUT>{inside}</p:Create_INPUT></s:Body></s:Envelope>"
    )


def line(text: str, action: str = f"{CLASS}/Create") -> str | None:
    message = Message("c1.x1.q", "c1.x1", from_client=True, protection=Protection.CLEAR, size=len(text), content_type=None, action=action)
    found = invoked(message, text, 0, (1,), 200)
    assert found is not None
    return found.command


def returned(text: str) -> tuple[str, ...]:
    message = Message("c1.x1.r", "c1.x1", from_client=False, protection=Protection.CLEAR, size=len(text), content_type=None, action=f"{CLASS}/CreateResponse")
    found = invoked(message, text, 0, (1,), 200)
    assert found is not None
    return found.arguments


def test_the_line_is_read_with_its_references_undone() -> None:
    assert line(envelope(LINE)) == "whoami & ver"


@pytest.mark.parametrize(
    "decoy",
    [
        "<!--<p:CommandLine>notepad</p:CommandLine>-->",
        '<x:CommandLine xmlns:x="urn:other">notepad</x:CommandLine>',
        '<p:CommandLine xmlns:p="urn:other">notepad</p:CommandLine>',
        "<p:Extra><p:CommandLine>notepad</p:CommandLine></p:Extra>",
        '<p:Extra value="a>b<!--"/>'.replace("<!--", "&lt;!--"),
        "<p:Extra><![CDATA[<p:CommandLine>notepad</p:CommandLine>]]></p:Extra>",
        "<p:Extra>&lt;p:CommandLine&gt;notepad&lt;/p:CommandLine&gt;</p:Extra>",
        "<?hint <p:CommandLine>notepad</p:CommandLine> ?>",
    ],
)
def test_a_decoy_is_not_the_line(decoy: str) -> None:
    assert line(envelope(decoy + LINE)) == "whoami & ver"
    assert line(envelope(LINE + decoy)) == "whoami & ver"


def test_a_line_in_the_header_is_none() -> None:
    decoy = f'<p:Create_INPUT xmlns:p="{CLASS}"><p:CommandLine>notepad</p:CommandLine></p:Create_INPUT>'
    assert line(envelope(LINE, header=decoy)) == "whoami & ver"
    assert line(envelope("", header=decoy)) is None


@pytest.mark.parametrize(
    "inside",
    [
        "<p:CommandLine><![CDATA[whoami & ver]]></p:CommandLine>",
        "<p:CommandLine>who<!-- am -->ami &#38; ver</p:CommandLine>",
        "<p:CommandLine>&#x77;hoami <![CDATA[&]]> ver</p:CommandLine>",
        "<é:CommandLine xmlns:é='" + CLASS + "'>whoami &amp; ver</é:CommandLine>",
    ],
)
def test_the_line_in_another_spelling(inside: str) -> None:
    assert line(envelope(inside)) == "whoami & ver"


def test_omi_has_other_names() -> None:
    method = f'<p:ExecuteShellCommand_INPUT xmlns:p="{SCX}"><p:command>id</p:command></p:ExecuteShellCommand_INPUT>'
    assert line(f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{method}</s:Body></s:Envelope>', f"{SCX}/ExecuteShellCommand") == "id"


def test_what_a_method_returned() -> None:
    inside = "<p:Create_OUTPUT><!--<p:ReturnValue>9</p:ReturnValue>--><p:ProcessId>42</p:ProcessId><p:ReturnValue>0</p:ReturnValue></p:Create_OUTPUT>"
    assert returned(f'<s:Envelope xmlns:s="{SOAP}" xmlns:p="{CLASS}"><s:Body>{inside}</s:Body></s:Envelope>') == ("ProcessId=42", "ReturnValue=0")


def test_bytes_that_are_missing_before_it_do_not_hide_the_line() -> None:
    whole = envelope("<p:Extra>x</p:Extra>" + LINE)
    cut = whole.index("<p:Create_INPUT>")
    assert line(whole[:cut] + HOLE * 30 + whole[cut + 30 :]) == "whoami & ver"
    inside = whole.index("hoami")
    assert line(whole[:inside] + HOLE * 5 + whole[inside + 5 :]) == f"w{HOLE * 5} & ver"


def test_a_document_type_tells_nothing() -> None:
    assert line('<!DOCTYPE x [<!ENTITY a "notepad">]>' + envelope("<p:CommandLine>&a;</p:CommandLine>").partition("?>")[2]) is None
