"""The client gives a proxy its credentials over plain TCP with CONNECT.

Detects
    Proxy-Authorization in a CONNECT to a WinRM endpoint, on a connection to the proxy that is not TLS.
Impact
    What follows in the tunnel may be protected; the proxy's credentials are not. With Basic the password is readable,
    with NTLM it can be guessed offline.
False positives
    Never about the fact. It is the usual way to use an authenticating proxy; how severe it is depends on the network
    between client and proxy.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "If the proxy server requires authentication, the WinRM
    clients and servers must use HTTPS."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials."
    RFC 7617 section 4.
"""

from analyzer.records.candidates import asked_with
from analyzer.records.http import Exchange
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words, where
from analyzer.rules.proxyauth._credentials import gives, is_basic, readable, shown, sign
from analyzer.rules.reading import counted, request
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Exchange]:
    """One sign for each CONNECT with credentials."""
    for exchange in asked_with(evidence, "proxy-authorization"):
        asked = request(exchange)
        if asked is not None and asked.method == "CONNECT" and gives(exchange) and evidence.connections[exchange.connection].protocol != "tls":
            yield sign(evidence, exchange)


def why(tell: Tell[Exchange]) -> str:
    asked = request(tell.first.fact)
    return (
        f"{tell.connection.client.host} gave the proxy {server_words(tell.connection)} credentials ({shown(tell)}) without TLS, in "
        f"{counted(tell.count, 'CONNECT')}. The first, to {asked.target if asked else 'a WinRM endpoint'}, is {where(tell)}.{readable(tell)}"
    )


OPINION = Opinion(
    title=lambda tell: f"Credentials for proxy {server_words(tell.connection)} are sent without TLS",
    name="Proxy credentials are sent without TLS (CONNECT)",
    severity=lambda tell: Severity.HIGH if is_basic(tell) else Severity.MEDIUM,
    worst=Severity.HIGH,
    confidence=1.0,
    owner=Owner.PROXY,
    reference=microsoft.PROXY_SEES_ALL,
    advice="Use Kerberos for the proxy, or a proxy that is itself reached over TLS. Do not use an account for the proxy that may do anything else.",
    see=see,
    why=why,
    fails=("proxy_auth_over_https",),
)
