from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.device-reset"


def logon(lan: Wire, number: int) -> Talk:
    talk = direct(lan, port=50000 + number)
    handshake(talk, ntlm(number=number))
    return talk


def test_both_sides_are_reset_right_after_the_logon() -> None:
    lan = Wire()
    numbers = []
    for number in (1, 2):
        talk = logon(lan, number)
        numbers += [talk.reset_by_server(ttl=62), talk.reset_by_client(ttl=62)]
        lan.wait(2)

    done = judge(lan)
    finding = done.one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.HIGH, 0.9, "network")
    assert set(numbers) <= set(packets(finding))
    assert names(finding, *numbers[:2])
    assert "both sides got a RST" in finding.why
    assert "TTL 62 (the server's packets have 64, the client's 64)" in finding.why
    assert "after the logon" in finding.why
    assert not {"tcp.rst-after-2xx", "tcp.request-lost-after-auth"} & done.rules
    assert "the server 10.20.2.20:5985 reset" not in " ".join(other.why for other in done.findings)


def test_the_server_goes_on_with_the_connection_that_was_reset_in_its_name() -> None:
    lan = Wire()
    talk = logon(lan, 1)
    asked = talk.send(ask_sealed(0))
    ended = talk.reset_by_server(1)
    lan.wait(0.1)
    went_on = talk.answer(sealed_reply(0))
    talk.answer(sealed_reply(1))
    finding = judge(lan).one(RULE)
    assert names(finding, ended, went_on)
    assert asked
    assert "The server itself went on: it sent 2 more packets" in finding.why


def test_the_servers_own_reset_is_its_own() -> None:
    lan = Wire()
    logon(lan, 1).reset_by_server()
    assert judge(lan).found(RULE) == []


def test_a_route_of_one_hop_more_is_no_device() -> None:
    lan = Wire()
    logon(lan, 1).reset_by_server(ttl=63)
    assert judge(lan).found(RULE) == []


def test_a_reset_after_a_fin_does_no_harm() -> None:
    lan = Wire()
    talk = logon(lan, 1)
    talk.close_by_client()
    talk.reset_by_server(ttl=250)
    assert judge(lan).found(RULE) == []


def test_an_idle_connection_that_a_device_clears_away_is_low() -> None:
    lan = Wire()
    talk = logon(lan, 1)
    trip(talk, ask_sealed(0), sealed_reply(0))
    talk.reset_by_server(240, ttl=250)
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "240.0 s after the last answer" in finding.why


def test_a_refused_connection_has_nothing_to_compare_with() -> None:
    lan = Wire()
    lan.refused("10.10.1.11", 50001, "10.20.2.20", 5985)
    assert judge(lan).found(RULE) == []


def test_resets_in_both_names_at_once_come_from_neither() -> None:
    lan = Wire()
    talk = logon(lan, 1)
    talk.reset_by_server()
    talk.reset_by_client()
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.75
    assert "A host that is reset does not answer with a reset" in finding.why


def test_resets_of_both_sides_one_after_the_other_may_be_their_own() -> None:
    lan = Wire()
    talk = logon(lan, 1)
    talk.reset_by_server()
    talk.reset_by_client(0.05)
    assert judge(lan).found(RULE) == []
