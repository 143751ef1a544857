"""A host passes a victim's NTLM logon to WinRM.

Detects
    One server challenge on two connections of which the first ends at the host where the second begins, and the
    second carries WinRM. Proof of the relay is one of two: the first asks for something else (another method than
    POST, or another path than WinRM's); or it is WinRM, too, and the request that carries the victim's own token on
    the second connection has a body that the victim never sent to this host.
Impact
    It is how a relay works: the victim expects to log on to a web page, a file or a server, and the attacker gets a
    WinRM session in the victim's name.
False positives
    A reverse proxy that leads another path to /wsman looks alike only if it changes the method as well or rewrites
    the path of a request that is not WinRM. A proxy that forwards WinRM forwards the client's own bodies, and is
    never counted. A body that was not wholly captured proves nothing.
Requires
    Both connections.
References
    ATT&CK T1557.001; MS-NLMP 5.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism, Step
from analyzer.records.transport import Connection
from analyzer.rules.asking import asks_for, is_mixed, server_words
from analyzer.rules.reading import counted, packets_of, request, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_PATHS = ("/wsman", "/powershell")
_Place = tuple[str, str, int]


class Relay(Fact, frozen=True):
    """The victim's conversation and the one with the server; of WinRM to WinRM, the exchange with the body that the victim never sent."""

    victim: Conversation
    server: Conversation
    foreign: str | None = None


class _Bodies:
    """Digests of the bodies that each client sent to each place, made once for each; None where any was not wholly captured."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._known: dict[_Place, frozenset[bytes] | None] = {}
        self._connections: dict[_Place, list[str]] | None = None

    def _of(self, place: _Place) -> list[str]:
        """The connections of a place."""
        if self._connections is None:
            self._connections = defaultdict(list)
            for found in self._evidence.connections.values():
                self._connections[found.client.host, found.server.host, found.server.port].append(found.id)
        return self._connections[place]

    def sent(self, connection: Connection) -> frozenset[bytes] | None:
        """All that the client of a connection sent to its server, over any connection."""
        place = connection.client.host, connection.server.host, connection.server.port
        if place not in self._known:
            self._known[place] = self._digests(self._of(place))
        return self._known[place]

    def _digests(self, connections: list[str]) -> frozenset[bytes] | None:
        found = set()
        for identity in connections:
            stream = self._evidence.connections[identity].to_server
            if stream.gaps or not stream.begins:
                return None
            for exchange in self._evidence.exchanges_of.get(identity, ()):
                digest = _digest(self._evidence, exchange.id)
                if digest is None:
                    return None
                found.add(digest)
        return frozenset(found)


def see(evidence: Evidence) -> Signs[Relay]:
    """One sign for each challenge that was passed on."""
    by_challenge: dict[bytes, list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        if conversation.mechanism is Mechanism.NTLM and conversation.server_challenge is not None:
            by_challenge[conversation.server_challenge].append(conversation)
    bodies = _Bodies(evidence)
    for group in by_challenge.values():
        relay = next(_relays(evidence, group, bodies), None)
        if relay is not None:
            exchanges = (*relay.victim.exchanges, *relay.server.exchanges)
            packets = (*_keys(relay), *packets_of(evidence.exchanges[identity] for identity in exchanges))
            yield Sign(relay, exchanges, packets, (relay.server.connection, relay.victim.connection), who(relay.server) or who(relay.victim))


def _relays(evidence: Evidence, group: list[Conversation], bodies: _Bodies) -> Iterator[Relay]:
    """Pairs of conversations with the same challenge where a host is the server of one and the client of one that is WinRM."""
    onward: dict[str, list[Conversation]] = defaultdict(list)
    for other in group:
        if other.audience is Audience.SERVER and all(_is_winrm(evidence, identity) for identity in other.exchanges):
            onward[evidence.connections[other.connection].client.host].append(other)
    for one in group:
        near = evidence.connections[one.connection]
        if near.twin_of is not None or near.server.host not in onward:
            continue
        other_service = not any(_is_winrm(evidence, identity) for identity in one.exchanges)
        for other in onward[near.server.host]:
            if near.id == other.connection or near.client.host == evidence.connections[other.connection].client.host:
                continue
            foreign = None if other_service else _foreign(evidence, one, other, bodies)
            if other_service or foreign is not None:
                yield Relay(one, other, foreign)


def _is_winrm(evidence: Evidence, exchange: str) -> bool:
    """A request of WinRM, or one that is not known and might be."""
    asked = request(evidence.exchanges[exchange])
    if asked is None or asked.method == "CONNECT":
        return True
    before, scheme, rest = asked.target.partition("://")
    path = "/" + rest.partition("/")[2] if scheme and before.isalpha() else asked.target
    return asked.method == "POST" and path.lower().startswith(_PATHS)


def _foreign(evidence: Evidence, victim: Conversation, server: Conversation, bodies: _Bodies) -> str | None:
    """The exchange that carries the victim's own answer to the server, with a body that the victim never sent; None where that is not proved."""
    mine, theirs = _answer(victim), _answer(server)
    if is_mixed(evidence, victim) or is_mixed(evidence, server):
        return None
    if mine is None or theirs is None or mine.token is None or theirs.token is None or mine.token.digest != theirs.token.digest:
        return None
    asked = request(evidence.exchanges[theirs.exchange])
    digest = _digest(evidence, theirs.exchange)
    if asked is None or not asked.body.size or digest is None:
        return None
    sent = bodies.sent(evidence.connections[victim.connection])
    return None if sent is None or digest in sent else theirs.exchange


def _digest(evidence: Evidence, exchange: str) -> bytes | None:
    """The digest of a request's body; None when it is not wholly known."""
    asked = request(evidence.exchanges[exchange])
    return asked.body.digest if asked is not None and asked.body.complete and isinstance(asked.body.digest, bytes) else None


def _answer(conversation: Conversation) -> Step | None:
    return next((step for step in conversation.steps if step.token is not None and step.token.step == "authenticate" and step.packets), None)


def _keys(relay: Relay) -> list[int]:
    """The packets of the challenge on both connections."""
    wanted = (
        next((step for step in one.steps if step.token is not None and step.token.step == "challenge" and step.packets), None)
        for one in (relay.victim, relay.server)
    )
    return [step.packets[0] for step in wanted if step is not None]


def why(tell: Tell[Relay]) -> str:
    relay, evidence = tell.first.fact, tell.evidence
    near, far = evidence.connections[relay.victim.connection], evidence.connections[relay.server.connection]
    places = " and ".join(tell.packet(key) for key in _keys(relay))
    user = tell.first.user
    asked = request(evidence.exchanges[relay.victim.exchanges[0]])
    proof = f"The client asked for {asks_for(asked)} there."
    if relay.foreign is not None:
        carried = request(evidence.exchanges[relay.foreign])
        proof = (
            f"The request with the client's answer has a body of {counted(0 if carried is None else carried.body.size, 'byte')} on the second connection "
            f"({relay.foreign}). The client never sent this body."
        )
    return (
        f"{server_words(far)} sent one NTLM challenge, and {near.client.host} got the same one from {server_words(near)} ({places}). {proof} "
        f"So {near.server.host} passes the logon{f' of {user}' if user else ''} to WinRM. The logon ended {relay.server.outcome.value.replace('_', ' ')} "
        f"({relay.victim.connection}, {relay.server.connection})."
    )


OPINION = Opinion(
    title=lambda tell: f"{tell.connection.client.host} relays the NTLM logon of {tell.first.user or 'a client'} to WinRM",
    name="An NTLM logon is relayed to WinRM",
    severity=Severity.CRITICAL,
    confidence=0.9,
    owner=Owner.NETWORK,
    reference="ATT&CK T1557.001",
    advice=(
        "Isolate the host in between, and treat the account as used by the attacker on the server. Require HTTPS with CbtHardeningLevel Strict for WinRM, and "
        "SMB signing. Turn off LLMNR, NBT-NS and WPAD. Use Kerberos, or put the account into Protected Users."
    ),
    attack=("T1557.001", "T1021.006"),
    see=see,
    why=why,
    each=alone,
)
