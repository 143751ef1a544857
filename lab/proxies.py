"""Configuration of real proxies and the command that runs each in the foreground.

Every function returns the configuration text (also printed into ORIGIN.md), the command and the port that clients use.
Each proxy gets its own folder for logs, sockets and temporary files.
"""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from lab.accounts import PROXY_ACCOUNT
from lab.network import EDGE_IP, PROXY_INSIDE, PROXY_OUTSIDE, SERVER_IP

UPSTREAM_PORT = 5985


class Setup(NamedTuple):
    """How a proxy is run: its configuration, its command and the port it listens on."""

    config: str
    argv: list[str]
    port: int
    version: list[str]


def squid(folder: Path, options: dict[str, Any]) -> Setup:
    """A forward proxy on 3128. `extra` are further configuration lines; `auth` is 'basic' or 'ntlm' for proxy authentication,
    `block_winrm` denies the WinRM ports, `port_options` follow http_port."""
    auth = ""
    if options.get("auth") == "ntlm":
        auth = "auth_param ntlm program /usr/lib/squid/ntlm_fake_auth\nacl known proxy_auth REQUIRED\nhttp_access deny !known\n"
    if options.get("auth") == "basic":
        password_file = folder / "proxy-users"
        hashed = subprocess.run(["openssl", "passwd", "-apr1", PROXY_ACCOUNT.password], check=True, capture_output=True, text=True).stdout.strip()
        password_file.write_text(f"{PROXY_ACCOUNT.user}:{hashed}\n")
        password_file.chmod(0o644)
        auth = (
            f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {password_file}\n"
            "auth_param basic realm lab proxy\nacl known proxy_auth REQUIRED\nhttp_access deny !known\n"
        )
    extra = "".join(f"{line}\n" for line in options.get("extra", ()))
    blocked = "acl winrm port 5985 5986\nhttp_access deny winrm\n" if options.get("block_winrm") else ""
    config = f"""http_port 3128 {options.get("port_options", "")}
visible_hostname proxy.lab.example
acl lab src 10.10.1.0/24 10.30.3.0/24
{blocked}{auth}http_access allow lab
http_access deny all
{extra}hosts_file /etc/hosts
pinger_enable off
cache deny all
shutdown_lifetime 1 seconds
pid_filename {folder}/squid.pid
coredump_dir {folder}
cache_log {folder}/cache.log
logformat lab {{"client":"%>a:%>p","upstream":"%<la:%<lp","method":"%rm","url":"%ru","status":%>Hs}}
access_log stdio:{folder}/access.log lab
"""
    path = folder / "squid.conf"
    path.write_text(config)
    name = "".join(sign for sign in folder.name if sign.isalnum())[:24]
    return Setup(config, ["squid", "-N", "-n", name, "-f", str(path)], 3128, ["squid", "-v"])


def nginx(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy on 5985. `keepalive` is the size of the upstream pool; without it nginx defaults hold.
    `host` replaces the Host header."""
    keepalive = options.get("keepalive")
    upstream = f"    upstream winrm {{ server {SERVER_IP}:{UPSTREAM_PORT}; keepalive {keepalive}; }}\n" if keepalive else ""
    target = "winrm" if keepalive else f"{SERVER_IP}:{UPSTREAM_PORT}"
    http11 = '            proxy_http_version 1.1;\n            proxy_set_header Connection "";\n' if keepalive else ""
    paths = "".join(f"    {word}_temp_path {folder}/{word};\n" for word in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = f"""daemon off;
worker_processes 1;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
{paths}    log_format lab '{{"client":"$remote_addr:$remote_port","upstream":"$upstream_addr","status":$status}}';
    access_log {folder}/access.log lab;
{upstream}    server {{
        listen 5985;
        client_max_body_size 8m;
        location / {{
            proxy_pass http://{target};
            proxy_set_header Host {options.get("host", "$http_host")};
{http11}        }}
    }}
}}
"""
    path = folder / "nginx.conf"
    path.write_text(config)
    return Setup(config, ["nginx", "-e", f"{folder}/error.log", "-c", str(path)], 5985, ["nginx", "-v"])


def haproxy(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy on 5985, or with `tls` on 5986, where it ends the clients' TLS. `mode` is http or tcp; `extra` are
    further lines of the defaults section."""
    extra = "".join(f"    {line}\n" for line in options.get("extra", ()))
    mode = options.get("mode", "http")
    fields = '"client":"%ci:%cp","upstream":"%bi:%bp"' + (',"status":%ST,"method":"%HM"' if mode == "http" else "")
    port, bind = (5986, f"bind :5986 ssl crt {folder}/proxy.pem") if options.get("tls") else (5985, "bind :5985")
    if options.get("tls"):
        certificate(folder, "proxy", "winrm.lab.example")
    config = f"""global
    log stdout format raw local0
defaults
    mode {mode}
    log global
    log-format '{{{fields}}}'
    timeout connect 5s
    timeout client 30s
    timeout server 30s
{extra}frontend winrm
    {bind}
    default_backend servers
backend servers
    server srv01 {SERVER_IP}:{UPSTREAM_PORT} source {PROXY_OUTSIDE}
"""
    path = folder / "haproxy.cfg"
    path.write_text(config)
    return Setup(config, ["haproxy", "-db", "-f", str(path)], port, ["haproxy", "-v"])


def certificate(folder: Path, name: str, host: str) -> None:
    """A self-signed certificate and its key, in NAME.crt, NAME.key and together in NAME.pem."""
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN={host}"]
    argv += ["-addext", f"subjectAltName=DNS:{host}", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]
    subprocess.run(argv, check=True, capture_output=True)
    (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text())


MITMPROXY_LOG = """
import json

def _name(address):
    return f"{address[0]}:{address[1]}"

def server_connected(data):
    print(json.dumps({"client": _name(data.client.peername), "upstream": _name(data.server.sockname)}), flush=True)
"""


def mitmproxy(folder: Path, options: dict[str, Any]) -> Setup:
    """mitmproxy on 8080, which opens the TLS inside of CONNECT; `upstream` is a proxy to go on to."""
    script = folder / "portlog.py"
    script.write_text(MITMPROXY_LOG)
    program = os.environ.get("LAB_MITMDUMP", "mitmdump")
    argv = [program, "--listen-host", PROXY_INSIDE, "-p", "8080", "--set", f"confdir={folder}/mitm", "--set", "ssl_insecure=true"]
    argv += ["--set", "http2=false", "--set", "connection_strategy=lazy", "--set", "flow_detail=0", "-q", "-s", str(script)]
    argv += ["--mode", f"upstream:http://{options['upstream']}"] if options.get("upstream") else []
    return Setup("No configuration file.\n", argv, 8080, [program, "--version"])


def apache(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy on 5985. `pass_options` follow the ProxyPass target, such as disablereuse=on."""
    modules = ("mpm_event", "authz_core", "proxy", "proxy_http")
    loads = "".join(f"LoadModule {word}_module /usr/lib/apache2/modules/mod_{word}.so\n" for word in modules)
    config = f"""ServerName proxy.lab.example
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Listen 5985
{loads}ServerLimit 1
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
ErrorLog {folder}/error.log
LogFormat "{{\\"client\\":\\"%a:%{{remote}}p\\",\\"status\\":%>s}}" lab
CustomLog {folder}/access.log lab
ProxyPreserveHost On
ProxyPass / http://{SERVER_IP}:{UPSTREAM_PORT}/ {options.get("pass_options", "")}
"""
    path = folder / "apache.conf"
    path.write_text(config)
    return Setup(config, ["apache2", "-DFOREGROUND", "-f", str(path)], 5985, ["apache2", "-v"])


def tinyproxy(folder: Path, _options: dict[str, Any]) -> Setup:
    """A forward proxy on 8888, defaults."""
    config = f"""Port 8888
Timeout 30
MaxClients 20
LogFile "{folder}/tinyproxy.log"
LogLevel Connect
Allow 10.10.1.0/24
"""
    path = folder / "tinyproxy.conf"
    path.write_text(config)
    return Setup(config, ["tinyproxy", "-d", "-c", str(path)], 8888, ["tinyproxy", "-v"])


def privoxy(folder: Path, _options: dict[str, Any]) -> Setup:
    """A forward proxy on 8118 with client keep-alive and connection sharing."""
    config = f"""listen-address 10.10.1.1:8118
confdir {folder}
logdir {folder}
logfile privoxy.log
keep-alive-timeout 10
connection-sharing 1
socket-timeout 30
"""
    path = folder / "privoxy.conf"
    path.write_text(config)
    return Setup(config, ["privoxy", "--no-daemon", str(path)], 8118, ["privoxy", "--version"])


def chained(first: Setup, second: Setup) -> Setup:
    """Two proxies one behind the other, as ORIGIN.md shows them."""
    config = f"{first.config}\nBehind it, on {EDGE_IP}: {shlex.join(second.argv)}\n\n{second.config}"
    return Setup(config, first.argv, first.port, second.version)


PROXIES = {
    "squid": squid,
    "nginx": nginx,
    "haproxy": haproxy,
    "apache": apache,
    "tinyproxy": tinyproxy,
    "privoxy": privoxy,
    "mitmproxy": mitmproxy,
}
