import pytest

from analyzer.records.finding import Severity
from tests.build.talk_proxy import Trip, ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.reset-after-pause"


def session(lan: Wire, number: int, pause: float, *, after: float = 0.0, ttl: int = 64) -> Trip:
    """A logon and an exchange, a pause, and a request that is answered by a reset."""
    talk = direct(lan, port=50000 + number)
    handshake(talk, ntlm(number=number))
    trip(talk, ask_sealed(0), sealed_reply(0))
    lan.wait(pause)
    return Trip(talk.send(ask_sealed(1)), talk.reset_by_server(after, ttl=ttl))


def test_the_request_after_a_pause_is_answered_by_a_reset() -> None:
    lan = Wire()
    trips = [session(lan, 1, 360), session(lan, 2, 365)]

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.9, "network")
    assert packets(finding) == sorted(number for one in trips for number in one)
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x5", "c2.x5"))
    assert finding.user == "LAB\\alice"
    assert names(finding, *trips[0])
    assert "No packet passed on c1 for 360.0 s" in finding.why
    assert "twice, after pauses of 360.0 to 365.0 s" in finding.why
    assert "AWS Network Load Balancer (350 s)" in finding.why
    assert "device on the path sent" not in finding.why
    assert len(finding.title) < 70


def test_the_limit_is_bracketed_by_the_pauses_that_did_no_harm() -> None:
    lan = Wire()
    session(lan, 1, 245)
    talk = direct(lan, port=50009)
    for number, pause in enumerate((0, 200)):
        lan.wait(pause)
        trip(talk, ask_sealed(number), sealed_reply(number))
    why = judge(lan).one(RULE).why
    assert "A pause of 200.0 s did no harm" in why
    assert "Azure Load Balancer and NAT gateway (240 s)" in why
    assert "HTTP.sys" not in why


def test_a_longer_pause_that_did_no_harm_speaks_against_an_idle_limit() -> None:
    lan = Wire()
    session(lan, 1, 100)
    talk = direct(lan, port=50009)
    for number, pause in enumerate((0, 200)):
        lan.wait(pause)
        trip(talk, ask_sealed(number), sealed_reply(number))
    done = judge(lan)
    assert RULE not in done.rules
    assert done.one("tcp.request-cut").severity is Severity.MEDIUM


def test_the_ttl_of_the_reset_names_a_device_and_nothing_is_told_twice() -> None:
    lan = Wire()
    session(lan, 1, 300, ttl=61)
    done = judge(lan)
    assert "The reset has TTL 61 (the server's packets have 64" in done.one(RULE).why
    assert not {"tcp.device-reset", "tcp.request-cut"} & done.rules


def test_a_short_pause_explains_nothing() -> None:
    lan = Wire()
    session(lan, 1, 19)
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("pause", "found"), [(19.9995, True), (19.9994, False)])
def test_a_pause_is_long_from_twenty_seconds_on(pause: float, *, found: bool) -> None:
    lan = Wire()
    session(lan, 1, pause)
    done = judge(lan)
    assert [one.idle_ns for one in done.evidence.unanswered] == [round((pause + 0.0005) * 1e9)]
    assert bool(done.found(RULE)) is found


def test_a_reset_long_after_the_request_is_another_matter() -> None:
    lan = Wire()
    session(lan, 1, 300, after=10)
    done = judge(lan)
    assert done.found(RULE) == []
    assert "tcp.request-cut" in done.rules


def test_a_pause_that_the_connection_outlives_is_fine() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    lan.wait(400)
    trip(talk, ask_sealed(0), sealed_reply(0))
    talk.close_by_client()
    assert not {rule for rule in judge(lan).rules if rule.startswith("tcp.")}
