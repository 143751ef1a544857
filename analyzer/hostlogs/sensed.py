"""Records of network sensors joined to connections and logons.

What a sensor saw of a connection has its addresses and ports; its time has to lie within the connection, with room for the sensor's clock. Kerberos with a
key distribution center is another connection: it belongs to a logon by the client's address, the service, the user and the time.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.json import decode

from analyzer.hostlogs import spellings
from analyzer.hostlogs.nearest import First, Spans, Window
from analyzer.records.auth import Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.hostlogs import HostEvent, HostJoin, Joined
from analyzer.records.transport import Connection

ROOM_NS = 10_000_000_000
"""How far a sensor's clock may be from the capture's."""
_WINRM = (5985, 5986, 47001)
_ENDS = {"zeek": ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"), "suricata": ("src_ip", "src_port", "dest_ip", "dest_port")}
_OF_CONNECTIONS = ("zeek/conn", "suricata/flow", "suricata/netflow")
_OF_TICKETS = ("zeek/kerberos", "suricata/krb5")
_ANY = None
"""In a key in the place of a user: all of them."""
_SURE, _LIKELY, _BY_TIME = 1.0, 0.9, 0.8


def ends_of(event: HostEvent) -> frozenset[tuple[str, int]] | None:
    """Both ends of the connection that a sensor's record is about; None for what is no TCP."""
    data = decode(event.data)
    near, near_port, far, far_port = (data.get(name) for name in _ENDS[event.sensor or "zeek"])
    if str(data.get("proto", "tcp")).lower() not in ("tcp", "6") or not spellings.is_port(near_port) or not spellings.is_port(far_port):
        return None
    return frozenset(((spellings.address(near), int(str(near_port))), (spellings.address(far), int(str(far_port)))))


def by_ends(connections: Iterable[Connection]) -> dict[frozenset[tuple[str, int]], Spans[Connection]]:
    """Connections by their two ends."""
    found: dict[frozenset[tuple[str, int]], list[Connection]] = defaultdict(list)
    for one in connections:
        found[frozenset(((one.client.host, one.client.port), (one.server.host, one.server.port)))].append(one)
    return {ends: Spans(own, lambda one: (one.first_ns, one.last_ns)) for ends, own in found.items()}


def of_sensors(evidence: Evidence, events: Sequence[HostEvent], ours: Sequence[Connection], names: Mapping[str, Collection[str]]) -> Iterator[HostJoin]:
    """The joins of sensors' records, in their order. ``names``: the short names of each address."""
    spans = by_ends(ours)
    tickets: _Tickets | None = None
    begins = min((one.first_ns for one in ours), default=0)
    ends = max((one.last_ns for one in ours), default=0)
    seen: set[tuple[str, frozenset[tuple[str, int]]]] = set()
    for event in events:
        if event.sensor is None:
            continue
        both = ends_of(event)
        own = None if both is None or both not in spans else spans[both].nearest(event.time_ns, ROOM_NS)
        if own is not None:
            one, is_only = own
            yield HostJoin(event, Joined.CONNECTION, one.id, "addresses, ports and time", _SURE if is_only else _LIKELY, None, event.time_ns - one.first_ns)
            continue
        if event.channel in _OF_TICKETS:
            tickets = tickets or _Tickets(evidence, names)
            logon = tickets.join(event)
            if logon is not None:
                yield logon
                continue
        recorded = begins - ROOM_NS <= event.time_ns <= ends + ROOM_NS and event.channel in _OF_CONNECTIONS
        if both is not None and recorded and any(port in _WINRM for _, port in both) and (event.channel, both) not in seen:
            seen.add((event.channel, both))
            yield HostJoin(event, Joined.NOT_SEEN, None, "a connection to a WinRM port that the packets do not show", _SURE)


class _Tickets:
    """Kerberos logons by what a ticket's request names: the client's address, the service, and the user where the logon tells it."""

    def __init__(self, evidence: Evidence, names: Mapping[str, Collection[str]]) -> None:
        self._logons = evidence.story.logons
        found: dict[tuple[str, str, str | None], list[tuple[Window, int]]] = defaultdict(list)
        for place, one in enumerate(self._logons):
            if one.mechanism is Mechanism.KERBEROS:
                server = evidence.connections[(one.server_connections or (one.client_connection,))[-1]].server.host
                client = evidence.connections[one.client_connection].client.host
                lasts = ((one.first_ns - ROOM_NS, one.last_ns + ROOM_NS), place)
                for name in names.get(server, ()):
                    for who in (_ANY, (one.user or "").lower()):
                        found[client, name, who].append(lasts)
        self._rows = {key: First(lasting) for key, lasting in found.items()}

    def join(self, event: HostEvent) -> HostJoin | None:
        """A ticket for the service of a logon, asked for by its client shortly before: the first such logon."""
        data = decode(event.data)
        told = data.get("krb5") if event.sensor == "suricata" else data
        if not isinstance(told, dict):
            return None
        service = str(told.get("service") or told.get("sname") or "").partition("@")[0].rpartition("/")[2].partition(".")[0].lower()
        who = (event.user or "").partition("/")[0].partition("@")[0].lower()
        hosts = {spellings.address(data.get(name)) for name in _ENDS[event.sensor or "zeek"][::2]}
        rows = [self._rows.get((host, service, user)) for host in hosts for user in ((who, "") if who else (_ANY,))]
        places = [place for row in rows if row is not None and (place := row.at(event.time_ns)) is not None]
        if not places:
            return None
        one = self._logons[min(places)]
        known = (one.user or "").lower()
        basis = "client's address, service, user and time" if known and known == who else "client's address, service and time"
        return HostJoin(event, Joined.LOGON, one.id, basis, _LIKELY if known and known == who else _BY_TIME, None, event.time_ns - one.last_ns)
