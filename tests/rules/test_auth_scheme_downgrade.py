import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, far_leg, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.scheme-downgrade"
BASIC = 'Basic realm="WSMAN"'


@pytest.mark.parametrize("left", [BASIC, "NTLM", 'Digest realm="a", nonce="b"'])
def test_only_a_weak_scheme_is_left(left: str) -> None:
    lan = Wire()
    hop = proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate", "Kerberos", left), back=offer(left))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.6)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert names(finding, hop.near.answered, hop.far.answered)
    assert "The server offered negotiate, kerberos" in finding.why
    assert f"only {left.split(' ', maxsplit=1)[0].lower()} (" in finding.why


def test_a_strong_scheme_is_left() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate", "Kerberos", BASIC), back=offer("Negotiate", BASIC))
    assert judge(lan).found(RULE) == []


def test_a_server_that_offers_nothing_better() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("NTLM", BASIC), back=offer(BASIC))
    assert judge(lan).found(RULE) == []


def test_nothing_left_at_all_is_another_rules() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate"), back=reply(401))
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "auth.challenge-stripped" in judged.rules


def test_a_server_that_offers_basic_only_without_a_proxy() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), offer(BASIC))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate", BASIC), back=offer(BASIC))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
