import pytest

from analyzer.records.finding import Severity
from tests.build.talk_faults import asks, done, fault
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.quota"


@pytest.mark.parametrize(
    ("code", "title"),
    [
        (2150859173, "MaxShellsPerUser is used up on srv01.lab.example"),
        (2150859174, "MaxConcurrentOperationsPerUser is used up on srv01.lab.example"),
        (2150859179, "MaxConcurrentUsers is used up on srv01.lab.example"),
        (2150858815, "A quota is used up on srv01.lab.example"),
    ],
)
def test_a_quota_that_is_used_up(code: int, title: str) -> None:
    lan = Wire()
    one = trip(direct(lan), post(content=asks("Create")), fault(code, "Too many.", subcode="w:QuotaLimit"))

    finding = judge(lan).one(RULE)

    assert (finding.title, finding.severity) == (title, Severity.MEDIUM)
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert 'The server says: "Too many."' in finding.why


def test_a_later_success_makes_it_low() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=asks("Create")), fault(2150859173))
    trip(talk, post(content=asks("Create", number=2)), reply(200, content=done()))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "A later request of the same kind went well." in finding.why


def test_a_success_of_another_kind_changes_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=asks("Create")), fault(2150859173))
    trip(talk, post(content=asks("Get", number=2)), reply(200, content=done("Get")))
    assert judge(lan).one(RULE).severity is Severity.MEDIUM


def test_each_code_is_a_finding_of_its_own() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=asks("Create")), fault(2150859173))
    trip(talk, post(content=asks("Create", number=2)), fault(2150859179))
    assert len(judge(lan).found(RULE)) == 2


def test_a_request_that_goes_well() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), reply(200, content=done()))
    assert judge(lan).found(RULE) == []
