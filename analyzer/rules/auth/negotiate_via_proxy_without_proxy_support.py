"""A forward proxy does not say that it keeps authenticated connections apart.

What it sees
    A 401 with NTLM, Negotiate, Kerberos or CredSSP that reaches the client through a forward proxy without the field
    ``Proxy-Support: Session-Based-Authentication``, and a client that goes on to authenticate. Medium when none of its handshakes
    succeeds and the upstream leg does not show that they stayed on one connection, information else.
Why it matters
    The field is the proxy's promise to bind the client's connection to the server's. Without it a client must not use these schemes; WinRM clients do anyway,
    and whether it works, or whose identity a connection has, is up to the proxy.
When it is wrong
    Many proxies keep connections apart without saying so. Reverse proxies and load balancers never send the field and are not counted.
Needs
    The client's leg.
Reference
    RFC 4559 section 6; Proxy Servers and WinRM, sentences 125 and 133.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Conversation, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.reading import (
    counted,
    finding,
    handshakes,
    header,
    name,
    of_them,
    packet,
    packets_of,
    request,
    response,
    role,
    sentence,
    status,
    upstream,
    who,
)

RULE = "auth.negotiate-via-proxy-without-proxy-support"
TITLE = "The proxy does not promise to keep authenticated connections apart"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 4559 section 6"
ADVICE = (
    "Use a proxy that pins connections and says so (squid 2.6, 3.1 or newer with connection-auth=on adds the field by itself), or CONNECT and HTTPS, where "
    "nothing depends on it."
)
_DEMAND = 401
_PROMISE = "session-based-authentication"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[tuple[Conversation, Exchange]]] = defaultdict(list)
    for conversation in handshakes(evidence):
        connection = evidence.connections[conversation.connection]
        bare = _without_promise(evidence, conversation) if role(evidence, connection.id) is Role.CLIENT_LEG else None
        if bare is not None and conversation.outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
            groups[connection.client.host, connection.server.host, connection.server.port].append((conversation, bare))
    for group in groups.values():
        yield _finding(evidence, group)


def _without_promise(evidence: Evidence, conversation: Conversation) -> Exchange | None:
    """The first 401 of a handshake in absolute form that lacks the field; None when any has it."""
    found = [evidence.exchanges[step.exchange] for step in conversation.steps if not step.from_client and step.status == _DEMAND]
    asked = [exchange for exchange in found if (half := request(exchange)) is not None and "://" in half.target.partition("?")[0]]
    if any(_PROMISE in (header(response(exchange), "proxy-support") or "").lower() for exchange in found):
        return None
    whole = [exchange for exchange in asked if not exchange.quality and status(exchange) == _DEMAND]
    return whole[0] if whole else None


def _is_kept_together(evidence: Evidence, conversation: Conversation) -> bool:
    """All of it went over one upstream connection: the proxy kept what it did not promise."""
    fars = [far.connection for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None]
    return len(fars) == len(conversation.exchanges) and len(set(fars)) == 1


def _finding(evidence: Evidence, group: list[tuple[Conversation, Exchange]]) -> Finding:
    conversation, bare = group[0]
    refused = sum(found.outcome is Outcome.REFUSED and not _is_kept_together(evidence, found) for found, _ in group)
    failed = sum(found.outcome is Outcome.REFUSED for found, _ in group)
    members = [exchange for _, exchange in group]
    packets = packets_of(members)
    why = (
        f"{counted(len(group), 'handshake')} of {name(evidence.connections[conversation.connection])} went through the proxy although its 401 has no "
        f"Proxy-Support field: the first is {bare.id}, {packet(evidence, packets[min(1, len(packets) - 1)])}. "
        f"{sentence(of_them(failed, len(group), 'failed', 'failed'))}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY if refused == len(group) else Severity.INFO,
        confidence=0.6,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[found.connection for found, _ in group],
        exchanges=[exchange.id for exchange in members],
        packets=packets,
        user=who(conversation),
    )
