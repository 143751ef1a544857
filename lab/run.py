"""`python -m lab.run [--out FOLDER] [NAME...] | --list`: make samples.

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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab.scenarios
from lab import capture, kerberos, network, origin, starting, streams, truth, views
from lab.accounts import password_of, secrets_toml
from lab.device import Running
from lab.processes import Child, LabError, start, stop
from lab.scenario import Client, Scenario
from lab.setups import Setup

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


def client_options(scenario: Scenario, client: Client, setup: Setup | None, folder: Path) -> dict[str, Any]:
    """The action's options with the addresses and the password filled in."""
    options = dict(client.options)
    scheme, port = ("https", 5986) if scenario.client_tls else ("http", 5985)
    if setup is not None and not scenario.proxy.forward and scenario.proxy.kind != "badproxy":
        port = setup.port
    host = "srv01.lab.example" if scenario.proxy.forward or setup is None else "winrm.lab.example"
    host = "srv01v6.lab.example" if scenario.link == "ipv6" else host
    host = options.pop("called", host)
    scheme, port, host = options.pop("scheme", scheme), options.pop("port", port), options.pop("host_name", host)
    path = options.pop("path", "/wsman")
    options |= {"server": host, "port": port, "ssl": scheme == "https", "path": path, "url": f"{scheme}://{host}:{port}{path}"}
    if scenario.proxy.forward and setup is not None:
        user = options.pop("proxy_user", None)
        login = f"{user}:{password_of(user)}@" if user else ""
        options["proxy"] = f"{options.pop('proxy_scheme', 'http')}://{login}proxy.lab.example:{setup.port}"
    if scenario.server.certificates and not options.pop("no_certificate", False):
        options |= {"certificate": str(folder / "user.crt"), "certificate_key": str(folder / "user.key")}
    if scenario.proxy.forward and setup is not None and "proxy_password" in options:
        options["proxy_password"] = password_of("proxyuser")
    if "username" in options and "password" not in options:
        short = options["username"].split("\\")[-1].split("@")[0]
        options["password"] = password_of(short)
    return options


def _run_phase(scenario: Scenario, phase: tuple[Client, ...], setup: Setup | None, folder: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    children = []
    for index, client in enumerate(phase):
        name = f"client-{len(list(folder.glob('client-*.json')))}-{index}"
        options = client_options(scenario, client, setup, folder)
        if scenario.kerberos and "username" in options:
            options["ccache"] = True
        path = folder / f"{name}.json"
        path.write_text(json.dumps(options))
        argv = network.inside(network.PREFIX + client.host, sys.executable, "-W", "ignore", "-m", "lab.clients", client.action, str(path))
        extra = {
            "PYTHONPATH": str(ROOT),
            "NETBIOS_COMPUTER_NAME": client.host.upper(),
            "KRB5CCNAME": f"FILE:{folder}/{kerberos.FORGED if options.get('ticket') else f'{name}.cc'}",
            **({"SSLKEYLOGFILE": str(folder / "client-tls.keys")} if scenario.client_tls else {}),
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


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of a scenario's run: the captures' names, what the clients said, the proxy's setup, and where the packets
    of the whole recording are in the view of it (None: where they were)."""

    names: list[str]
    results: list[dict[str, Any]]
    setup: Setup | None
    places: dict[views.Place, views.Place] | None


def _recorded(scenario: Scenario, folder: Path, hosts: list[str]) -> tuple[list[capture.Recording], Child | None]:
    """The recording, its witness, and the view that is a recording of its own."""
    words = "tcp or udp" if scenario.unrelated else "tcp or icmp" if scenario.device else capture.WITH_KDC if scenario.kdc_too else capture.FILTER
    recordings = [capture.begin(scenario.capture, hosts, folder, words)]
    if scenario.witness is not None:
        beside = folder / "witness"
        beside.mkdir()
        recordings.append(capture.begin(scenario.witness, hosts, beside))
    space, interface = {
        "any-sll2": (network.PROXY, "any"),
        "client-any": (network.PREFIX + hosts[0], "any"),
        "upstream-pcap": (network.PROXY, network.SERVER_PORT),
    }.get(scenario.capture, (network.PREFIX + hosts[0], "eth0"))
    return recordings, views.begin(scenario.view, space, interface, folder)


@contextmanager
def _surroundings(scenario: Scenario) -> Iterator[Running | None]:
    """The network as the scenario wants it, and as it was afterwards; yields the device on the path."""
    network.set_offload(on=scenario.offload)
    switches: dict[str, Callable[..., None]] = {"ipv6": network.set_ipv6, "translated": network.set_translation}
    change = switches.get(scenario.link)
    if change is not None:
        change(on=True)
    device = Running(scenario.device) if scenario.device else None
    try:
        yield device
    finally:
        if device is not None:
            device.stop()
            # Connections that nobody answered any more are still tried by their kernels: they would get into the next capture.
            network.up()
        if scenario.link in ("vlan", "unreliable"):
            network.remove_switch()
        if change is not None:
            change(on=False)


def _play(scenario: Scenario, folder: Path, sample: Path) -> Played:
    """Run everything; the recordings end before the servers do."""
    children: list[Child] = []
    with _surroundings(scenario) as device:
        try:
            return _played(scenario, folder, sample, device, children)
        finally:
            for child in reversed(children):
                stop(child)


def _played(scenario: Scenario, folder: Path, sample: Path, device: Running | None, children: list[Child]) -> Played:
    started, environment, setup = starting.everything(scenario, folder)
    children += started
    hosts = list(dict.fromkeys(client.host for phase in scenario.phases for client in phase))
    recordings, view = _recorded(scenario, folder, hosts)
    recorders = [child for recording in recordings for child in recording.children] + ([view] if view else [])
    children += recorders
    time.sleep(SETTLE_S)
    results = []
    for number, phase in enumerate(scenario.phases):
        if device is not None:
            device.phase(number)
        results += _run_phase(scenario, phase, setup, folder, environment)
    time.sleep(SETTLE_S)
    names = capture.finish(recordings[0], sample)
    for recording in recordings[1:]:
        (folder / "seen-by-witness").mkdir()
        capture.finish(recording, folder / "seen-by-witness")
    if view is not None:
        capture.end(view)
    for child in children:
        if child not in recorders and child.process.poll() is not None:
            msg = f"{child.name} ended during the scenario: {child.output.read_text()[-2000:]}"
            raise LabError(msg)
    places = views.finish(scenario.view, names, folder, sample)
    return Played(places[0], results, setup, places[1])


def _keep_secrets(scenario: Scenario, folder: Path, sample: Path) -> None:
    keytabs, keylogs = [], []
    if scenario.kerberos:
        shutil.copy(folder / "http.keytab", sample)
        keytabs.append("http.keytab")
    logs = [path for name in ("server", "client", "proxy") if (path := folder / f"{name}-tls.keys").exists()]
    lines = dict.fromkeys(line for path in logs for line in path.read_text().splitlines() if line and not line.startswith("#"))
    if lines:
        (folder / "tls.keys").write_text("\n".join(lines) + "\n")
    for name in ("tls.keys", "credssp.keys"):
        if (folder / name).exists():
            shutil.copy(folder / name, sample)
            keylogs.append(name)
    if scenario.unrelated:
        return
    (sample / "secrets.toml").write_text(secrets_toml(list(scenario.users), keytabs, keylogs))


def _witnessed(found: list[streams.Connection], folder: Path) -> str | None:
    """Compare the exchanges of the recording with those that another recording elsewhere shows."""

    def told(connection: streams.Connection) -> list[tuple[object, ...]]:
        return [(x.method, x.target, x.status, x.body_sha256) for x in connection.exchanges]

    files = sorted((folder / "seen-by-witness").glob("*"))
    theirs = {c.name: told(c) for path in files for c in streams.connections(path, path.name) if c.exchanges}
    mine = {c.name: told(c) for c in found if c.name in theirs}
    if mine != theirs:
        msg = f"the witness saw other exchanges: {sorted(set(mine) ^ set(theirs))}"
        raise LabError(msg)
    return f"a second recording on the client: {sum(map(len, theirs.values()))} exchanges with their bodies' digests equal" if theirs else None


def make(scenario: Scenario, samples: Path) -> Path:
    """Make one sample; it replaces the old one only when every check agreed."""
    folder = Path(tempfile.mkdtemp(prefix=f"wlab-{scenario.name}-"))
    folder.chmod(0o777)
    sample = folder / "sample"
    sample.mkdir()
    played = _play(scenario, folder, sample)
    files = [sample / name for name in played.names]
    for path in files:
        if path.stat().st_size > MAX_CAPTURE_BYTES:
            msg = f"{path.name} has {path.stat().st_size} bytes"
            raise LabError(msg)
    _keep_secrets(scenario, folder, sample)
    whole = sorted((folder / "whole").glob("*")) or files
    shifts = {path.name: capture.CLOCK_SHIFT_S if path.name == capture.SHIFTED else 0.0 for path in whole}
    keylog = sample / "tls.keys"
    logged = Counter() if scenario.link == "translated" else origin.proxy_pairs(folder)
    sources = truth.Sources(
        whole, shifts, folder / "server.jsonl", keylog if keylog.exists() else None, scenario.proxy.kind != "none", logged,
        scenario.ambiguous, scenario.unrelated, scenario.device is not None and scenario.device.does == "redirect",
    )  # fmt: skip
    built = truth.build(sources)
    checks = origin.checks(scenario, built, whole, logged)
    checks += [line] if (line := _witnessed(built["_connections"], folder)) else []
    checks += [f"lab/views.py: each of the {len(played.places)} packets kept is one of the whole recording"] if played.places else []
    views.seen(built, scenario.view, played.places, built["_connections"])
    if scenario.view == "midstream":
        checks += [f"tshark on what was kept, {origin.tshark_check(path, built)}" for path in files]
    (sample / "truth.json").write_text(origin.truth_text(scenario, built, played.names))
    (sample / "ORIGIN.md").write_text(origin.page(scenario, played.results, played.setup, checks, files, folder))
    target = samples / scenario.name
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
    samples = SAMPLES
    if words[:1] == ["--out"] and len(words) > 1:
        samples, words = Path(words[1]), words[2:]
        samples.mkdir(parents=True, exist_ok=True)
    unknown = [word for word in words if word not in known]
    if unknown:
        print(f"no such scenario: {', '.join(unknown)}", file=sys.stderr)
        return 2
    failed = 0
    network.up()
    try:
        for name in words or list(known):
            try:
                print(f"{name}: {make(known[name], samples)}", flush=True)
            except (LabError, subprocess.CalledProcessError, ValueError, OSError) as error:
                failed += 1
                print(f"{name}: FAILED {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        network.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
