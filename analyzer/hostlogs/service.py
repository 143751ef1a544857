"""What WinRM's own log tells of: shells that begin, sessions that a client opens, logons that fail or succeed.

Its events name no ports. A shell's id names a shell; else they are compared by the shell's resource URI, by the name in the connection string, by the
account, and by time, with less confidence. Fields as in the provider's manifest: 91 and 11 ``resourceUri`` (with the account and the client's address behind
it) and ``shellId``, 6 ``connection``, 169 ``username`` and ``authenticationMechanism``; 161, 162 and 164 name no account.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.hostlogs import spellings
from analyzer.records.evidence import Evidence
from analyzer.records.hostlogs import HostEvent, Joined
from analyzer.records.story import Result

_BEGINS, _ASKS, _OPENS = 91, 11, 6
_ACCEPTED, _REFUSED = 169, frozenset({161, 162, 164})
_ID = re.compile(r"(?i)(?<![0-9A-F-])[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}(?![0-9A-F-])")
_FOR = re.compile(r"\(([^()]{1,256}) clientIP: ([^()\s]{1,64})\)")
"""Behind the resource URI of event 91: for whom, and from where."""
_TEXTS = ("shellId", "ShellId", "resourceUri", "Message")
_DONE = 1.0
_BY_USER, _BY_NAME, _BY_TIME = 0.9, 0.8, 0.5


class Where(NamedTuple):
    """What is known of hosts: the address of an event's host, the names of an address, and whether an event may lie at a time of the packets."""

    address: Callable[[HostEvent], str | None]
    names: Mapping[str, frozenset[str]]
    is_near: Callable[[HostEvent, str | None, int], bool]


class Told(NamedTuple):
    """One event, and what it is about."""

    event: HostEvent
    joined: Joined
    subject: str
    basis: str
    confidence: float
    at_ns: int


class _Near(NamedTuple):
    """A thing that an event may be about."""

    subject: str
    basis: str
    confidence: float
    at_ns: int


def of_service(evidence: Evidence, events: Sequence[HostEvent], data: Callable[[HostEvent], Mapping[str, object]], where: Where) -> Iterator[Told]:
    """The events of WinRM's log that belong to a shell, a connection or a logon of the evidence. A shell or logon is joined to one event of a
    kind from each host: the first that fits."""
    taken: set[tuple[str, str, int]] = set()
    for event in events:
        if "winrm" not in event.channel.lower():
            continue
        fields = data(event)
        joined, found = next(((kind, of) for numbers, kind, of in _ABOUT if event.event_id in numbers), (Joined.LOGON, _logons))
        from_here = (event.computer.lower(), event.event_id)
        near = [one for one in found(evidence, event, fields, where) if (one.subject, *from_here) not in taken]
        if not near:
            continue
        best = max(near, key=lambda one: (one.confidence, -abs(one.at_ns - event.time_ns)))
        others = sum(one.confidence == best.confidence for one in near) - 1
        sure = best.confidence if best.confidence == _DONE or not others else _BY_TIME
        taken.add((best.subject, *from_here))
        yield Told(event, joined, best.subject, best.basis, sure, best.at_ns)


def _shells(evidence: Evidence, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Near]:
    """Shells that the event may tell the beginning of: by id wherever one is told, else on that host, of that kind, at that time."""
    text = " ".join(str(fields.get(name) or "") for name in _TEXTS)
    ids = {match[0].upper() for match in _ID.finditer(text)}
    named = [shell for shell in evidence.shells if shell.id.upper() in ids]
    if ids or event.event_id == _ASKS:
        yield from (_Near(shell.id, "id of the shell", _DONE, shell.first_ns) for shell in named)
        return
    host, person = where.address(event), _FOR.search(text)
    said = str(fields.get("resourceUri") or "").lower()
    for shell in evidence.shells:
        uri = (shell.resource_uri or "").lower()
        if shell.server != host or not uri or not said.startswith(uri) or not where.is_near(event, host, shell.first_ns):
            continue
        accounts = {spellings.user(name) for name in (shell.ran_as or (shell.user,)) if name}
        if person is not None and accounts:
            if spellings.user(person[1]) in accounts:
                yield _Near(shell.id, "server, resource URI, user and time", _BY_USER, shell.first_ns)
        else:
            yield _Near(shell.id, "server, resource URI and time", _BY_NAME, shell.first_ns)


def _opened(evidence: Evidence, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Near]:
    """Connections from that host to the server that the connection string names, that begin at that time."""
    target = str(fields.get("connection") or "").partition("://")[2] or str(fields.get("connection") or "")
    place = target.partition("/")[0].lower()
    name = place if place.startswith("[") or place.count(":") > 1 else place.partition(":")[0]
    host = where.address(event)
    if not name or host is None:
        return
    for identity, one in evidence.connections.items():
        if identity not in evidence.winrm or one.client.host != host or one.twin_of is not None or not where.is_near(event, None, one.first_ns):
            continue
        if name.strip("[]") == one.server.host.lower() or name.partition(".")[0] in where.names.get(one.server.host, ()):
            yield _Near(identity, "server's name and time", _BY_NAME, one.first_ns)


def _logons(evidence: Evidence, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Near]:
    """Logons at that host, or by it, that ended so at that time."""
    accepted = event.event_id == _ACCEPTED
    if not accepted and event.event_id not in _REFUSED:
        return
    host = where.address(event)
    wanted = Result.ACCEPTED if accepted else Result.REFUSED
    said = spellings.user(str(fields.get("username") or fields.get("userName") or ""))
    for one in evidence.story.logons:
        connection = evidence.connections[(one.server_connections or (one.client_connection,))[-1]]
        client = evidence.connections[one.client_connection].client.host
        if one.outcome is not wanted or host not in ((connection.server.host,) if accepted else (connection.server.host, client)):
            continue
        if not where.is_near(event, connection.server.host if host == connection.server.host else None, one.last_ns):
            continue
        if accepted and said and one.user is not None:
            if said == one.user.lower():
                yield _Near(one.id, "server, user and time", _BY_NAME, one.last_ns)
        else:
            yield _Near(one.id, "host, outcome and time", _BY_TIME, one.last_ns)


_ABOUT: tuple[tuple[frozenset[int], Joined, Callable[[Evidence, HostEvent, Mapping[str, object], Where], Iterator[_Near]]], ...] = (
    (frozenset({_BEGINS, _ASKS}), Joined.SHELL, _shells),
    (frozenset({_OPENS}), Joined.SESSION, _opened),
)
"""What an event is about that is not about a logon, and what finds it."""
