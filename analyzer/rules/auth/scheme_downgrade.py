"""The client is offered weaker authentication than the server offers.

What it sees
    A 401 that offers Negotiate or Kerberos on the upstream leg and neither of them, but NTLM, Basic or Digest, on the client's leg.
Why it matters
    The client falls back to what it is offered: with Basic it sends its password, with NTLM it gives a response that can be guessed offline and relayed.
When it is wrong
    A proxy that is configured to do so, for example for clients outside of the domain. A client that uses
    Kerberos directly and NTLM through a proxy is not reported: where no header was changed, nothing on the wire says that it was the proxy's doing.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentence 133; RFC 9110 section 11.6.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Response
from analyzer.records.proxy import Hop
from analyzer.rules.reading import counted, finding, identity, listed, name, packet, packets_of, response

RULE = "auth.scheme-downgrade"
TITLE = "The proxy offers weaker authentication than the server"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 133"
ADVICE = "Let the proxy pass WWW-Authenticate as the server sent it, or use CONNECT with HTTPS."
_STRONG = ("negotiate", "kerberos")
_WEAK = ("ntlm", "basic", "digest")
_DEMAND = 401


class Downgrade(Struct, frozen=True, gc=False):
    """The exchange on both legs, and what was offered on each."""

    hop: Hop
    near: Exchange
    far: Exchange
    given: tuple[str, ...]
    left: tuple[str, ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Downgrade]] = defaultdict(list)
    for hop in evidence.hops:
        seen = _downgrade(evidence, hop) if hop.near_connection in evidence.winrm else None
        if seen is not None:
            connection = evidence.connections[hop.near_connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(seen)
    for group in groups.values():
        yield _finding(evidence, group)


def _downgrade(evidence: Evidence, hop: Hop) -> Downgrade | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    before, after = response(far), response(near)
    if before is None or after is None or before.status != _DEMAND or after.status != _DEMAND:
        return None
    given, left = _schemes(before), _schemes(after)
    strong, kept = set(given).intersection(_STRONG), set(left).intersection(_STRONG)
    return Downgrade(hop, near, far, given, left) if strong and not kept and set(left).intersection(_WEAK) else None


def _schemes(answer: Response) -> tuple[str, ...]:
    values = [field.value for field in answer.headers if field.name.lower() == "www-authenticate"]
    words = [part.strip().split(" ")[0].lower() for value in values for part in value.split(",")]
    return tuple(dict.fromkeys(word for word in words if word in (*_STRONG, *_WEAK)))


def _finding(evidence: Evidence, group: list[Downgrade]) -> Finding:
    first = group[0]
    members = [exchange for seen in group for exchange in (seen.near, seen.far)]
    key, far_key = packets_of([first.near]), packets_of([first.far])
    why = (
        f"In {counted(len(group), 'challenge')} the server offered {listed(first.given)} and the client of "
        f"{name(evidence.connections[first.near.connection])} got "
        f"{listed(first.left)}: the first is {first.far.id} ({packet(evidence, far_key[-1]) if far_key else ''}), which became {first.near.id} "
        f"({packet(evidence, key[-1]) if key else ''})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=max(seen.hop.confidence for seen in group),
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.near.connection),
    )
