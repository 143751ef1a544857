"""Which finding explains which other: a root cause leaves its symptoms out, so that one defect is one finding.

A symptom goes when a cause was found on the same client's connections (or the same upstream ones). Its exchanges and packets stay visible in the tables.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache

from analyzer.records.finding import Finding, Severity
from analyzer.rules.catalogue import FAMILIES, rules

FALLBACK = "http.request-failed"
"""The rule for failures that no other one explains: any other finding about the same client and service, or the same connection, says more."""
EXPOSES = (
    *("attack.tool-", "attack.omigod", "attack.config-", "attack.bulk-", "attack.sigma-", "attack.ntlm"),
    *("attack.credential-", "attack.code-", "attack.encoded-", "attack.logging-", "attack.defender-", "attack.service-", "attack.shadow-"),
    *("capture.", "proxyauth.over-plain-http", "proxyauth.cleartext", "proxyauth.socks-password", "proxy.socks"),
    *("auth.basic-cleartext", "auth.ntlmv1", "auth.no-mic", "auth.two-credential-sets", "auth.same-identity", "auth.kerberos-weak-etype"),
    *("enc.plaintext-soap", "enc.server-allows", "enc.mixed-mode", "enc.identify", "enc.no-seal", "enc.weak-seal", "enc.proxy-path"),
)
"""Beginnings of rules that tell what an attacker could read or did; they do not tell why a request fails."""


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def order(finding: Finding) -> tuple[int, int, str, str, tuple[int, ...]]:
    """The order in which findings are told and get their ids: by severity, then by time."""
    return -_RANK[finding.severity], finding.first_ns, finding.rule, finding.subject, finding.packets


def explained(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that no other one explains, in the order given."""
    left_out = {id(symptom) for symptom, _ in explanations(findings)}
    return [finding for finding in findings if id(finding) not in left_out]


def explanations(findings: Sequence[Finding], of_the_user: Mapping[str, tuple[str, ...]] | None = None) -> list[tuple[Finding, Finding]]:
    """(symptom, cause) of each finding that another one explains; the cause is one that nothing explains, where there is such.

    ``of_the_user``: what the user's rules explain, by rule.
    """
    told_by = {finding.rule for finding in findings}
    families = {rule.partition(".")[0] for rule in told_by}
    causes = _among(told_by, {**symptoms(tuple(family for family in FAMILIES if family in families)), **(of_the_user or {})})
    known = _among(told_by, habits(tuple(family for family in FAMILIES if family in families)))
    claimed: dict[str, dict[str, Finding]] = {}
    places: dict[str, dict[tuple[str | None, str | None], Finding]] = {}
    for finding in findings:
        rule = finding.rule
        if rule in known:
            for symptom in known[rule]:
                places.setdefault(symptom, {}).setdefault((finding.source, finding.destination), finding)
        if rule in causes:
            for symptom in causes[rule]:
                own = claimed.setdefault(symptom, {})
                for connection in finding.connections:
                    own.setdefault(connection, finding)
    failures = FALLBACK in told_by
    telling = [finding for finding in reversed(findings) if _tells(finding)] if failures else []
    told = {connection: finding for finding in telling for connection in finding.connections}
    services = {(finding.source, finding.destination): finding for finding in telling}
    found: dict[int, tuple[Finding, Finding]] = {}
    for finding in [one for one in findings if one.rule in claimed or one.rule in places or one.rule == FALLBACK]:
        own = claimed.get(finding.rule, {})
        cause = next((own[connection] for connection in finding.connections if connection in own), None)
        cause = cause or places.get(finding.rule, {}).get((finding.source, finding.destination))
        if cause is None and finding.rule == FALLBACK:
            cause = services.get((finding.source, finding.destination)) or next((told[one] for one in finding.connections if one in told), None)
        if cause is not None:
            found[id(finding)] = finding, cause
    return [(symptom, _root(cause, found)) for symptom, cause in found.values()]


def _among(rules: AbstractSet[str], causes: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Causes and their symptoms, as far as both are told."""
    found = {cause: [symptom for symptom in named if symptom in rules] for cause, named in causes.items() if cause in rules}
    return {cause: named for cause, named in found.items() if named}


def _tells(finding: Finding) -> bool:
    """It says what went wrong, so that the rule for what no other one explains is silent."""
    return finding.severity is not Severity.INFO and finding.rule != FALLBACK and not finding.rule.startswith(EXPOSES)


def _root(cause: Finding, found: Mapping[int, tuple[Finding, Finding]]) -> Finding:
    """What explains the cause itself, as far as that leads."""
    seen = {id(cause)}
    while id(cause) in found:
        cause = found[id(cause)][1]
        if id(cause) in seen:
            break
        seen.add(id(cause))
    return cause


@cache
def symptoms(families: Sequence[str] = FAMILIES) -> dict[str, tuple[str, ...]]:
    """Each cause of these families with the symptoms that it explains; other families' rules are not loaded for it."""
    return {rule.id: rule.opinion.explains for rule in rules(families) if rule.opinion.explains}


@cache
def consequences(families: Sequence[str] = FAMILIES) -> dict[str, tuple[str, ...]]:
    """Each cause with all that follows from it: its symptoms, and what is told all the same."""
    told = {rule.id: (*rule.opinion.explains, *rule.opinion.leads_to) for rule in rules(families)}
    return {cause: follows for cause, follows in told.items() if follows}


@cache
def habits(families: Sequence[str] = FAMILIES) -> dict[str, tuple[str, ...]]:
    """What one side does to every connection of a client: each such cause with its symptoms on other connections of the same client to the same endpoint."""
    return {rule.id: rule.opinion.habit for rule in rules(families) if rule.opinion.habit}
