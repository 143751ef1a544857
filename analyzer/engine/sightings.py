"""The lines that rules look for in what was run, as a fact of the evidence: for the rules that come with the analyzer before all are run, for each of the
user's own in its own process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from analyzer.rules.catalogue import rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.records.evidence import Evidence
    from analyzer.records.sigma import Detection


def with_sightings(evidence: Evidence) -> Evidence:
    """The evidence with the lines that the rules look for in what was run."""
    return sighted(evidence, {rule.id: rule.looks_for for rule in rules() if rule.looks_for} if evidence.commands else {})


def sighted(evidence: Evidence, asked: Mapping[str, Sequence[Detection]]) -> Evidence:
    """The evidence with the lines that fit these detections, by rule. `UsageError`: one is not understood."""
    if not asked:
        return evidence
    from analyzer.sigma.sightings import sightings

    found = sightings(asked, evidence.commands, evidence.shells)
    return replace(evidence, sightings=(*evidence.sightings, *found.sightings), issues=(*evidence.issues, *found.issues))
