"""The proxy and the server get the same account's credentials, the proxy without TLS.

Detects
    On one connection of a client (or on a CONNECT and the connection inside its tunnel) credentials for the proxy and
    for the server of the same user, by name and by domain where both give one, while the connection to the proxy is
    not TLS.
Impact
    What is visible on the way to the proxy (a password with Basic, a response that can be broken offline with NTLM)
    is good for the server as well.
False positives
    Single sign-on is often meant to be so. Where an identity does not travel in clear (Kerberos, CredSSP) nothing is
    said.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "If the proxy server requires authentication, the WinRM
    clients and servers must use HTTPS. Authentication to the proxy server is independent from the authentication to
    the destination server."
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "More than one set of credentials is needed to connect to
    the destination server and to the proxy server."
"""

from analyzer.rules import microsoft
from analyzer.rules.auth._both import Both, signs, told
from analyzer.rules.reading import who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell, place_and


def see(evidence: Evidence) -> Signs[Both]:
    """One sign for each logon to a server."""
    return signs(evidence, lambda both: both.same and evidence.connections[both.proxy.connection].protocol != "tls")


def why(tell: Tell[Both]) -> str:
    return f"{told(tell)} It is the same user, and the connection to the proxy has no TLS."


OPINION = Opinion(
    title=lambda tell: f"Proxy gets the account {who(tell.first.fact.server)} of the server, without TLS",
    name="Proxy gets the same account as the server, without TLS",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference=microsoft.LOGONS_ARE_INDEPENDENT,
    advice=(
        "Give the proxy an account of its own without rights on servers (New-PSSessionOption -ProxyCredential). Or reach it "
        "by TLS (squid: https_port) or by Kerberos (squid: auth_param negotiate with a keytab)."
    ),
    attack=("T1040",),
    see=see,
    why=why,
    each=place_and(lambda both: (both.server.client.user or "").lower()),
)
