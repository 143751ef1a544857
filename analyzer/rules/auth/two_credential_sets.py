"""The client needs two sets of credentials.

Detects
    On one connection of a client (or on a CONNECT and the connection inside its tunnel) credentials for the proxy and
    credentials for the server, of different users.
Impact
    Two accounts, two passwords and two places where the logon can fail: error messages rarely say which one did.
    Microsoft's page names it as an issue of proxies.
False positives
    It is often meant to be so. Where an identity does not travel in clear (Kerberos, CredSSP) the two cannot be
    compared and nothing is said.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "Authentication to the proxy server is independent from
    the authentication to the destination server."
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "More than one set of credentials is needed to connect to
    the destination server and to the proxy server."
"""

from analyzer.rules import microsoft
from analyzer.rules.auth._both import Both, signs, told
from analyzer.rules.reading import who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, place_and


def see(evidence: Evidence) -> Signs[Both]:
    """One sign for each logon to a server."""
    return signs(evidence, lambda both: not both.same)


OPINION = Opinion(
    title="Client needs one account for the proxy and another for the server",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference=microsoft.TWO_CREDENTIALS,
    advice=("Nothing has to change. When a logon fails, look first which of the two was refused: 407 is the proxy's answer, 401 the server's."),
    see=see,
    why=told,
    each=place_and(lambda both: (who(both.proxy), who(both.server))),
)
