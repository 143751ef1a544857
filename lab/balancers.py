"""More proxies: accelerators, web servers and libraries that people put in front of WinRM.

As in lab.proxies every function returns a `Setup`; `options["target"]` is "host:port" of the next hop, `options["port"]` where
the proxy listens. Those that can log the port of their upstream connection do so; the others leave it to the capture.
"""

import os
from pathlib import Path
from typing import Any

from lab.setups import Setup, target_of


def varnish(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy. Everything is passed, nothing cached; upstream connections are pooled, as is Varnish's default.
    `idle_s` is its backend_idle_timeout, `extra` are further lines of the back end."""
    host, port = target_of(options)
    extra = "".join(f"    {line}\n" for line in options.get("extra", ()))
    config = f"""vcl 4.1;
backend srv01 {{
    .host = "{host}";
    .port = "{port}";
{extra}}}
sub vcl_recv {{
    return (pass);
}}
"""
    path = folder / "default.vcl"
    path.write_text(config)
    argv = [
        "varnishd",
        "-F",
        "-n",
        str(folder / "varnish"),
        "-a",
        f":{options.get('port', 5985)}",
        "-f",
        str(path),
        "-s",
        "default,16m",
    ]
    argv += [
        "-p",
        "feature=+http2",
        "-p",
        f"backend_idle_timeout={options.get('idle_s', 60)}",
        "-p",
        "vsl_space=4M",
        "-j",
        "none",
    ]
    return Setup(config, argv, options.get("port", 5985), ["varnishd", "-V"])


def caddy(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy with Go's pool of upstream connections; adds X-Forwarded-For. `prefix` is a path that it takes away,
    `host` replaces the Host header, `tls` ends the clients' TLS, `extra` are lines of the transport."""
    host, port = target_of(options)
    lines = "".join(f"                {line}\n" for line in options.get("extra", ()))
    own = f"            header_up Host {options['host']}\n" if options.get("host") else ""
    where = f"handle_path {options['prefix']}/*" if options.get("prefix") else "handle"
    config = f"""{{
    admin off
    auto_https off
    storage file_system {folder}/caddy
}}
http://:{options.get("port", 5985)} {{
    {where} {{
        reverse_proxy {host}:{port} {{
{own}            transport http {{
                compression off
{lines}            }}
        }}
    }}
}}
"""
    path = folder / "Caddyfile"
    path.write_text(config)
    argv = ["env", f"HOME={folder}", "caddy", "run", "--config", str(path), "--adapter", "caddyfile"]
    return Setup(config, argv, options.get("port", 5985), ["caddy", "version"])


def h2o(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy. `keepalive_ms` is how long upstream connections stay in its pool (0: none is kept)."""
    host, port = target_of(options)
    config = f"""user: root
pid-file: {folder}/h2o.pid
error-log: {folder}/h2o.log
num-threads: 1
listen:
  port: {options.get("port", 5985)}
proxy.preserve-host: ON
proxy.timeout.keepalive: {options.get("keepalive_ms", 2000)}
proxy.timeout.io: {options.get("io_ms", 30000)}
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: "http://{host}:{port}/"
"""
    path = folder / "h2o.conf"
    path.write_text(config)
    return Setup(config, ["h2o", "-m", "worker", "-c", str(path)], options.get("port", 5985), ["h2o", "--version"])


def nghttpx(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy. `keepalive_s` is how long upstream connections stay in its pool."""
    host, port = target_of(options)
    config = f"""frontend=*,{options.get("port", 5985)};no-tls
backend={host},{port}
workers=1
backend-keep-alive-timeout={options.get("keepalive_s", 2)}s
errorlog-file={folder}/error.log
accesslog-file=/dev/null
pid-file={folder}/nghttpx.pid
"""
    path = folder / "nghttpx.conf"
    path.write_text(config)
    return Setup(config, ["nghttpx", f"--conf={path}"], options.get("port", 5985), ["nghttpx", "--version"])


def lighttpd(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy that asks its back end with HTTP/1.0 and a new connection for each request."""
    host, port = target_of(options)
    config = f"""server.modules = ("mod_proxy")
server.document-root = "{folder}"
server.port = {options.get("port", 5985)}
server.errorlog = "{folder}/error.log"
server.stream-request-body = 0
proxy.server = ("" => (("host" => "{host}", "port" => {port})))
"""
    path = folder / "lighttpd.conf"
    path.write_text(config)
    return Setup(config, ["lighttpd", "-D", "-f", str(path)], options.get("port", 5985), ["lighttpd", "-v"])


def trafficserver(folder: Path, options: dict[str, Any]) -> Setup:
    """A reverse proxy. Upstream connections with connection-based authentication are given to nobody else, its default, and none is
    kept for its own client either (`auth_server_session_private`). `extra` are further records."""
    host, port = target_of(options)
    listen = options.get("port", 5985)
    extra = "".join(f"CONFIG {line}\n" for line in options.get("extra", ()))
    records = f"""CONFIG proxy.config.http.server_ports STRING {listen}
CONFIG proxy.config.reverse_proxy.enabled INT 1
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
CONFIG proxy.config.http.cache.http INT 0
CONFIG proxy.config.http.insert_response_via_str INT 1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.dns.nameservers STRING 127.0.0.1
{extra}"""
    remap = f"map http://winrm.lab.example:{listen}/ http://{host}:{port}/\nmap / http://{host}:{port}/\n"
    for name in ("etc", "var", "log", "run", "cache"):
        (folder / name).mkdir()
    (folder / "etc/records.config").write_text(records)
    (folder / "etc/remap.config").write_text(remap)
    (folder / "etc/storage.config").write_text(f"{folder}/cache 16M\n")
    (folder / "etc/plugin.config").write_text("")
    (folder / "etc/ip_allow.yaml").write_text("ip_allow:\n  - apply: in\n    ip_addrs: 0/0\n    action: allow\n    methods: ALL\n")
    (folder / "runroot.yaml").write_text(
        f"prefix: {folder}\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\nsysconfdir: {folder}/etc\ndatadir: /usr/share/trafficserver\n"
        f"includedir: /usr/include\nlibdir: /usr/lib\nlibexecdir: /usr/lib/trafficserver/modules\nlocalstatedir: {folder}/var\n"
        f"runtimedir: {folder}/run\nlogdir: {folder}/log\ncachedir: {folder}/cache\n"
    )
    argv = ["traffic_server", f"--run-root={folder}/runroot.yaml"]
    return Setup(records + "\n" + remap, argv, listen, ["traffic_server", "-V"])


NODE = """
const http = require('http'), httpProxy = require('http-proxy')
const agent = KEEP ? new http.Agent({keepAlive: true, maxSockets: SOCKETS}) : undefined
const proxy = httpProxy.createProxyServer({target: 'http://TARGET', agent, xfwd: true})
proxy.on('proxyRes', (answer, request) => {
  const near = request.socket, far = answer.socket
  console.log(JSON.stringify({client: `${near.remoteAddress}:${near.remotePort}`, upstream: `${far.localAddress}:${far.localPort}`, status: answer.statusCode}))
})
proxy.on('error', (error, request, answer) => { if (answer.writeHead) { answer.writeHead(502); answer.end('Bad Gateway') } })
http.createServer((request, answer) => proxy.web(request, answer)).listen(PORT, '0.0.0.0')
"""


def node(folder: Path, options: dict[str, Any]) -> Setup:
    """npm's http-proxy. `sockets` is the size of a pool of upstream connections; without it each request has a connection of its
    own that is closed afterwards, the library's default."""
    host, port = target_of(options)
    sockets = options.get("sockets")
    words = {
        "KEEP": "true" if sockets else "false",
        "SOCKETS": str(sockets or 0),
        "TARGET": f"{host}:{port}",
        "PORT": str(options.get("port", 5985)),
    }
    script = NODE
    for word, value in words.items():
        script = script.replace(word, value)
    path = folder / "proxy.js"
    path.write_text(script)
    argv = ["env", f"NODE_PATH={os.environ.get('NODE_PATH', '/usr/share/nodejs')}", "node", str(path)]
    return Setup(script, argv, options.get("port", 5985), ["node", "--version"])


BALANCERS = {
    "varnish": varnish,
    "caddy": caddy,
    "h2o": h2o,
    "nghttpx": nghttpx,
    "lighttpd": lighttpd,
    "trafficserver": trafficserver,
    "node": node,
}
