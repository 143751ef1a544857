import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, Reply, html, offer, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, direct, far_leg, forwarded, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.chunked-request"


def chunked(asked: Ask) -> Ask:
    body = f"{len(asked.body):x}\r\n".encode() + asked.body + b"\r\n0\r\n\r\n"
    return asked.without("Content-Length").plus(("Transfer-Encoding", "chunked"))._replace(body=body)


def test_the_proxy_chunks_what_had_a_length() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    hop = proxied(near_leg(lan), far_leg(lan), asked, reply(500), onward=chunked(forwarded(asked)))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding) == [*hop.far]
    assert finding.connections == ("c2", "c1")
    assert finding.exchanges == ("c2.x1", "c1.x1")
    assert finding.user is None
    assert names(finding, hop.far.asked)
    assert "the proxy chunked them" in finding.why


def test_a_client_that_chunks_by_itself_through_a_proxy() -> None:
    lan = Wire()
    asked = chunked(ask_sealed(1, ABSOLUTE))
    proxied(near_leg(lan), far_leg(lan), asked, reply(500))
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.7
    assert "The client chunks by itself" in finding.why


def test_one_leg_shows_the_fact_but_not_who_did_it() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    proxied(near_leg(lan), far_leg(lan), asked, reply(500), onward=chunked(forwarded(asked)))
    finding = judge(lan, hosts=UPSTREAM_LEG).one(RULE)
    assert finding.confidence == 0.7
    assert "chunks by itself" not in finding.why


def test_a_proxy_that_chunks_for_a_server_that_does_not_mind_is_less_grave() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(1), onward=chunked(forwarded(asked)))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert "None of them was refused" in finding.why


def test_a_server_that_serves_a_client_that_chunks() -> None:
    lan = Wire()
    trip(direct(lan), chunked(ask_sealed(1)), sealed_reply(1))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("answered", [offer(), reply(407, ("Proxy-Authenticate", "Negotiate"), content=html())])
def test_a_demand_for_authentication_comes_first(answered: Reply) -> None:
    lan = Wire()
    trip(direct(lan), chunked(ask_sealed(1)), answered)
    assert judge(lan).found(RULE) == []


def test_a_request_with_a_length_fails_for_another_reason() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), reply(500))
    assert judge(lan).found(RULE) == []


def test_the_clients_leg_alone_does_not_show_it() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    proxied(near_leg(lan), far_leg(lan), asked, reply(500), onward=chunked(forwarded(asked)))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
