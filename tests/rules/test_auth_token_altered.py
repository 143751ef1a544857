from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Hop, far_leg, forwarded, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import Shake, ntlm, spnego_ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.token-altered"
FLAGS_AT = {0: 12, 1: 60}
"""Where NegotiateFlags stand in messages 1 and 3 (MS-NLMP 2.2.1.1 and 2.2.1.3), by round trip."""


def cleared(shake: Shake, turn: int, bits: int) -> Shake:
    """The same handshake with flags of one of the client's messages cleared."""
    token, at = shake.client[turn], FLAGS_AT[turn]
    flags = int.from_bytes(token[at : at + 4], "little") & ~bits
    changed = token[:at] + flags.to_bytes(4, "little") + token[at + 4 :]
    return shake._replace(client=(*shake.client[:turn], changed, *shake.client[turn + 1 :]))


def rewritten(lan: Wire, turn: int, bits: int, *, between: bool = False) -> list[Hop]:
    """A handshake through a proxy that clears flags in the client's message of one round trip."""
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    changed = cleared(shake, turn, bits)
    answers, hops = (shake.challenge(), reply(200)), []
    for number, own in enumerate((changed.credentials(0), changed.credentials(1))):
        asked = post(ABSOLUTE, shake.credentials(number))
        hops.append(proxied(near, far, asked, answers[number], onward=forwarded(asked).without("Authorization").plus(own)))
        if between and not number:
            proxied(near, far, post(ABSOLUTE), offer())
    return hops


def test_the_proxy_clears_the_signing_flags_of_the_last_message() -> None:
    lan = Wire()
    _, last = rewritten(lan, 1, 0x8010)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.95)
    assert packets(finding) == [last.near.asked, last.far.asked]
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x2", "c2.x2")
    assert finding.user == "LAB\\alice"
    assert finding.attack == ("T1557",)
    assert names(finding, last.near.asked, last.far.asked)
    assert "authenticate message" in finding.why
    assert "(SIGN cleared, ALWAYS_SIGN cleared)" in finding.why


def test_the_first_message_counts_as_well() -> None:
    lan = Wire()
    rewritten(lan, 0, 0x20)
    assert "negotiate message" in judge(lan).one(RULE).why
    assert "(SEAL cleared)" in judge(lan).one(RULE).why


def test_messages_that_pass_unchanged() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_gateway_with_a_handshake_of_its_own_has_another_challenge() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, post(ABSOLUTE), offer())
    own = ntlm("bob")
    for turn, answers in enumerate(((ntlm().challenge(), own.challenge()), (reply(200), reply(200)))):
        asked = post(ABSOLUTE, ntlm().credentials(turn))
        proxied(near, far, asked, answers[1], onward=forwarded(asked).without("Authorization").plus(own.credentials(turn)), back=answers[0])
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    rewritten(lan, 1, 0x8010)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_handshake_with_another_exchange_in_between_is_not_judged() -> None:
    lan = Wire()
    rewritten(lan, 1, 0x8010, between=True)
    assert judge(lan).found(RULE) == []


def test_only_the_wrapping_is_another_one() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), spnego_ntlm()
    for number, answer in enumerate((shake.challenge(), reply(200))):
        asked, token = post(ABSOLUTE, shake.credentials(number)), shake.client[number]
        bare = shake._replace(client=(*shake.client[:number], token[token.index(b"NTLMSSP") :], *shake.client[number + 1 :]))
        proxied(near, far, asked, answer, onward=forwarded(asked).without("Authorization").plus(bare.credentials(number)))
    assert judge(lan).found(RULE) == []
