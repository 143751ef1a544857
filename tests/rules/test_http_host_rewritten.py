import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, offer, post
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Hop, ask_sealed, far_leg, forwarded, near_leg, proxied, proxied_handshake, sealed_reply
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.host-rewritten"


def with_host(asked: Ask, host: str) -> Ask:
    return asked.without("Host").plus(("Host", host))


def sent_on(lan: Wire, asked: Ask, host: str) -> Hop:
    """A request that goes on with that Host."""
    return proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(0), onward=with_host(forwarded(asked), host))


def test_a_reverse_proxy_names_the_server_by_its_own_name() -> None:
    lan = Wire()
    hop = sent_on(lan, with_host(ask_sealed(0), "winrm.lab.example:5985"), "srv01.lab.example:5985")

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 1.0)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert names(finding, hop.near.asked, hop.far.asked)
    assert "named winrm.lab.example and was forwarded as srv01.lab.example" in finding.why


def test_one_finding_for_all_requests_of_a_client() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    for number in range(3):
        asked = ask_sealed(number)
        proxied(near, far, asked, sealed_reply(number), onward=with_host(forwarded(asked), "inner.lab.example"))
    assert "3 requests on c1" in judge(lan).one(RULE).why


def test_the_target_counts_where_it_is_absolute() -> None:
    lan = Wire()
    sent_on(lan, with_host(ask_sealed(0, ABSOLUTE), "other.lab.example"), "srv01.lab.example:5985")
    assert judge(lan).found(RULE) == []
    lan = Wire()
    sent_on(lan, ask_sealed(0, ABSOLUTE), "other.lab.example")
    assert len(judge(lan).found(RULE)) == 1


@pytest.mark.parametrize("host", ["SRV01.Lab.Example:5985", "srv01.lab.example", "srv01.lab.example:80"])
def test_case_and_port_do_not_count(host: str) -> None:
    lan = Wire()
    sent_on(lan, ask_sealed(0), host)
    assert judge(lan).found(RULE) == []


def test_addresses_in_brackets_are_compared_whole() -> None:
    lan = Wire()
    sent_on(lan, with_host(ask_sealed(0), "[2001:db8::1]:5985"), "[2001:DB8::1]")
    assert judge(lan).found(RULE) == []
    lan = Wire()
    sent_on(lan, with_host(ask_sealed(0), "[2001:db8::1]:5985"), "[2001:db8::2]:5985")
    assert "named [2001:db8::1] and was forwarded as [2001:db8::2]" in judge(lan).one(RULE).why


def test_a_proxy_that_passes_the_field_on() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_request_without_the_field_says_nothing() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(WSMAN), offer(), onward=post(WSMAN, ("Via", "1.1 proxy")).without("Host"))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    sent_on(lan, ask_sealed(0), "inner.lab.example")
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
