"""The password for a SOCKS proxy travels in clear.

Detects
    User name and password of SOCKS 5 (RFC 1929) at the beginning of a WinRM connection, on a network: not between
    programs of one host.
Impact
    Anyone on the way to the proxy can read the password, whatever protects the connection behind it.
False positives
    Never about the fact. How severe it is depends on the network between client and proxy.
Requires
    The beginning of the connection to the proxy.
References
    RFC 1929 section 3.
"""

import ipaddress

from analyzer.records.prefaces import Socks
from analyzer.rules.proxy._socks import Asked
from analyzer.rules.reading import counted, name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell


def see(evidence: Evidence) -> Signs[Asked]:
    for connection in evidence.connections.values():
        if not connection.prefaces or connection.id not in evidence.winrm or connection.tunnel_of is not None:
            continue
        if ipaddress.ip_address(connection.server.host).is_loopback:
            continue
        for socks in connection.prefaces:
            if isinstance(socks, Socks) and socks.password and socks.password_packet is not None:
                yield Sign(
                    Asked(connection, socks),
                    packets=(socks.password_packet,),
                    connections=(connection.id,),
                    user=socks.user,
                )


def title(tell: Tell[Asked]) -> str:
    return f"Password for SOCKS proxy {tell.connection.server.host} travels in clear"


def why(tell: Tell[Asked]) -> str:
    first = tell.first.fact
    packet = tell.packet(first.socks.password_packet or 0)
    taken = {True: " The proxy accepted it.", False: " The proxy refused it.", None: ""}[first.socks.login]
    return (
        f"{first.connection.client.host} sent a user name ({first.socks.user}) and a password in clear to the SOCKS "
        f"proxy ({packet}).{taken} "
        f"This happened on {counted(tell.count, 'connection')}. Anyone on the way to the proxy can read the password. "
        f"[{name(first.connection)}]"
    )


OPINION = Opinion(
    title=title,
    name="The password for a SOCKS proxy travels in clear",
    severity=Severity.HIGH,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference="RFC 1929 section 3",
    advice=(
        "Protect the way to the SOCKS proxy, or take the password off it. "
        "SSH: ssh -D offers SOCKS on the client itself, and encrypts the way. "
        "Proxy: allow clients by address on a trusted network, or use a tunnel (TLS, VPN) to it. "
        "Password: change it; it was readable in this capture, too."
    ),
    see=see,
    why=why,
)
