import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Reply, offer, post, reply, soap
from tests.build.talk_proxy import UPSTREAM_LEG, Trip, ask_sealed, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import basic, handmade, kerberos, ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3

RULE = "auth.two-credential-sets"
PROXY_USER = basic("webuser", header="Proxy-Authorization")


def both(talk: Talk, proxy_user: tuple[str, str] = PROXY_USER) -> list[Trip]:
    """A handshake with the server, each request of which carries credentials for the proxy too."""
    shake = ntlm()
    return [
        trip(talk, post(ABSOLUTE, proxy_user), offer()),
        trip(talk, post(ABSOLUTE, proxy_user, shake.credentials(0)), shake.challenge()),
        trip(talk, post(ABSOLUTE, proxy_user, shake.credentials(1)), reply(200)),
    ]


def test_one_user_for_the_proxy_and_another_for_the_server() -> None:
    lan = Wire()
    first, _, last = both(near_leg(lan))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [first.asked, last.asked]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1", "c1.x3")
    assert finding.user == "LAB\\alice"
    assert names(finding, first.asked, last.asked)
    assert "Basic credentials of webuser" in finding.why
    assert "NTLM credentials of LAB\\alice" in finding.why


def test_a_tunnel_has_the_proxys_credentials_outside_and_the_servers_inside() -> None:
    lan = Wire()
    near = near_leg(lan)
    outside = trip(near, Ask("CONNECT", "srv01:5985", (("Host", "srv01:5985"), PROXY_USER)), Reply(200, ()))
    inside = trip(near, post(WSMAN, basic(), content=soap()), reply(200))
    finding = judge(lan).one(RULE)
    assert packets(finding) == [outside.asked, inside.asked]
    assert finding.connections == ("c1", "c1.t")


def test_the_same_user_for_both() -> None:
    lan = Wire()
    both(near_leg(lan), basic("Alice", header="Proxy-Authorization"))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("domain", "users"), [("CORP", ["LAB\\alice"]), ("lab", []), ("", [])])
def test_the_same_name_in_another_domain_is_another_user(domain: str, users: list[str]) -> None:
    lan = Wire()
    near = near_leg(lan)
    other = handmade(ntlm1(), ntlm2(), ntlm3("alice".encode("utf-16-le"), domain.encode("utf-16-le")))
    trip(near, post(ABSOLUTE, other.credentials(0, "Proxy-Authorization")), other.proxy_challenge())
    trip(near, post(ABSOLUTE, other.credentials(1, "Proxy-Authorization"), ntlm().credentials(0)), ntlm().challenge())
    trip(near, post(ABSOLUTE, ntlm().credentials(1)), reply(200))
    assert [finding.user for finding in judge(lan).found(RULE)] == users


def test_the_proxys_credentials_alone() -> None:
    lan = Wire()
    trip(near_leg(lan), ask_sealed(1, ABSOLUTE).plus(PROXY_USER), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_user_who_does_not_travel_in_clear_cannot_be_compared() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE, PROXY_USER, kerberos().credentials(0)), reply(200))
    assert judge(lan).found(RULE) == []


def test_two_users_on_two_connections_are_two_clients() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE, PROXY_USER), reply(200))
    trip(near_leg(lan, port=50002), post(ABSOLUTE, basic()), reply(200))
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_does_not_show_the_proxys_credentials() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE).plus(PROXY_USER, basic()), sealed_reply(1))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
    assert len(judge(lan).found(RULE)) == 1
