"""On the client's side alone: a client that never logs on is answered through a proxy.

Detects
    A client's connection to a proxy whose server side is not in the capture. It sends WinRM requests with readable SOAP and never any credentials, and they are
    answered with 2xx. Identify, which is anonymous by design, does not count.
Impact
    A WinRM server answers no one without a logon. So the request ran under a logon that someone else made: another client's on a shared server connection, or
    the proxy's own account.
False positives
    A proxy that logs on with an account of its own, by design, looks the same from here. So does a server that is no Windows and asks for no logon.
Requires
    The client's side of the proxy. With the server's side, affinity.shared-authenticated-upstream or affinity.proxy-owned-identity tells which.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server."
"""

from collections.abc import Set as AbstractSet

from analyzer.records.auth import Audience
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.story import Fate, Outcome
from analyzer.records.transport import Endpoint
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import header, is_clear, message, request, role
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell


def see(evidence: Evidence) -> Signs[Fate]:
    """One sign for each request that was answered so."""
    legs = {identity for identity, own in evidence.roles.items() if own is Role.CLIENT_LEG}
    spoke = {one.connection for one in evidence.conversations if one.audience is Audience.SERVER} if legs else set()
    for fate in evidence.story.fates.values() if not legs <= spoke else ():
        if fate.outcome is Outcome.ANSWERED and not fate.forwarded_as and _is_bare(evidence, evidence.exchanges[fate.request], spoke):
            yield Sign(fate, (fate.request,), fate.packets)


def _is_bare(evidence: Evidence, exchange: Exchange, spoke: AbstractSet[str]) -> bool:
    """A readable request to a proxy, on a connection that is wholly captured and holds no logon."""
    connection, asked = evidence.connections[exchange.connection], request(exchange)
    if role(evidence, connection.id) is not Role.CLIENT_LEG or connection.protocol == "tls" or connection.id in spoke:
        return False
    whole = connection.to_server.begins and not connection.to_server.gaps
    return whole and header(asked, "authorization") is None and is_clear(message(evidence, asked))


def why(tell: Tell[Fate]) -> str:
    first = tell.first
    others = [
        logon
        for logon in tell.evidence.story.logons
        if logon.user and logon.client_connection not in tell.connections and _at(tell.evidence, logon.client_connection) == tell.connection.server
    ]
    known = f" {others[0].user} logged on through the same proxy on {others[0].client_connection}." if others else ""
    return (
        f"{tell.connection.client.host} never logged on, and the proxy {server_words(tell.connection)} answered its requests {times(tell.count)} with 2xx: the "
        f"first is {first.fact.request} ({tell.packet(first.packets[0])}). A WinRM server asks for a logon.{known} So these requests ran under another "
        "client's logon, or under an account of the proxy's own. Which of them cannot be told from this side."
    )


def _at(evidence: Evidence, identity: str) -> Endpoint | None:
    """Whom a client's connection went to."""
    made = evidence.connections.get(identity)
    return None if made is None else made.server


OPINION = Opinion(
    title=lambda tell: f"{tell.connection.client.host} is answered through a proxy without a logon",
    name="A client is answered through a proxy without a logon",
    severity=Severity.LOW,
    confidence=0.6,
    owner=Owner.PROXY,
    reference=microsoft.ANOTHER_CLIENT,
    advice=Advice(
        "Never share server connections that carry NTLM, Kerberos or CredSSP",
        Topic.BIND,
        "Record on the server side of the proxy to see whose logon serves these requests.",
    ),
    see=see,
    why=why,
)
