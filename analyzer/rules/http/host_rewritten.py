"""The proxy sends another host name to the server than the client asked for.

Detects
    A request whose Host field names one host on the client's side and another one on the server's side. For a request in absolute form the host of its target
    counts, since the proxy has to put that in place of Host. Ports and letter case do not count.
Impact
    The client's tokens name the host that it meant (the SPN of a Kerberos ticket, the target name in an NTLM response), and TLS names it as well. A server that
    checks them against its own name refuses. The server can decrypt a Kerberos ticket for an alias only with the right key.
False positives
    Reverse proxies do it by default, and a server that does not check target names (WinRM does not unless hardened) works all the same.
Requires
    Both sides of the proxy.
References
    RFC 9112 section 3.2.2; RFC 9110 section 7.2.
"""

from analyzer.records.http import Exchange, Request
from analyzer.rules.asking import asked_at, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, header, identity, listed, name, packets_of, request
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place


class Rewrite(Fact, frozen=True):
    """A request on both sides, and the host that it names on each."""

    near: Exchange
    far: Exchange
    asked: str
    sent: str


def see(evidence: Evidence) -> Signs[Rewrite]:
    for hop in evidence.hops:
        near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
        asked, sent = _host(request(near)), _host(request(far))
        if hop.near_connection in evidence.winrm and asked and sent and asked != sent:
            user = identity(evidence, hop.near_connection)
            yield Sign(Rewrite(near, far, asked, sent), (hop.near, hop.far), packets_of([near, far]), user=user, confidence=hop.confidence)


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


def why(tell: Tell[Rewrite]) -> str:
    first = tell.facts[0]
    spoken = tell.evidence.conversations_of.get(first.near.connection, ())
    meant = listed(spn for one in spoken for spn in (one.spn, one.target_name) if spn and "/" in spn)
    return (
        f"{counted(tell.count, 'request')} on {name(tell.connection)} named {first.asked} and {'was' if tell.count == 1 else 'were'} forwarded as "
        f"{first.sent}. The first is {first.near.id} ({asked_at(tell, first.near)}), forwarded as {first.far.id} ({asked_at(tell, first.far)})."
    ) + (f" The client logged on to {meant}." if meant else "")


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} changes the Host field",
    name="Proxy changes the Host field",
    severity=Severity.LOW,
    confidence=1.0,
    owner=Owner.PROXY,
    reference="RFC 9110 section 7.2",
    advice=Advice("Pass the client's Host field on", Topic.HOST, "Or register the SPN that clients use (HTTP/ALIAS and WSMAN/ALIAS) on the server's account."),
    see=see,
    why=why,
    each=lambda evidence, sign: (place(evidence, sign), sign.fact.asked, sign.fact.sent),
)
