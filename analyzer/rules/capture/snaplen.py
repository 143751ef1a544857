"""Packets of WinRM connections were cut when they were captured.

Detects
    Bytes missing in WinRM streams because the capture kept only the beginning of each packet (its snap length). One
    finding for each capture.
Impact
    Headers may be there and bodies are not: nothing can be decrypted, and tokens may be cut.
False positives
    Never about the capture.
Requires
    Nothing.
References
    draft-ietf-opsawg-pcap section 4.
"""

from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import by_capture, capture_name, first_of, short_name, sign, winrm
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_WHY = "snaplen"


def see(evidence: Evidence) -> Signs[int]:
    """One sign for each connection, with the number of its missing bytes."""
    return (sign(evidence, missing, found) for found in winrm(evidence) if (missing := _missing(found)))


def _missing(connection: Connection) -> int:
    return sum([gap.size for stream in (connection.to_server, connection.to_client) for gap in stream.gaps if gap.why == _WHY])


def why(tell: Tell[int]) -> str:
    snap = tell.evidence.captures[tell.connection.capture].snaplen
    return (
        f"{counted(sum(tell.facts), 'byte')} of {counted(tell.count, 'WinRM connection')} in {capture_name(tell)} were cut off by the snap length"
        f"{f' of {snap}' if snap else ''}. The first such connection begins with {first_of(tell)}. What was cut cannot be read or decrypted."
    )


OPINION = Opinion(
    title=lambda tell: f"Packets in {short_name(tell)} are cut by the snap length",
    name="Packets were cut by the capture",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="draft-ietf-opsawg-pcap section 4",
    advice="Capture whole packets: tcpdump -s 0, dumpcap -s 0, pktmon start --capture --pkt-size 0.",
    see=see,
    why=why,
    each=by_capture,
)
