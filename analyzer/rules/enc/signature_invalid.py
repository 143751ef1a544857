"""A sealed message's signature is wrong although the key is right.

What it sees
    A sealed body whose signature does not agree with the security context of its connection, on a connection where another message opened with the same secret.
Why it matters
    Bytes of the message are not those that were sealed: it was changed, repeated, moved here from another connection, or the sender is not the one that
    authenticated.
When it is wrong
    After a loss in the capture the cipher's state may be wrong; connections with gaps in a sealed direction are not counted.
Needs
    The secret that opens the connection.
Reference
    MS-NLMP 3.4.4; RFC 4121 section 4.2.6.2; MS-WSMV 2.2.9.1.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Message
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, first_packet, identity, message, name, packet, packets_of, request, response

RULE = "enc.signature-invalid"
TITLE = "Sealed messages with a wrong signature"
SEVERITY = Severity.HIGH
REFERENCE = "MS-NLMP 3.4.4"
ADVICE = (
    "Compare the message on both legs (enc.body-modified) and look whose request it is (affinity.sequence-discontinuity): a proxy that shares connections or "
    "changes bodies must be taken out of the HTTP layer with CONNECT and HTTPS."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each connection."""
    for connection in evidence.connections.values():
        if connection.id not in evidence.winrm or connection.to_server.gaps or connection.to_client.gaps:
            continue
        found = [(exchange, one) for exchange in evidence.exchanges_of.get(connection.id, ()) for one in _messages(evidence, exchange)]
        bad = [(exchange, one) for exchange, one in found if one.check == "bad"]
        proved = {one.secret for _, one in found if one.check == "good"}
        wrong = [(exchange, one) for exchange, one in bad if one.secret in proved]
        if wrong:
            yield _finding(evidence, connection, wrong, sum(one.check == "good" for _, one in found))


def _messages(evidence: Evidence, exchange: Exchange) -> Iterator[Message]:
    for half in (request(exchange), response(exchange)):
        found = message(evidence, half)
        if found is not None and half is not None and half.body.complete and not half.body.missing:
            yield found


def _finding(evidence: Evidence, connection: Connection, wrong: list[tuple[Exchange, Message]], good: int) -> Finding:
    exchange, first = wrong[0]
    half = request(exchange) if first.from_client else response(exchange)
    keys = first_packet(half)
    sequence = first.parts[0].sequence if first.parts else None
    why = (
        f"On {name(connection)} {counted(good, 'sealed message')} opened, and {len(wrong)} did not although the key is the same: the first is the "
        f"{'request' if first.from_client else 'response'} of {exchange.id}, {packet(evidence, keys[0]) if keys else 'packet 0'}"
        f"{f', sequence number {sequence}' if sequence is not None else ''}: {first.opened_detail or 'its signature is wrong'}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[connection.id],
        exchanges=[found.id for found, _ in wrong],
        packets=[*keys, *packets_of(found for found, _ in wrong)],
        user=identity(evidence, connection.id),
        attack=("T1565.002",),
    )
