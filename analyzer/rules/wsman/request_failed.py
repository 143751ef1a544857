"""A request failed for another reason than those that have a rule of their own.

What it sees
    Any fault in a response that could be read that is not about rights, quotas, sizes, time, shells, names, support
    or policy, and is not part of normal work.
Why it matters
    No fault stays silent: the server's own words say what failed.
When it is wrong
    Programs may expect a fault and go on; when a later request of the same kind went well, the severity is low.
Needs
    Readable messages: clear text, or a key.
Reference
    MS-WSMV section 2.2.4.43; Windows SDK, wsmerror.h.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.rules.telling import Opinion, Owner, Sign, Tell
from analyzer.rules.wsman._faults import (
    Failure,
    by_code,
    coded,
    failures,
    headline,
    meaning,
    places,
    remedy,
    severity,
    told,
)


def see(evidence: Evidence) -> Iterator[Sign[Failure]]:
    """The faults that show it."""
    return failures(evidence, "request", "server", "events", "network", "config", "client", "http", "unknown")


def title(tell: Tell[Failure]) -> str:
    """What failed, and where."""
    return headline(f"Request failed: {tell.first.fact.fault.text or coded(tell.first.fact)}")


def why(tell: Tell[Failure]) -> str:
    """The fault, what it means, and where it is."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="A request failed",
    severity=severity(Severity.LOW, Severity.MEDIUM),
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="MS-WSMV section 2.2.4.43",
    advice=remedy,
    see=see,
    why=why,
    each=by_code,
)
