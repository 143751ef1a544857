"""Nearly every request is authenticated anew.

What it sees
    From one client to one endpoint at least 5 requests with a body that were answered other than 401 or 407, and at least 0.8 completed handshakes (NTLM,
    Kerberos, CredSSP) for each of them. The cost is what the handshakes' extra round trips took.
Why it matters
    A handshake costs one to six round trips and a domain controller's work. The cause is a connection that does not persist: on the proxy when the client's
    connection lives on while new upstream connections appear, on the client when it opens a new connection for each request.
When it is wrong
    Clients that do so by design (no keep-alive) are reported too, with the client named as the cause.
Needs
    The client's leg; both legs to tell the cause.
Reference
    Proxy Servers and WinRM, sentences 145 to 148.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    completed,
    counted,
    finding,
    first_packet,
    packet,
    request,
    response,
    role,
    seconds,
    status,
    upstream,
    who,
    winrm_exchanges,
)

RULE = "auth.reauth-per-request"
TITLE = "Every request is authenticated anew"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 148"
HOW = Advice(
    "Let the connections persist: on the proxy bind the upstream connection to the client's",
    Topic.BIND,
    "; on the client use a library that keeps its connection (one session object, keep-alive on).",
)
ADVICE = HOW.text()
_LEAST_REQUESTS = 5
_RATIO = 0.8
_DEMANDS = (401, 407)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    payloads: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        asked, code = request(exchange), status(exchange)
        if role(evidence, exchange.connection) is not Role.UPSTREAM_LEG and asked is not None and asked.body.size and code is not None and code not in _DEMANDS:
            payloads[_pair(evidence, exchange.connection)].append(exchange)
    shakes: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in completed(evidence):
        if role(evidence, conversation.connection) is not Role.UPSTREAM_LEG:
            shakes[_pair(evidence, conversation.connection)].append(conversation)
    for pair, exchanges in payloads.items():
        if len(exchanges) >= _LEAST_REQUESTS and len(shakes[pair]) >= _RATIO * len(exchanges):
            yield _finding(evidence, exchanges, shakes[pair])


def _pair(evidence: Evidence, connection: str) -> tuple[str, str, int]:
    found = evidence.connections[connection]
    return found.client.host, found.server.host, found.server.port


def _finding(evidence: Evidence, exchanges: list[Exchange], shakes: list[Conversation]) -> Finding:
    spent = [_cost(evidence, conversation) for conversation in shakes]
    extra_ns = sum(ns for ns, _ in spent)
    extra_bytes = sum(size for _, size in spent)
    connections = list(dict.fromkeys(exchange.connection for exchange in exchanges))
    fars = {far.connection for exchange in exchanges if (far := upstream(evidence, exchange.id)) is not None}
    if fars and len(fars) > len(connections):
        cause = (
            f"the client kept {counted(len(connections), 'connection')}, the proxy used {counted(len(fars), 'upstream connection')}: "
            "the proxy does not keep them"
        )
    elif len(connections) >= _RATIO * len(exchanges):
        cause = f"the client opened {counted(len(connections), 'connection')} of its own accord"
    else:
        cause = f"the requests came over {counted(len(connections), 'connection')} of the client"
    first = evidence.exchanges[shakes[0].exchanges[0]]
    asked = request(first)
    why = (
        f"{counted(len(shakes), 'completed handshake')} for {counted(len(exchanges), 'request')} with a body; {cause}. The handshakes' extra round trips took "
        f"{seconds(extra_ns)} in all ({seconds(extra_ns // len(exchanges))} for each request) and {extra_bytes:,} bytes. The first begins with {first.id}, "
        f"{packet(evidence, asked.packets[0]) if asked and asked.packets else 'not captured'}."
    )
    members = [*(identity for conversation in shakes for identity in conversation.exchanges), *(exchange.id for exchange in exchanges)]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[*connections, *(conversation.connection for conversation in shakes)],
        exchanges=members,
        packets=[key for conversation in shakes for key in first_packet(request(evidence.exchanges[conversation.exchanges[0]]))],
        user=next((found for conversation in shakes if (found := who(conversation))), None),
    )


def _cost(evidence: Evidence, conversation: Conversation) -> tuple[int, int]:
    """Nanoseconds and bytes of the round trips that carried no payload of their own."""
    ns = size = 0
    for identity in conversation.exchanges:
        exchange = evidence.exchanges[identity]
        asked, answer = request(exchange), response(exchange)
        if asked is None or answer is None or (identity == conversation.ends and asked.body.size):
            continue
        ns += answer.last_ns - asked.first_ns
        size += asked.end_at - asked.at + answer.end_at - answer.at
    return ns, size
