"""Who asked for a command, and as whom it ran: two answers that differ where a proxy shares a connection that someone else logged on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.halves import account, authenticated, request
from analyzer.records.proxy import Role
from analyzer.records.sessions import ShellEvent
from analyzer.records.story import Fate
from analyzer.records.wsman import Command, Shell


class Attributed(NamedTuple):
    """Shells and commands with the clients that asked, their own accounts, and the accounts of the server's connections."""

    shells: tuple[Shell, ...]
    commands: tuple[Command, ...]


class _Who(NamedTuple):
    asked_from: str | None
    asked_as: str | None
    ran_as: str | None


def attributed(evidence: Evidence, shells: Iterable[Shell], commands: Iterable[Command]) -> Attributed:
    """By the exchange of the request that began each command, and by all requests of each shell."""
    fates: Mapping[str, Fate] = evidence.story.fates
    if evidence.near:
        onward = {identity: fate for fate in reversed(tuple(fates.values())) for identity in fate.forwarded_as}  # of several the first stays
        fates = onward | dict(fates)
    return Attributed(tuple([_shell(evidence, shell, fates) for shell in shells]), tuple([_command(evidence, command, fates) for command in commands]))


def _command(evidence: Evidence, command: Command, fates: Mapping[str, Fate]) -> Command:
    who = _of(evidence, command.exchanges, fates)
    return command if who is None else replace(command, asked_from=who.asked_from, asked_as=who.asked_as, ran_as=who.ran_as)


def _shell(evidence: Evidence, shell: Shell, fates: Mapping[str, Fate]) -> Shell:
    found: dict[_Who, None] = {}
    before: Fate | None = None
    for identity in shell.exchanges:
        fate = fates.get(identity)
        if fate is not None and before is not None and _is_same(fate, before):
            continue  # as of most: nothing that is not known
        who = _of(evidence, (identity,), fates)
        if who is not None:
            found.setdefault(_Who(who.asked_from, who.asked_as, who.ran_as))
            before = fate
    asked_as = tuple(dict.fromkeys([who.asked_as for who in found if who.asked_as]))
    ran_as = tuple(dict.fromkeys([who.ran_as for who in found if who.ran_as]))
    asked_from = next((who.asked_from for who in found if who.asked_from), None)
    events = tuple([_event(evidence, event, fates) for event in shell.events])
    return replace(shell, asked_from=asked_from, asked_as=asked_as, ran_as=ran_as, events=events)


def _is_same(one: Fate, other: Fate) -> bool:
    return one.asked_from == other.asked_from and one.asked_as == other.asked_as and one.ran_as == other.ran_as


def _event(evidence: Evidence, event: ShellEvent, fates: Mapping[str, Fate]) -> ShellEvent:
    who = _of(evidence, (event.exchange,), fates) if event.by_client else None
    if who is None:
        return event
    what, text, by_client, client, exchange, ts_ns, packets, outcome, _, command = event
    return ShellEvent(what, text, by_client, who.asked_from or client, exchange, ts_ns, packets, outcome, who.asked_as, command)


def _of(evidence: Evidence, exchanges: Sequence[str], fates: Mapping[str, Fate]) -> _Who | Fate | None:
    """What is known of the request that these exchanges show: by its fate, else (a view that only another capture point has) by the connection's own logon."""
    for identity in exchanges:
        fate = fates.get(identity)
        if fate is not None:
            return fate
    for identity in exchanges:
        exchange = evidence.exchanges.get(identity)
        if exchange is None or request(exchange) is None:
            continue
        logon = authenticated(evidence, exchange)
        name = None if logon is None else account(logon.client)
        if evidence.roles.get(exchange.connection) is Role.UPSTREAM_LEG:
            return _Who(None, None, name)
        return _Who(evidence.connections[exchange.connection].client.host, name, name)
    return None
