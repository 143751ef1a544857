"""What the rules on clear-text SOAP share: the exchanges whose bodies are readable, and how they are told."""

from collections.abc import Iterable, Sequence

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.reading import counted, is_clear, listed, message, name, packet, packets_of, request, response, role, winrm_exchanges


def clear_exchanges(evidence: Evidence, roles: Iterable[Role]) -> Iterable[Exchange]:
    """Exchanges with a readable envelope in the request or the response, on connections without TLS."""
    for exchange in winrm_exchanges(evidence, *roles):
        if evidence.connections[exchange.connection].protocol != "tls" and any(
            is_clear(message(evidence, half)) for half in (request(exchange), response(exchange))
        ):
            yield exchange


def operations(evidence: Evidence, exchanges: Iterable[Exchange]) -> str:
    """The short names of the readable requests, for a sentence."""
    names = []
    for exchange in exchanges:
        found = message(evidence, request(exchange))
        if found is not None and is_clear(found):
            names.append(found.operation if isinstance(found.operation, str) else "an envelope without an action")
    return listed(names)


def legs(evidence: Evidence, exchanges: Iterable[Exchange]) -> str:
    """Which legs of the proxy the readable bodies were seen on."""
    return " and ".join(dict.fromkeys(_leg(evidence, exchange) for exchange in exchanges))


def _leg(evidence: Evidence, exchange: Exchange) -> str:
    if evidence.connections[exchange.connection].tunnel_of is not None:
        return "inside a CONNECT tunnel"
    return "between proxy and server" if role(evidence, exchange.connection) is Role.UPSTREAM_LEG else "between client and proxy"


def story(evidence: Evidence, exchanges: Sequence[Exchange], first: Exchange, connections: Sequence[str], user: str | None, where: str = "") -> str:
    """What was readable, in facts; ``first`` is the exchange to look at."""
    requests = [exchange for exchange in exchanges if is_clear(message(evidence, request(exchange)))]
    carry = "carries" if len(exchanges) == 1 else "carry"
    return (
        f"{counted(len(exchanges), 'exchange')} on {counted(len(connections), 'connection')} {carry} readable SOAP{where}"
        f"{': ' + operations(evidence, requests) if requests else ' (in responses only)'}. "
        f"The first is {first.id} on {name(evidence.connections[first.connection])}, {packet(evidence, packets_of([first])[0])}."
        + (f" The client authenticated as {user}." if user else "")
    )
