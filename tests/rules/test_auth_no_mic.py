import struct

from analyzer.records.finding import Severity
from tests.build.talk_http import Ask, post, reply
from tests.build.talk_proxy import Trip, direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import Shake, handmade, ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3, ntlmv2_response

RULE = "auth.no-mic"
USER = "alice".encode("utf-16-le")
TIME = (7, bytes(8))
NAME = (2, "LAB".encode("utf-16-le"))
END = bytes(4)


def made(*pairs: tuple[int, bytes], flags: int | None = None, nt: bytes | None = None) -> Shake:
    """A handshake whose challenge has these pairs, and whose answer has MsvAvFlags ``flags`` (none: no such pair)."""
    own = b"" if flags is None else struct.pack("<HHI", 6, 4, flags)
    return handmade(ntlm1(), ntlm2((NAME, *pairs)), ntlm3(USER, nt=ntlmv2_response(own + END) if nt is None else nt))


def by(asked: Ask, agent: str) -> Ask:
    return asked.without("User-Agent").plus(("User-Agent", agent))


def logon(talk: Talk, shake: Shake, agent: str = "curl/8.0") -> Trip:
    trip(talk, by(post("/wsman", shake.credentials(0)), agent), shake.challenge())
    return trip(talk, by(post("/wsman", shake.credentials(1)), agent), reply(200))


def test_a_program_that_never_sends_one() -> None:
    lan = Wire()
    found = logon(direct(lan), made(TIME))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.9)
    assert packets(finding) == [found.asked]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x2",))
    assert finding.attack == ()
    assert names(finding, found.asked)
    assert "1 NTLM authenticate message of curl/8.0" in finding.why


def test_windows_always_sends_one() -> None:
    lan = Wire()
    logon(direct(lan), made(TIME), "Microsoft WinRM Client")
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence, finding.attack) == (Severity.HIGH, 0.7, ("T1557",))
    assert "the message was changed on the way" in finding.why


def test_other_flags_are_no_mic() -> None:
    lan = Wire()
    logon(direct(lan), made(TIME, flags=1))
    assert len(judge(lan).found(RULE)) == 1


def test_the_flag_is_there() -> None:
    lan = Wire()
    logon(direct(lan), made(TIME, flags=2))
    handshake(direct(lan, port=50002), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_challenge_without_time_does_not_ask_for_it() -> None:
    lan = Wire()
    logon(direct(lan), made())
    assert judge(lan).found(RULE) == []


def test_ntlmv1_has_none() -> None:
    lan = Wire()
    logon(direct(lan), made(TIME, nt=b"\x11" * 24))
    assert judge(lan).found(RULE) == []


def test_the_answer_alone_says_nothing() -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", made(TIME).credentials(1)), reply(200))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), made(TIME))
    assert judge(lan).one(RULE).connections == ("c1",)
