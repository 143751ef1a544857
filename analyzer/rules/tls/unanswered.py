"""A ClientHello that is never answered.

Detects
    A ClientHello to a WinRM port, whole in the capture, while packets of the server are seen on the connection, but
    none with data: for three seconds or more, until the client ended it or the capture did.
Impact
    HTTPS never comes up. Whether the server received the ClientHello is told by its acknowledgement: without one, the
    way loses it (large ClientHellos need two packets); with one, the server's process does not answer.
False positives
    When only the client's direction was captured from some time on.
Requires
    The beginning of the connection, in both directions.
References
    RFC 8446 section 4.1.2; RFC 9293 section 3.10.7.
"""

from analyzer.rules.reading import name, seconds
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import Fate, Shake, shakes, sign, where
from analyzer.rules.tls._words import attempts, headline


def see(evidence: Evidence) -> Signs[Shake]:
    return (sign(shake, shake.connection.packets[-1]) for shake in shakes(evidence, Fate.UNANSWERED))


def title(tell: Tell[Shake]) -> str:
    return headline("", where(tell.evidence, tell.first.fact.connection), " never answers the ClientHello")


def is_received(shake: Shake) -> bool:
    """The server acknowledged the whole ClientHello."""
    return shake.connection.to_server.acked >= shake.facts.hello_size


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    connection, hello = shake.connection, shake.facts.hello_packets
    over = f" in {len(hello)} packets" if len(hello) > 1 else ""
    ends = max(connection.last_ns, tell.evidence.captures[connection.capture].point_last_ns or 0) if shake.ending is None else connection.closings[0].ts_ns
    waited = seconds(ends - connection.to_server.extents.ts_ns[0])
    if is_received(shake):
        arrived = "The server acknowledged all of it, so it arrived; the program that should answer did not."
    else:
        known = f"{max(connection.to_server.acked, 0):,} of {shake.facts.hello_size:,} bytes"
        arrived = f"The server acknowledged {known}, so the rest was lost on the way."
    return (
        f"The client sent a ClientHello of {shake.facts.hello_size:,} bytes{over} ({tell.packet(hello[0])}). "
        f"No data of the server followed for {waited}. {arrived}{attempts(tell)} [{name(connection)}]"
    )


def owner(tell: Tell[Shake]) -> Owner:
    return Owner.SERVER if is_received(tell.first.fact) else Owner.NETWORK


def advice(tell: Tell[Shake]) -> str:
    if is_received(tell.first.fact):
        return (
            "Look at what should answer on the server. "
            "Service: the WinRM service and HTTP.sys must run (netsh http show servicestate). "
            "Balancer: one that passes TCP on answers the handshake itself while its server is down; check its pool. "
            "Record next: a capture on the server."
        )
    return (
        "Look for what drops large packets or TLS between the two hosts. "
        "Size: compare the MTU of the way (ping -f -l) with the size of the packets that were lost; allow ICMP "
        "'fragmentation needed'. "
        "Filter: a firewall that inspects TLS may drop ClientHellos that it does not know. "
        "Record next: a capture on the server, to see which packets arrive."
    )


OPINION = Opinion(
    title=title,
    name="The server never answers the ClientHello",
    severity=Severity.MEDIUM,
    confidence=0.8,
    owner=owner,
    reference="RFC 8446 section 4.1.2",
    advice=advice,
    see=see,
    why=why,
)
