from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, offer, post, soap
from tests.build.talk_proxy import ALICE, BOB, UPSTREAM_LEG, Trip, direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "attack.spray"
USERS = ("alice", "bob", "carol", "dave", "erin")


def refused(lan: Wire, port: int, user: str, client: str = ALICE) -> Trip:
    return handshake(direct(lan, client, port), ntlm(user), last=offer())[-1]


def test_five_users_of_one_host_are_refused() -> None:
    lan = Wire()
    trips = [refused(lan, 50001 + place, user) for place, user in enumerate(USERS)]

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert packets(finding) == [number for one in trips for number in one]
    assert finding.connections == ("c1", "c2", "c3", "c4", "c5")
    assert finding.exchanges == ("c1.x3", "c2.x3", "c3.x3", "c4.x3", "c5.x3")
    assert finding.user is None
    assert finding.source == "10.10.1.11"
    assert finding.attack == ("T1110.003",)
    assert names(finding, trips[0].asked)
    assert "tried 5 users" in finding.why
    assert "None was accepted" in finding.why


def test_the_one_that_succeeds_is_named() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        refused(lan, 50001 + place, user)
    handshake(direct(lan, port=50009), ntlm("frank"))
    finding = judge(lan).one(RULE)
    assert "refused 5 times of 6" in finding.why
    assert "Accepted: LAB\\frank" in finding.why


def test_basic_counts_as_well() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        trip(direct(lan, port=50001 + place), post(WSMAN, basic(user), content=soap()), offer('Basic realm="WSMAN"'))
    assert judge(lan).one(RULE).severity is Severity.HIGH


def test_four_users_are_too_few() -> None:
    lan = Wire()
    for place, user in enumerate(USERS[:4]):
        refused(lan, 50001 + place, user)
    assert judge(lan).found(RULE) == []


def test_one_user_who_forgot_the_password() -> None:
    lan = Wire()
    for place in range(6):
        handshake(direct(lan, port=50001 + place), ntlm(number=place), last=offer())
    assert judge(lan).found(RULE) == []


def test_a_jump_host_on_which_most_logons_succeed() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        refused(lan, 50001 + place, user)
    for place, user in enumerate(("frank", "grace")):
        handshake(direct(lan, port=50010 + place), ntlm(user))
    assert judge(lan).found(RULE) == []


def test_five_users_of_two_hosts() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        refused(lan, 50001 + place, user, ALICE if place < 3 else BOB)
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_mixes_clients() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        proxied_handshake(near_leg(lan, port=50001 + place), far_leg(lan, 40001 + place), ntlm(user), last=offer())
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
    assert len(judge(lan).found(RULE)) == 1


def test_handshakes_without_their_end_are_no_refusals() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        talk, shake = direct(lan, port=50001 + place), ntlm(user)
        trip(talk, post(WSMAN, shake.credentials(0)), shake.challenge())
        talk.send(post(WSMAN, shake.credentials(1)))
    assert judge(lan).found(RULE) == []


def test_each_program_counts_for_itself() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        agent = ("User-Agent", "one" if place < 3 else "two")
        talk = direct(lan, port=50001 + place)
        trip(talk, post(WSMAN, basic(user), content=soap()).without("User-Agent").plus(agent), offer('Basic realm="WSMAN"'))
    assert judge(lan).found(RULE) == []


def test_a_scheme_that_is_not_offered_is_another_reason() -> None:
    lan = Wire()
    for place, user in enumerate(USERS):
        trip(direct(lan, port=50001 + place), post(WSMAN, basic(user), content=soap()), offer("Negotiate"))
    assert judge(lan).found(RULE) == []
