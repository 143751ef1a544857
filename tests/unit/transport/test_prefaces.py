"""SOCKS dialogs and PROXY headers are taken off; what follows is read as if it stood there alone, and each byte still
leads to its packet."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.prefaces import preface
from analyzer.formats.reader import Reader
from analyzer.records.http import Request
from analyzer.records.ids import key_number
from analyzer.records.prefaces import ProxyHeader, Socks
from analyzer.records.proxy import Role
from analyzer.settings import Limits
from analyzer.transport.prefaces import begins_in_http, unprefaced
from tests.build.streams import talk as streams
from tests.build.talk_http import offer, post
from tests.build.talk_prefaces import NAME, SIGNATURE, header1, header2, login, reply4, request4, request5, socks5
from tests.build.talk_proxy import ALICE, PROXY, PROXY_FAR, SERVER, ask_sealed, sealed_reply
from tests.build.talk_tls import TLS12, client, paper, server, shake
from tests.build.talks import Talk, Wire
from tests.rules.judging import Judged, judge

SOCKS_PORT = 1080
Begin = Callable[[Talk], object]


def spoken(begin: Begin, *, port: int = SOCKS_PORT, host: str = PROXY) -> tuple[Judged, int]:
    """A WinRM exchange behind a preface; the packet of its request."""
    lan = Wire()
    talk = lan.connect(ALICE, 50001, host, port)
    begin(talk)
    asked, _ = talk.exchange(post(), offer())
    return judge(lan), asked


def check(judged: Judged, packet: int) -> Socks | ProxyHeader:
    """The request is where it was sent, and nothing was odd; the preface."""
    connection = judged.evidence.connections["c1"]
    exchange = judged.evidence.exchanges["c1.x1"]
    assert isinstance(exchange.request, Request)
    assert [key_number(key) for key in exchange.request.packets] == [packet]
    assert exchange.request.at == 0
    assert connection.protocol == "http"
    assert connection.id in judged.evidence.winrm
    assert not [issue for issue in judged.evidence.issues if issue.code.startswith(("http.", "tcp."))]
    return connection.prefaces[-1]


@pytest.mark.parametrize("host", [NAME, "10.20.2.20", "fd00::20"])
def test_socks_5(host: str) -> None:
    judged, packet = spoken(lambda talk: socks5(talk, host))
    found = check(judged, packet)
    assert isinstance(found, Socks)
    assert (found.version, found.host, found.port, found.method, found.granted, found.reply) == (
        "5",
        host,
        5985,
        "none",
        True,
        "succeeded",
    )
    assert (found.user, found.password, len(found.packets)) == (None, False, 4)
    assert judged.evidence.roles["c1"] is Role.CLIENT_LEG


def test_socks_5_with_a_password() -> None:
    judged, packet = spoken(lambda talk: socks5(talk, user="alice", password="secret"))
    found = check(judged, packet)
    assert isinstance(found, Socks)
    assert (found.method, found.user, found.password, found.login) == ("password", "alice", True, True)
    assert found.password_packet is not None
    assert "secret" not in repr(found)


def test_an_impatient_client_sends_all_at_once() -> None:
    def begin(talk: Talk) -> None:
        talk.send(b"\x05\x01\x02" + login("alice", "x") + request5(NAME, 5985))
        talk.answer(b"\x05\x02\x01\x00\x05\x00\x00\x01" + bytes(6))

    judged, packet = spoken(begin)
    assert getattr(check(judged, packet), "host", None) == NAME


@pytest.mark.parametrize(("host", "version"), [(NAME, "4a"), ("10.20.2.20", "4")])
def test_socks_4(host: str, version: str) -> None:
    judged, packet = spoken(lambda talk: talk.exchange(request4(host, 5985, "alice"), reply4()))
    found = check(judged, packet)
    assert isinstance(found, Socks)
    assert (found.version, found.host, found.port, found.user, found.reply) == (version, host, 5985, "alice", "granted")


def test_a_chain_of_socks_proxies() -> None:
    judged, packet = spoken(lambda talk: (socks5(talk, "10.20.2.1", SOCKS_PORT), talk.exchange(request4(NAME, 5985), reply4())))
    check(judged, packet)
    assert [getattr(one, "host", None) for one in judged.evidence.connections["c1"].prefaces] == ["10.20.2.1", NAME]


@pytest.mark.parametrize("port", [5985, 5986])
def test_a_refused_request_is_kept(port: int) -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, SOCKS_PORT)
    socks5(talk, NAME, port, reply=5)
    talk.close_by_server()
    evidence = judge(lan).evidence
    (found,) = evidence.connections["c1"].prefaces
    assert isinstance(found, Socks)
    assert (found.granted, found.reply, found.reply_code) == (False, "connection_refused", 5)
    assert evidence.connections["c1"].protocol == "other"
    assert "c1" in evidence.winrm


def test_tls_behind_socks() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, SOCKS_PORT)
    socks5(talk, NAME, 5986)
    shake(talk, client(TLS12, trusts=paper()), server(paper(), TLS12), name=None)
    evidence = judge(lan).evidence
    connection = evidence.connections["c1"]
    assert connection.protocol == "tls"
    assert connection.tls is not None
    assert (connection.tls.wanted_name, connection.tls.name_matches) == (NAME, True)
    assert "c1" in evidence.winrm


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("header", [header1, header2])
@pytest.mark.parametrize("end", [(ALICE, 50001), ("fd00::11", 50001)])
def test_proxy_headers(header: Callable[..., bytes], end: tuple[str, int], together: bool) -> None:  # noqa: FBT001
    lan = Wire()
    talk = lan.connect(PROXY_FAR, 40001, SERVER, 5985)
    to = ("fd00::1", 80) if ":" in end[0] else (PROXY, 80)
    said = header(end, to)
    if not together:
        talk.send(said)
    asked = talk.send(said + post().wire() if together else post())
    talk.answer(offer())
    judged = judge(lan)
    found = check(judged, asked)
    assert isinstance(found, ProxyHeader)
    assert (found.client_host, found.client_port, found.server_host, found.server_port) == (*end, *to)
    assert judged.evidence.roles["c1"] is Role.UPSTREAM_LEG


def test_fields_of_version_2() -> None:
    fields = b"\x02" + struct.pack(">H", len(NAME)) + NAME.encode() + b"\x20\x00\x05\x01\0\0\0\0"
    judged, packet = spoken(lambda talk: talk.send(header2((ALICE, 1), (PROXY, 2), fields=fields)), port=5985, host=SERVER)
    assert getattr(check(judged, packet), "authority", None) == NAME


@pytest.mark.parametrize(
    "said",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN what ever\r\n",
        SIGNATURE + b"\x20\x00\x00\x00",
        SIGNATURE + b"\x21\x00\x00\x00",
    ],
)
def test_headers_that_name_nobody(said: bytes) -> None:
    judged, packet = spoken(lambda talk: talk.send(said), port=5985, host=SERVER)
    assert getattr(check(judged, packet), "client_host", "") is None


def test_tls_behind_a_header() -> None:
    lan = Wire()
    talk = lan.connect(PROXY_FAR, 40001, SERVER, 5986)
    talk.send(header2((ALICE, 50001), (PROXY, 5986)))
    done = shake(talk, client(TLS12, trusts=paper()), server(paper(), TLS12))
    connection = judge(lan).evidence.connections["c1"]
    assert (connection.protocol, len(connection.prefaces)) == ("tls", 1)
    assert connection.tls is not None
    assert [key_number(key) for key in connection.tls.hello_packets] == [done.asked[0]]


def test_a_header_joins_what_no_key_does() -> None:
    """Anyone can send a header: that the requests say the same joins them, too, as an inference."""
    lan = Wire()
    near = lan.connect(ALICE, 50001, PROXY, 5985)
    far = lan.connect(PROXY_FAR, 40001, SERVER, 5985)
    far.send(header1((ALICE, 50001), (PROXY, 5985)))
    for number in (1, 2):
        near.send(post(f"/wsman?near{number}"))
        far.send(post(f"/wsman?far{number}"))
        far.answer(offer())
        near.answer(offer())
    evidence = judge(lan).evidence
    assert [(hop.near, hop.far, hop.bases) for hop in evidence.hops] == [
        ("c1.x1", "c2.x1", ("proxy_header", "headers")),
        ("c1.x2", "c2.x2", ("proxy_header", "headers")),
    ]
    assert (evidence.roles["c1"], evidence.roles["c2"]) == (Role.CLIENT_LEG, Role.UPSTREAM_LEG)


def test_both_sides_of_a_socks_proxy_are_a_route() -> None:
    lan = Wire()
    near = lan.connect(ALICE, 50001, PROXY, SOCKS_PORT)
    socks5(near)
    far = lan.connect(PROXY_FAR, 40001, SERVER, 5985)
    for number in (1, 2):
        near.send(ask_sealed(number))
        far.send(ask_sealed(number))
        far.answer(sealed_reply(number))
        near.answer(sealed_reply(number))
    (route,) = judge(lan).evidence.routes
    assert (route.client_connection, route.upstream_connections, route.kind) == ("c1", ("c2",), "socks")


@given(
    st.binary(max_size=80),
    st.binary(max_size=40),
    st.sampled_from([b"\x05\x01\x00", b"\x04\x01\x17\x61", b"PROXY TCP4 ", SIGNATURE, b"\x05\x02"]),
)
def test_no_bytes_raise(asked: bytes, answered: bytes, start: bytes) -> None:
    made, fetch = streams([start + asked], [answered])
    found = unprefaced(made, fetch, Limits())
    assert found.to_server.size <= made.to_server.size


@pytest.mark.parametrize(
    ("asked", "answered", "is_http"),
    [
        (b"POST /wsman HTTP/1.1\r\n\r\n", b"HTTP/1.1 401 \r\n\r\n", True),
        (b"CONNECT a:5985 HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n", True),
        (b"POST /wsman HTTP/1.1\r\n\r\n", b"", False),
        (b"POST /wsman HTTP/1.1\r\n\r\n", b"\x15\x03\x01\0\x02\x02\x28", False),
        (b"POST", b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", False),
        (SIGNATURE + b"POST ", b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"\x05\x01\0", b"\x05\0", False),
        (b"\x16\x03\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
    ],
)
def test_what_begins_in_http(asked: bytes, answered: bytes, is_http: bool) -> None:  # noqa: FBT001
    made, fetch = streams([asked], [answered] if answered else [])
    near, far = Reader(made.to_server, fetch), Reader(made.to_client, fetch)
    assert begins_in_http(near, far) is is_http
    if is_http:
        assert preface(near, far) is None
        assert unprefaced(made, fetch, Limits()).prefaces == ()
