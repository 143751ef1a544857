"""Writes the log files beside it: ``python notebooks/data/make_logs.py`` (needs tshark). What is in them and what is not: ORIGIN.md.

Everything that comes from packets is taken from tshark's dissection, not from the analyzer, so that a join of the two says something.
"""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "sample_pcaps"
CAPTURE = SAMPLES / "nginx-pooled-second-client" / "capture.pcapng"
SESSION = SAMPLES / "evil-winrm-py-session" / "capture.pcap"
SERVER, PROXY = "10.20.2.20", "10.20.2.1"
"""Where the event logs are from, and the proxy before it. Its clock is the capture's: the lab's hosts share one."""
COMPUTER = "SRV01.lab.example"
CHANNELS = {
    "Security": "Microsoft-Windows-Security-Auditing",
    "Microsoft-Windows-WinRM/Operational": "Microsoft-Windows-WinRM",
    "Microsoft-Windows-PowerShell/Operational": "Microsoft-Windows-PowerShell",
}
"""Event logs, and the provider that writes into each."""
HOST = "C:\\Windows\\System32\\wsmprovhost.exe"
HOST_ID, SERVICES_ID = 0x1A2C, 0x3D8
"""Process ids: of the one that a PowerShell shell runs in, and of the service that starts it."""
RUN = (("whoami", 0x1B40), ("hostname", 0x1B78))
"""Programs that the session's commands start, in their order, with process ids."""
ASKED = (7, 11)
"""Which request of the capture, from 0, carries each of these commands (the sample's transcript, opened with its secrets)."""
CONN = {
    "ts": "time",
    "uid": "string",
    "id.orig_h": "addr",
    "id.orig_p": "port",
    "id.resp_h": "addr",
    "id.resp_p": "port",
    "proto": "enum",
    "service": "string",
    "duration": "interval",
    "orig_bytes": "count",
    "resp_bytes": "count",
    "conn_state": "string",
    "orig_pkts": "count",
    "resp_pkts": "count",
    "community_id": "string",
}
"""Columns of Zeek's conn.log and their types."""
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"


@dataclass(slots=True)
class Flow:
    """A TCP connection; sizes and packets of the client's side and the server's."""

    number: int
    client: tuple[str, int]
    server: tuple[str, int]
    community_id: str
    start: float
    end: float
    sizes: list[int]
    packets: list[int]


def dissected(condition: str, *fields: str, capture: Path = CAPTURE) -> list[list[str]]:
    """The fields of the packets that fit, as tshark prints them."""
    arguments = [part for field in fields for part in ("-e", field)]
    command = ["tshark", "-r", str(capture), "--enable-protocol", "communityid", "-Y", condition, "-T", "fields", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def flows() -> list[Flow]:
    """All connections of the capture, in order of their first packet."""
    found: dict[str, Flow] = {}
    fields = ("tcp.stream", "frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.len", "communityid")
    for stream, time, source, port, target, target_port, size, community in dissected("tcp", *fields):
        ends = (source, int(port)), (target, int(target_port))
        flow = found.setdefault(stream, Flow(len(found) + 1, *ends, community, float(time), float(time), [0, 0], [0, 0]))
        side = 0 if ends[0] == flow.client else 1
        flow.sizes[side] += int(size)
        flow.packets[side] += 1
        flow.end = max(flow.end, float(time))
    return sorted(found.values(), key=lambda flow: flow.start)


def zeek(rows: list[Flow]) -> None:
    """conn.log in Zeek's tab-separated format, with the column that its policy for Community ID adds."""
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn"]
    head += ["\t".join(["#fields", *CONN]), "\t".join(["#types", *CONN.values()])]
    for flow in rows:
        cells = [f"{flow.start:.6f}", f"Cmade{flow.number:02}", *flow.client, *flow.server, "tcp", "http"]
        cells += [f"{flow.end - flow.start:.6f}", *flow.sizes, "SF", *flow.packets, flow.community_id]
        head.append("\t".join(str(cell) for cell in cells))
    (HERE / "conn.log").write_text("\n".join(head) + "\n", encoding="utf-8")


def suricata(rows: list[Flow]) -> None:
    """eve.json as Suricata writes it offline: http events with the packet's number, then flow events."""
    by_ends = {(flow.client, flow.server): flow for flow in rows}
    waiting: dict[int, list[dict[str, object]]] = {flow.number: [] for flow in rows}
    events = []
    fields = ("frame.number", "frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "http.request.method", "http.request.uri", "http.host")
    for frame, time, source, port, target, target_port, method, uri, host, agent, status in dissected("http", *fields, "http.user_agent", "http.response.code"):
        ends = (source, int(port)), (target, int(target_port))
        flow = by_ends.get(ends) or by_ends[ends[::-1]]
        if method:
            http = {"hostname": host, "url": uri, "http_user_agent": agent, "http_method": method, "protocol": "HTTP/1.1"}
            waiting[flow.number].append(http)
            events.append(_event(float(time), "http", flow) | {"pcap_cnt": int(frame), "http": http})
        else:
            waiting[flow.number].pop(0)["status"] = int(status)
    for flow in rows:
        about = {"pkts_toserver": flow.packets[0], "pkts_toclient": flow.packets[1], "start": _stamp(flow.start), "end": _stamp(flow.end)}
        events.append(_event(flow.end, "flow", flow) | {"app_proto": "http", "flow": about | {"state": "closed", "alerted": False}})
    (HERE / "eve.json").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def _event(time: float, kind: str, flow: Flow) -> dict[str, object]:
    head = {"timestamp": _stamp(time), "flow_id": 100_000_000_000 + flow.number, "event_type": kind, "src_ip": flow.client[0], "src_port": flow.client[1]}
    return head | {"dest_ip": flow.server[0], "dest_port": flow.server[1], "proto": "TCP", "community_id": flow.community_id}


def windows() -> None:
    """events.jsonl: what a server would have logged of the pooled connection, at the times of the packets."""
    times = [float(time) for (time,) in dissected(f"http.response.code == 200 && ip.src == {SERVER}", "frame.time_epoch")]
    log = Log()
    log.add(times[0] - 0.0004, "Security", 4624, _logon("alice", "WKS01"))
    for time in (times[0], times[-1]):
        log.add(time - 0.0002, "Microsoft-Windows-WinRM/Operational", 91, {"resourceUri": f"{SHELL} (LAB\\alice clientIP: {PROXY})"})
    log.write("events.jsonl")


def session() -> None:
    """session.jsonl: what the server would have logged of the session of an attack tool, and one task that has nothing to do with it."""
    fields = ("frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport")
    asked = dissected("http.request", *fields, capture=SESSION)
    answered = [float(time) for (time,) in dissected("http.response.code == 200", "frame.time_epoch", capture=SESSION)]
    first, client, port, server, server_port = asked[0]
    begun, ended = answered[0], answered[-1]
    log = Log()
    ends = {"SourceAddress": client, "SourcePort": port, "DestAddress": server, "DestPort": server_port}
    log.add(float(first) - 0.0003, "Security", 5156, {"Application": "System", "Direction": "%%14592", "Protocol": "6"} | ends)
    log.add(begun - 0.0008, "Security", 4624, _logon("carol", "WKS03"))
    log.add(begun - 0.0006, "Security", 4688, _started(HOST, HOST_ID, SERVICES_ID, "C:\\Windows\\system32\\wsmprovhost.exe -Embedding"))
    log.add(begun - 0.0002, "Microsoft-Windows-WinRM/Operational", 91, {"resourceUri": f"{POWERSHELL} (LAB\\carol clientIP: {client})"})
    for (name, number), place in zip(RUN, ASKED, strict=True):
        time = float(asked[place][0])
        image = f"C:\\Windows\\System32\\{name}.exe"
        block = {"ScriptBlockText": f"Invoke-Expression -Command {name} | Out-String -Stream", "ScriptBlockId": f"00000000-0000-4000-8000-{number:012x}"}
        log.add(time + 0.0010, "Microsoft-Windows-PowerShell/Operational", 4104, block, by=HOST_ID)
        log.add(time + 0.0016, "Security", 4688, _started(image, number, HOST_ID, f'"{image}"'))
        log.add(time + 0.0031, "Security", 4689, {"ProcessName": image, "ProcessId": hex(number), "SubjectUserName": "carol"})
    log.add(ended - 1.5, "Security", 4688, _started("C:\\Windows\\System32\\taskhostw.exe", 0x1C04, SERVICES_ID, "taskhostw.exe", user="SYSTEM"))
    log.add(ended + 0.0009, "Security", 4689, {"ProcessName": HOST, "ProcessId": hex(HOST_ID), "SubjectUserName": "carol"})
    log.write("session.jsonl")


class Log:
    """Events of one host, in the form that Winlogbeat writes."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def add(self, time: float, channel: str, number: int, data: dict[str, object], by: int = 4) -> None:
        """One event; ``by``: the process that wrote it."""
        own = {"channel": channel, "provider_name": CHANNELS[channel], "event_id": str(number), "record_id": 1000 + len(self.events), "computer_name": COMPUTER}
        stamp = _stamp(time).replace("+00:00", "Z")
        self.events.append({"@timestamp": stamp, "winlog": own | {"process": {"pid": by}, "event_data": data}})

    def write(self, name: str) -> None:
        """All of them, in order of time."""
        self.events.sort(key=lambda event: str(event["@timestamp"]))
        (HERE / name).write_text("".join(json.dumps(event) + "\n" for event in self.events), encoding="utf-8")


def _logon(user: str, workstation: str) -> dict[str, object]:
    data: dict[str, object] = {"TargetUserName": user, "TargetDomainName": "LAB", "LogonType": "3", "AuthenticationPackageName": "NTLM"}
    return data | {"WorkstationName": workstation, "IpAddress": "-", "IpPort": "-"}


def _started(image: str, number: int, parent: int, line: str, user: str = "carol") -> dict[str, object]:
    return {"NewProcessName": image, "NewProcessId": hex(number), "ProcessId": hex(parent), "CommandLine": line, "SubjectUserName": user}


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")


if __name__ == "__main__":
    made = flows()
    zeek(made)
    suricata(made)
    windows()
    session()
