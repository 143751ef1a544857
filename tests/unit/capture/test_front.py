"""TLS that a proxy ends on another port than WinRM's is kept when the proxy's own connections are WinRM's."""

from pathlib import Path

import pytest

from analyzer.capture import scan as scanning
from analyzer.records.capture import Flow
from analyzer.settings import Limits, Scope
from tests.build.talk_http import post, reply, sealed
from tests.build.talk_proxy import ALICE, PROXY, PROXY_FAR, SERVER, WINRM_PORT
from tests.build.talk_tls import TLS12, client, exchange, paper, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge

PAPER = paper()


def front(port: int, *, far: str = PROXY) -> Wire:
    """A proxy at ``PROXY`` that ends TLS and goes on in clear, from its address ``far``."""
    lan = Wire()
    near = lan.connect(ALICE, 50001, PROXY, port)
    done = shake(near, client(TLS12, trusts=PAPER), server(PAPER, TLS12))
    onward = lan.connect(far, 40001, SERVER, WINRM_PORT)
    for number in range(1, 5):
        asked, answered = post(content=sealed(number, size=900)), reply(200, content=sealed(number, by="server"))
        done.ends[0].tls.write(asked.wire())
        near.send(done.ends[0].outgoing.read())
        onward.exchange(asked, answered)
        done.ends[1].tls.write(answered.wire())
        near.answer(done.ends[1].outgoing.read())
    return lan


@pytest.mark.parametrize("port", [443, 8443])
def test_both_sides_are_joined(port: int) -> None:
    evidence = judge(front(port)).evidence
    (route,) = evidence.routes
    assert (route.client_connection, route.upstream_connections, route.kind) == ("c1", ("c2",), "tls_terminating")
    assert evidence.winrm == {"c1", "c2"}


def flows(lan: Wire, folder: Path, limits: Limits) -> list[tuple[str, int]]:
    found: tuple[Flow, ...] = scanning.scan(str(lan.capture(folder / "a.pcap")), 0, "a", limits, Scope()).flows
    return [(flow.hosts[1], flow.ports[1]) for flow in found]


def test_other_hosts_stay_out(tmp_path: Path) -> None:
    only = [(SERVER, WINRM_PORT)]
    assert flows(front(443, far=PROXY_FAR), tmp_path, Limits(parallel_bytes=0)) == only, "a large file is not read again for it"
    assert flows(front(443), tmp_path, Limits(front_connections=0)) == only
    assert flows(front(443), tmp_path, Limits()) == [(PROXY, 443), *only]


def test_tls_to_a_host_that_winrm_comes_from_is_kept_on_any_port(tmp_path: Path) -> None:
    assert flows(front(4443), tmp_path, Limits(parallel_bytes=0)) == [(PROXY, 4443), (SERVER, WINRM_PORT)]
    lan = front(4443)
    lan.connect(PROXY, 50300, PROXY_FAR, 4444).exchange(b"hello, no TLS", b"nor this")
    assert flows(lan, tmp_path, Limits()) == [(PROXY, 4443), (SERVER, WINRM_PORT)]


def test_a_proxy_with_another_address_on_its_other_side(tmp_path: Path) -> None:
    assert flows(front(443, far=PROXY_FAR), tmp_path, Limits()) == [(PROXY, 443), (SERVER, WINRM_PORT)]


def test_halves_see_the_same(tmp_path: Path) -> None:
    lan = front(443)
    for port in range(50100, 50140):
        talk = lan.connect(ALICE, port, PROXY, 443)
        exchange(
            talk,
            shake(talk, client(trusts=PAPER), server(PAPER)),
            b"GET / HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        )
    assert flows(lan, tmp_path, Limits(parallel_bytes=1)) == flows(lan, tmp_path, Limits())
