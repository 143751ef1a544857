"""Everything that was read, as rules, tables and reports see it: one frozen record with look-ups by id."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from typing import NamedTuple, TypeVar

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.capture import Capture, IcmpError
from analyzer.records.files import MovedFile
from analyzer.records.forwarding import Forwarding
from analyzer.records.hostlogs import HostLogs
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcMessage
from analyzer.records.names import NameClaim
from analyzer.records.operations import CimOperation
from analyzer.records.proxy import Hop, Role, Route
from analyzer.records.sealing import Message
from analyzer.records.secrets import KeyUse
from analyzer.records.sigma import Sighting, SigmaEventHit, SigmaHit
from analyzer.records.story import Story
from analyzer.records.transport import Connection, host_port
from analyzer.records.waiting import Unanswered
from analyzer.records.wsman import Command, Said, Shell

_PORTS = "WinRM uses ports 5985 (HTTP) and 5986 (HTTPS) unless it is set up otherwise: was the capture taken where that traffic passes?"


T = TypeVar("T")


class Index:
    """What is worked out of records once and asked many times: answers by name. What is made of other records has an index of its own."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[Hashable, object] = {}

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, which is called the first time only: ``name`` stands for it."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]  # type: ignore[return-value]  # of this name, so what this function made


class InTurn(NamedTuple):
    """The messages of a connection in order, and what each of them says, where it is clear and says that on its own; else None."""

    messages: tuple[Message, ...]
    said: tuple[Said | None, ...]


class Evidence(Struct, frozen=True, dict=True):
    """All records of a run. Tuples are ordered by place (capture, first packet); mappings are keyed by id and keep that order.

    ``winrm``: ids of connections that carry WinRM (or the authentication of a proxy on the way to it); the others were kept only because they authenticate
    over HTTP. ``near``/``far``: the hops in which an exchange is the client's leg / the upstream leg.
    """

    captures: tuple[Capture, ...]
    connections: Mapping[str, Connection]
    exchanges: Mapping[str, Exchange]
    exchanges_of: Mapping[str, tuple[Exchange, ...]]
    messages: Mapping[str, Message]
    conversations: tuple[Conversation, ...]
    conversations_of: Mapping[str, tuple[Conversation, ...]]
    hops: tuple[Hop, ...]
    near: Mapping[str, Hop]
    far: Mapping[str, Hop]
    routes: tuple[Route, ...]
    roles: Mapping[str, Role]
    winrm: frozenset[str]
    issues: tuple[Issue, ...]
    winrm_exchanges: frozenset[str] = frozenset()
    """Ids of the exchanges that are WinRM's: a connection that a proxy shares carries others, too."""
    shells: tuple[Shell, ...] = ()
    commands: tuple[Command, ...] = ()
    """What was run, as far as bodies could be read."""
    files: tuple[MovedFile, ...] = ()
    """Files that commands moved, in order of time."""
    icmp: Mapping[str, tuple[IcmpError, ...]] = {}
    """ICMP errors by the id of the connection that they quote, in order of time."""
    scope: tuple[str, ...] = ()
    """What was asked for, in words, where that is a part of the captures: times, hosts, ports. What lies outside was not looked at."""
    unanswered: tuple[Unanswered, ...] = ()
    """Requests that got no answer, at most one of each connection."""
    kdc: tuple[KdcMessage, ...] = ()
    """What clients and key distribution centers said to each other, in order of time; empty where there is no WinRM."""
    operations: tuple[CimOperation, ...] = ()
    """What was asked of CIM classes and other resources that are no shells, in order of place."""
    forwarding: Forwarding = Forwarding()
    """Event forwarding: deliveries, subscriptions and the events themselves."""
    host_logs: HostLogs = HostLogs()
    """What hosts logged, where logs were given: joined to what is here."""
    names: tuple[NameClaim, ...] = ()
    """What DNS, mDNS, LLMNR, NBNS and DHCP said of the addresses that take part in WinRM and of their names, in order of packets."""
    story: Story = Story()
    """What the whole comes to: parties, logons, what became of each request, endings."""
    negotiate: bool = False
    """What is looked at is not WinRM alone, but whatever authenticates by Negotiate, NTLM or Kerberos over HTTP; ``winrm`` then has the connections of all."""
    product: str | None = None
    """The proxy product that the user named."""
    sigma_hits: tuple[SigmaHit, ...] = ()
    """What the user's own Sigma rules say of it."""
    sigma_event_hits: tuple[SigmaEventHit, ...] = ()
    """What they say of forwarded events, and of operations on classes."""
    keys: tuple[KeyUse, ...] = ()
    """What became of each password, hash and key that was given."""
    said: Mapping[str, InTurn] = {}
    """What clear messages say, by connection, until shells and operations are made of it; empty afterwards."""
    sightings: tuple[Sighting, ...] = ()
    """The lines of commands, scripts and input that rules look for."""

    @cached_property
    def index(self) -> Index:
        """What is worked out of these once, for those that ask (`analyzer.records.candidates`). It is no part of what is told, stored or sent."""
        return Index()


def subject(evidence: Evidence) -> str:
    """What the connections that are looked at carry, in words."""
    return "web application" if evidence.negotiate else "WinRM"


def tls_kept(evidence: Evidence) -> dict[tuple[str, int], int]:
    """Of the connections that were kept, those with TLS that was not decrypted and is not known to be WinRM's, by (server, port)."""
    counts: dict[tuple[str, int], int] = {}
    for one in evidence.connections.values():
        if one.protocol == "tls" and not one.tls_opened and one.id not in evidence.winrm and one.twin_of is None:
            counts[one.server.host, one.server.port] = counts.get((one.server.host, one.server.port), 0) + 1
    return counts


def tls_elsewhere(captures: Iterable[Capture], kept: Mapping[tuple[str, int], int]) -> tuple[int, tuple[tuple[str, int, int], ...]]:
    """TLS that was not decrypted and is not known to be WinRM's: connections in all, and (server, port, connections), the most frequent first. WinRM over
    HTTPS on another port looks the same. ``kept``: as `tls_kept` gives it."""
    counts: dict[tuple[str, int], int] = {}
    total = sum(kept.values())
    for capture in captures:
        total += capture.tls_elsewhere_total
        for host, port, number in capture.tls_elsewhere:
            counts[host, port] = counts.get((host, port), 0) + number
    for place, number in kept.items():
        counts[place] = counts.get(place, 0) + number
    return total, tuple(sorted(((*ends, number) for ends, number in counts.items()), key=lambda one: (-one[2], one[0], one[1])))


def nothing(evidence: Evidence) -> tuple[str, ...]:
    """What is said where nothing was found that is looked for."""
    return nothing_in(evidence.captures, tls_kept(evidence), part=bool(evidence.scope), negotiate=evidence.negotiate)


def nothing_in(captures: Iterable[Capture], kept: Mapping[tuple[str, int], int], *, part: bool, negotiate: bool) -> tuple[str, ...]:
    """The same of captures. ``part``: a part of them was looked at."""
    where = " in the scope that was asked for" if part else ""
    told = tls_told(captures, kept)
    if negotiate:
        return (f"Nothing that authenticates by Negotiate, NTLM or Kerberos over HTTP was found{where}.", *told)
    found = f"No WinRM traffic was found{where}."
    return (found,) if where else (found, *(told or (_PORTS,)))


def tls_words(evidence: Evidence) -> tuple[str, ...]:
    """What is said of TLS that was not decrypted where no WinRM was found; nothing where there is none."""
    return tls_told(evidence.captures, tls_kept(evidence))


def tls_told(captures: Iterable[Capture], kept: Mapping[tuple[str, int], int]) -> tuple[str, ...]:
    """The same of captures."""
    total, places = tls_elsewhere(captures, kept)
    if not total:
        return ()
    host, port, _ = places[0]
    many = f"{total:,} TLS connections" if total > 1 else "A TLS connection"
    where = f"to {host_port(host, port)}" if len(places) == 1 else f"to {len(places):,} addresses, most of them to {host_port(host, port)}"
    return (
        f"{many} {where} {'were' if total > 1 else 'was'} not decrypted: WinRM over HTTPS on another port than 5986 looks the same.",
        f"A key log of client or server (--keylog) shows it; --tls-port {port} takes TLS on that port for WinRM's.",
    )


def captures_only(captures: tuple[Capture, ...], issues: tuple[Issue, ...]) -> Evidence:
    """The evidence of captures in which no connection of interest was found."""
    return Evidence(captures, {}, {}, {}, {}, (), {}, (), {}, {}, (), {}, frozenset(), issues)
