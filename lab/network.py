"""The lab's network: three clients, a proxy and a server, each in its own network namespace.

One veth pair per leg and no bridge: a capture on `any` in the proxy's namespace would show bridged packets twice.
Segmentation offload is off unless a scenario asks for it, so that captured packets are packets of the wire.

    wks01 10.10.1.11 ── cl1 ┐
    wks02 10.10.1.12 ── cl2 ├─ proxy 10.10.1.1 / 10.20.2.1 ── sv0 ── srv01 10.20.2.20 (KDC 10.20.2.88)
    wks03 10.10.1.13 ── cl3 ┘

Some scenarios use more of it: a second proxy 10.30.3.2 (edge) behind the first one, a software switch between wks01 and
its router, source address translation towards the server, IPv6 between wks01 and the server.
"""

import shutil
import subprocess
from pathlib import Path

PREFIX = "wlab-"
PROXY = PREFIX + "proxy"
SERVER = PREFIX + "srv01"
CLIENTS = {"wks01": "10.10.1.11", "wks02": "10.10.1.12", "wks03": "10.10.1.13"}
PROXY_INSIDE = "10.10.1.1"
PROXY_OUTSIDE = "10.20.2.1"
SERVER_IP = "10.20.2.20"
KDC_IP = "10.20.2.88"
PROXY_SECOND = "10.10.1.2"
SECOND_NAME = "winrm2.lab.example"
EDGE = PREFIX + "edge"
SWITCH = PREFIX + "switch"
EDGE_PORT = "ed0"
EDGE_IP = "10.30.3.2"
EDGE_ROUTER = "10.30.3.1"
TRANSLATED_IP = "10.20.2.9"
SERVER_IP6 = "fd00:20:2::20"
CLIENT_IP6 = "fd00:10:1::11"
SERVERS = (SERVER_IP, SERVER_IP6)
BOXES = (((PROXY_INSIDE, PROXY_SECOND), (PROXY_OUTSIDE, TRANSLATED_IP, EDGE_ROUTER)), ((EDGE_IP,), (EDGE_IP,)))
"""Each proxy's listening addresses and the addresses that it connects from."""
SOURCES = tuple(address for _, sources in BOXES for address in sources)
CLIENT_PORTS = {"wks01": "cl1", "wks02": "cl2", "wks03": "cl3"}
SERVER_PORT = "sv0"
HOSTS = f"""127.0.0.1 localhost
{SERVER_IP} srv01.lab.example srv01 jump01.lab.example
{KDC_IP} dc01.lab.example dc01
{SERVER_IP6} srv01v6.lab.example
{PROXY_INSIDE} proxy.lab.example winrm.lab.example
{PROXY_SECOND} {SECOND_NAME}
{EDGE_IP} edge.lab.example
10.10.1.11 wks01.lab.example wks01
10.10.1.12 wks02.lab.example wks02
10.10.1.13 wks03.lab.example wks03
"""


def sources_of(listening: str) -> tuple[str, ...]:
    """The addresses from which the proxy that listens on an address goes on."""
    return next((sources for inside, sources in BOXES if listening in inside), ())


def namespaces() -> list[str]:
    """All namespaces of the lab."""
    return [PROXY, SERVER, EDGE, SWITCH, *(PREFIX + name for name in CLIENTS)]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def inside(namespace: str, *argv: str) -> list[str]:
    """The command line that runs `argv` in a namespace."""
    return ["ip", "netns", "exec", namespace, *argv]


def _leg(namespace: str, port: str, address: str, router: str) -> None:
    """A veth pair between a namespace's eth0 and a port of the proxy's namespace."""
    _ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", port, "netns", PROXY)
    for space, device in ((namespace, "eth0"), (PROXY, port)):
        _ip("-n", space, "link", "set", device, "up")
    _address(namespace, port, address, router)


def _address(namespace: str, port: str, address: str, router: str) -> None:
    _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", namespace, "route", "add", "default", "via", router)
    _ip("-n", PROXY, "addr", "add", f"{router}/32", "dev", port)
    _ip("-n", PROXY, "route", "add", f"{address}/32", "dev", port, "src", router)


def set_offload(*, on: bool) -> None:
    """Switch segmentation and checksum offload on every end; on gives super-segments and unset checksums."""
    word = "on" if on else "off"
    options = [piece for switch in ("tso", "gso", "gro", "tx", "rx") for piece in (switch, word)]
    ports = [(PROXY, port) for port in (*CLIENT_PORTS.values(), SERVER_PORT, EDGE_PORT)]
    for space, device in [*ports, (SERVER, "eth0"), (EDGE, "eth0"), *((PREFIX + name, "eth0") for name in CLIENTS)]:
        subprocess.run(inside(space, "ethtool", "-K", device, *options), check=True, capture_output=True)


def up() -> None:
    """Make the namespaces and their links."""
    down()
    for namespace in namespaces():
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        folder = Path("/etc/netns") / namespace
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text(HOSTS)
        # Names outside the hosts file fail at once: nothing listens there.
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        _sysctl(namespace, "net.ipv6.conf.all.disable_ipv6=1")
    for name, address in CLIENTS.items():
        _leg(PREFIX + name, CLIENT_PORTS[name], address, PROXY_INSIDE)
    _leg(SERVER, SERVER_PORT, SERVER_IP, PROXY_OUTSIDE)
    _leg(EDGE, EDGE_PORT, EDGE_IP, EDGE_ROUTER)
    _ip("-n", PROXY, "addr", "add", f"{PROXY_SECOND}/32", "dev", "lo")
    _ip("-n", PROXY, "addr", "add", f"{TRANSLATED_IP}/32", "dev", SERVER_PORT)
    _ip("-n", SERVER, "addr", "add", f"{KDC_IP}/24", "dev", "eth0")
    _ip("-n", PROXY, "route", "add", f"{KDC_IP}/32", "dev", SERVER_PORT, "src", PROXY_OUTSIDE)
    _sysctl(PROXY, "net.ipv4.ip_forward=1")


def insert_switch(*, vlan: bool) -> None:
    """Put the namespace of the software switch between wks01 and its router; with `vlan` a trunk of two ports inside it."""
    space = PREFIX + "wks01"
    _ip("-n", space, "link", "del", "eth0")
    pairs = [("p0", space, "eth0"), ("p1", PROXY, CLIENT_PORTS["wks01"])] + ([("t0", SWITCH, "t1")] if vlan else [])
    for port, other, device in pairs:
        _ip("link", "add", port, "netns", SWITCH, "type", "veth", "peer", "name", device, "netns", other)
        for where, name in ((SWITCH, port), (other, device)):
            _ip("-n", where, "link", "set", name, "up")
            options = [piece for word in ("tso", "gso", "gro", "tx", "rx", "rxvlan", "txvlan") for piece in (word, "off")]
            subprocess.run(inside(where, "ethtool", "-K", name, *options), check=False, capture_output=True)
    _address(space, CLIENT_PORTS["wks01"], CLIENTS["wks01"], PROXY_INSIDE)


def remove_switch() -> None:
    """Connect wks01 to its router again."""
    for port in ("p0", "p1", "t0"):
        subprocess.run(["ip", "-n", SWITCH, "link", "del", port], check=False, capture_output=True)
    _leg(PREFIX + "wks01", CLIENT_PORTS["wks01"], CLIENTS["wks01"], PROXY_INSIDE)


def set_ipv6(*, on: bool) -> None:
    """Give wks01, its router and the server IPv6 addresses, or take them away."""
    ends = [(PREFIX + "wks01", "eth0", CLIENT_IP6), (PROXY, CLIENT_PORTS["wks01"], "fd00:10:1::1")]
    ends += [(PROXY, SERVER_PORT, "fd00:20:2::1"), (SERVER, "eth0", SERVER_IP6)]
    for space in (PREFIX + "wks01", PROXY, SERVER):
        _sysctl(space, f"net.ipv6.conf.all.disable_ipv6={0 if on else 1}")
    if not on:
        return
    _sysctl(PROXY, "net.ipv6.conf.all.forwarding=1")
    for space, device, address in ends:
        _ip("-n", space, "-6", "addr", "add", f"{address}/64", "dev", device, "nodad")
    _ip("-n", PREFIX + "wks01", "-6", "route", "add", "default", "via", "fd00:10:1::1")
    _ip("-n", SERVER, "-6", "route", "add", "default", "via", "fd00:20:2::1")


def set_translation(*, on: bool) -> None:
    """Source address and port translation of what leaves for the server."""
    rules = f"""table ip lab {{
    chain after {{
        type nat hook postrouting priority 100
        oifname "{SERVER_PORT}" ip saddr {{ {PROXY_OUTSIDE}, 10.10.1.0/24 }} ip protocol tcp snat to {TRANSLATED_IP}:20000-64000 random
    }}
}}
"""
    text = rules if on else "delete table ip lab\n"
    subprocess.run(inside(PROXY, "nft", "-f", "-"), input=text, text=True, check=True)


def _sysctl(space: str, setting: str) -> None:
    subprocess.run(inside(space, "sysctl", "-qw", setting), check=True, capture_output=True)


def down() -> None:
    """Remove the namespaces that the lab made."""
    existing = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for namespace in namespaces():
        if namespace in existing.split():
            _ip("netns", "del", namespace)
        shutil.rmtree(Path("/etc/netns") / namespace, ignore_errors=True)
