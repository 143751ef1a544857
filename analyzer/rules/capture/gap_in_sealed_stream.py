"""Packets of a connection with encrypted messages are missing.

Detects
    A hole in a stream of a connection that carries encrypted bodies. One finding for each client and place.
Impact
    NTLM's cipher runs on over all messages of a direction. Behind a hole it has to be found again, and messages in
    the hole cannot be decrypted; sequence numbers cannot be compared over it.
False positives
    Never about the hole. Packets that the snap length cut are capture.snaplen.
Requires
    Nothing.
References
    MS-NLMP 3.4.4; RFC 9293 section 3.4.
"""

from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection, Gap
from analyzer.rules.capture._notes import ends, server, sign, winrm
from analyzer.rules.reading import counted, message, request, response
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_CUT = "snaplen"


def see(evidence: Evidence) -> Signs[list[Gap]]:
    """One sign for each connection, with its holes."""
    for found in winrm(evidence):
        gaps = _gaps(found)
        if gaps and _is_encrypted(evidence, found):
            yield sign(evidence, gaps, found, (found.packets[0], found.packets[-1]))


def _gaps(connection: Connection) -> list[Gap]:
    return [gap for stream in (connection.to_server, connection.to_client) for gap in stream.gaps if gap.why != _CUT]


def _is_encrypted(evidence: Evidence, connection: Connection) -> bool:
    return any(
        (found := message(evidence, half)) is not None and found.protection is Protection.SEALED
        for exchange in evidence.exchanges_of.get(connection.id, ())
        for half in (request(exchange), response(exchange))
    )


def why(tell: Tell[list[Gap]]) -> str:
    gaps, first = [gap for fact in tell.facts for gap in fact], tell.connection
    return (
        f"{counted(sum(gap.size for gap in gaps), 'byte')} in {counted(len(gaps), 'hole')} are missing on {counted(tell.count, 'connection')} of "
        f"{ends(tell)} with encrypted messages. The first hole has {gaps[0].size:,} bytes at offset {gaps[0].stream_at:,}, "
        f"between {tell.packet(first.packets[0])} and {tell.packet(first.packets[-1])} ({first.id}). Messages in a hole cannot be decrypted."
    )


OPINION = Opinion(
    title=lambda tell: f"Packets of encrypted messages to {server(tell)} are missing",
    name="Packets of encrypted messages are missing",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="MS-NLMP 3.4.4",
    advice="Capture with a larger buffer (tcpdump -B, dumpcap -B) and full packets (-s 0), closer to the client or the server.",
    see=see,
    why=why,
)
