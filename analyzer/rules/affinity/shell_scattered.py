"""Requests for one shell are sent to several servers.

Detects
    One ShellId, in messages that could be read, on server connections to two or more server addresses of one address family, and at least one of these requests
    was answered with a fault or an error.
Impact
    A shell lives on one server. The others do not know it (InvalidSelectors), so that commands fail at random.
False positives
    A cluster that shares shells behind several addresses would serve them all: without an error nothing is said.
Requires
    The server's side of the proxy, and messages that can be read (in clear, or decrypted).
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The client TCP/IP connection to the proxy should continue
    to map to the same TCP/IP connection from the proxy to the server."
    MS-WSMV 3.1.4.1.31.4.
"""

from collections import defaultdict

from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.asking import asked_at
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, identity, listed, message, packets_of, request, response, status, winrm_exchanges
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_ERROR = 400
_DEMANDS = (401, 407)


class Scattered(Fact, frozen=True):
    """A shell, the requests for it, and the first that failed."""

    shell: str
    group: tuple[Exchange, ...]
    failed: Exchange


def see(evidence: Evidence) -> Signs[Scattered]:
    shells: dict[tuple[str, bool], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence, Role.UPSTREAM_LEG):
        found = message(evidence, request(exchange))
        if found is not None and found.shell_id and exchange.id not in evidence.near:
            shells[found.shell_id.upper(), ":" in evidence.connections[exchange.connection].server.host].append(exchange)
    for (shell, _), group in shells.items():
        servers = {evidence.connections[exchange.connection].server.host for exchange in group}
        failed = next((exchange for exchange in group if _failed(evidence, exchange)), None) if len(servers) > 1 else None
        if failed is not None:
            connections = (failed.connection, *(exchange.connection for exchange in group))
            user = identity(evidence, failed.connection)
            yield Sign(Scattered(shell, tuple(group), failed), tuple(one.id for one in group), packets_of([failed, *group]), connections, user)


def _failed(evidence: Evidence, exchange: Exchange) -> bool:
    code, answer = status(exchange), message(evidence, response(exchange))
    fault = answer is not None and (answer.operation == "Fault" or answer.fault_code is not None)
    return code is not None and code not in _DEMANDS and (code >= _ERROR or fault)


def _servers(tell: Tell[Scattered]) -> list[str]:
    return list(dict.fromkeys(tell.evidence.connections[exchange.connection].server.host for exchange in tell.facts[0].group))


def why(tell: Tell[Scattered]) -> str:
    fact = tell.facts[0]
    answer = message(tell.evidence, response(fact.failed))
    code = f" ({answer.fault_code})" if answer is not None and answer.fault_code else ""
    return (
        f"The proxy {tell.connection.client.host} sent {counted(len(fact.group), 'request')} for one shell to {listed(_servers(tell))}. "
        f"{tell.connection.server.host} answered {status(fact.failed)}{code} to {fact.failed.id} ({asked_at(tell, fact.failed)}). "
        f"A shell lives on one server, and the others do not know it (ShellId {fact.shell})."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {tell.connection.client.host} sends one shell's requests to {len(_servers(tell))} servers",
    name="Proxy sends one shell's requests to several servers",
    severity=Severity.MEDIUM,
    confidence=0.8,
    owner=Owner.PROXY,
    reference="MS-WSMV 3.1.4.1.31.4",
    advice=Advice("Bind clients to servers at the load balancer", Topic.STICKY, "Or let it honor the cookie MS-WSMAN."),
    see=see,
    why=why,
    each=alone,
    explains=("wsman.shell-gone",),
)
