import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post
from tests.build.talk_proxy import ALICE, BOB, UPSTREAM_LEG, direct, far_leg, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.retry-storm"


def storm(lan: Wire, count: int, *, apart: float = 1, trips: int = 1, client: str = ALICE) -> list[int]:
    """So many connections with so many exchanges each; the packets with which they begin."""
    begins = []
    for place in range(count):
        talk = direct(lan, client, 50001 + place)
        numbers = [trip(talk, post(), offer()) for _ in range(trips)]
        talk.close_by_client()
        begins.append(numbers[0].asked - 3)
        lan.wait(apart)
    return begins


def test_eleven_connections_within_a_minute() -> None:
    lan = Wire()
    begins = storm(lan, 11)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.7)
    assert packets(finding) == begins
    assert finding.connections == tuple(f"c{place}" for place in range(1, 12))
    assert finding.source == ALICE
    assert names(finding, begins[0])
    assert "10.10.1.11 opened 11 connections to 10.20.2.20:5985 within 10.0 s, each with at most 3 exchanges (statuses 401)" in finding.why


@pytest.mark.parametrize(("count", "apart", "trips"), [(10, 1, 1), (12, 7, 1), (12, 1, 4)], ids=["few", "slow", "long ones"])
def test_no_storm(count: int, apart: float, trips: int) -> None:
    lan = Wire()
    storm(lan, count, apart=apart, trips=trips)
    assert judge(lan).found(RULE) == []


def test_two_clients_together_make_no_storm() -> None:
    lan = Wire()
    storm(lan, 6)
    storm(lan, 6, client=BOB)
    assert judge(lan).found(RULE) == []


def test_the_proxys_own_connections_are_not_the_clients() -> None:
    lan = Wire()
    near = near_leg(lan)
    for place in range(12):
        proxied(near, far_leg(lan, 40001 + place), post(ABSOLUTE), offer())
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
