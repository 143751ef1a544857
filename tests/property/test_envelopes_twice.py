"""What is read of an ordinary envelope in one pass is what the patterns find in it: compiled, uncompiled, and with damage of every kind.

The one pass says nothing of what is not ordinary. That it says something of most of these envelopes is asked for as well.
"""

import base64
import random

import pytest

from analyzer.formats import forms
from analyzer.records.sealing import Message, Protection
from analyzer.settings import Limits
from analyzer.wsman import ordinary, structure
from analyzer.wsman.envelope import described_text, over
from analyzer.wsman.structure import Seen, looked, seen
from analyzer.wsman.winrs import operation

CASES = 1600
LIMITS = Limits()
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
DECLARED = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"'
)
B64 = base64.b64encode(bytes(range(90))).decode()
BODIES = {
    "Command": (
        '<rsp:CommandLine CommandId="ab-1"><rsp:Command>cmd &amp; more</rsp:Command><rsp:Arguments>one two</rsp:Arguments>'
        "<rsp:Arguments> three</rsp:Arguments></rsp:CommandLine>"
    ),
    "Receive": '<rsp:Receive><rsp:DesiredStream CommandId="ab-1">stdout stderr</rsp:DesiredStream></rsp:Receive>',
    "ReceiveResponse": (
        f'<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="ab-1">{B64}</rsp:Stream><rsp:Stream CommandId=\'AB-1\' Name=\'stderr\' End="true"/>'
        f'<rsp:CommandState CommandId="ab-1" State="{SHELL}/CommandState/Done"><rsp:ExitCode>-12</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>'
    ),
    "Send": f'<rsp:Send><rsp:Stream Name="stdin" CommandId="ab-1" End="TRUE">{B64[:8]}\n{B64[8:]}</rsp:Stream></rsp:Send>',
    "Signal": f'<rsp:Signal CommandId="ab-1"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>',
    "Create": f'<rsp:Shell ShellId="cd-2"><rsp:InputStreams>stdin</rsp:InputStreams><creationXml>{B64}</creationXml></rsp:Shell>',
    "CreateResponse": "<rsp:Shell><rsp:ShellId>cd-2</rsp:ShellId></rsp:Shell><rsp:CommandId>q</rsp:CommandId>",
    "Fault": (
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>no</s:Text></s:Reason><s:Detail>"
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858793" Machine="m"><f:Message>no</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>"
    ),
    "Identify": "<wsmid:Identify/>",
}
SNIPPETS = (
    *("<", ">", '"', "'", "&", "&lt;", "&#60;", "&#32;", "/", ":", "?", "=", " ", "\t", "\x1c", "-", ".", "_", "<!-- -->", "<![CDATA[x]]>", "<?x y?>"),
    *(
        "<!DOCTYPE x>",
        "\u00a0",
        "\u00fc",
        "\U0010fffd",
        "\ufeff",
        "xmlns:q='x'",
        ' xmlns="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"',
        "CommandId=",
    ),
    *(
        "</s:Body>",
        "<rsp:Command>",
        "<Code>",
        "<x.y:Code z='1'>",
        "<:Code>",
        "<a?b:Code>",
        "<Code:Code>",
        "<Stream/>",
        "<rsp:Stream Name='x'>QQ==</rsp:Stream>",
    ),
    *("<w:CompressionType>xpress</w:CompressionType>", "<COMPRESSIONTYPE> XPRESS</COMPRESSIONTYPE>", '<w:Option Name="WINRS_CODEPAGE">65001</w:Option>'),
    *("<w:Selector Name='ShellId'>", "<p:SessionId>uuid:9</p:SessionId>", "1234567890123", "x" * 140, "y" * 2100, "<rsp:Arguments/>", "</rsp:Arguments>"),
)


def _envelope(dice: random.Random) -> tuple[str, bool]:
    """An envelope, and whether a client sends it."""
    name = dice.choice(list(BODIES))
    head = f"<a:Action s:mustUnderstand='true'>{SHELL}/{name}</a:Action>" if name not in ("Identify", "Fault") or dice.random() < 0.3 else ""
    parts = [
        f"<w:ResourceURI>{SHELL}/cmd</w:ResourceURI>",
        "<a:MessageID>uuid:11111111</a:MessageID>",
        "<a:RelatesTo>uuid:22222222</a:RelatesTo>",
        '<w:SelectorSet><w:Selector Name="Other">x</w:Selector><w:Selector Name="ShellId"> cd-2 </w:Selector></w:SelectorSet>',
        "<w:OperationTimeout>PT60.000S</w:OperationTimeout>",
        '<w:OptionSet><w:Option Name="WINRS_NOPROFILE">FALSE</w:Option><w:Option Name="WINRS_CODEPAGE">437</w:Option></w:OptionSet>',
    ]
    head += "".join(part for part in parts if dice.random() < 0.7)
    shell = f'xmlns:rsp="{SHELL}"'
    declared, body = (f"{DECLARED} {shell}", BODIES[name]) if dice.random() < 0.6 else (DECLARED, BODIES[name].replace(">", f" {shell}>", 1))
    begin = dice.choice(("", "", '<?xml version="1.0" encoding="utf-8"?>', "\n"))
    return f"{begin}<s:Envelope {declared}><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>", not name.endswith(("Response", "Fault"))


def case(number: int) -> tuple[str, bool]:
    """An envelope, most of them damaged, and whether a client sends it."""
    dice = random.Random(number)
    text, asks = _envelope(dice)
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        at = dice.randrange(len(text) + 1)
        if dice.random() < 0.5:
            at = text.find(dice.choice("<>\"' /:="), at)
        what = dice.randrange(4)
        if what == 0:
            text = text[:at] + dice.choice(SNIPPETS) + text[at:]
        elif what == 1:
            text = text[:at] + text[at + dice.choice((1, 2, 9, 60)) :]
        elif what == 2:
            begin = dice.randrange(len(text) + 1)
            text = text[:at] + text[begin : begin + dice.choice((3, 30, 200))] + text[at:]
        else:
            text = text[:at]
    return text, asks


def _said(text: str, found: Seen, *, asks: bool) -> tuple[object, ...]:
    """All that is made of an envelope."""
    compressed: set[str] = set()
    full = described_text(Message("m", "x", asks, Protection.CLEAR, len(text), None), text, found, LIMITS)
    return full, operation(full, text, found, 5, (1,), compressed, 200), tuple(over(full, text, found, LIMITS)), found.odd, compressed


def _compared(numbers: range, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of these cases were read in one pass."""
    own, found = forms.source(ordinary).read, 0
    for number in numbers:
        text, asks = case(number)
        told = own(text, LIMITS.field_characters, LIMITS.selector_characters)
        assert told == ordinary.read(text, LIMITS.field_characters, LIMITS.selector_characters), f"case {number}"
        monkeypatch.setattr(structure, "_ORDINARY", ordinary.read)
        one = looked(text, LIMITS)
        found += one.plain is not None
        assert _said(text, one, asks=asks) == _said(text, seen(text), asks=asks), f"case {number}"
    return found


@pytest.mark.parametrize("chunk", range(4))
def test_one_pass_says_what_the_patterns_say(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _compared(range(chunk, CASES, 4), monkeypatch) > CASES // 16


@pytest.mark.parametrize("name", BODIES)
def test_what_clients_and_servers_write_is_ordinary(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_ORDINARY", ordinary.read)
    text = f'<s:Envelope {DECLARED} xmlns:rsp="{SHELL}"><s:Header><a:Action>{SHELL}/{name}</a:Action></s:Header><s:Body>{BODIES[name]}</s:Body></s:Envelope>'
    assert looked(text, LIMITS).plain is not None
