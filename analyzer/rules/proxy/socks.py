"""WinRM goes through a SOCKS proxy.

Detects
    A WinRM connection that begins with a request to a SOCKS proxy (version 4, 4a or 5), which names the real
    destination.
Impact
    The server sees the proxy's address, not the client's. SSH tunnels (ssh -D) and relay tools of attackers offer
    SOCKS, too: whether this one is wanted is worth knowing.
False positives
    Never about the fact.
Requires
    The beginning of the connection to the proxy.
References
    RFC 1928; RFC 1929.
"""

from analyzer.records.prefaces import Socks
from analyzer.records.transport import host_port
from analyzer.rules.proxy._socks import Asked
from analyzer.rules.reading import counted, listed, name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_SHOWN = 4


def see(evidence: Evidence) -> Signs[Asked]:
    """Each connection that a SOCKS proxy let through."""
    for connection in evidence.connections.values():
        if connection.id in evidence.winrm and connection.tunnel_of is None:
            found = [preface for preface in connection.prefaces if isinstance(preface, Socks) and preface.host and preface.granted is not False]
            if found:
                yield Sign(Asked(connection, found[-1]), packets=found[-1].packets, connections=(connection.id,))


def title(tell: Tell[Asked]) -> str:
    server = tell.connection.server
    return f"WinRM runs through the SOCKS proxy {server}"


def why(tell: Tell[Asked]) -> str:
    first = tell.first.fact
    places = listed((host_port(asked.socks.host or "", asked.socks.port) for asked in tell.facts), _SHOWN)
    user = f" The client gave the user name {first.socks.user}." if first.socks.user else ""
    answer = f"The proxy answered {first.socks.reply}." if first.socks.reply else "The proxy's answer is not in the capture."
    return (
        f"{first.connection.client.host} asked the SOCKS {first.socks.version} proxy at {tell.connection.server.host} "
        f"to connect to {places} "
        f"({tell.packet(first.socks.request_packet or first.socks.packets[0])}). {answer}{user} "
        f"{counted(tell.count, 'connection')} went this way. The server sees the proxy's address instead of the "
        f"client's. [{name(first.connection)}]"
    )


OPINION = Opinion(
    title=title,
    name="WinRM runs through a SOCKS proxy",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference="RFC 1928",
    advice=(
        "Make sure that this SOCKS proxy is wanted; otherwise find out who runs it. "
        "To follow a connection further, capture between the proxy and the server, too, and give both files."
    ),
    see=see,
    why=why,
)
