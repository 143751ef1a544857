"""A router or firewall between the clients and the server that does more than forward; in the proxy's namespace, which routes.

- `forget-reset`, `forget-drop`: it forgets the connections that exist now; what comes for them is answered by RST, or dropped;
- `reset-both`: it sends RST to both ends in the other's name, with a TTL of its own, and drops what still comes;
- `prohibit`: it answers every SYN to the server with ICMP administratively prohibited;
- `unreachable`: ICMP host unreachable instead;
- `small-mtu`: its way to the server takes 1300 bytes; it says so by ICMP, as it should;
- `black-hole`: the same, but the ICMP messages do not get out;
- `clamp`: the same with ICMP blocked, but it lowers the MSS of every SYN;
- `redirect`: it hands connections to port 5985 to the proxy's port 3129 on the same machine;
- `close-inside`: nothing of the server's port is let through from the client's side.
"""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from lab import network
from lab.scenario import Device

SMALL_MTU_BYTES = 1300
OWN_TTL = 255
ETH_P_IP = 0x0800
ETH_P_ALL = 3
PORTS = (5985, 5986)
ACCEPT = "type filter hook {hook} priority 0; policy accept;"


def _nft(text: str) -> None:
    subprocess.run(network.inside(network.PROXY, "nft", "-f", "-"), input=text, text=True, check=True)


def _table(hook: str, *rules: str) -> str:
    lines = "\n".join(f"        {rule}" for rule in rules)
    return f"table ip labdevice {{\n    chain {hook} {{\n        {ACCEPT.format(hook=hook)}\n{lines}\n    }}\n}}\n"


def _known() -> list[tuple[str, str, str]]:
    """The server's connections that exist now: client's host and port, and the server's port."""
    argv = network.inside(network.SERVER, "ss", "-Htn", "state", "established")
    rows = [line.split() for line in subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()]
    ends = [(row[2].rpartition(":"), row[3].rpartition(":")) for row in rows]
    return [(far[0], far[2], near[2]) for near, far in ends if int(near[2]) in PORTS]


def _forget(verdict: str) -> None:
    rules = []
    for host, port, own in _known():
        rules += [
            f"ip saddr {host} tcp sport {port} tcp dport {own} {verdict}",
            f"ip daddr {host} tcp dport {port} tcp sport {own} drop",
        ]
    _nft(_table("forward", *rules) + _table("output", *rules[::2]))


def _mtu(*, blocked: bool, clamped: bool) -> None:
    route = f"{network.SERVER_IP}/32 dev {network.SERVER_PORT} src {network.PROXY_OUTSIDE}".split()
    subprocess.run(["ip", "-n", network.PROXY, "route", "change", *route, "mtu", str(SMALL_MTU_BYTES)], check=True)
    if blocked:
        _nft(_table("output", "icmp type destination-unreachable drop"))
    if clamped:
        _nft(_table("forward", f"tcp flags syn tcp option maxseg size set {SMALL_MTU_BYTES - 40}"))


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _rst(source: tuple[str, int], target: tuple[str, int], sequence: int) -> bytes:
    """An IPv4 packet with RST, from `source` as far as anybody can tell."""
    ends = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 0, 0x50, 0x04, 0, 0, 0)
    check = _checksum(ends + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack(">H", check) + tcp[18:]
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0x4242, 0, OWN_TTL, 6, 0) + ends + tcp


class Resetter(threading.Thread):
    """Follows the connections on the server's side and resets both of their ends when told."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ready, self.now, self.done = threading.Event(), threading.Event(), threading.Event()
        self.next: dict[tuple[tuple[str, int], tuple[str, int]], int] = {}

    def run(self) -> None:
        """Enters the namespace with this thread only."""
        with Path(f"/var/run/netns/{network.PROXY}").open() as space:
            import ctypes

            ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x40000000)
        # What leaves is shown only to those who ask for every protocol.
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        ear.bind((network.SERVER_PORT, ETH_P_ALL))
        ear.settimeout(0.05)
        mouth = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.ready.set()
        while not self.done.is_set():
            with contextlib.suppress(TimeoutError):
                packet, place = ear.recvfrom(65535)
                if place[1] == ETH_P_IP:
                    self._note(packet)
            if self.now.is_set():
                for (source, target), sequence in self.next.items():
                    mouth.sendto(_rst(source, target, sequence), (target[0], 0))
                self.now.clear()
        ear.close()
        mouth.close()

    def _note(self, packet: bytes) -> None:
        if packet[9] != 6:
            return
        at = (packet[0] & 15) * 4
        source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        near, far, sequence = struct.unpack_from(">HHI", packet, at)
        if near not in PORTS and far not in PORTS:
            return
        size = struct.unpack_from(">H", packet, 2)[0] - at - (packet[at + 12] >> 4) * 4 + bool(packet[at + 13] & 3)
        key = (source, near), (target, far)
        following = (sequence + size) & 0xFFFFFFFF
        if key not in self.next or (following - self.next[key]) & 0xFFFFFFFF < 1 << 31:
            self.next[key] = following


class Running:
    """A device at work; `stop` takes everything back."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.resetter: Resetter | None = None
        self.timer: threading.Timer | None = None
        if device.does == "reset-both":
            self.resetter = Resetter()
            self.resetter.start()
            self.resetter.ready.wait(5)
        if device.at_s is None:
            self._act()

    def phase(self, number: int) -> None:
        """The clients of a phase have started."""
        if self.device.at_s is not None and number == self.device.phase:
            self.timer = threading.Timer(self.device.at_s, self._act)
            self.timer.start()

    def _act(self) -> None:
        does = self.device.does
        if does in ("forget-reset", "forget-drop"):
            _forget("reject with tcp reset" if does == "forget-reset" else "drop")
        elif does == "reset-both" and self.resetter is not None:
            self.resetter.now.set()
        elif does == "prohibit":
            _nft(_table("forward", "tcp dport { 5985, 5986 } tcp flags syn reject with icmp type admin-prohibited"))
        elif does == "unreachable":
            _nft(_table("forward", "tcp dport { 5985, 5986 } tcp flags syn reject with icmp type host-unreachable"))
        elif does in ("small-mtu", "black-hole", "clamp"):
            _mtu(blocked=does != "small-mtu", clamped=does == "clamp")
        elif does == "redirect":
            rule = f"ip saddr 10.10.1.0/24 ip daddr {network.SERVER_IP} tcp dport 5985 redirect to :3129"
            _nft(f"table ip labdevice {{\n    chain pre {{\n        type nat hook prerouting priority -100;\n        {rule}\n    }}\n}}\n")
        elif does == "close-inside":
            _nft(_table("forward", "ip saddr 10.10.1.0/24 tcp dport { 5985, 5986 } drop"))

    def stop(self) -> None:
        """End the timer, the rules and the route."""
        if self.timer is not None:
            self.timer.cancel()
        if self.resetter is not None:
            time.sleep(0.1)
            self.resetter.done.set()
            self.resetter.join(5)
        subprocess.run(network.inside(network.PROXY, "nft", "delete", "table", "ip", "labdevice"), check=False, capture_output=True)
        route = f"{network.SERVER_IP}/32 dev {network.SERVER_PORT} src {network.PROXY_OUTSIDE}".split()
        subprocess.run(["ip", "-n", network.PROXY, "route", "replace", *route], check=True)
        for name in (network.PREFIX + host for host in network.CLIENTS):
            subprocess.run(["ip", "-n", name, "route", "flush", "cache"], check=False, capture_output=True)
