"""Bytes of a connection with sealed messages are missing.

What it sees
    A hole in a stream of a connection that carries sealed bodies. One finding for each client and place.
Why it matters
    NTLM's cipher runs on over all messages of a direction. Behind a hole it has to be found again, and messages in the hole cannot be opened; sequence numbers
    cannot be compared over it.
When it is wrong
    Never about the hole. Packets that the snap length cut are capture.snaplen.
Needs
    Nothing.
Reference
    MS-NLMP 3.4.4; RFC 9293 section 3.4.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection, Gap
from analyzer.rules.capture._notes import Words, note, places, winrm
from analyzer.rules.reading import counted, message, name, packet, request, response

RULE = "capture.gap-in-sealed-stream"
TITLE = "Bytes of sealed conversations are missing"
SEVERITY = Severity.INFO
REFERENCE = "MS-NLMP 3.4.4"
ADVICE = "Capture with a larger buffer (tcpdump -B, dumpcap -B) and full packets (-s 0), nearer to the client or the server."
_CUT = "snaplen"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    holed = [found for found in winrm(evidence) if _gaps(found) and _is_sealed(evidence, found)]
    for group in places(holed).values():
        first, gaps = group[0], [gap for connection in group for gap in _gaps(connection)]
        why = (
            f"{counted(sum(gap.size for gap in gaps), 'byte')} in {counted(len(gaps), 'hole')} are missing on {counted(len(group), 'connection')} with sealed "
            f"messages: the first is {name(first)}, {packet(evidence, first.packets[0])} to {packet(evidence, first.packets[-1])}, "
            f"{_gaps(first)[0].size:,} bytes at offset {_gaps(first)[0].stream_at:,}."
        )
        yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, group, [key for one in group for key in (one.packets[0], one.packets[-1])])


def _gaps(connection: Connection) -> list[Gap]:
    return [gap for stream in (connection.to_server, connection.to_client) for gap in stream.gaps if gap.why != _CUT]


def _is_sealed(evidence: Evidence, connection: Connection) -> bool:
    return any(
        (found := message(evidence, half)) is not None and found.protection is Protection.SEALED
        for exchange in evidence.exchanges_of.get(connection.id, ())
        for half in (request(exchange), response(exchange))
    )
