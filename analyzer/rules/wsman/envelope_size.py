"""A message is larger than the envelope size that one side allows.

What it sees
    A fault about the size of an envelope, or about limits of encoding, in a response that could be read.
Why it matters
    The operation fails for large results or large input only, so that it looks random. A command may have run
    although its result could not be sent.
When it is wrong
    A client that asks again for less at once gets its result; then the severity is low.
Needs
    Readable messages: clear text, or a key. HTTP's own refusal of a large request is http.request-too-large.
Reference
    DSP0226 section 6.2 (MaxEnvelopeSize); Windows SDK, wsmerror.h.
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
    return failures(evidence, "size")


def title(tell: Tell[Failure]) -> str:
    """What failed, and where."""
    return headline(f"A message is too large for {server(tell)}")


def why(tell: Tell[Failure]) -> str:
    """The fault, what it means, and where it is."""
    return f"{told(tell)}{meaning(tell)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="A message is larger than the allowed envelope size",
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
