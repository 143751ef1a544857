"""Job *judge*: runs every rule over the evidence, drops the findings that another one explains, and makes incidents and the diagnosis of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from analyzer.engine.budget import UNBOUNDED, Budget
from analyzer.engine.forks import spread
from analyzer.records.evidence import Evidence, tls_words
from analyzer.records.finding import Finding
from analyzer.records.issues import Issue
from analyzer.records.proxy import Scorecard
from analyzer.records.secrets import Secrets
from analyzer.rules.catalogue import rules
from analyzer.rules.causes import EXPOSES, consequences, explanations, order
from analyzer.rules.scorecard import scorecards
from analyzer.settings import Limits

if TYPE_CHECKING:
    from analyzer.engine.own_rules import Own
    from analyzer.records.incident import Incident

_NOTHING = (
    "No WinRM traffic was found.",
    "WinRM uses ports 5985 (HTTP) and 5986 (HTTPS) unless it is set up otherwise: was the capture taken where that traffic passes?",
)
"""The diagnosis of captures without any connection of interest: what makes the others is not even loaded for them."""
_WITHOUT_CONNECTIONS = ("capture",)
"""The families that say something of a capture without any connection of ours."""


class Asked(Struct, frozen=True, gc=False):
    """What the user asks for besides the captures."""

    rules_dirs: Sequence[str] = ()
    sigma_dirs: Sequence[str] = ()
    proxy: str | None = None
    """The proxy product that the user named."""
    thresholds: Mapping[str, Mapping[str, float]] = {}
    """By rule and name, where the user has set them."""


class Settings(Struct, frozen=True, gc=False):
    """What the stages after the capture are told: limits, what the investigator knows, what the user asks for; and the run's budget."""

    limits: Limits
    secrets: Secrets
    asked: Asked
    scope: tuple[str, ...] = ()
    """What of the captures was looked at, in words; empty for all of them."""
    budget: Budget = UNBOUNDED


class Judgement(Struct, frozen=True, gc=False):
    """Findings, the most severe first, then by time; the scorecards of the proxies; an issue for each rule that failed; what all of it comes to."""

    findings: tuple[Finding, ...]
    scorecards: tuple[Scorecard, ...]
    failures: tuple[Issue, ...]
    incidents: tuple[Incident, ...] = ()
    diagnosis: tuple[str, ...] = ()


def with_sigma(evidence: Evidence, folders: Sequence[str]) -> Evidence:
    """The evidence with what the user's Sigma rules say of its commands."""
    if not folders:
        return evidence
    from analyzer.sigma.hits import hits

    found = hits(folders, evidence.commands, evidence.shells, evidence.forwarding.events, evidence.operations)
    return replace(evidence, sigma_hits=found.hits, sigma_event_hits=found.events, issues=(*evidence.issues, *found.issues))


def told(evidence: Evidence) -> Evidence:
    """What opinions are about, with the picture of the whole."""
    if not evidence.connections:
        return evidence
    from analyzer.story.scope import scope
    from analyzer.story.whole import story

    scoped = scope(evidence)
    return scoped if scoped.story.parties or not scoped.winrm else replace(scoped, story=story(scoped))


def judged(evidence: Evidence, settings: Settings, workers: int = 1, done: Callable[[int, int], None] | None = None) -> Judgement:
    """Runs the rules, in ``workers`` processes, and then those of the user's folders. ``done`` is told how many of how many ran."""
    evidence, given = told(evidence), settings.asked.thresholds
    chosen = rules() if evidence.connections else rules(_WITHOUT_CONNECTIONS)
    found = [finding for some in spread(lambda rule: list(rule.find(evidence, given.get(rule.id))), chosen, workers, done) for finding in some]
    own, failures = _of_the_user(evidence, settings)
    found += [finding for one in own for finding in one.findings]
    left_out = explanations(found, {one.id: one.explains for one in own})
    dropped = {id(symptom) for symptom, _ in left_out}
    kept = sorted((finding for finding in found if id(finding) not in dropped), key=order)
    if not kept and not evidence.connections and not evidence.scope:
        return Judgement((), (), failures, (), (*_unread(evidence), _NOTHING[0], *(tls_words(evidence) or _NOTHING[1:])))
    from analyzer.incidents.diagnosis import diagnosis
    from analyzer.incidents.grouping import Told, incidents

    named = {rule.id: rule.title for rule in chosen} | {one.id: one.title for one in own}
    grouped = incidents(evidence, kept, Told(named, consequences() if evidence.connections else {}, left_out))
    cards = scorecards(evidence, found) if evidence.story.parties else ()
    return Judgement(tuple(kept), cards, failures, grouped, (*_unread(evidence), *diagnosis(evidence, grouped, EXPOSES)))


def _unread(evidence: Evidence) -> tuple[str, ...]:
    """A sentence where connections were left out: what is said is of the others."""
    left = next((issue for issue in evidence.issues if issue.code == "tcp.limit" and issue.record is None), None)
    return () if left is None else (f"Not all was read: {left.detail}.",)


def _of_the_user(evidence: Evidence, settings: Settings) -> tuple[tuple[Own, ...], tuple[Issue, ...]]:
    if not settings.asked.rules_dirs:
        return (), ()
    from analyzer.engine.own_rules import own_findings

    return own_findings(evidence, settings.asked.rules_dirs, settings.asked.thresholds, settings.limits)
