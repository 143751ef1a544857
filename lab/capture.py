"""Recording a scenario: which program, which interfaces, which file.

Kinds: `any-sll2` (tcpdump on all interfaces of the proxy, Linux cooked v2), `proxy-pcapng` (dumpcap on the proxy's
interfaces, one pcapng with several), `proxy-nsec` (tcpdump on one side each, merged to one nanosecond pcap),
`client-pcap` and `client-pcapng` (Ethernet on the client), `upstream-pcap` (Ethernet on the
proxy's server side only), `two-files` (one pcapng per leg, the second with its clock shifted).
"""

import re
import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import network
from lab.processes import Child, LabError, start, stop, wait_until
from lab.scenario import CaptureKind

FILTER = "tcp"
CLOCK_SHIFT_S = 7.4
SHIFTED = "leg-b.pcapng"


@dataclass(frozen=True, slots=True)
class Recording:
    """Running capture programs and the files they write."""

    kind: CaptureKind
    children: tuple[Child, ...]
    raw: tuple[Path, ...]


def _tcpdump(namespace: str, interface: str, path: Path, folder: Path, *, nano: bool) -> Child:
    argv = ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-B", "262144", "-s", "65535", "-i", interface]
    argv += ["--time-stamp-precision=nano"] if nano else []
    return start(f"tcpdump-{path.stem}", network.inside(namespace, *argv, "-w", str(path), FILTER), folder)


def _dumpcap(interfaces: list[str], path: Path, folder: Path, namespace: str = network.PROXY) -> Child:
    words = [word for name in interfaces for word in ("-i", name, "-f", FILTER)]
    argv = network.inside(namespace, "dumpcap", "-q", "-s", "65535", *words, "-w", str(path))
    return start(f"dumpcap-{path.stem}", argv, folder)


def begin(kind: CaptureKind, hosts: list[str], folder: Path) -> Recording:
    """Start recording and wait until the programs listen."""
    ports = [network.CLIENT_PORTS[host] for host in hosts]
    client = network.PREFIX + hosts[0]
    children: dict[Path, Child] = {}
    if kind == "any-sll2":
        path = folder / "all.pcap"
        children[path] = _tcpdump(network.PROXY, "any", path, folder, nano=False)
    elif kind == "client-pcap":
        path = folder / "client.pcap"
        children[path] = _tcpdump(client, "eth0", path, folder, nano=False)
    elif kind == "upstream-pcap":
        path = folder / "upstream.pcap"
        children[path] = _tcpdump(network.PROXY, network.SERVER_PORT, path, folder, nano=False)
    elif kind == "client-pcapng":
        path = folder / "client.pcapng"
        children[path] = _dumpcap(["eth0"], path, folder, client)
    elif kind == "proxy-pcapng":
        path = folder / "all.pcapng"
        children[path] = _dumpcap([*ports, network.SERVER_PORT], path, folder)
    elif kind == "proxy-nsec":
        for port in (*ports, network.SERVER_PORT):
            path = folder / f"{port}.pcap"
            children[path] = _tcpdump(network.PROXY, port, path, folder, nano=True)
    else:
        for path, interfaces in ((folder / "leg-a.pcapng", ports), (folder / SHIFTED, [network.SERVER_PORT])):
            children[path] = _dumpcap(interfaces, path, folder)
    for child in children.values():
        wait_until(child.name, partial(_listens, child), [child])
    return Recording(kind, tuple(children.values()), tuple(children))


def _listens(child: Child) -> bool:
    return bool(re.search("listening on|File: ", child.output.read_text(errors="replace")))


def _check_drops(child: Child) -> None:
    text = child.output.read_text(errors="replace")
    lost = [int(number) for number in re.findall(r"(\d+) packets dropped by kernel", text)]
    lost += [int(number) for number in re.findall(r"Packets received/dropped on interface '[^']+': \d+/(\d+)", text)]
    if not lost or any(lost):
        msg = f"{child.name} dropped packets or did not say: {text[-400:]}"
        raise LabError(msg)


def finish(recording: Recording, sample: Path) -> list[str]:
    """Stop recording, check that nothing was dropped, put the files into the sample folder and return their names."""
    for child in recording.children:
        stop(child, signal.SIGINT)
        _check_drops(child)
    if recording.kind == "two-files":
        for path, shift in zip(recording.raw, (0.0, CLOCK_SHIFT_S), strict=True):
            subprocess.run(["editcap", "-t", str(shift), str(path), str(sample / path.name)], check=True)
        return [path.name for path in recording.raw]
    if recording.kind == "proxy-nsec":
        target = sample / "capture.pcap"
        subprocess.run(["mergecap", "-F", "nsecpcap", "-w", str(target), *map(str, recording.raw)], check=True)
        return [target.name]
    target = sample / f"capture{recording.raw[0].suffix}"
    target.write_bytes(recording.raw[0].read_bytes())
    return [target.name]
