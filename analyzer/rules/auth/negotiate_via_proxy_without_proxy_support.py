"""A forward proxy does not say that it keeps authenticated connections apart.

Detects
    A 401 with NTLM, Negotiate, Kerberos or CredSSP that reaches the client through a forward proxy without the field
    ``Proxy-Support: Session-Based-Authentication``, and a client that goes on to authenticate. Medium when none of
    its logons succeeds and the server side does not show that they stayed on one connection, information otherwise.
Impact
    The field is the proxy's promise to bind the client's connection to the server's. Without it a client must not use
    these schemes; WinRM clients do anyway, and whether it works, or whose identity a connection has, is up to the
    proxy.
False positives
    Many proxies keep connections apart without saying so. Reverse proxies and load balancers never send the field and
    are not counted.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The proxy server does not support connection-based
    authentication, which can cause the authentication against the destination server to fail with an access denied
    error." "Connection-based authentication for Negotiate, Kerberos, and CredSSP authentication."
    RFC 4559 section 6.
"""

from analyzer.records.auth import Conversation, Outcome
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.asking import server_words
from analyzer.rules.reading import counted, handshakes, header, of_them, packets_of, request, response, role, sentence, status, upstream, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_DEMAND = 401
_PROMISE = "session-based-authentication"


class Unpromised(Fact, frozen=True):
    """A logon, and the first 401 of it without the field."""

    conversation: Conversation
    bare: Exchange


def see(evidence: Evidence) -> Signs[Unpromised]:
    """One sign for each logon that had an end."""
    for found in handshakes(evidence):
        bare = _without_promise(evidence, found) if role(evidence, found.connection) is Role.CLIENT_LEG else None
        if bare is not None and found.outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
            yield Sign(Unpromised(found, bare), (bare.id,), packets_of([bare]), user=who(found))


def _without_promise(evidence: Evidence, conversation: Conversation) -> Exchange | None:
    """The first 401 of a handshake in absolute form that lacks the field; None when any has it."""
    found = [evidence.exchanges[step.exchange] for step in conversation.steps if not step.from_client and step.status == _DEMAND]
    asked = [exchange for exchange in found if (half := request(exchange)) is not None and "://" in half.target.partition("?")[0]]
    if any(_PROMISE in (header(response(exchange), "proxy-support") or "").lower() for exchange in found):
        return None
    whole = [exchange for exchange in asked if not exchange.quality and status(exchange) == _DEMAND]
    return whole[0] if whole else None


def _is_kept_together(evidence: Evidence, conversation: Conversation) -> bool:
    """All of it went over one server connection: the proxy kept what it did not promise."""
    fars = [far.connection for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None]
    return len(fars) == len(conversation.exchanges) and len(set(fars)) == 1


def severity(tell: Tell[Unpromised]) -> Severity:
    refused = (one.conversation.outcome is Outcome.REFUSED and not _is_kept_together(tell.evidence, one.conversation) for one in tell.facts)
    return Severity.MEDIUM if all(refused) else Severity.INFO


def why(tell: Tell[Unpromised]) -> str:
    failed = sum(one.conversation.outcome is Outcome.REFUSED for one in tell.facts)
    first = tell.first
    at = tell.packet(first.packets[min(1, len(first.packets) - 1)]) if first.packets else "not captured"
    return (
        f"{counted(tell.count, 'logon')} of {tell.connection.client.host} went through the proxy {server_words(tell.connection)}, although its 401 has no "
        f"Proxy-Support field. The first is {at} ({first.fact.bare.id}). {sentence(of_them(failed, tell.count, 'failed', 'failed'))}. "
        "Without this field the proxy does not promise that a server connection serves one client only."
    )


OPINION = Opinion(
    title="Proxy does not promise to keep authenticated connections apart",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.6,
    owner=Owner.PROXY,
    reference="RFC 4559 section 6",
    advice=(
        "Use a proxy that pins connections and says so (squid 2.6, 3.1 or newer with connection-auth=on adds the field by "
        "itself). Or use CONNECT and HTTPS, where nothing depends on it."
    ),
    see=see,
    why=why,
)
