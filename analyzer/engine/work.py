"""Job *judge*: runs every rule over the evidence, drops the findings that another one explains, and makes incidents and the diagnosis of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from analyzer.engine.budget import TELLING, UNBOUNDED, Budget
from analyzer.records.evidence import Evidence, nothing
from analyzer.records.finding import Finding
from analyzer.records.issues import Issue
from analyzer.records.proxy import Scorecard
from analyzer.records.secrets import Secrets
from analyzer.settings import Limits

if TYPE_CHECKING:
    from analyzer.engine.own_rules import Own
    from analyzer.incidents.facts import About, Crowd
    from analyzer.incidents.sums import Sums
    from analyzer.records.incident import Incident
    from analyzer.rules.catalogue import Rule

_NAMED = 3
"""Rules that an issue names."""


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
    negotiate: bool = False
    """Not WinRM alone, but whatever authenticates by Negotiate, NTLM or Kerberos over HTTP."""


class Judgement(Struct, frozen=True, gc=False):
    """Findings, the most severe first, then by time; the scorecards of the proxies; an issue for each rule that failed; what all of it comes to."""

    findings: tuple[Finding, ...]
    scorecards: tuple[Scorecard, ...]
    failures: tuple[Issue, ...]
    incidents: tuple[Incident, ...] = ()
    diagnosis: tuple[str, ...] = ()


def told(evidence: Evidence) -> Evidence:
    """What opinions are about, with the picture of the whole."""
    if not evidence.connections:
        return evidence
    from analyzer.story.scope import scope
    from analyzer.story.whole import story

    scoped = scope(evidence)
    return scoped if scoped.story.parties or not scoped.winrm else replace(scoped, story=story(scoped))


class Opinions(Struct, frozen=True, gc=False):
    """What rules say of an evidence. ``kept``: findings in the order in which they are told; ``left_out``: (symptom, cause) of the others. ``titles``: of the
    rules, by id; ``rules``: how many there are, ``skipped``: for how many of them there was no time; ``silent``: nothing was there that they could speak of."""

    kept: tuple[Finding, ...]
    left_out: tuple[tuple[Finding, Finding], ...]
    cards: tuple[Scorecard, ...]
    failures: tuple[Issue, ...]
    titles: Mapping[str, str]
    rules: int = 0
    skipped: int = 0
    silent: bool = False


class Picture(Struct, frozen=True, gc=False):
    """What incidents and the diagnosis are made of besides the findings: what each of these is about, who the clients are, and what was counted."""

    about: tuple[About, ...]
    crowd: Crowd
    sums: Sums


def judged(evidence: Evidence, settings: Settings, done: Callable[[int, int], None] | None = None) -> Judgement:
    """Runs the rules, and then those of the user's folders. ``done`` is told how many of how many ran.

    One process does it: rules read all records and say little, and a process that is forked for them copies every page that it reads (counting references
    writes), which costs what the second core gains.
    """
    if evidence.winrm and not evidence.story.parties and settings.budget.spent(TELLING):
        return Judgement((), (), (), (), (*_unread(evidence.issues), "There was no time to look for findings."))
    evidence = told(evidence)
    found = opinions(evidence, settings, done)
    if found.silent:
        return Judgement((), (), found.failures, (), (*_unread(evidence.issues), *nothing(evidence)))
    from analyzer.rules.causes import consequences

    return concluded(found, picture(evidence, found.kept), evidence.issues, settings, consequences() if evidence.connections else {})


def opinions(evidence: Evidence, settings: Settings, done: Callable[[int, int], None] | None = None) -> Opinions:
    """What the rules say of ``evidence``, of which the story is told."""
    given = settings.asked.thresholds
    chosen = _chosen(evidence)
    by_rule: list[list[Finding] | None] = []
    for rule in chosen:
        by_rule.append(None if settings.budget.spent() else list(rule.find(evidence, given.get(rule.id))))
        if done is not None:
            done(len(by_rule), len(chosen))
    found = [finding for some in by_rule for finding in some or ()]
    if found and evidence.negotiate:
        from analyzer.rules import negotiated

        found = negotiated.told(found)
    own, failures = _of_the_user(evidence, settings)
    skipped = [rule.id for rule, some in zip(chosen, by_rule, strict=True) if some is None]
    failures = (*_not_run(skipped, settings.budget), *(Issue("names.limit", one.unnamed) for one in evidence.story.hosts if one.unnamed), *failures)
    found += [finding for one in own for finding in one.findings]
    if not found and not evidence.connections and not evidence.scope:
        return Opinions((), (), (), failures, {}, silent=True)
    from analyzer.rules.causes import explanations, order
    from analyzer.rules.scorecard import scorecards

    left_out = explanations(found, {one.id: one.explains for one in own})
    dropped = {id(symptom) for symptom, _ in left_out}
    shown = [finding for finding in found if id(finding) not in dropped]
    kept = sorted(shown, key=order)
    named = {rule.id: rule.title for rule in chosen} | {one.id: one.title for one in own}
    explained_alike = not any(one.explains for one in own)  # a card knows what our own rules explain
    cards = scorecards(evidence, found, shown if explained_alike else None) if evidence.story.parties else ()
    return Opinions(tuple(kept), tuple(left_out), cards, failures, named, len(chosen), len(skipped))


def picture(evidence: Evidence, findings: Sequence[Finding]) -> Picture:
    """What the evidence tells of these findings, and what was counted in it."""
    from analyzer.incidents.facts import about, crowd
    from analyzer.incidents.sums import sums

    told = about(evidence, findings)
    return Picture(told, crowd(evidence, told), sums(evidence))


def concluded(found: Opinions, seen: Picture, issues: Iterable[Issue], settings: Settings, follows: Mapping[str, Sequence[str]]) -> Judgement:
    """What findings come to: incidents and the diagnosis. ``follows``: each cause with the rules that follow from it."""
    from analyzer.incidents.diagnosis import diagnosis
    from analyzer.incidents.grouping import Known, Told, incidents
    from analyzer.rules.causes import EXPOSES

    grouped = incidents(found.kept, Known(seen.about, seen.crowd), Told(found.titles, follows, found.left_out))
    late = (f"{found.skipped} of {found.rules} rules were not run: {settings.budget.told()}.",) if found.skipped else ()
    return Judgement(found.kept, found.cards, found.failures, grouped, (*_unread(issues), *late, *diagnosis(seen.sums, grouped, EXPOSES)))


def _chosen(evidence: Evidence) -> tuple[Rule, ...]:
    """The rules that are asked. They are about connections: where there is none, none is even loaded."""
    if not evidence.connections:
        return ()
    from analyzer.rules.catalogue import rules

    if not evidence.negotiate:
        return rules()
    from analyzer.rules import negotiated

    return tuple(rule for rule in rules() if rule.id in negotiated.RULES)


def untold(budget: Budget) -> Issue:
    """The issue where there was no time for the picture of the whole, on which rules rest."""
    return Issue("rule.limit", f"{budget.told()}: parties, logons and endings were not told, and no rule was run")


def _not_run(skipped: Sequence[str], budget: Budget) -> tuple[Issue, ...]:
    if not skipped:
        return ()
    named = ", ".join(skipped[:_NAMED]) + (f" and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else "")
    return (Issue("rule.limit", f"{budget.told()}: {len(skipped)} rules were not run: {named}", repeats=len(skipped)),)


def _unread(issues: Iterable[Issue]) -> tuple[str, ...]:
    """A sentence where connections were left out: what is said is of the others."""
    left = next((issue for issue in issues if issue.code == "tcp.limit" and issue.record is None), None)
    return () if left is None else (f"Not all was read: {left.detail}.",)


def _of_the_user(evidence: Evidence, settings: Settings) -> tuple[tuple[Own, ...], tuple[Issue, ...]]:
    if not settings.asked.rules_dirs:
        return (), ()
    from analyzer.engine.own_rules import own_findings

    return own_findings(evidence, settings.asked.rules_dirs, settings.asked.thresholds, settings.limits)
