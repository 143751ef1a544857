import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, offer, post, reply, soap
from tests.build.talk_proxy import ALICE, BOB, UPSTREAM_LEG, direct, far_leg, handshake, near_leg, proxied, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.retry-storm"
REFUSAL = offer('Basic realm="WSMAN"')
FINE = reply(200, content=soap("CreateResponse", 2))


def asks(user: str = "alice", agent: str | None = None) -> Ask:
    asked = post(WSMAN, basic(user), content=soap())
    return asked if agent is None else asked.without("User-Agent").plus(("User-Agent", agent))


def storm(lan: Wire, count: int, *, apart: float = 1, trips: int = 1, client: str = ALICE, asked: Ask | None = None, port: int = 50001) -> list[int]:
    """So many connections with so many refused requests each; the packets with which they begin."""
    begins = []
    for place in range(count):
        talk = direct(lan, client, port + place)
        numbers = [trip(talk, asked or asks(), REFUSAL) for _ in range(trips)]
        talk.close_by_client()
        begins.append(numbers[0].asked - 3)
        lan.wait(apart)
    return begins


def test_eleven_connections_within_a_minute() -> None:
    lan = Wire()
    begins = storm(lan, 11)

    (finding,) = judge(lan).found(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.7)
    assert packets(finding) == begins
    assert finding.connections == tuple(f"c{place}" for place in range(1, 12))
    assert (finding.source, finding.user, finding.owner) == (ALICE, "alice", "client")
    assert names(finding, begins[0])
    assert "opened 11 connections to 10.20.2.20:5985 within 10.0 s. Each had at most 3 exchanges, and no request was served (statuses 401)" in finding.why


@pytest.mark.parametrize(("count", "apart", "trips"), [(10, 1, 1), (12, 7, 1), (12, 1, 4)], ids=["few", "slow", "long ones"])
def test_no_storm(count: int, apart: float, trips: int) -> None:
    lan = Wire()
    storm(lan, count, apart=apart, trips=trips)
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("other", [{"client": BOB}, {"asked": asks("bob")}, {"asked": asks(agent="another program")}], ids=["client", "account", "program"])
def test_two_programs_together_make_no_storm(other: dict[str, str | Ask]) -> None:
    lan = Wire()
    storm(lan, 6)
    storm(lan, 6, port=51001, **other)  # type: ignore[arg-type]
    assert judge(lan).found(RULE) == []


def test_programs_that_get_their_short_tasks_done_are_healthy_at_any_rate() -> None:
    lan = Wire()
    for place in range(30):
        talk = direct(lan, port=50001 + place)
        trip(talk, asks(), FINE)
        talk.close_by_client()
    for place in range(30):
        talk = direct(lan, port=51001 + place)
        trip(talk, asks().plus(("Connection", "close")), FINE)
        talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_probes_that_close_by_themselves_are_healthy() -> None:
    lan = Wire()
    for place in range(30):
        talk = direct(lan, port=50001 + place)
        trip(talk, post(), offer())
        talk.close_by_client()
    for place in range(30):
        talk = direct(lan, port=51001 + place)
        handshake(talk, ntlm(number=place))
        talk.close_by_client()
    assert judge(lan).found(RULE) == []


def test_short_tasks_through_a_proxy_that_closes() -> None:
    lan = Wire()
    for place in range(12):
        near, far = near_leg(lan, port=50001 + place), far_leg(lan, 40001 + place)
        proxied(near, far, post(ABSOLUTE, basic(), content=soap(number=place)), reply(200, content=soap("CreateResponse", place)))
        far.close_by_client()
        near.close_by_server()
    assert judge(lan).found(RULE) == []


def test_connections_that_the_other_side_ends_before_anything_is_served() -> None:
    lan = Wire()
    for place in range(12):
        talk = direct(lan, port=50001 + place)
        talk.send(asks())
        talk.reset_by_server()
    (finding,) = judge(lan).found(RULE)
    assert "(statuses none)" in finding.why


def test_the_proxys_own_connections_are_not_the_clients() -> None:
    lan = Wire()
    near = near_leg(lan)
    for place in range(12):
        proxied(near, far_leg(lan, 40001 + place), post(ABSOLUTE, basic()), REFUSAL)
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
