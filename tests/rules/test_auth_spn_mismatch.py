import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, Ask, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Trip, direct, far_leg, forwarded, near_leg, proxied, trip
from tests.build.talk_tokens import kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.spn-mismatch"


def asks(host: str, target: str = WSMAN) -> Ask:
    """A request for ``host`` with a ticket for HTTP/srv.lab.test."""
    return post(target, kerberos().credentials(0)).without("Host").plus(("Host", host))


def logon(lan: Wire, host: str, *, served: bool = True) -> Trip:
    return trip(direct(lan), asks(host), reply(200, *kerberos().last_token) if served else offer())


def test_a_ticket_for_another_name_is_refused() -> None:
    lan = Wire()
    found = logon(lan, "alias.lab.test:5985", served=False)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.6)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.asked)
    assert "logged on for HTTP/srv.lab.test, while its request asks for alias.lab.test" in finding.why
    assert "1 was refused" in finding.why


def test_it_is_low_where_the_server_takes_it() -> None:
    lan = Wire()
    logon(lan, "alias.lab.test:5985")
    assert judge(lan).one(RULE).severity is Severity.LOW


@pytest.mark.parametrize("host", ["srv.lab.test", "SRV.Lab.Test.:5985", "srv:5985", "srv", "10.20.2.20:5985", "[fd00::20]:5985", "localhost:5985"])
def test_the_same_name_or_an_address(host: str) -> None:
    lan = Wire()
    logon(lan, host, served=False)
    assert judge(lan).found(RULE) == []


def test_a_short_name_of_another_host() -> None:
    lan = Wire()
    logon(lan, "srv2")
    assert len(judge(lan).found(RULE)) == 1


def test_the_target_counts_where_it_is_absolute() -> None:
    lan = Wire()
    trip(near_leg(lan), asks("proxy.lab.test", "http://srv.lab.test:5985/wsman"), offer())
    assert judge(lan).found(RULE) == []


def test_ntlm_without_a_target_name() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, ntlm().credentials(0)), ntlm().challenge())
    assert judge(lan).found(RULE) == []


def test_what_the_proxy_does_to_the_name_is_not_the_clients() -> None:
    lan = Wire()
    asked = asks("srv.lab.test")
    onward = forwarded(asked).without("Host").plus(("Host", "inner.lab.test"))
    proxied(near_leg(lan), far_leg(lan), asked, reply(200, *kerberos().last_token), onward=onward)
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
