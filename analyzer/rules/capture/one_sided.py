"""Only one direction of WinRM connections was captured.

What it sees
    WinRM connections that the reader found to have packets of one side only. One finding for each client and place.
Why it matters
    Requests without responses, or the other way round: statuses, handshakes and what rests on them cannot be seen.
When it is wrong
    Never about the capture.
Needs
    Nothing.
Reference
    RFC 9293 section 3.8.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.capture._notes import Words, note, places, winrm
from analyzer.rules.reading import counted, name, packet

RULE = "capture.one-sided"
TITLE = "Only one direction was captured"
SEVERITY = Severity.INFO
REFERENCE = "RFC 9293 section 3.8"
ADVICE = "Capture where both directions pass (asymmetric routing and mirror ports with one direction are the usual causes), or on the host itself."
_CODE = "tcp.one-sided"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    told = {issue.record for issue in evidence.issues if issue.code == _CODE}
    for group in places(found for found in winrm(evidence) if found.id in told).values():
        first = group[0]
        side = "the server's" if not first.to_server.size else "the client's"
        why = (
            f"Of {counted(len(group), 'connection')} between {first.client.host} and {first.server.host}:{first.server.port} one direction only is in the "
            f"capture: the first is {name(first)}, from {packet(evidence, first.packets[0])} on, {side} packets only."
        )
        yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, group)
