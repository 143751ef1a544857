from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply, sealed
from tests.build.talk_proxy import ask_sealed, direct, near_leg, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.request-too-large"


def test_the_size_and_what_was_accepted_before() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    large = post(content=sealed(1, size=600_000))
    one = trip(talk, large, reply(413))

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.HIGH
    assert finding.title == f"413: a request of {len(large.body):,} bytes is too large for 10.20.2.20"
    assert names(finding, one.answered)
    assert one.answered in packets(finding)
    assert f"The request had {len(large.body):,} bytes." in finding.why
    assert f"had {len(ask_sealed(0).body):,} bytes." in finding.why
    assert "MaxEnvelopeSizekb" in finding.advice


def test_a_proxy_s_own_limit() -> None:
    lan = Wire()
    trip(
        near_leg(lan),
        post(ABSOLUTE, content=sealed(1, size=2_000_000)),
        reply(413).without("Server").plus(("Server", "nginx/1.25")),
    )
    assert "client_max_body_size" in judge(lan).one(RULE).advice


def test_a_size_that_is_accepted() -> None:
    lan = Wire()
    trip(direct(lan), post(content=sealed(1, size=400_000)), sealed_reply(1))
    assert judge(lan).found(RULE) == []
