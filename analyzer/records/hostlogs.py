"""What hosts and network sensors logged, as far as it belongs to what the packets show: events, and what joins each to a connection, a logon or a shell."""

from enum import StrEnum

from msgspec import Struct


class Joined(StrEnum):
    """What of a host an event is about."""

    CONNECTION = "connection"
    """The host let a connection pass (5156), or saw it (Sysmon 3); a sensor saw something of it."""
    LOGON = "logon"
    """4624, 4648, 4769, 4776; of WinRM's own log 161, 162, 164, 169."""
    SHELL = "shell"
    """WinRM's own log: a shell began (91, 11)."""
    SESSION = "session"
    """WinRM's own log at a client: it opened a session to a server (6)."""
    PROCESS = "process"
    """The process that a shell runs in was started (4688, Sysmon 1)."""
    CHILD = "child"
    """A process below it was started."""
    ACTIVITY = "activity"
    """One of these processes did something: PowerShell's log, a connection of its own, its end."""
    NOT_SEEN = "not_seen"
    """The host logged a connection to a WinRM port, or such a process, that the packets do not show."""


class HostEvent(Struct, frozen=True, gc=False):
    """One event of a log. ``file`` and ``place``: the file's name, and which of its records (from 1). ``time_ns``: the host's clock, exact to ``unit_ns``.

    ``process_id``: whose event it is (of a start: the new process); ``parent_id`` of a start. ``data``: all its fields, as a JSON object.
    """

    file: str
    place: int
    time_ns: int
    unit_ns: int
    computer: str
    channel: str
    event_id: int
    provider: str | None
    record: int | None
    process_id: int | None
    parent_id: int | None
    image: str | None
    command_line: str | None
    user: str | None
    data: str
    sensor: str | None = None
    """Of a record of a network sensor the program, ``zeek`` or ``suricata``; its ``event_id`` is 0, and ``computer`` the sensor."""


class HostJoin(Struct, frozen=True, gc=False):
    """An event and what it belongs to. ``subject``: id of a connection, a logon or a shell; None for `Joined.NOT_SEEN`. ``basis`` in words; ``confidence``
    is 1.0 only where what is compared names one thing (ports of a connection, a process id below a known one).

    ``address``: that of the event's host, where it is known. ``apart_ns``: the host's time minus that of the packets, by the clock of the capture.
    """

    event: HostEvent
    joined: Joined
    subject: str | None
    basis: str
    confidence: float
    address: str | None = None
    apart_ns: int | None = None


class HostLogs(Struct, frozen=True, gc=False):
    """The logs of a run: files read, events in them, events of kinds that are looked at, and the joins in order of time."""

    files: tuple[str, ...] = ()
    events: int = 0
    looked_at: int = 0
    joins: tuple[HostJoin, ...] = ()
