"""Real WinRM clients, run inside a client's namespace: `python -m lab.clients ACTION OPTIONS.json`.

Each action prints one JSON object: what was asked for and what came back or failed. A failure is a result here, since
many scenarios are about failing.
"""

import json
import os
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
from pypsrp.exceptions import WinRMError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan
from spnego.exceptions import SpnegoError
from winrm.protocol import Protocol

FAILURES = (
    WinRMError,
    winrm.exceptions.WinRMError,
    winrm.exceptions.WinRMTransportError,
    SpnegoError,
    requests.RequestException,
    OSError,
    ValueError,
)
SHELL_URI = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
ENVELOPE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" \
xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" \
xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" \
xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header>\
<a:To>{url}</a:To><a:ReplyTo><a:Address s:mustUnderstand="true">\
http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
<a:MessageID>uuid:{message_id}</a:MessageID><w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>\
<a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/transfer/Create</a:Action>\
<w:MaxEnvelopeSize s:mustUnderstand="true">153600</w:MaxEnvelopeSize>\
<w:OperationTimeout>PT20S</w:OperationTimeout></s:Header><s:Body><rsp:Shell>\
<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell></s:Body>\
</s:Envelope>"""
IDENTIFY = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" \
xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body>\
<wsmid:Identify/></s:Body></s:Envelope>"""

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
    protocol = Protocol(
        endpoint=options["url"],
        transport=options.get("auth", "ntlm"),
        username=options["username"],
        password=options["password"],
        proxy=options.get("proxy"),
        message_encryption=options.get("encryption", "auto"),
        server_cert_validation="ignore",
        operation_timeout_sec=10,
        read_timeout_sec=15,
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
    extra = {key: options[key] for key in ("negotiate_service", "credssp_auth_mechanism") if key in options}
    return WSMan(
        options["server"],
        port=options["port"],
        username=options["username"],
        password=options["password"],
        ssl=options.get("ssl", False),
        auth=options.get("auth", "negotiate"),
        encryption=options.get("encryption", "auto"),
        proxy=options.get("proxy"),
        cert_validation=False,
        operation_timeout=options.get("operation_timeout_s", 10),
        read_timeout=15,
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


def curl(options: dict[str, Any]) -> list[Step]:
    """curl: clear SOAP, one process (and connection) for all requests; without credentials unless `basic` is set."""
    argv = ["curl", "-sS", "--max-time", "15"]
    for index, kind in enumerate(options["requests"]):
        body = IDENTIFY if kind == "identify" else ENVELOPE.format(url=options["url"], message_id=str(uuid.uuid4()).upper(), resource=SHELL_URI)
        argv += [] if index == 0 else ["--next", "-sS", "--max-time", "15"]
        argv += ["-H", "Content-Type: application/soap+xml;charset=UTF-8", "-H", "Expect:", "-o", f"answer-{index}.xml"]
        argv += ["-w", "%{http_code}\n", "--data-binary", body]
        argv += ["--proxy", options["proxy"]] if options.get("proxy") else []
        argv += ["--proxytunnel"] if options.get("tunnel") else []
        argv += ["--user", f"{options['username']}:{options['password']}"] if options.get("basic") else []
        argv.append(options["url"])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return [{"what": f"curl {kind}", "result": status} for kind, status in zip(options["requests"], done.stdout.split(), strict=False)] + (
        [{"what": "curl", "error": done.stderr}] if done.stderr else []
    )


ACTIONS = {
    "pywinrm": pywinrm,
    "pypsrp-winrs": pypsrp_winrs,
    "pypsrp-powershell": pypsrp_powershell,
    "curl": curl,
}


def main(action: str, options_path: str) -> None:
    """Run one action and print its steps."""
    options = json.loads(Path(options_path).read_text())
    time.sleep(options.get("delay_s", 0.0))
    if options.get("ccache"):
        subprocess.run(["kinit", options["username"]], input=options["password"], text=True, check=True, capture_output=True)
    print(json.dumps({"action": action, "pid": os.getpid(), "steps": ACTIONS[action](options)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
