import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Field, Reply, offer, post, reply, soap
from tests.build.talk_proxy import UPSTREAM_LEG, Trip, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import basic, kerberos, ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.same-identity-both-hops"
OWN = basic("Alice", header="Proxy-Authorization")


def both(talk: Talk, proxy_user: Field = OWN) -> list[Trip]:
    """A handshake of LAB\\alice with the server, each request of which carries credentials for the proxy too."""
    shake = ntlm()
    return [
        trip(talk, post(ABSOLUTE, proxy_user), offer()),
        trip(talk, post(ABSOLUTE, proxy_user, shake.credentials(0)), shake.challenge()),
        trip(talk, post(ABSOLUTE, proxy_user, shake.credentials(1)), reply(200)),
    ]


def test_one_account_for_proxy_and_server() -> None:
    lan = Wire()
    first, _, last = both(near_leg(lan))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [first.asked, last.asked]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1", "c1.x3")
    assert finding.user == "LAB\\alice"
    assert names(finding, first.asked, last.asked)
    assert "Basic credentials of Alice" in finding.why


def test_outside_and_inside_of_a_tunnel() -> None:
    lan = Wire()
    near = near_leg(lan)
    outside = trip(near, Ask("CONNECT", "srv01:5985", (("Host", "srv01:5985"), OWN)), Reply(200, ()))
    inside = trip(near, post(WSMAN, basic(), content=soap()), reply(200))
    assert packets(judge(lan).one(RULE)) == [outside.asked, inside.asked]


@pytest.mark.parametrize("user", ["bob", "CORP\\alice"])
def test_another_user_of_the_proxy(user: str) -> None:
    lan = Wire()
    both(near_leg(lan), basic(user, header="Proxy-Authorization"))
    assert judge(lan).found(RULE) == []


def test_a_ticket_does_not_tell_the_user() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE, OWN, kerberos().credentials(0)), reply(200, *kerberos().last_token))
    assert judge(lan).found(RULE) == []


def test_without_a_logon_to_the_proxy() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE, basic(), content=soap()), reply(200))
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_does_not_show_it() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, OWN, basic(), content=soap()), reply(200))
    assert len(judge(lan).found(RULE)) == 1
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
