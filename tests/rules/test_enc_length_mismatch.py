from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, Content, post, sealed
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.length-mismatch"


def says(length: int, content: Content) -> Content:
    """The same body with another declared length."""
    return content._replace(body=content.body.replace(b"Length=600", f"Length={length}".encode()))


def asks(length: int, target: str = "/wsman") -> Ask:
    return post(target, content=says(length, sealed(0)))


def test_a_length_that_goes_beyond_the_body() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    found = trip(talk, asks(700), sealed_reply(0))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.8)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x4",))
    assert names(finding, found.asked)
    assert "700 bytes declared, 624 to the end of the body" in finding.why


def test_a_response_counts_as_well() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    answer = sealed_reply(0)
    trip(talk, ask_sealed(0), answer._replace(body=answer.body.replace(b"Length=600", b"Length=900")))
    assert "in the response of c1.x4" in judge(lan).one(RULE).why


def test_the_right_length() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, asks(600), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_credssp_adds_the_frame_of_tls() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    content = asks(700)
    trip(talk, content._replace(body=content.body.replace(b"HTTP-SPNEGO", b"HTTP-CredSS")), sealed_reply(0))
    assert len(judge(lan).found(RULE)) == 1
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    body = content.body.replace(b"HTTP-SPNEGO", b"HTTP-CredSSP")
    trip(talk, content.without("Content-Length").plus(("Content-Length", str(len(body))))._replace(body=body), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_a_body_that_was_not_wholly_captured() -> None:
    lan = Wire(mss=500)
    talk = direct(lan)
    handshake(talk, ntlm())
    asked = asks(600).wire()
    talk.send(asked[:1000])
    talk.send(asked[1000:], captured=False)
    talk.answer(sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, asks(700, ABSOLUTE), sealed_reply(0))
    assert judge(lan).one(RULE).connections == ("c1",)
