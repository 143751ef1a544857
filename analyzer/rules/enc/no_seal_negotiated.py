"""NTLM was negotiated without message encryption.

Detects
    An NTLM handshake that succeeded on a connection without TLS, whose authenticate message does not ask for encryption (sealing), and requests with a body on
    that connection.
Impact
    Without the flag there is no key to encrypt with: everything that follows is readable, whatever client and server are configured to want.
False positives
    Over HTTPS the flag does not matter; such connections are not counted.
Requires
    The handshake and what follows.
References
    MS-NLMP 2.2.2.5 (NTLMSSP_NEGOTIATE_SEAL); MS-WSMV 2.2.9.1.
"""

from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.http import Exchange
from analyzer.rules.asking import asked_at, named
from analyzer.rules.reading import begins_at, completed, counted, first_packet, name, packets_of, request, until_the_next, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Unsealed(Fact, frozen=True):
    """The last exchange of a handshake, and the requests with a body that it logged on."""

    last: Exchange
    bodies: tuple[Exchange, ...]


def see(evidence: Evidence) -> Signs[Unsealed]:
    """One sign for each handshake; the server's side is left out where the client's is known."""
    for logon in completed(evidence):
        connection = evidence.connections[logon.connection]
        plain = logon.mechanism is Mechanism.NTLM and logon.sealing is False and not logon.over_tls and connection.protocol != "tls"
        if plain and not any(identity in evidence.far for identity in logon.exchanges):
            last = evidence.exchanges[logon.exchanges[-1]]
            bodies = tuple(exchange for exchange in _logged_on(evidence, logon) if (asked := request(exchange)) is not None and asked.body.size)
            if bodies:
                exchanges = (*logon.exchanges, *(exchange.id for exchange in bodies))
                yield Sign(Unsealed(last, bodies), exchanges, (*first_packet(request(last)), *packets_of(bodies)), user=who(logon))


def _logged_on(evidence: Evidence, logon: Conversation) -> Iterator[Exchange]:
    """The exchange that ends a handshake, and those that follow on its connection up to the next logon."""
    earlier = frozenset(logon.exchanges[:-1])
    return (one for one in until_the_next(evidence, logon, begins_at(evidence, logon), Audience.SERVER) if one.id not in earlier)


def why(tell: Tell[Unsealed]) -> str:
    first = tell.facts[0]
    bodies = sum(len(fact.bodies) for fact in tell.facts)
    return (
        f"The NTLM handshake{named('of', tell.first.user)} on {name(tell.connection)} ended without the flag for encryption ({asked_at(tell, first.last)}, "
        f"{first.last.id}). {counted(bodies, 'request')} with a body followed. The first is {first.bodies[0].id} ({asked_at(tell, first.bodies[0])}). "
        "Without the flag there is no key, so the messages are readable."
    )


OPINION = Opinion(
    title=lambda tell: f"NTLM logon{named('of', tell.users[0] if tell.users else None)} without message encryption",
    name="NTLM logon without message encryption",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=Owner.CLIENT,
    reference="MS-NLMP 2.2.2.5",
    advice="Use a client that asks for message encryption (pywinrm: message_encryption='always'; pypsrp: encryption='always'), or HTTPS.",
    see=see,
    why=why,
)
