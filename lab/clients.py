"""Real WinRM clients, run inside a client's namespace: `python -m lab.clients ACTION OPTIONS.json`.

Each action prints one JSON object: what was asked for and what came back or failed. A failure is a result here, since
many scenarios are about failing.
"""

import base64
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import requests
import winrm.exceptions
from pypsrp.client import Client
from pypsrp.exceptions import WinRMError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan
from spnego.exceptions import SpnegoError
from winrm.protocol import Protocol

from lab import cimclient, eventsource, rawclient, talkers, transfers
from lab.envelopes import ENVELOPE, IDENTIFY, SHELL_URI

FAILURES = (
    WinRMError,
    winrm.exceptions.WinRMError,
    winrm.exceptions.WinRMTransportError,
    SpnegoError,
    requests.RequestException,
    OSError,
    ValueError,
    AttributeError,  # pywinrm, when a request that nobody authenticated is answered 200
)
Step = dict[str, Any]


def _tried(what: str, call: Callable[[], Any]) -> Step:
    try:
        return {"what": what, "result": call()}
    except FAILURES as error:
        return {"what": what, "error": f"{type(error).__name__}: {error}"[:400]}


def pywinrm(options: dict[str, Any]) -> list[Step]:
    """pywinrm: one shell on one connection, some commands. `attempts` repeats the whole with a new connection."""
    steps: list[Step] = []
    for _ in range(options.get("attempts", 1)):
        steps += _pywinrm_session(options)
        time.sleep(options.get("pause_s", 0.0))
    return steps


def _pywinrm_session(options: dict[str, Any]) -> list[Step]:
    certificate = {"cert_pem": options["certificate"], "cert_key_pem": options["certificate_key"]} if "certificate" in options else {}
    protocol = Protocol(
        **certificate,
        endpoint=options["url"],
        transport=options.get("auth", "ntlm"),
        username=options.get("username"),
        password=options.get("password"),
        proxy=options.get("proxy"),
        message_encryption=options.get("encryption", "auto"),
        server_cert_validation="validate" if options.get("verify") else "ignore",
        operation_timeout_sec=options.get("operation_timeout_s", 10),
        read_timeout_sec=options.get("read_timeout_s", 15),
    )
    steps = [_tried("open shell", protocol.open_shell)]
    if "result" in steps[0]:
        shell_id = steps[0]["result"]
        for command in options.get("commands", ()):
            steps.append(_tried(command, partial(_pywinrm_command, protocol, shell_id, command)))
            time.sleep(options.get("pause_s", 0.0))
        steps.append(_tried("close shell", partial(protocol.close_shell, shell_id)))
    protocol.transport.close_session()
    return steps


def _pywinrm_command(protocol: Protocol, shell_id: str, command: str) -> str:
    name, *arguments = command.split(" ")
    command_id = protocol.run_command(shell_id, name, arguments)
    stdout, stderr, code = protocol.get_command_output(shell_id, command_id)
    protocol.cleanup_command(shell_id, command_id)
    return f"{code} {len(stdout)} {len(stderr)}"


def _wsman(options: dict[str, Any]) -> WSMan:
    extra = {key: options[key] for key in ("negotiate_service", "credssp_auth_mechanism", "locale", "data_locale") if key in options}
    if options.get("auth") == "certificate":
        extra |= {"certificate_pem": options["certificate"], "certificate_key_pem": options["certificate_key"]}
    return WSMan(
        options["server"],
        port=options["port"],
        username=options.get("username"),
        password=options.get("password"),
        ssl=options.get("ssl", False),
        auth=options.get("auth", "negotiate"),
        encryption=options.get("encryption", "auto"),
        proxy=options.get("proxy"),
        cert_validation=bool(options.get("verify")),
        path=options["path"].strip("/"),
        operation_timeout=options.get("operation_timeout_s", 10),
        read_timeout=options.get("read_timeout_s", 15),
        max_envelope_size=options.get("max_envelope_bytes", 153600),
        **extra,
    )


def _winrs_command(shell: WinRS, command: str) -> str:
    name, *arguments = command.split(" ")
    process = Process(shell, name, arguments)
    process.invoke()
    process.signal("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/Terminate")
    return f"{process.rc} {len(process.stdout)} {len(process.stderr)}"


def pypsrp_winrs(options: dict[str, Any]) -> list[Step]:
    """pypsrp: a WinRS shell on one connection, some commands."""
    wsman = _wsman(options)
    shell = WinRS(wsman)
    steps = [_tried("open shell", lambda: shell.open() is not None)]
    if "result" in steps[0]:
        for command in options.get("commands", ()):
            steps.append(_tried(command, partial(_winrs_command, shell, command)))
            time.sleep(options.get("pause_s", 0.0))
        steps.append(_tried("close shell", shell.close))
    wsman.close()
    return steps


def _script(pool: RunspacePool, script: str) -> str:
    pipeline = PowerShell(pool)
    pipeline.add_script(script)
    return f"{len(pipeline.invoke())} objects"


def pypsrp_powershell(options: dict[str, Any]) -> list[Step]:
    """pypsrp: PowerShell scripts in one runspace pool."""
    wsman = _wsman(options)
    pool = RunspacePool(wsman)
    steps = [_tried("open pool", pool.open)]
    if "result" in steps[0]:
        for script in options.get("scripts", ()):
            steps.append(_tried(script, partial(_script, pool, script)))
            time.sleep(options.get("pause_s", 0.0))
        steps.append(_tried("close pool", pool.close))
    wsman.close()
    return steps


def pypsrp_files(options: dict[str, Any]) -> list[Step]:
    """pypsrp: files copied to the server and fetched from it by its own client class, and one without a name through a pipeline of ours."""
    wsman = _wsman(options)
    client = Client.__new__(Client)  # its constructor makes a session of its own
    client.wsman = wsman
    steps = []
    for path, size in options.get("copy", {}).items():
        local = Path(f"to-{len(steps)}")
        local.write_bytes(transfers.made_up(path, size))
        steps.append(_tried(f"copy {path}", partial(client.copy, str(local), path)))
    for path in options.get("fetch", ()):
        steps.append(_tried(f"fetch {path}", partial(_fetched, client, path, Path(f"from-{len(steps)}"))))
    with RunspacePool(wsman) as pool:
        for text in options.get("unnamed", ()):
            pipeline = PowerShell(pool)
            pipeline.add_script("$input | ForEach-Object { $bytes = [Convert]::FromBase64String($_); $bytes.Length }")
            steps.append(_tried("a file without a name", partial(_invoked, pipeline, [base64.b64encode(text.encode()).decode()])))
    wsman.close()
    return steps


def _fetched(client: Client, path: str, local: Path) -> str:
    client.fetch(path, str(local))
    return f"{local.stat().st_size} bytes"


def _invoked(pipeline: PowerShell, sent: list[str] | None = None) -> str:
    pipeline.invoke(input=sent)
    return f"{len(pipeline.output)} objects"


def pypsrp_copy_item(options: dict[str, Any]) -> list[Step]:
    """pypsrp, in the way of PowerShell's Copy-Item -ToSession: one pipeline id for every step of a copy (with a fragment size of ours), then for scripts."""
    wsman = _wsman(options)
    pool = RunspacePool(wsman)
    steps = [_tried("open pool", pool.open)]
    identity = str(uuid.uuid4()).upper()

    def again() -> PowerShell:
        pipeline = PowerShell(pool)
        pool.pipelines.pop(pipeline.id)
        pipeline.id = identity
        pool.pipelines[identity] = pipeline
        return pipeline

    for path, size in options.get("copy", {}).items():
        steps.append(_tried("define functions", partial(_invoked, again().add_script("function PSCopyToSessionHelper { }"))))
        asked = again().add_cmdlet("PSCopyToSessionHelper").add_parameter("remotePath", path)
        steps.append(_tried(f"ask for {path}", partial(_invoked, asked)))
        data = transfers.made_up(path, size)
        for at in range(0, len(data), options["fragment_bytes"]):
            step = again().add_cmdlet("PSCopyToSessionHelper").add_parameter("copyToFilePath", path).add_parameter("createFile", at == 0)
            step.add_parameter("b64Fragment", base64.b64encode(data[at : at + options["fragment_bytes"]]).decode())
            steps.append(_tried(f"{path} from {at}", partial(_invoked, step)))
        steps.append(_tried("remove functions", partial(_invoked, again().add_script("Remove-Item function:PSCopyToSessionHelper"))))
    steps += [_tried(script, partial(_invoked, again().add_script(script))) for script in options.get("scripts", ())]
    steps.append(_tried("close pool", pool.close))
    wsman.close()
    return steps


def pypsrp_same_shell(options: dict[str, Any]) -> list[Step]:
    """pypsrp: WinRS shells under one ShellId, one after the other was deleted, with commands in each."""
    wsman = _wsman(options)
    shell_id = str(uuid.uuid4()).upper()
    steps = []
    for commands in options["shells"]:
        shell = WinRS(wsman, id=shell_id)
        steps.append(_tried("open shell", lambda shell=shell: shell.open() is not None))
        steps += [_tried(command, partial(_winrs_command, shell, command)) for command in commands]
        steps.append(_tried("close shell", shell.close))
    wsman.close()
    return steps


def ansible_files(options: dict[str, Any]) -> list[Step]:
    """The connection plug-in winrm of ansible-core, whose put_file and fetch_file are what its modules copy, fetch and win_copy move files with."""
    from ansible.playbook.play_context import PlayContext
    from ansible.plugins.loader import connection_loader, init_plugin_loader

    init_plugin_loader()
    connection = connection_loader.get("ansible.builtin.winrm", PlayContext(), os.devnull)
    connection.set_options(
        var_options={
            "ansible_host": options["server"],
            "ansible_port": options["port"],
            "ansible_user": options["username"],
            "ansible_password": options["password"],
            "ansible_winrm_scheme": "http",
            "ansible_winrm_transport": [options.get("auth", "ntlm")],
            "_extras": {},
        }
    )
    steps = []
    for path, size in options.get("copy", {}).items():
        local = Path(f"to-{len(steps)}")
        local.write_bytes(transfers.made_up(path, size))
        steps.append(_tried(f"put {path}", partial(connection.put_file, str(local), path)))
    for path in options.get("fetch", ()):
        local = Path(f"from-{len(steps)}")
        steps.append(_tried(f"fetch {path}", partial(connection.fetch_file, path, str(local))))
    connection.close()
    return steps


def curl(options: dict[str, Any]) -> list[Step]:
    """curl: clear SOAP, one process (and connection) for all requests; without credentials unless `basic`, `ntlm` or
    `negotiate` is set. `expect` announces each body first."""
    argv = []
    for index, kind in enumerate(options["requests"]):
        body = IDENTIFY if kind == "identify" else ENVELOPE.format(url=options["url"], message_id=str(uuid.uuid4()).upper(), resource=SHELL_URI)
        argv += ["curl"] if index == 0 else ["--next"]
        argv += ["-sS", "-k", "--max-time", "15", "-H", "Content-Type: application/soap+xml;charset=UTF-8", "-o", f"answer-{index}.xml"]
        argv += ["-H", "Expect: 100-continue" if options.get("expect") else "Expect:"]
        argv += ["-w", "%{http_code}\n", "--data-binary", body]
        argv += _curl_credentials(options)
        argv.append(options["url"])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return [{"what": f"curl {kind}", "result": status} for kind, status in zip(options["requests"], done.stdout.split(), strict=False)] + (
        [{"what": "curl", "error": done.stderr}] if done.stderr else []
    )


def _curl_credentials(options: dict[str, Any]) -> list[str]:
    words = ["--proxy", options["proxy"]] if options.get("proxy") else []
    words += ["--tls-max", options["tls_max"]] if options.get("tls_max") else []
    words += ["--proxytunnel"] if options.get("tunnel") else []
    words += ["--proxy-ntlm", "--proxy-user", f"LAB\\proxyuser:{options['proxy_password']}"] if options.get("proxy_password") else []
    if options.get("negotiate"):
        return [*words, "--negotiate", "--user", ":"]
    words += ["--ntlm"] if options.get("ntlm") else []
    return [*words, "--user", f"{options['username']}:{options['password']}"] if options.get("basic") or options.get("ntlm") else words


def evil_winrm_py(options: dict[str, Any]) -> list[Step]:
    """evil-winrm-py: an interactive session with the lines typed one after the other."""
    program = str(Path(sys.executable).with_name("evil-winrm-py"))
    argv = [program, "-i", options["server"], "-u", options["username"], "-p", options["password"], "--port", str(options["port"]), "--no-colors"]
    command = shlex.join(argv)
    typed = "".join(f"{line}\n" for line in [*options["lines"], "exit"])
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(["script", "-qec", command, "/dev/null"], text=True, **streams) as child:
        for line in typed.splitlines():
            time.sleep(options.get("pause_s", 2.0))
            child.stdin.write(line + "\n")
            child.stdin.flush()
        try:
            shown, _ = child.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            return [{"what": "session", "error": "took too long"}]
    return [{"what": line, "result": "typed"} for line in options["lines"]] + [{"what": "exit", "result": f"{child.returncode}, {len(shown)} characters shown"}]


def background(options: dict[str, Any]) -> list[Step]:
    """Web pages, clear and over TLS, and name look-ups, none of them of WinRM."""
    server, steps = options["server"], []
    argv = ["curl", "-sSk", "--max-time", "15", "-o", "page", "-w", "%{http_code} %{size_download}"]
    for _ in range(options["rounds"]):
        for url in (f"http://{server}:8000/log.txt", f"https://{server}:8443/index.html", f"http://{server}:8000/nosuch"):
            done = subprocess.run([*argv, url], capture_output=True, text=True, check=False)
            steps.append({"what": url, "result": done.stdout})
        names = ("www", "mail", "nosuch")
        steps += [{"what": f"look up {name}", "result": _looked_up(server, f"{name}.lab.example")} for name in names]
    return steps


def _looked_up(server: str, name: str) -> str:
    labels = b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.sendto(os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1", (socket.gethostbyname(server), 53))
        return f"{len(asker.recv(512))} bytes"


def _with_wsman(action: Callable[..., list[Step]], options: dict[str, Any]) -> list[Step]:
    return action(options, _wsman(options), _tried)


ACTIONS = {
    "pywinrm": pywinrm,
    "pypsrp-winrs": pypsrp_winrs,
    "pypsrp-powershell": pypsrp_powershell,
    "pypsrp-files": pypsrp_files,
    "pypsrp-copy-item": pypsrp_copy_item,
    "pypsrp-same-shell": pypsrp_same_shell,
    "ansible-files": ansible_files,
    "curl": curl,
    "evil-winrm-py": evil_winrm_py,
    "background": background,
    "raw-cim": cimclient.cim,
    "raw-source": eventsource.source,
    **rawclient.ACTIONS,
}
ACTIONS |= {name: partial(_with_wsman, action) for name, action in talkers.ACTIONS.items()}


def main(action: str, options_path: str) -> None:
    """Run one action and print its steps."""
    options = json.loads(Path(options_path).read_text())
    time.sleep(options.get("delay_s", 0.0))
    if options.get("ccache"):
        subprocess.run(["kinit", options["username"]], input=options["password"], text=True, check=True, capture_output=True)
    print(json.dumps({"action": action, "pid": os.getpid(), "steps": ACTIONS[action](options)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
