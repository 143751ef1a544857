from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "capture.snaplen"


def session(lan: Wire) -> None:
    for port in (50001, 50002):
        trip(direct(lan, port=port), ask_sealed(port), sealed_reply(port))


def test_bodies_were_cut() -> None:
    lan = Wire()
    session(lan)

    finding = judge(lan, snap=700).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding)[0] == 1
    assert finding.connections == ("c1", "c2")
    assert names(finding, 1)
    assert "of 2 WinRM connections in wire.pcap were cut off by the snap length of 700" in finding.why


def test_whole_packets() -> None:
    lan = Wire()
    session(lan)
    assert judge(lan).found(RULE) == []


def test_a_hole_is_no_cut() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(ask_sealed(0))
    talk.answer(sealed_reply(0), captured=False)
    trip(talk, ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []
