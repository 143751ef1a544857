"""A WinRM request with a length reaches the server chunked.

Detects
    A POST with Transfer-Encoding: chunked on the side nearest to the server that the client had sent with Content-Length: the proxy chunked it. Without such a
    proxy a chunked POST counts when it was answered with an error other than a demand for authentication.
Impact
    A WinRM server must reject chunked requests to a shell. Proxies that stream bodies, or change them, chunk them where the client gave a length.
False positives
    A server that serves chunked requests all the same: then nothing is broken yet, and the severity is medium. An error for another reason looks the same as
    one for this.
Requires
    Both sides of the proxy to see who chunked it; the side nearest to the server for a request that was refused.
References
    MS-WSMV 3.1.4.1.31.8.
"""

from analyzer.records.candidates import asked_with
from analyzer.records.http import Exchange, Framing
from analyzer.rules.asking import asked_at
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, identity, listed, name, of_them, owner, packets_of, request, sentence, status
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_DEMANDS = (401, 407)
_ERROR = 400


class Chunked(Fact, frozen=True):
    """A chunked request on the side nearest to the server, the client's own one, whether the proxy chunked it, and whether it was refused."""

    exchange: Exchange
    near: Exchange | None
    by_proxy: bool
    refused: bool


def see(evidence: Evidence) -> Signs[Chunked]:
    for exchange in asked_with(evidence, "transfer-encoding"):
        if _framing(exchange) is Framing.CHUNKED and exchange.id not in evidence.near:
            near = owner(evidence, exchange.id)
            fact = Chunked(exchange, near, near is not None and _framing(near) is Framing.LENGTH, _is_refused(exchange))
            if fact.by_proxy or fact.refused:
                exchanges = (exchange.id,) if near is None else (exchange.id, near.id)
                yield Sign(fact, exchanges, packets_of([exchange]), user=identity(evidence, exchange.connection))


def _framing(exchange: Exchange) -> Framing | None:
    asked = request(exchange)
    return asked.body.framing if asked is not None and asked.method == "POST" else None


def _is_refused(exchange: Exchange) -> bool:
    code = status(exchange)
    return code is not None and code >= _ERROR and code not in _DEMANDS


def _chunked_by_proxy(tell: Tell[Chunked]) -> int:
    return sum(fact.by_proxy for fact in tell.facts)


def why(tell: Tell[Chunked]) -> str:
    refused = [fact for fact in tell.facts if fact.refused]
    first = (refused or tell.facts)[0].exchange
    changed = _chunked_by_proxy(tell)
    text = (
        f"{counted(tell.count, 'request')} reached {tell.connection.server.host} chunked. {sentence(of_them(len(refused), tell.count))} refused (statuses "
        f"{listed(str(status(fact.exchange)) for fact in tell.facts)}). The first is {first.id} on {name(tell.evidence.connections[first.connection])} "
        f"({asked_at(tell, first)}), status {status(first)}."
    )
    if changed:
        return f"{text} The client had sent {changed:,} of them with Content-Length, and the proxy chunked them."
    return f"{text} The client chunks by itself." if any(fact.near is not None for fact in tell.facts) else text


OPINION = Opinion(
    title=lambda tell: f"{'Proxy' if _chunked_by_proxy(tell) else 'Client'} {tell.connection.client.host} sends chunked WinRM requests",
    name="WinRM request reaches the server chunked",
    severity=lambda tell: Severity.HIGH if any(fact.refused for fact in tell.facts) else Severity.MEDIUM,
    worst=Severity.HIGH,
    confidence=lambda tell: 0.9 if _chunked_by_proxy(tell) else 0.7,
    owner=lambda tell: Owner.PROXY if _chunked_by_proxy(tell) else Owner.CLIENT,
    reference="MS-WSMV 3.1.4.1.31.8",
    advice=Advice("Let the proxy buffer request bodies and send them with Content-Length", Topic.LENGTH, "Or let the client send a length."),
    see=see,
    why=why,
)
