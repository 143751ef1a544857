"""Events of host logs joined to connections, logons and shells: by what names one thing where there is such (ports, process ids), else by names and time.

The times of hosts are their own. Where the story measured a server's clock, an event has to lie within that error and the unit of its time; else within
`_LOOSE_NS`. Which host a log is of is told by the connections that it logged, then by the names of addresses.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.json import decode

from analyzer.hostlogs import spellings
from analyzer.hostlogs.sensed import of_sensors
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
_OF_KDC, _OF_CLIENT = 4769, 4648
_OF_LOGONS = frozenset({4624, _OF_CLIENT, _OF_KDC, 4776})
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

    def is_near(self, event: HostEvent, address: str | None, first_ns: int, last_ns: int, *, loose: bool = False) -> bool:
        """Whether an event of the host at this address may lie between two times of the packets."""
        ahead, error = self.clock.get(address or "", (0, _LOOSE_NS))
        room = (_LOOSE_NS if loose else error) + event.unit_ns + _SLACK_NS
        return first_ns + ahead - room <= event.time_ns <= last_ns + ahead + room

    def data(self, event: HostEvent) -> dict[str, object]:
        """The event's fields."""
        key = (event.file, event.place)
        if key not in self.fields:
            self.fields[key] = decode(event.data)
        return self.fields[key]

    def connections(self) -> None:
        """5156 and Sysmon 3: both ends of a connection with their ports."""
        by_ends: dict[frozenset[tuple[str, int]], list[Connection]] = defaultdict(list)
        for one in self.ours:
            by_ends[frozenset(((one.client.host, one.client.port), (one.server.host, one.server.port)))].append(one)
        seen: set[tuple[str, frozenset[tuple[str, int]], int]] = set()
        for event in self.events:
            told = _ends(event)
            if told is None:
                continue
            own = [one for one in by_ends.get(told.ends, ()) if self.is_near(event, None, one.first_ns, one.last_ns, loose=True)]
            if own:
                one = min(own, key=lambda one: abs(one.first_ns - event.time_ns))
                if told.opened is not None:
                    self.hosts.setdefault(event.computer.lower(), one.client.host if told.opened else one.server.host)
                side = "" if told.opened is None else ", as the client" if told.opened else ", as the server"
                self.add(event, Joined.CONNECTION, one.id, f"addresses and ports{side}", _DONE if len(own) == 1 else _BY_ONLY, one.first_ns)
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
        told = [one for one in self.events if one.event_id in _OF_LOGONS and "security" in one.channel.lower()]
        times = [one.time_ns for one in told]
        for one in self.evidence.story.logons:
            connection = self.evidence.connections[(one.server_connections or (one.client_connection,))[-1]]
            ahead = self.clock.get(connection.server.host, (0, 0))[0]
            first = bisect_left(times, one.first_ns + min(ahead, 0) - 2 * _LOOSE_NS)
            last = bisect_right(times, one.last_ns + max(ahead, 0) + 2 * _LOOSE_NS)
            best: dict[int, tuple[float, int, HostEvent, str]] = {}
            for event in told[first:last]:
                basis, sure = ("", 0.0) if (event.file, event.place) in self.taken else self._logon(event, one, connection)
                found = (-sure, abs(event.time_ns + event.unit_ns // 2 - one.last_ns), event, basis)
                if sure and (event.event_id not in best or found[:2] < best[event.event_id][:2]):
                    best[event.event_id] = found
            for sure, _, event, basis in best.values():
                self.add(event, Joined.LOGON, one.id, basis, -sure, one.last_ns)

    def _logon(self, event: HostEvent, one: Logon, connection: Connection) -> tuple[str, float]:
        """The basis, and how sure it is; 0 where the event is about something else."""
        number, data = event.event_id, self.data(event)
        names = self.names.get(connection.server.host, frozenset())
        user = str(data.get("TargetUserName") or "").partition("@")[0].lower()
        same = one.user is not None and user == one.user.lower()
        if (one.user is not None and not same) or user.endswith("$") != (one.user or "").endswith("$"):
            return "", 0
        host, server, client = self.address(event), connection.server.host, connection.client.host
        first, last = one.first_ns, one.last_ns
        if number == 4624 and host == server and str(data.get("LogonType")) == "3" and self.is_near(event, server, first, last):
            port = str(data.get("IpPort") or "")
            if spellings.address(data.get("IpAddress")) == client and port == str(connection.client.port):
                return "user, address and port", _DONE
            told = spellings.address(data.get("IpAddress"))
            if told in ("", "-", client):
                return ("user and time", _BY_USER) if same else ("time", _BY_TIME)
        if (
            number == _OF_CLIENT
            and host == client
            and spellings.short(str(data.get("TargetServerName") or "")) in names
            and self.is_near(event, None, first, last)
        ):
            return ("server's name, user and time", _BY_USER) if same else ("server's name and time", _BY_TIME)
        service = spellings.short(str(data.get("ServiceName") or "").rpartition("/")[2]).rstrip("$")
        if number == _OF_KDC and spellings.address(data.get("IpAddress")) == client and service in names and self.is_near(event, None, first, last):
            return ("client's address, service, user and time", _BY_ONLY) if same else ("client's address, service and time", _BY_USER)
        if number == 4776 and same and one.mechanism.value == "ntlm" and self.is_near(event, None, first, last):
            return "user and time", _BY_USER
        return "", 0

    def processes(self) -> None:
        """4688 and Sysmon 1 of the programs that shells run in: the shell whose beginning it is, or the connection where no shell could be read."""
        begun: dict[str, list[tuple[str, str, int, str | None, int | None]]] = defaultdict(list)
        read = {name for shell in self.evidence.shells for name in shell.connections}
        for shell in self.evidence.shells:
            if shell.kind in _HOSTED.values():
                told = said(shell.facts, "ProcessId", by_client=False) or ""
                begun[shell.server].append((shell.id, shell.kind, shell.first_ns, shell.user, int(told) if told.isascii() and told.isdigit() else None))
        for connection in self._beginnings():
            if connection.id not in read:
                begun[connection.server.host].append((connection.id, "", connection.first_ns, None, None))
        for event in self.events:
            kind = _HOSTED.get(_program(event)) if event.parent_id is not None and event.process_id else None
            if kind is None:
                continue
            host = self.address(event)
            near = [one for one in begun.get(host or "", ()) if one[1] in ("", kind) and self.is_near(event, host, one[2], one[2])]
            named = [one for one in near if one[4] == event.process_id]
            if named:
                self.add(event, Joined.PROCESS, named[0][0], "process id that the server tells its client, and time", _DONE, named[0][2])
                self.processes_of.setdefault((event.computer.lower(), event.process_id or 0), named[0][0])
                continue
            near = [one for one in near if one[4] is None]  # the others' processes are known to be other ones
            if not near:
                if host is not None:
                    self.add(event, Joined.NOT_SEEN, None, "a shell's process whose beginning the packets do not show", _BY_ONLY)
                continue
            subject, _, first, user, _ = min(near, key=lambda one: abs(one[2] - event.time_ns))
            same = user is not None and (event.user or "").rpartition("\\")[2].lower() == spellings.user(user)
            alone = len(near) == 1
            words = "server, program, user and time" if same else "server, program and time"
            sure = (_BY_ONLY if same else _BY_USER) if alone else _BY_TIME
            self.add(event, Joined.PROCESS, subject, words if alone else f"{words}; {len(near)} shells began then", sure, first)
            self.processes_of.setdefault((event.computer.lower(), event.process_id or 0), subject)

    def service(self) -> None:
        """WinRM's own log, of what is not joined by a process id."""
        rest = [one for one in self.events if (one.file, one.place) not in self.taken]
        where = Where(self.address, self.names, lambda event, host, at: self.is_near(event, host, at, at))
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
