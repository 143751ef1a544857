"""A capture file ends in the middle of a packet.

What it sees
    A file whose last record is cut, and the WinRM connections in it that were open then. One finding for each capture.
Why it matters
    What came after is not there: requests seem to be unanswered and connections to be open.
When it is wrong
    Never about the file.
Needs
    Nothing.
Reference
    draft-ietf-opsawg-pcap section 5.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import End
from analyzer.rules.capture._notes import Words, note, winrm
from analyzer.rules.reading import counted, name, of_them, packet, sentence

RULE = "capture.file-cut"
TITLE = "The capture file ends in the middle of a packet"
SEVERITY = Severity.INFO
REFERENCE = "draft-ietf-opsawg-pcap section 5"
ADVICE = "Stop the capture program before copying its file, and check the copy's size; the disk may have been full."
_CODE = "capture.cut"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each capture."""
    cut = {issue.capture for issue in evidence.issues if issue.code == _CODE}
    for capture in evidence.captures:
        found = [connection for connection in winrm(evidence, capture.ordinal) if capture.ordinal in cut]
        still = [connection for connection in found if connection.end is End.OPEN]
        if found:
            last = max(found, key=lambda connection: connection.packets[-1])
            ours = f"its {counted(len(found), 'WinRM connection')}"
            then = of_them(len(still), len(found), of=ours) if len(found) > 1 else f"its one WinRM connection {'was' if still else 'was no longer'}"
            why = (
                f"{capture.name} ends inside a record. {sentence(then)} {'still ' if still or len(found) > 1 else ''}open; the last WinRM packet is "
                f"{packet(evidence, last.packets[-1])} of {name(last)}."
            )
            yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, still or [last], [last.packets[-1]])
