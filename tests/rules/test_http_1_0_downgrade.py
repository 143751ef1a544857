from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, direct, far_leg, forwarded, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.1.0-downgrade"


def test_an_http_1_1_request_goes_on_as_1_0() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    hop = proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(1), onward=forwarded(asked)._replace(version="HTTP/1.0"))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert names(finding, hop.near.asked)
    assert "The proxy forwarded the client's HTTP/1.1 request as HTTP/1.0" in finding.why


def test_the_proxy_answers_in_1_0_on_the_clients_leg() -> None:
    lan = Wire()
    one = trip(near_leg(lan), ask_sealed(1, ABSOLUTE), sealed_reply(1)._replace(version="HTTP/1.0"))
    finding = judge(lan).one(RULE)
    assert packets(finding) == [*one]
    assert "answered the client's HTTP/1.1 request in HTTP/1.0" in finding.why


def test_the_upstream_leg_alone_shows_it_by_via() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(1), onward=forwarded(asked)._replace(version="HTTP/1.0"))
    finding = judge(lan, hosts=UPSTREAM_LEG).one(RULE)
    assert finding.connections == ("c1",)
    assert "received as HTTP/1.1 (Via)" in finding.why


def test_http_1_1_on_both_legs() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_client_that_speaks_1_0_itself() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)._replace(version="HTTP/1.0")
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(1)._replace(version="HTTP/1.0"))
    assert judge(lan).found(RULE) == []


def test_a_server_that_answers_in_1_0_without_a_proxy() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), sealed_reply(1)._replace(version="HTTP/1.0"))
    assert judge(lan).found(RULE) == []


def test_a_1_0_request_upstream_without_a_trace_may_be_the_clients_own() -> None:
    lan = Wire()
    trip(far_leg(lan), post("/wsman")._replace(version="HTTP/1.0"), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_via_of_a_1_0_client() -> None:
    lan = Wire()
    trip(far_leg(lan), post("/wsman", ("Via", "1.0 proxy"))._replace(version="HTTP/1.0"), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_the_clients_leg_alone_does_not_show_what_went_on() -> None:
    lan = Wire()
    asked = ask_sealed(1, ABSOLUTE)
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(1), onward=forwarded(asked)._replace(version="HTTP/1.0"))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
