"""WS-Management envelopes: reading the few fields the server needs and writing answers."""

import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "pwsh": "http://schemas.microsoft.com/powershell",
    "wsmid": "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
}
ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
TIMED_OUT = "2150858793"
INVALID_SELECTORS = "2150858843"


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a request that the server acts on."""

    action: str
    message_id: str
    resource_uri: str
    shell_id: str | None
    timeout_s: float
    most_bytes: int
    body: ET.Element
    selectors: dict[str, str]
    client: str = ""
    """The address that the request came from."""

    @property
    def word(self) -> str:
        """The last word of the action: Create, Command, Receive, ..."""
        return self.action.rsplit("/", 1)[-1]


def _seconds(text: str) -> float:
    return float(text.removeprefix("PT").removesuffix("S")) if text.startswith("PT") and text.endswith("S") else 60.0


def parsed(document: bytes) -> Request:
    """The request of a SOAP document; raises ET.ParseError when it is none."""
    root = ET.fromstring(document)
    body = root.find("s:Body", NS)
    if body is None:
        msg = "no Body"
        raise ET.ParseError(msg)
    selector = root.find("s:Header/w:SelectorSet/w:Selector[@Name='ShellId']", NS)
    identify = body.find("wsmid:Identify", NS) is not None
    return Request(
        action="Identify" if identify else root.findtext("s:Header/a:Action", "", NS),
        message_id=root.findtext("s:Header/a:MessageID", "", NS),
        resource_uri=root.findtext("s:Header/w:ResourceURI", "", NS),
        shell_id=selector.text if selector is not None else None,
        timeout_s=_seconds(root.findtext("s:Header/w:OperationTimeout", "PT60S", NS)),
        most_bytes=int(root.findtext("s:Header/w:MaxEnvelopeSize", "512000", NS)),
        body=body,
        selectors={one.get("Name", ""): one.text or "" for one in root.iterfind("s:Header/w:SelectorSet/w:Selector", NS)},
    )


def answer(request: Request, body: str, *, action: str | None = None) -> bytes:
    """A response envelope around `body`."""
    spaces = " ".join(f'xmlns:{key}="{NS[key]}"' for key in ("s", "a", "w", "rsp", "p", "x"))
    return (
        f'<s:Envelope xml:lang="en-US" {spaces}><s:Header>'
        f"<a:Action>{action or request.action + 'Response'}</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>{ANONYMOUS}</a:To>"
        f"<a:RelatesTo>{request.message_id}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault(request: Request, subcode: str, code: str, reason: str) -> bytes:
    """A SOAP fault as WinRM words it."""
    return answer(
        request,
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault xmlns:f="{NS["f"]}" Code="{code}" Machine="srv01.lab.example">'
        f"<f:Message>{reason}</f:Message></f:WSManFault></s:Detail></s:Fault>",
        action="http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
    )


def timed_out(request: Request) -> bytes:
    """The fault that ends a Receive without output: normal long polling."""
    return fault(
        request,
        "w:TimedOut",
        TIMED_OUT,
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
    )


def identified() -> bytes:
    """The IdentifyResponse of a Windows Server 2022."""
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{NS["s"]}"><s:Header/><s:Body>'
        f'<wsmid:IdentifyResponse xmlns:wsmid="{NS["wsmid"]}">'
        "<wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>"
        "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        "<wsmid:ProductVersion>OS: 10.0.20348 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>"
        "</wsmid:IdentifyResponse></s:Body></s:Envelope>"
    ).encode()
