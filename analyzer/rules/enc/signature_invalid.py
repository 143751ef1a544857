"""An encrypted message's signature is wrong although the key is right.

Detects
    An encrypted body whose signature does not agree with the security context of its connection, on a connection where another message was decrypted with the
    same password or key.
Impact
    Bytes of the message are not those that were encrypted: it was changed, repeated, moved here from another connection, or the sender is not the one that
    logged on.
False positives
    After a loss in the capture the cipher's state may be wrong; connections with gaps in an encrypted direction are not counted.
Requires
    The password or key that decrypts the connection.
References
    MS-NLMP 3.4.4; RFC 4121 section 4.2.6.2; MS-WSMV 2.2.9.1.
"""

from collections.abc import Iterator

from analyzer.records.candidates import with_message
from analyzer.records.http import Exchange
from analyzer.records.sealing import Message
from analyzer.rules.asking import server_words
from analyzer.rules.reading import counted, first_packet, identity, message, name, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Wrong(Fact, frozen=True):
    """A message with a wrong signature, and how many of its connection have a good one."""

    exchange: Exchange
    found: Message
    good: int


def see(evidence: Evidence) -> Signs[Wrong]:
    wrong = with_message(evidence, "wrong signature", lambda one: one.check == "bad", plain=False)
    for identity_of in dict.fromkeys([exchange.connection for exchange in wrong]):
        connection = evidence.connections[identity_of]
        if connection.to_server.gaps or connection.to_client.gaps:
            continue
        found = [(exchange, one) for exchange in evidence.exchanges_of.get(connection.id, ()) for one in _messages(evidence, exchange)]
        good = [one.secret for _, one in found if one.check == "good"]
        proved = frozenset(good)
        for exchange, one in found if proved else ():
            if one.check == "bad" and one.secret in proved:
                yield Sign(Wrong(exchange, one, len(good)), (exchange.id,), packets_of([exchange]), user=identity(evidence, connection.id))


def _messages(evidence: Evidence, exchange: Exchange) -> Iterator[Message]:
    for half in (request(exchange), response(exchange)):
        found = message(evidence, half)
        if found is not None and half is not None and half.body.complete and not half.body.missing:
            yield found


def why(tell: Tell[Wrong]) -> str:
    wrong = tell.facts[0]
    first = wrong.found
    keys = first_packet(request(wrong.exchange) if first.from_client else response(wrong.exchange))
    sequence = first.parts[0].sequence if first.parts else None
    return (
        f"On {name(tell.connection)} {counted(wrong.good, 'encrypted message')} could be decrypted, and {tell.count:,} could not although the key is the same. "
        f"The first is the {'request' if first.from_client else 'response'} of {wrong.exchange.id} ({tell.packet(keys[0]) if keys else 'no packet'}"
        f"{f', sequence number {sequence}' if sequence is not None else ''}): {first.opened_detail or 'its signature is wrong'}."
    )


OPINION = Opinion(
    title=lambda tell: f"Encrypted messages with {server_words(tell.connection)} have a wrong signature",
    name="Encrypted messages have a wrong signature",
    severity=Severity.HIGH,
    confidence=0.8,
    owner=Owner.NETWORK,
    reference="MS-NLMP 3.4.4",
    advice=(
        "Compare the message on both sides of the proxy (enc.body-modified) and look whose request it is (affinity.sequence-discontinuity). Take a proxy that "
        "shares connections or changes bodies out of the HTTP layer with CONNECT and HTTPS."
    ),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.exchange.connection,
    attack=("T1565.002",),
)
