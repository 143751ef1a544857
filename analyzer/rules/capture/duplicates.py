"""Packets are in the capture twice.

What it sees
    WinRM connections of which packets were captured more than once, as with ``-i any`` on a router or with a mirror port of two interfaces. One finding for
    each capture.
Why it matters
    Nothing is lost: each packet counts once. Other tools show the copies as retransmissions.
When it is wrong
    Never about the capture.
Needs
    Nothing.
Reference
    RFC 9293 section 3.8.1.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.capture._notes import Words, note, winrm
from analyzer.rules.reading import counted, name, packet

RULE = "capture.duplicates"
TITLE = "Packets are in the capture twice"
SEVERITY = Severity.INFO
REFERENCE = "RFC 9293 section 3.8.1"
ADVICE = "Nothing has to change here. For other tools, capture on one interface, or remove the copies with editcap -D."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each capture."""
    for capture in evidence.captures:
        twice = [found for found in winrm(evidence, capture.ordinal) if found.duplicates]
        if twice:
            first = twice[0]
            why = (
                f"{counted(sum(found.duplicates for found in twice), 'packet')} of {counted(len(twice), 'WinRM connection')} in {capture.name} "
                f"were captured again: the first such connection is {name(first)}, from {packet(evidence, first.packets[0])} on."
            )
            yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, twice)
