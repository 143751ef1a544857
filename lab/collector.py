"""The event collector behind the lab's server: hands out subscriptions, takes events, acknowledges them.

What comes back is what Windows' collector answers (MS-WSMV 3.1.4.1.30, DSP0226 section 10): EnumerateResponse with a Subscribe envelope for each
subscription, Ack for deliveries. `conduct["collector"]` has the subscriptions (name, query as XML, bookmarks by log, options), and `mute`: the
numbers of the batches, from 1, that get no answer because the collector goes down. The journal has what it received, event by event.
"""

import uuid
import xml.etree.ElementTree as ET
from typing import Any

from lab.accounts import SERVER_HOST
from lab.soap import NS, Request, answer

EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman"
EVENT = "{http://schemas.microsoft.com/win/2004/08/events/event}"
MANAGER = "http://schemas.microsoft.com/wbem/wsman/1/SubscriptionManager/Subscription"
PATH = "/wsman/subscriptions"
LOG = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog"
SPACES = {**NS, "e": EVENTING, "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration"}
_DELIVERIES = ("Events", "Heartbeat", "SubscriptionEnd")


def identity(name: str) -> str:
    """The identifier of a subscription."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lab/{name}")).upper()


def wanted(request: Request) -> bool:
    """The request is one of event forwarding."""
    return request.word in _DELIVERIES or request.resource_uri == MANAGER


def mute(conduct: dict[str, Any], journal: list[dict[str, Any]]) -> bool:
    """The collector goes down before it answers the batch that it just wrote down."""
    return bool(journal) and journal[-1].get("batch") in conduct.get("collector", {}).get("mute", ())


def handle(conduct: dict[str, Any], journal: list[dict[str, Any]], request: Request, batches: int) -> tuple[int, bytes]:
    """HTTP status and document; what was received goes to `journal`. `batches`: how many came before."""
    own = conduct["collector"]
    if request.resource_uri == MANAGER:
        items = "".join(_item(one, request) for one in own["subscriptions"])
        journal += [{"event": "subscription", "name": one["name"], "id": identity(one["name"])} for one in own["subscriptions"]]
        journal.append({"event": "delivery", "kind": "subscriptions", "events": 0})
        body = f"<n:EnumerateResponse><n:EnumerationContext/><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
        return 200, answer(request, body.replace("<n:EnumerateResponse>", f'<n:EnumerateResponse xmlns:n="{SPACES["n"]}">'))
    events = [ET.fromstring(one.text or "") for one in request.body.findall("w:Events/w:Event", NS)]
    row = {"event": "delivery", "kind": {"Events": "events", "Heartbeat": "heartbeat"}.get(request.word, "subscription_end"), "events": len(events)}
    journal += [_event(one) for one in events]
    journal.append(row | ({"batch": batches + 1} if events else {}))
    return 200, answer(request, "", action=f"{WSMAN}/Ack")


def _event(root: ET.Element) -> dict[str, Any]:
    """What the collector wrote down of an event."""
    system = root.find(f"{EVENT}System")
    if system is None:
        return {"event": "logged"}

    def text(name: str) -> str:
        return system.findtext(f"{EVENT}{name}", "")

    values = {one.get("Name", ""): one.text or "" for one in root.iterfind(f"{EVENT}EventData/{EVENT}Data")}
    return {
        "event": "logged",
        "event_id": int(text("EventID")),
        "record": int(text("EventRecordID")),
        "channel": text("Channel"),
        "computer": text("Computer"),
        "provider": system.find(f"{EVENT}Provider").get("Name"),
        "time": system.find(f"{EVENT}TimeCreated").get("SystemTime"),
        "data": values,
    }


def _item(one: dict[str, Any], request: Request) -> str:
    """A subscription of the listing: its version, and the Subscribe envelope that the source is to serve (MS-WSMV 2.2.4.41)."""
    version = identity(one["name"])
    where = (
        f"<a:Address>HTTP://{SERVER_HOST}:5985{PATH}/{version}/1</a:Address>"
        f"<a:ReferenceProperties><e:Identifier>{version}</e:Identifier></a:ReferenceProperties>"
    )
    options = {"SubscriptionName": one["name"], "ContentFormat": "RenderedText", **({"Compression": "SLDC"} if one.get("sldc") else {})}
    chosen = "".join(f'<w:Option Name="{name}">{value}</w:Option>' for name, value in options.items())
    marks = "".join(f'<Bookmark Channel="{log}" RecordId="{record}" IsCurrent="true"/>' for log, record in one.get("bookmarks", {}).items())
    bookmark = f"<w:Bookmark><BookmarkList>{marks}</BookmarkList></w:Bookmark>" if marks else ""
    spaces = " ".join(f'xmlns:{key}="{SPACES[key]}"' for key in ("s", "a", "e", "n", "w", "p"))
    return (
        '<m:Subscription xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/subscription">'
        f"<m:Version>uuid:{version}</m:Version><s:Envelope {spaces}><s:Header><a:To>{request.action and NS['a']}/role/anonymous</a:To>"
        f'<w:ResourceURI s:mustUnderstand="true">{LOG}</w:ResourceURI>'
        f'<a:Action s:mustUnderstand="true">{EVENTING}/Subscribe</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>'
        f"<w:OptionSet>{chosen}</w:OptionSet></s:Header><s:Body><e:Subscribe><e:EndTo>{where}</e:EndTo>"
        f'<e:Delivery Mode="{WSMAN}/Events"><w:Heartbeats>PT900.000S</w:Heartbeats><e:NotifyTo>{where}</e:NotifyTo>'
        '<w:ConnectionRetry Total="5">PT60.0S</w:ConnectionRetry><w:MaxTime>PT30.000S</w:MaxTime>'
        '<w:MaxEnvelopeSize Policy="Notify">512000</w:MaxEnvelopeSize><w:ContentEncoding>UTF-16</w:ContentEncoding></e:Delivery>'
        '<w:Filter Dialect="http://schemas.microsoft.com/win/2004/08/events/eventquery">'
        f'<QueryList><Query Id="0">{one["query"]}</Query></QueryList></w:Filter>{bookmark}<w:SendBookmarks/></e:Subscribe></s:Body>'
        "</s:Envelope></m:Subscription>"
    )
