"""The server does not support what the request asks for.

What it sees
    A fault that says unsupported (feature, action, encoding, option, version) in a response that could be read.
Why it matters
    Client and server are of different products or versions, or a device changed the request's encoding on its way.
When it is wrong
    Clients that try a newer feature first and fall back; then the severity is low.
Needs
    Readable messages: clear text, or a key.
Reference
    DSP0226 section 14.6; Windows SDK, wsmerror.h.
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
    return failures(evidence, "unsupported")


def title(tell: Tell[Failure]) -> str:
    """What failed, and where."""
    return headline(f"{server(tell)} does not support a {tell.first.fact.operation or 'WinRM'} request")


def why(tell: Tell[Failure]) -> str:
    """The fault, what it means, and where it is."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="The server does not support a request",
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
