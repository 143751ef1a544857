"""Configuration of real proxies and the command that runs each in the foreground.

Every function returns the configuration text (also printed into ORIGIN.md), the command and the port that clients use.
Each proxy gets its own folder for logs, sockets and temporary files.
"""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from lab.accounts import PROXY_ACCOUNT
from lab.balancers import BALANCERS
from lab.network import EDGE_IP, PROXY_INSIDE, PROXY_OUTSIDE
from lab.setups import Setup, certificate, target_of
from lab.wrappers import WRAPPERS


def squid(folder: Path, options: dict[str, Any]) -> Setup:
    """A forward proxy on 3128. `extra` are further configuration lines; `auth` is 'basic' or 'ntlm' for proxy authentication,
    `block_winrm` denies the WinRM ports, `port_options` follow http_port; with `intercept` it takes what the router redirects to
    its port 3129."""
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
    intercept = "http_port 3129 intercept\n" if options.get("intercept") else ""
    config = f"""http_port 3128 {options.get("port_options", "")}
{intercept}visible_hostname proxy.lab.example
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
    name = "".join(sign for sign in str(folder) if sign.isalnum())[-24:]
    return Setup(config, ["squid", "-N", "-n", name, "-f", str(path)], 3128, ["squid", "-v"])


def nginx(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy on 5985. `keepalive` is the size of the upstream pool; without it nginx defaults hold. `host` replaces the
    Host header, `listen` are the listening addresses and ports, `tls` ends the clients' TLS, `prefix` is a path that is taken away,
    `extra` are further lines of the location, `pool` of the upstream block."""
    host, port = target_of(options)
    keepalive = options.get("keepalive")
    pool = "".join(f" {line}" for line in options.get("pool", ()))
    upstream = f"    upstream winrm {{ server {host}:{port}; keepalive {keepalive};{pool} }}\n" if keepalive else ""
    target = "winrm" if keepalive else f"{host}:{port}"
    http11 = '            proxy_http_version 1.1;\n            proxy_set_header Connection "";\n' if keepalive else ""
    http11 += "".join(f"            {line}\n" for line in options.get("extra", ()))
    paths = "".join(f"    {word}_temp_path {folder}/{word};\n" for word in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    listening = options.get("listen", ("5985",))
    secured = " ssl" if options.get("tls") else ""
    listens = "".join(f"        listen {place}{secured};\n" for place in listening)
    if secured:
        certificate(folder, "proxy", "winrm.lab.example")
        listens += f"        ssl_certificate {folder}/proxy.crt;\n        ssl_certificate_key {folder}/proxy.key;\n"
    prefix = options.get("prefix", "")
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
{listens}        client_max_body_size 8m;
        location {prefix}/ {{
            proxy_pass http://{target}{"/" if prefix else ""};
            proxy_set_header Host {options.get("host", "$http_host")};
{http11}        }}
    }}
}}
"""
    path = folder / "nginx.conf"
    path.write_text(config)
    return Setup(config, ["nginx", "-e", f"{folder}/error.log", "-c", str(path)], int(listening[0].rpartition(":")[2]), ["nginx", "-v"])


def haproxy(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy on 5985, or with `tls` on 5986, where it ends the clients' TLS. `mode` is http or tcp; `extra` are
    further lines of the defaults section, `header` is send-proxy or send-proxy-v2, `binds` are the listening addresses and ports,
    `server` are further words of the server line."""
    host, target_port = target_of(options)
    extra = "".join(f"    {line}\n" for line in options.get("extra", ()))
    mode = options.get("mode", "http")
    fields = '"client":"%ci:%cp","upstream":"%bi:%bp"' + (',"status":%ST,"method":"%HM"' if mode == "http" else "")
    binds = options.get("binds", (":5986" if options.get("tls") else ":5985",))
    secured = f" ssl crt {folder}/proxy.pem" if options.get("tls") else ""
    port, bind = int(binds[0].rpartition(":")[2]), "\n    ".join(f"bind {place}{secured}" for place in binds)
    words = "".join(f" {word}" for word in (options.get("header"), options.get("server")) if word)
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
    server srv01 {host}:{target_port} source {options.get("source", PROXY_OUTSIDE)}{words}
"""
    path = folder / "haproxy.cfg"
    path.write_text(config)
    return Setup(config, ["haproxy", "-db", "-f", str(path)], port, ["haproxy", "-v"])


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
    host, port = target_of(options)
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
ProxyPass / http://{host}:{port}/ {options.get("pass_options", "")}
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
    **BALANCERS,
    **WRAPPERS,
}
