"""Event forwarding as sources and collectors write it (MS-WSMV 3.1.4.1.30, DSP0226 section 10): envelopes, and a wire that carries them."""

from collections.abc import Mapping, Sequence

from tests.build.talk_http import SOAP, Content, Field, post, reply
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire

SOURCE, COLLECTOR = "10.10.1.11", "10.10.1.21"
MACHINE = "wks01.lab.example"
MANAGER = "http://schemas.microsoft.com/wbem/wsman/1/SubscriptionManager/Subscription"
LOG = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing/"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman/"
FAULT = f"{WSMAN}fault"
ID = "219C5353-5F3D-4CD7-A644-F6B69E57C1C1"
PATH = "/wsman/subscriptions/B6BDBB59-FB07-4EE5-841F-EBEC9D67CDD4/1"
MANAGER_PATH = "/wsman/SubscriptionManager/WEC"
_NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"'
)


def event(
    record: int,
    event_id: int = 4688,
    data: Mapping[str, str] | None = None,
    *,
    channel: str = "Security",
    provider: str = "Microsoft-Windows-Security-Auditing",
    computer: str = MACHINE,
    time: str = "2026-01-02T03:04:05.1234567Z",
    inside: str = "",
    message: str = "",
) -> str:
    """An event; ``inside`` stands in place of EventData."""
    values = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in (data or {}).items())
    rendered = f"<RenderingInfo Culture='en-US'><Message>{message}</Message><Level>Information</Level><Task>T</Task></RenderingInfo>" if message else ""
    return (
        f"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{provider}' Guid='{{1}}'/><EventID>{event_id}</EventID>"
        f"<Version>2</Version><Level>0</Level><Task>13312</Task><Opcode>0</Opcode><Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='{time}'/>"
        f"<EventRecordID>{record}</EventRecordID><Correlation/><Execution ProcessID='4' ThreadID='288'/><Channel>{channel}</Channel>"
        f"<Computer>{computer}</Computer><Security UserID='S-1-5-18'/></System>{inside or f'<EventData>{values}</EventData>'}{rendered}</Event>"
    )


def _bookmark(marks: Mapping[str, int]) -> str:
    own = "".join(f'<Bookmark Channel="{channel}" RecordId="{record}" IsCurrent="true"/>' for channel, record in marks.items())
    return f"<w:Bookmark><BookmarkList>{own}</BookmarkList></w:Bookmark>" if marks else ""


def envelope(action: str, body: str, header: str = "", *, resource: str = "", number: int = 1) -> str:
    """An envelope as text."""
    uri = f'<w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>' if resource else ""
    own = f"<a:Action>{action}</a:Action><a:MessageID>uuid:{number:08X}</a:MessageID>{uri}{header}"
    return f"<s:Envelope {_NAMES}><s:Header>{own}</s:Header><s:Body>{body}</s:Body></s:Envelope>"


def delivery(
    events: Sequence[str],
    *,
    kind: str = "Events",
    marks: Mapping[str, int] | None = None,
    number: int = 1,
    ask: bool = True,
    cdata: bool = True,
    body: str = "",
) -> str:
    """A message of a source: a batch of events, a heartbeat."""
    items = "".join(f'<w:Event Action="{WSMAN}Event">{f"<![CDATA[{one}]]>" if cdata else one}</w:Event>' for one in events)
    header = (
        f'<m:MachineID xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/machineid">{MACHINE}\n</m:MachineID>'
        f"<e:Identifier>{ID}</e:Identifier>{_bookmark(marks or {})}{'<w:AckRequested/>' if ask else ''}"
    )
    base = EVENTING if kind == "SubscriptionEnd" else WSMAN
    return envelope(f"{base}{kind}", body or f"<w:Events>{items}</w:Events>", header, number=number)


def ack(number: int = 1) -> str:
    """What a collector answers."""
    return envelope(f"{WSMAN}Ack", "", f"<a:RelatesTo>uuid:{number:08X}</a:RelatesTo>", number=number + 1000)


def subscribe(
    query: str = '<Select Path="Security">*</Select>',
    *,
    name: str = "Base",
    identifier: str = ID,
    marks: Mapping[str, int] | None = None,
    mode: str = "Events",
    existing: bool = False,
) -> str:
    """A Subscribe envelope."""
    options = {"SubscriptionName": name, "Compression": "SLDC", "ContentFormat": "RenderedText", **({"ReadExistingEvents": "true"} if existing else {})}
    chosen = "".join(f'<w:Option Name="{key}">{value}</w:Option>' for key, value in options.items())
    where = (
        f"<a:Address>HTTP://wec01.lab.example:5985{PATH}</a:Address><a:ReferenceProperties><e:Identifier>{identifier}</e:Identifier></a:ReferenceProperties>"
    )
    body = (
        f'<e:Subscribe><e:EndTo>{where}</e:EndTo><e:Delivery Mode="{WSMAN}{mode}"><w:Heartbeats>PT3600.000S</w:Heartbeats><e:NotifyTo>{where}</e:NotifyTo>'
        f"<w:MaxTime>PT30.000S</w:MaxTime></e:Delivery>"
        f'<w:Filter Dialect="http://schemas.microsoft.com/win/2004/08/events/eventquery"><QueryList><Query Id="0">{query}</Query></QueryList></w:Filter>'
        f"{_bookmark(marks or {})}<w:SendBookmarks/></e:Subscribe>"
    )
    return envelope(f"{EVENTING}Subscribe", body, f"<w:OptionSet>{chosen}</w:OptionSet>", resource=LOG, number=7)


def listing(*subscriptions: str, identifier: str = ID) -> str:
    """What a collector answers a source that asks for its subscriptions."""
    items = "".join(
        f'<m:Subscription xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/subscription"><m:Version>uuid:{identifier}</m:Version>{one}</m:Subscription>'
        for one in subscriptions
    )
    body = f"<n:EnumerateResponse><n:EnumerationContext/><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
    return envelope(f"{ENUMERATION}EnumerateResponse", body)


def asking() -> str:
    """A source asks for its subscriptions."""
    machine = f'<m:MachineID xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/machineid">{MACHINE}</m:MachineID>'
    body = "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements></n:Enumerate>"
    return envelope(f"{ENUMERATION}Enumerate", body, machine, resource=MANAGER)


def source_talk(lan: Wire, port: int = 50001) -> Talk:
    """A source's connection to its collector."""
    return lan.connect(SOURCE, port, COLLECTOR, 5985)


def tell(talk: Talk, text: str, answer: str | None = None, *, path: str = PATH, status: int = 200, fields: Sequence[Field] = ()) -> tuple[int, int | None]:
    """A message of a source and what the collector answers; the numbers of their first packets."""
    asked = talk.send(post(path, basic("wks01$"), *fields, content=Content(SOAP, text.encode())))
    return asked, None if answer is None else talk.answer(reply(status, content=Content(SOAP, answer.encode())))
