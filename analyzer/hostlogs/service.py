"""What WinRM's own log tells of: shells that begin, sessions that a client opens, logons that fail or succeed.

Its events name no ports. A shell's id names a shell; else they are compared by the shell's resource URI, by the name in the connection string, by the
account, and by time, with less confidence. Fields as in the provider's manifest: 91 and 11 ``resourceUri`` (with the account and the client's address behind
it) and ``shellId``, 6 ``connection``, 169 ``username`` and ``authenticationMechanism``; 161, 162 and 164 name no account.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.hostlogs import spellings
from analyzer.hostlogs.nearest import Mark, Rows, Window
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
    """What is known of hosts: the address of an event's host, the names of an address, and the times of packets at which what an event of a host at an
    address tells may have been."""

    address: Callable[[HostEvent], str | None]
    names: Mapping[str, frozenset[str]]
    window: Callable[[HostEvent, str | None], Window]


class Told(NamedTuple):
    """One event, and what it is about."""

    event: HostEvent
    joined: Joined
    subject: str
    basis: str
    confidence: float
    at_ns: int


class _Asked(NamedTuple):
    """Where to look for what an event is about: rows, each with its window; what is found there is told on this basis."""

    confidence: float
    basis: str
    rows: Sequence[tuple[Hashable, Window]]


_EVER = (-(1 << 63), 1 << 63)
_ANY = ("any",)
"""In a row's key in the place of an account: all of them; None: of none, or of one that is not known."""


def of_service(evidence: Evidence, events: Sequence[HostEvent], data: Callable[[HostEvent], Mapping[str, object]], where: Where) -> Iterator[Told]:
    """The events of WinRM's log that belong to a shell, a connection or a logon of the evidence. A shell or logon is joined to one event of a
    kind from each host: the first that fits."""
    rows: dict[Joined, _Rows] = {}
    for event in events:
        if "winrm" not in event.channel.lower():
            continue
        fields = data(event)
        joined, made = next(((kind, of) for numbers, kind, of in _ABOUT if event.event_id in numbers), (Joined.LOGON, _Logons))
        if joined not in rows:
            rows[joined] = made(evidence, where)
        from_here = (event.computer.lower(), event.event_id)
        for asked in rows[joined].asked(event, fields, where):
            found = rows[joined].nearest(asked.rows, event.time_ns, from_here)
            if found is not None:
                best, is_only = found
                rows[joined].take(from_here, best.subject)
                yield Told(event, joined, best.subject, asked.basis, asked.confidence if is_only or asked.confidence == _DONE else _BY_TIME, best.at_ns)
                break


class _Rows(Rows):
    """What events of some kinds may be about."""

    def __init__(self, evidence: Evidence, where: Where) -> None:
        super().__init__()
        self.fill(evidence, where)

    def fill(self, evidence: Evidence, where: Where) -> None:
        """All of the evidence goes into rows."""
        raise NotImplementedError

    def asked(self, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Asked]:
        """Where to look, the surest first."""
        raise NotImplementedError


class _Shells(_Rows):
    """Shells that an event may tell the beginning of: by id wherever one is told, else on that host, of that kind, at that time."""

    def fill(self, evidence: Evidence, _where: Where) -> None:
        self.sizes: dict[str, set[int]] = defaultdict(set)
        for place, shell in enumerate(evidence.shells):
            mark, uri = Mark(shell.first_ns, place, shell.id), (shell.resource_uri or "").lower()
            self.add(shell.id.upper(), mark)
            if uri:
                self.sizes[shell.server].add(len(uri))
                accounts = {spellings.user(name) for name in (shell.ran_as or (shell.user,)) if name}
                for account in accounts or (None,):
                    self.add((shell.server, uri, account), mark)
                self.add((shell.server, uri, _ANY), mark)

    def asked(self, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Asked]:
        text = " ".join(str(fields.get(name) or "") for name in _TEXTS)
        ids = {match[0].upper() for match in _ID.finditer(text)}
        if ids or event.event_id == _ASKS:
            yield _Asked(_DONE, "id of the shell", [(identity, _EVER) for identity in ids])
            return
        host, person = where.address(event), _FOR.search(text)
        said = str(fields.get("resourceUri") or "").lower()
        window = where.window(event, host)
        uris = [said[:size] for size in self.sizes.get(host or "", ()) if size <= len(said)]
        if person is not None:
            user = spellings.user(person[1])
            yield _Asked(_BY_USER, "server, resource URI, user and time", [((host, uri, user), window) for uri in uris])
        account = _ANY if person is None else None
        yield _Asked(_BY_NAME, "server, resource URI and time", [((host, uri, account), window) for uri in uris])


class _Sessions(_Rows):
    """Connections from that host to the server that the connection string names, that begin at that time."""

    def fill(self, evidence: Evidence, where: Where) -> None:
        for place, (identity, one) in enumerate(evidence.connections.items()):
            if identity in evidence.winrm and one.twin_of is None:
                mark = Mark(one.first_ns, place, identity)
                self.add((one.client.host, "address", one.server.host.lower()), mark)
                for name in where.names.get(one.server.host, ()):
                    self.add((one.client.host, "name", name), mark)

    def asked(self, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Asked]:
        target = str(fields.get("connection") or "").partition("://")[2] or str(fields.get("connection") or "")
        place = target.partition("/")[0].lower()
        name = place if place.startswith("[") or place.count(":") > 1 else place.partition(":")[0]
        host, window = where.address(event), where.window(event, None)
        if name and host is not None:
            keys = ((host, "address", name.strip("[]")), (host, "name", name.partition(".")[0]))
            yield _Asked(_BY_NAME, "server's name and time", [(key, window) for key in keys])


class _Logons(_Rows):
    """Logons at that host, or by it, that ended so at that time."""

    def fill(self, evidence: Evidence, _where: Where) -> None:
        for place, one in enumerate(evidence.story.logons):
            server = evidence.connections[(one.server_connections or (one.client_connection,))[-1]].server.host
            client = evidence.connections[one.client_connection].client.host
            mark = Mark(one.last_ns, place, one.id)
            self.add((one.outcome, "server", server, _ANY), mark)
            self.add((one.outcome, "server", server, None if one.user is None else one.user.lower()), mark)
            if client != server:
                self.add((one.outcome, "client", client), mark)

    def asked(self, event: HostEvent, fields: Mapping[str, object], where: Where) -> Iterator[_Asked]:
        host = where.address(event)
        said = spellings.user(str(fields.get("username") or fields.get("userName") or ""))
        at_server = where.window(event, host)
        if event.event_id == _ACCEPTED:
            if said:
                yield _Asked(_BY_NAME, "server, user and time", [((Result.ACCEPTED, "server", host, said), at_server)])
            yield _Asked(_BY_TIME, "host, outcome and time", [((Result.ACCEPTED, "server", host, None if said else _ANY), at_server)])
        elif event.event_id in _REFUSED:
            by_client = ((Result.REFUSED, "client", host), where.window(event, None))
            yield _Asked(_BY_TIME, "host, outcome and time", [((Result.REFUSED, "server", host, _ANY), at_server), by_client])


_ABOUT: tuple[tuple[frozenset[int], Joined, type[_Rows]], ...] = (
    (frozenset({_BEGINS, _ASKS}), Joined.SHELL, _Shells),
    (frozenset({_OPENS}), Joined.SESSION, _Sessions),
)
"""What an event is about that is not about a logon, and what finds it."""
