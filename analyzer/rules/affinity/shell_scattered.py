"""Requests for one shell are sent to several servers.

What it sees
    One ShellId, in messages that could be read, on upstream connections to two or more server addresses of one address family, and at least one of these
    requests was answered with a fault or an error.
Why it matters
    A shell lives on one server. The others do not know it (InvalidSelectors), so that commands fail at random.
When it is wrong
    A cluster that shares shells behind several addresses would serve them all: without an error nothing is said.
Needs
    The upstream leg, and messages that can be read (in clear, or opened with a secret).
Reference
    MS-WSMV 3.1.4.1.31.4; Proxy Servers and WinRM, sentence 146.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    counted,
    finding,
    first_packet,
    identity,
    listed,
    message,
    name,
    packet,
    packets_of,
    request,
    response,
    status,
    winrm_exchanges,
)

RULE = "affinity.shell-scattered"
TITLE = "One shell's requests are sent to several servers"
SEVERITY = Severity.MEDIUM
REFERENCE = "MS-WSMV 3.1.4.1.31.4"
HOW = Advice(
    "Bind clients to servers at the load balancer",
    Topic.STICKY,
    ", or let it honour the cookie MS-WSMAN.",
)
ADVICE = HOW.text()
_UNKNOWN_SHELL = 400


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each shell."""
    shells: dict[tuple[str, bool], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence, Role.UPSTREAM_LEG):
        found = message(evidence, request(exchange))
        if found is not None and found.shell_id and exchange.id not in evidence.near:
            shells[found.shell_id.upper(), ":" in evidence.connections[exchange.connection].server.host].append(exchange)
    for (shell, _), group in shells.items():
        servers = {evidence.connections[exchange.connection].server.host for exchange in group}
        wrong = [exchange for exchange in group if _failed(evidence, exchange)]
        if len(servers) > 1 and wrong:
            yield _finding(evidence, shell, group, wrong[0])


def _failed(evidence: Evidence, exchange: Exchange) -> bool:
    code, answer = status(exchange), message(evidence, response(exchange))
    fault = answer is not None and (answer.operation == "Fault" or answer.fault_code is not None)
    return code is not None and code not in (401, 407) and (code >= _UNKNOWN_SHELL or fault)


def _finding(evidence: Evidence, shell: str, group: list[Exchange], wrong: Exchange) -> Finding:
    servers = listed(evidence.connections[exchange.connection].server.host for exchange in group)
    answer = message(evidence, response(wrong))
    key = first_packet(request(wrong))
    why = (
        f"{counted(len(group), 'request')} for shell {shell} were sent to {servers}: {wrong.id} on {name(evidence.connections[wrong.connection])}, "
        f"{packet(evidence, key[0]) if key else ''}, was answered {status(wrong)}"
        f"{f' ({answer.fault_code})' if answer is not None and answer.fault_code else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[wrong.connection, *(exchange.connection for exchange in group)],
        exchanges=[exchange.id for exchange in group],
        packets=packets_of([wrong, *group]),
        user=identity(evidence, wrong.connection),
    )
