"""A capture in which a careless administrator's secrets stand wherever people put them, in every spelling in which they travel.

The traffic is clear-text WinRM with Basic credentials for a server and a proxy, so that no key is needed to read it: what hides the secrets is the mask alone.
"""

import base64
import html
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.build.talk_http import SOAP, Content, post, reply
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire
from tests.unit.psrp.test_fragments import fragments, message

Fields = tuple[tuple[str, str], ...]

PASSWORD = "Zinnober & Ofen=9'Glas"
PROXY_PASSWORD = "tor;waechter+7"
NT_HASH = bytes.fromhex("8f14e45fceea167a5a36dedd4bea2543")
SESSION_KEY = bytes.fromhex("c4ca4238a0b923820dcc509a6f75849b")
KERBEROS_KEY = bytes.fromhex("eccbc87e4b5ce2fe28308fd9f2a7baf3a87ff679a2f3e71d9181a67b7542122c")
TLS_SECRET = bytes.fromhex("e4da3b7fbbce2345d7772b0674a318d5" * 3)
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_CMD = f"{_SHELL}/cmd"
POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
_CREATE = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"


def written(folder: Path) -> list[Path]:
    """The capture, the secrets file and the key log, written into ``folder``, in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.10.1.21", 5985)
    credentials = (basic("carla", PASSWORD), basic("proxyuser", PROXY_PASSWORD, "Proxy-Authorization"), ("Cookie", f"token={quote(PASSWORD)}"))
    target = f"/wsman?password={quote(PASSWORD, safe='')}"
    create = _envelope(_CREATE, "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>", "")
    talk.exchange(
        post(target, *credentials, ("X-Remark", f"pw is {PASSWORD}"), content=create),
        reply(200, ("Set-Cookie", f"again={PASSWORD}"), content=_envelope(f"{_CREATE}Response", "<rsp:Shell><rsp:ShellId>S-1</rsp:ShellId></rsp:Shell>")),
    )
    _run(talk, credentials, lines())
    talk.close_by_client()
    capture, secrets, keylog = (folder / name for name in ("capture.pcap", "secrets.toml", "tls.keys"))
    lan.capture(capture)
    secrets.write_text(
        f'[[password]]\nuser = "carla"\nvalue = "{PASSWORD}"\n[[password]]\nuser = "proxyuser"\nvalue = "{PROXY_PASSWORD}"\n'
        f'[[nt_hash]]\nuser = "dora"\nvalue = "{NT_HASH.hex()}"\n[[session_key]]\nvalue = "{SESSION_KEY.hex()}"\n'
        f'[[kerberos_key]]\netype = 18\nvalue = "{KERBEROS_KEY.hex()}"\n[files]\nkeylogs = ["tls.keys"]\n',
        encoding="utf-8",
    )
    keylog.write_text(f"CLIENT_RANDOM {'11' * 32} {TLS_SECRET.hex()}\n", encoding="utf-8")
    return [capture, secrets, keylog]


def typed(folder: Path, shells: Mapping[str, Sequence[str]]) -> list[Path]:
    """A capture in which these lines run, by the kind of their shell, and a secrets file that knows none of what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    lan = Wire()
    for place, (kind, asked) in enumerate(shells.items()):
        talk = lan.connect("10.10.1.11", 50001 + place, "10.10.1.21", 5985)
        credentials = (basic("carla", PASSWORD),)
        uri = _CMD if kind == "winrs" else POWERSHELL
        create = _envelope(_CREATE, "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>", "", uri)
        created = _envelope(f"{_CREATE}Response", f"<rsp:Shell><rsp:ShellId>S-{kind}</rsp:ShellId></rsp:Shell>", "", uri)
        talk.exchange(post("/wsman", *credentials, content=create), reply(200, content=created))
        if kind == "winrs":
            _run(talk, credentials, asked, f"S-{kind}")
        else:
            _run_scripts(talk, credentials, asked, f"S-{kind}")
        talk.close_by_client()
    capture, secrets = folder / "capture.pcap", folder / "secrets.toml"
    lan.capture(capture)
    secrets.write_text('[[password]]\nuser = "somebody"\nvalue = "quite another one"\n', encoding="utf-8")
    return [capture, secrets]


def _run_scripts(talk: Talk, credentials: Fields, scripts: Sequence[str], shell: str) -> None:
    """Each script as a pipeline, which writes it to its output, and the script once more line by line."""
    for place, script in enumerate(scripts, start=1):
        pipeline = uuid.UUID(int=place)
        command = (
            '<Obj RefId="0"><MS><Obj N="PowerShell" RefId="1"><MS><Obj N="Cmds" RefId="2"><LST><Obj RefId="3"><MS>'
            f'<S N="Cmd">{clixml(script)}</S><B N="IsScript">true</B></MS></Obj></LST></Obj></MS></Obj></MS></Obj>'
        )
        asked = _b64(b"".join(fragments(message(command, kind=0x00021006, pipeline=pipeline), identity=2 * place)))
        name = str(pipeline).upper()
        body = f'<rsp:CommandLine CommandId="{name}"><rsp:Command/><rsp:Arguments>{asked}</rsp:Arguments></rsp:CommandLine>'
        begun = f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>"
        talk.exchange(
            post("/wsman", *credentials, content=_envelope(f"{_SHELL}/Command", body, shell, POWERSHELL)),
            reply(200, content=_envelope(f"{_SHELL}/CommandResponse", begun, shell, POWERSHELL)),
        )
        told = f"<S>{clixml(f'> {script}')}</S>"
        data = b"".join(fragments(message(told, kind=0x00041004, pipeline=pipeline), identity=2 * place + 1))
        stream = f'<rsp:Stream Name="stdout" CommandId="{name}">{_b64(data)}</rsp:Stream>'
        done = f'<rsp:CommandState CommandId="{name}" State="{_SHELL}/CommandState/Done"/>'
        wanted = f'<rsp:Receive><rsp:DesiredStream CommandId="{name}">stdout</rsp:DesiredStream></rsp:Receive>'
        answer = _envelope(f"{_SHELL}/ReceiveResponse", f"<rsp:ReceiveResponse>{stream}{done}</rsp:ReceiveResponse>", shell, POWERSHELL)
        talk.exchange(post("/wsman", *credentials, content=_envelope(f"{_SHELL}/Receive", wanted, shell, POWERSHELL)), reply(200, content=answer))


def clixml(text: str) -> str:
    """A string of CLIXML (MS-PSRP 2.2.5.3.2)."""
    return html.escape(text, quote=False).replace("\n", "_x000A_").replace("\r", "_x000D_")


def _run(talk: Talk, credentials: Fields, asked_lines: Iterable[str], shell: str = "S-1") -> None:
    """Each line as a command, which writes it to its output in two pieces."""
    for place, line in enumerate(asked_lines, start=1):
        name = f"C-{place}"
        asked = f'<rsp:CommandLine CommandId="{name}"><rsp:Command>{html.escape(line)}</rsp:Command></rsp:CommandLine>'
        begun = f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>"
        talk.exchange(
            post("/wsman", *credentials, content=_envelope(f"{_SHELL}/Command", asked, shell)),
            reply(200, content=_envelope(f"{_SHELL}/CommandResponse", begun, shell)),
        )
        echo = f"echo {line}\r\n".encode()
        middle = len(echo) // 2
        streams = "".join(f'<rsp:Stream Name="stdout" CommandId="{name}">{_b64(piece)}</rsp:Stream>' for piece in (echo[:middle], echo[middle:]))
        done = f'<rsp:CommandState CommandId="{name}" State="{_SHELL}/CommandState/Done"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>'
        wanted = f'<rsp:Receive><rsp:DesiredStream CommandId="{name}">stdout stderr</rsp:DesiredStream></rsp:Receive>'
        answered = _envelope(f"{_SHELL}/ReceiveResponse", f"<rsp:ReceiveResponse>{streams}{done}</rsp:ReceiveResponse>", shell)
        talk.exchange(post("/wsman", *credentials, content=_envelope(f"{_SHELL}/Receive", wanted, shell)), reply(200, content=answered))


def called(folder: Path, asked_lines: Sequence[str], *, method: str = "Win32_Process/Create", name: str = "CommandLine", status: int = 200) -> list[Path]:
    """Each line as a call of a CIM method, as `winrm invoke` and Invoke-CimMethod make it. A ``status`` other than 200 is answered with a fault."""
    folder.mkdir(parents=True, exist_ok=True)
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.10.1.21", 5985)
    credentials = (basic("carla", PASSWORD),)
    owner, _, kind = method.partition("/")
    uri = f"http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/{owner}"
    for place, line in enumerate(asked_lines, start=1):
        asked = f'<p:{kind}_INPUT xmlns:p="{uri}"><p:{name}>{html.escape(line)}</p:{name}></p:{kind}_INPUT>'
        told = f'<p:{kind}_OUTPUT xmlns:p="{uri}"><p:ProcessId>{4000 + place}</p:ProcessId><p:ReturnValue>0</p:ReturnValue></p:{kind}_OUTPUT>'
        fault = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault>"
        action, said = (f"{uri}/{kind}Response", told) if status == 200 else ("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", fault)
        answer = reply(status, content=_envelope(action, said, "", uri))
        talk.exchange(post("/wsman", *credentials, content=_envelope(f"{uri}/{kind}", asked, "", uri)), answer)
    talk.close_by_client()
    lan.capture(folder / "called.pcap")
    return [folder / "called.pcap"]


def lines() -> Iterator[str]:
    """Command lines that hold secrets."""
    for value in (PASSWORD, PROXY_PASSWORD):
        yield f"tool {value} {html.escape(value)} {quote(value, safe='')} {value.encode().hex()} {value.encode('utf-16-le').hex().upper()}"
        for lead in ("", "x", "xy"):
            told = f"{lead}{value} and more"
            yield f"tool {_b64(told.encode())} {_b64(told.encode('utf-16-le'))} {base64.urlsafe_b64encode(told.encode()).decode()}"
        script = "Set-It '" + value.replace("'", "''") + "'"
        yield f"powershell -EncodedCommand {_b64(script.encode('utf-16-le'))}"
    for key in (NT_HASH, SESSION_KEY, KERBEROS_KEY):
        yield f"key {key.hex()} {key.hex().upper()} 0x{key.hex()}00 {_b64(key)} {_b64(b'x' + key)}"
    yield f"CLIENT_RANDOM {TLS_SECRET.hex()}"


def _envelope(action: str, body: str, shell: str = "S-1", resource: str = _CMD) -> Content:
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>' if shell else ""
    names = (
        'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{_SHELL}"'
    )
    uri = f"<w:ResourceURI>{resource}</w:ResourceURI>"
    text = f"<s:Envelope {names}><s:Header><a:Action>{action}</a:Action>{uri}{selector}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    return Content(SOAP, text.encode())


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
