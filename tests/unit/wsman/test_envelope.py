"""What a clear-text envelope says, whatever its prefixes and encoding, and what is refused."""

import pytest

from analyzer.http.exchanges import parse
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Message, Protection
from analyzer.sealing.messages import messages
from analyzer.settings import Limits
from analyzer.wsman.actions import short_name
from analyzer.wsman.durations import duration_s
from analyzer.wsman.envelope import decoded, described
from tests.build.streams import talk

CREATE = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
ENVELOPE = (
    '<{s}:Envelope xmlns:{s}="http://www.w3.org/2003/05/soap-envelope" xmlns:{a}="http://schemas.xmlsoap.org/ws/2004/08/addressing"><{s}:Header>'
    '<{a}:Action {s}:mustUnderstand="true">\n ' + CREATE + ' \n</{a}:Action><{a}:MessageID>uuid:1</{a}:MessageID><{a}:RelatesTo>uuid:0</{a}:RelatesTo>'
    '<w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI><p:SessionId>uuid:5</p:SessionId>'
    '<w:SelectorSet><w:Selector Name="ShellId">ABC</w:Selector></w:SelectorSet></{s}:Header><{s}:Body><rsp:Receive>'
    '<rsp:DesiredStream CommandId="C-1">stdout</rsp:DesiredStream></rsp:Receive></{s}:Body></{s}:Envelope>'
)  # fmt: skip


def said(body: bytes, *, response: bool = False, content_type: bytes = b"application/soap+xml", limits: Limits | None = None) -> tuple[Message, list[str]]:
    fields = b"Content-Type: " + content_type + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    ask, answer = b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 500 X\r\n" + fields + body
    connection, fetch = talk([ask if response else b"POST /wsman HTTP/1.1\r\n" + fields + body], [answer] if response else [])
    (exchange,) = parse(connection, fetch, Limits()).exchanges
    found, _ = messages(connection, exchange, fetch, Limits())
    told = described(found[-1], connection, exchange, fetch, limits or Limits())
    full, issues = told.message, told.issues
    return full, [issue.code for issue in issues]


@pytest.mark.parametrize("prefixes", [{"s": "s", "a": "a"}, {"s": "env", "a": "wsa"}, {"s": "SOAP-ENV", "a": "n1"}])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_header_fields(prefixes: dict[str, str], encoding: str) -> None:
    text = ("<?xml version='1.0'?>" if encoding.startswith("utf-16-") else "") + ENVELOPE.format(**prefixes)
    found, issues = said(text.encode(encoding))
    assert (found.action, found.operation, found.message_id, found.relates_to, found.session_id) == (CREATE, "Create", "uuid:1", "uuid:0", "uuid:5")
    assert found.resource_uri == "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
    assert (found.shell_id, found.command_id) == ("ABC", "C-1")
    assert issues == []


def test_a_fault() -> None:
    detail = b'<s:Detail><f:WSManFault xmlns:f="y" Code="2150858793" Machine="srv01"/></s:Detail>'
    body = b'<s:Envelope xmlns:s="x"><s:Body><s:Fault>' + detail + b"</s:Fault></s:Body></s:Envelope>"
    found, _ = said(body, response=True)
    assert (found.operation, found.fault_code) == ("Fault", "2150858793")


def test_identify_has_no_action() -> None:
    found, _ = said(b'<s:Envelope xmlns:s="x"><s:Body><w:Identify/></s:Body></s:Envelope>')
    assert (found.action, found.operation) == (None, "Identify")


@pytest.mark.parametrize("text", ['<!DOCTYPE s:Envelope SYSTEM "file:///etc/passwd">', '<!DOCTYPE x [<!ENTITY a "b">]>'])
def test_a_document_type_is_refused(text: str) -> None:
    found, issues = said((text + ENVELOPE.format(s="s", a="a")).encode())
    assert (found.action, issues) == (None, ["wsman.rejected-dtd"])


def test_sealed_bodies_say_nothing() -> None:
    found, _ = said(b"--x", content_type=b"multipart/encrypted")
    assert (found.protection, found.operation) == (Protection.SEALED, Absent(Why.SEALED))


def test_only_the_beginning_of_a_large_envelope_is_looked_at() -> None:
    body = b"<s:Envelope xmlns:s='x'>" + b" " * 5000 + b"<a:Action>" + CREATE.encode() + b"</a:Action>"
    assert said(body, limits=Limits(envelope_bytes=1000))[0].action is None
    assert said(body)[0].action == CREATE


def test_hostile_text_is_searched_quickly() -> None:
    body = b"<s:Envelope xmlns:s='x'>" + b"<a:Action <a:Action" * 100_000 + b"<a:Action>" * 100_000
    assert said(body)[0].action is None


def test_bytes_that_fit_no_encoding_are_replaced() -> None:
    assert decoded(b"<a>\xff</a>") == "<a>\ufffd</a>"


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (CREATE, "Create"),
        ("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive", "Receive"),
        ("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandResponse", "CommandResponse"),
        ("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", "Fault"),
        ("http://example.com/Own", "http://example.com/Own"),
    ],
)
def test_short_names(action: str, name: str) -> None:
    assert short_name(action) == name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("PT60S", 60.0),
        ("PT60.000S", 60.0),
        ("P0DT0H1M30.5S", 90.5),
        ("P1D", 86_400.0),
        ("PT20M", 1200.0),
        ("P", None),
        ("PT", None),
        ("60", None),
        ("P1Y", None),
        ("", None),
        (None, None),
    ],
)
def test_durations(text: str | None, told: float | None) -> None:
    assert duration_s(text) == told
