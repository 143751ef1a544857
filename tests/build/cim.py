"""Operations of WS-Management as clients send them and servers answer (DSP0226, MS-WSMV 3.1.4.1): envelopes, and a wire that carries them."""

from collections.abc import Sequence

from tests.build.talk_http import SOAP, Content, post, reply
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire

CLIENT, SERVER = "10.10.1.11", "10.10.1.21"
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def envelope(action: str, body: str, resource: str = "", selectors: Sequence[tuple[str, str]] = (), *, message: str = "") -> Content:
    """An envelope; ``resource`` is left out of answers."""
    uri = f"<w:ResourceURI>{resource}</w:ResourceURI>" if resource else ""
    chosen = "".join(f'<w:Selector Name="{name}">{value}</w:Selector>' for name, value in selectors)
    named = f"<a:MessageID>uuid:{message}</a:MessageID>" if message else ""
    header = f"<a:Action>{action}</a:Action>{named}{uri}" + (f"<w:SelectorSet>{chosen}</w:SelectorSet>" if chosen else "")
    return Content(SOAP, f"<s:Envelope {_NAMES}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode())


def cim_talk(lan: Wire, port: int = 50001) -> Talk:
    """A client's connection to the server."""
    return lan.connect(CLIENT, port, SERVER, 5985)


def ask(talk: Talk, asked: Content, answered: Content, status: int = 200) -> tuple[int, int]:
    """One operation and its answer; the numbers of their packets."""
    return talk.exchange(post("/wsman", basic("carla"), content=asked), reply(status, content=answered))


def enumerate_(talk: Talk, query: str, items: str, context: str = "uuid:1", resource: str = f"{WMI}root/cimv2/*", *, end: bool = False) -> tuple[int, int]:
    """An Enumerate with a WQL filter, answered with first items."""
    dialect = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
    body = f'<n:Enumerate><w:OptimizeEnumeration/><w:Filter Dialect="{dialect}">{query}</w:Filter></n:Enumerate>'
    ended = "<w:EndOfSequence/>" if end else ""
    told = f"<n:EnumerateResponse><n:EnumerationContext>{context}</n:EnumerationContext><w:Items>{items}</w:Items>{ended}</n:EnumerateResponse>"
    return ask(talk, envelope(f"{ENUMERATION}Enumerate", body, resource), envelope(f"{ENUMERATION}EnumerateResponse", told))


def pull(talk: Talk, items: str, context: str = "uuid:1", resource: str = f"{WMI}root/cimv2/*") -> tuple[int, int]:
    """A Pull that is answered with the last items."""
    body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>20</n:MaxElements></n:Pull>"
    told = f"<n:PullResponse><n:Items>{items}</n:Items><n:EndOfSequence/></n:PullResponse>"
    return ask(talk, envelope(f"{ENUMERATION}Pull", body, resource), envelope(f"{ENUMERATION}PullResponse", told))


def transfer(talk: Talk, name: str, resource: str, body: str, told: str, selectors: Sequence[tuple[str, str]] = (), status: int = 200) -> tuple[int, int]:
    """Get, Put, Create or Delete; a status other than 200 is a fault."""
    answer = envelope(f"{TRANSFER}{name}Response" if status == 200 else FAULT, told)
    return ask(talk, envelope(f"{TRANSFER}{name}", body, resource, selectors), answer, status)


def invoke(talk: Talk, resource: str, method: str, given: str, back: str, selectors: Sequence[tuple[str, str]] = (), status: int = 200) -> tuple[int, int]:
    """A method with its arguments and what it gives back, both as elements."""
    body = f'<p:{method}_INPUT xmlns:p="{resource}">{given}</p:{method}_INPUT>'
    told = f'<p:{method}_OUTPUT xmlns:p="{resource}">{back}</p:{method}_OUTPUT>'
    fault = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Detail>"
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="5"/></s:Detail></s:Fault>'
    )
    answer = envelope(f"{resource}/{method}Response", told) if status == 200 else envelope(FAULT, fault)
    return ask(talk, envelope(f"{resource}/{method}", body, resource, selectors), answer, status)
