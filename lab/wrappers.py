"""What stands in front of WinRM below HTTP: TLS wrappers, SOCKS servers, and copies of bytes."""

import os
import sys
from pathlib import Path
from typing import Any

from lab.accounts import DOMAIN, PROXY_ACCOUNT
from lab.network import PROXY_INSIDE, PROXY_OUTSIDE
from lab.setups import Setup, certificate, target_of


def hitch(folder: Path, options: dict[str, Any]) -> Setup:
    """Ends the clients' TLS on 8443 and copies the clear bytes to the server; `header` is write-proxy-v1 or write-proxy-v2."""
    host, port = target_of(options)
    certificate(folder, "proxy", "winrm.lab.example")
    header = f"{options['header']} = on\n" if options.get("header") else ""
    config = f"""frontend = "[*]:{options.get("port", 8443)}"
backend = "[{host}]:{port}"
pem-file = "{folder}/proxy.pem"
workers = 1
daemon = off
user = "root"
log-level = 1
{header}"""
    path = folder / "hitch.conf"
    path.write_text(config)
    return Setup(config, ["hitch", f"--config={path}"], options.get("port", 8443), ["hitch", "--version"])


def stunnel(folder: Path, options: dict[str, Any]) -> Setup:
    """Ends the clients' TLS and copies the clear bytes to the server; with `client` the other way round: takes clear bytes and goes
    on with TLS. `accept` is where it listens."""
    host, port = target_of(options)
    accept = options.get("accept", "0.0.0.0:443")
    role = "client = yes\n" if options.get("client") else f"cert = {folder}/proxy.pem\n"
    if not options.get("client"):
        certificate(folder, "proxy", "winrm.lab.example")
    config = f"""foreground = yes
pid =
debug = 4
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[winrm]
{role}accept = {accept}
connect = {host}:{port}
"""
    path = folder / f"stunnel-{'client' if options.get('client') else 'server'}.conf"
    path.write_text(config)
    return Setup(config, ["stunnel4", str(path)], int(accept.rpartition(":")[2]), ["stunnel4", "-version"])


def microsocks(_folder: Path, options: dict[str, Any]) -> Setup:
    """A SOCKS 5 server on 1080; with `password` it wants the proxy account's (RFC 1929)."""
    argv = ["microsocks", "-i", PROXY_INSIDE, "-p", "1080", "-b", PROXY_OUTSIDE]
    argv += ["-u", PROXY_ACCOUNT.user, "-P", PROXY_ACCOUNT.password] if options.get("password") else []
    return Setup("No configuration file.\n", argv, 1080, [])


def dante(folder: Path, _options: dict[str, Any]) -> Setup:
    """A SOCKS server on 1080 for versions 4 and 5, without password (of 4a it knows nothing)."""
    config = f"""logoutput: {folder}/dante.log
internal: {PROXY_INSIDE} port = 1080
external: {PROXY_OUTSIDE}
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: root
client pass {{ from: 10.10.1.0/24 to: 0.0.0.0/0 }}
socks pass {{ from: 10.10.1.0/24 to: 0.0.0.0/0 protocol: tcp }}
"""
    path = folder / "danted.conf"
    path.write_text(config)
    return Setup(config, ["danted", "-f", str(path), "-p", str(folder / "danted.pid")], 1080, ["danted", "-v"])


def socks4a(_folder: Path, _options: dict[str, Any]) -> Setup:
    """The lab's own SOCKS 4a server on 1080."""
    return Setup("No configuration file.\n", [sys.executable, "-m", "lab.socks4a"], 1080, [])


def px(folder: Path, options: dict[str, Any]) -> Setup:
    """Px, a proxy on the client's side of a proxy that wants NTLM: it answers the 407 itself, so that clients need not."""
    target = options["target"]
    program = os.environ.get("LAB_PX", "px")
    argv = ["env", "PX_PASSWORD=" + PROXY_ACCOUNT.password, f"HOME={folder}", program, f"--listen={PROXY_INSIDE}", "--port=3127"]
    argv += [f"--proxy={target}", "--auth=NTLM", f"--username={DOMAIN}\\{PROXY_ACCOUNT.user}", "--workers=1", "--foreground"]
    return Setup("No configuration file.\n", argv, 3127, [])


WRAPPERS = {"px": px, "socks4a": socks4a, "hitch": hitch, "stunnel": stunnel, "microsocks": microsocks, "dante": dante}
