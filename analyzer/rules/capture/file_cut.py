"""A capture file ends in the middle of a packet.

Detects
    A file whose last record is cut, and the WinRM connections in it that were open then. One finding for each
    capture.
Impact
    What came after is not there: requests seem to be unanswered and connections to be open.
False positives
    Never about the file.
Requires
    Nothing.
References
    draft-ietf-opsawg-pcap section 5.
"""

from analyzer.records.ids import key_capture
from analyzer.records.transport import Connection, End
from analyzer.rules.capture._notes import by_capture, short, sign, winrm
from analyzer.rules.reading import counted, of_them, sentence
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Signs, Tell

_CODE = "capture.cut"


class Cut(Fact, frozen=True):
    """The file, how many WinRM connections it has, how many of them were open at its end, and the one with the last packet."""

    capture: int
    whole: int
    still: int
    last: Connection


def see(evidence: Evidence) -> Signs[Cut]:
    """One sign for each connection that was open, or for the last one."""
    for capture in sorted({issue.capture for issue in evidence.issues if issue.code == _CODE and issue.capture is not None}):
        found = [connection for connection in winrm(evidence, evidence.captures[capture].point) if capture in map(key_capture, connection.packets)]
        still = [connection for connection in found if connection.end is End.OPEN]
        if found:
            last = max(found, key=lambda connection: _last(connection, capture))
            fact = Cut(capture, len(found), len(still), last)
            yield from (sign(evidence, fact, one, (_last(last, capture),)) for one in still or [last])


def _last(connection: Connection, capture: int) -> int:
    return max(key for key in connection.packets if key_capture(key) == capture)


def _name(tell: Tell[Cut]) -> str:
    return tell.evidence.captures[tell.first.fact.capture].name


def why(tell: Tell[Cut]) -> str:
    fact = tell.first.fact
    ours = f"its {counted(fact.whole, 'WinRM connection')}"
    alone = f"its one WinRM connection {'was' if fact.still else 'was no longer'}"
    then = of_them(fact.still, fact.whole, of=ours) if fact.whole > 1 else alone
    return (
        f"{_name(tell)} ends inside a record. {sentence(then)} {'still ' if fact.still or fact.whole > 1 else ''}open. The last WinRM packet is "
        f"{tell.packet(_last(fact.last, fact.capture))} ({fact.last.id})."
    )


OPINION = Opinion(
    title=lambda tell: f"Capture {short(_name(tell))} ends inside a packet",
    name="The capture file ends in the middle of a packet",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="draft-ietf-opsawg-pcap section 5",
    advice="Stop the capture program before copying its file, and check the copy's size; the disk may have been full.",
    see=see,
    why=why,
    each=by_capture,
)
