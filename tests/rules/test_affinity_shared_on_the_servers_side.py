from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, Ask, post, reply, soap
from tests.build.talk_proxy import UPSTREAM_LEG, ask_sealed, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names

RULE = "affinity.shared-authenticated-upstream"
FINE = reply(200, content=soap("CreateResponse", 2))
ALICE, BOB = "10.10.1.11", "10.10.1.12"


def named(asked: Ask, *hosts: str) -> Ask:
    return asked.plus(("X-Forwarded-For", ", ".join(hosts)))


def logged_on(lan: Wire, *hosts: str) -> Talk:
    """A connection of the proxy on which a client of these hosts logged on."""
    far = far_leg(lan)
    shake = ntlm()
    trip(far, named(post(WSMAN, shake.credentials(0)), *hosts), shake.challenge())
    trip(far, named(post(WSMAN, shake.credentials(1)), *hosts), reply(200))
    return far


def test_another_address_is_served_without_credentials() -> None:
    lan = Wire()
    far = logged_on(lan, ALICE)
    served = trip(far, named(post(content=soap()), BOB), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.HIGH, 0.9, "proxy")
    assert finding.title == "A second client is served as LAB\\alice"
    assert names(finding, served.asked)
    assert f"{ALICE} logged on c1" in finding.why
    assert f"1 request of {BOB} without credentials" in finding.why
    (card,) = [check for one in judge(lan).scorecards for check in one.checks if check.requirement == "no_foreign_request"]
    assert card.verdict.value == "fail"


def test_the_same_address_is_its_owner() -> None:
    lan = Wire()
    trip(logged_on(lan, ALICE), named(post(content=soap()), ALICE), FINE)
    assert judge(lan).found(RULE) == []


def test_several_addresses_say_nothing() -> None:
    lan = Wire()
    trip(logged_on(lan, ALICE, "10.9.9.9"), named(post(content=soap()), BOB, "10.9.9.9"), FINE)
    assert judge(lan).found(RULE) == []


def test_no_address_and_the_same_program() -> None:
    lan = Wire()
    far = far_leg(lan)
    handshake(far, ntlm())
    trip(far, post(content=soap()).plus(("Via", "1.1 proxy")), FINE)
    assert judge(lan).found(RULE) == []


def test_no_address_and_another_program_is_less_certain() -> None:
    lan = Wire()
    far = far_leg(lan)
    shake = ntlm()
    via = ("Via", "1.1 proxy")
    trip(far, post(WSMAN, shake.credentials(0)).plus(via), shake.challenge())
    trip(far, post(WSMAN, shake.credentials(1)).plus(via), reply(200))
    trip(far, post(content=soap()).without("User-Agent").plus(via, ("User-Agent", "Other/1.0")), FINE)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.6)
    assert "The User-Agent changes" in finding.why


def test_a_request_with_credentials_or_an_encrypted_body_speaks_for_itself() -> None:
    lan = Wire()
    far = logged_on(lan, ALICE)
    trip(far, named(post(WSMAN, basic("bob"), content=soap()), BOB), FINE)
    far = logged_on(lan, ALICE)
    trip(far, named(ask_sealed(3), BOB), sealed_reply(3))
    assert judge(lan).found(RULE) == []


def test_with_both_sides_another_rule_proves_it() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied(near_leg(lan, BOB, 50002), far, named(post("http://srv01.lab.example:5985/wsman", content=soap()), BOB), FINE)
    assert judge(lan).one(RULE).confidence == 1.0
    assert judge(lan, hosts=UPSTREAM_LEG).evidence.roles
