"""The lab's network: three clients, a proxy and a server, each in its own network namespace.

One veth pair per leg and no bridge: a capture on `any` in the proxy's namespace would show bridged packets twice.
Segmentation offload is off unless a scenario asks for it, so that captured packets are packets of the wire.

    wks01 10.10.1.11 ── cl1 ┐
    wks02 10.10.1.12 ── cl2 ├─ proxy 10.10.1.1 / 10.20.2.1 ── sv0 ── srv01 10.20.2.20 (KDC 10.20.2.88)
    wks03 10.10.1.13 ── cl3 ┘
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
CLIENT_PORTS = {"wks01": "cl1", "wks02": "cl2", "wks03": "cl3"}
SERVER_PORT = "sv0"
HOSTS = f"""127.0.0.1 localhost
{SERVER_IP} srv01.lab.example srv01
{KDC_IP} dc01.lab.example dc01
{PROXY_INSIDE} proxy.lab.example winrm.lab.example
10.10.1.11 wks01.lab.example wks01
10.10.1.12 wks02.lab.example wks02
10.10.1.13 wks03.lab.example wks03
"""


def namespaces() -> list[str]:
    """All namespaces of the lab."""
    return [PROXY, SERVER, *(PREFIX + name for name in CLIENTS)]


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
    _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", namespace, "route", "add", "default", "via", router)
    _ip("-n", PROXY, "addr", "add", f"{router}/32", "dev", port)
    _ip("-n", PROXY, "route", "add", f"{address}/32", "dev", port, "src", router)


def set_offload(*, on: bool) -> None:
    """Switch segmentation and checksum offload on every end; on gives super-segments and unset checksums."""
    word = "on" if on else "off"
    options = [piece for switch in ("tso", "gso", "gro", "tx", "rx") for piece in (switch, word)]
    ports = [(PROXY, port) for port in (*CLIENT_PORTS.values(), SERVER_PORT)]
    for space, device in [*ports, (SERVER, "eth0"), *((PREFIX + name, "eth0") for name in CLIENTS)]:
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
        subprocess.run(inside(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"), check=True, capture_output=True)
    for name, address in CLIENTS.items():
        _leg(PREFIX + name, CLIENT_PORTS[name], address, PROXY_INSIDE)
    _leg(SERVER, SERVER_PORT, SERVER_IP, PROXY_OUTSIDE)
    _ip("-n", SERVER, "addr", "add", f"{KDC_IP}/24", "dev", "eth0")
    _ip("-n", PROXY, "route", "add", f"{KDC_IP}/32", "dev", SERVER_PORT, "src", PROXY_OUTSIDE)
    subprocess.run(inside(PROXY, "sysctl", "-qw", "net.ipv4.ip_forward=1"), check=True, capture_output=True)


def down() -> None:
    """Remove the namespaces that the lab made."""
    existing = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for namespace in namespaces():
        if namespace in existing.split():
            _ip("netns", "del", namespace)
        shutil.rmtree(Path("/etc/netns") / namespace, ignore_errors=True)
