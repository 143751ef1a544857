"""What the two rules on clear-text SOAP share: grouping the exchanges whose bodies are readable."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.reading import is_clear, listed, message, request, response, role, winrm_exchanges


def clear_exchanges(evidence: Evidence, roles: Iterable[Role]) -> Iterable[Exchange]:
    """Exchanges with a readable envelope in the request or the response, on connections without TLS."""
    for exchange in winrm_exchanges(evidence, *roles):
        if evidence.connections[exchange.connection].protocol != "tls" and any(
            is_clear(message(evidence, half)) for half in (request(exchange), response(exchange))
        ):
            yield exchange


def by_client_and_server(evidence: Evidence, exchanges: Iterable[Exchange]) -> Mapping[tuple[str, str, int], list[Exchange]]:
    """Grouped by client host and server endpoint, both as the connection has them."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in exchanges:
        connection = evidence.connections[exchange.connection]
        groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    return groups


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
