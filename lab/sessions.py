"""What the lab's server does with whole PowerShell sessions: properties, disconnecting and connecting, lists of shells; and
scripts that do more than write text.

Disconnect, Reconnect and Connect are those of MS-WSMV 3.1.4.13 and 3.1.4.14, messages of PSRP are psrpcore's. What happens is told to
the journal, so that the truth of a sample knows it from the server and not from its packets.
"""

import base64
import struct
import time
import uuid
from typing import TYPE_CHECKING, Any

import psrpcore
from psrpcore.types import (
    ErrorCategory,
    ErrorCategoryInfo,
    HostMethodIdentifier,
    InvocationInfo,
    NETException,
    PSCustomObject,
    PSVersion,
    RunspacePoolState,
)

from lab.soap import NS, Request, answer

if TYPE_CHECKING:
    from lab.shells import Shell, Shells

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_FRAGMENT = struct.Struct(">QQBI")
_FIRST_PROCESS = 4120
_POOL = "pwsh"


def private() -> dict[str, Any]:
    """What the server tells a client's application."""
    return {"PSVersionTable": {"PSVersion": PSVersion("5.1.20348.2700"), "PSEdition": "Desktop"}}


def properties(shell: "Shell") -> str:
    """The children of rsp:Shell, in the order in which Windows writes them."""
    name = f"<rsp:Name>{shell.name_of_client}</rsp:Name>" if shell.name_of_client else ""
    return (
        f"<rsp:ShellId>{shell.id}</rsp:ShellId>{name}<rsp:ResourceUri>{shell.uri}</rsp:ResourceUri><rsp:Owner>{shell.user}</rsp:Owner>"
        f"<rsp:ClientIP>{shell.client}</rsp:ClientIP><rsp:ProcessId>{shell.process}</rsp:ProcessId><rsp:IdleTimeOut>{shell.idle}</rsp:IdleTimeOut>"
        f"<rsp:InputStreams>{'stdin pr' if shell.pool is not None else 'stdin'}</rsp:InputStreams>"
        f"<rsp:OutputStreams>{'stdout' if shell.pool is not None else 'stdout stderr'}</rsp:OutputStreams>"
        "<rsp:MaxIdleTimeOut>PT2147483.647S</rsp:MaxIdleTimeOut><rsp:Locale>en-US</rsp:Locale><rsp:DataLocale>en-US</rsp:DataLocale>"
        "<rsp:CompressionMode>NoCompression</rsp:CompressionMode><rsp:ProfileLoaded>Yes</rsp:ProfileLoaded><rsp:Encoding>UTF8</rsp:Encoding>"
        f"<rsp:BufferMode>Block</rsp:BufferMode><rsp:State>{shell.state}</rsp:State><rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>"
        "<rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity>"
    )


def process_of(number: int) -> int:
    """The process id of the server's shell of that number, from 1."""
    return _FIRST_PROCESS + 4 * number


def told(shells: "Shells", what: str, shell: "Shell", user: str, client: str) -> None:
    """The journal learns what was done to a shell as a whole, by whom."""
    with shells.lock:
        shells.journal.append({"event": "session", "what": what, "shell_id": shell.label, "user": user, "client_ip": client})


def disconnect(shells: "Shells", shell: "Shell", request: Request, user: str) -> tuple[int, bytes]:
    """The client leaves the session running."""
    shell.state = "Disconnected"
    if shell.pool is not None:
        shell.pool.state = RunspacePoolState.Disconnected
    told(shells, "disconnect", shell, user, request.client)
    return 200, answer(request, "<rsp:DisconnectResponse/>")


def reconnect(shells: "Shells", shell: "Shell", request: Request, user: str) -> tuple[int, bytes]:
    """The client that left comes back."""
    shell.state = "Connected"
    if shell.pool is not None:
        shell.pool.state = RunspacePoolState.Opened
    told(shells, "reconnect", shell, user, request.client)
    return 200, answer(request, "<rsp:ReconnectResponse/>")


def connect(shells: "Shells", shell: "Shell", request: Request, user: str) -> tuple[int, bytes]:
    """A client takes the session over, or (a command is named) asks for the output of one of its commands."""
    element = request.body.find("rsp:Connect", NS)
    if element is not None and element.get("CommandId"):
        return 200, answer(request, "<rsp:ConnectResponse/>")
    pool = shell.pool
    assert pool is not None
    shell.state = "Connected"
    pool.state = RunspacePoolState.Disconnected
    pool.connect()
    pool.prepare_message(pool.our_capability)  # psrpcore leaves it out here, Windows does not
    sent = element.findtext("pwsh:connectXml", "", NS) if element is not None else ""
    pool.receive_data(psrpcore.PSRPPayload(base64.b64decode(sent), psrpcore.StreamType.default, None))
    while pool.next_event() is not None:
        pass
    data = b""
    while (payload := pool.data_to_send(1 << 20)) is not None:
        data += payload.data
    head, last = _apart(data)
    shell.outputs[""].chunks.append(("stdout", last))
    told(shells, "connect", shell, user, request.client)
    inside = f'<pwsh:connectResponseXml xmlns:pwsh="{NS[_POOL]}">{base64.b64encode(head).decode()}</pwsh:connectResponseXml>'
    return 200, answer(request, f"<rsp:ConnectResponse>{inside}</rsp:ConnectResponse>")


def _apart(data: bytes) -> tuple[bytes, bytes]:
    """The fragments but for the last, and the last: the pool's new state, for which clients ask by Receive."""
    at = last = 0
    while at < len(data):
        last = at
        at += _FRAGMENT.size + _FRAGMENT.unpack_from(data, at)[3]
    return data[:last], data[last:]


def enumerate_shells(shells: "Shells", request: Request) -> tuple[int, bytes]:
    """The shells of the server, or the commands of the shell that the filter names."""
    if request.resource_uri.endswith("/Command"):
        named = next((one.text or "" for one in request.body.iter(f"{{{NS['w']}}}Selector") if one.get("Name") == "ShellId"), "")
        shell = shells.by_id.get(named.upper())
        running = [] if shell is None else [identity for identity, output in shell.outputs.items() if identity and (output.chunks or not output.done)]
        items = "".join(f"<rsp:Command><rsp:ShellId>{named}</rsp:ShellId><rsp:CommandId>{one}</rsp:CommandId></rsp:Command>" for one in running)
    else:
        items = "".join(f"<rsp:Shell>{properties(shell)}</rsp:Shell>" for shell in shells.by_id.values())
    spaces = 'xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"'
    body = f"<n:EnumerateResponse {spaces}><n:EnumerationContext/><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
    return 200, answer(request, body)


def begun(shell: "Shell", event: psrpcore.CreatePipelineEvent, script: str) -> bool:
    """Runs a script that does more than write text. True: it is done with, or waits for the client's host."""
    command_id = str(event.pipeline_id).upper()
    pipeline, row = shell.pipelines[command_id], {"shell_id": shell.label, "command_id": shell.labels[command_id]}
    if script.startswith("Start-Sleep -Seconds "):
        seconds = float(script.split()[2].rstrip(";"))
        shell.outputs[command_id].ready_at = time.monotonic() + seconds
        return False
    do = _SCRIPTS.get(script)
    interactive = len(event.pipeline.commands) > 1 and event.pipeline.commands[-1].command_text == "Out-Default"
    if do is None and not interactive:
        return False
    pipeline.start()
    written = do(shell, pipeline, row) if do is not None else None
    if do is None:
        pipeline.host_call(HostMethodIdentifier.WriteLine2, [f"{script} was run"])
        shell.files.append({"event": "host_call", **row, "method": "WriteLine2"})
    if command_id in shell.asking:
        return True
    finish(shell, command_id, written or 0)
    return True


def finish(shell: "Shell", command_id: str, written: int) -> None:
    """The pipeline ends."""
    shell.pipelines[command_id].complete()
    shell.outputs[command_id].done = True
    shell.written[command_id] = written


def answered(shell: "Shell", pipeline_id: uuid.UUID, value: object) -> str:
    """What the host said goes to the pipeline's output. The command's id."""
    command_id = str(pipeline_id).upper()
    shell.asking.discard(command_id)
    shell.pipelines[command_id].write_output(f"hello {value}")
    finish(shell, command_id, 1)
    return command_id


def _missing(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object]) -> int:
    """An error record of a line that was typed."""
    _error(shell, pipeline, row, "", 1, 1, "Get-Item C:\\nosuch.txt")
    return 0


def _audit(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object]) -> int:
    """One of a line of a script, between two objects."""
    pipeline.write_output("audit begins")
    _error(shell, pipeline, row, "C:\\Scripts\\audit.ps1", 12, 5, "    Get-Item C:\\nosuch.txt")
    pipeline.write_output("audit ends")
    return 2


def _error(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object], script: str, line: int, column: int, text: str) -> None:
    message = "Cannot find path 'C:\\nosuch.txt' because it does not exist."
    identity = "PathNotFound,Microsoft.PowerShell.Commands.GetItemCommand"
    category = ErrorCategoryInfo(
        Category=ErrorCategory.ObjectNotFound,
        Activity="Get-Item",
        Reason="ItemNotFoundException",
        TargetName="C:\\nosuch.txt",
        TargetType="String",
    )
    where = InvocationInfo(
        InvocationName="Get-Item",
        ScriptName=script,
        ScriptLineNumber=line,
        OffsetInLine=column,
        Line=text,
        PositionMessage=f"At {script or 'line'}:{line} char:{column}",
    )
    pipeline.write_error(NETException(Message=message), category, target_object="C:\\nosuch.txt", fully_qualified_error_id=identity, invocation_info=where)
    shell.files.append({"event": "error", **row, "category": "ObjectNotFound", "error_id": identity, "script": script or None, "line": line, "column": column})


def _service(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object]) -> int:
    """An object with properties."""
    members: dict[str, object] = {"Name": "WinRM", "Status": "Running", "CanStop": True, "ProcessId": 1044}
    pipeline.write_output(PSCustomObject(**members))
    shell.files.append({"event": "object", **row, "properties": members})
    return 1


def _records(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object]) -> int:
    """A record of each kind."""
    pipeline.write_warning("the disk is nearly full")
    pipeline.write_verbose("looking at C:")
    pipeline.write_progress("Copy", activity_id=1, status_description="half", percent_complete=50)
    pipeline.write_information("a note", "lab", process_id=shell.process)
    shell.files += [{"event": "record", **row, "stream": name} for name in ("warning", "verbose", "progress", "information")]
    return 0


def _reads(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object]) -> int:
    """Asks the client's host, and waits."""
    pipeline.host_call(HostMethodIdentifier.Write1, ["Name: "])
    pipeline.host_call(HostMethodIdentifier.ReadLine)
    shell.asking.add(str(pipeline.pipeline_id).upper())
    shell.files += [{"event": "host_call", **row, "method": name} for name in ("Write1", "ReadLine")]
    return 0


def _prompt(_shell: "Shell", pipeline: psrpcore.ServerPipeline, _row: dict[str, object]) -> int:
    pipeline.write_output("[srv01.lab.example]: PS C:\\Users\\alice\\Documents> ")
    return 1


def _exit(shell: "Shell", pipeline: psrpcore.ServerPipeline, row: dict[str, object]) -> int:
    pipeline.host_call(HostMethodIdentifier.SetShouldExit, [3])
    shell.files.append({"event": "host_call", **row, "method": "SetShouldExit"})
    return 0


_SCRIPTS = {
    "Get-Item C:\\nosuch.txt": _missing,
    "C:\\Scripts\\audit.ps1": _audit,
    "Get-Service WinRM": _service,
    "Write-Records": _records,
    "Read-Host -Prompt Name": _reads,
    "prompt": _prompt,
    "exit 3": _exit,
}
