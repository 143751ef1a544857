from analyzer.records.finding import Severity
from tests.build.talk_http import Reply, post, reply
from tests.build.talk_proxy import Trip, direct, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import Shake, kerberos
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
    assert packets(finding) == [found.answered]
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
    assert judge(lan).one(RULE).connections == ("c1",)
