"""Which findings go because another one explains them, by hand-made findings and in whole conversations."""

from collections.abc import Callable, Collection

import pytest
from msgspec.structs import replace

from analyzer.records.finding import Finding
from analyzer.rules.causes import HABITS, explained, symptoms
from tests.build.evidence import finding
from tests.build.talk_http import WSMAN, offer, post, soap
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import basic, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge
from tests.rules.test_conformance import EVERY_SAMPLE, PUBLIC, Sample, judged

PAIRS = [(cause, symptom) for cause, found in symptoms().items() for symptom in found]
USERS = ("alice", "bob", "carol", "dave", "erin")


def found(rule: str, *connections: str) -> Finding:
    return replace(finding(rule), connections=connections)


@pytest.mark.parametrize(("cause", "symptom"), PAIRS)
def test_a_cause_takes_its_symptom_on_the_same_connection_only(cause: str, symptom: str) -> None:
    own, same, other = found(cause, "c1", "c2"), found(symptom, "c2", "c5"), replace(found(symptom, "c3"), source="10.0.0.2")
    assert explained([same, own, other]) == [own, other]


@pytest.mark.parametrize(("cause", "symptom"), [(cause, symptom) for cause, found in HABITS.items() for symptom in found])
def test_a_habit_takes_its_symptoms_on_other_connections_of_the_same_client(cause: str, symptom: str) -> None:
    own, same, other = found(cause, "c1"), found(symptom, "c3"), replace(found(symptom, "c4"), destination="10.0.0.8")
    assert explained([same, own, other]) == [own, other]


@pytest.mark.parametrize(
    "pair",
    [
        ("auth.credentials-refused", "auth.loop"),
        ("attack.spray", "auth.loop"),
        ("attack.spray", "auth.credentials-refused"),
        ("auth.unencrypted-refused", "auth.loop"),
        ("tcp.upstream-idle-close", "affinity.client-migrates"),
        ("tcp.upstream-idle-close", "auth.context-lost"),
    ],
)
def test_these_are_told_as_one_defect(pair: tuple[str, str]) -> None:
    assert pair in PAIRS


def test_causes_and_symptoms_are_rules_and_none_explains_itself_or_its_own_cause() -> None:
    assert {rule for pair in PAIRS for rule in pair} <= PUBLIC
    assert all(cause != symptom and cause not in symptoms().get(symptom, ()) for cause, symptom in PAIRS)


def test_a_symptom_that_nothing_explains_stays() -> None:
    alone = found("auth.loop", "c1")
    assert explained([alone]) == [alone]


def refused(lan: Wire, place: int, user: str = "alice") -> None:
    handshake(direct(lan, port=50001 + place), ntlm(user, place), last=offer())


def test_a_wrong_password_again_and_again() -> None:
    lan = Wire()
    for place in range(4):
        refused(lan, place)
    made = judge(lan)
    assert made.found("auth.loop")
    assert {"auth.loop", "auth.credentials-refused"} & made.rules == {"auth.credentials-refused"}


def try_ntlm(lan: Wire, place: int) -> None:
    refused(lan, place)


def try_basic(lan: Wire, place: int) -> None:
    trip(direct(lan, port=50001 + place), post(WSMAN, basic(), content=soap(number=place)), offer('Basic realm="WSMAN"'))


def try_kerberos(lan: Wire, place: int) -> None:
    trip(direct(lan, port=50001 + place), post(WSMAN, kerberos(place).credentials(0)), offer())


def try_through_a_proxy(lan: Wire, place: int) -> None:
    proxied_handshake(near_leg(lan, port=50001 + place), far_leg(lan, 40001 + place), ntlm(number=place), last=offer())


@pytest.mark.parametrize("hosts", [(), CLIENT_LEG, UPSTREAM_LEG])
@pytest.mark.parametrize("attempt", [try_ntlm, try_basic, try_kerberos, try_through_a_proxy])
def test_one_refusal_again_and_again_is_one_finding(attempt: Callable[[Wire, int], None], hosts: Collection[str]) -> None:
    """Whatever the mechanism and whichever leg was captured: the loop is not told beside its cause."""
    lan = Wire()
    for place in range(4):
        attempt(lan, place)
    made = judge(lan, hosts=hosts if attempt is try_through_a_proxy else ())
    told = ("auth.loop", "auth.credentials-refused", "auth.ticket-refused")
    assert [one.rule for one in made.findings if one.rule in told] == ["auth.ticket-refused" if attempt is try_kerberos else "auth.credentials-refused"]
    assert made.found("auth.loop") or hosts is UPSTREAM_LEG


def test_many_users_are_a_spray_and_nothing_else() -> None:
    lan = Wire()
    for place, user in enumerate(USERS * 3):
        refused(lan, place, user)
    made = judge(lan)
    assert made.found("auth.loop")
    assert made.found("auth.credentials-refused")
    assert {"auth.loop", "auth.credentials-refused", "attack.spray"} & made.rules == {"attack.spray"}


def test_refused_clear_text_again_and_again() -> None:
    lan = Wire()
    for place in range(4):
        talk = direct(lan, port=50001 + place)
        handshake(talk, ntlm(number=place), last=offer())
        trip(talk, post(content=soap(number=place)), offer())
    made = judge(lan)
    assert made.found("auth.loop")
    assert "auth.loop" not in made.rules


def test_a_handshake_spread_over_connections_explains_the_missing_promise() -> None:
    lan = Wire()
    ways = [far_leg(lan), far_leg(lan, 40002), far_leg(lan, 40003)]
    proxied_handshake(near_leg(lan), ways, ntlm(), last=offer())
    made = judge(lan)
    assert made.found("auth.negotiate-via-proxy-without-proxy-support")
    assert "auth.negotiate-via-proxy-without-proxy-support" not in made.rules
    assert "affinity.handshake-split" in made.rules


@EVERY_SAMPLE
def test_no_expected_rule_of_a_sample_is_explained_away(sample: Sample) -> None:
    assert sample.expected <= judged(sample).rules
