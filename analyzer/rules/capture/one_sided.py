"""Only one direction of WinRM connections was captured.

Detects
    WinRM connections that the reader found to have packets of one direction only. One finding for each client and
    place.
Impact
    Requests without responses, or the other way round: statuses, logons and what rests on them cannot be seen.
False positives
    Never about the capture.
Requires
    Nothing.
References
    RFC 9293 section 3.8.
"""

from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import ends, first_of, sign, winrm
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_CODE = "tcp.one-sided"


def see(evidence: Evidence) -> Signs[Connection]:
    told = {issue.record for issue in evidence.issues if issue.code == _CODE}
    return (sign(evidence, found, found) for found in winrm(evidence) if found.id in told)


def why(tell: Tell[Connection]) -> str:
    side = "the server's" if not tell.first.fact.to_server.size else "the client's"
    return (
        f"Of {counted(tell.count, 'connection')} of {ends(tell)} only one direction is in the capture. "
        f"The first begins with {first_of(tell)} and has {side} packets only. Status codes and logons cannot be seen."
    )


OPINION = Opinion(
    title=lambda tell: f"Only one direction of WinRM to {tell.connection.server.host} was captured",
    name="Only one direction was captured",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="RFC 9293 section 3.8",
    advice="Capture where both directions pass (asymmetric routing and mirror ports with one direction are the usual causes), or on the host itself.",
    see=see,
    why=why,
)
