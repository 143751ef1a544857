import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Field, html, reply
from tests.build.talk_proxy import ask_sealed, near_leg, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.cached-wsman"


def test_a_response_with_an_age() -> None:
    lan = Wire()
    found = trip(near_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(("Age", "17")))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.8)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.answered)
    assert "1 response to c1" in finding.why
    assert "with the field Age: 17" in finding.why


@pytest.mark.parametrize("sign", [("X-Cache", "HIT from proxy"), ("X-Cache-Status", "hit"), ("Cache-Status", "edge; hit; ttl=30"), ("CF-Cache-Status", "HIT")])
def test_what_caches_say_of_a_hit(sign: Field) -> None:
    lan = Wire()
    trip(near_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(sign))
    assert f"with the field {sign[0].lower()}: {sign[1]}" in judge(lan).one(RULE).why


@pytest.mark.parametrize("sign", [("Age", "0"), ("Age", "soon"), ("X-Cache", "MISS from white.hit.example"), ("Cache-Status", "edge; fwd=bypass")])
def test_a_cache_that_was_only_in_the_way(sign: Field) -> None:
    lan = Wire()
    trip(near_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(sign))
    assert judge(lan).found(RULE) == []


def test_a_page_or_an_error_is_not_winrms() -> None:
    lan = Wire()
    near = near_leg(lan)
    trip(near, ask_sealed(0, ABSOLUTE), reply(200, ("Age", "9"), content=html()))
    trip(near, ask_sealed(1, ABSOLUTE), sealed_reply(0)._replace(status=500).plus(("Age", "9")))
    assert judge(lan).found(RULE) == []
