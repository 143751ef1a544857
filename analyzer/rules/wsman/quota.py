"""A quota of the server is used up.

Detects
    A fault that names a quota or a lack of resources in a response that could be read: shells of a user, concurrent
    operations, concurrent users, commands in a shell, memory, load.
Impact
    New work is refused until something ends. Often shells that no one closed hold the quota: a client that is stopped
    leaves its shell open until the idle timeout.
False positives
    A client that waits and tries again does its work, only later; then the severity is low.
Requires
    Readable messages: clear text, or a key.
References
    Microsoft, "Quota Management for Remote Shells"; Windows SDK, wsmerror.h.
"""

from analyzer.rules.telling import Owner, Tell
from analyzer.rules.wsman._faults import Failure, opinion, server

_QUOTAS = (
    "MaxShellsPerUser",
    "MaxConcurrentOperationsPerUser",
    "MaxConcurrentUsers",
    "MaxConcurrentCommandsPerShell",
    "MaxMemoryPerShellMB",
    "MaxShells",
)


def _quota(tell: Tell[Failure]) -> str:
    found = tell.first.fact.meaning
    return next((word for word in _QUOTAS if found is not None and word in found.meaning), "A quota")


OPINION = opinion(
    "quota",
    title=lambda tell: f"{_quota(tell)} is used up on {server(tell)}",
    name="A quota of the server is used up",
    confidence=0.95,
    owner=Owner.SERVER,
    reference="Windows SDK, wsmerror.h",
)
