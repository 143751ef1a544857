"""What may become of a recording before somebody reads it, and the truth as that reader can see it.

Strategy: the truth is built from the whole recording; a view is a second recording of the same interface, or the first one
with something taken away. Packets of both are matched by their headers, and the truth's packet numbers are translated. What
the reader cannot see is dropped (a whole message) or marked `hidden` (parts of it): an analyzer need not say it, but must
not say something else.

- `snap-96`, `snap-400`: recorded with a snap length;
- `midstream`: the recording began some seconds after the session;
- `rotated`: a new file after every 36 packets (dumpcap -b);
- `drift`: the clock of the second file runs 0.2 % fast from 3.2 s ahead;
- `client-side`, `server-side`: only what passed between the clients and the proxy, or between the proxy and the server;
- `compressed`: gzip;
- `lost-packets`: one packet in sixty is missing, as a busy mirror port would lose it.
"""

import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

from lab import network, streams
from lab.processes import Child, LabError, start
from lab.scenario import View

SIDES = {"client-side": "10.10.1.0/24", "server-side": f"{network.SERVER_IP}/32"}
RECORDED = ("snap-96", "snap-400", "midstream", "rotated")
MIDSTREAM_DELAY_S = 2.5
ROTATED_PACKETS = 36
DRIFT = 0.002
OFFSET_S = 3.2
LOST_SHARE = 1 / 60
SEED = 7

Place = tuple[str, int]
"""A packet: file name and number."""


def begin(view: View, namespace: str, interface: str, folder: Path) -> Child | None:
    """The second recording, when the view has one."""
    if view not in RECORDED:
        return None
    path = folder / "view.pcap"
    if view == "rotated":
        words = ["dumpcap", "-q", "-P", "-i", interface, "-f", "tcp", "-b", f"packets:{ROTATED_PACKETS}", "-w", str(folder / "ring.pcap")]
        return start("view", network.inside(namespace, *words), folder)
    words = ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-B", "262144", "-i", interface, "-w", str(path)]
    words += ["-s", view.removeprefix("snap-") if view.startswith("snap-") else "65535", "tcp"]
    delay = MIDSTREAM_DELAY_S if view == "midstream" else 0
    return start("view", network.inside(namespace, "sh", "-c", f'sleep {delay}; exec "$@"', "view", *words), folder)


def finish(view: View, names: list[str], folder: Path, sample: Path) -> tuple[list[str], dict[Place, Place] | None]:
    """Put the view's files in place of the whole recording's; their names, and where each packet is now."""
    if view == "whole":
        return names, None
    if view == "compressed":
        subprocess.run(["gzip", "-9n", str(sample / names[0])], check=True)
        return [f"{names[0]}.gz"], None
    whole = [sample / name for name in names]
    kept = folder / "whole"
    kept.mkdir()
    if view == "drift":
        for path in whole:
            shutil.copy(path, kept)
        _drifted(whole[1])
        return names, None
    if view == "rotated":
        made = sorted(folder.glob("ring_*.pcap"))
    elif view in SIDES:
        made = [_side(whole[0], folder / f"view{whole[0].suffix}", SIDES[view])]
    elif view == "lost-packets":
        made = [_thinned(whole[0], folder / "view.pcap")]
    else:
        made = [folder / "view.pcap"]
    places = _matched(whole, made)
    for path in whole:
        path.rename(kept / path.name)
    final = [sample / (path.name if view == "rotated" else f"capture{path.suffix}") for path in made]
    for path, target in zip(made, final, strict=True):
        path.rename(target)
    named = {path.name: target.name for path, target in zip(made, final, strict=True)}
    return [path.name for path in final], {place: (named[there[0]], there[1]) for place, there in places.items()}


def _drifted(path: Path) -> None:
    """Set the times of a classic pcap file as a clock that is ahead and fast would have."""
    data = bytearray(path.read_bytes())
    at, first = 24, None
    while at < len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        moment = seconds + fraction / 1e6
        first = moment if first is None else first
        moment += OFFSET_S + DRIFT * (moment - first)
        struct.pack_into("<II", data, at, int(moment), round(moment % 1 * 1e6) % 1_000_000)
        at += 16 + size
    path.write_bytes(data)


def _thinned(path: Path, target: Path) -> Path:
    """A copy with some packets left out, chosen by a seeded generator; the first ones stay, which set the connection up."""
    choice = random.Random(SEED)
    count = len(_fingerprints(path))
    lost = [str(number) for number in range(4, count + 1) if choice.random() < LOST_SHARE]
    subprocess.run(["editcap", "-F", "pcap", str(path), str(target), *lost], check=True)
    return target


def _side(path: Path, target: Path, network_: str) -> Path:
    """A copy with the packets of one side only."""
    kind = "pcapng" if path.suffix == ".pcapng" else "pcap"
    subprocess.run(["tshark", "-n", "-r", str(path), "-Y", f"ip.addr == {network_}", "-F", kind, "-w", str(target)], check=True, capture_output=True)
    return target


def _fingerprints(path: Path) -> list[tuple[object, ...]]:
    fields = ["ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len", "ip.id"]
    argv = ["tshark", "-n", "-r", str(path), "-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields"]
    argv += [word for name in fields for word in ("-e", name)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return [tuple(line.split("\t")) for line in lines]


def _matched(whole: list[Path], made: list[Path]) -> dict[Place, Place]:
    """Where each packet of the whole recording is in the view; every packet of the view must have come from it, in order."""
    there = [(path.name, number, print_) for path in made for number, print_ in enumerate(_fingerprints(path), 1)]
    places: dict[Place, Place] = {}
    at = 0
    for path in whole:
        for number, print_ in enumerate(_fingerprints(path), 1):
            if at < len(there) and there[at][2] == print_:
                places[path.name, number] = there[at][:2]
                at += 1
    if at != len(there):
        msg = f"packet {there[at][1]} of {there[at][0]} is not in the whole recording"
        raise LabError(msg)
    return places


def _moved(row: dict[str, Any], key: str, places: dict[Place, Place]) -> Place | None:
    return places.get((row["capture"], row[key])) if row[key] is not None else None


def seen(built: dict[str, Any], view: View, places: dict[Place, Place] | None, found: list[streams.Connection]) -> None:
    """Rewrite the truth for a reader of the view."""
    if places is None:
        return
    if view == "rotated":
        _renumber(built, places)
        return
    if view.startswith("snap-"):
        _renumber(built, places)
        for row in built["authentications"]:
            row["hidden"] = True
        built["hidden"] = ["hops"]
        return
    _renumber(built, places)
    if view in SIDES:
        _one_side(built, view)
        return
    built["exchanges"] = [row for row in built["exchanges"] if row["request_packet"] or row["response_packet"]]
    partly = _partly(found, places)
    gone: dict[str, int] = {}
    for row in built["connections"]:
        name = f"{row['client_ip']}:{row['client_port']}"
        mine = [x for x in built["exchanges"] if f"{x['client_ip']}:{x['client_port']}" == name]
        gone[name] = row["exchanges"] - len(mine)
        row["statuses"], row["exchanges"] = [x["status"] for x in mine], len(mine)
        row["hidden"] = name in partly and view == "lost-packets"
    built["connections"] = [row for row in built["connections"] if row["exchanges"]]
    if view == "midstream":
        _shifted(built, gone)
    else:
        for row in built["authentications"]:
            row["hidden"] = True
        built["hidden"] = ["hops"]


def _one_side(built: dict[str, Any], view: View) -> None:
    """Drop the other side. Its legs may look like something else to a reader who sees nothing of a proxy."""
    kept = {"client_leg", "direct", "tunnel"} if view == "client-side" else {"upstream_leg", "direct"}
    if view == "client-side":
        mine = [row for row in built["connections"] if row["leg"] in kept]
    else:
        mine = [row for row in built["connections"] if row["leg"] in kept and row["server_ip"] in network.SERVERS]
    names = {(row["client_ip"], row["client_port"]) for row in mine}
    peers = {f"{host}:{port}" for host, port in names}
    for row in mine:
        row["open_legs"] = ["direct", "unknown"]
    built["connections"] = mine
    for key in ("exchanges", "authentications", "logons", "endings", "tls_exchanges"):
        built[key] = [row for row in built[key] if (row["client_ip"], row["client_port"]) in names]
    built["connections_without_data"] = [row for row in built["connections_without_data"] if row["first_packet"]]
    built["messages"] = [row for row in built["messages"] if row["connection"].removesuffix(".t") in peers]
    for key in ("hops", "hops_inside_tls", "tunnels", "ambiguous_hops"):
        built[key] = []


def _partly(found: list[streams.Connection], places: dict[Place, Place]) -> set[str]:
    """Connections of which a payload packet is not in the view."""
    return {
        connection.name
        for connection in found
        for stream in (connection.to_server, connection.to_client)
        for _, number, _ in stream.pieces
        if (connection.capture, number) not in places
    }


def _renumber(built: dict[str, Any], places: dict[Place, Place]) -> None:
    for row in built["exchanges"]:
        request, response = _moved(row, "request_packet", places), _moved(row, "response_packet", places)
        row["request_packet"], row["response_packet"] = request[1] if request else None, response[1] if response else None
        row["capture"] = (request or response or (row["capture"], 0))[0]
        if response and response[0] != row["capture"]:
            row["response_capture"] = response[0]
    for row in built["connections"]:
        place = _moved(row, "first_packet", places)
        mine = [x for x in built["exchanges"] if x["client_port"] == row["client_port"] and x["client_ip"] == row["client_ip"]]
        if place is None:
            numbers = [(x["capture"], n) for x in mine for n in (x["request_packet"], x["response_packet"]) if n]
            place = min(numbers, key=lambda pair: pair[1], default=None)
        row["capture"], row["first_packet"] = place or (next(iter(places.values()))[0], None)
    for row in built["connections_without_data"]:
        place = _moved(row, "first_packet", places)
        row["capture"], row["first_packet"] = place or (next(iter(places.values()))[0], None)


def _shifted(built: dict[str, Any], gone: dict[str, int]) -> None:
    """Positions count from the first exchange that the view shows; what lies before is dropped."""
    for row in built["exchanges"]:
        row["position"] -= gone[f"{row['client_ip']}:{row['client_port']}"]
    kept = []
    for near, far in built["hops"]:
        pair = [[name, position - gone.get(name, 0)] for name, position in (near, far)]
        kept += [pair] if all(position > 0 for _, position in pair) else []
    built["hops"] = kept
    rows = []
    for row in built["authentications"]:
        lost = gone.get(f"{row['client_ip']}:{row['client_port']}", 0)
        row["first_position"], row["last_position"] = row["first_position"] - lost, row["last_position"] - lost
        rows += [row] if row["first_position"] > 0 else []
    built["authentications"] = rows
    for row in built["messages"]:
        row["position"] -= gone.get(row["connection"], 0)
    built["messages"] = [row for row in built["messages"] if row["position"] > 0]
