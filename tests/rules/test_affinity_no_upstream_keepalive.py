from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Trip, ask_sealed, far_leg, forwarded, near_leg, proxied, sealed_reply
from tests.build.talk_tokens import basic
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.no-upstream-keepalive"


def one_client(lan: Wire, *per_connection: int, version: str = "HTTP/1.1", by_request: bool = False) -> list[Trip]:
    """A client's connection whose requests go on over upstream connections with so many requests each; the upstream trips."""
    near = near_leg(lan)
    trips, number = [], 0
    for place, count in enumerate(per_connection):
        far = far_leg(lan, 40001 + place)
        for _ in range(count):
            number += 1
            asked = ask_sealed(number, ABSOLUTE)
            asked = asked.plus(basic()) if by_request else asked
            trips.append(proxied(near, far, asked, sealed_reply(number), onward=forwarded(asked)._replace(version=version)).far)
        far.close_by_client()
    return trips


def test_every_request_has_an_upstream_connection_of_its_own() -> None:
    lan = Wire()
    trips = one_client(lan, 1, 1, 1)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [number for one in trips for number in one]
    assert set(finding.connections) == {"c1", "c2", "c3", "c4"}
    assert set(finding.exchanges) == {"c2.x1", "c3.x1", "c4.x1", "c1.x1", "c1.x2", "c1.x3"}
    assert finding.owner == "proxy"
    assert names(finding, trips[0].asked)
    assert "3 of 3 server connections that logons need carried one exchange each, while 1 connection of clients had 3 exchanges" in finding.why
    assert "the proxy ended 3 of them first" in finding.why


def test_four_in_five_is_enough() -> None:
    lan = Wire()
    one_client(lan, 1, 1, 2, 1, 1)
    assert "4 of 5 server connections" in judge(lan).one(RULE).why


def test_basic_needs_no_persistent_connection() -> None:
    lan = Wire()
    one_client(lan, 1, 1, 1, 1, 1, by_request=True)
    assert judge(lan).found(RULE) == []


def test_three_in_four_is_not() -> None:
    lan = Wire()
    one_client(lan, 1, 1, 2, 1)
    assert judge(lan).found(RULE) == []


def test_two_connections_may_be_chance() -> None:
    lan = Wire()
    one_client(lan, 1, 1)
    assert judge(lan).found(RULE) == []


def test_one_upstream_connection_for_all() -> None:
    lan = Wire()
    one_client(lan, 5)
    assert judge(lan).found(RULE) == []


def test_clients_that_ask_once_need_no_second_request_upstream() -> None:
    lan = Wire()
    for place in range(4):
        proxied(near_leg(lan, port=50001 + place), far_leg(lan, 40001 + place), ask_sealed(place, ABSOLUTE), sealed_reply(place))
    assert judge(lan).found(RULE) == []


def test_http_1_0_upstream_is_another_rules() -> None:
    lan = Wire()
    one_client(lan, 1, 1, 1, version="HTTP/1.0")
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "http.1.0-downgrade" in judged.rules


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    one_client(lan, 1, 1, 1)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
