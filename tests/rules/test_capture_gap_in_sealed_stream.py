from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "capture.gap-in-sealed-stream"


def test_a_response_is_missing() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.send(ask_sealed(0))
    talk.answer(sealed_reply(0), captured=False)
    last = trip(talk, ask_sealed(1), sealed_reply(1))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [1, last.answered]
    assert finding.connections == ("c1",)
    assert names(finding, 1, last.answered)
    assert (
        f"{len(sealed_reply(0).wire()):,} bytes in 1 hole are missing on 1 connection of 10.10.1.11 to 10.20.2.20:5985 with encrypted messages" in finding.why
    )


def test_nothing_is_missing() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_readable_messages_need_no_order() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(post(content=soap()))
    talk.answer(reply(200), captured=False)
    trip(talk, post(content=soap(number=2)), reply(200))
    assert judge(lan).found(RULE) == []


def test_what_the_snap_length_cut_is_another_rules() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    judged = judge(lan, snap=700)
    assert judged.found(RULE) == []
    assert "capture.snaplen" in judged.rules
