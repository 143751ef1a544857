"""Events of host logs joined to connections, logons and shells: by what names one thing where there is such (ports, process ids), else by names and time.

The times of hosts are their own. Where the story measured a server's clock, an event has to lie within that error and the unit of its time; else within
`_LOOSE_NS`. Which host a log is of is told by the connections that it logged, then by the names of addresses.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.json import decode

from analyzer.hostlogs import spellings
from analyzer.hostlogs.logged import OF_LOGONS, LogonEvents
from analyzer.hostlogs.nearest import Mark, Rows
from analyzer.hostlogs.sensed import by_ends, of_sensors
from analyzer.hostlogs.service import Where, of_service
from analyzer.records.evidence import Evidence
from analyzer.records.hostlogs import HostEvent, HostJoin, Joined
from analyzer.records.sessions import said
from analyzer.records.story import Logon
from analyzer.records.transport import Connection

_LOOSE_NS = 10_000_000_000
"""How far a host's clock may be from the capture's where nothing measured it; and how late Sysmon tells of a connection."""
_SLACK_NS = 1_000_000_000
_HOSTED = {"wsmprovhost.exe": "powershell", "winrshost.exe": "winrs"}
"""Programs that shells run in, and the kinds of shells."""
_PORTS = (5985, 5986, 47001)
_OF_5156 = ("SourceAddress", "SourcePort", "DestAddress", "DestPort")
_OF_SYSMON = ("SourceIp", "SourcePort", "DestinationIp", "DestinationPort")
_INBOUND, _OUTBOUND = "%%14592", "%%14593"
_DONE = 1.0
_BY_TIME, _BY_USER, _BY_ONLY = 0.5, 0.8, 0.9


class _Ends(NamedTuple):
    """The ends of a connection that a host logged, and whether the host is the one that opened it (None: not told)."""

    ends: frozenset[tuple[str, int]]
    opened: bool | None


def joined(evidence: Evidence, events: Sequence[HostEvent]) -> tuple[HostJoin, ...]:
    """What of ``events`` (in order of time) belongs to the evidence, in order of time."""
    made = _Joining(evidence, events)
    made.connections()
    made.logons()
    made.processes()
    made.below()
    made.service()
    made.found += of_sensors(evidence, events, made.ours, made.names)
    order = {(one.file, one.place): place for place, one in enumerate(events)}
    return tuple(sorted(made.found, key=lambda one: (order[one.event.file, one.event.place], one.subject or "")))


class _Joining:
    """The joins in the making."""

    def __init__(self, evidence: Evidence, events: Sequence[HostEvent]) -> None:
        self.evidence = evidence
        self.events = events
        self.found: list[HostJoin] = []
        self.hosts: dict[str, str] = {}
        self.taken: set[tuple[str, int]] = set()
        self.processes_of: dict[tuple[str, int], str] = {}
        clocks = {party.id: party for party in evidence.story.parties}
        self.clock: dict[str, tuple[int, int]] = {}
        for one in evidence.story.clocks:
            party = clocks.get(one.party)
            for end in party.listens if party is not None else ():
                self.clock.setdefault(end.host, (one.ahead_ns, one.error_ns))
        self.names: dict[str, frozenset[str]] = {}
        self.called: dict[str, set[str]] = defaultdict(set)
        for host in evidence.story.hosts:
            self.names[host.address] = frozenset(spellings.short(name.name) for name in host.names)
            for name in host.names:
                if not name.source.by_anyone:
                    self.called[spellings.short(name.name)].add(host.address)
        self.fields: dict[tuple[str, int], dict[str, object]] = {}
        self.ours = [one for name, one in evidence.connections.items() if name in evidence.winrm and one.twin_of is None]

    def add(self, event: HostEvent, what: Joined, subject: str | None, basis: str, confidence: float, at_ns: int | None = None) -> None:
        """One join; an event is joined once to a thing."""
        self.taken.add((event.file, event.place))
        apart = None if at_ns is None else event.time_ns - at_ns
        self.found.append(HostJoin(event, what, subject, basis, confidence, self.hosts.get(event.computer.lower()), apart))

    def window(self, event: HostEvent, address: str | None) -> tuple[int, int]:
        """The times of the packets at which something was that an event of the host at this address may tell of."""
        ahead, error = self.clock.get(address or "", (0, _LOOSE_NS))
        room = error + event.unit_ns + _SLACK_NS
        return event.time_ns - ahead - room, event.time_ns - ahead + room

    def data(self, event: HostEvent) -> dict[str, object]:
        """The event's fields."""
        key = (event.file, event.place)
        if key not in self.fields:
            self.fields[key] = decode(event.data)
        return self.fields[key]

    def connections(self) -> None:
        """5156 and Sysmon 3: both ends of a connection with their ports."""
        spans = by_ends(self.ours)
        seen: set[tuple[str, frozenset[tuple[str, int]], int]] = set()
        for event in self.events:
            told = _ends(event)
            if told is None:
                continue
            own = spans[told.ends].nearest(event.time_ns, _LOOSE_NS + event.unit_ns + _SLACK_NS) if told.ends in spans else None
            if own is not None:
                one, is_only = own
                if told.opened is not None:
                    self.hosts.setdefault(event.computer.lower(), one.client.host if told.opened else one.server.host)
                side = "" if told.opened is None else ", as the client" if told.opened else ", as the server"
                self.add(event, Joined.CONNECTION, one.id, f"addresses and ports{side}", _DONE if is_only else _BY_ONLY, one.first_ns)
            elif any(port in _PORTS for _, port in told.ends) and (event.computer.lower(), told.ends, event.event_id) not in seen:
                seen.add((event.computer.lower(), told.ends, event.event_id))
                self.add(event, Joined.NOT_SEEN, None, "a connection to a WinRM port that the packets do not show", _DONE)

    def address(self, event: HostEvent) -> str | None:
        """The address of the event's host: by the connections that it logged, else by the names of addresses."""
        known = self.hosts.get(event.computer.lower())
        if known is None:
            named = self.called.get(spellings.short(event.computer), set())
            if len(named) == 1:
                known = self.hosts[event.computer.lower()] = next(iter(named))
        return known

    def logons(self) -> None:
        """4624, 4648, 4769 and 4776: of the logons in the packets, each with the nearest event of each kind that tells of it."""
        told = [one for one in self.events if one.event_id in OF_LOGONS and "security" in one.channel.lower() and (one.file, one.place) not in self.taken]
        events = LogonEvents(told, self.address, self.data)
        for one in self.evidence.story.logons:
            connection = self.evidence.connections[(one.server_connections or (one.client_connection,))[-1]]
            own = self.clock.get(connection.server.host, (0, 0))[0]
            least, most = one.first_ns + min(own, 0) - 2 * _LOOSE_NS, one.last_ns + max(own, 0) + 2 * _LOOSE_NS

            def window(address: str | None, unit_ns: int, one: Logon = one, least: int = least, most: int = most) -> tuple[int, int]:
                ahead, error = self.clock.get(address or "", (0, _LOOSE_NS))
                room = error + unit_ns + _SLACK_NS
                return max(one.first_ns + ahead - room, least), min(one.last_ns + ahead + room, most)

            for fit in events.of(one, connection, self.names.get(connection.server.host, frozenset()), window):
                self.add(fit.event, Joined.LOGON, one.id, fit.basis, fit.confidence, one.last_ns)

    def processes(self) -> None:
        """4688 and Sysmon 1 of the programs that shells run in: the shell whose beginning it is, or the connection where no shell could be read."""
        begun: list[tuple[str, str | None]] = []
        rows = Rows()
        read = {name for shell in self.evidence.shells for name in shell.connections}
        for shell in self.evidence.shells:
            if shell.kind in _HOSTED.values():
                told = said(shell.facts, "ProcessId", by_client=False) or ""
                process = int(told) if told.isascii() and told.isdigit() else None
                rows.add((shell.server, shell.kind, process), Mark(shell.first_ns, len(begun), shell.id))
                begun.append((shell.id, shell.user))
        for connection in self._beginnings():
            if connection.id not in read:
                rows.add((connection.server.host, "", None), Mark(connection.first_ns, len(begun), connection.id))
                begun.append((connection.id, None))
        for event in self.events:
            kind = _HOSTED.get(_program(event)) if event.parent_id is not None and event.process_id else None
            if kind is None:
                continue
            host = self.address(event)
            window = self.window(event, host)
            named = rows.nearest([((host, kind, event.process_id), window)], event.time_ns, None)
            if named is not None:
                best = named[0]
                self.add(event, Joined.PROCESS, best.subject, "process id that the server tells its client, and time", _DONE, best.at_ns)
                self.processes_of.setdefault((event.computer.lower(), event.process_id or 0), best.subject)
                continue
            unnamed = [((host, which, None), window) for which in ("", kind)]  # the others' processes are known to be other ones
            near = rows.nearest(unnamed, event.time_ns, None)
            if near is None:
                if host is not None:
                    self.add(event, Joined.NOT_SEEN, None, "a shell's process whose beginning the packets do not show", _BY_ONLY)
                continue
            best, alone = near
            subject, user = begun[best.place]
            same = user is not None and (event.user or "").rpartition("\\")[2].lower() == spellings.user(user)
            words = "server, program, user and time" if same else "server, program and time"
            sure = (_BY_ONLY if same else _BY_USER) if alone else _BY_TIME
            basis = words if alone else f"{words}; {rows.count(unnamed)} shells began then"
            self.add(event, Joined.PROCESS, subject, basis, sure, best.at_ns)
            self.processes_of.setdefault((event.computer.lower(), event.process_id or 0), subject)

    def service(self) -> None:
        """WinRM's own log, of what is not joined by a process id."""
        rest = [one for one in self.events if (one.file, one.place) not in self.taken]
        where = Where(self.address, self.names, self.window)
        for one in of_service(self.evidence, rest, self.data, where):
            self.add(one.event, one.joined, one.subject, one.basis, one.confidence, one.at_ns)

    def _beginnings(self) -> list[Connection]:
        """Of each client and server the connections that begin while none of theirs is open: later ones of one shell begin while it is."""
        found: list[Connection] = []
        until: dict[tuple[str, str], int] = {}
        for one in sorted(self.ours, key=lambda one: one.first_ns):
            pair = (one.client.host, one.server.host)
            if one.first_ns > until.get(pair, one.first_ns - 1):
                found.append(one)
            until[pair] = max(until.get(pair, one.last_ns), one.last_ns)
        return found

    def below(self) -> None:
        """What began below a shell's process, and what these processes did until they ended."""
        ended: set[tuple[str, int]] = set()
        running: dict[tuple[str, int], str] = {}
        starts = self.processes_of
        for event in self.events:
            host, new = event.computer.lower(), event.parent_id is not None
            if not event.process_id:
                continue
            key = (host, event.process_id)
            if new and key in starts and _program(event) in _HOSTED:
                running[key] = starts[key]
            elif new and (host, event.parent_id or 0) in running:
                running[key] = running[host, event.parent_id or 0]
                ended.discard(key)
                if (event.file, event.place) not in self.taken:
                    self.add(event, Joined.CHILD, running[key], f"process id {event.parent_id} of its parent", _DONE)
            elif not new and key in running and key not in ended:
                if (event.file, event.place) not in self.taken:
                    self.add(event, Joined.ACTIVITY, running[key], f"process id {event.process_id}", _DONE)
                if event.event_id in (4689, 5):
                    ended.add(key)


def _ends(event: HostEvent) -> _Ends | None:
    """The ends of a connection that an event tells, without telling which of them is whose: hosts write them either way round."""
    if event.event_id not in (3, 5156):
        return None
    data = decode(event.data)
    near, near_port, far, far_port = (str(data.get(name) or "") for name in (_OF_5156 if event.event_id == 5156 else _OF_SYSMON))
    if not (spellings.is_port(near_port) and spellings.is_port(far_port)) or str(data.get("Protocol", "6")).lower() not in ("6", "tcp"):
        return None
    said = str(data.get("Direction") or data.get("Initiated") or "").lower()
    opened = True if said in (_OUTBOUND, "true") else False if said in (_INBOUND, "false") else None
    return _Ends(frozenset(((spellings.address(near), int(near_port)), (spellings.address(far), int(far_port)))), opened)


def _program(event: HostEvent) -> str:
    return (event.image or "").rpartition("\\")[2].lower()


def children(joins: Iterable[HostJoin]) -> Mapping[str, tuple[HostJoin, ...]]:
    """The starts of processes by the shell or connection that they belong to, those that two logs tell of once."""
    found: dict[str, dict[tuple[str, int | None], HostJoin]] = defaultdict(dict)
    for one in joins:
        if one.subject is not None and one.joined in (Joined.PROCESS, Joined.CHILD):
            found[one.subject].setdefault((one.event.computer.lower(), one.event.process_id), one)
    return {subject: tuple(own.values()) for subject, own in found.items()}
