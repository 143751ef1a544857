"""The server's configuration or a policy refuses the request.

Detects
    A fault that names a setting or policy (remote shells not allowed, remote access disabled, session configuration
    for local use only) in a response that could be read.
Impact
    No account and no retry helps until the setting changes. It may be meant so.
False positives
    Where an administrator closed this server for remote work on purpose.
Requires
    Readable messages: clear text, or a key.
References
    Windows SDK, wsmerror.h; Microsoft, "Installation and configuration for Windows Remote Management".
"""

from analyzer.rules.telling import Owner, Severity
from analyzer.rules.wsman._faults import opinion, server

OPINION = opinion(
    "policy",
    title=lambda tell: f"{server(tell)} refuses remote work by its configuration",
    name="The server's configuration refuses the request",
    severity=Severity.MEDIUM,
    confidence=0.95,
    owner=Owner.SERVER,
    reference="Windows SDK, wsmerror.h",
)
