"""The server's side alone: a second client on a connection that another client logged on.

The proxy names another client for later requests without credentials (X-Forwarded-For, Forwarded), or they come from another program (User-Agent). The fields
are the proxy's word, so this is less certain than both sides; several addresses say nothing.
"""

from analyzer.records.auth import Conversation
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.records.story import Outcome
from analyzer.rules.reading import CONNECTION_BASED, authenticated, counted, header, message, name, owner, packets_of, request, status, who
from analyzer.rules.telling import Evidence, Fact, Sign, Signs, Tell

_ADDRESS, _PROGRAM = 0.9, 0.6


class Second(Fact, frozen=True):
    """A request of a second client, the logon of the first one, and how both are called (addresses, else User-Agents)."""

    exchange: Exchange
    logon: Conversation
    first: str
    second: str
    by_address: bool


def see(evidence: Evidence) -> Signs[Second]:
    """One sign for each request that was served to a second client."""
    upstream = {identity for identity, own in evidence.roles.items() if own is Role.UPSTREAM_LEG and len(evidence.exchanges_of.get(identity, ())) > 1}
    for fate in evidence.story.fates.values() if upstream else ():
        exchange = evidence.exchanges[fate.request]
        if fate.outcome not in (Outcome.ANSWERED, Outcome.FAULT) or exchange.connection not in upstream:
            continue
        logon = authenticated(evidence, exchange)
        if logon is None or logon.mechanism not in CONNECTION_BASED or exchange.id in logon.exchanges or _speaks_for_itself(evidence, exchange):
            continue
        second = _second(evidence, exchange, logon)
        if second is not None:
            token = next((step.packets[0] for step in reversed(logon.steps) if step.from_client and step.packets), None)
            packets = (*(() if token is None else (token,)), *packets_of([exchange]))
            yield Sign(second, (exchange.id,), packets, user=None, confidence=_ADDRESS if second.by_address else _PROGRAM)


def _speaks_for_itself(evidence: Evidence, exchange: Exchange) -> bool:
    """It has credentials of its own, or a body that was encrypted for this very logon."""
    asked = request(exchange)
    found = message(evidence, asked)
    return (
        owner(evidence, exchange.id) is not None or header(asked, "authorization") is not None or (found is not None and found.protection is Protection.SEALED)
    )


def _second(evidence: Evidence, exchange: Exchange, logon: Conversation) -> Second | None:
    first = evidence.exchanges[logon.exchanges[-1]]
    hosts = [None if (fate := evidence.story.fates.get(one.id)) is None else fate.asked_from for one in (first, exchange)]
    if hosts[0] and hosts[1]:
        return Second(exchange, logon, hosts[0], hosts[1], by_address=True) if hosts[0] != hosts[1] else None
    agents = [header(request(one), "user-agent") for one in (first, exchange)]
    if agents[0] and agents[1] and agents[0] != agents[1]:
        return Second(exchange, logon, agents[0], agents[1], by_address=False)
    return None


def each(_: Evidence, sign: Sign[Second]) -> tuple[str, str, str]:
    """One finding for each connection, logon and second client."""
    return sign.fact.exchange.connection, sign.fact.logon.id, sign.fact.second


def sure(tell: Tell[Second]) -> float:
    """Less than certain: fields can be written by anyone, and one client may have two programs."""
    return _ADDRESS if tell.facts[0].by_address else _PROGRAM


def title(tell: Tell[Second]) -> str:
    """Names the account that is used."""
    account = who(tell.facts[0].logon)
    return f"A second client is served as {account}" if account else "A second client is served on another client's logon"


def why(tell: Tell[Second]) -> str:
    """Who logged on, who came second, and how that is known."""
    fact = tell.facts[0]
    account = who(fact.logon) or "an account that is not visible"
    asked = request(fact.exchange)
    how = "The proxy names both addresses in its fields." if fact.by_address else "The User-Agent changes; the proxy names no address."
    agents = dict.fromkeys(value for second in tell.facts if (value := header(request(second.exchange), "user-agent")))
    return (
        f"{fact.first} logged on {name(tell.connection)} as {account} with {fact.logon.mechanism.shown} ({tell.packet(tell.first.packets[0])}). "
        f"{counted(tell.count, 'request')} of {fact.second} without credentials then came over the same connection and were answered. The first is "
        f"{fact.exchange.id} ({tell.packet(asked.packets[0]) if asked and asked.packets else 'not captured'}), status {status(fact.exchange)}"
        f"{f', User-Agent {next(iter(agents))}' if agents and fact.by_address else ''}. {how} The server served them with the rights of {account}."
    )
