"""A quota of the server is used up.

What it sees
    A fault that names a quota or a lack of resources in a response that could be read: shells of a user, concurrent
    operations, concurrent users, commands in a shell, memory, load.
Why it matters
    New work is refused until something ends. Often shells that no one closed hold the quota: a client that is stopped
    leaves its shell open until the idle time-out.
When it is wrong
    A client that waits and tries again does its work, only later; then the severity is low.
Needs
    Readable messages: clear text, or a key.
Reference
    Microsoft, "Quota Management for Remote Shells"; Windows SDK, wsmerror.h.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.rules.telling import Opinion, Owner, Sign, Tell
from analyzer.rules.wsman._faults import (
    Failure,
    by_code,
    failures,
    headline,
    meaning,
    places,
    remedy,
    server,
    severity,
    told,
)

_QUOTAS = (
    "MaxShellsPerUser",
    "MaxConcurrentOperationsPerUser",
    "MaxConcurrentUsers",
    "MaxConcurrentCommandsPerShell",
    "MaxMemoryPerShellMB",
    "MaxShells",
)


def see(evidence: Evidence) -> Iterator[Sign[Failure]]:
    """Faults about quotas."""
    return failures(evidence, "quota")


def title(tell: Tell[Failure]) -> str:
    """Which quota, on which server."""
    found = tell.first.fact.meaning
    quota = None if found is None else next((word for word in _QUOTAS if word in found.meaning), None)
    return headline(f"{quota} is used up on {server(tell)}" if quota else f"A quota is used up on {server(tell)}")


def why(tell: Tell[Failure]) -> str:
    """What was refused, and the quota."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="A quota of the server is used up",
    severity=severity(Severity.LOW, Severity.MEDIUM),
    worst=Severity.MEDIUM,
    confidence=0.95,
    owner=Owner.SERVER,
    reference="Windows SDK, wsmerror.h",
    advice=remedy,
    see=see,
    why=why,
    each=by_code,
)
