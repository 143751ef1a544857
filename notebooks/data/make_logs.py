"""Writes the log files beside it: ``python notebooks/data/make_logs.py`` (needs tshark). What is in them and what is not: ORIGIN.md.

Everything that comes from packets is taken from tshark's dissection, not from the analyzer, so that a join of the two says something.
"""

import csv
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
CAPTURE = HERE.parents[1] / "sample_pcaps" / "nginx-pooled-second-client" / "capture.pcapng"
SERVER, SERVER_AHEAD_S = "10.20.2.20", 1.25
"""Where the event log is from, and how far its clock is ahead of the capture's."""
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
LOGON = "An account was successfully logged on."
SHELL = "Creating WSMan shell on server with ResourceUri: http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"


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


def dissected(condition: str, *fields: str) -> list[list[str]]:
    """The fields of the packets that fit, as tshark prints them."""
    arguments = [part for field in fields for part in ("-e", field)]
    command = ["tshark", "-r", str(CAPTURE), "--enable-protocol", "communityid", "-Y", condition, "-T", "fields", *arguments]
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
    """events.csv: what a server would have logged, at the times of the packets plus the offset of its clock."""
    times = [float(time) + SERVER_AHEAD_S for (time,) in dissected(f"http.response.code == 200 && ip.src == {SERVER}", "frame.time_epoch")]
    account = {"Computer": "SRV01.lab.example", "TargetUserName": "alice", "TargetDomainName": "LAB"}
    logon = {
        "LogonType": 3,
        "AuthenticationPackageName": "NTLM",
        "WorkstationName": "WKS01",
        "IpAddress": "-",
        "Text": "An account was successfully logged on.",
    }
    rows = [{"TimeCreated": _stamp(times[0] - 0.0004), "Channel": "Security", "EventID": 4624} | account | logon]
    shell = {"Channel": "Microsoft-Windows-WinRM/Operational", "EventID": 91} | account | {"Text": SHELL}
    rows += [{"TimeCreated": _stamp(time - 0.0002)} | shell for time in (times[0], times[-1])]
    with (HERE / "events.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")


if __name__ == "__main__":
    made = flows()
    zeek(made)
    suricata(made)
    windows()
