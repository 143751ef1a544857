"""Packets are in the capture twice.

Detects
    WinRM connections of which packets were captured more than once, as with ``-i any`` on a router or with a mirror
    port of two interfaces. One finding for each capture.
Impact
    Nothing is lost: each packet counts once. Other tools show the copies as retransmissions.
False positives
    Never about the capture.
Requires
    Nothing.
References
    RFC 9293 section 3.8.1.
"""

from analyzer.rules.capture._notes import by_capture, capture_name, first_of, short_name, sign, winrm
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[int]:
    """One sign for each connection, with the number of its copies."""
    return (sign(evidence, found.duplicates, found) for found in winrm(evidence) if found.duplicates)


def why(tell: Tell[int]) -> str:
    packets = sum(tell.facts)
    return (
        f"{counted(packets, 'packet')} of {counted(tell.count, 'WinRM connection')} in {capture_name(tell)} {'was' if packets == 1 else 'were'} captured "
        f"again. The first such connection begins with {first_of(tell)}. Each packet counts once here."
    )


OPINION = Opinion(
    title=lambda tell: f"Packets are twice in {short_name(tell)}",
    name="Packets are in the capture twice",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="RFC 9293 section 3.8.1",
    advice="Nothing has to change here. For other tools, capture on one interface, or remove the copies with editcap -D.",
    see=see,
    why=why,
    each=by_capture,
)
