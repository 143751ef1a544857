from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply, soap
from tests.build.talk_proxy import BOB, CLIENT_LEG, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names

RULE = "affinity.answered-without-logon"
FINE = reply(200, content=soap("CreateResponse", 2))


def test_a_stranger_is_answered() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    hop = proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, content=soap()), FINE)

    finding = judge(lan, hosts=CLIENT_LEG).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.LOW, 0.6, "proxy")
    assert finding.title == f"{BOB} is answered through a proxy without a logon"
    assert finding.exchanges == ("c2.x1",)
    assert "alice logged on through the same proxy on c1" in finding.why
    assert "cannot be told from this side" in finding.why
    assert hop.near.asked > 0
    assert names(finding, 15) or "packet " in finding.why


def test_a_logon_somewhere_else_was_not_through_this_proxy() -> None:
    """The first logon of the capture is another server's."""
    lan = Wire()
    handshake(lan.connect("10.30.0.5", 50009, "10.30.0.80", 5985), ntlm("carol"))
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, content=soap()), FINE)
    why = judge(lan, hosts=(*CLIENT_LEG, "10.30.0.80")).one(RULE).why
    assert "carol" not in why
    assert "alice logged on through the same proxy on c2" in why


def test_with_both_sides_it_is_proved_by_another_rule() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, content=soap()), FINE)
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "affinity.shared-authenticated-upstream" in judged.rules


def test_a_client_that_logged_on_or_gives_credentials() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, post(ABSOLUTE, content=soap()), FINE)
    proxied(near_leg(lan, BOB, 50002), far_leg(lan, 40002), post(ABSOLUTE, basic("bob"), content=soap()), FINE)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_a_refusal_is_as_it_should_be() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), reply(401))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_identify_is_anonymous_by_design() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap("Identify")), reply(200, content=soap("IdentifyResponse", 2)))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_without_a_proxy_it_is_another_matter() -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_a_connection_whose_beginning_is_not_captured_may_have_had_a_logon() -> None:
    lan = Wire()
    near = near_leg(lan, syn=False)
    proxied(near, far_leg(lan), post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
