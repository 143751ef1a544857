"""Encrypted and clear-text messages on the same connection.

Detects
    On one connection without TLS an encrypted request, and a request with a readable SOAP envelope that was answered 2xx.
Impact
    Both sides can encrypt, and yet some requests are readable and changeable on the way. The server accepts them, so it serves anyone who can put a request on
    this connection.
False positives
    A client that tried in clear, was refused and encrypted from then on is not counted.
Requires
    One side of the proxy, or a direct connection.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If a WinRM server supports HTTP and is accessed through a
    proxy, the WinRM server must enforce encryption and not allow unencrypted network traffic. Under no circumstances
    should unencrypted HTTP requests be sent through proxy servers."
    MS-WSMV 2.2.9.1.
"""

from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.asking import asked_at
from analyzer.rules.reading import counted, identity, is_clear, message, name, packets_of, request, status, succeeded
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Mixed(Fact, frozen=True):
    """The readable and the encrypted requests of one connection."""

    clear: tuple[Exchange, ...]
    encrypted: tuple[Exchange, ...]


def see(evidence: Evidence) -> Signs[Mixed]:
    """One sign for each connection; the server's side is left out where the client's is known."""
    both = {exchange.connection for exchange in asked_in(evidence, Protection.CLEAR)} & {one.connection for one in asked_in(evidence, Protection.SEALED)}
    for connection in [one for one in evidence.connections.values() if one.id in both] if both else ():
        if connection.protocol != "http":
            continue
        own = [exchange for exchange in evidence.exchanges_of[connection.id] if exchange.id not in evidence.far]
        clear = tuple(exchange for exchange in own if is_clear(message(evidence, request(exchange))) and succeeded(exchange))
        encrypted = tuple(one for one in own if (found := message(evidence, request(one))) and found.protection is Protection.SEALED)
        if clear and encrypted:
            shown = (*clear, encrypted[0])
            yield Sign(Mixed(clear, encrypted), tuple(one.id for one in shown), packets_of(shown), (connection.id,), identity(evidence, connection.id))


def why(tell: Tell[Mixed]) -> str:
    first, other = tell.facts[0].clear[0], tell.facts[0].encrypted[0]
    clear, encrypted = (sum(len(group) for group in groups) for groups in zip(*((fact.clear, fact.encrypted) for fact in tell.facts), strict=True))
    return (
        f"{tell.connection.client.host} sent {counted(clear, 'readable request')} and {counted(encrypted, 'encrypted one')} on "
        f"{counted(tell.count, 'connection')}. On {name(tell.connection)}, {first.id} is readable ({asked_at(tell, first)}, status {status(first)}) and "
        f"{other.id} is encrypted ({asked_at(tell, other)}). The server accepts both."
    )


OPINION = Opinion(
    title="Encrypted and clear-text messages on one connection",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=Owner.SERVER,
    reference="MS-WSMV 2.2.9.1",
    advice="Set AllowUnencrypted to false on server and client, and find out which program sends the readable requests.",
    see=see,
    why=why,
    fails=("encryption_enforced",),
)
