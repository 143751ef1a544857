from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, direct, far_leg, handshake, near_leg, proxied, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.ntlm-blocked"


def test_the_first_message_is_answered_by_bare_offers() -> None:
    lan = Wire()
    first = trip(direct(lan), post(WSMAN, ntlm().credentials(0)), offer("Negotiate", "Kerberos"))
    trip(direct(lan, port=50002), post(WSMAN, ntlm().credentials(0)), offer("Negotiate", "Kerberos"))
    trip(direct(lan, port=50003), post(WSMAN, ntlm().credentials(0)), offer("Negotiate", "Kerberos"))

    judged = judge(lan)
    finding = judged.one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.9, "server")
    assert packets(finding)[:2] == [*first]
    assert names(finding, first.answered)
    assert "began NTLM with 10.20.2.20:5985 3 times" in finding.why
    assert "auth.credentials-refused" not in judged.rules


def test_with_both_sides_of_a_proxy_it_is_the_server() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, ntlm().credentials(0)), offer())
    assert judge(lan).one(RULE).confidence == 0.9


def test_on_the_clients_side_alone_the_proxy_may_have_done_it() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, ntlm().credentials(0)), offer())
    finding = judge(lan, hosts=CLIENT_LEG).one(RULE)
    assert finding.confidence == 0.6
    assert "A proxy stands between" in finding.why


def test_a_challenge_continues_the_logon() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    handshake(direct(lan, port=50002), ntlm(), last=offer())
    assert judge(lan).found(RULE) == []


def test_a_page_of_the_http_layer_is_another_matter() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, ntlm().credentials(0)), reply(404))
    assert judge(lan).found(RULE) == []
