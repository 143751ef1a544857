"""The proxy sends an encrypted request twice.

Detects
    An encrypted body of the client that went to the server twice or more, in exchanges of their own, while the client sent it once. TCP retransmissions are no
    exchanges and do not count.
Impact
    An encrypted message fits one place in the sequence of one connection: the copy cannot be decrypted, is refused and may end the shell. A proxy must not
    repeat POST by itself, since the server may have carried out the first copy.
False positives
    A client that repeats a request itself is not counted; so a client of which the capture lost anything is not judged: it may have been the one. Bodies of one
    length and equal bytes do not occur by chance.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The client TCP/IP connection to the proxy should continue
    to map to the same TCP/IP connection from the proxy to the server."
    RFC 9110 section 9.2.2; MS-NLMP 3.4.4.
"""

from collections import defaultdict

from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.rules.asking import asked_at, server_words, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, identity, listed, name, packets_of, request, status
from analyzer.rules.reading import role as role_of
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Repeated(Fact, frozen=True):
    """A client's request, and the exchanges that brought it to the server."""

    near: Exchange
    copies: tuple[Exchange, ...]


def see(evidence: Evidence) -> Signs[Repeated]:
    """One sign for each request that was sent more than once."""
    near, far = _encrypted(evidence, Role.CLIENT_LEG), _encrypted(evidence, Role.UPSTREAM_LEG)
    if not near or not far:
        return
    holed = _holed(evidence)
    for digest, copies in far.items():
        asked = near.get(digest, [])
        if len(asked) == 1 and len(copies) > 1 and evidence.connections[asked[0].connection].client.host not in holed:
            members = (asked[0], *copies)
            user = identity(evidence, asked[0].connection)
            yield Sign(Repeated(asked[0], tuple(copies)), tuple(one.id for one in members), packets_of(members), user=user)


def _holed(evidence: Evidence) -> set[str]:
    """Clients of which requests may be missing."""
    hosts = {found.client.host for found in evidence.connections.values() if found.to_server.gaps}
    return hosts | {evidence.connections[found.connection].client.host for found in evidence.exchanges.values() if request(found) is None}


def _encrypted(evidence: Evidence, role: Role) -> dict[bytes, list[Exchange]]:
    """Exchanges by the digest of their encrypted request. In a chain of proxies an exchange that was forwarded further is left out."""
    found: dict[bytes, list[Exchange]] = defaultdict(list)
    for exchange in asked_in(evidence, Protection.SEALED):
        asked = request(exchange)
        inner = role is Role.UPSTREAM_LEG and exchange.id in evidence.near
        if role_of(evidence, exchange.connection) is role and asked is not None and isinstance(asked.body.digest, bytes) and not inner:
            found[asked.body.digest].append(exchange)
    return found


def why(tell: Tell[Repeated]) -> str:
    first = tell.facts[0]
    statuses = listed(str(code) for one in first.copies if (code := status(one)) is not None)
    rest = f" This happened to {counted(tell.count, 'request')} of this connection." if tell.count > 1 else ""
    return (
        f"The client sent {first.near.id} on {name(tell.connection)} once ({asked_at(tell, first.near)}). The proxy sent it to the server "
        f"{times(len(first.copies))}, as {listed(one.id for one in first.copies)} ({asked_at(tell, first.copies[0])} and {asked_at(tell, first.copies[1])}). "
        f"{f'The answers were {statuses}' if statuses else 'No answer was captured'}. An encrypted message fits one place on one connection only.{rest}"
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} sends an encrypted request twice",
    name="Proxy sends an encrypted request twice",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.PROXY,
    reference="RFC 9110 section 9.2.2",
    advice=Advice("Turn retries off for WinRM", Topic.RETRY),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.near.connection,
)
