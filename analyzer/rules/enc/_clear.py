"""What the rules on clear-text SOAP share: the exchanges whose bodies are readable, whose they are, and how they are told."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

from analyzer.records.candidates import answers_clear, asks_clear, connections, of_kinds
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.kinds import Kind
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.records.story import Fate
from analyzer.records.transport import Connection
from analyzer.rules.reading import Place, counted, is_clear, listed, message, name, packets_of, request, response, role, said_clear
from analyzer.rules.telling import Evidence, Fact, Sign, Signs, Tell

ENCRYPT = (
    "Set AllowUnencrypted to false on the server (winrm set winrm/config/service '@{AllowUnencrypted=\"false\"}') and let the client encrypt its messages "
    "(pywinrm: message_encryption='always'; pypsrp: encryption='always'), or use HTTPS on port 5986."
)
_CLIENTS = 3
"""Clients that a sentence names."""
_UPSTREAM = Role.UPSTREAM_LEG
_IDENTIFY = 512
"""An Identify has some 200 bytes; an envelope with an action and its header has more than this."""


def is_local(connection: Connection) -> bool:
    """Both ends are on one host: nobody else is on the way."""
    client, server = connection.client.host, connection.server.host
    return client == server or _is_loopback(client) or _is_loopback(server)


def _is_loopback(host: str) -> bool:
    if ":" not in host and not host.startswith("127."):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Run(Fact, frozen=True):
    """Exchanges between one client host and one endpoint that follow each other there, and whose requests ran as the same account."""

    exchanges: tuple[Exchange, ...]


def runs(evidence: Evidence, named: Iterable[tuple[Exchange, str | None]]) -> Signs[Run]:
    """One sign for each run of these exchanges, each with the account: there are few of them, however many exchanges there are."""
    places: dict[Place, list[tuple[str | None, list[Exchange]]]] = {}
    of: dict[str, list[tuple[str | None, list[Exchange]]]] = {}
    for exchange, user in named:
        own = of.get(exchange.connection)
        if own is None:
            connection = evidence.connections[exchange.connection]
            own = of[exchange.connection] = places.setdefault((connection.client.host, connection.server.host, connection.server.port), [])
        if own and own[-1][0] == user:
            own[-1][1].append(exchange)
        else:
            own.append((user, [exchange]))
    for group in places.values():
        for user, exchanges in group:
            own_ones = (exchanges[0].connection,) if len(exchanges) == 1 else tuple(dict.fromkeys([one.connection for one in exchanges]))
            yield Sign(Run(tuple(exchanges)), tuple([one.id for one in exchanges]), packets_of(exchanges), own_ones, user)


def exchanges_of(tell: Tell[Run]) -> tuple[Exchange, ...]:
    """The exchanges of all runs of a finding."""
    facts = tell.facts
    return facts[0].exchanges if len(facts) == 1 else tuple([exchange for run in facts for exchange in run.exchanges])


def clear_exchanges(evidence: Evidence, *roles: Role) -> Iterator[tuple[Exchange, str | None]]:
    """Exchanges with a readable envelope in the request or the response, on connections over a network and without TLS, each with the account it ran as."""
    readable = _readable(evidence)
    own = {identity for identity in exposed(evidence) if role(evidence, identity) in roles} if readable else ()
    fates, far = evidence.story.fates, evidence.far
    for exchange in readable:
        if exchange.connection in own:
            fate = fates.get(exchange.id) if not far else fate_of(evidence, exchange)
            yield exchange, None if fate is None else fate.asked_as


def exposed(evidence: Evidence) -> frozenset[str]:
    """The connections of WinRM over a network and without TLS."""
    own = connections(evidence)
    return evidence.index.once("exposed", lambda: frozenset([one.id for one in own if one.protocol != "tls" and not is_local(one)]))


def _readable(evidence: Evidence) -> tuple[Exchange, ...]:
    return evidence.index.once("readable", lambda: _without_doubt(evidence))


def _without_doubt(evidence: Evidence) -> tuple[Exchange, ...]:
    every = said_clear(evidence)
    doubtful = of_kinds(evidence, lambda kind: not _is_whole(kind) and (asks_clear(kind) or answers_clear(kind)))
    dropped = {one.id for one in doubtful if not _is_either(evidence, one)}
    return every if not dropped else tuple([one for one in every if one.id not in dropped])


def _is_whole(kind: Kind) -> bool:
    """The request is a readable envelope that was captured whole, as of nearly all."""
    return asks_clear(kind) and kind.asked is not None and kind.asked.said is not None and kind.asked.said.whole


def _is_either(evidence: Evidence, exchange: Exchange) -> bool:
    return _is_readable(evidence, request(exchange)) or _is_readable(evidence, response(exchange))


def _is_readable(evidence: Evidence, half: Request | Response | None) -> bool:
    """It holds a readable envelope. A short one that the capture cut before its action may be an Identify, which is anonymous by design."""
    found = message(evidence, half)
    if half is None or found is None or not is_clear(found):
        return False
    cut = bool(half.body.missing) or not half.body.complete
    short = (half.body.declared or half.body.size) <= _IDENTIFY
    return not (cut and short and not isinstance(found.operation, str))


def fate_of(evidence: Evidence, exchange: Exchange) -> Fate | None:
    """What became of the client's request that this exchange is, or was forwarded from."""
    identity, far = exchange.id, evidence.far
    while far and (hop := far.get(identity)) is not None and hop.near != identity:
        identity = hop.near
    return evidence.story.fates.get(identity)


def operations(evidence: Evidence, exchanges: Sequence[Exchange]) -> str | None:
    """The short names of the readable requests of these, for a sentence; None where none is readable."""
    messages = evidence.messages
    if len(exchanges) == 1:  # as of most findings
        only = exchanges[0].request
        said = None if isinstance(only, Absent) else messages.get(only.id)
        return None if said is None or not is_clear(said) else _named(said)
    found = [messages.get(exchange.request.id) for exchange in exchanges if not isinstance(exchange.request, Absent)]
    asked = dict.fromkeys([one.operation if isinstance(one.operation, str) else None for one in found if one is not None and is_clear(one)])
    return listed([_short(operation) for operation in asked]) if asked else None


def _named(said: Message) -> str:
    """What an envelope asks for."""
    return _short(said.operation if isinstance(said.operation, str) else None)


def _short(operation: str | None) -> str:
    """The name of an operation; a method of a class with its class. None: the envelope has no action."""
    if operation is None:
        return "an envelope without an action"
    return operation if "/" not in operation else ".".join(operation.split("/")[-2:])


def sides(evidence: Evidence, exchanges: Sequence[Exchange]) -> str:
    """Which sides of the proxy the readable bodies were seen on."""
    if len(exchanges) == 1:  # as of most findings
        return _side(evidence, exchanges[0])
    return " and ".join(dict.fromkeys([_side(evidence, exchange) for exchange in exchanges]))


def _side(evidence: Evidence, exchange: Exchange) -> str:
    if evidence.connections[exchange.connection].tunnel_of is not None:
        return "inside a CONNECT tunnel"
    return "between proxy and server" if role(evidence, exchange.connection) is _UPSTREAM else "between client and proxy"


def told(tell: Tell[Run], where: str = "") -> str:
    """What was readable, whose it was, and where to look."""
    evidence, exchanges = tell.evidence, exchanges_of(tell)
    first = exchanges[0] if len(exchanges) == 1 else next((one for one in exchanges if role(evidence, one.connection) is not _UPSTREAM), exchanges[0])
    asked = operations(evidence, exchanges)
    carry = "carries" if len(exchanges) == 1 else "carry"
    return (
        f"{counted(len(exchanges), 'exchange')} on {counted(len(tell.connections), 'connection')} {carry} readable SOAP{where}"
        f"{'. Asked for: ' + asked if asked is not None else ' (in responses only)'}. The first is {first.id} on "
        f"{name(evidence.connections[first.connection])}, {tell.packet(packets_of([first])[0])}.{whose(evidence, exchanges)}"
    )


def whose(evidence: Evidence, exchanges: Sequence[Exchange]) -> str:
    """Who asked, each client with the account that it logged on with. A client without one is said to have none."""
    if len(exchanges) == 1:  # as of most findings
        fate = fate_of(evidence, exchanges[0])
        return f" The client logged on as {fate.asked_as}." if fate is not None and fate.asked_as else ""
    fates = map(evidence.story.fates.get, [one.id for one in exchanges]) if not evidence.far else (fate_of(evidence, one) for one in exchanges)
    told = dict.fromkeys([(fate.asked_from, fate.asked_as or "") for fate in fates if fate is not None])
    if len(told) == 1:
        ((_, only),) = told
        return f" The client logged on as {only}." if only else ""
    asked: dict[str | None, dict[str, None]] = {}
    for host, account in told:
        asked.setdefault(host, {})[account] = None
    known = {host: listed([name for name in names if name]) for host, names in asked.items()}
    if len(known) == 1:
        (who,) = known.values()
        return f" The client logged on as {who}." if who else ""
    if len(known) > _CLIENTS and len(set(known.values())) == 1 and all(known):
        (only,) = set(known.values())
        return f" All {len(known):,} clients logged on as {only}." if only else ""
    first = list(known.items())[:_CLIENTS]
    text = "".join(f" {host or 'An unnamed client'} {f'logged on as {who}' if who else 'gave no name of its own'}." for host, who in first)
    rest = len(known) - len(first)
    return f"{text} {counted(rest, 'more client')} asked in clear, too." if rest else text
