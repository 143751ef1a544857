"""The lines that rules look for in what was run, as a fact of the evidence: for the rules that come with the analyzer before all are run, for each of the
user's own in its own process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from analyzer.engine.budget import TELLING, UNBOUNDED, Budget
from analyzer.rules.catalogue import rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.records.evidence import Evidence
    from analyzer.records.sigma import Detection
    from analyzer.settings import Limits


def with_sightings(evidence: Evidence, limits: Limits, budget: Budget) -> Evidence:
    """The evidence with the lines that the rules look for in what was run."""
    return sighted(evidence, {rule.id: rule.looks_for for rule in rules() if rule.looks_for} if evidence.commands else {}, limits, budget)


def with_sigma(evidence: Evidence, folders: Sequence[str], limits: Limits, budget: Budget) -> Evidence:
    """The evidence with what the user's Sigma rules say of its commands."""
    if not folders:
        return evidence
    from analyzer.sigma.bounds import Bounds
    from analyzer.sigma.hits import hits

    bounds = Bounds(limits.sigma_hits, limits.searched_characters, budget.over(TELLING), budget.told())
    found = hits(folders, evidence.commands, evidence.forwarding.events, evidence.operations, bounds)
    return replace(evidence, sigma_hits=found.hits, sigma_event_hits=found.events, issues=(*evidence.issues, *found.issues))


def sighted(evidence: Evidence, asked: Mapping[str, Sequence[Detection]], limits: Limits, budget: Budget = UNBOUNDED) -> Evidence:
    """The evidence with the lines that fit these detections, by rule. `UsageError`: one is not understood."""
    if not asked:
        return evidence
    from analyzer.sigma.bounds import Bounds
    from analyzer.sigma.sightings import sightings

    bounds = Bounds(limits.sightings, limits.searched_characters, budget.over(TELLING), budget.told())
    found = sightings(asked, evidence.commands, bounds)
    return replace(evidence, sightings=(*evidence.sightings, *found.sightings), issues=(*evidence.issues, *found.issues))
