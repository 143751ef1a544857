"""A path through a proxy of which one side was captured.

Detects
    WinRM connections that are one side of a path through a proxy by their requests (absolute form, CONNECT, Via and
    the like), without any counterpart on the other side. One finding for each endpoint that is asked; connections of which
    only a field such as Via tells it have one of their own.
Impact
    What most often goes wrong at proxies (affinity, lost headers, ended connections) shows only where both sides are
    known; those rules say nothing here.
False positives
    Where both sides are there but could not be joined (issue proxy.ambiguous), and where the proxy refused by itself,
    nothing is said. A client can write Via or X-Forwarded-For itself; where these alone tell of a proxy, the finding says that they claim it.
Requires
    One side with a sign of the proxy.
References
    RFC 9110 sections 3.7 and 7.6.3.
"""

from collections.abc import Hashable

from analyzer.records.proxy import Role
from analyzer.records.transport import Connection
from analyzer.rules.asking import claims_proxy
from analyzer.rules.capture._notes import ends, first_of, sign, winrm
from analyzer.rules.reading import counted, role, status
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, endpoint, once, place

_DEMAND = 401
_SIDES = {Role.CLIENT_LEG: "the client's side", Role.UPSTREAM_LEG: "the server side", Role.TUNNEL: "the client's side, a CONNECT tunnel"}


def see(evidence: Evidence) -> Signs[Connection]:
    """One sign for each connection; none where any connection between the same two has its other side."""
    routed = {identity for route in evidence.routes for identity in (route.client_connection, *route.upstream_connections)}
    routed |= {tunnel for identity in routed if (tunnel := evidence.connections[identity].tunnel_of) is not None}
    found = [one for one in winrm(evidence) if role(evidence, one.id) in _SIDES and (one.id in routed or _is_forwarded(evidence, one))]
    alone = {role(evidence, one.id) is Role.UPSTREAM_LEG for one in found if one.id not in routed}
    if len(alone) == 1:
        signs = [sign(evidence, one, one) for one in found]
        joined = {place(evidence, one) for one in signs if one.fact.id in routed}
        yield from [one for one in signs if place(evidence, one) not in joined] if joined else signs


def _is_forwarded(evidence: Evidence, connection: Connection) -> bool:
    """A request was answered by the server, as far as the status tells: a proxy's own refusals have no other side."""
    return any((code := status(exchange)) is not None and (code < 400 or code == _DEMAND) for exchange in evidence.exchanges_of.get(connection.id, ()))


def each(evidence: Evidence, sign: Sign[Connection]) -> Hashable:
    """One finding for each endpoint; what is only claimed is said apart."""
    identity = sign.fact.id
    return endpoint(evidence, sign), role(evidence, identity), claims_proxy(evidence, (identity,))


def _side(tell: Tell[Connection]) -> str:
    return _SIDES[role(tell.evidence, tell.first.fact.id)]


@once
def _is_claimed(tell: Tell[Connection]) -> bool:
    """Only fields of requests say that there is a proxy: whoever sends the requests can write them."""
    return claims_proxy(tell.evidence, (one.fact.id for one in tell.signs))


def why(tell: Tell[Connection]) -> str:
    if _is_claimed(tell):
        return (
            f"{counted(tell.count, 'connection')} of {ends(tell)} {'claims' if tell.count == 1 else 'claim'} to come from a proxy, by a field such as Via or "
            f"X-Forwarded-For. Any sender can write such a field. Only one side ({_side(tell)}) is in the capture. The first begins with {first_of(tell)}. "
            "Whether there is a proxy, and what it did with the requests, cannot be told."
        )
    return (
        f"{counted(tell.count, 'connection')} of {ends(tell)} {'goes' if tell.count == 1 else 'go'} "
        f"through a proxy. Only one side ({_side(tell)}) is in the capture. The first begins with {first_of(tell)}. "
        "What the proxy did with the requests cannot be told."
    )


OPINION = Opinion(
    title="Only one side of the proxy was captured",
    severity=Severity.INFO,
    confidence=lambda tell: 0.5 if _is_claimed(tell) else 1.0,
    owner=Owner.CAPTURE,
    reference="RFC 9110 section 3.7",
    advice="Capture both interfaces of the proxy at once, or at the client and at the server, and give both files together. With dumpcap: -i one -i other.",
    see=see,
    why=why,
    each=each,
)
