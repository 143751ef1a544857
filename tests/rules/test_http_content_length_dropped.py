import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply
from tests.build.talk_proxy import direct, far_leg, forwarded, near_leg, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.content-length-dropped"


@pytest.mark.parametrize("status", [411, 400])
def test_the_proxy_takes_the_length_away(status: int) -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = post(ABSOLUTE, ntlm("alice").credentials(0))
    one = near.send(asked)
    other = far.send(forwarded(asked).without("Content-Length"))
    refused = far.answer(reply(status))
    near.answer(reply(status))

    judged = judge(lan)
    finding = judged.one(RULE)

    assert finding.title == f"Proxy 10.10.1.1 drops Content-Length, and the server answers {status}"
    assert finding.severity is Severity.HIGH
    assert packets(finding) == [one, other, refused]
    assert names(finding, one, other, refused)
    assert not {"http.length-required", "http.refused-request"} & judged.rules


def test_chunked_instead_of_a_length() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = post(ABSOLUTE, ntlm("alice").credentials(0))
    near.send(asked)
    far.send(forwarded(asked).without("Content-Length").plus(("Transfer-Encoding", "chunked"))._replace(body=b"0\r\n\r\n"))
    far.answer(reply(400))
    near.answer(reply(400))
    assert judge(lan).found(RULE) == []


def test_a_server_that_does_not_mind() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = post(ABSOLUTE, ntlm("alice").credentials(0))
    near.send(asked)
    far.send(forwarded(asked).without("Content-Length"))
    far.answer(ntlm("alice").challenge(0))
    near.answer(ntlm("alice").challenge(0))
    assert judge(lan).found(RULE) == []


def test_one_side_shows_nothing() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(411))
    assert judge(lan).found(RULE) == []
