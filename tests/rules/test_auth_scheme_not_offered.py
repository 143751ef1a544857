from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, offer, post, reply, soap
from tests.build.talk_proxy import direct, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.scheme-not-offered"


def test_basic_to_a_server_that_offers_negotiate_and_kerberos() -> None:
    lan = Wire()
    first = trip(direct(lan), post(WSMAN, basic("jane"), content=soap()), offer("Negotiate", "Kerberos"))
    trip(direct(lan, port=50002), post(WSMAN, basic("jane"), content=soap()), offer("Negotiate", "Kerberos"))

    judged = judge(lan)
    finding = judged.one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.95, "client")
    assert finding.title == "Basic is not offered by 10.20.2.20:5985"
    assert packets(finding)[:2] == [*first]
    assert names(finding, first.answered)
    assert "offers only Negotiate and Kerberos" in finding.why
    assert "logged on twice with Basic as jane" in finding.why
    assert "auth.credentials-refused" not in judged.rules


def test_through_a_proxy_the_servers_offers_count() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post("http://srv01.lab.example:5985/wsman", basic("jane"), content=soap()), offer("Negotiate"))
    assert judge(lan).one(RULE).user == "jane"


def test_basic_that_is_offered_and_refused_is_another_matter() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic("jane"), content=soap()), offer('Basic realm="WSMAN"', "Negotiate"))
    assert judge(lan).found(RULE) == []


def test_a_401_without_challenges_says_nothing_of_what_is_offered() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic("jane"), content=soap()), reply(401))
    assert judge(lan).found(RULE) == []


def test_ntlm_inside_negotiate_is_offered() -> None:
    lan = Wire()
    shake = ntlm()
    talk = direct(lan)
    trip(talk, post(WSMAN, shake.credentials(0)), shake.challenge())
    trip(talk, post(WSMAN, shake.credentials(1)), offer("Negotiate", "Kerberos"))
    assert judge(lan).found(RULE) == []
