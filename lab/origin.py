"""The written parts of a sample: cross-checks with independent decoders, truth.json and ORIGIN.md."""

import json
import shlex
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab import network, proxies, truth
from lab.capture import CLOCK_SHIFT_S, SHIFTED
from lab.processes import LabError
from lab.scenario import Scenario, open_rules

PACKAGES = ("pyspnego", "psrpcore", "pywinrm", "pypsrp", "requests", "requests_ntlm", "requests-credssp", "urllib3")
HTTP_PORTS = (3128, 5985, 8118, 8888)


def _tshark(path: Path, *words: str) -> list[str]:
    argv = ["tshark", "-n", "-r", str(path), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def _tshark_check(path: Path, built: dict[str, Any]) -> str:
    """tshark's requests and statuses against the truth's, per file and with packet counts."""
    decode = [word for port in HTTP_PORTS for word in ("-d", f"tcp.port=={port},http")]
    requests = _tshark(path, *decode, "-Y", "http.request", "-T", "fields", "-e", "http.request.method")
    statuses = _tshark(path, *decode, "-Y", "http.response", "-T", "fields", "-e", "http.response.code")
    # tshark 4.0 does not look for clear HTTP inside a CONNECT tunnel.
    mine = [row for row in built["exchanges"] if row["capture"] == path.name and not row["in_tunnel"]]
    methods = Counter(word for line in requests for word in line.split(","))
    codes = Counter(word for line in statuses for word in line.split(","))
    wanted = Counter(row["method"] for row in mine)
    # tshark names no status for a response that was cut off, since it waits for the rest.
    answered = Counter(str(row["status"]) for row in mine if row["status"] is not None and row["response_complete"])
    if methods != wanted or codes != answered:
        msg = f"tshark differs in {path.name}: {methods} {wanted} {codes} {answered}"
        raise LabError(msg)
    return f"{path.name}: {sum(methods.values())} requests, statuses " + ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))


def checks(scenario: Scenario, built: dict[str, Any], files: list[Path], folder: Path) -> list[str]:
    """One line for each independent source that agreed; a disagreement raises."""
    lines = [f"server's JSON log: {built['_server']}"]
    lines += [f"tshark on {_tshark_check(path, built)}" for path in files]
    lines += [built["_opened"]] if built["_opened"] else []
    if scenario.proxy.kind != "none" and scenario.capture != "upstream-pcap":
        logs = [folder / "access.log", folder / "proxy.out", folder / "badproxy.jsonl"]
        log = next((path for path in logs if path.exists() and '{"client"' in path.read_text(errors="replace")), logs[0])
        lines.append(f"{scenario.proxy.kind}'s own log: {truth.check_proxy(built['_pairs'], log)}")
    return lines


def truth_text(scenario: Scenario, built: dict[str, Any], names: list[str]) -> str:
    """truth.json."""
    hosts = list(dict.fromkeys(client.host for phase in scenario.phases for client in phase))
    proxied = scenario.proxy.kind != "none"
    document = {
        "name": scenario.name,
        "description": scenario.description,
        "topology": {
            "clients": {host: network.CLIENTS[host] for host in hosts},
            "proxy": [network.PROXY_INSIDE, network.PROXY_OUTSIDE] if proxied else None,
            "server": network.SERVER_IP,
            "proxy_kind": ("forward" if scenario.proxy.forward else "reverse") if proxied else None,
            "product": scenario.proxy.kind if proxied else None,
        },
        "captures": names,
        "clock_offset_s": {name: CLOCK_SHIFT_S for name in names if name == SHIFTED},
        **{key: value for key, value in built.items() if not key.startswith("_")},
        "expected_rules": list(scenario.expected_rules),
        "forbidden_rules": list(scenario.forbidden_rules),
        "open_rules": list(open_rules(scenario)),
        "healthy": scenario.healthy,
    }
    return json.dumps(document, indent=1) + "\n"


def _versions(setup: proxies.Setup | None) -> list[str]:
    lines = [f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES)]
    for argv in (["tcpdump", "--version"], ["tshark", "--version"], setup.version if setup else []):
        if argv:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            lines.append((done.stdout + done.stderr).strip().splitlines()[0])
    return lines


def _without_folder(text: str, folder: Path) -> str:
    return text.replace(str(folder), "FOLDER").replace(sys.executable, "python")


def _clients(results: list[dict[str, Any]], folder: Path) -> str:
    clients = ""
    for result in results:
        options = {key: value for key, value in result["options"].items() if key != "password"}
        clients += f"- {result['host']}: `{result['action']}` {json.dumps(options)}\n"
        for step in result["steps"]:
            outcome = step.get("error", step.get("result"))
            word = "failed: " if "error" in step else ""
            clients += f"    - {step['what']}: {word}{_without_folder(str(outcome), folder)}\n"
    return clients


def page(
    scenario: Scenario,
    results: list[dict[str, Any]],
    setup: proxies.Setup | None,
    checked: list[str],
    files: list[Path],
    folder: Path,
) -> str:
    """ORIGIN.md."""
    captured = "\n".join(f"- `{path.name}`, {path.stat().st_size} bytes, {len(_tshark(path))} packets" for path in files)
    clients = _clients(results, folder)
    proxy = "No proxy.\n"
    if setup is not None:
        command = _without_folder(shlex.join(setup.argv), folder)
        proxy = f"`{command}`\n\n```\n{_without_folder(setup.config, folder)}```\n"
    server = scenario.server
    return f"""# {scenario.name}

{scenario.description}
{chr(10) + scenario.notes + chr(10) if scenario.notes else ""}
Made with `python -m lab.run {scenario.name}`: separate network namespaces for clients, proxy and server on one Linux
machine, real programs, real time stamps. No Windows was involved: the server is `lab/server.py` (pyspnego acceptor,
psrpcore for PowerShell). Accounts, keys and hosts exist only in the lab.

## Captures (kind `{scenario.capture}`)

{captured}

## Server

Schemes {", ".join(server.schemes)}; unencrypted messages {"allowed" if server.allow_unencrypted else "refused"}; \
{"HTTPS on 5986" if server.tls else "HTTP on 5985"}.

## Proxy

{proxy}
## Clients and what came back

{clients}
## How the truth was obtained

`truth.json` comes from the capture itself by in-order reassembly (`lab/streams.py`, packet numbers by tshark) and
`lab/truth.py`. It agreed with:

{chr(10).join("- " + line for line in checked)}

The capture programs reported no dropped packets. Expected and forbidden rules were judged from these logs and the
conditions of each rule, not from the analyzer's output.

## Versions

{chr(10).join("- " + line for line in _versions(setup))}
"""
