"""Recording a scenario: which program, which interfaces, which file.

Kinds: `any-sll2` (tcpdump on all interfaces of the proxy, Linux cooked v2), `proxy-pcapng` (dumpcap on the proxy's
interfaces, one pcapng with several), `proxy-nsec` (tcpdump on one side each, merged to one nanosecond pcap),
`client-pcap` and `client-pcapng` (Ethernet on the client), `upstream-pcap` (Ethernet on the
proxy's server side only), `two-files` (one pcapng per leg, the second with its clock shifted), `two-pcaps` (one pcap per leg), `three-files` (one pcap
per leg of a chain of two proxies), `trunk-pcap` (the VLAN trunk of the software switch), `client-any` (all interfaces of the
client, its loopback too), `two-sides` (one pcap on the client, one on the server). lab.views tells what may happen to
a recording before it is kept.
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


def _tcpdump(namespace: str, interface: str, path: Path, folder: Path, *, nano: bool, words: str = FILTER) -> Child:
    argv = ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-B", "262144", "-s", "65535", "-i", interface]
    argv += ["--time-stamp-precision=nano"] if nano else []
    return start(f"tcpdump-{path.stem}", network.inside(namespace, *argv, "-w", str(path), words), folder)


def _dumpcap(interfaces: list[str], path: Path, folder: Path, namespace: str = network.PROXY) -> Child:
    words = [word for name in interfaces for word in ("-i", name, "-f", FILTER)]
    argv = network.inside(namespace, "dumpcap", "-q", "-s", "65535", *words, "-w", str(path))
    return start(f"dumpcap-{path.stem}", argv, folder)


def begin(kind: CaptureKind, hosts: list[str], folder: Path, words: str = FILTER) -> Recording:
    """Start recording what the filter `words` let through, and wait until the programs listen."""
    ports = [network.CLIENT_PORTS[host] for host in hosts]
    client = network.PREFIX + hosts[0]
    children: dict[Path, Child] = {}
    single = {
        "any-sll2": ("all.pcap", network.PROXY, "any", words),
        "client-pcap": ("client.pcap", client, "eth0", words),
        "client-any": ("client.pcap", client, "any", words),
        "upstream-pcap": ("upstream.pcap", network.PROXY, network.SERVER_PORT, FILTER),
        "trunk-pcap": ("trunk.pcap", network.SWITCH, "t0", f"vlan and {FILTER}"),
    }
    if kind in single:
        name, space, interface, chosen = single[kind]
        children[folder / name] = _tcpdump(space, interface, folder / name, folder, nano=False, words=chosen)
    else:
        children |= _several(kind, ports, client, folder, words)
    for child in children.values():
        wait_until(child.name, partial(_listens, child), [child])
    return Recording(kind, tuple(children.values()), tuple(children))


def _several(kind: CaptureKind, ports: list[str], client: str, folder: Path, words: str) -> dict[Path, Child]:
    """The programs of a kind with dumpcap, or with more files than one."""
    children: dict[Path, Child] = {}
    if kind == "client-pcapng":
        path = folder / "client.pcapng"
        children[path] = _dumpcap(["eth0"], path, folder, client)
    elif kind == "proxy-pcapng":
        path = folder / "all.pcapng"
        children[path] = _dumpcap([*ports, network.SERVER_PORT], path, folder)
    elif kind == "three-files":
        for name, port in (("leg-1.pcap", ports[0]), ("leg-2.pcap", network.EDGE_PORT), ("leg-3.pcap", network.SERVER_PORT)):
            # The last leg passes the router in the first proxy's namespace, on the port of the second one too.
            chosen = f"{FILTER} and host {network.EDGE_ROUTER}" if name == "leg-2.pcap" else FILTER
            children[folder / name] = _tcpdump(network.PROXY, port, folder / name, folder, nano=False, words=chosen)
    elif kind == "two-sides":
        for path, space in ((folder / "client.pcap", client), (folder / "server.pcap", network.SERVER)):
            children[path] = _tcpdump(space, "eth0", path, folder, nano=False, words=words)
    elif kind == "two-pcaps":
        for path, port in ((folder / "leg-a.pcap", ports[0]), (folder / "leg-b.pcap", network.SERVER_PORT)):
            children[path] = _tcpdump(network.PROXY, port, path, folder, nano=False)
    elif kind == "proxy-nsec":
        for port in (*ports, network.SERVER_PORT):
            path = folder / f"{port}.pcap"
            children[path] = _tcpdump(network.PROXY, port, path, folder, nano=True)
    else:
        for path, interfaces in ((folder / "leg-a.pcapng", ports), (folder / SHIFTED, [network.SERVER_PORT])):
            children[path] = _dumpcap(interfaces, path, folder)
    return children


def _listens(child: Child) -> bool:
    return bool(re.search("listening on|File: ", child.output.read_text(errors="replace")))


def _check_drops(child: Child) -> None:
    text = child.output.read_text(errors="replace")
    lost = [int(number) for number in re.findall(r"(\d+) packets dropped by kernel", text)]
    lost += [int(number) for number in re.findall(r"Packets received/dropped on interface '[^']+': \d+/(\d+)", text)]
    if not lost or any(lost):
        msg = f"{child.name} dropped packets or did not say: {text[-400:]}"
        raise LabError(msg)


def end(child: Child) -> None:
    """Stop a capture program and check that it dropped nothing."""
    stop(child, signal.SIGINT)
    _check_drops(child)


def finish(recording: Recording, sample: Path) -> list[str]:
    """Stop recording, check that nothing was dropped, put the files into the sample folder and return their names."""
    for child in recording.children:
        end(child)
    if recording.kind in ("two-pcaps", "three-files", "two-sides"):
        for path in recording.raw:
            (sample / path.name).write_bytes(path.read_bytes())
        return [path.name for path in recording.raw]
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
