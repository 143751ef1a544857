"""The request names something that the server does not have.

What it sees
    A fault that says that resource URI, selectors, class, namespace, session configuration or file do not exist, in a
    response that could be read.
Why it matters
    Nothing was done. As a rule the name of the session configuration (endpoint, JEA) is misspelled, was never
    registered on this server, or needs a role or feature that is not installed.
When it is wrong
    Programs look for what may be there and go on without it; then the severity is low.
Needs
    Readable messages: clear text, or a key.
Reference
    MS-WSMV section 2.2.4.43; DSP0226 section 14.6.
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
    return failures(evidence, "target")


def title(tell: Tell[Failure]) -> str:
    """What failed, and where."""
    return headline(f"{server(tell)} does not have {tell.first.fact.resource or 'what was asked for'}")


def why(tell: Tell[Failure]) -> str:
    """The fault, what it means, and where it is."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="The server does not have what was asked for",
    severity=severity(Severity.LOW, Severity.MEDIUM),
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="DSP0226 section 14.6",
    advice=remedy,
    see=see,
    why=why,
    each=by_code,
)
