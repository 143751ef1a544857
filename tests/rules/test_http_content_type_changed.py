import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, SOAP, reply
from tests.build.talk_proxy import ask_sealed, far_leg, forwarded, near_leg
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.content-type-changed"


@pytest.mark.parametrize("status", [400, 415])
def test_another_type_and_an_error(status: int) -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    one = near.send(asked)
    other = far.send(forwarded(asked).without("Content-Type").plus(("Content-Type", SOAP)))
    refused = far.answer(reply(status))
    near.answer(reply(status))

    finding = judge(lan).one(RULE)

    assert finding.title == f"Proxy 10.10.1.1 changes Content-Type; the server answers {status}"
    assert finding.severity is Severity.HIGH
    assert packets(finding) == [one, other, refused]
    assert names(finding, one, other, refused)
    assert f"forwarded {SOAP}" in finding.why


def test_white_space_and_case_mean_nothing() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    own = next(value for name, value in asked.fields if name == "Content-Type")
    far.send(forwarded(asked).without("Content-Type").plus(("Content-Type", own.replace(";", "; "))))
    far.answer(reply(400))
    near.answer(reply(400))
    assert judge(lan).found(RULE) == []


def test_a_change_that_did_no_harm() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    far.send(forwarded(asked).without("Content-Type").plus(("Content-Type", SOAP)))
    far.answer(reply(200))
    near.answer(reply(200))
    assert judge(lan).found(RULE) == []
