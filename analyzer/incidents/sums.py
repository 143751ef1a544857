"""What the diagnosis counts: numbers and names out of the evidence, which can be put together where several evidences are one run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from analyzer.incidents.clients import clients
from analyzer.records.auth import Audience
from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence, tls_kept
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.story import Failure, Outcome, Result, Wanted
from analyzer.records.tls import Reached

_FAULT = 500
Place = tuple[str, str]
"""An account, and the server that its commands ran on."""


class Ran(Struct, frozen=True, gc=False):
    """The commands of one account on one server that were not refused: how many, how many of them encoded, the key of the first packet that is known, and
    where the first of them comes in the order of all commands (its shell's time and id)."""

    commands: int
    encoded: int
    first: int | None
    order: tuple[int, str]


class Sums(Struct, frozen=True, gc=False):
    """What was counted. ``bodies``: message bodies that are not empty, each once, as the client made it; of them ``closed`` are encrypted and were not read,
    ``errors`` of these came with status 500. ``opaque``: connections that TLS hides. ``missing``: bytes of WinRM connections that are not in the capture.
    ``kept_tls``: connections with TLS that are not known to be WinRM's, by (server, port). ``reached``: the servers of connections that failed."""

    captures: tuple[Capture, ...]
    negotiate: bool
    scope: tuple[str, ...]
    clients: frozenset[str]
    failures: tuple[Failure, ...]
    reached: Mapping[str, str]
    logons: Mapping[str, int]
    outcomes: Mapping[str, int]
    commands: int
    ran: Mapping[Place, Ran]
    winrm: int
    bodies: int
    closed: int
    errors: int
    opaque: int
    one_sided: bool
    """Some connection is one side of a proxy whose other side is not known."""
    missing: int
    kept_tls: Mapping[tuple[str, int], int]


def sums(evidence: Evidence) -> Sums:
    """Those of one evidence."""
    asked = evidence.winrm_exchanges & evidence.exchanges.keys()
    asked = asked - evidence.far.keys() if evidence.far else asked
    empty, encrypted = Protection.EMPTY, Protection.SEALED
    own = [one for one in evidence.messages.values() if one.protection is not empty and one.exchange in asked]
    sealed = [one for one in own if one.protection is encrypted and not one.opened]
    connections = [evidence.connections[identity] for identity in evidence.winrm]
    routed = {identity for route in evidence.routes for identity in (route.client_connection, *route.upstream_connections)}
    failures = evidence.story.failures
    return Sums(
        captures=evidence.captures,
        negotiate=evidence.negotiate,
        scope=tuple(evidence.scope),
        clients=clients(evidence).all,
        failures=failures,
        reached={one.connection: evidence.connections[one.connection].server.host for one in failures if one.wanted is Wanted.CONNECTION},
        logons=Counter(one.outcome.value for one in evidence.story.logons if one.audience is Audience.SERVER),
        outcomes=Counter({outcome.value: number for outcome, number in Counter([fate.outcome for fate in evidence.story.fates.values()]).items()}),
        commands=len(evidence.commands),
        ran=_ran(evidence),
        winrm=len(connections),
        bodies=len(own),
        closed=len(sealed),
        errors=sum(_is_error(evidence, one) for one in sealed),
        opaque=sum(
            one.protocol == "tls" and not one.tls_opened and (one.tls is None or one.tls.reached in (Reached.COMPLETED, Reached.APPLICATION_DATA))
            for one in connections
        ),
        one_sided=any(evidence.roles.get(identity) in (Role.CLIENT_LEG, Role.UPSTREAM_LEG) for identity in evidence.winrm - routed),
        missing=sum(gap.size for one in connections for stream in (one.to_server, one.to_client) for gap in stream.gaps),
        kept_tls=tls_kept(evidence),
    )


def _ran(evidence: Evidence) -> dict[Place, Ran]:
    begun = {(shell.server, shell.id): (shell.first_ns, shell.id) for shell in evidence.shells}
    found: dict[Place, Ran] = {}
    for one in evidence.commands:
        if one.state == "refused":
            continue
        place = (one.asked_as or one.user or "An account that is not visible", one.server)
        before = found.get(place)
        first = one.packets[0] if one.packets else None
        order = begun.get((one.server, one.shell), (one.first_ns, one.id)) if before is None else before.order
        encoded = int(one.decoded is not None)
        if before is None:
            found[place] = Ran(1, encoded, first, order)
        else:
            found[place] = Ran(before.commands + 1, before.encoded + encoded, first if before.first is None else before.first, order)
    return found


def _is_error(evidence: Evidence, message: Message) -> bool:
    """The response with which WinRM reports a fault: a time-out that is normal, or a failure."""
    answer = evidence.exchanges[message.exchange].response
    return not message.from_client and not isinstance(answer, Absent) and answer.status == _FAULT


def together(found: Sequence[Sums]) -> Sums:
    """The sums of one run whose connections were looked at in parts; the captures are those of the first part."""
    ran: dict[Place, Ran] = {}
    for place, one in sorted((item for part in found for item in part.ran.items()), key=lambda item: item[1].order):
        before = ran.get(place)
        first = one.first if before is None or before.first is None else before.first
        ran[place] = one if before is None else Ran(before.commands + one.commands, before.encoded + one.encoded, first, before.order)
    return Sums(
        captures=found[0].captures,
        negotiate=found[0].negotiate,
        scope=found[0].scope,
        clients=frozenset().union(*(one.clients for one in found)),
        failures=tuple(sorted((failure for one in found for failure in one.failures), key=lambda failure: failure.at_ns)),
        reached={identity: host for one in found for identity, host in one.reached.items()},
        logons=_added(one.logons for one in found),
        outcomes=_added(one.outcomes for one in found),
        commands=sum(one.commands for one in found),
        ran=ran,
        winrm=sum(one.winrm for one in found),
        bodies=sum(one.bodies for one in found),
        closed=sum(one.closed for one in found),
        errors=sum(one.errors for one in found),
        opaque=sum(one.opaque for one in found),
        one_sided=any(one.one_sided for one in found),
        missing=sum(one.missing for one in found),
        kept_tls=_added_places(one.kept_tls for one in found),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    made: Counter[str] = Counter()
    for one in counts:
        made.update(one)
    return made


def _added_places(counts: Iterable[Mapping[tuple[str, int], int]]) -> Counter[tuple[str, int]]:
    made: Counter[tuple[str, int]] = Counter()
    for one in counts:
        made.update(one)
    return made


ANSWERED, REFUSED, NOT_FORWARDED = Outcome.ANSWERED.value, Outcome.REFUSED.value, Outcome.NOT_FORWARDED.value
ACCEPTED, LOGON_REFUSED = Result.ACCEPTED.value, Result.REFUSED.value
