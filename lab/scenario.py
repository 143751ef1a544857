"""What a scenario file declares."""

from dataclasses import dataclass, field
from typing import Any, Literal

CaptureKind = Literal[
    "any-sll2", "proxy-pcapng", "proxy-nsec", "client-pcap", "client-pcapng", "upstream-pcap", "two-files", "two-pcaps",
    "three-files", "trunk-pcap", "client-any", "two-sides"
]  # fmt: skip
View = Literal["whole", "snap-96", "snap-400", "midstream", "rotated", "drift", "lost-packets", "compressed", "client-side", "server-side"]
ProxyKind = str
"""none, badproxy, a name of lab.proxies.PROXIES; chain (options first, second: kind and options) or beside (options each)."""
Link = Literal["plain", "vlan", "unreliable", "ipv6", "translated"]


@dataclass(frozen=True, slots=True)
class Server:
    """The WinRM server: schemes in the order they are offered, and what it allows. `down` leaves its port closed;
    `anonymous` runs requests without credentials as root, as OMI did (CVE-2021-38647); `certificates` asks clients for one;
    `idle_limit_s` closes connections that say nothing for so long; `absent`: there is no WinRM server at all. `conduct` is what
    lab.httpsys and lab.shells know; `expired` gives it a certificate that is no longer valid."""

    schemes: tuple[str, ...] = ("Negotiate", "Kerberos")
    allow_unencrypted: bool = False
    service: str = "HTTP"
    tls: bool = False
    down: bool = False
    anonymous: bool = False
    certificates: bool = False
    idle_limit_s: float = 60.0
    absent: bool = False
    expired: bool = False
    conduct: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Device:
    """A router or firewall on the path that does something (lab/device.py) `at_s` seconds after the clients of a phase started
    (None: before they do), for the connections that exist then."""

    does: str
    at_s: float | None = None
    phase: int = 0


@dataclass(frozen=True, slots=True)
class Proxy:
    """The middle box; `options` are the words that lab.proxies (or lab.badproxy) knows for this kind."""

    kind: ProxyKind = "none"
    options: dict[str, Any] = field(default_factory=dict)
    forward: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """One client program run: an action of lab.clients on a host. `options` are the action's arguments."""

    host: str
    action: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One sample capture. Phases run one after the other, the clients of a phase at the same time.

    `expected_rules` must fire and `forbidden_rules` must not; `open_rules` are those of severity medium or above whose
    condition holds or not depending on how it is read: a test should accept both. `view` is what became of the recording
    before it was kept, `witness` a second recording elsewhere that has to show the same exchanges, `link` what lies between
    client and router, `device` what happens on the path. `ambiguous`: nothing on the wire tells which exchange is which behind
    the proxy. `unrelated`: no WinRM.
    `forged`: a ticket that the KDC did not issue lies there for clients with the option `ticket`.
    `kdc_too`: what clients say to the KDC over UDP is recorded as well. `parties` are those of truth.json where the proxies' configuration does not tell them.
    """

    name: str
    description: str
    phases: tuple[tuple[Client, ...], ...]
    server: Server = Server()
    proxy: Proxy = Proxy()
    capture: CaptureKind = "any-sll2"
    kerberos: bool = False
    kdc_too: bool = False
    forged: bool = False
    offload: bool = False
    users: tuple[str, ...] = ("alice",)
    healthy: bool = False
    expected_rules: tuple[str, ...] = ()
    forbidden_rules: tuple[str, ...] = ()
    open_rules: tuple[str, ...] = ()
    notes: str = ""
    view: View = "whole"
    witness: CaptureKind | None = None
    link: Link = "plain"
    ambiguous: bool = False
    unrelated: bool = False
    device: Device | None = None
    parties: tuple[dict[str, Any], ...] = ()

    @property
    def client_tls(self) -> bool:
        """Clients speak HTTPS."""
        return self.server.tls or bool(self.proxy.options.get("tls")) or self.proxy.kind in ("hitch", "stunnel")


def open_rules(scenario: Scenario) -> tuple[str, ...]:
    """The scenario's open rules and those that are open for every capture of its kind.

    A proxied path without TLS is one thing to some readers of the catalogue and an accepted risk to others; reverse
    proxies never send Proxy-Support; a client may be told to use NTLM although Kerberos is offered.
    """
    standing: tuple[str, ...] = () if scenario.kerberos else ("auth.scheme-downgrade",)
    if scenario.proxy.kind != "none" and not scenario.client_tls:
        standing += (
            "enc.proxy-path-not-https",
            "proxy.credential-exposure",
            "auth.negotiate-via-proxy-without-proxy-support",
        )
    judged = (*scenario.expected_rules, *scenario.forbidden_rules)
    return tuple(rule for rule in dict.fromkeys((*scenario.open_rules, *standing)) if rule not in judged)
