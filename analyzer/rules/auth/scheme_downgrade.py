"""The client is offered weaker authentication than the server offers.

Detects
    A 401 that offers Negotiate or Kerberos on the server side and neither of them, but NTLM, Basic or Digest, on the
    client's side.
Impact
    The client falls back to what it is offered: with Basic it sends its password, with NTLM it gives a response that
    can be guessed offline and relayed.
False positives
    A proxy that is configured to do so, for example for clients outside of the domain. A client that uses Kerberos
    directly and NTLM through a proxy is not reported: where no header was changed, nothing in the packets says that
    it was the proxy's doing.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection-based authentication for Negotiate, Kerberos,
    and CredSSP authentication."
    RFC 9110 section 11.6.1.
"""

from analyzer.records.http import Exchange, Response
from analyzer.rules import microsoft
from analyzer.rules.asking import forwarded, server_words
from analyzer.rules.reading import counted, cut_heads, has_whole_head, identity, listed, packets_of, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_STRONG = ("negotiate", "kerberos")
_WEAK = ("ntlm", "basic", "digest")
_DEMAND = 401


class Downgrade(Fact, frozen=True):
    """The exchange on both sides, what was offered on each, and how sure the two are one."""

    near: Exchange
    far: Exchange
    sure: float
    given: tuple[str, ...]
    left: tuple[str, ...]


def see(evidence: Evidence) -> Signs[Downgrade]:
    """One sign for each 401 whose header block is whole."""
    cut = cut_heads(evidence)
    for hop, near, far in forwarded(evidence):
        before, after = response(far), response(near)
        if before is None or after is None or before.status != _DEMAND or after.status != _DEMAND or not has_whole_head(after, cut):
            continue
        given, left = _schemes(before), _schemes(after)
        if set(given).intersection(_STRONG) and not set(left).intersection(_STRONG) and set(left).intersection(_WEAK):
            fact = Downgrade(near, far, hop.confidence, given, left)
            yield Sign(fact, (near.id, far.id), packets_of([near, far]), user=identity(evidence, near.connection))


def _schemes(answer: Response) -> tuple[str, ...]:
    values = [field.value for field in answer.headers if field.name.lower() == "www-authenticate"]
    words = [part.strip().split(" ")[0].lower() for value in values for part in value.split(",")]
    return tuple(dict.fromkeys(word for word in words if word in (*_STRONG, *_WEAK)))


def why(tell: Tell[Downgrade]) -> str:
    first = tell.first.fact
    given, left = packets_of([first.far]), packets_of([first.near])
    return (
        f"The server offered {listed(first.given)} ({tell.packet(given[-1]) if given else 'not captured'}, {first.far.id}). The proxy "
        f"{server_words(tell.connection)} gave {tell.connection.client.host} only {listed(first.left)} "
        f"({tell.packet(left[-1]) if left else 'not captured'}, {first.near.id}). This happened in {counted(tell.count, 'challenge')}."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} offers weaker logons than the server",
    name="Proxy offers weaker authentication than the server",
    severity=Severity.MEDIUM,
    confidence=lambda tell: max(one.sure for one in tell.facts),
    owner=Owner.PROXY,
    reference=microsoft.CONNECTION_LOGON,
    advice="Let the proxy pass WWW-Authenticate as the server sent it, or use CONNECT with HTTPS.",
    see=see,
    why=why,
)
