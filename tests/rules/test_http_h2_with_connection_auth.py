import struct

from analyzer.records.finding import Severity
from tests.build.talk_http import Ask, reply
from tests.build.talk_proxy import ALICE, BOB, PROXY_FAR, SERVER, direct, handshake, near_leg
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.h2-with-connection-auth"
CONNECT = Ask("CONNECT", f"{SERVER}:5986", (("Host", f"{SERVER}:5986"),))


def hello(kind: int, extensions: bytes = b"", *, suites: bytes = b"\xc0\x2f") -> bytes:
    """A hello of TLS 1.2 (RFC 5246 section 7.4.1) in one record; kind 1 is the client's, 2 the server's."""
    own = struct.pack(">H", len(suites)) + suites + b"\x01\x00" if kind == 1 else suites + b"\x00"
    body = b"\x03\x03" + bytes(32) + b"\0" + own + struct.pack(">H", len(extensions)) + extensions
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", 22, 0x0303, len(message)) + message


def alpn(name: str) -> bytes:
    """RFC 7301 section 3.1."""
    entry = bytes([len(name)]) + name.encode()
    return struct.pack(">HHH", 16, len(entry) + 2, len(entry)) + entry


def tls(lan: Wire, chosen: str, *, client: str = ALICE, port: int = 50001, server_port: int = 5986) -> None:
    talk = lan.connect(client, port, SERVER, server_port)
    talk.send(hello(1, alpn(chosen or "h2")))
    talk.answer(hello(2, alpn(chosen) if chosen else b""))


def test_the_server_chose_it() -> None:
    lan = Wire()
    tls(lan, "h2")

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.6)
    assert (finding.connections, finding.exchanges) == (("c1",), ())
    assert packets(finding) == [1]
    assert names(finding, 1)
    assert "NTLM and Negotiate cannot be used with it" in finding.why


def test_the_same_client_authenticates_connections_elsewhere() -> None:
    lan = Wire()
    tls(lan, "h2")
    tls(lan, "h2", port=50002)
    handshake(direct(lan, port=50003), ntlm())
    finding = judge(lan).one(RULE)
    assert (finding.connections, finding.confidence) == (("c1", "c2"), 0.9)
    assert "2 TLS connections" in finding.why
    assert "log on with NTLM, which HTTP/2 cannot carry" in finding.why


def test_what_is_authenticated_request_by_request_says_nothing_of_connections() -> None:
    lan = Wire()
    tls(lan, "h2")
    direct(lan, port=50003).exchange(Ask("POST", "/wsman", (basic(), ("Content-Length", "0"))), reply(200))
    assert judge(lan).one(RULE).confidence == 0.6


def test_two_clients_are_two_findings() -> None:
    lan = Wire()
    tls(lan, "h2")
    tls(lan, "h2", client=BOB)
    assert len(judge(lan).found(RULE)) == 2


def test_http_1_1_was_chosen_or_nothing() -> None:
    lan = Wire()
    tls(lan, "http/1.1")
    tls(lan, "", port=50002)
    assert judge(lan).found(RULE) == []


def test_a_web_server_is_none_of_our_business() -> None:
    lan = Wire()
    tls(lan, "h2", server_port=443)
    assert judge(lan).found(RULE) == []


def test_in_a_tunnel_and_on_the_proxys_own_connection() -> None:
    lan = Wire()
    near = near_leg(lan)
    near.exchange(CONNECT, reply(200).without("Content-Length"))
    near.send(hello(1, alpn("h2")))
    near.answer(hello(2, alpn("h2")))
    tls(lan, "h2", client=PROXY_FAR, port=40001)
    assert [finding.connections for finding in judge(lan).found(RULE)] == [("c1.t",), ("c2",)]


def test_a_hello_with_nothing_in_it() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, SERVER, 5986)
    talk.send(hello(1))
    talk.answer(hello(2)[:60])
    assert judge(lan).found(RULE) == []
