"""Which finding explains which other: a root cause leaves its symptoms out, so that one defect is one finding.

A symptom goes when a cause was found on the same client's connections (or the same upstream ones). Its exchanges and packets stay visible in the tables.
"""

from collections.abc import Sequence
from functools import cache

from analyzer.records.finding import Finding
from analyzer.rules.catalogue import FAMILIES, rules


def explained(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that no other one explains, in the order given."""
    families = {finding.rule.partition(".")[0] for finding in findings}
    causes = symptoms(tuple(family for family in FAMILIES if family in families))
    known = habits(tuple(family for family in FAMILIES if family in families))
    claimed: dict[str, set[str]] = {}
    places: dict[str, set[tuple[str | None, str | None]]] = {}
    for finding in findings:
        for symptom in known.get(finding.rule, ()):
            places.setdefault(symptom, set()).add((finding.source, finding.destination))
        for symptom in causes.get(finding.rule, ()):
            claimed.setdefault(symptom, set()).update(finding.connections)
    return [
        finding
        for finding in findings
        if not claimed.get(finding.rule, set()).intersection(finding.connections) and (finding.source, finding.destination) not in places.get(finding.rule, ())
    ]


@cache
def symptoms(families: Sequence[str] = FAMILIES) -> dict[str, tuple[str, ...]]:
    """Each cause of these families with the symptoms that it explains; other families' rules are not loaded for it."""
    return {rule.id: rule.explains for rule in rules(families) if rule.explains}


@cache
def habits(families: Sequence[str] = FAMILIES) -> dict[str, tuple[str, ...]]:
    """What one side does to every connection of a client: each such cause with its symptoms on other connections of the same client to the same endpoint."""
    return {rule.id: rule.habit for rule in rules(families) if rule.habit}
