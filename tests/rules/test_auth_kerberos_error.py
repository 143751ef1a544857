import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import Reply, post, reply
from tests.build.talk_proxy import Trip, direct, far_leg, handshake, near_leg, proxied, trip
from tests.build.talk_tokens import Shake, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import framed, krb_error

RULE = "auth.kerberos-error"


def failure(code: int = 37) -> Reply:
    return Shake("Negotiate", (), (framed(b"\x03\x00", krb_error(code)),)).challenge()


def logon(lan: Wire, answer: Reply, port: int = 50001) -> Trip:
    return trip(direct(lan, port=port), post("/wsman", kerberos().credentials(0)), answer)


def test_the_clocks_differ() -> None:
    lan = Wire()
    found = logon(lan, failure())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert finding.title == "Clocks differ too much for Kerberos: KRB_AP_ERR_SKEW (37)"
    assert finding.owner == "client"
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.answered)
    assert "10.20.2.20:5985 answered with Kerberos error 37 (KRB_AP_ERR_SKEW)" in finding.why
    assert "for HTTP/srv.lab.test" in finding.why


def test_an_unusual_code() -> None:
    lan = Wire()
    logon(lan, failure(99))
    assert "Kerberos error 99 (see RFC 4120)" in judge(lan).one(RULE).why


def test_each_code_is_one_finding() -> None:
    lan = Wire()
    for place, code in enumerate((37, 41, 37)):
        logon(lan, failure(code), 50001 + place)
    assert [finding.connections for finding in judge(lan).found(RULE)] == [("c1", "c3"), ("c2",)]


def test_a_ticket_that_is_accepted() -> None:
    lan = Wire()
    logon(lan, reply(200, *kerberos().last_token))
    assert judge(lan).found(RULE) == []


def test_a_refusal_without_a_reason() -> None:
    lan = Wire()
    logon(lan, reply(401, ("WWW-Authenticate", "Negotiate")))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post("http://srv.lab.test/wsman", kerberos().credentials(0)), failure())
    finding = judge(lan).one(RULE)
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x1", "c2.x1"))
    assert "1 time in this capture" in finding.why


@pytest.mark.parametrize(("code", "severity"), [(37, Severity.INFO), (32, Severity.INFO), (41, Severity.LOW)])
def test_the_client_repairs_it_at_once(code: int, severity: Severity) -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post("/wsman", kerberos().credentials(0)), failure(code))
    accepted = trip(talk, post("/wsman", kerberos(2).credentials(0)), reply(200, *kerberos(2).last_token))
    finding = judge(lan).one(RULE)
    assert finding.severity is severity
    assert names(finding, accepted.answered)
    assert "then logged on with Kerberos and was accepted" in finding.why


def test_ntlm_serves_instead() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post("/wsman", kerberos().credentials(0)), failure(37))
    handshake(talk, ntlm())
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "then logged on with NTLM as LAB\\alice and was accepted" in finding.why


def test_a_later_logon_repairs_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post("/wsman", kerberos().credentials(0)), failure(37))
    lan.wait(300)
    trip(talk, post("/wsman", kerberos(2).credentials(0)), reply(200, *kerberos(2).last_token))
    assert judge(lan).one(RULE).severity is Severity.MEDIUM


def test_the_ticket_is_for_the_balancers_name() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post("/wsman", kerberos().credentials(0)), failure(41))
    finding = judge(lan).one(RULE)
    assert finding.title == "Ticket for the balancer's name refused: KRB_AP_ERR_MODIFIED (41)"
    assert "is a proxy, and the ticket is for the name that the client asked it for" in finding.why
    assert "behind the balancer" in finding.advice
