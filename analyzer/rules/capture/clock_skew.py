"""Two captures' clocks differ.

What it sees
    A capture whose clock was found to be ahead of or behind the reference capture's by more than ten milliseconds and by more than the measurement's error,
    from exchanges seen at both points.
Why it matters
    Times of different files cannot be compared as they stand; the analyzer corrects them by this offset where it orders and joins.
When it is wrong
    The measurement takes the way in both directions for equally long; the error says how far it may be off.
Needs
    Both legs in two captures.
Reference
    RFC 5905 section 8.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.capture._notes import Words, note, winrm
from analyzer.rules.reading import packet, seconds

RULE = "capture.clock-skew"
TITLE = "The captures' clocks differ"
SEVERITY = Severity.INFO
REFERENCE = "RFC 5905 section 8"
ADVICE = "Synchronize the capturing hosts (NTP or PTP), or capture both legs on one host."
_LEAST_NS = 10_000_000


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each capture whose clock is off."""
    for capture in evidence.captures:
        error_ns, found = capture.clock_error_ns, winrm(evidence, capture.ordinal)
        off_ns = abs(capture.clock_offset_ns)
        if found and error_ns is not None and off_ns > max(_LEAST_NS, error_ns):
            drift = f", and gains {capture.clock_drift * 1e6:.1f} µs each second" if capture.clock_drift else ""
            why = (
                f"The clock of {capture.name} is {seconds(off_ns)} {'ahead of' if capture.clock_offset_ns > 0 else 'behind'} the reference capture's (give "
                f"or take {seconds(error_ns)}){drift}, measured at exchanges seen at both; its first WinRM packet is {packet(evidence, found[0].packets[0])}."
            )
            yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, found[:1])
