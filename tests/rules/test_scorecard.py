"""Which findings fail which requirement of a proxy. `tests/golden/test_scorecards.py` holds whole samples against their truth."""

import pytest
from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.proxy import Check, Verdict
from analyzer.rules import microsoft
from analyzer.rules.scorecard import REQUIREMENTS, alone_of, rules_of, scorecards
from tests.build.evidence import finding
from tests.build.talks import Wire
from tests.rules.judging import judge
from tests.rules.test_conformance import PUBLIC
from tests.rules.test_http_keepalive_stripped import session

PAIRS = [(requirement, rule) for requirement in REQUIREMENTS for rule in sorted((*rules_of(requirement), *alone_of(requirement)))]


def evidence() -> Evidence:
    lan = Wire()
    session(lan)
    return judge(lan).evidence


def found(rule: str) -> Finding:
    return replace(finding(rule), connections=("c1", "c2"))


def checked(name: str, *findings: Finding) -> Check:
    (card,) = scorecards(evidence(), findings)
    return next(check for check in card.checks if check.requirement == name)


@pytest.mark.parametrize(("requirement", "rule"), PAIRS, ids=lambda one: getattr(one, "name", one))
def test_a_finding_fails_its_requirement(requirement: object, rule: str) -> None:
    name = getattr(requirement, "name", "")
    failed = checked(name, found(rule))
    assert (failed.verdict, failed.count, failed.detail) == (Verdict.FAIL, 1, rule)
    assert failed.sentence is not None
    assert failed.sentence == getattr(requirement, "sentence", None)
    assert checked(name, replace(found(rule), connections=("c9",))).verdict is not Verdict.FAIL
    assert rule in PUBLIC


def test_closed_connections_are_no_persistence() -> None:
    """Microsoft: "Connection persistence."."""
    lan = Wire()
    session(lan, on=True)
    judged = judge(lan)
    (card,) = scorecards(judged.evidence, judged.findings)
    assert [(check.verdict, check.detail, check.sentence) for check in card.checks if check.requirement == "connection_persistence"] == [
        (Verdict.FAIL, "http.keepalive-stripped", microsoft.PERSISTENCE)
    ]


def test_a_symptom_fails_nothing_of_its_own() -> None:
    closed = found("tcp.close-after-auth-2xx")
    assert checked("connection_persistence", closed, found("http.keepalive-stripped")).verdict is not Verdict.FAIL
    assert checked("keeps_open_after_success", closed, found("http.keepalive-stripped")).verdict is Verdict.FAIL


def test_a_request_of_another_clients_context_is_no_affinity() -> None:
    """Microsoft: "The client TCP/IP connection to the proxy should continue to map to the same TCP/IP connection"."""
    failed = checked("affinity", found("affinity.context-mismatch"))
    assert (failed.verdict, failed.sentence) == (Verdict.FAIL, microsoft.SAME_CONNECTION)
