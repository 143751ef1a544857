"""The section *Proxies* of the first screen: a dozen of them, those that fail something before the others; ``--full`` shows each."""

import pytest

from analyzer.records.evidence import captures_only
from analyzer.records.proxy import Check, Scorecard, Verdict
from analyzer.records.result import Result
from analyzer.reports.lines import plain
from analyzer.reports.proxies import proxy_lines


def card(place: int, verdict: Verdict) -> Scorecard:
    return Scorecard(f"10.0.{place // 250}.{place % 250 + 1}", "reverse", None, (), (), (), 1, (Check("affinity", verdict, 1, "a rule", ()),))


def told(verdicts: list[Verdict], *, full: bool = False) -> str:
    result = Result(captures_only((), ()), (), {}, tuple(card(place, verdict) for place, verdict in enumerate(verdicts)))
    return plain(proxy_lines(result, 100, full=full))


@pytest.mark.parametrize("number", [1, 12])
def test_so_many_proxies_are_all_shown(number: int) -> None:
    text = told([Verdict.PASS] * number)
    assert text.count("reverse proxy") == number
    assert "more prox" not in text


def test_of_many_proxies_those_that_fail_are_shown_first_and_the_others_counted() -> None:
    verdicts = [Verdict.PASS] * 40
    verdicts[20] = verdicts[39] = Verdict.FAIL
    text = told(verdicts)
    assert text.count("reverse proxy") == 12
    assert text.count("FAIL        ") == 2, "both that fail are among them"
    assert text.index("10.0.0.1:") < text.index("10.0.0.21:") < text.index("10.0.0.40:"), "in their order"
    assert "and 28 more proxies, none of them with a FAIL; --full lists them (table proxies)" in " ".join(text.split())
    assert told(verdicts, full=True).count("reverse proxy") == 40


def test_how_many_of_the_others_fail_is_said() -> None:
    text = " ".join(told([Verdict.FAIL] * 13).split())
    assert "and 1 more proxy, 1 of them with a FAIL" in text
