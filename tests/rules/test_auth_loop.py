from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply, soap
from tests.build.talk_proxy import ALICE, BOB, UPSTREAM_LEG, Trip, direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import basic, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.loop"


def refused(lan: Wire, port: int, client: str = ALICE) -> Trip:
    """A whole handshake that ends in a bare 401; its last trip."""
    return handshake(direct(lan, client, port), ntlm(number=port), last=offer())[-1]


def test_three_refusals_within_a_minute() -> None:
    lan = Wire()
    trips = [refused(lan, port) for port in (50001, 50002, 50003)]

    (finding,) = judge(lan).found(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding) == [number for one in trips for number in one]
    assert finding.connections == ("c1", "c2", "c3")
    assert finding.exchanges == ("c1.x2", "c1.x3", "c2.x2", "c2.x3", "c3.x2", "c3.x3")
    assert finding.user == "LAB\\alice"
    assert names(finding, trips[0].asked)
    assert "refused 3 logons" in finding.why
    assert "the last answer was 401" in finding.why


def test_clear_text_requests_are_pointed_out() -> None:
    lan = Wire()
    for port in (50001, 50002, 50003):
        handshake(direct(lan, port=port), ntlm(number=port), content=soap(number=port), last=reply(500))
    (finding,) = judge(lan).found(RULE)
    assert "3 of these requests carried clear-text SOAP" in finding.why


def test_kerberos_and_basic_count_as_well() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post("/wsman", kerberos().credentials(0)), offer())
    trip(talk, post("/wsman", kerberos(2).credentials(0)), offer())
    trip(talk, post("/wsman", basic()), offer())
    (finding,) = judge(lan).found(RULE)
    assert "Kerberos, Basic" in finding.why


def test_two_refusals_are_no_loop() -> None:
    lan = Wire()
    refused(lan, 50001)
    refused(lan, 50002)
    assert judge(lan).found(RULE) == []


def test_a_success_in_between_ends_the_row() -> None:
    lan = Wire()
    refused(lan, 50001)
    refused(lan, 50002)
    handshake(direct(lan, port=50003), ntlm(number=50003))
    refused(lan, 50004)
    assert judge(lan).found(RULE) == []


def test_three_refusals_over_more_than_a_minute() -> None:
    lan = Wire()
    for port in (50001, 50002, 50003):
        refused(lan, port)
        lan.wait(31)
    assert judge(lan).found(RULE) == []


def test_handshakes_that_were_not_finished_are_no_refusals() -> None:
    lan = Wire()
    for port in (50001, 50002, 50003):
        talk, shake = direct(lan, port=port), ntlm(number=port)
        trip(talk, post("/wsman", shake.credentials(0)), shake.challenge())
        talk.close_by_client()
    assert judge(lan).found(RULE) == []


def test_two_clients_do_not_make_a_loop_together() -> None:
    lan = Wire()
    refused(lan, 50001)
    refused(lan, 50002, BOB)
    refused(lan, 50003)
    assert judge(lan).found(RULE) == []


def test_a_demand_without_credentials_is_no_refusal() -> None:
    lan = Wire()
    talk = direct(lan)
    for _ in range(4):
        trip(talk, post(), offer())
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_mixes_clients() -> None:
    lan = Wire()
    for number in range(3):
        proxied_handshake(near_leg(lan, port=50001 + number), far_leg(lan, 40001 + number), ntlm(number=number), last=offer())
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
    assert len(judge(lan).found(RULE)) == 1


def test_answers_that_are_not_captured_are_no_refusals() -> None:
    lan = Wire()
    for port in (50001, 50002, 50003):
        talk, shake = direct(lan, port=port), ntlm(number=port)
        trip(talk, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
        talk.send(post(ABSOLUTE, shake.credentials(1)))
        talk.answer(offer(), captured=False)
    assert judge(lan).found(RULE) == []


def test_each_account_of_a_program_counts_for_itself() -> None:
    lan = Wire()
    for place, user in enumerate(("alice", "bob", "carol")):
        handshake(direct(lan, port=50001 + place), ntlm(user, number=place), last=offer())
    assert judge(lan).found(RULE) == []


def test_two_programs_of_one_host_are_two() -> None:
    lan = Wire()
    for place in range(3):
        asked = post("/wsman", basic()).without("User-Agent").plus(("User-Agent", "one" if place < 2 else "two"))
        trip(direct(lan, port=50001 + place), asked, offer())
    assert judge(lan).found(RULE) == []
