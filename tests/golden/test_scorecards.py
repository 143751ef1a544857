"""The scorecard of each proxy says what the truth of the sample says: what must be found there fails, nothing else does, and a healthy proxy passes."""

from pathlib import Path

import pytest

import analyzer
from analyzer.records.proxy import Check, Scorecard, Verdict
from analyzer.rules.scorecard import REQUIREMENTS, rules_of
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
PROXIED = [path.parent for path in sorted(SAMPLES.glob("*/truth.json")) if truth(path.parent)["hops"]]
RULES = {requirement.name: set(rules_of(requirement)) for requirement in REQUIREMENTS}
INSIDE_TLS = ("https-", "squid-connect-https", "squid-connect-proxyauth")


def cards(folder: Path) -> tuple[Scorecard, ...]:
    return analyzer.analyze(captures(folder, truth(folder))).result.scorecards


def checks(folder: Path) -> list[Check]:
    return [check for card in cards(folder) for check in card.checks]


@pytest.mark.parametrize("folder", PROXIED, ids=lambda folder: folder.name)
def test_a_requirement_fails_when_and_only_when_the_sample_was_made_to_break_it(folder: Path) -> None:
    known = truth(folder)
    expected, allowed = set(known["expected_rules"]), set(known["expected_rules"]) | set(known.get("open_rules", ()))
    failed = {check.requirement for check in checks(folder) if check.verdict is Verdict.FAIL}
    assert {name for name, rules in RULES.items() if rules & expected} <= failed
    assert failed <= {name for name, rules in RULES.items() if rules & allowed}


@pytest.mark.parametrize("folder", [folder for folder in PROXIED if truth(folder)["healthy"]], ids=lambda folder: folder.name)
def test_a_healthy_proxy_passes_with_evidence(folder: Path) -> None:
    found = {check.requirement: check for check in checks(folder)}
    assert found
    assert not [check for check in found.values() if check.verdict is Verdict.FAIL]
    for check in found.values():
        assert (check.verdict is Verdict.PASS) == (check.count > 0)
        assert bool(check.packets) == (check.verdict is Verdict.PASS)
    if not folder.name.startswith(INSIDE_TLS) and any(login["mechanism"] != "basic" for login in truth(folder)["authentications"]):
        assert found["http_1_1"].verdict is Verdict.PASS
        assert found["affinity"].verdict is Verdict.PASS
        assert found["no_foreign_request"].verdict is Verdict.PASS
