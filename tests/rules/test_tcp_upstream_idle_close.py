from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, html, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, far_leg, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.upstream-idle-close"


def session(lan: Wire) -> tuple[Talk, Talk]:
    """Both legs of a session that worked."""
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    return near, far


def test_the_next_request_is_refused_on_a_new_connection() -> None:
    lan = Wire()
    near, far = session(lan)
    fin = far.close_by_server(after=120)
    hop = proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [fin, *hop.near]
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x5", "c2.x4")
    assert finding.user == "LAB\\alice"
    assert names(finding, fin, hop.near.answered)
    assert "after 120.0 s without data" in finding.why
    assert "answered 401" in finding.why


def test_the_proxy_gives_up_with_502() -> None:
    lan = Wire()
    near, far = session(lan)
    far.reset_by_server(after=60)
    trip(near, ask_sealed(1, ABSOLUTE), reply(502, content=html()))
    assert "answered 502" in judge(lan).one(RULE).why


def test_a_proxy_that_closes_the_clients_connection_too() -> None:
    lan = Wire()
    near, far = session(lan)
    far.close_by_server(after=120)
    near.close_by_server()
    proxied_handshake(near_leg(lan, port=50002), far_leg(lan, 40002), ntlm(number=2))
    assert judge(lan).found(RULE) == []


def test_a_proxy_that_drops_its_idle_connection_itself() -> None:
    lan = Wire()
    near, far = session(lan)
    fin = far.close_by_client(after=30)
    proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())
    judged = judge(lan)
    finding = judged.one(RULE)
    assert (finding.severity, finding.owner) == (Severity.MEDIUM, "proxy")
    assert finding.title == "The proxy 10.20.2.1 ended a client's idle logon after 30.0 s"
    assert "The proxy 10.20.2.1 ended the server connection after 30.0 s without data" in finding.why
    assert names(finding, fin)
    assert "affinity.client-migrates" not in judged.rules


def test_a_server_connection_that_ended_because_the_clients_did() -> None:
    lan = Wire()
    near, far = session(lan)
    near.close_by_client(after=30)
    far.close_by_client()
    other = near_leg(lan, port=50002)
    proxied(other, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())
    assert judge(lan).found(RULE) == []


def test_a_close_right_after_a_response_is_no_idle_timeout() -> None:
    lan = Wire()
    near, far = session(lan)
    far.close_by_server(after=0.5)
    proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())
    assert judge(lan).found(RULE) == []


def test_a_client_that_authenticates_anew() -> None:
    lan = Wire()
    near, far = session(lan)
    far.close_by_server(after=120)
    other, shake = far_leg(lan, 40002), ntlm(number=2)
    proxied(near, other, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    proxied(near, other, post(ABSOLUTE, shake.credentials(1)), reply(200))
    assert judge(lan).found(RULE) == []


def test_a_request_that_is_served_all_the_same() -> None:
    lan = Wire()
    near, far = session(lan)
    far.close_by_server(after=120)
    proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    near, far = session(lan)
    far.close_by_server(after=120)
    proxied(near, far_leg(lan, 40002), ask_sealed(1, ABSOLUTE), offer())
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
