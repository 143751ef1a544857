from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, IDENTIFY, WSMAN, offer, post, reply, soap
from tests.build.talk_proxy import SERVER, direct, far_leg, handshake, near_leg, proxied, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.identify-anonymous"
ANSWER = reply(200, content=IDENTIFY)


def test_a_question_without_credentials() -> None:
    lan = Wire()
    found = trip(direct(lan), post(content=IDENTIFY), ANSWER)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert finding.attack == ()
    assert names(finding, found.asked)
    assert "asked 10.20.2.20:5985 for its product once, without credentials" in finding.why


def test_by_its_field_and_by_its_path() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(WSMAN, ("WSMANIDENTIFY", "unauthenticated"), content=soap()), ANSWER)
    trip(talk, post("/wsman-anon/identify", content=soap(number=2)), ANSWER)
    assert judge(lan).one(RULE).exchanges == ("c1.x1", "c1.x2")


def test_many_servers_are_a_scan() -> None:
    lan = Wire()
    for place, server in enumerate((SERVER, "10.20.2.21", "10.20.2.22")):
        trip(lan.connect("10.10.1.11", 50001 + place, server, 5985), post(content=IDENTIFY), ANSWER)
    finding = judge(lan).one(RULE)
    assert finding.attack == ("T1046",)
    assert "10.20.2.20:5985, 10.20.2.21:5985, 10.20.2.22:5985" in finding.why


def test_with_credentials() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic(), content=IDENTIFY), ANSWER)
    assert judge(lan).found(RULE) == []


def test_after_a_handshake() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=IDENTIFY), ANSWER)
    assert judge(lan).found(RULE) == []


def test_a_server_that_refuses() -> None:
    lan = Wire()
    trip(direct(lan), post(content=IDENTIFY), offer())
    assert judge(lan).found(RULE) == []


def test_another_request() -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), ANSWER)
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_question() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=IDENTIFY), ANSWER)
    assert judge(lan).one(RULE).connections == ("c1",)
