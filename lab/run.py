"""`python -m lab.run [NAME...] | --list`: make samples.

Strategy: for each scenario a fresh folder under /tmp, servers first, then the capture, then the clients phase by phase;
the capture stops before the servers do, so that their shutdown is not part of it. Everything started is ended by its own
pid, every wait has a limit, and a sample is written only after all cross-checks agreed.
"""

import importlib
import json
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lab.scenarios
from lab import capture, kerberos, network, origin, proxies, truth
from lab.accounts import password_of, secrets_toml, write_ntlm_users
from lab.processes import Child, LabError, start, stop, wait_until
from lab.scenario import Client, Scenario

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_pcaps"
CLIENT_LIMIT_S = 90.0
SETTLE_S = 0.8
MAX_CAPTURE_BYTES = 1_000_000


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name: every file of lab/scenarios declares one or a tuple of twins."""
    found: dict[str, Scenario] = {}
    for module in pkgutil.iter_modules(lab.scenarios.__path__):
        loaded = importlib.import_module(f"lab.scenarios.{module.name}")
        for scenario in loaded.SCENARIOS:
            found[scenario.name] = scenario
    return found


def _listens(namespace: str, port: int) -> bool:
    argv = network.inside(namespace, "ss", "-Hltn", "sport", "=", f":{port}")
    return bool(subprocess.run(argv, check=True, capture_output=True).stdout)


def _start_server(scenario: Scenario, folder: Path, environment: dict[str, str]) -> Child:
    port = 5986 if scenario.server.tls else 5985
    options: dict[str, Any] = {
        "address": network.SERVER_IP,
        "port": port,
        "schemes": scenario.server.schemes,
        "allow_unencrypted": scenario.server.allow_unencrypted,
        "service": scenario.server.service,
        "anonymous": scenario.server.anonymous,
        "log": str(folder / "server.jsonl"),
        "credssp_keylog": str(folder / "credssp.keys") if "CredSSP" in scenario.server.schemes else None,
    }
    if scenario.server.tls:
        certificate, key = folder / "server.pem", folder / "server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
             "/CN=srv01.lab.example", "-addext", "subjectAltName=DNS:srv01.lab.example",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        options |= {"certificate": str(certificate), "key": str(key), "tls_keylog": str(folder / "tls.keys")}
    (folder / "server.json").write_text(json.dumps(options))
    write_ntlm_users(folder / "ntlm-users")
    script = 'hostname SRV01; exec "$0" -m lab.server "$1"'
    argv = network.inside(network.SERVER, "unshare", "--uts", "sh", "-c", script, sys.executable, str(folder / "server.json"))
    extra = {"NTLM_USER_FILE": str(folder / "ntlm-users"), "PYTHONPATH": str(ROOT), **environment}
    child = start("server", argv, folder, extra)
    wait_until("the server", lambda: _listens(network.SERVER, port), [child])
    return child


def _start_proxy(scenario: Scenario, folder: Path) -> tuple[Child | None, proxies.Setup | None]:
    kind = scenario.proxy.kind
    if kind == "none":
        return None, None
    if kind == "badproxy":
        options = {"log": str(folder / "badproxy.jsonl"), **scenario.proxy.options}
        (folder / "badproxy.json").write_text(json.dumps(options))
        port = 3128 if scenario.proxy.forward else 5985
        argv = [sys.executable, "-m", "lab.badproxy", str(folder / "badproxy.json")]
        setup = proxies.Setup(json.dumps(scenario.proxy.options, indent=2) + "\n", argv, port, [])
    else:
        setup = proxies.PROXIES[kind](folder, scenario.proxy.options)
    child = start("proxy", network.inside(network.PROXY, *setup.argv), folder, {"PYTHONPATH": str(ROOT)})
    wait_until(f"proxy {kind}", lambda: _listens(network.PROXY, setup.port), [child])
    return child, setup


def client_options(scenario: Scenario, client: Client, setup: proxies.Setup | None) -> dict[str, Any]:
    """The action's options with the addresses and the password filled in."""
    options = dict(client.options)
    scheme, port = ("https", 5986) if scenario.server.tls else ("http", 5985)
    host = "srv01.lab.example" if scenario.proxy.forward or setup is None else "winrm.lab.example"
    options |= {"server": host, "port": port, "ssl": scenario.server.tls, "url": f"{scheme}://{host}:{port}/wsman"}
    if scenario.proxy.forward and setup is not None:
        user = options.pop("proxy_user", None)
        login = f"{user}:{password_of(user)}@" if user else ""
        options["proxy"] = f"http://{login}proxy.lab.example:{setup.port}"
    if "username" in options and "password" not in options:
        short = options["username"].split("\\")[-1].split("@")[0]
        options["password"] = password_of(short)
    return options


def _run_phase(scenario: Scenario, phase: tuple[Client, ...], setup: proxies.Setup | None, folder: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    children = []
    for index, client in enumerate(phase):
        name = f"client-{len(list(folder.glob('client-*.json')))}-{index}"
        options = client_options(scenario, client, setup)
        if scenario.kerberos and "username" in options:
            options["ccache"] = True
        path = folder / f"{name}.json"
        path.write_text(json.dumps(options))
        argv = network.inside(network.PREFIX + client.host, sys.executable, "-W", "ignore", "-m", "lab.clients", client.action, str(path))
        extra = {
            "PYTHONPATH": str(ROOT),
            "NETBIOS_COMPUTER_NAME": client.host.upper(),
            "KRB5CCNAME": f"FILE:{folder}/{name}.cc",
            **{key: value for key, value in environment.items() if key == "KRB5_CONFIG"},
        }
        children.append((client, start(name, argv, folder, extra)))
    results = []
    deadline = time.monotonic() + CLIENT_LIMIT_S
    for client, child in children:
        try:
            child.process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            stop(child)
            msg = f"{child.name} took longer than {CLIENT_LIMIT_S} s"
            raise LabError(msg) from None
        text = child.output.read_text()
        if child.process.returncode != 0:
            msg = f"{child.name} failed: {text[-3000:]}"
            raise LabError(msg)
        results.append({"host": client.host, "options": client.options, **json.loads(text.splitlines()[-1])})
    return results


def _play(scenario: Scenario, folder: Path, sample: Path) -> tuple[list[str], list[dict[str, Any]], proxies.Setup | None]:
    """Run everything; the captures' names, the clients' results and the proxy's setup."""
    children: list[Child] = []
    network.set_offload(on=scenario.offload)
    try:
        environment: dict[str, str] = {}
        if scenario.kerberos:
            environment = kerberos.prepare(folder)
            children.append(kerberos.start_kdc(folder, environment))
        if not scenario.server.down:
            children.append(_start_server(scenario, folder, environment))
        proxy, setup = _start_proxy(scenario, folder)
        children += [proxy] if proxy else []
        hosts = list(dict.fromkeys(client.host for phase in scenario.phases for client in phase))
        recording = capture.begin(scenario.capture, hosts, folder)
        children += recording.children
        time.sleep(SETTLE_S)
        results = []
        for phase in scenario.phases:
            results += _run_phase(scenario, phase, setup, folder, environment)
        time.sleep(SETTLE_S)
        names = capture.finish(recording, sample)
        for child in children:
            if child not in recording.children and child.process.poll() is not None:
                msg = f"{child.name} ended during the scenario: {child.output.read_text()[-2000:]}"
                raise LabError(msg)
        return names, results, setup
    finally:
        for child in reversed(children):
            stop(child)


def _keep_secrets(scenario: Scenario, folder: Path, sample: Path) -> None:
    keytabs, keylogs = [], []
    if scenario.kerberos:
        shutil.copy(folder / "http.keytab", sample)
        keytabs.append("http.keytab")
    for name in ("tls.keys", "credssp.keys"):
        if (folder / name).exists():
            shutil.copy(folder / name, sample)
            keylogs.append(name)
    (sample / "secrets.toml").write_text(secrets_toml(list(scenario.users), keytabs, keylogs))


def make(scenario: Scenario) -> Path:
    """Make one sample; it replaces the old one only when every check agreed."""
    folder = Path(tempfile.mkdtemp(prefix=f"wlab-{scenario.name}-"))
    folder.chmod(0o777)
    sample = folder / "sample"
    sample.mkdir()
    names, results, setup = _play(scenario, folder, sample)
    files = [sample / name for name in names]
    for path in files:
        if path.stat().st_size > MAX_CAPTURE_BYTES:
            msg = f"{path.name} has {path.stat().st_size} bytes"
            raise LabError(msg)
    shifts = {name: capture.CLOCK_SHIFT_S if name == capture.SHIFTED else 0.0 for name in names}
    keylog = folder / "tls.keys"
    log = folder / "server.jsonl"
    built = truth.build(files, log, shifts, keylog if keylog.exists() else None, proxied=scenario.proxy.kind != "none")
    _keep_secrets(scenario, folder, sample)
    checks = origin.checks(scenario, built, files, folder)
    (sample / "truth.json").write_text(origin.truth_text(scenario, built, names))
    (sample / "ORIGIN.md").write_text(origin.page(scenario, results, setup, checks, files, folder))
    target = SAMPLES / scenario.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(sample, target)
    shutil.rmtree(folder)
    return target


def main(words: list[str]) -> int:
    """Make the named scenarios, or all."""
    known = scenarios()
    if words == ["--list"]:
        for scenario in known.values():
            print(f"{scenario.name}: {scenario.description}")
        return 0
    unknown = [word for word in words if word not in known]
    if unknown:
        print(f"no such scenario: {', '.join(unknown)}", file=sys.stderr)
        return 2
    failed = 0
    network.up()
    try:
        for name in words or list(known):
            try:
                print(f"{name}: {make(known[name])}", flush=True)
            except (LabError, subprocess.CalledProcessError, ValueError, OSError) as error:
                failed += 1
                print(f"{name}: FAILED {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        network.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
