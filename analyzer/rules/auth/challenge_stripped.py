"""The proxy removes authentication headers.

Detects
    A 401 that offers NTLM, Negotiate, Kerberos or CredSSP (or carries a token) on the server side, while the same 401
    on the client's side offers none of them. Or a request that carries a token on the client's side and no
    credentials at all on the server side. A 401 that lost only some of its offers counts as low.
Impact
    Without the challenge the client cannot authenticate, and without its token the server cannot know it: access is
    denied whatever the password. Proxies that know that they cannot keep connections together remove the headers on
    purpose.
False positives
    A gateway that authenticates clients itself replaces credentials by its own; a request that carries other
    credentials on the server side is not counted. Messages whose header block is not whole in the capture are left
    out.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The proxy server does not support connection-based
    authentication, which can cause the authentication against the destination server to fail with an access denied
    error." "Connection-based authentication for Negotiate, Kerberos, and CredSSP authentication."
    RFC 4559 section 6.
"""

from analyzer.records.http import Exchange, Response
from analyzer.rules import microsoft
from analyzer.rules.asking import forwarded, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, cut_heads, has_whole_head, header, identity, listed, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_SCHEMES = ("negotiate", "ntlm", "kerberos", "credssp")
_DEMAND = 401
_Cut = frozenset[tuple[int | None, int | None]]


class Loss(Fact, frozen=True):
    """An exchange on both sides, what it lost and on which side that is missing, how sure the two are one, and whether nothing was left."""

    near: Exchange
    far: Exchange
    sure: float
    what: str
    side: str
    all: bool


def see(evidence: Evidence) -> Signs[Loss]:
    cut = cut_heads(evidence)
    for hop, near, far in forwarded(evidence):
        loss = _loss(near, far, hop.confidence, cut)
        if loss is not None:
            yield Sign(loss, (near.id, far.id), packets_of([near, far]), user=identity(evidence, near.connection))


def _loss(near: Exchange, far: Exchange, sure: float, cut: _Cut) -> Loss | None:
    sent, went = header(request(near), "authorization"), header(request(far), "authorization")
    if has_whole_head(request(far), cut) and sent is not None and went is None and sent.split(" ")[0].lower() in _SCHEMES:
        return Loss(near, far, sure, f"the client's {sent.split(' ')[0]} token", "the server side", all=True)
    before, after = response(far), response(near)
    if before is None or after is None or before.status != _DEMAND or after.status != _DEMAND or not has_whole_head(after, cut):
        return None
    given, left = _offers(before), _offers(after)
    lost = [offer for offer in given if offer not in left]
    return Loss(near, far, sure, f"the challenge {listed(lost)}", "the client's side", all=not left) if lost else None


def _offers(answer: Response) -> list[str]:
    """The schemes offered, in order, ``with a token`` where one is sent; header lines may hold several challenges."""
    offers = []
    for field in answer.headers:
        if field.name.lower() == "www-authenticate":
            for challenge in field.value.split(","):
                scheme, _, token = challenge.strip().partition(" ")
                if scheme.lower() in _SCHEMES:
                    offers.append(f"{scheme} with a token" if token.strip() else scheme)
    return offers


def _whole(tell: Tell[Loss]) -> list[Loss]:
    return [loss for loss in tell.facts if loss.all]


def why(tell: Tell[Loss]) -> str:
    first = (_whole(tell) or list(tell.facts))[0]
    left, given = packets_of([first.near]), packets_of([first.far])
    return (
        f"The proxy {server_words(tell.connection)} removed authentication headers from {counted(tell.count, 'exchange')} of "
        f"{tell.connection.client.host}. In the first, {first.what} is missing on {first.side}{'' if first.all else ', others were left'}. "
        f"It is {tell.packet(left[0]) if left else 'not captured'} on the client's side ({first.near.id}) and "
        f"{tell.packet(given[-1]) if given else 'not captured'} on the server side ({first.far.id})."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} removes authentication headers",
    name="Proxy removes authentication headers",
    severity=lambda tell: Severity.HIGH if _whole(tell) else Severity.LOW,
    worst=Severity.HIGH,
    confidence=lambda tell: max(loss.sure for loss in _whole(tell) or tell.facts),
    owner=Owner.PROXY,
    reference=microsoft.NO_CONNECTION_LOGON,
    advice=Advice(
        "Let the proxy pass authentication that belongs to the connection",
        Topic.BIND,
        "Or take the proxy out of the HTTP layer: HTTPS through CONNECT.",
    ),
    see=see,
    why=why,
    explains=("auth.loop",),
    fails=("connection_authentication",),
)
