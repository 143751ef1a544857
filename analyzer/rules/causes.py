"""Which finding explains which other: a root cause leaves its symptoms out, so that one defect is one finding.

A symptom goes when a cause was found on the same client's connections (or the same upstream ones). Its exchanges and packets stay visible in the tables.
"""

from collections.abc import Sequence
from functools import cache

from analyzer.records.finding import Finding
from analyzer.rules.catalogue import FAMILIES, rules

CAUSES: dict[str, tuple[str, ...]] = {
    "tcp.idle-timeout": ("http.encrypted-body-refused",),
    "tcp.response-truncated": ("http.encrypted-body-refused",),
    "tcp.longpoll-cut": ("tcp.request-cut", "http.encrypted-body-refused"),
    "tcp.request-lost-after-auth": ("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost"),
    "tcp.close-after-auth-2xx": (
        "tcp.request-cut",
        "auth.reauth-per-request",
        "auth.context-lost",
        "http.keepalive-stripped",
        "http.encrypted-body-refused",
    ),
    "tcp.rst-after-2xx": ("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost", "http.encrypted-body-refused"),
    "tcp.close-between-challenge-and-response": ("auth.loop", "auth.credentials-refused", "auth.reauth-per-request", "http.keepalive-stripped"),
    "tcp.upstream-idle-close": ("affinity.client-migrates", "auth.context-lost", "http.encrypted-body-refused"),
}
"""Cause: the symptoms that it explains; rules that are declared opinions say so themselves."""


HABITS: dict[str, tuple[str, ...]] = {
    "tcp.close-between-challenge-and-response": ("affinity.handshake-split", "tcp.request-cut"),
    "tcp.close-after-auth-2xx": ("tcp.request-cut",),
    "tcp.rst-after-2xx": ("tcp.request-cut",),
}
"""What one side does to every connection of a client: its symptoms show on other connections of the same client to the same endpoint."""


def explained(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that no other one explains, in the order given."""
    families = {finding.rule.partition(".")[0] for finding in findings}
    causes = symptoms(tuple(family for family in FAMILIES if family in families))
    claimed: dict[str, set[str]] = {}
    places: dict[str, set[tuple[str | None, str | None]]] = {}
    for finding in findings:
        for symptom in HABITS.get(finding.rule, ()):
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
    return {**CAUSES, **{rule.id: rule.explains for rule in rules(families) if rule.explains}}
