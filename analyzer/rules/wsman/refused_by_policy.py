"""The server's configuration or a policy refuses the request.

What it sees
    A fault that names a setting or policy (remote shells not allowed, remote access disabled, session configuration
    for local use only) in a response that could be read.
Why it matters
    No account and no retry helps until the setting changes. It may be meant so.
When it is wrong
    Where an administrator closed this server for remote work on purpose.
Needs
    Readable messages: clear text, or a key.
Reference
    Windows SDK, wsmerror.h; Microsoft, "Installation and configuration for Windows Remote Management".
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.rules.telling import Opinion, Owner, Sign, Tell
from analyzer.rules.wsman._faults import Failure, by_code, failures, headline, meaning, places, remedy, server, told


def see(evidence: Evidence) -> Iterator[Sign[Failure]]:
    """The faults that show it."""
    return failures(evidence, "policy")


def title(tell: Tell[Failure]) -> str:
    """What failed, and where."""
    return headline(f"{server(tell)} refuses remote work by its configuration")


def why(tell: Tell[Failure]) -> str:
    """The fault, what it means, and where it is."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="The server's configuration refuses the request",
    severity=Severity.MEDIUM,
    confidence=0.95,
    owner=Owner.SERVER,
    reference="Windows SDK, wsmerror.h",
    advice=remedy,
    see=see,
    why=why,
    each=by_code,
)
