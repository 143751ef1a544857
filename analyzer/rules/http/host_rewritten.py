"""The proxy sends another host name to the server than the client asked for.

What it sees
    A request whose Host field names one host on the client's leg and another one on the upstream leg. For a request in absolute form the host of its target
    counts, since the proxy has to put that in place of Host. Ports and letter case do not count.
Why it matters
    The client's tokens name the host that it meant (the SPN of a Kerberos ticket, the target name in an NTLM response), and TLS names it as well. A server that
    checks them against its own name refuses; Kerberos tickets for an alias open only with the right key.
When it is wrong
    Reverse proxies do it by default, and a server that does not check target names (WinRM does not unless hardened) works all the same.
Needs
    Both legs.
Reference
    RFC 9112 section 3.2.2; RFC 9110 section 7.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, first_packet, header, identity, listed, name, packet, packets_of, request

RULE = "http.host-rewritten"
TITLE = "The proxy changes the Host field"
SEVERITY = Severity.LOW
REFERENCE = "RFC 9110 section 7.2"
HOW = Advice(
    "Pass the client's Host field on",
    Topic.HOST,
    ", or register the SPN that clients use (HTTP/ALIAS and WSMAN/ALIAS) on the server's account.",
)
ADVICE = HOW.text()


class Rewrite(Struct, frozen=True, gc=False):
    """A request on both legs, and the host that it names on each."""

    near: Exchange
    far: Exchange
    asked: str
    sent: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, proxy and pair of names."""
    groups: dict[tuple[str, str, int, str, str], list[Rewrite]] = defaultdict(list)
    for hop in evidence.hops:
        near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
        asked, sent = _host(request(near)), _host(request(far))
        if hop.near_connection in evidence.winrm and asked and sent and asked != sent:
            connection = evidence.connections[hop.near_connection]
            groups[connection.client.host, connection.server.host, connection.server.port, asked, sent].append(Rewrite(near, far, asked, sent))
    for group in groups.values():
        yield _finding(evidence, group)


def _host(asked: Request | None) -> str | None:
    """The host that a request names, without its port, in lower case."""
    if asked is None or asked.method == "CONNECT":
        return None
    before, scheme, rest = asked.target.partition("://")
    absolute = bool(scheme) and before.isalpha()
    authority = rest.partition("/")[0].rpartition("@")[2] if absolute else header(asked, "host") or ""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].strip().lower() or None


def _finding(evidence: Evidence, group: list[Rewrite]) -> Finding:
    first = group[0]
    members = [exchange for rewrite in group for exchange in (rewrite.near, rewrite.far)]
    near_key, far_key = first_packet(request(first.near)), first_packet(request(first.far))
    meant = [spn for found in evidence.conversations_of.get(first.near.connection, ()) for spn in (found.spn, found.target_name) if spn and "/" in spn]
    why = (
        f"{counted(len(group), 'request')} of {name(evidence.connections[first.near.connection])} named {first.asked} and went on to the server as "
        f"{first.sent}: the first is {first.near.id} ({packet(evidence, near_key[0]) if near_key else ''}), sent on as {first.far.id} "
        f"({packet(evidence, far_key[0]) if far_key else ''})."
    )
    why += f" The client authenticated for {listed(meant)}." if meant else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=max(evidence.far[rewrite.far.id].confidence for rewrite in group),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.near.connection),
    )
