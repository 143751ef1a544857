"""CredSSP gives the user's password to the server.

Detects
    An accepted CredSSP handshake: information on a direct connection, low when it goes through a proxy, medium when
    its inner TLS is older than 1.2.
Impact
    CredSSP sends the password (or smart card PIN) itself, encrypted for the one who ends the inner TLS. The server,
    and everyone who controls it, can use it anywhere. Behind a proxy the user cannot see which server that is.
False positives
    An administrator who needs a second hop has chosen this. The inner TLS goes through the proxy untouched unless the
    proxy ends it, so that a proxy alone is low and not an alarm; the version of the TSRequest is inside that TLS and
    is not looked at.
Requires
    The handshake on a direct connection or the client's side of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection-based authentication for Negotiate, Kerberos,
    and CredSSP authentication."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials."
    MS-CSSP 3.1.5 and 5.1; MS-WSMV 2.2.9.1.3.
"""

from analyzer.records.auth import Conversation, Mechanism, Outcome
from analyzer.rules.asking import is_at_proxy, server_words, spoken, where
from analyzer.rules.reading import counted, who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_OLD = ("SSL 3.0", "TLS 1.0", "TLS 1.1")


def see(evidence: Evidence) -> Signs[Conversation]:
    for found in spoken(evidence, Mechanism.CREDSSP):
        if found.outcome is Outcome.ACCEPTED:
            packets = tuple(key for step in found.steps[-2:] for key in step.packets[:1])
            yield Sign(found, (found.ends or found.exchanges[-1],), packets, user=who(found))


def _version(conversation: Conversation) -> str | None:
    """The version of the inner TLS that the server's hello names; that of 1.3 is 1.2's (RFC 8446 section 5.1)."""
    records = [step.token.tls for step in conversation.steps if step.token is not None and step.token.tls is not None and not step.from_client]
    return next((found.version for found in records if "server_hello" in found.handshakes), None)


def _proxied(tell: Tell[Conversation]) -> bool:
    return any(is_at_proxy(tell.evidence, connection) for connection in tell.connections)


def severity(tell: Tell[Conversation]) -> Severity:
    if any(_version(found) in _OLD for found in tell.facts):
        return Severity.MEDIUM
    return Severity.LOW if _proxied(tell) else Severity.INFO


def why(tell: Tell[Conversation]) -> str:
    version = _version(tell.first.fact)
    return (
        f"{counted(tell.count, 'CredSSP logon')} of {tell.connection.client.host} to {server_words(tell.connection)} "
        f"{'was' if tell.count == 1 else 'were'} accepted{' through a proxy' if _proxied(tell) else ''}"
        f"{f', with the inner TLS at version {version}' if version else ''}. The first ends with {where(tell)}. "
        "The server now has the user's password."
    )


OPINION = Opinion(
    title=lambda tell: f"CredSSP gives the user's password to {tell.connection.server.host}",
    name="CredSSP gives the user's password to the server",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="MS-CSSP 5.1",
    advice=(
        "Use Kerberos with resource-based constrained delegation, or JEA, for the second hop. Where CredSSP must be: "
        "AllowFreshCredentials for named servers only, HTTPS end to end, TLS 1.2 or newer. Otherwise turn it off "
        "(Disable-WSManCredSSP) on clients and servers."
    ),
    see=see,
    why=why,
)
