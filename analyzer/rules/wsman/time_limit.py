"""An operation did not end within its time limit.

What it sees
    A fault about a time-out or time limit in a response that could be read, on anything but a waiting Receive or
    Pull: these end so all the time.
Why it matters
    The server gave up the operation. What it had begun may still be running.
When it is wrong
    A client that asks with a short limit on purpose.
Needs
    Readable messages: clear text, or a key.
Reference
    DSP0226 section 6.1 (OperationTimeout); Windows SDK, wsmerror.h.
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


def see(evidence: Evidence) -> Iterator[Sign[Failure]]:
    """The faults that show it."""
    return failures(evidence, "time")


def title(tell: Tell[Failure]) -> str:
    """What failed, and where."""
    return headline(f"{tell.first.fact.operation or 'An operation'} ran into its time limit on {server(tell)}")


def why(tell: Tell[Failure]) -> str:
    """The fault, what it means, and where it is."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="An operation ran into its time limit",
    severity=severity(Severity.LOW, Severity.MEDIUM),
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="DSP0226 section 6.1",
    advice=remedy,
    see=see,
    why=why,
    each=by_code,
)
