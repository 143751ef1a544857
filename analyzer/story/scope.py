"""What opinions are about: WinRM only, and each connection once.

A proxy's pooled connection carries other traffic, and two capture points see one connection twice. What is not WinRM stays in the tables and out of counts,
rules and the first screen. Requests of others on a connection that a WinRM logon authenticated stay in: they are what that logon is misused for.
"""

from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.transport import Connection

_PORTS = (5985, 5986, 47001)


def scope(evidence: Evidence) -> Evidence:
    """The evidence without twins and without exchanges that are not WinRM's."""
    if _is_of_all(evidence):
        return evidence
    wanted = frozenset(identity for identity in evidence.winrm if evidence.connections[identity].twin_of is None)
    kept = _exchanges(evidence, wanted)
    kept |= _repeated(evidence, kept)
    if len(kept) == len(evidence.exchanges) and len(wanted) == len(evidence.winrm):
        return evidence
    spoken = tuple(one for one in evidence.conversations if _is_about(one, kept))
    hops = tuple(hop for hop in evidence.hops if hop.near in kept and hop.far in kept)
    of: dict[str, tuple[Conversation, ...]] = {
        identity: tuple(one for one in own if _is_about(one, kept)) for identity, own in evidence.conversations_of.items()
    }
    return replace(
        evidence,
        winrm=wanted,
        exchanges={identity: exchange for identity, exchange in evidence.exchanges.items() if identity in kept},
        exchanges_of={identity: tuple(exchange for exchange in own if exchange.id in kept) for identity, own in evidence.exchanges_of.items()},
        conversations=spoken,
        conversations_of=of,
        hops=hops,
        near={hop.near: hop for hop in hops},
        far={hop.far: hop for hop in hops},
        unanswered=tuple(one for one in evidence.unanswered if one.exchange is None or one.exchange in kept),
        routes=tuple(route for route in evidence.routes if route.client_connection in wanted),
    )


def _is_of_all(evidence: Evidence) -> bool:
    """Everything that was read is WinRM's, and was seen once, as in most captures."""
    for identity, connection in evidence.connections.items():
        own = evidence.exchanges_of.get(identity)
        if identity not in evidence.winrm:
            if own:
                return False
        elif connection.twin_of is not None or not (_is_guarded(evidence, connection) or all(one.id in evidence.winrm_exchanges for one in own or ())):
            return False
    return True


def _is_about(spoken: Conversation, kept: AbstractSet[str]) -> bool:
    return any(identity in kept for identity in spoken.exchanges)


def _repeated(evidence: Evidence, kept: AbstractSet[str]) -> frozenset[str]:
    """Exchanges of whatever protocol that carry a challenge of a WinRM logon: a relay takes the logon from there."""
    challenges = {one.server_challenge for one in evidence.conversations if one.server_challenge and _is_about(one, kept)}
    return frozenset(
        identity
        for one in evidence.conversations
        if one.server_challenge in challenges and evidence.connections[one.connection].twin_of is None
        for identity in one.exchanges
    )


def _exchanges(evidence: Evidence, wanted: AbstractSet[str]) -> frozenset[str]:
    kept: list[str] = []
    for identity, own in evidence.exchanges_of.items():
        if identity in wanted and own:
            every = _is_guarded(evidence, evidence.connections[identity])
            kept += [exchange.id for exchange in own if every or exchange.id in evidence.winrm_exchanges]
    return frozenset(kept)


def _is_guarded(evidence: Evidence, own: Connection) -> bool:
    """Every request on it matters: it goes to a WinRM port, or a WinRM logon authenticated it."""
    if own.server.port in _PORTS and own.protocol != "connect":
        return True
    return any(
        one.mechanism.lasting and any(identity in evidence.winrm_exchanges for identity in one.exchanges) for one in evidence.conversations_of.get(own.id, ())
    )
