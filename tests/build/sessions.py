"""Clear-text PowerShell sessions, message by message: created, left, connected to from elsewhere, with whatever messages of PSRP a test wants."""

import base64
import uuid
from collections.abc import Iterable

from tests.build.talk_http import SOAP, Content, post, reply
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire
from tests.unit.psrp.test_fragments import fragments, message

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
ID = "11111111-2222-3333-4444-555555555555"
_NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{SHELL}" xmlns:pwsh="http://schemas.microsoft.com/powershell"'
)
NO_PIPELINE = uuid.UUID(int=0)


def b64(data: bytes) -> str:
    """As text of an element."""
    return base64.b64encode(data).decode()


def psrp(kind: int, text: str, *, pipeline: uuid.UUID = NO_PIPELINE, identity: int = 1) -> bytes:
    """The fragments of one message."""
    return b"".join(fragments(message(text, kind=kind, pipeline=pipeline), identity=identity, size=4000))


class Session:
    """A client's connection to the server, and one shell that it asks about."""

    def __init__(
        self,
        lan: Wire,
        *,
        client: str = "10.10.1.11",
        port: int = 50001,
        user: str = "LAB\\carla",
        uri: str = POWERSHELL,
        identity: str = ID,
        server: str = "10.10.1.21",
    ) -> None:
        self.talk: Talk = lan.connect(client, port, server, 5985)
        self.credentials = (basic(user, "not a good one"),)
        self.uri, self.shell = uri, identity

    def _envelope(self, action: str, body: str, *, selected: bool = True, uri: str | None = None) -> Content:
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{self.shell}</w:Selector></w:SelectorSet>' if selected else ""
        head = f"<a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID><w:ResourceURI>{uri or self.uri}</w:ResourceURI>{selector}"
        return Content(SOAP, f"<s:Envelope {_NAMES}><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode())

    def ask(self, action: str, asked: str, answered: str, *, selected: bool = True, refused: bool = False, uri: str | None = None) -> None:
        """A request and its answer; a refusal is a fault."""
        answer = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault>" if refused else answered
        response = self._envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault" if refused else f"{action}Response", answer, selected=False)
        self.talk.exchange(
            post("/wsman", *self.credentials, content=self._envelope(action, asked, selected=selected, uri=uri)),
            reply(500 if refused else 200, content=response),
        )

    def create(self, sent: bytes = b"", properties: str = "", wished: str = "") -> None:
        """``sent``: the client's first messages of PSRP; ``properties`` are what the server says of the shell."""
        asked = f'<rsp:Shell ShellId="{self.shell}">{wished}<pwsh:creationXml>{b64(sent)}</pwsh:creationXml></rsp:Shell>'
        self.ask(f"{TRANSFER}/Create", asked, f"<rsp:Shell><rsp:ShellId>{self.shell}</rsp:ShellId>{properties}</rsp:Shell>", selected=False)

    def receive(self, data: bytes, command: str | None = None) -> None:
        """The server's messages."""
        mark = f' CommandId="{command}"' if command else ""
        stream = f'<rsp:Stream Name="stdout"{mark}>{b64(data)}</rsp:Stream>'
        self.ask(
            f"{SHELL}/Receive",
            f"<rsp:Receive><rsp:DesiredStream{mark}>stdout</rsp:DesiredStream></rsp:Receive>",
            f"<rsp:ReceiveResponse>{stream}</rsp:ReceiveResponse>",
        )

    def send(self, data: bytes, command: str | None = None) -> None:
        """The client's messages; answers to the host's calls go over the stream ``pr``."""
        mark = f' CommandId="{command}"' if command else ""
        self.ask(f"{SHELL}/Send", f'<rsp:Send><rsp:Stream Name="pr"{mark}>{b64(data)}</rsp:Stream></rsp:Send>', "<rsp:SendResponse/>")

    def run(self, script: str, number: int, messages: Iterable[tuple[int, str]] = ()) -> str:
        """A script as a pipeline, and what comes back: (type, CLIXML). The pipeline's id."""
        pipeline = uuid.UUID(int=number)
        text = (
            '<Obj RefId="0"><MS><Obj N="PowerShell" RefId="1"><MS><Obj N="Cmds" RefId="2"><LST><Obj RefId="3"><MS>'
            f'<S N="Cmd">{script}</S><B N="IsScript">true</B></MS></Obj></LST></Obj></MS></Obj></MS></Obj>'
        )
        name = str(pipeline).upper()
        begins = b64(psrp(0x00021006, text, pipeline=pipeline))
        asked = f'<rsp:CommandLine CommandId="{name}"><rsp:Command/><rsp:Arguments>{begins}</rsp:Arguments></rsp:CommandLine>'
        self.ask(f"{SHELL}/Command", asked, f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>")
        for place, (kind, told) in enumerate(messages, 2):
            self.receive(psrp(kind, told, pipeline=pipeline, identity=100 * number + place), name)
        return name

    def disconnect(self) -> None:
        """The client leaves it running."""
        self.ask(f"{SHELL}/Disconnect", "<rsp:Disconnect><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut></rsp:Disconnect>", "<rsp:DisconnectResponse/>")

    def reconnect(self) -> None:
        """The client that left it comes back."""
        self.ask(f"{SHELL}/Reconnect", "<rsp:Reconnect/>", "<rsp:ReconnectResponse/>")

    def connect(self, *, refused: bool = False, sent: bytes = b"", told: bytes = b"") -> None:
        """Any client of the account comes."""
        asked = f"<rsp:Connect><pwsh:connectXml>{b64(sent)}</pwsh:connectXml></rsp:Connect>"
        self.ask(
            f"{SHELL}/Connect",
            asked,
            f"<rsp:ConnectResponse><pwsh:connectResponseXml>{b64(told)}</pwsh:connectResponseXml></rsp:ConnectResponse>",
            refused=refused,
        )

    def delete(self) -> None:
        """It ends."""
        self.ask(f"{TRANSFER}/Delete", "", "")
