"""What connections are to each other: routes, their kinds, and each connection's role."""

import pytest

from analyzer.records.proxy import Role
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Reply, offer, post
from tests.build.talk_proxy import (
    CLIENT_LEG,
    PROXY,
    SERVER,
    UPSTREAM_LEG,
    WINRM_PORT,
    ask_sealed,
    direct,
    far_leg,
    near_leg,
    proxied,
    proxied_handshake,
    sealed_reply,
    trip,
)
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import Judged, judge

HELLO = b"\x16\x03\x01\x00\x90\x01\x00\x00\x8c\x03\x03" + bytes(range(138))


def roles(judged: Judged) -> dict[str, Role]:
    return dict(judged.evidence.roles)


def codes(judged: Judged) -> set[str]:
    return {issue.code for issue in judged.evidence.issues}


def test_a_forward_proxy() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    judged = judge(lan)
    (route,) = judged.evidence.routes
    assert (route.id, route.kind, route.proxy_host) == ("r1", "forward", PROXY)
    assert (route.client_connection, route.upstream_connections) == ("c1", ("c2",))
    assert roles(judged) == {"c1": Role.CLIENT_LEG, "c2": Role.UPSTREAM_LEG}
    assert "proxy.one-leg" not in codes(judged)


def test_a_reverse_proxy() -> None:
    lan = Wire()
    near, far = lan.connect("10.10.1.11", 50001, PROXY, WINRM_PORT), far_leg(lan)
    proxied(near, far, ask_sealed(1), sealed_reply(1))
    (route,) = judge(lan).evidence.routes
    assert route.kind == "reverse"


def test_a_proxy_below_http_changes_nothing() -> None:
    lan = Wire()
    near, far = lan.connect("10.10.1.11", 50001, PROXY, WINRM_PORT), far_leg(lan)
    for number in (0, 1):
        proxied(near, far, ask_sealed(number), sealed_reply(number), onward=ask_sealed(number), back=sealed_reply(number))
    (route,) = judge(lan).evidence.routes
    assert route.kind == "layer4"


def test_upstream_connections_in_order_of_first_use() -> None:
    lan = Wire()
    near = near_leg(lan)
    for number in (1, 2, 3):
        proxied(near, far_leg(lan, 40010 - number), ask_sealed(number, ABSOLUTE), sealed_reply(number))
    (route,) = judge(lan).evidence.routes
    assert route.upstream_connections == ("c2", "c3", "c4")


def test_two_clients_of_one_pool_are_two_routes_over_one_connection() -> None:
    lan = Wire()
    one, other, far = near_leg(lan), near_leg(lan, "10.10.1.12", 50002), far_leg(lan)
    proxied(one, far, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    proxied(other, far, ask_sealed(2, ABSOLUTE), sealed_reply(2))
    assert [(route.client_connection, route.upstream_connections) for route in judge(lan).evidence.routes] == [("c1", ("c3",)), ("c2", ("c3",))]


def opened(talk: Talk, target: str) -> None:
    trip(talk, Ask("CONNECT", target, (("Host", target),)), Reply(200, ()))


def test_a_tunnel_of_tls_is_told_by_its_first_bytes() -> None:
    lan = Wire()
    near = near_leg(lan)
    opened(near, "srv01:5986")
    far = lan.connect("10.20.2.1", 40001, SERVER, 5986)
    for talk in (near, far):
        talk.send(HELLO)
    for talk in (far, near):
        talk.answer(HELLO[::-1])
    judged = judge(lan)
    (route,) = judged.evidence.routes
    assert (route.kind, route.client_connection, route.upstream_connections) == ("tunnel", "c1.t", ("c2",))
    assert roles(judged) == {"c1": Role.TUNNEL, "c1.t": Role.CLIENT_LEG, "c2": Role.UPSTREAM_LEG}
    assert judged.evidence.winrm == {"c1", "c1.t", "c2"}


def test_tls_of_another_client_is_no_part_of_the_tunnel() -> None:
    lan = Wire()
    near = near_leg(lan)
    opened(near, "srv01:5986")
    other = lan.connect("10.10.1.12", 50002, SERVER, 5986)
    near.send(HELLO)
    other.send(HELLO[:11] + bytes(138))
    assert judge(lan).evidence.routes == ()


@pytest.mark.parametrize(("leg", "role"), [(CLIENT_LEG, Role.CLIENT_LEG), (UPSTREAM_LEG, Role.UPSTREAM_LEG)])
def test_one_leg_alone_is_known_by_its_traces(leg: tuple[str, ...], role: Role) -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), sealed_reply(1))
    judged = judge(lan, hosts=leg)
    assert judged.evidence.routes == ()
    assert roles(judged) == {"c1": role}
    assert "proxy.one-leg" in codes(judged)


def test_a_direct_connection_is_no_leg() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN), offer())
    judged = judge(lan)
    assert roles(judged) == {"c1": Role.DIRECT}
    assert "proxy.one-leg" not in codes(judged)
