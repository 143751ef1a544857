"""Routers and firewalls between client and server, without any proxy."""

from lab.scenario import Client, Device, Scenario, Server
from lab.scenarios.sets import NO_FAULT, NO_MIXUP

SESSION = {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 0.1}
PAUSES = {"username": "LAB\\alice", "auth": "ntlm", "commands": ["whoami", "hostname"], "pause_s": 22.0}
WAITS = {
    "username": "LAB\\alice",
    "auth": "ntlm",
    "operation_timeout_s": 10,
    "commands": ["whoami", "ping -n 16 127.0.0.1", "hostname"],
}
BIG = {
    "username": "LAB\\alice",
    "auth": "ntlm",
    "commands": ["echo " + "x" * 6000, "whoami"],
    "read_timeout_s": 6,
    "operation_timeout_s": 5,
}
NO_PROXY = (
    "enc.plaintext-soap-through-proxy",
    "proxy.unexpected",
    "proxy.tls-intercepted",
    "enc.proxy-path-not-https",
    "proxy.credential-exposure",
)
NOT = (
    *NO_MIXUP,
    *NO_PROXY,
    "affinity.sequence-discontinuity",
    "auth.credentials-refused",
    "auth.loop",
    "tcp.close-after-auth-2xx",
)
LATER = (
    "http.encrypted-body-refused",
    "tcp.request-cut",
    "tcp.device-reset",
    "tcp.client-gave-up",
    "tcp.idle-timeout",
    "http.replayed-body",
    "auth.context-lost",
    "auth.idle-reauth",
    "tcp.request-lost-after-auth",
    "tcp.rst-after-2xx",
)
QUIET = (*NO_FAULT, *NO_PROXY)


def _one(action: str, options: dict[str, object]) -> tuple[tuple[Client, ...], ...]:
    return ((Client("wks01", action, options),),)


SCENARIOS = (
    Scenario(
        name="source-nat-direct-healthy",
        description="A router translates the client's source address and port; the capture has both of its sides.",
        link="translated",
        phases=_one("pywinrm", SESSION),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
        notes="One connection, seen twice: equal initial sequence numbers, equal bytes. There is no proxy.",
    ),
    Scenario(
        name="source-nat-two-files-healthy",
        description="The same translation, two users one after the other, one file on each side of the router.",
        link="translated",
        phases=(*_one("pywinrm", SESSION), *_one("pypsrp-winrs", {"username": "LAB\\bob", "commands": ["whoami"]})),
        users=("alice", "bob"),
        capture="two-pcaps",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="firewall-forgets-reset",
        description="A firewall forgets the connection during a pause of 22 s and answers the next request by RST in the server's name; the server"
        " knows nothing of it. Recorded on the client.",
        phases=_one("pypsrp-winrs", PAUSES),
        device=Device("forget-reset", 8.0),
        capture="client-pcap",
        expected_rules=("tcp.reset-after-pause",),
        forbidden_rules=NOT,
        open_rules=LATER,
        notes="The RST has another TTL than the server's packets.",
    ),
    Scenario(
        name="firewall-forgets-reset-both-sides",
        description="The same, recorded on the client and on the server: the server keeps the connection that was reset in its name.",
        phases=_one("pypsrp-winrs", PAUSES),
        device=Device("forget-reset", 8.0),
        capture="two-sides",
        expected_rules=("tcp.reset-after-pause",),
        forbidden_rules=NOT,
        open_rules=LATER,
    ),
    Scenario(
        name="firewall-forgets-silently",
        description="A firewall forgets the connection during a pause of 22 s and drops what follows: the next request is never acknowledged.",
        phases=_one(
            "pypsrp-winrs",
            {**PAUSES, "read_timeout_s": 6, "operation_timeout_s": 5},
        ),
        device=Device("forget-drop", 8.0),
        capture="client-pcap",
        expected_rules=("tcp.silent-drop",),
        forbidden_rules=NOT,
        open_rules=LATER,
    ),
    Scenario(
        name="long-pause-healthy",
        description="The healthy twin: the same pauses, and nobody forgets anything.",
        phases=_one("pypsrp-winrs", PAUSES),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="router-resets-waiting-receive",
        description="A device resets both ends while a Receive waits for output; recorded on the client and on the server.",
        phases=_one("pypsrp-winrs", WAITS),
        device=Device("reset-both", 3.0),
        capture="two-sides",
        expected_rules=("tcp.device-reset",),
        forbidden_rules=NOT,
        open_rules=(*LATER, "tcp.longpoll-cut"),
        notes="Both RST have a TTL of 255 or 254, client and server send with 64: neither of them ended the connection.",
    ),
    Scenario(
        name="router-resets-waiting-receive-client-side",
        description="The same reset, recorded on the client only.",
        phases=_one("pypsrp-winrs", WAITS),
        device=Device("reset-both", 3.0),
        capture="client-pcap",
        expected_rules=("tcp.device-reset",),
        forbidden_rules=NOT,
        open_rules=(*LATER, "tcp.longpoll-cut"),
    ),
    Scenario(
        name="waiting-receive-healthy",
        description="The healthy twin: the Receive waits for 6 s and gets its output.",
        phases=_one("pypsrp-winrs", WAITS),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="icmp-prohibited-by-router",
        description="A router answers every SYN with ICMP communication administratively prohibited.",
        phases=_one("pypsrp-winrs", {**SESSION, "auth": "ntlm", "commands": [], "read_timeout_s": 6, "operation_timeout_s": 5}),
        device=Device("prohibit"),
        capture="client-pcap",
        expected_rules=("tcp.icmp-error",),
        forbidden_rules=NOT,
        open_rules=("tcp.service-unreachable",),
    ),
    Scenario(
        name="icmp-host-unreachable",
        description="A router answers every SYN with ICMP host unreachable.",
        phases=_one("pypsrp-winrs", {**SESSION, "auth": "ntlm", "commands": [], "read_timeout_s": 6, "operation_timeout_s": 5}),
        device=Device("unreachable"),
        capture="client-pcap",
        expected_rules=("tcp.icmp-error",),
        forbidden_rules=NOT,
        open_rules=("tcp.service-unreachable",),
    ),
    Scenario(
        name="service-not-listening-direct",
        description="Nothing listens on the server's port 5985: its own RST answers every SYN.",
        server=Server(down=True),
        phases=_one("pypsrp-winrs", {**SESSION, "auth": "ntlm", "commands": []}),
        capture="client-pcap",
        expected_rules=("tcp.service-unreachable",),
        forbidden_rules=NOT,
    ),
    Scenario(
        name="syn-dropped-by-firewall",
        description="A firewall drops every SYN to the server: no answer of any kind.",
        phases=_one("pypsrp-winrs", {**SESSION, "auth": "ntlm", "commands": [], "read_timeout_s": 6, "operation_timeout_s": 5}),
        device=Device("close-inside"),
        capture="client-pcap",
        expected_rules=("tcp.service-unreachable",),
        forbidden_rules=NOT,
        open_rules=("tcp.service-unreachable",),
    ),
    Scenario(
        name="mtu-black-hole-direct",
        description="The way to the server takes packets of 1300 bytes, and the router's ICMP messages are blocked: full segments never arrive.",
        phases=_one("pypsrp-winrs", BIG),
        device=Device("black-hole"),
        capture="client-pcap",
        expected_rules=("tcp.path-mtu",),
        forbidden_rules=NOT,
        open_rules=LATER,
        notes="Small requests are answered before, and the server lives.",
    ),
    Scenario(
        name="small-mtu-told-healthy",
        description="The healthy twin: the router says by ICMP what fits (fragmentation needed, next hop 1300), and the client sends smaller segments.",
        phases=_one("pypsrp-winrs", BIG),
        device=Device("small-mtu"),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="small-mtu-clamped-healthy",
        description="The other healthy twin: ICMP is blocked, but the router lowers the MSS of every SYN.",
        phases=_one("pypsrp-winrs", BIG),
        device=Device("clamp"),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=QUIET,
    ),
)
