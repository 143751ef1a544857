"""A sealed body's declared length is not the length of what is sealed.

What it sees
    A wholly captured part of a sealed body whose OriginalContent Length is larger than what is there, for NTLM and Kerberos, where sealing does not change the
    length.
Why it matters
    Receivers cut or refuse such messages. It comes from a client that counts characters instead of bytes, or from a body that was changed on its way.
When it is wrong
    CredSSP's data are TLS records, longer than what they hold, and are not counted; neither is the byte of padding that some clients count with RC4.
Needs
    The whole body.
Reference
    MS-WSMV 2.2.9.1.1.2.2 and 2.2.9.1.2.2.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.sealing import SealedPart
from analyzer.rules.reading import counted, finding, identity, message, name, packet, packets_of, request, response, winrm_exchanges

RULE = "enc.length-mismatch"
TITLE = "Sealed messages with a wrong length"
SEVERITY = Severity.MEDIUM
REFERENCE = "MS-WSMV 2.2.9.1.1.2.2"
ADVICE = "Correct or update the program that seals (Length counts bytes of the encoded envelope), and look for a device that changes bodies on the way."
_TAIL = len(b"--Encrypted Boundary--\r\n")


class Mismatch(Struct, frozen=True, gc=False):
    """The exchange, the half, and the part that is shorter than it says."""

    exchange: Exchange
    half: Request | Response
    part: SealedPart


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Mismatch]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        if exchange.id not in evidence.far:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port] += _mismatches(evidence, exchange)
    for group in groups.values():
        if group:
            yield _finding(evidence, group)


def _mismatches(evidence: Evidence, exchange: Exchange) -> Iterator[Mismatch]:
    for half in (request(exchange), response(exchange)):
        found = message(evidence, half)
        if half is None or found is None or not half.body.complete or half.body.missing or not half.packets or "credssp" in (found.protocol or "").lower():
            continue
        for part in found.parts:
            if part.length is not None and part.length != part.data_size:
                yield Mismatch(exchange, half, part)


def _finding(evidence: Evidence, group: list[Mismatch]) -> Finding:
    first = group[0]
    members = list({mismatch.exchange.id: mismatch.exchange for mismatch in group}.values())
    why = (
        f"{counted(len(group), 'sealed part')} of {name(evidence.connections[first.exchange.connection])} declare another length than they have: the first is "
        f"in the {'request' if isinstance(first.half, Request) else 'response'} of {first.exchange.id}, {packet(evidence, first.half.packets[0])}: "
        f"{first.part.length} bytes declared, {first.part.data_size} to the end of the body (the closing delimiter, {_TAIL} bytes, may be among them)."
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
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=[*(mismatch.half.packets[0] for mismatch in group), *packets_of(members)],
        user=identity(evidence, first.exchange.connection),
    )
