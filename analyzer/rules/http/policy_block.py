"""The proxy forbids WinRM.

What it sees
    403 to a CONNECT or to a request with an absolute target for a WinRM endpoint, on a client's leg, that did not go on to the server (or went on and was
    answered otherwise).
Why it matters
    The client reports "access denied" or "bad HTTP response", and neither the server nor the account is the reason: a rule of the proxy is. Often the client
    was not meant to use the proxy at all and took it from its environment (http_proxy).
When it is wrong
    A 403 that a server sends through a proxy when only the client's leg was captured.
Needs
    The client's leg.
Reference
    RFC 9110 section 15.5.4; Proxy Servers and WinRM, sentence 161.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.products import PAST_THE_PROXY, Advice, Topic
from analyzer.rules.reading import counted, finding, header, identity, listed, name, packet, packets_of, request, response, status, upstream, winrm_exchanges

RULE = "http.policy-block"
TITLE = "The proxy forbids WinRM"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 9110 section 15.5.4"
HOW = Advice(
    "Allow the destination and its port on the proxy",
    Topic.ALLOW,
    f", or {PAST_THE_PROXY}.",
)
ADVICE = HOW.text()
_FORBIDDEN = 403


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        if status(exchange) == _FORBIDDEN and _asks_proxy(exchange) and not _servers_own(evidence, exchange):
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _asks_proxy(exchange: Exchange) -> bool:
    asked = request(exchange)
    return asked is not None and (asked.method == "CONNECT" or "://" in asked.target.split("?", maxsplit=1)[0])


def _servers_own(evidence: Evidence, exchange: Exchange) -> bool:
    far = upstream(evidence, exchange.id)
    return far is not None and status(far) == _FORBIDDEN


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.connection]
    packets = packets_of(group)
    product = header(response(first), "server")
    targets = listed(f"{asked.method} {asked.target}" for exchange in group if (asked := request(exchange)) is not None)
    why = (
        f"The proxy {connection.server.host}:{connection.server.port}{f' ({product})' if product else ''} answered {counted(len(group), 'request')} of "
        f"{connection.client.host} with 403 of its own ({targets}): the first is {first.id} on {name(connection)}, "
        f"{packet(evidence, packets[-1 if len(group) == 1 else 0]) if packets else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9 if product is None or "httpapi" not in product.lower() else 0.5,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in group],
        exchanges=[exchange.id for exchange in group],
        packets=packets,
        user=identity(evidence, connection.id),
    )
