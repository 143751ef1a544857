"""Packets of WinRM connections were cut when they were captured.

What it sees
    Bytes missing in WinRM streams because the capture kept only the beginning of each packet (its snap length). One finding for each capture.
Why it matters
    Headers may be there and bodies are not: nothing can be opened, and tokens may be cut.
When it is wrong
    Never about the capture.
Needs
    Nothing.
Reference
    draft-ietf-opsawg-pcap section 4.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import Words, note, winrm
from analyzer.rules.reading import counted, name, packet

RULE = "capture.snaplen"
TITLE = "Packets were cut by the capture"
SEVERITY = Severity.INFO
REFERENCE = "draft-ietf-opsawg-pcap section 4"
ADVICE = "Capture whole packets: tcpdump -s 0, dumpcap -s 0, pktmon start --capture --pkt-size 0."
_WHY = "snaplen"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each capture."""
    for capture in evidence.captures:
        cut = [found for found in winrm(evidence, capture.ordinal) if _missing(found)]
        if cut:
            first = cut[0]
            why = (
                f"{counted(sum(_missing(found) for found in cut), 'byte')} of {counted(len(cut), 'WinRM connection')} in {capture.name} were cut off by the "
                f"snap length{f' of {capture.snaplen}' if capture.snaplen else ''}: the first is {name(first)}, from {packet(evidence, first.packets[0])} on."
            )
            yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, cut)


def _missing(connection: Connection) -> int:
    return sum(gap.size for stream in (connection.to_server, connection.to_client) for gap in stream.gaps if gap.why == _WHY)
