"""Operations on CIM classes, and event forwarding: healthy, with changes, through a proxy, without an acknowledgement, with a gap."""

from lab.scenario import Client, Proxy, Scenario, Server
from lab.scenarios.https import CHANNEL
from lab.scenarios.sets import NO_FAULT, NO_MIXUP

SQUID = Proxy("squid", forward=True)
ALL_OF_SECURITY = {"name": "All of Security", "query": '<Select Path="Security">*</Select>', "bookmarks": {"Security": 5000}}
SOME = {
    "name": "Processes and services",
    "query": '<Select Path="Security">*[System[(EventID=4688 or EventID=4689)]]</Select><Select Path="System">*[System[(EventID=7036)]]</Select>',
    "sldc": True,
}
CHANGES = "attack.cim-change"
UNACKNOWLEDGED = "wsman.events-unacknowledged"


def _batch(log: str, first: int, *ids: int, step: int = 1, sldc: bool = False) -> dict[str, object]:
    return {"log": log, "records": [first + step * place for place in range(len(ids))], "ids": list(ids), "sldc": sldc}


def _source(*steps: object, user: str = "LAB\\alice", clear: bool = False) -> tuple[tuple[Client, ...], ...]:
    return ((Client("wks01", "raw-source", {"username": user, "steps": list(steps), **({"clear": True} if clear else {})}),),)


def _asks(*asks: object, clear: bool = False) -> tuple[tuple[Client, ...], ...]:
    return ((Client("wks01", "raw-cim", {"username": "LAB\\alice", "asks": list(asks), **({"clear": True} if clear else {})}),),)


_READS = (
    ("Enumerate", "Win32_Service", "SELECT * FROM Win32_Service"),
    ("Enumerate", "Win32_Process", "SELECT * FROM Win32_Process WHERE Name = 'lsass.exe'"),
    ("Get", "Win32_Service", {"Name": "WinRM"}),
    ("Get", "Win32_OperatingSystem", {}),
    ("Invoke", "Win32_Service", ("InterrogateService", {"Name": "Spooler"}, {})),
)
_CHANGES = (
    ("Get", "Win32_Service", {"Name": "Spooler"}),
    ("Put", "Win32_Service", ({"Name": "Spooler"}, {"StartMode": "Disabled"})),
    ("Invoke", "Win32_Service", ("StopService", {"Name": "Spooler"}, {})),
    ("Invoke", "Win32_Service", ("Create", {}, {"Name": "updater", "DisplayName": "Updater", "PathName": "C:\\Temp\\updater.exe -k", "StartMode": "Auto"})),
    ("Invoke", "Win32_Process", ("Create", {}, {"CommandLine": "cmd.exe /c ver"})),
    ("Invoke", "Win32_Service", ("StopService", {"Name": "nosuch"}, {})),
    ("Create", "Lab_Note", {"Name": "note", "Text": "made by the lab"}),
    ("Delete", "Lab_Note", {"Name": "note"}),
)

SCENARIOS = (
    Scenario(
        name="direct-cim-healthy",
        description="A management tool asks for services, processes and the operating system by CIM: WQL with pages, Get, and a method that only reads.",
        phases=_asks(*_READS),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, CHANGES, "attack.remote-process", "wsman.request-failed"),
    ),
    Scenario(
        name="squid-cim-changes",
        description="Through squid, a client changes services by CIM and starts a program with Win32_Process.Create; one method names no service.",
        server=Server(allow_unencrypted=True),
        phases=_asks(*_CHANGES, clear=True),
        proxy=SQUID,
        expected_rules=(CHANGES, "attack.remote-process", "wsman.no-such-resource", "enc.plaintext-soap-through-proxy"),
        forbidden_rules=(*NO_MIXUP, "wsman.shell-gone"),
        open_rules=("enc.server-allows-unencrypted", "enc.no-seal-negotiated"),
    ),
    Scenario(
        name="direct-event-forwarding-healthy",
        description="A source of event forwarding gets its subscription, says that it is there, and delivers two batches with Kerberos, one of them in SLDC.",
        server=Server(conduct={"collector": {"subscriptions": [SOME]}}),
        kerberos=True,
        phases=_source("heartbeat", _batch("Security", 7001, 4688, 4689, 4688), _batch("System", 301, 7036, 7036, sldc=True), "end", user="alice"),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, UNACKNOWLEDGED, "attack.bulk-transfer"),
    ),
    Scenario(
        name="squid-event-forwarding-healthy",
        description="The same with NTLM through squid: a proxy between sources and their collector that keeps connections apart.",
        server=Server(conduct={"collector": {"subscriptions": [SOME]}}),
        proxy=SQUID,
        phases=_source("heartbeat", _batch("Security", 7001, 4688, 4689), _batch("System", 301, 7036, sldc=True)),
        healthy=True,
        forbidden_rules=(*NO_FAULT, UNACKNOWLEDGED, "attack.bulk-transfer"),
    ),
    Scenario(
        name="https-event-forwarding-certificate",
        description="The same over HTTPS with the source's certificate, as hosts outside of the domain do it; bodies are compressed inside of TLS.",
        server=Server(tls=True, certificates=True, conduct={"collector": {"subscriptions": [SOME]}}),
        phases=_source("heartbeat", _batch("Security", 7001, 4688, 4689, sldc=True), _batch("System", 301, 7036)),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, UNACKNOWLEDGED, "attack.bulk-transfer"),
        open_rules=CHANNEL,
    ),
    Scenario(
        name="direct-event-forwarding-lost-ack",
        description="A collector goes down before it acknowledges the first batch; the source sends it again on a new connection.",
        server=Server(allow_unencrypted=True, conduct={"collector": {"subscriptions": [ALL_OF_SECURITY], "mute": [1]}}),
        phases=_source("heartbeat", _batch("Security", 5001, 4624, 4688), _batch("Security", 5003, 4689), clear=True),
        capture="client-pcap",
        expected_rules=(UNACKNOWLEDGED, "enc.plaintext-soap-direct"),
        forbidden_rules=NO_MIXUP,
        open_rules=(
            "enc.server-allows-unencrypted",
            "enc.no-seal-negotiated",
            "tcp.never-answered",
            "tcp.request-lost-after-auth",
            "tcp.upstream-idle-close",
            "tcp.longpoll-cut",
        ),
    ),
    Scenario(
        name="direct-event-forwarding-gap",
        description="A source whose subscription selects all of a log delivers batches between which records are missing, as after a log that was overwritten.",
        server=Server(conduct={"collector": {"subscriptions": [ALL_OF_SECURITY]}}),
        phases=_source(_batch("Security", 5001, 4624, 4688), _batch("Security", 5010, 4689, 4688), "heartbeat"),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, UNACKNOWLEDGED),
        notes="Records 5003 to 5009 were never sent: what a reader of the capture can say is that they are not in it.",
    ),
)
