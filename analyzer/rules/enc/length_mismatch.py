"""An encrypted body's declared length is not the length of its content.

Detects
    A wholly captured part of an encrypted body whose OriginalContent Length is not the length of what is there, for NTLM and Kerberos, where encryption does
    not change the length.
Impact
    Receivers cut or refuse such messages. It comes from a client that counts characters instead of bytes, or from a body that was changed on its way.
False positives
    CredSSP's data are TLS records, longer than what they hold, and are not counted; neither is the byte of padding that some clients count with RC4.
Requires
    The whole body.
References
    MS-WSMV 2.2.9.1.1.2.2 and 2.2.9.1.2.2.2.
"""

from collections.abc import Iterator

from analyzer.records.candidates import with_message
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.sealing import Message, SealedPart
from analyzer.rules.reading import identity, message, name, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_TAIL = len(b"--Encrypted Boundary--\r\n")


class Mismatch(Fact, frozen=True):
    """The exchange, the half, and the part that has another length than it says."""

    exchange: Exchange
    half: Request | Response
    part: SealedPart


def see(evidence: Evidence) -> Signs[Mismatch]:
    """One sign for each part; the server's side is left out where the client's is known."""
    for exchange in with_message(evidence, "other length", _differs, encrypted=True):
        if exchange.id not in evidence.far:
            for found in _mismatches(evidence, exchange):
                packets = (found.half.packets[0], *packets_of([exchange]))
                yield Sign(found, (exchange.id,), packets, user=identity(evidence, exchange.connection))


def _is_other(part: SealedPart) -> bool:
    return part.length is not None and part.length != part.data_size


def _differs(found: Message) -> bool:
    return any(map(_is_other, found.parts))


def _mismatches(evidence: Evidence, exchange: Exchange) -> Iterator[Mismatch]:
    for half in (request(exchange), response(exchange)):
        found = message(evidence, half)
        if half is None or found is None or not half.body.complete or half.body.missing or not half.packets or "credssp" in (found.protocol or "").lower():
            continue
        for part in found.parts:
            if _is_other(part):
                yield Mismatch(exchange, half, part)


def why(tell: Tell[Mismatch]) -> str:
    first = tell.facts[0]
    return (
        f"{tell.count:,} encrypted {'part declares another length than it has' if tell.count == 1 else 'parts declare another length than they have'}, "
        f"on {name(tell.connection)}. The first is in the {'request' if isinstance(first.half, Request) else 'response'} of {first.exchange.id} "
        f"({tell.packet(first.half.packets[0])}): {first.part.length} bytes declared, {first.part.data_size} to the end of the body. The closing delimiter "
        f"({_TAIL} bytes) may be among them."
    )


OPINION = Opinion(
    title="Encrypted messages declare a wrong length",
    severity=Severity.MEDIUM,
    confidence=0.8,
    owner=Owner.CLIENT,
    reference="MS-WSMV 2.2.9.1.1.2.2",
    advice="Correct or update the program that encrypts (Length counts bytes of the encoded envelope), and look for a device that changes bodies on the way.",
    see=see,
    why=why,
)
