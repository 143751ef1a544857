from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Content, Reply, html, offer, post, reply, soap
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, Hop, ask_sealed, far_leg, near_leg, proxied, proxied_handshake, sealed_reply
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.foreign-request-rejected"


def alice_then_bob(lan: Wire, answered: Reply, *, content: Content | None = None) -> Hop:
    """Alice authenticates the upstream connection; a request of bob, who has his own, goes over it."""
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    bob = near_leg(lan, BOB, 50002)
    proxied_handshake(bob, far_leg(lan, 40002), ntlm("bob"))
    return proxied(bob, far, ask_sealed(1, ABSOLUTE) if content is None else post(ABSOLUTE, content=content), answered)


def test_a_sealed_request_that_the_server_cannot_open() -> None:
    lan = Wire()
    hop = alice_then_bob(lan, reply(400))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 1.0)
    assert set(packets(finding)) >= {*hop.near, *hop.far}
    assert finding.connections == ("c3", "c1", "c2")
    assert finding.exchanges == ("c3.x4", "c1.x4")
    assert finding.user == "LAB\\bob"
    assert names(finding, hop.far.asked)
    assert "logged on server connection c1 as LAB\\alice" in finding.why
    assert "The server refused it. The first is c1.x4" in finding.why
    assert "status 400" in finding.why


def test_a_clear_request_that_is_refused() -> None:
    lan = Wire()
    alice_then_bob(lan, offer(), content=soap())
    assert "status 401" in judge(lan).one(RULE).why


def test_a_stranger_who_is_served_is_another_rules() -> None:
    lan = Wire()
    alice_then_bob(lan, reply(200, content=soap("CreateResponse", 2)), content=soap())
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "affinity.shared-authenticated-upstream" in judged.rules


def test_a_sealed_answer_shows_that_the_server_could_open_the_request() -> None:
    lan = Wire()
    alice_then_bob(lan, sealed_reply(1)._replace(status=500))
    assert judge(lan).found(RULE) == []


def test_a_soap_fault_shows_that_the_server_read_the_request() -> None:
    lan = Wire()
    alice_then_bob(lan, reply(500, content=soap("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", 2)), content=soap())
    assert judge(lan).found(RULE) == []


def test_the_first_request_of_a_handshake_is_meant_to_be_refused() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied_handshake(near_leg(lan, BOB, 50002), far, ntlm("bob"))
    assert judge(lan).found(RULE) == []


def test_a_proxy_that_lost_the_server_did_not_refuse() -> None:
    lan = Wire()
    alice_then_bob(lan, reply(502, content=html()))
    assert judge(lan).found(RULE) == []


def test_alices_own_requests_that_fail() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(1, ABSOLUTE), reply(400))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_whose_request_it_was() -> None:
    lan = Wire()
    alice_then_bob(lan, reply(400))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
