"""A decoy in an envelope is never taken for the command, and the command behind it is; an envelope without any is read as it is."""

import time
from collections.abc import Callable

import pytest

from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Operation
from analyzer.settings import Limits
from analyzer.wsman.elements import attributes, content, unescaped
from analyzer.wsman.envelope import described_text
from analyzer.wsman.structure import Seen, looked, seen
from analyzer.wsman.winrs import operation

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
COMMAND = f"{SHELL}/Command"
DECLARED = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{SHELL}"'
)
REAL = '<rsp:CommandLine CommandId="AB"><rsp:Command>real</rsp:Command><rsp:Arguments>one</rsp:Arguments></rsp:CommandLine>'
DECOY = '<rsp:CommandLine CommandId="CD"><rsp:Command>decoy</rsp:Command></rsp:CommandLine>'


def envelope(body: str = REAL, *, action: str = f"<a:Action>{COMMAND}</a:Action>", declared: str = DECLARED, before: str = "", more: str = "") -> str:
    header = f"{before}{action}<a:MessageID>uuid:1</a:MessageID>{more}"
    return f"<s:Envelope {declared}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"


def made_of(text: str, found: Seen) -> tuple[Operation | None, str | None]:
    message = Message("c1.x1.q", "c1.x1", True, Protection.CLEAR, len(text), None)  # noqa: FBT003
    full = described_text(message, text, found, Limits())
    return operation(full, text, found, 5, (1,), set()), None if found.odd is None else found.odd[0]


def read(text: str) -> tuple[Operation | None, str | None]:
    """What the patterns find, which is what one pass says where it says anything."""
    found = made_of(text, seen(text))
    assert made_of(text, looked(text, Limits())) == found
    return found


HARMLESS = {
    "as clients send it": envelope(),
    "a declaration": '<?xml version="1.0" encoding="utf-8"?>\n' + envelope(),
    "an empty comment": envelope("<!-- -->" + REAL),
    "prefixes of its own": envelope(REAL.replace("rsp:", "q:"), declared=DECLARED.replace("xmlns:rsp", "xmlns:q")),
    "declared where it is used": envelope(REAL.replace("<rsp:CommandLine", f'<rsp:CommandLine xmlns:rsp="{SHELL}"')),
    "a default namespace": envelope(REAL.replace("rsp:", "").replace("<CommandLine", f'<CommandLine xmlns="{SHELL}"')),
    "a prefix that nothing declares": envelope(REAL, declared=DECLARED.partition(" xmlns:rsp")[0]),
}
ODD = {
    "a comment before it": envelope(f"<!-- {DECOY} -->{REAL}"),
    "a comment in it": envelope(REAL.replace("real", "re<!-- decoy -->al")),
    "a comment that nothing ends, in the text of another": envelope(REAL.replace("real", "<![CDATA[real]]>")),
    "a CDATA section before it": envelope(f"<rsp:Note><![CDATA[{DECOY}]]></rsp:Note>{REAL}"),
    "a CDATA section as it": envelope(REAL.replace("real", "<![CDATA[re]]>al")),
    "an instruction before it": envelope(f"<?x {DECOY} ?>{REAL}"),
    "a declaration of a type in a CDATA section": envelope(f"<rsp:Note><![CDATA[<!DOCTYPE x>]]></rsp:Note>{REAL}"),
    "references in the Action": envelope(action=f"<a:Action>{COMMAND.replace('C', '&#67;')}</a:Action>"),
    "hexadecimal references in the Action": envelope(action=f"<a:Action>{COMMAND.replace('C', '&#x43;')}</a:Action>"),
    "a comment in the Action": envelope(action=f"<a:Action>{COMMAND.replace('C', 'C<!-- x -->')}</a:Action>"),
    "a sign in an attribute": envelope(REAL.replace("<rsp:Command>", '<rsp:Command x="a>b">')),
    "a sign in the line's attribute": envelope(REAL.replace('CommandId="AB"', 'x=">" CommandId="AB"')),
    "another quote in an attribute": envelope(REAL.replace('CommandId="AB"', 'x=\'" CommandId="CD\' CommandId="AB"')),
    "a prefix of other letters": envelope(REAL.replace("rsp:", "\u00e9:"), declared=DECLARED.replace("xmlns:rsp", "xmlns:\u00e9")),
    "space in the end tag": envelope(REAL.replace("</rsp:Command>", "</rsp:Command >")),
}
MISPLACED = {
    "a foreign namespace before it": envelope(DECOY.replace("rsp:", "x:") + REAL, declared=DECLARED + ' xmlns:x="urn:x"'),
    "a foreign namespace around it": envelope(f'<x:Any xmlns:x="urn:x">{DECOY}</x:Any>{REAL}'),
    "the same prefix for another namespace": envelope(f'<s:Any xmlns:rsp="urn:x">{DECOY}</s:Any>{REAL}'),
    "in the header": envelope(before=DECOY),
    "a second line deeper down": envelope(f"<rsp:Shell>{DECOY}</rsp:Shell>{REAL}"),
    "a second Action": envelope(before=f'<x:Action xmlns:x="urn:x">{SHELL}/Signal</x:Action>'),
    "an Action in the body": envelope(f"<rsp:Note><a:Action>{SHELL}/Signal</a:Action></rsp:Note>{REAL}", more=""),
}


@pytest.mark.parametrize("name", [*HARMLESS, *ODD])
def test_the_command_is_the_one_that_a_server_reads(name: str) -> None:
    found, odd = read((HARMLESS | ODD)[name])
    assert found is not None
    assert (found.name, found.command, found.arguments, found.command_id) == ("Command", "real", ("one",), "AB")
    assert odd is None


@pytest.mark.parametrize("name", MISPLACED)
def test_what_stands_elsewhere_is_passed_over_and_said(name: str) -> None:
    found, odd = read(MISPLACED[name])
    assert found is not None
    assert (found.name, found.command, found.arguments, found.command_id) == ("Command", "real", ("one",), "AB")
    assert odd == "wsman.misplaced"


def test_a_foreign_command_alone_is_none() -> None:
    found, odd = read(envelope(DECOY.replace("rsp:", "x:"), declared=DECLARED + ' xmlns:x="urn:x"'))
    assert found is None or found.command is None
    assert odd == "wsman.misplaced"


def test_what_is_no_xml_behind_a_decoy_is_still_read_and_said() -> None:
    text = envelope(f'<x:Any xmlns:x="urn:x">{DECOY}</x:Any><bad<' + REAL)
    found, odd = read(text)
    assert found is not None
    assert found.command == "real"
    assert odd == "wsman.misplaced"
    found, odd = read(envelope("<bad<" + REAL + REAL))
    assert found is not None
    assert (found.command, odd) == ("real", "wsman.malformed")


def test_references_are_those_of_xml() -> None:
    assert unescaped("&lt;&#65;&#x42;&amp;lt;&quot;&apos;") == "<AB&lt;\"'"
    assert unescaped("&copy; &amp &#0; &#x110000;") == "&copy; &amp &#0; &#x110000;"
    assert content("a<!-- b -->c<![CDATA[&lt;]]>&lt;") == "ac&lt;<"
    assert attributes(" a:Name='x\"y' b=\"it's\" xmlns:c='d' e=f") == {"Name": 'x"y', "b": "it's"}


HOSTILE: dict[str, Callable[[int], str]] = {
    "sections before an element": lambda n: "<rsp:CommandLine><rsp:Command>" + "<![CDATA[a]]>" * n + "<x/></rsp:Command></rsp:CommandLine>",
    "sections that nothing ends": lambda n: "<rsp:CommandLine>" + "<rsp:Command><![CDATA[a" * n + "</rsp:CommandLine>",
    "one long word": lambda n: "<rsp:CommandLine " + "a" * (10 * n) + "><rsp:Command>x</rsp:Command></rsp:CommandLine>",
    "blanks in a code": lambda n: "<rsp:Signal><rsp:Code>" + " " * (10 * n) + "<x></rsp:Code></rsp:Signal>",
    "blanks in a creation": lambda n: "<rsp:Shell><creationXml>" + " " * (10 * n) + "<x></creationXml></rsp:Shell>",
    "selectors": lambda n: "<w:Selector " + "Name='ShellId'" * n + "<s:Body/>",
    "depth": lambda n: "<a><b>" * n,
    "decoys": lambda n: DECOY * (n // 8),
    "namespaces": lambda n: '<x xmlns="urn:x">' * n,
    "quotes": lambda n: "<rsp:Command " + 'a="' * n + ">x</rsp:Command>",
    "names that change": lambda n: "".join(f"<a{place}:Code>x</a{place}:Code>" for place in range(n // 4)),
    "quotes that nothing closes": lambda n: "<w:Option a=' b=\" c>" * (n // 4),
    "references": lambda n: "<rsp:Stream a='&amp;' b=>QQ==</rsp:Stream><w:Selector q=\"&x;\">&lt;</w:Selector>" * (n // 8),
    "comments": lambda n: "<!-- " * n + REAL,
}


def spent(text: str) -> float:
    begin = time.process_time()
    read(text)
    return time.process_time() - begin


def test_a_property_of_a_class_is_no_decoy_but_next_to_a_command_it_may_be() -> None:
    wmi = 'xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process"'
    asked = f"<p:Create_INPUT {wmi}><p:CommandLine>cmd.exe /c ver</p:CommandLine></p:Create_INPUT>"
    alone = seen(envelope(asked, action="<a:Action>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process/Create</a:Action>"))
    assert alone.odd is None
    assert "CommandLine" not in alone.marks.places
    beside = seen(envelope(asked + REAL))
    assert beside.odd is not None
    assert beside.odd[0] == "wsman.misplaced"
    assert len(beside.marks.places["CommandLine"]) == 1


def test_a_faults_code_is_soaps() -> None:
    detail = '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="5"/>'
    fault = f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail>{detail}</s:Detail></s:Fault>"
    assert seen(envelope(fault, action="<a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action>")).odd is None
    signal = f'<rsp:Signal CommandId="AB"><s:Code>decoy</s:Code><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>'
    odd = seen(envelope(signal, action=f"<a:Action>{SHELL}/Signal</a:Action>"))
    assert odd.odd is not None
    assert len(odd.marks.places["Code"]) == 1


def test_envelopes_in_a_list_of_subscriptions_are_what_it_is_made_of() -> None:
    inner = envelope("<e:Subscribe/>", action="<a:Action>http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe</a:Action>")
    items = f"<n:EnumerateResponse><w:Items><m:Subscription>{inner}</m:Subscription></w:Items></n:EnumerateResponse>"
    declared = f'{DECLARED} xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/subscription"'
    declared += ' xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing"'
    found = seen(envelope(items, declared=declared))
    assert found.odd is None
    assert len(found.marks.places["Action"]) == len(found.marks.places["MessageID"]) == 1, "those of the answer itself"
    elsewhere = seen(envelope(items.replace("w:Items", "w:Others"), declared=declared))
    assert elsewhere.odd is not None
    assert elsewhere.odd[0] == "wsman.misplaced"


@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_envelope_costs_no_eight_times_as_much(name: str) -> None:
    few, many = (min(spent(envelope(HOSTILE[name](n))) for _ in range(2)) for n in (10_000, 40_000))
    assert many < max(0.05, 8 * few)
