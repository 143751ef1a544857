"""Events of Windows as tools write them: Winlogbeat, evtx_dump and NXLog; all of one host, a server of the tests."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.build.talks import T0_NS

HOST, CLIENT_HOST = "SRV01.lab.example", "WKS01.lab.example"
SECURITY, SYSMON = "Security", "Microsoft-Windows-Sysmon/Operational"
POWERSHELL = "Microsoft-Windows-PowerShell/Operational"


def moment(after_s: float, *, form: str = "%Y-%m-%dT%H:%M:%S.%f") -> str:
    """A time so many seconds after the wire's first one."""
    return datetime.fromtimestamp(T0_NS / 1e9 + after_s, UTC).strftime(form)


def winlogbeat(event_id: int, data: Mapping[str, object], *, channel: str = SECURITY, at: float = 0.0, host: str = HOST, pid: int = 4) -> dict[str, object]:
    """Winlogbeat's form."""
    own = {"event_id": str(event_id), "channel": channel, "computer_name": host, "record_id": 77, "provider_name": "P", "process": {"pid": pid}}
    return {"@timestamp": f"{moment(at)}Z", "winlog": {**own, "event_data": dict(data)}}


def evtx_dump(event_id: int, data: Mapping[str, object], *, channel: str = SECURITY, at: float = 0.0, host: str = HOST, pid: int = 4) -> dict[str, object]:
    """The form of the library evtx and of evtx_dump."""
    system = {
        "Provider": {"#attributes": {"Name": "P"}},
        "EventID": {"#attributes": {"Qualifiers": 0}, "#text": event_id},
        "TimeCreated": {"#attributes": {"SystemTime": f"{moment(at)}Z"}},
        "EventRecordID": 77,
        "Execution": {"#attributes": {"ProcessID": pid, "ThreadID": 1}},
        "Channel": channel,
        "Computer": host,
    }
    return {"Event": {"#attributes": {"xmlns": "x"}, "System": system, "EventData": dict(data)}}


def nxlog(event_id: int, data: Mapping[str, object], *, channel: str = SECURITY, at: float = 0.0, host: str = HOST, pid: int = 4) -> dict[str, object]:
    """NXLog's form: local time without its zone (here four hours behind UTC), received two seconds later."""
    local = moment(at - 4 * 3600, form="%Y-%m-%d %H:%M:%S")
    own = {"EventID": event_id, "Channel": channel, "Hostname": host, "EventTime": local, "@timestamp": f"{moment(at + 2)}Z", "RecordNumber": 77}
    return {**own, "ExecutionProcessID": pid, "SourceName": "P", **data}


def written(path: Path, events: Iterable[Mapping[str, object]]) -> Path:
    """One event a line."""
    path.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return path


def passed(client: tuple[str, int], server: tuple[str, int], *, inbound: bool = True) -> dict[str, object]:
    """The fields of 5156."""
    ends = {"SourceAddress": client[0], "SourcePort": str(client[1]), "DestAddress": server[0], "DestPort": str(server[1])}
    return {**ends, "Protocol": "6", "Direction": "%%14592" if inbound else "%%14593", "ProcessID": "4", "Application": "System"}


def started(pid: int, parent: int, image: str, line: str = "", user: str = "alice") -> dict[str, object]:
    """The fields of 4688."""
    return {"NewProcessId": hex(pid), "ProcessId": hex(parent), "NewProcessName": image, "CommandLine": line or image, "TargetUserName": user}
