import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, SOAP, WSMAN, Content, offer, post, reply, soap
from tests.build.talk_proxy import Trip, direct, far_leg, handshake, near_leg, proxied, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "attack.ntlmrelayx-winrms-client"
EMPTY = Content(SOAP, b"<xml></xml>")


def logon(lan: Wire, content: Content = EMPTY) -> list[Trip]:
    talk, shake = direct(lan), ntlm()
    return [
        trip(talk, post(WSMAN, shake.credentials(0), content=content), shake.challenge()),
        trip(talk, post(WSMAN, shake.credentials(1), content=content), reply(200)),
    ]


def test_both_requests_of_the_logon_have_the_tools_body() -> None:
    lan = Wire()
    trips = logon(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding) == [number for one in trips for number in one]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1", "c1.x2"))
    assert finding.user == "LAB\\alice"
    assert names(finding, trips[0].asked)
    assert "an authentication request with the body <xml></xml>" in finding.why


@pytest.mark.parametrize("number", ["2A8AC24F-00F0-4A87-860C-BF58D33A1E0A", "10000000-0000-0000-0000-000000000004"])
def test_its_message_ids(number: str) -> None:
    lan = Wire()
    content = soap()
    known = content._replace(body=content.body.replace(b"00000001-0000-4000-8000-000000000000", number.encode()))
    trip(direct(lan), post(WSMAN, basic(), content=known), reply(200))
    assert f"the MessageID uuid:{number.lower()}" in judge(lan).one(RULE).why


def test_other_clients() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=soap()), reply(200))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("content", [Content(SOAP, b"<xml/><xml/>"), Content(SOAP, b"<xml></xml>\n")])
def test_another_body(content: Content) -> None:
    lan = Wire()
    logon(lan, content)
    assert judge(lan).found(RULE) == []


def test_the_body_without_a_logon() -> None:
    lan = Wire()
    trip(direct(lan), post(content=EMPTY), offer())
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, ntlm().credentials(0), content=EMPTY), ntlm().challenge())
    assert judge(lan).one(RULE).connections == ("c1",)
