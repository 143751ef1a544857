"""The comparison itself: a truth that is altered in one place must be told apart from the real one, whatever the place."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer.records.result import Result
from tests.golden.samples import Comparison, Login, Truth, captures, compared, truth

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
HEALTHY = SAMPLES / "squid-ntlm-healthy"
FAULTY = SAMPLES / "direct-basic"
CATALOGUE = ("auth.basic-cleartext", "enc.plaintext-soap-direct", "auth.loop")


@cache
def result(folder: Path) -> Result:
    return analyzer.analyze(captures(folder, truth(folder))).result


def comparison(folder: Path, change: Callable[[Truth], object]) -> Comparison:
    altered = copy.deepcopy(truth(folder))
    change(altered)
    return compared(altered, result(folder), CATALOGUE)


def parts(folder: Path, change: Callable[[Truth], object]) -> set[str]:
    return {problem.part for problem in comparison(folder, change).problems}


def put(*path: str | int, value: object) -> Callable[[Truth], object]:
    """Sets a place of the truth."""

    def change(known: Truth) -> None:
        holder: Any = known
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = value

    return change


def test_the_real_truth_has_no_difference() -> None:
    for folder in (HEALTHY, FAULTY):
        assert not comparison(folder, lambda _: None).problems


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda known: known["connections"].pop(), "connections"),
        (put("connections", 0, "client_port", value=1), "connections"),
        (put("connections", 0, "leg", value="direct"), "connections"),
        (put("connections", 0, "protocol", value="tls"), "connections"),
        (put("connections", 0, "statuses", 1, value=200), "connections"),
        (lambda known: known["exchanges"].pop(), "exchanges"),
        (put("exchanges", 3, "request_packet", value=1), "exchanges"),
        (put("exchanges", 3, "response_packet", value=1), "exchanges"),
        (put("exchanges", 3, "status", value=500), "exchanges"),
        (put("exchanges", 3, "method", value="GET"), "exchanges"),
        (lambda known: known["hops"].pop(), "hops"),
        (lambda known: known["hops"].append([known["hops"][0][0], known["hops"][1][1]]), "hops"),
        (put("ambiguous_hops", value=[[["a:1", 1], ["b:2", 1]]]), "hops"),
        (lambda known: known["authentications"].pop(), "authentications"),
        (put("authentications", 0, "user", value="mallory"), "authentications"),
        (put("authentications", 0, "domain", value=None), "authentications"),
        (put("authentications", 0, "outcome", value="refused"), "authentications"),
        (put("authentications", 0, "mechanism", value="kerberos"), "authentications"),
        (put("expected_rules", value=["auth.loop"]), "findings"),
    ],
)
def test_an_altered_truth_is_told_apart(change: Callable[[Truth], object], part: str) -> None:
    assert part in parts(HEALTHY, change)


def test_a_grave_finding_that_nobody_expects_is_wrong() -> None:
    altered = comparison(FAULTY, put("expected_rules", value=[]))
    assert {problem.part for problem in altered.problems} == {"findings"}
    assert altered.findings.wrong > 0


def test_a_finding_that_is_left_open_counts_nowhere() -> None:
    def leave_open(known: Truth) -> None:
        known["open_rules"] += known["expected_rules"]
        known["expected_rules"] = []

    altered = comparison(FAULTY, leave_open)
    assert not altered.problems
    assert altered.findings == (0, 0, 0)


def test_a_forbidden_finding_is_wrong_though_expected_ones_are_there() -> None:
    altered = comparison(FAULTY, put("forbidden_rules", value=["auth.basic-cleartext"]))
    assert [problem.part for problem in altered.problems] == ["findings"]


def test_a_rule_that_is_not_written_is_a_miss_and_named() -> None:
    altered = comparison(HEALTHY, put("expected_rules", value=["auth.nobody-wrote-it"]))
    assert altered.unwritten == ("auth.nobody-wrote-it",)
    assert altered.findings.missed == 1
    assert not altered.problems


def test_a_pair_of_exchanges_that_cannot_be_told_apart_is_wrong_even_when_true() -> None:
    def ambiguous(known: Truth) -> None:
        known["ambiguous_hops"], known["hops"] = known["hops"], []

    altered = comparison(HEALTHY, ambiguous)
    assert altered.hops.wrong == len(truth(HEALTHY)["hops"])


@pytest.mark.parametrize(
    ("claim", "allowed"),
    [
        (Login("a:1", "server", "ntlm", "bob", "LAB", "accepted"), True),
        (Login("a:1", "server", "ntlm", None, None, "unfinished"), True),
        (Login("a:1", "server", "unknown", None, None, "accepted"), True),
        (Login("a:1", "server", "ntlm", "alice", "LAB", "accepted"), False),
        (Login("a:1", "server", "kerberos", None, None, "accepted"), False),
        (Login("a:1", "server", "ntlm", "bob", "LAB", "refused"), False),
        (Login("b:2", "server", "ntlm", "bob", "LAB", "accepted"), False),
    ],
)
def test_who_sees_half_of_an_authentication_may_know_less_but_not_else(claim: Login, *, allowed: bool) -> None:
    assert claim.part_of(Login("a:1", "server", "ntlm", "bob", "LAB", "accepted")) is allowed
