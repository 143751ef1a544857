from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "capture.one-sided"


def test_the_clients_packets_only() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.20.2.20", 5985, syn=False)
    for number in range(3):
        talk.send(ask_sealed(number))
        talk.answer(sealed_reply(number), captured=False)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [1]
    assert finding.connections == ("c1",)
    assert names(finding, 1)
    assert "Of 1 connection of 10.10.1.11 to 10.20.2.20:5985 only one direction is in the capture" in finding.why
    assert "the client's packets only" in finding.why


def test_both_directions() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []
