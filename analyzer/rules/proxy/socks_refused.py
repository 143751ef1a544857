"""A SOCKS proxy refuses the connection to a WinRM server.

Detects
    A request to a SOCKS proxy for a WinRM connection that was answered by anything but success: a reply code, a refused
    logon, no acceptable method.
Impact
    The client gets no further; programs report a general SOCKS error. The reply says whether the proxy's rules, its
    network or the server are in the way.
False positives
    Never about the reply. Proxies choose codes freely: general_failure stands for many causes.
Requires
    The beginning of the connection to the proxy.
References
    RFC 1928 section 6; RFC 1929 section 2.
"""

from collections.abc import Hashable
from typing import Any

from analyzer.records.prefaces import Socks
from analyzer.records.transport import host_port
from analyzer.rules.proxy._socks import Asked
from analyzer.rules.reading import counted, name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, place

_MEANS = {
    "general_failure": "the proxy failed for a reason that it does not tell",
    "not_allowed_by_ruleset": "the proxy's rules do not allow this destination",
    "network_unreachable": "the proxy has no way to the server's network",
    "host_unreachable": "the proxy does not reach the server, or cannot resolve its name",
    "connection_refused": "the server refused the proxy's connection: nothing listens on that port, or a firewall rejects it",
    "ttl_expired": "the proxy's connection to the server timed out on the way",
    "command_not_supported": "the proxy does not support this command",
    "address_type_not_supported": "the proxy does not take this kind of address; some take no names, some no IPv6",
    "password_refused": "user name or password is not right",
    "none_acceptable": "the proxy wants a method of authentication that the client did not offer",
    "rejected_or_failed": "the proxy refused the request, or the server cannot be reached",
    "no_identd_at_the_client": "the proxy cannot reach identd on the client",
    "identd_names_another_user": "identd on the client names another user than the request",
}
_OF_CLIENT = ("password_refused", "none_acceptable")
_OF_SERVER = ("connection_refused",)


def see(evidence: Evidence) -> Signs[Asked]:
    for connection in evidence.connections.values():
        refused = [preface for preface in connection.prefaces if isinstance(preface, Socks) and preface.granted is False]
        wanted = connection.id in evidence.winrm and connection.tunnel_of is None
        for socks in refused if wanted else ():
            yield Sign(Asked(connection, socks), packets=socks.packets, connections=(connection.id,), user=socks.user)


def each(evidence: Evidence, found: Sign[Any]) -> Hashable:
    """One finding for each client, proxy and reply."""
    return place(evidence, found), found.fact.socks.reply


def title(tell: Tell[Asked]) -> str:
    return f"SOCKS proxy {tell.connection.server.host} refuses WinRM: {tell.first.fact.socks.reply}"[:69]


def why(tell: Tell[Asked]) -> str:
    first = tell.first.fact
    socks = first.socks
    code = "" if socks.reply_code is None else f" (code {socks.reply_code})"
    asked = f"asked for {host_port(socks.host, socks.port)}" if socks.host else "did not get as far as a destination"
    reply = tell.packet(socks.packets[-1] if socks.reply_packet is None else socks.reply_packet)
    means = _MEANS.get(socks.reply or "", "a reply of the proxy alone")
    return (
        f"{first.connection.client.host} {asked} at the SOCKS {socks.version} proxy. The proxy answered "
        f"{socks.reply}{code} ({reply}). "
        f"It means: {means}. This happened on {counted(tell.count, 'connection')}. [{name(first.connection)}]"
    )


def owner(tell: Tell[Asked]) -> Owner:
    reply = tell.first.fact.socks.reply
    return Owner.CLIENT if reply in _OF_CLIENT else Owner.SERVER if reply in _OF_SERVER else Owner.PROXY


OPINION = Opinion(
    title=title,
    name="A SOCKS proxy refuses WinRM",
    severity=Severity.MEDIUM,
    confidence=1.0,
    owner=owner,
    reference="RFC 1928 section 6",
    advice=(
        "Change what the reply names, at the proxy or behind it. "
        "Rules: allow ports 5985 and 5986 to this server. "
        "Reach: from the proxy's host, resolve the name and connect to the port (Test-NetConnection, nc -vz). "
        "Logon: check user name, password and method in the client's proxy settings."
    ),
    see=see,
    why=why,
    each=each,
)
