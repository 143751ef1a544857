"""Starts a scenario's server, proxies and switch, in the order they need each other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab import background, kerberos, network, proxies
from lab.accounts import write_ntlm_users
from lab.processes import Child, start, stop, wait_until
from lab.scenario import Scenario
from lab.setups import Setup, certificate, expired_certificate

ROOT = Path(__file__).resolve().parent.parent


def listens(namespace: str, port: int) -> bool:
    """Whether something accepts connections there."""
    argv = network.inside(namespace, "ss", "-Hltn", "sport", "=", f":{port}")
    return bool(subprocess.run(argv, check=True, capture_output=True).stdout)


def server(scenario: Scenario, folder: Path, environment: dict[str, str]) -> Child:
    """The WinRM server."""
    port = 5986 if scenario.server.tls else 5985
    options: dict[str, Any] = {
        "address": network.SERVER_IP6 if scenario.link == "ipv6" else network.SERVER_IP,
        "port": port,
        "schemes": scenario.server.schemes,
        "allow_unencrypted": scenario.server.allow_unencrypted,
        "service": scenario.server.service,
        "anonymous": scenario.server.anonymous,
        "idle_limit_s": scenario.server.idle_limit_s,
        "conduct": scenario.server.conduct,
        "log": str(folder / "server.jsonl"),
        "credssp_keylog": str(folder / "credssp.keys") if "CredSSP" in scenario.server.schemes else None,
    }
    if scenario.server.tls:
        (expired_certificate if scenario.server.expired else certificate)(folder, "server", "srv01.lab.example")
        options |= {
            "certificate": str(folder / "server.crt"),
            "key": str(folder / "server.key"),
            "tls_keylog": str(folder / "server-tls.keys"),
        }
    if scenario.server.certificates:
        certificate(folder, "user", scenario.users[0])
        options["authority"] = str(folder / "user.crt")
    (folder / "server.json").write_text(json.dumps(options))
    write_ntlm_users(folder / "ntlm-users")
    script = 'hostname SRV01; exec "$0" -m lab.server "$1"'
    argv = network.inside(network.SERVER, "unshare", "--uts", "sh", "-c", script, sys.executable, str(folder / "server.json"))
    extra = {"NTLM_USER_FILE": str(folder / "ntlm-users"), "PYTHONPATH": str(ROOT), **environment}
    child = start("server", argv, folder, extra)
    wait_until("the server", lambda: listens(network.SERVER, port), [child])
    return child


def _proxy(name: str, namespace: str, setup: Setup, folder: Path) -> Child:
    environment = {"PYTHONPATH": str(ROOT), "SSLKEYLOGFILE": str(folder / "proxy-tls.keys")}
    child = start(name, network.inside(namespace, *setup.argv), folder, environment)
    wait_until(name, lambda: listens(namespace, setup.port), [child])
    return child


def _chain(scenario: Scenario, folder: Path) -> tuple[list[Child], Setup]:
    """Two proxies in a row: mitmproxy in front of squid, or what the options name."""
    if not scenario.proxy.options:
        first = proxies.mitmproxy(folder, {"upstream": "edge.lab.example:3128"})
        second = proxies.squid(folder, {})
    else:
        behind = folder / "behind"
        behind.mkdir()
        behind.chmod(0o777)
        kind, options = scenario.proxy.options["second"]
        second = proxies.PROXIES[kind](behind, {"source": network.EDGE_IP, **options})
        kind, options = scenario.proxy.options["first"]
        first = proxies.PROXIES[kind](folder, {"target": f"{network.EDGE_IP}:{second.port}", "source": network.EDGE_ROUTER, **options})
    edge = _proxy("edge", network.EDGE, second, folder)
    return [_proxy("proxy", network.PROXY, first, folder), edge], proxies.chained(first, second)


def _beside(scenario: Scenario, folder: Path) -> tuple[list[Child], Setup]:
    """Several products on one host, each on ports of its own."""
    children, setups = [], []
    for kind, options in scenario.proxy.options["each"]:
        own = folder / f"proxy-{kind}"
        own.mkdir()
        own.chmod(0o777)
        setups.append(proxies.PROXIES[kind](own, options))
        children.append(_proxy(f"proxy-{kind}", network.PROXY, setups[-1], folder))
    config = "\n\n".join(f"Port {setup.port}:\n\n{setup.config}" for setup in setups)
    return children, Setup(config, setups[0].argv, setups[0].port, setups[0].version)


def proxy(scenario: Scenario, folder: Path) -> tuple[list[Child], Setup | None]:
    """The scenario's proxies, and how the clients' one is set up."""
    kind = scenario.proxy.kind
    if kind == "none":
        return [], None
    if kind in ("chain", "beside"):
        return (_chain if kind == "chain" else _beside)(scenario, folder)
    if kind == "badproxy":
        options = {"log": str(folder / "badproxy.jsonl"), **scenario.proxy.options}
        (folder / "badproxy.json").write_text(json.dumps(options))
        port = 3128 if scenario.proxy.forward else 5985
        argv = [sys.executable, "-m", "lab.badproxy", str(folder / "badproxy.json")]
        setup = Setup(json.dumps(scenario.proxy.options, indent=2) + "\n", argv, port, [])
    else:
        setup = proxies.PROXIES[kind](folder, scenario.proxy.options)
    if scenario.proxy.options.get("client"):
        hosts = dict.fromkeys(client.host for phase in scenario.phases for client in phase)
        return [_proxy("proxy", network.PREFIX + host, setup, folder) for host in hosts], setup
    return [_proxy("proxy", network.PROXY, setup, folder)], setup


def switch(scenario: Scenario, folder: Path) -> Child:
    """The software switch between wks01 and its router."""
    vlan = scenario.link == "vlan"
    network.insert_switch(vlan=vlan)
    options = {"vlan": 42} if vlan else {"loss": 0.015, "duplicate": 0.01, "late": 0.02, "seed": 5}
    (folder / "switch.json").write_text(json.dumps(options))
    argv = network.inside(network.SWITCH, sys.executable, "-m", "lab.softswitch", str(folder / "switch.json"))
    child = start("switch", argv, folder, {"PYTHONPATH": str(ROOT)})
    wait_until("the switch", lambda: "ready" in child.output.read_text(), [child])
    return child


def everything(scenario: Scenario, folder: Path) -> tuple[list[Child], dict[str, str], Setup | None]:
    """Servers, switch and proxy."""
    children: list[Child] = []
    environment: dict[str, str] = {}
    try:
        if scenario.link in ("vlan", "unreliable"):
            children.append(switch(scenario, folder))
        if scenario.kerberos:
            environment = kerberos.prepare(folder)
            children.append(kerberos.start_kdc(folder, environment))
            if scenario.forged:
                kerberos.forged_ticket(folder, environment)
        if not scenario.server.down and not scenario.server.absent:
            children.append(server(scenario, folder, environment))
        if scenario.server.absent:
            children.append(background.start_servers(folder))
        found, setup = proxy(scenario, folder)
    except BaseException:
        for child in reversed(children):
            stop(child)
        raise
    return [*children, *found], environment, setup
