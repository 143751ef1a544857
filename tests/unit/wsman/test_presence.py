"""Which connections carry WinRM: told by target, body, CONNECT target, port of what cannot be seen, and by their other leg."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer import analyze
from analyzer.http.exchanges import parse
from analyzer.records.http import Exchange
from analyzer.records.proxy import Hop
from analyzer.records.sealing import Message
from analyzer.records.transport import Connection, Endpoint
from analyzer.sealing.messages import messages
from analyzer.settings import Limits
from analyzer.wsman.presence import winrm
from tests.build.streams import talk
from tests.build.talk_http import SOAP, Content, post, reply
from tests.build.talks import Wire


def _spoken(name: str, request: bytes) -> tuple[Connection, tuple[Exchange, ...], dict[str, Message]]:
    made, fetch = talk([request], [])
    made = replace(made, id=name)
    exchanges = parse(made, fetch, Limits()).exchanges
    found = [message for exchange in exchanges for message in messages(made, exchange, fetch, Limits())[0]]
    return made, exchanges, {message.id: message for message in found}


def _is_winrm(request: bytes, port: int = 8080) -> bool:
    made, exchanges, found = _spoken("c1", request)
    made = replace(made, server=Endpoint("10.0.0.9", port))
    return bool(winrm({"c1": made}, {"c1": exchanges}, found, (), (), (), Limits()).connections)


def _body(content_type: str, body: str = "<x/>") -> bytes:
    return f"POST /other HTTP/1.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"POST /wsman HTTP/1.1\r\n\r\n", True),
        (b"POST /WSMAN?PSVersion=5.1 HTTP/1.1\r\n\r\n", True),
        (b"POST http://srv01:5985/wsman HTTP/1.1\r\n\r\n", True),
        (b"POST /powershell?x=y HTTP/1.1\r\n\r\n", True),
        (b"GET /other HTTP/1.1\r\nWSMANIDENTIFY: unauthenticated\r\n\r\n", True),
        (b"CONNECT srv01:5986 HTTP/1.1\r\n\r\n", True),
        (b"CONNECT srv01:443 HTTP/1.1\r\n\r\n", False),
        (b"GET /wsman-handbook/index.html HTTP/1.1\r\n\r\n", False),
        (b"GET /wsman HTTP/1.1\r\n\r\n", False),
        (b"POST /wsmania HTTP/1.1\r\n\r\n", False),
        (b"POST /wsman/SubscriptionManager/WEC HTTP/1.1\r\n\r\n", True),
        (b"POST /powershell-docs HTTP/1.1\r\n\r\n", False),
        (b"GET /index.html?u=/wsman HTTP/1.1\r\n\r\n", False),
        (b"GET http://srv01/index.html?u=http://x/wsman HTTP/1.1\r\n\r\n", False),
        (_body("multipart/encrypted;protocol=x"), True),
        (_body("application/soap+xml;charset=UTF-8"), False),
        (_body("multipart/encrypted;protocol=x", ""), False),
        (_body("text/xml"), False),
    ],
)
def test_signs(request_bytes: bytes, expected: bool) -> None:  # noqa: FBT001
    assert _is_winrm(request_bytes) is expected


@pytest.mark.parametrize("port", [5985, 5986, 47001])
def test_soap_on_a_registered_port(port: int) -> None:
    assert _is_winrm(_body("application/soap+xml;charset=UTF-8"), port)
    assert _is_winrm(b"POST /wsmann HTTP/1.1\r\nContent-Length: 0\r\n\r\n", port)
    assert not _is_winrm(b"GET / HTTP/1.1\r\n\r\n", port)


def test_a_namespace_of_ws_management_tells_it_on_any_path() -> None:
    body = '<s:Envelope xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"/>'
    made, exchanges, found = _spoken("c1", _body("application/soap+xml", body))
    marked = {identity: replace(message, wsman=True) for identity, message in found.items()}
    assert winrm({"c1": made}, {"c1": exchanges}, marked, (), (), (), Limits()).exchanges == {"c1.x1"}


@pytest.mark.parametrize(("protocol", "port", "expected"), [("tls", 5986, True), ("tls", 443, False), ("other", 5985, True), ("other", 80, False)])
def test_what_cannot_be_seen_is_told_by_its_port(protocol: str, port: int, expected: bool) -> None:  # noqa: FBT001
    made = replace(talk([], [])[0], protocol=protocol, server=Endpoint("10.0.0.9", port))
    assert bool(winrm({"c1": made}, {}, {}, (), (), (), Limits()).connections) is expected


def test_the_other_leg_and_the_tunnel_belong_to_it() -> None:
    near, near_exchanges, found = _spoken("c1", b"POST /wsman HTTP/1.1\r\n\r\n")
    far, far_exchanges, _ = _spoken("c2", b"POST /renamed HTTP/1.1\r\n\r\n")
    alone, alone_exchanges, _ = _spoken("c3", b"GET / HTTP/1.1\r\n\r\n")
    inside = replace(far, id="c2.t", tunnel_of="c2")
    hop = Hop("c1.x1", "c2.x1", "c1", "c2", ("timing",), 0.5, 0)
    connections = {one.id: one for one in (near, far, alone, inside)}
    exchanges = {"c1": near_exchanges, "c2": far_exchanges, "c3": alone_exchanges}
    assert winrm(connections, exchanges, found, (), (hop,), (), Limits()).connections == {"c1", "c2", "c2.t"}


@pytest.mark.parametrize(("path", "codes"), [("/services/orders", []), ("/wsman", ["wsman.unreadable"])])
def test_soap_of_another_service_that_cannot_be_read_is_nothing_to_warn_of(path: str, codes: list[str], tmp_path: Path) -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.30.0.9", 80)
    talk.exchange(post(path, content=Content(SOAP, b"<orders><order>7</order></orders>")), reply(204))
    found = [issue.code for issue in analyze(lan.capture(tmp_path / "a.pcap")).evidence.issues if issue.code == "wsman.unreadable"]
    assert found == codes
