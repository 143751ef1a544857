"""The written parts of a sample: cross-checks with independent decoders, truth.json and ORIGIN.md."""

import json
import shlex
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab import network, pairs, told, views
from lab.capture import CLOCK_SHIFT_S, SHIFTED
from lab.processes import LabError
from lab.scenario import Scenario, open_rules
from lab.setups import Setup

PACKAGES = ("pyspnego", "psrpcore", "pywinrm", "pypsrp", "requests", "requests_ntlm", "requests-credssp", "urllib3")
HTTP_PORTS = (1080, 3127, 3128, 5985, 8080, 8085, 8118, 8888)


def _tshark(path: Path, *words: str) -> list[str]:
    argv = ["tshark", "-n", "-r", str(path), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def tshark_check(path: Path, built: dict[str, Any]) -> str:
    """tshark's requests and statuses against the truth's, per file and with packet counts."""
    decode = ["-o", "tcp.reassemble_out_of_order:TRUE"] + [word for port in HTTP_PORTS for word in ("-d", f"tcp.port=={port},http")]
    requests = _tshark(path, *decode, "-Y", "http.request", "-T", "fields", "-e", "http.request.method")
    # An answer in clear to a ClientHello is the answer to no request.
    tls = ", ".join(str(row["client_port"]) for row in built["connections"] if row["protocol"] == "tls" and not row["in_tunnel"])
    answers = f"http.response && !(tcp.port in {{{tls}}})" if tls else "http.response"
    statuses = _tshark(path, *decode, "-Y", answers, "-T", "fields", "-e", "http.response.code")
    # tshark 4.0 does not look for clear HTTP inside a CONNECT tunnel.
    mine = [row for row in built["exchanges"] if row["capture"] == path.name and not row["in_tunnel"]]
    if any(row.get("socks") or row.get("proxy_header") for row in built["connections"]):
        return f"{path.name}: not asked, since it takes what comes before HTTP for something else"
    methods = Counter(word for line in requests for word in line.split(","))
    codes = Counter(word for line in statuses for word in line.split(",") if not word.startswith("1"))
    # Nor does it name a request of which only the head was sent.
    wanted = Counter(row["method"] for row in mine if row.get("request_complete", True))
    # tshark names no status for a response that was cut off, since it waits for the rest.
    answered = Counter(str(row["status"]) for row in mine if row["status"] is not None and row["response_complete"])
    if methods != wanted or codes != answered:
        msg = f"tshark differs in {path.name}: {methods} {wanted} {codes} {answered}"
        raise LabError(msg)
    return f"{path.name}: {sum(methods.values())} requests, statuses " + ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))


def proxy_pairs(folder: Path) -> Counter[tuple[str, str]]:
    """The pairs of connections that the proxies' own logs name."""
    names = ("access.log", "proxy.out", "edge.out", "badproxy.jsonl")
    logs = [path for path in sorted(folder.rglob("*")) if path.name in names or path.match("proxy-*.out")]
    found: Counter[tuple[str, str]] = Counter()
    for path in logs:
        found.update(pairs.proxy_pairs(path.read_text(errors="replace")) if path.exists() else {})
    return found


def checks(scenario: Scenario, built: dict[str, Any], files: list[Path], logged: Counter[tuple[str, str]]) -> list[str]:
    """One line for each independent source that agreed; a disagreement raises."""
    if scenario.unrelated:
        return [line for path in files for line in _unrelated_check(path)]
    lines = [f"server's JSON log: {built['_server']}"]
    lines += [f"tshark on {tshark_check(path, built)}" for path in files]
    if built["tls_exchanges"]:
        told = Counter(f"{row['client_ip']}:{row['client_port']}" for row in built["tls_exchanges"])
        each = ", ".join(f"{count} of {name}" for name, count in told.items())
        lines.append(f"tshark with tls.keys: {each} inside TLS; those of the server's connections are in its log with the same statuses")
    lines += [built["_opened"]] if built["_opened"] else []
    if scenario.proxy.kind != "none" and scenario.capture != "upstream-pcap" and scenario.link != "translated":
        several = scenario.proxy.kind in ("chain", "beside")
        agreed = pairs.check_proxy(built["_pairs"], built["_counts"], logged, several=several)
        lines.append(f"{scenario.proxy.kind}'s own log: {agreed}")
    return lines


def _unrelated_check(path: Path) -> list[str]:
    """tshark finds no WinRM: neither its ports, nor its paths, nor an authentication."""
    kinds = {"http": "http", "tls": "tls", "dns": "dns"}
    odd = _tshark(path, "-Y", 'tcp.port in {5985,5986} || http.request.uri contains "wsman" || http.authorization || http.www_authenticate')
    if odd:
        msg = f"there is WinRM in {path.name}: {odd[:3]}"
        raise LabError(msg)
    counts = ", ".join(f"{len(_tshark(path, '-Y', kind))} packets of {word}" for word, kind in kinds.items())
    return [f"tshark on {path.name}: {counts}; none on ports 5985 and 5986, no wsman path, no authentication header"]


def truth_text(scenario: Scenario, built: dict[str, Any], names: list[str]) -> str:
    """truth.json."""
    hosts = list(dict.fromkeys(client.host for phase in scenario.phases for client in phase))
    proxied = scenario.proxy.kind != "none"
    offsets = {name: CLOCK_SHIFT_S for name in names if name == SHIFTED and scenario.view != "drift"}
    offsets |= {names[1]: views.OFFSET_S} if scenario.view == "drift" else {}
    document = {
        "name": scenario.name,
        "description": scenario.description,
        "topology": {
            "clients": {host: network.CLIENT_IP6 if scenario.link == "ipv6" else network.CLIENTS[host] for host in hosts},
            "proxy": [network.PROXY_INSIDE, network.PROXY_OUTSIDE] if proxied else None,
            "server": network.SERVER_IP6 if scenario.link == "ipv6" else network.SERVER_IP,
            "proxy_kind": _proxy_kind(scenario) if proxied else None,
            "product": scenario.proxy.kind if proxied else None,
        },
        "captures": names,
        "clock_offset_s": offsets,
        **({"clock_drift": {names[1]: views.DRIFT}} if scenario.view == "drift" else {}),
        **{key: value for key, value in built.items() if not key.startswith("_")},
        **told.document(scenario),
        "expected_rules": list(scenario.expected_rules),
        "forbidden_rules": list(scenario.forbidden_rules),
        "open_rules": list(open_rules(scenario)),
        "healthy": scenario.healthy,
    }
    return json.dumps(document, indent=1) + "\n"


def _proxy_kind(scenario: Scenario) -> str:
    if scenario.proxy.options.get("mode") == "tcp":
        return "layer4"
    if scenario.proxy.kind in ("microsocks", "dante", "socks4a"):
        return "socks"
    if scenario.proxy.options.get("tls") or scenario.proxy.kind in ("hitch", "stunnel"):
        return "tls_terminating"
    return "forward" if scenario.proxy.forward else "reverse"


def _versions(setup: Setup | None) -> list[str]:
    lines = [f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES)]
    for argv in (["tcpdump", "--version"], ["tshark", "--version"], setup.version if setup else []):
        if argv:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            lines.append((done.stdout + done.stderr).strip().splitlines()[0])
    return lines


def _without_folder(text: str, folder: Path) -> str:
    here = str(Path(__file__).resolve().parent.parent)
    return text.replace(str(folder), "FOLDER").replace(sys.executable, "python").replace(here, ".")


def _program(path: str) -> str:
    return "python" if path == sys.executable else Path(path).name


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


def _looked_at(scenario: Scenario) -> str:
    words = [f"view `{scenario.view}`" if scenario.view != "whole" else "", f"link `{scenario.link}`" if scenario.link != "plain" else ""]
    return "".join(f", {word}" for word in words if word)


def page(
    scenario: Scenario,
    results: list[dict[str, Any]],
    setup: Setup | None,
    checked: list[str],
    files: list[Path],
    folder: Path,
) -> str:
    """ORIGIN.md."""
    captured = "\n".join(f"- `{path.name}`, {path.stat().st_size} bytes, {len(_tshark(path))} packets" for path in files)
    clients = _clients(results, folder)
    proxy = "No proxy.\n"
    if setup is not None:
        command = _without_folder(shlex.join([_program(setup.argv[0]), *setup.argv[1:]]), folder)
        proxy = f"`{command}`\n\n```\n{_without_folder(setup.config, folder)}```\n"
    server = scenario.server
    return f"""# {scenario.name}

{scenario.description}
{chr(10) + scenario.notes + chr(10) if scenario.notes else ""}
Made with `python -m lab.run {scenario.name}`: separate network namespaces for clients, proxy and server on one Linux
machine, real programs, real time stamps. No Windows was involved: the server is `lab/server.py` (pyspnego acceptor,
psrpcore for PowerShell). Accounts, keys and hosts exist only in the lab.

## Captures (kind `{scenario.capture}`{_looked_at(scenario)})

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
