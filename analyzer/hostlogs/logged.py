"""Events of a host's security log about logons (4624, 4648, 4769, 4776), and which of them tells of a logon in the packets.

The rows of the events have all that has to be equal in their keys; what is nearest in time of them is the logon's.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.hostlogs import spellings
from analyzer.hostlogs.nearest import Mark, Rows, Window
from analyzer.records.hostlogs import HostEvent
from analyzer.records.story import Logon
from analyzer.records.transport import Connection

_LOGGED_ON, _BY_CLIENT, _OF_KDC, _VALIDATED = 4624, 4648, 4769, 4776
OF_LOGONS = frozenset({_LOGGED_ON, _BY_CLIENT, _OF_KDC, _VALIDATED})
_NOT_TOLD = ("", "-")
_DONE = 1.0
_BY_TIME, _BY_USER, _BY_ONLY = 0.5, 0.8, 0.9
_ANY = ("any",)
"""In a key in the place of a user: any but a computer's account."""


class Fit(NamedTuple):
    """An event that tells of a logon."""

    event: HostEvent
    basis: str
    confidence: float


class _Asked(NamedTuple):
    """Where to look for an event of one number."""

    number: int
    keys: Sequence[tuple[Hashable, ...]]
    at: str | None
    basis: str
    confidence: float


class LogonEvents:
    """The events, each of which is given once. ``address`` of an event's host, ``data`` its fields."""

    def __init__(self, events: Sequence[HostEvent], address: Callable[[HostEvent], str | None], data: Callable[[HostEvent], Mapping[str, object]]) -> None:
        self._events = events
        self._rows = Rows()
        self._units = sorted({event.unit_ns for event in events})
        for place, event in enumerate(events):
            mark = Mark(event.time_ns + event.unit_ns // 2, place, str(place))
            fields = data(event)
            user = str(fields.get("TargetUserName") or "").partition("@")[0].lower()
            for who in (user,) if user.endswith("$") else (user, _ANY):
                for key in _keys(event.event_id, fields, address(event)):
                    self._rows.add((event.unit_ns, event.event_id, who, *key), mark)

    def of(self, one: Logon, connection: Connection, names: frozenset[str], window: Callable[[str | None, int], Window]) -> Iterator[Fit]:
        """For each number the event that fits best. ``names``: those of the server; ``window``: the times of events of the host at an address that are as
        exact as so many nanoseconds."""
        found: dict[int, Fit] = {}
        for asked in _of(one, connection, names):
            if asked.number in found:
                continue
            rows = []
            for unit in self._units:
                first_ns, last_ns = window(asked.at, unit)
                rows += [((unit, asked.number, *key), (first_ns + unit // 2, last_ns + unit // 2)) for key in asked.keys]
            near = self._rows.nearest(rows, one.last_ns, None)
            if near is not None:
                found[asked.number] = Fit(self._events[near[0].place], asked.basis, asked.confidence)
                self._rows.take(None, near[0].subject)
        yield from found.values()


def _keys(number: int, fields: Mapping[str, object], host: str | None) -> Iterator[tuple[Hashable, ...]]:
    """What of an event, besides its user, has to be equal to a logon's."""
    told = spellings.address(fields.get("IpAddress"))
    if number == _LOGGED_ON and str(fields.get("LogonType")) == "3":
        yield host, told
        yield host, told, str(fields.get("IpPort") or "")
    elif number == _BY_CLIENT:
        yield host, spellings.short(str(fields.get("TargetServerName") or ""))
    elif number == _OF_KDC:
        yield told, spellings.short(str(fields.get("ServiceName") or "").rpartition("/")[2]).rstrip("$")
    elif number == _VALIDATED:
        yield ()


def _of(one: Logon, connection: Connection, names: frozenset[str]) -> Iterator[_Asked]:
    """The surest first."""
    who: Hashable = _ANY if one.user is None else one.user.lower()
    server, client = connection.server.host, connection.client.host
    same, words = one.user is not None, "" if one.user is None else ", user"
    ports = (who, server, client, str(connection.client.port))
    yield _Asked(_LOGGED_ON, [ports], server, "user, address and port", _DONE)
    told = [(who, server, told) for told in dict.fromkeys((*_NOT_TOLD, client))]
    yield _Asked(_LOGGED_ON, told, server, "user and time" if same else "time", _BY_USER if same else _BY_TIME)
    named = [(who, client, name) for name in sorted(names)]
    yield _Asked(_BY_CLIENT, named, None, f"server's name{words} and time", _BY_USER if same else _BY_TIME)
    yield _Asked(_OF_KDC, named, None, f"client's address, service{words} and time", _BY_ONLY if same else _BY_USER)
    if same and one.mechanism.value == "ntlm":
        yield _Asked(_VALIDATED, [(who,)], None, "user and time", _BY_USER)
