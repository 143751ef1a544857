from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, reply
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, ask_sealed, far_leg, near_leg, proxied, proxied_handshake, sealed_reply
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.client-migrates"


def test_the_next_request_goes_to_another_upstream_connection() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, first, ntlm())
    moved = proxied(near, second, ask_sealed(1, ABSOLUTE), offer())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 1.0)
    assert packets(finding) == sorted([*moved.near, *moved.far])
    assert finding.connections == ("c1", "c2", "c3")
    assert finding.exchanges == ("c1.x4", "c3.x1")
    assert finding.user == "LAB\\alice"
    assert names(finding, moved.far.asked)
    assert "was answered 401. c2 had no FIN or reset by then." in finding.why
    assert (finding.title, finding.owner) == ("Proxy 10.10.1.1:3128 moves a logged-on client elsewhere", "proxy")


def test_all_moves_of_one_client_are_one_finding() -> None:
    lan = Wire()
    near, first = near_leg(lan), far_leg(lan)
    proxied_handshake(near, first, ntlm())
    for number in (1, 2, 3):
        proxied(near, far_leg(lan, 40001 + number), ask_sealed(number, ABSOLUTE), sealed_reply(number))
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c1", "c2", "c3", "c4", "c5")
    assert "3 later requests" in finding.why


def test_the_connections_of_one_client_are_one_finding_and_another_client_is_another() -> None:
    lan = Wire()
    for number in range(3):
        near, first = near_leg(lan, port=50001 + number), far_leg(lan, 40001 + 2 * number)
        proxied_handshake(near, first, ntlm(number=number))
        proxied(near, far_leg(lan, 40002 + 2 * number), ask_sealed(number, ABSOLUTE), sealed_reply(number))
    other, far = near_leg(lan, BOB, 50009), far_leg(lan, 40011)
    proxied_handshake(other, far, ntlm("bob"))
    proxied(other, far_leg(lan, 40012), ask_sealed(9, ABSOLUTE, by="bob"), sealed_reply(9))
    one, two = judge(lan).found(RULE)
    assert (one.connections, two.connections) == (("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"), ("c10", "c11", "c12"))
    assert "forwarded 1 later request without a new logon on c3" in one.why
    assert "It happened on 2 other connections of this client, too (c4, c7): 3 requests in all" in one.why
    assert len(packets(one)) == 12


def test_requests_on_the_connection_of_the_handshake() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    far_leg(lan, 40002)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_server_that_closed_the_first_connection_left_no_choice() -> None:
    lan = Wire()
    near, first = near_leg(lan), far_leg(lan)
    proxied_handshake(near, first, ntlm())
    first.close_by_server()
    proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())
    assert judge(lan).found(RULE) == []


def test_a_proxy_that_closed_the_first_connection_itself_had_the_choice() -> None:
    lan = Wire()
    near, first = near_leg(lan), far_leg(lan)
    proxied_handshake(near, first, ntlm())
    first.close_by_client()
    proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c1", "c2", "c3")
    assert "The proxy had closed c2 (packet " in finding.why


def test_a_new_handshake_on_the_new_connection_is_in_order() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, first, ntlm())
    proxied_handshake(near, second, ntlm(number=2))
    proxied(near, second, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert not any("c1.x4" not in finding.exchanges for finding in judge(lan).found(RULE))


def test_credentials_on_each_request_need_no_connection() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    for number, far in ((1, first), (2, second)):
        proxied(near, far, ask_sealed(number, ABSOLUTE).plus(basic()), sealed_reply(number))
    assert judge(lan).found(RULE) == []


def test_a_refused_client_has_nothing_to_lose() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, first, ntlm(), last=offer())
    proxied(near, second, ask_sealed(1, ABSOLUTE), reply(401))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, first, ntlm())
    proxied(near, second, ask_sealed(1, ABSOLUTE), offer())
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
