import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import html, post, reply
from tests.build.talk_proxy import ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.refused-request"


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, "refused the request before WinRM saw it"),
        (405, "it takes no POST"),
        (414, "URL is too long"),
        (415, "does not take this Content-Type"),
        (429, "limits how many requests"),
        (451, ""),
    ],
)
def test_any_other_error_says_what_its_page_says(status: int, says: str) -> None:
    lan = Wire()
    one = trip(direct(lan), post(), reply(status, content=html("<title>No such luck</title>")))

    finding = judge(lan).one(RULE)

    assert finding.title == f"{status}: No such luck"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert says in finding.why


def test_a_500_that_is_no_fault_of_winrm() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(500, content=html("<title>Runtime Error</title>")))
    assert judge(lan).one(RULE).title == "500: Runtime Error"


@pytest.mark.parametrize("status", [401, 403, 404, 407, 411, 413, 502, 503, 504])
def test_errors_that_have_rules_of_their_own(status: int) -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(status, content=html()))
    assert judge(lan).found(RULE) == []


def test_an_encrypted_request_with_a_bare_400_has_a_rule_of_its_own() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), reply(400))
    assert judge(lan).found(RULE) == []


def test_an_answer() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []
