"""What envelopes say of shells: the client's wishes, the server's word, and lists of shells; any text is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.records.sealing import Message, Protection
from analyzer.wsman.properties import Told, listed, told

RSP = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


def message(name: str, *, response: bool = False) -> Message:
    return Message("c1.x1.s" if response else "c1.x1.q", "c1.x1", not response, Protection.CLEAR, 1, None, operation=name)


def envelope(body: str, header: str = "") -> str:
    return f"<s:Envelope xmlns:rsp='{RSP}'><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"


CREATE = envelope(
    "<rsp:Shell ShellId='aa' Name='WinRM5'><rsp:WorkingDirectory>C:\\Tools</rsp:WorkingDirectory><rsp:Environment>"
    "<rsp:Variable Name='A'>1 &lt; 2</rsp:Variable>"
    "<rsp:Variable Name='B'>x</rsp:Variable></rsp:Environment><rsp:IdleTimeOut>PT60S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
    "<creationXml>AAAA</creationXml></rsp:Shell>",
    "<w:Locale xml:lang='de-DE'/><p:DataLocale xml:lang='fr-FR'/><w:OptionSet><w:Option Name='WINRS_NOPROFILE'>TRUE</w:Option>"
    "<w:Option Name='other'>x</w:Option></w:OptionSet><rsp:CompressionType>xpress</rsp:CompressionType>",
)


def test_what_a_client_wishes() -> None:
    ((identity, found),) = told(message("Create"), CREATE).said
    assert identity is None
    assert dict(found) == {
        "Locale": "de-DE",
        "DataLocale": "fr-FR",
        "WINRS_NOPROFILE": "TRUE",
        "CompressionMode": "xpress",
        "ShellId": "aa",
        "Name": "WinRM5",
        "WorkingDirectory": "C:\\Tools",
        "Environment": '{"A":"1 < 2","B":"x"}',
        "IdleTimeOut": "PT60S",
        "InputStreams": "stdin",
    }


def test_what_a_server_says() -> None:
    body = "<x:ResourceCreated/><rsp:Shell><rsp:ShellId>AA</rsp:ShellId><rsp:Owner>LAB\\bob</rsp:Owner><rsp:ProcessId>4711</rsp:ProcessId></rsp:Shell>"
    assert told(message("CreateResponse", response=True), envelope(body)).said == ((None, (("ShellId", "AA"), ("Owner", "LAB\\bob"), ("ProcessId", "4711"))),)
    assert told(message("Receive"), envelope(body)) == Told()
    assert told(message("Create"), envelope(body.replace("rsp:", "o:").replace("<o:Shell>", "<o:Shell xmlns:o='urn:other'>"))).said == ()


def test_connect_and_disconnect() -> None:
    asked = told(message("Connect"), envelope("<rsp:Connect CommandId='c1'><pwsh:connectXml>QUJD</pwsh:connectXml></rsp:Connect>"))
    assert (asked.command_id, asked.blob) == ("c1", "QUJD")
    answered = told(
        message("ConnectResponse", response=True), envelope("<rsp:ConnectResponse><connectResponseXml>REVG</connectResponseXml></rsp:ConnectResponse>")
    )
    assert (answered.command_id, answered.blob) == (None, "REVG")
    left = told(
        message("Disconnect"), envelope("<rsp:Disconnect><rsp:IdleTimeOut>PT30S</rsp:IdleTimeOut><rsp:BufferMode>Block</rsp:BufferMode></rsp:Disconnect>")
    )
    assert left.said == ((None, (("IdleTimeOut", "PT30S"), ("BufferMode", "Block"))),)


@pytest.mark.parametrize("around", ["{}", "<n:Item>{}<a:EndpointReference/></n:Item>"])
def test_shells_that_are_listed(around: str) -> None:
    shells = "".join(
        around.format(f"<rsp:Shell><rsp:ShellId>{name}</rsp:ShellId><rsp:State>{state}</rsp:State></rsp:Shell>")
        for name, state in (("aa", "Disconnected"), ("bb", "Connected"))
    )
    body = f"<n:PullResponse><n:Items>{shells}</n:Items></n:PullResponse>"
    found = (("AA", (("ShellId", "aa"), ("State", "Disconnected"))), ("BB", (("ShellId", "bb"), ("State", "Connected"))))
    assert listed(message("PullResponse", response=True), envelope(body)) == found
    assert listed(message("Pull"), envelope(body)) == ()
    alone = envelope("<rsp:Shell><rsp:ShellId>aa</rsp:ShellId></rsp:Shell>")
    assert listed(message("GetResponse", response=True), alone) == (("AA", (("ShellId", "aa"),)),)


@pytest.mark.parametrize("rest", ["", "<", "</rsp:Other></rsp:Shell>", "\x01"])
def test_a_value_that_damage_cuts_is_none(rest: str) -> None:
    text = envelope("<rsp:Shell><rsp:Owner>LAB\\alice</rsp:Owner><rsp:ClientIP>10.20.2.1")
    cut = text[: text.index("10.20.2.1") + len("10.20.2.1")] + rest
    assert told(message("CreateResponse", response=True), cut).said == ((None, (("Owner", "LAB\\alice"),)),)


def test_what_is_read_before_damage_stays() -> None:
    cut = CREATE[: CREATE.index("<rsp:InputStreams>") + 12]
    assert ("IdleTimeOut", "PT60S") in told(message("Create"), cut).said[0][1]


@given(st.text(max_size=80) | st.lists(st.sampled_from(("<a>", "</a>", "<s:Envelope>", "<s:Body>", "<Shell>", "</Shell>", "<b/>", "&x;", "x"))).map("".join))
def test_any_text_is_read(text: str) -> None:
    told(message("Create"), text)
    listed(message("GetResponse", response=True), text + "/windows/shell")


def test_many_elements_come_to_an_end() -> None:
    deep = envelope("<rsp:Shell>" * 50_000)
    wide = envelope(f"<rsp:Shell>{'<a>1</a>' * 100_000}</rsp:Shell>")
    assert told(message("Create"), deep).said == ()
    assert len(told(message("Create"), wide).said[0][1]) == 1
