"""WinRS and PowerShell shells behind the lab's server.

Limits of a scenario's `Server.conduct` that WinRM answers with faults: `shells_per_user`, `shell_idle_s` (a shell that was not used
for so long is gone), `denied` (users who may not make shells), `honours_envelope` (responses longer than the request's
MaxEnvelopeSize are faults).

Strategy: shells are shared by all connections, as on Windows; a shell is a queue of output per command. PowerShell
messages are made by psrpcore, so the clients see the real PSRP. What commands print is a fixed table.
"""

import base64
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psrpcore

from lab import sessions, transfers
from lab.accounts import SERVER_NAME
from lab.soap import INVALID_SELECTORS, NS, Request, answer, fault, timed_out

ACCESS_DENIED = "5"
SHELL_QUOTA = "2150859173"
ENVELOPE_EXCEEDED = "2150858824"
FRAGMENT_BYTES = 32 * 1024
STATE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState"
POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"


@dataclass(slots=True)
class Output:
    """What a command still has to hand out. `ready_at` is when its output exists (monotonic clock)."""

    chunks: list[tuple[str, bytes]] = field(default_factory=list)
    exit_code: int = 0
    done: bool = False
    ready_at: float = 0.0


@dataclass(slots=True)
class Shell:
    id: str
    user: str
    label: str
    """Its id in the journal: with a number where a client used it for a shell before."""
    pool: psrpcore.ServerRunspacePool | None = None
    used_at: float = field(default_factory=time.monotonic)
    outputs: dict[str, Output] = field(default_factory=dict)
    pipelines: dict[str, psrpcore.ServerPipeline] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, list[str]] = field(default_factory=dict)
    waiting: dict[str, psrpcore.CreatePipelineEvent] = field(default_factory=dict)
    stdin: dict[str, bytearray] = field(default_factory=dict)
    uploads: transfers.Uploads = field(default_factory=transfers.Uploads)
    files: list[dict[str, object]] = field(default_factory=list)
    rows: dict[str, dict[str, object]] = field(default_factory=dict)
    """Of commands that wait for their input."""
    written: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """Ids of commands in the journal."""
    answered: list[str] = field(default_factory=list)
    asking: set[str] = field(default_factory=set)
    """Commands that wait for an answer of the client's host."""
    uri: str = ""
    client: str = ""
    process: int = 0
    state: str = "Connected"
    name_of_client: str = ""
    idle: str = "PT7200.000S"

    def name(self, command_id: str) -> str:
        """The id of a command in the journal: with a number where a client uses it again."""
        self.uses[command_id] = self.uses.get(command_id, 0) + 1
        return command_id if self.uses[command_id] == 1 else f"{command_id}#{self.uses[command_id]}"


@dataclass(slots=True)
class Shells:
    """All shells of the server, and what happened in them since the journal was last taken."""

    by_id: dict[str, Shell] = field(default_factory=dict)
    journal: list[dict[str, object]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    limits: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)


def printed(command: str, user: str) -> tuple[bytes, bytes, int, float]:
    """stdout, stderr, exit code and run time in seconds of a command of the lab."""
    words = command.split()
    name = words[0].lower() if words else ""
    if name == "whoami":
        return f"{user.lower()}\r\n".encode(), b"", 0, 0.0
    if name == "hostname":
        return f"{SERVER_NAME}\r\n".encode(), b"", 0, 0.0
    if name == "ping":
        seconds = 0.4 * (int(words[words.index("-n") + 1]) - 1) if "-n" in words else 1.2
        return b"Reply from 127.0.0.1: bytes=32 time<1ms TTL=128\r\n" * 2, b"", 0, seconds
    if name == "ipconfig":
        text = "Windows IP Configuration\r\n\r\nEthernet adapter Ethernet:\r\n\r\n   IPv4 Address. . . : 10.20.2.20\r\n"
        return text.encode(), b"", 0, 0.0
    if name == "dir":
        rows = "".join(f"03/04/2031  10:{n % 60:02d}    {n * 997:>14,} report-{n:04d}.log\r\n" for n in range(1, 41))
        return f" Directory of C:\\Logs\r\n\r\n{rows}".encode(), b"", 0, 0.0
    if name == "echo":
        return (command.partition(" ")[2] + "\r\n").encode(), b"", 0, 0.0
    if name == "ver":
        return b"\r\nMicrosoft Windows [Version 10.0.20348.2700]\r\n", b"", 0, 0.0
    return b"", f"'{name}' is not recognized as an internal or external command.\r\n".encode(), 1, 0.0


def script_output(script: str, user: str) -> list[str]:
    """The strings that a PowerShell script of the lab writes."""
    if script.startswith("1.."):
        count = int(script.split("..")[1].split(maxsplit=1)[0])
        return [f"line {n:05d} of the report: the quick brown fox jumps over the lazy dog" for n in range(1, count + 1)]
    known = {
        "$PSVersionTable.PSVersion.ToString()": ["5.1.20348.2700"],
        "hostname": [SERVER_NAME],
        "whoami": [user.lower()],
        "Get-Service WinRM | Select-Object -ExpandProperty Status": ["Running"],
    }
    return known.get(script, [f"ran: {script}"])


def handle(shells: Shells, request: Request, user: str) -> tuple[int, bytes]:
    """HTTP status and SOAP document that answer a request."""
    if request.word == "Create":
        return _refused(shells, request, user) or (200, _create(shells, request, user))
    if request.word == "Enumerate" and request.resource_uri.startswith(sessions.SHELL):
        return sessions.enumerate_shells(shells, request)
    with shells.lock:
        shell = shells.by_id.get((request.shell_id or "").upper())
    idle_limit_s = shells.limits.get("shell_idle_s")
    if shell is None or (idle_limit_s is not None and time.monotonic() - shell.used_at > idle_limit_s):
        return 500, fault(request, "w:InvalidSelectors", INVALID_SELECTORS, "The request contained invalid selectors for the resource.")
    actions = {"Command": _command, "Send": _send, "Signal": _signal, "Delete": _delete, "Receive": _receive}
    actions |= {"Disconnect": sessions.disconnect, "Reconnect": sessions.reconnect, "Connect": sessions.connect}
    action = actions.get(request.word)
    if action is None:
        return 500, fault(request, "a:ActionNotSupported", "2150858817", "The action is not supported.")
    shell.used_at = time.monotonic()
    status, document = action(shells, shell, request, user)
    if shells.limits.get("honours_envelope") and len(document) > request.most_bytes:
        reason = "The response that the WS-Management service computed exceeds the maximum envelope size in the request."
        return 500, fault(request, "w:EncodingLimit", ENVELOPE_EXCEEDED, reason)
    return status, document


def _refused(shells: Shells, request: Request, user: str) -> tuple[int, bytes] | None:
    """The fault that answers a Create that the limits do not allow."""
    short = user.rsplit("\\", maxsplit=1)[-1].split("@", maxsplit=1)[0].lower()
    if short in shells.limits.get("denied", ()):
        return 500, fault(request, "w:AccessDenied", ACCESS_DENIED, "Access is denied. ")
    most = shells.limits.get("shells_per_user")
    with shells.lock:
        own = sum(shell.user == user for shell in shells.by_id.values())
    if most is None or own < most:
        return None
    reason = (
        "The WS-Management service cannot process the request. This user is allowed a maximum number of "
        f"{most} concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user. "
    )
    return 500, fault(request, "w:QuotaLimit", SHELL_QUOTA, reason)


def _create(shells: Shells, request: Request, user: str) -> bytes:
    element = request.body.find("rsp:Shell", NS)
    asked = element.get("ShellId") if element is not None else None
    identity = (asked or str(uuid.uuid4())).upper()
    number = shells.uses[identity] = shells.uses.get(identity, 0) + 1
    shell = Shell(identity, user, identity if number == 1 else f"{identity}#{number}")
    shell.outputs[""] = Output()
    shell.uri, shell.client, shell.process = request.resource_uri, request.client, sessions.process_of(sum(shells.uses.values()))
    shell.idle = request.body.findtext("rsp:Shell/rsp:IdleTimeOut", shell.idle, NS)
    shell.name_of_client = (element.get("Name") if element is not None else None) or ""
    creation = request.body.findtext("rsp:Shell/pwsh:creationXml", None, NS)
    if creation:
        shell.pool = psrpcore.ServerRunspacePool(sessions.private())
        _feed(shell, base64.b64decode(creation), None)
    with shells.lock:
        shells.by_id[shell.id] = shell
        kind = "powershell" if shell.pool is not None else "winrs"
        row = {"event": "shell", "shell_id": shell.label, "kind": kind, "user": user, "process_id": shell.process, "resource_uri": shell.uri}
        shells.journal.append({**row, "client_ip": shell.client})
    sessions.told(shells, "create", shell, user, request.client)
    uri = request.resource_uri
    return answer(
        request,
        f"<x:ResourceCreated><a:Address>http://srv01.lab.example:5985/wsman</a:Address><a:ReferenceParameters>"
        f'<w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell.id}</w:Selector>'
        f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell>{sessions.properties(shell)}</rsp:Shell>",
    )


def _command(shells: Shells, shell: Shell, request: Request, user: str) -> tuple[int, bytes]:
    line = request.body.find("rsp:CommandLine", NS)
    command_id = ((line.get("CommandId") if line is not None else None) or str(uuid.uuid4())).upper()
    text = line.findtext("rsp:Command", "", NS) if line is not None else ""
    arguments = [element.text or "" for element in line.findall("rsp:Arguments", NS)] if line is not None else []
    name = shell.labels[command_id] = shell.name(command_id)
    if shell.pool is not None:
        shell.outputs[command_id] = Output(ready_at=time.monotonic())
        shell.pipelines[command_id] = psrpcore.ServerPipeline(shell.pool, uuid.UUID(command_id))
        _feed(shell, base64.b64decode("".join(arguments)), command_id)
        row: dict[str, object] = _script_row(shell, command_id)
    elif text.lower() == "powershell":
        shell.stdin[command_id] = bytearray()
        shell.outputs[command_id] = Output(ready_at=time.monotonic())
        row = {"text": " ".join([text, *arguments]), "exit_code": 0, "stderr_bytes": 0}
    else:
        line_text = " ".join([text, *arguments])
        stdout, stderr, code, seconds = printed(line_text, user)
        row = {"text": line_text, "exit_code": code, "stdout_bytes": len(stdout), "stderr_bytes": len(stderr)}
        chunks = [(name, data) for name, data in (("stdout", stdout), ("stderr", stderr)) if data]
        shell.outputs[command_id] = Output(chunks, code, done=True, ready_at=time.monotonic() + seconds)
    row |= {"event": "command", "shell_id": shell.label, "command_id": name, "user": user}
    if "output_objects" in row or "stdout_bytes" in row:
        _told(shells, shell, row)
    else:
        shell.rows[command_id] = row
    return 200, answer(request, f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>")


def _told(shells: Shells, shell: Shell, *rows: dict[str, object]) -> None:
    with shells.lock:
        shells.journal += [*rows, *shell.files]
        shell.files = []


def _script_row(shell: Shell, command_id: str) -> dict[str, object]:
    """What the journal says of a pipeline; without the number of objects while it waits for input."""
    event = shell.waiting.get(command_id)
    text = _script(event) if event is not None else shell.scripts.get(command_id, "")
    if event is not None or command_id in shell.asking:
        return {"text": text}
    return {"text": text, "output_objects": shell.written[command_id]}


def _send(shells: Shells, shell: Shell, request: Request, _user: str) -> tuple[int, bytes]:
    for stream in request.body.findall("rsp:Send/rsp:Stream", NS):
        command_id = (stream.get("CommandId") or "").upper() or None
        data = base64.b64decode(stream.text or "")
        if shell.pool is not None:
            _feed(shell, data, command_id)
            done = [one for one in (command_id, *shell.answered) if one in shell.rows and one not in shell.waiting]
            shell.answered.clear()
            for one in done:
                _told(shells, shell, {**shell.rows.pop(one), "output_objects": shell.written[one]})
        elif command_id in shell.stdin:
            shell.stdin[command_id] += data
            if stream.get("End", "").lower() == "true":
                stdout, file = transfers.ansible(bytes(shell.stdin.pop(command_id)))
                shell.files.append(file)
                _told(shells, shell, {**shell.rows.pop(command_id), "stdout_bytes": len(stdout)})
                shell.outputs[command_id].chunks.append(("stdout", stdout))
                shell.outputs[command_id].done = True
    return 200, answer(request, "<rsp:SendResponse/>")


def _signal(_shells: Shells, _shell: Shell, request: Request, _user: str) -> tuple[int, bytes]:
    return 200, answer(request, "<rsp:SignalResponse/>")


def _delete(shells: Shells, shell: Shell, request: Request, user: str) -> tuple[int, bytes]:
    sessions.told(shells, "delete", shell, user, request.client)
    with shells.lock:
        shells.by_id.pop(shell.id, None)
    shell.files += [transfers.row(path, bytes(data), to_server=True) for path, data in shell.uploads.by_path.items()]
    _told(shells, shell)
    return 200, answer(request, "")


def _receive(_shells: Shells, shell: Shell, request: Request, _user: str) -> tuple[int, bytes]:
    desired = request.body.find("rsp:Receive/rsp:DesiredStream", NS)
    command_id = ((desired.get("CommandId") if desired is not None else None) or "").upper()
    output = shell.outputs.get(command_id)
    if output is None:
        return 500, fault(request, "w:InvalidSelectors", INVALID_SELECTORS, "The command was not found.")
    deadline = time.monotonic() + min(request.timeout_s, 20.0)
    while time.monotonic() < deadline:
        if (output.chunks or output.done) and time.monotonic() >= output.ready_at:
            return 200, answer(request, _received(output, command_id))
        time.sleep(0.01)
    return 500, timed_out(request)


def _received(output: Output, command_id: str) -> str:
    mark = f' CommandId="{command_id}"' if command_id else ""
    chunk = output.chunks.pop(0) if output.chunks else None
    body = "<rsp:ReceiveResponse>"
    if chunk:
        body += f'<rsp:Stream Name="{chunk[0]}"{mark}>{base64.b64encode(chunk[1]).decode()}</rsp:Stream>'
    if output.done and not output.chunks:
        body += f'<rsp:CommandState{mark} State="{STATE}/Done"><rsp:ExitCode>{output.exit_code}</rsp:ExitCode>'
        body += "</rsp:CommandState>"
    elif command_id:
        body += f'<rsp:CommandState{mark} State="{STATE}/Running"/>'
    return body + "</rsp:ReceiveResponse>"


def _feed(shell: Shell, data: bytes, command_id: str | None) -> None:
    """Give PSRP bytes to the pool, run the scripts they ask for and queue the answers."""
    pool = shell.pool
    assert pool is not None
    pipeline_id = uuid.UUID(command_id) if command_id else None
    pool.receive_data(psrpcore.PSRPPayload(data, psrpcore.StreamType.default, pipeline_id))
    while (event := pool.next_event()) is not None:
        if isinstance(event, psrpcore.CreatePipelineEvent):
            _begun(shell, event)
        elif isinstance(event, psrpcore.PipelineInputEvent):
            shell.inputs[str(event.pipeline_id).upper()].append(str(event.data))
        elif isinstance(event, psrpcore.PipelineHostResponseEvent):
            shell.answered.append(sessions.answered(shell, event.pipeline_id, event.result))
        elif isinstance(event, psrpcore.EndOfPipelineInputEvent):
            _run(shell, shell.waiting.pop(str(event.pipeline_id).upper()))
    while (payload := pool.data_to_send(FRAGMENT_BYTES)) is not None:
        key = str(payload.pipeline_id).upper() if payload.pipeline_id else ""
        shell.outputs[key].chunks.append(("stdout", payload.data))


def _script(event: psrpcore.CreatePipelineEvent) -> str:
    return " ".join(command.command_text for command in event.pipeline.commands[:1])


def _begun(shell: Shell, event: psrpcore.CreatePipelineEvent) -> None:
    """A pipeline runs at once, or when all of its input is there."""
    command_id = str(event.pipeline_id).upper()
    shell.scripts[command_id] = _script(event)
    shell.inputs[command_id] = []
    shell.waiting[command_id] = event
    if event.pipeline.no_input:
        _run(shell, shell.waiting.pop(command_id))


def _run(shell: Shell, event: psrpcore.CreatePipelineEvent) -> None:
    command_id = str(event.pipeline_id).upper()
    if sessions.begun(shell, event, _script(event)):
        return
    pipeline = shell.pipelines[command_id]
    pipeline.start()
    written = _results(shell, event, shell.inputs[command_id])
    for one in written:
        pipeline.write_output(one)
    pipeline.complete()
    shell.outputs[command_id].done = True
    shell.written[command_id] = len(written)


def _results(shell: Shell, event: psrpcore.CreatePipelineEvent, inputs: list[str]) -> list[Any]:
    """What a pipeline writes: files are moved (lab/transfers.py), the rest is a table."""
    script, command = _script(event), event.pipeline.commands[0]
    arguments = [value for _, value in command.parameters]
    made: list[Any]
    if script == "PSCopyToSessionHelper":
        parameters = dict(command.parameters)
        written = shell.uploads.step(parameters)
        return [written or {"IsDirectoryInfo": True, "IsFileInfo": False, "ParentIsDirectoryInfo": True}]
    if inputs and "TransformFinalBlock" in script:
        made, file = transfers.copied(inputs, str(arguments[0]))
    elif "TransformFinalBlock" in script:
        made, file = transfers.fetched(str(arguments[0]), 12_345)
    elif inputs and "FromBase64String" in script:
        data = b"".join(base64.b64decode(one) for one in inputs)
        made, file = [str(len(data))], transfers.row(None, data, to_server=True)
    else:
        return script_output(script, shell.user)
    shell.files.append(file)
    return made
