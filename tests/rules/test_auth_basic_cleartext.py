from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply, sealed, soap
from tests.build.talk_proxy import BOB, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.basic-cleartext"
FINE = reply(200, content=soap("CreateResponse", 2))


def test_a_password_in_clear() -> None:
    lan = Wire()
    talk = direct(lan)
    first = trip(talk, post("/wsman", basic(), content=soap()), FINE)
    second = trip(talk, post("/wsman", basic(), content=soap(number=3)), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 1.0)
    assert packets(finding) == [first.asked, second.asked]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1", "c1.x2")
    assert finding.user == "alice"
    assert finding.attack == ("T1040",)
    assert names(finding, first.asked)
    assert "Passw0rd" not in finding.why


def test_both_legs_of_a_proxy_carry_it() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, basic(), content=soap()), FINE)
    found = judge(lan).found(RULE)
    assert [finding.connections for finding in found] == [("c1",), ("c2",)]
    assert all("The connection belongs to a proxy" in finding.why for finding in found)


def test_a_refused_password_travelled_all_the_same() -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", basic(password="wrong")), offer('Basic realm="WSMAN"'))
    assert "answered 401" in judge(lan).one(RULE).why


def test_without_the_response_the_password_is_still_there() -> None:
    lan = Wire()
    talk = direct(lan)
    asked = talk.send(post("/wsman", basic()))
    assert packets(judge(lan).one(RULE)) == [asked]


def test_two_users_are_two_findings() -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", basic("alice")), FINE)
    trip(direct(lan, BOB, 50002), post("/wsman", basic("bob")), FINE)
    assert {finding.user for finding in judge(lan).found(RULE)} == {"alice", "bob"}


def test_the_proxys_password_is_another_rules() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE, basic(header="Proxy-Authorization"), content=sealed()), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_an_offer_of_basic_is_no_password() -> None:
    lan = Wire()
    trip(direct(lan), post(), offer("Negotiate", 'Basic realm="WSMAN"'))
    assert judge(lan).found(RULE) == []


def test_ntlm_is_no_basic() -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", ntlm().credentials(0)), ntlm().challenge())
    assert judge(lan).found(RULE) == []


def test_basic_of_something_else_than_winrm() -> None:
    lan = Wire()
    trip(lan.connect("10.10.1.11", 50001, "10.20.2.20", 80), post("/intranet", basic()), reply(200))
    assert judge(lan).found(RULE) == []


def test_a_request_that_is_not_captured_says_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(post("/wsman", basic(), content=soap()), captured=False)
    talk.answer(FINE)
    assert judge(lan).found(RULE) == []
