"""A proxy demands credentials that the client does not give.

Detects
    A client whose WinRM requests through a proxy were all answered by 407, or whose proxy credentials were refused, so that none of them was forwarded.
Impact
    The request ends at the proxy and never reaches the server. The user sees a failure of WinRM, and nothing is wrong with the server.
False positives
    A client that gives its credentials after the first 407 is healthy and not counted.
Requires
    The client's side of the proxy.
References
    RFC 9110 section 15.5.8.
"""

from collections import defaultdict

from analyzer.records.auth import Audience
from analyzer.records.candidates import with_status
from analyzer.records.story import Fate, Outcome
from analyzer.rules.asking import server_words, times
from analyzer.rules.reading import header, listed, response
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_DEMAND = 407


def see(evidence: Evidence) -> Signs[Fate]:
    """Each request that ended at a 407, of clients that never got past this proxy."""
    demanded = {_place(evidence, exchange.connection) for exchange in with_status(evidence, _DEMAND)}
    if not demanded:
        return
    passed = {(one.client.host, one.server) for one in evidence.connections.values() if _got_past(evidence, one.id)}
    groups: dict[tuple[str, object], list[Fate]] = defaultdict(list)
    for fate in evidence.story.fates.values():
        place = _place(evidence, evidence.exchanges[fate.request].connection)
        if place in demanded:
            groups[place].append(fate)
    for place, group in groups.items():
        if place in passed:
            continue
        stopped = [fate for fate in group if fate.outcome is Outcome.NOT_FORWARDED]
        if stopped and stopped[-1] is group[-1] and len(stopped) == len(group):
            yield from (Sign(fate, (fate.request,), fate.packets) for fate in stopped)


def _place(evidence: Evidence, connection: str) -> tuple[str, object]:
    own = evidence.connections[connection]
    return own.client.host, own.server


def _got_past(evidence: Evidence, connection: str) -> bool:
    """The proxy answered something other than its demand: this client has what the proxy wants."""
    answers = (response(exchange) for exchange in evidence.exchanges_of.get(connection, ()))
    return any(answer is not None and answer.status != _DEMAND for answer in answers)


def _given(tell: Tell[Fate]) -> bool:
    return any(logon.audience is Audience.PROXY and logon.client_connection in tell.connections for logon in tell.evidence.story.logons)


def title(tell: Tell[Fate]) -> str:
    return f"Proxy {server_words(tell.connection)} {'refuses the proxy credentials' if _given(tell) else 'demands credentials, the client gives none'}"


def why(tell: Tell[Fate]) -> str:
    client = tell.connection.client.host
    demands = [header(response(tell.evidence.exchanges[fate.request]), "proxy-authenticate") or "" for fate in tell.facts]
    did = "The proxy refused the credentials that the client gave." if _given(tell) else "The client gave none (without proxy credentials it gives up)."
    return (
        f"The proxy {server_words(tell.connection)} answered {client} {times(tell.count)} with 407 ({tell.packet(tell.first.packets[-1])}) and demands "
        f"{listed(demands) or 'credentials'}. {did} The requests of {client} were not forwarded and never reached the server."
    )


OPINION = Opinion(
    title=title,
    name="Proxy demands credentials that the client does not give",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="RFC 9110 section 15.5.8",
    advice=(
        "Give this client credentials for the proxy, or let the proxy pass WinRM from this client without them. "
        "Windows: New-PSSessionOption -ProxyAuthentication and -ProxyCredential, or -ProxyAccessType NoProxyServer to go past the proxy. "
        "pypsrp: proxy='http://user:…@proxy:port'."
    ),
    see=see,
    why=why,
)
