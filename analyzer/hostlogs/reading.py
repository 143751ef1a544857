"""Files of host logs in, events out: EVTX, and JSON lines in the forms that tools write.

    Winlogbeat and Elastic         {"@timestamp": …, "winlog": {"event_id": …, "event_data": {…}}}
    evtx_dump, the library evtx    {"Event": {"System": {…}, "EventData": {…}}}
    NXLog, OTRF's data sets        {"EventID": …, "Channel": …, "Hostname": …, "EventTime": …, fields of the event}
    Zeek, Suricata                 records of network sensors (`sensors`)

What is no event of a kind that is looked at is counted and passed over; what cannot be read is an issue. EventTime of NXLog has no zone: it is the one, in
quarters of an hour, that brings it before the time at which the event was received.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import DecodeError
from msgspec.json import decode, encode

from analyzer.formats.instants import instant
from analyzer.hostlogs.files import Line, files, is_event_log, lines
from analyzer.hostlogs.sensors import Tsv, eve_event, is_of_a_sensor, names_one_of, zeek_event
from analyzer.records.hostlogs import HostEvent
from analyzer.records.issues import Issue
from analyzer.settings import Limits

_LARGEST = 1 << 63
"""A number from here on is none of an event."""
_QUARTER_NS = 900 * 10**9
_KINDS: dict[str, frozenset[int]] = {
    "security": frozenset({4624, 4648, 4688, 4689, 4768, 4769, 4776, 5156}),
    "sysmon": frozenset({1, 3, 5, 8, 11, 22, 23}),
    "powershell": frozenset({400, 403, 800, 4103, 4104, 8193, 8194, 8195, 8196, 8197, 12039, 32868, 53504}),
    "winrm": frozenset({6, 8, 11, 15, 16, 33, 91, 142, 161, 162, 164, 169, 182, 192, 193}),
}
"""What is looked at, by a word of the channel."""


class Read(NamedTuple):
    """What the files gave."""

    files: tuple[str, ...]
    events: int
    kept: tuple[HostEvent, ...]
    issues: tuple[Issue, ...]


def read_logs(paths: Iterable[str], limits: Limits, hosts: frozenset[str] | None = None) -> Read:
    """The events of files and of the files in folders, in order of time. `OSError`: a path is not there.

    ``hosts``: of the records of sensors, which tell of all that passes, only those that name one of these addresses.
    """
    kept: list[HostEvent] = []
    issues: list[Issue] = []
    names: list[str] = []
    total = 0
    for path in files(paths):
        names.append(path.name)
        problems: Counter[tuple[str, str]] = Counter()
        places: Counter[str] = Counter()
        tables: dict[str, Tsv] = {}
        for name, raw, unread in _records(path, limits):
            places[name] += 1
            total += raw is not None
            event, problem = (None, unread) if raw is None else _event(raw, name, places[name], tables)
            if problem:
                problems[name, problem] += 1
            if event is not None and (hosts is None or event.sensor is None or names_one_of(event, hosts)):
                if len(kept) >= limits.host_events:
                    problems[name, f"host_events={limits.host_events}: later events were not read"] += 1
                    break
                kept.append(event)
        told = ((f"{name}: {words}", count) for (name, words), count in problems.items())
        issues += [Issue("events.unreadable", words + (f" ({count} times)" if count > 1 else "")) for words, count in told]
    kept.sort(key=lambda one: (one.time_ns, one.file, one.place))
    if len(issues) > limits.issues_per_kind:
        left = len(issues) - limits.issues_per_kind
        issues[limits.issues_per_kind :] = [Issue("events.unreadable", f"issues_per_kind={limits.issues_per_kind}: {left} more are counted only", repeats=left)]
    return Read(tuple(names), total, tuple(kept), tuple(issues))


def _records(path: Path, limits: Limits) -> Iterator[Line]:
    if not is_event_log(path):
        yield from lines(path, limits)
        return
    for raw, problem in _evtx(path):
        yield Line(path.name, raw, problem)


def _evtx(path: Path) -> Iterator[tuple[bytes | None, str]]:
    try:
        from analyzer.hostlogs.evtx_adapter import records
    except ImportError:
        yield None, "event logs (EVTX) are read with the library evtx: pip install winrm-analyzer[events]"
        return
    try:
        yield from records(str(path))
    except (OSError, RuntimeError) as error:
        yield None, f"no event log that can be read ({error})"


def _event(raw: bytes, name: str, place: int, tables: dict[str, Tsv]) -> tuple[HostEvent | None, str]:
    """The event of a line, where it is of a kind that is looked at; and what is wrong with the line. ``tables``: the tab-separated logs, by file."""
    if raw.startswith(b"#separator") or name in tables:
        return _row(raw.decode("utf-8", "replace").rstrip("\r\n"), name, place, tables.setdefault(name, Tsv()))
    try:
        found: Any = decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None, "lines that are no JSON"
    if not isinstance(found, dict):
        return None, "lines that are no JSON objects"
    told = _winlog(found) or _system(found) or _flat(found)
    if told is not None:
        return _made(told, name, place), ""
    sensed = zeek_event(found, "", name, place) or eve_event(found, name, place)
    if sensed is not None or is_of_a_sensor(found):
        return sensed, ""
    return None, "lines that are no events of Windows"


def _row(line: str, name: str, place: int, table: Tsv) -> tuple[HostEvent | None, str]:
    """A line of a tab-separated log of Zeek."""
    if line.startswith("#"):
        table.header(line)
        return None, ""
    found = table.record(line)
    if found is None:
        return None, "lines with other fields than the log's first lines say"
    return zeek_event(found, table.path, name, place), ""


class _Told(NamedTuple):
    """An event out of any of the forms."""

    event_id: int
    channel: str
    computer: str
    time: tuple[int, int] | None
    provider: str | None
    record: int | None
    execution: int | None
    data: Mapping[str, Any]


def _winlog(found: Mapping[str, Any]) -> _Told | None:
    """Winlogbeat's form."""
    own = found.get("winlog")
    if not isinstance(own, dict):
        return None
    data = own.get("event_data") or own.get("user_data") or {}
    number = _number(own.get("event_id"))
    process = own.get("process")
    execution = process.get("pid") if isinstance(process, dict) else None
    if number is None or not isinstance(data, dict):
        return None
    time = instant(_word(found, "@timestamp"))
    return _Told(
        number, _word(own, "channel"), _word(own, "computer_name"), time, own.get("provider_name"), _number(own.get("record_id")), _number(execution), data
    )


def _system(found: Mapping[str, Any]) -> _Told | None:
    """The form of event logs as XML, in JSON."""
    event = found.get("Event", found)
    system = event.get("System") if isinstance(event, dict) else None
    if not isinstance(system, dict):
        return None
    number = _number(_inner(system.get("EventID"), "#text"))
    data = event.get("EventData") or event.get("UserData") or {}
    if number is None:
        return None
    time = instant(str(_inner(system.get("TimeCreated"), "SystemTime") or ""))
    execution = _number(_inner(system.get("Execution"), "ProcessID"))
    provider = _inner(system.get("Provider"), "Name")
    record = _number(system.get("EventRecordID"))
    fields = data if isinstance(data, dict) else {"Data": data}
    return _Told(number, _word(system, "Channel"), _word(system, "Computer"), time, str(provider) if provider else None, record, execution, fields)


def _flat(found: Mapping[str, Any]) -> _Told | None:
    """NXLog's form: the fields of the event next to those of the record."""
    number = _number(found.get("EventID"))
    computer = _word(found, "Hostname") or _word(found, "Computer")
    if number is None or not computer:
        return None
    local, received = instant(_word(found, "EventTime")), instant(_word(found, "@timestamp"))
    time = local or received
    if local is not None and received is not None and not _TIME_ZONE.search(_word(found, "EventTime")):
        later = received[0] - local[0] + _QUARTER_NS // 30
        time = (local[0] + later // _QUARTER_NS * _QUARTER_NS, local[1])
    record, provider = _number(found.get("RecordNumber")), _word(found, "SourceName") or None
    return _Told(number, _word(found, "Channel"), computer, time, provider, record, _number(found.get("ExecutionProcessID")), found)


_PROCESS = re.compile(r"(?:^|\n)ProcessId: (\d{1,10})")
"""In the text of Sysmon's events, where a forwarder left the field out."""
_TIME_ZONE = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")


def _made(told: _Told, name: str, place: int) -> HostEvent | None:
    """The event, when it is of a kind that is looked at."""
    channel = told.channel.lower()
    kind = next((word for word, numbers in _KINDS.items() if word in channel and told.event_id in numbers), None)
    data, time = told.data, told.time
    if kind == "sysmon":
        time = instant(_word(data, "UtcTime")) or time
    if kind is None or time is None:
        return None
    starts = (kind == "security" and told.event_id == 4688) or (kind == "sysmon" and told.event_id == 1)
    process, parent = _number(data.get("ProcessId", data.get("ProcessID"))), None
    if kind == "security" and starts:
        process, parent = _number(data.get("NewProcessId")), process
    elif starts:
        parent = _number(data.get("ParentProcessId"))
    if kind == "sysmon" and process is None:
        told_in_text = _PROCESS.search(_word(data, "Message"))
        process = int(told_in_text[1]) if told_in_text else None
    if kind in ("powershell", "winrm"):
        process = told.execution or None
    image = _word(data, "NewProcessName") or _word(data, "Image") or _word(data, "Application") or None
    user = next((value for key in ("TargetUserName", "User", "SubjectUserName") if (value := _word(data, key)) not in ("", "-")), None)
    return HostEvent(
        file=name,
        place=place,
        time_ns=time[0],
        unit_ns=time[1],
        computer=told.computer,
        channel=told.channel,
        event_id=told.event_id,
        provider=told.provider,
        record=told.record,
        process_id=process,
        parent_id=parent,
        image=image,
        command_line=_word(data, "CommandLine") or None,
        user=user,
        data=encode(dict(data)).decode(),
    )


def _word(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict | list) else str(value)


def _inner(value: object, name: str) -> object:
    """A member, or an attribute of it; the value itself when it has none."""
    if not isinstance(value, dict):
        return value
    attributes = value.get("#attributes")
    inside = attributes if isinstance(attributes, dict) else value
    return value.get(name, inside.get(name))


def _number(value: object) -> int | None:
    """A number as logs write them: 4, "4", "0x4"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < _LARGEST else None
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text):
        number = int(text, 16)
        return number if number < _LARGEST else None
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None
