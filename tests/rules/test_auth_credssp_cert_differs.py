from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Hop, Trip, direct, far_leg, forwarded, handshake, near_leg, proxied_handshake
from tests.build.talk_tokens import Shake, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import live_tokens

RULE = "auth.credssp-cert-differs"


def credssp() -> Shake:
    """A live CredSSP handshake, each time another one."""
    tokens = live_tokens.__wrapped__("credssp")
    client, server = tokens[0::2], tokens[1::2]
    return Shake("CredSSP", client, (*server, *([b""] * (len(client) - len(server)))))


def ended_at_proxy(lan: Wire, *, from_turn: int = 0, others: Shake | None = None) -> list[Hop]:
    """A handshake with the proxy, and one of the proxy's own with the server, from that round trip on."""
    near, far, one, other = near_leg(lan), far_leg(lan), credssp(), others or credssp()
    hops = []
    for turn in range(min(one.trips, other.trips)):
        asked = post(ABSOLUTE, one.credentials(turn))
        used = other if turn >= from_turn else one
        last = turn == one.trips - 1
        first = near.send(asked)
        out = far.send(forwarded(asked).without("Authorization").plus(used.credentials(turn)))
        back = far.answer(reply(200) if last else used.challenge(turn))
        hops.append(Hop(Trip(first, near.answer(reply(200) if last else one.challenge(turn))), Trip(out, back)))
    return hops


def test_every_token_is_another_one_behind_the_proxy() -> None:
    lan = Wire()
    hops = ended_at_proxy(lan)

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.CRITICAL
    assert 0.5 <= finding.confidence <= 0.9
    assert packets(finding) == sorted(number for hop in hops for number in (hop.near.asked, hop.far.asked))
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges[:2] == ("c1.x1", "c2.x1")
    assert finding.attack == ("T1557",)
    assert names(finding, hops[0].near.asked, hops[0].far.asked)
    assert f"{len(hops)} CredSSP tokens of the client differ" in finding.why


def test_one_equal_token_shows_that_the_tls_passes() -> None:
    lan = Wire()
    ended_at_proxy(lan, from_turn=1)
    assert judge(lan).found(RULE) == []


def test_the_proxy_passes_it_on() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), credssp())
    assert judge(lan).found(RULE) == []


def test_without_a_proxy_and_with_other_schemes() -> None:
    lan = Wire()
    handshake(direct(lan), credssp())
    proxied_handshake(near_leg(lan, port=50002), far_leg(lan, 40002), ntlm(), last=offer())
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    ended_at_proxy(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_what_is_behind_the_proxy_is_another_client_s_handshake() -> None:
    lan = Wire()
    other = credssp()
    ended_at_proxy(lan, others=other)
    handshake(near_leg(lan, "10.10.1.12", 50002), other, target=ABSOLUTE)
    assert judge(lan).found(RULE) == []
