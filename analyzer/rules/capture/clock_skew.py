"""Two captures' clocks differ.

Detects
    A capture whose clock was found to be ahead of or behind the reference capture's by more than ten milliseconds and
    by more than the measurement's error, from exchanges seen at both points.
Impact
    Times of different files cannot be compared as they stand; the analyzer corrects them by this offset where it
    orders and joins.
False positives
    The measurement takes the way in both directions for equally long; the error says how far it may be off.
Requires
    Both sides of a proxy in two captures.
References
    RFC 5905 section 8.
"""

from collections.abc import Mapping

from analyzer.rules.capture._notes import capture_name, first_of, short_name, sign, winrm
from analyzer.rules.reading import seconds
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Signs, Tell, alone

LEAST = Param("least", 10, "milliseconds", "by how much a clock must be off")


class Skew(Fact, frozen=True):
    """How far a capture's clock is ahead of the reference's, the error of that, and what it gains each second."""

    ahead_ns: int
    error_ns: int
    drift: float


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Skew]:
    """One sign for each capture point whose clock is off."""
    for capture in evidence.captures:
        error_ns, found = capture.clock_error_ns, winrm(evidence, capture.ordinal) if capture.ordinal == capture.point else []
        if found and error_ns is not None and abs(capture.clock_offset_ns) > max(values["least"] * 1e6, error_ns):
            yield sign(evidence, Skew(capture.clock_offset_ns, error_ns, capture.clock_drift or 0.0), found[0])


def _off(tell: Tell[Skew]) -> str:
    ahead_ns = tell.first.fact.ahead_ns
    return f"{seconds(abs(ahead_ns))} {'ahead of' if ahead_ns > 0 else 'behind'}"


def why(tell: Tell[Skew]) -> str:
    fact = tell.first.fact
    drift = f" It gains {fact.drift * 1e6:.1f} µs each second." if fact.drift else ""
    return (
        f"The clock of {capture_name(tell)} is {_off(tell)} the reference capture's (give or take {seconds(fact.error_ns)}).{drift} This was measured at "
        f"exchanges seen at both. Its first WinRM packet is {first_of(tell)}."
    )


OPINION = Opinion(
    title=lambda tell: f"Clock of {short_name(tell)} is {_off(tell).removesuffix(' of')}",
    name="The captures' clocks differ",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="RFC 5905 section 8",
    advice="Synchronize the capturing hosts (NTP or PTP), or capture both sides of the proxy on one host.",
    see=see,
    why=why,
    each=alone,
    params=(LEAST,),
)
