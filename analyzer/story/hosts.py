"""Addresses and their names: every host that takes part in WinRM, what it is called, and who says so.

A name never takes the place of an address, because each of them is a claim: a Host field is what the client asked for, NTLM's target information is what the
server says of itself, and an answer of LLMNR or NBNS can come from anyone. Names are read where the party at that end is the one that is meant: the Host
field of a request to a proxy names the server behind it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import merge
from typing import NamedTuple, TypeAlias

from msgspec import Struct, field

from analyzer.records.auth import Conversation, Mechanism, NtlmToken
from analyzer.records.candidates import connections
from analyzer.records.evidence import Evidence
from analyzer.records.halves import header, host_name
from analyzer.records.names import Host, HostName, NameClaim, Naming
from analyzer.records.quality import Absent
from analyzer.records.story import Kind, Party
from analyzer.records.transport import Connection, TlsFacts

_LOOKED_AT = 32
"""Exchanges of a connection that are looked at for names."""
_NAMES = 64
"""Names of one address that are kept, by source."""
_PACKETS = 8
_ORDER = {source: place for place, source in enumerate(Naming)}
_HOST, _NTLM = Naming.HOST, Naming.NTLM
_CLIENT, _SERVER = Kind.CLIENT, Kind.SERVER
_ROLES = {kind: kind.value for kind in Kind}


class _Claim(NamedTuple):
    """One source says that ``host`` has this name."""

    host: str
    name: str
    source: Naming
    said_by: str
    packet: int | None


_Say: TypeAlias = Callable[[str, str, Naming, str, int | None], None]
"""Takes one claim: its address, name, source, who said it, and the packet."""


class _Told(Struct):
    """What one source says of one address, together: the first claim, how many there are, and the first few of their senders and packets."""

    first: _Claim
    times: int = 0
    said_by: list[str] = field(default_factory=list)
    packets: list[int] = field(default_factory=list)

    def add(self, said_by: str, packet: int | None) -> None:
        self.times += 1
        if len(self.said_by) < _PACKETS and said_by not in self.said_by:
            self.said_by.append(said_by)
        if packet is not None and len(self.packets) < _PACKETS and packet not in self.packets:
            self.packets.append(packet)


class _Placed:
    """Which addresses have a name, by the version of the address: a name that all have is asked for as often as there are addresses."""

    def __init__(self) -> None:
        self._count = 0
        self._of_name: dict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
        self._of_label: dict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
        self._first_ones: dict[tuple[int, str], list[str]] = {}

    def add(self, claim: _Claim) -> None:
        """A claim that was kept, in their order."""
        name, version = claim.name.lower(), _version(claim.host)
        self._count += 1
        placed = (self._count, claim.host)
        self._of_name[version, name].append(placed)
        self._of_label[version, _first(name)].append(placed)

    def elsewhere(self, host: str, name: str) -> list[str]:
        """The first other addresses with an equal name; a name of one label is equal to each that begins with it. Asked once all claims are added."""
        place = (_version(host), name.lower())
        known = self._first_ones.get(place)
        if known is None:
            known = self._first_ones[place] = self._earliest(*place)
        return [] if known == [host] else [other for other in known if other != host][:_PACKETS]

    def _earliest(self, version: int, name: str) -> list[str]:
        """The first addresses with an equal name, one more than are told: each leaves out itself."""
        label = _first(name)
        if name == label:
            found: Iterable[tuple[int, str]] = self._of_label.get((version, label), ())
        else:
            whole, bare = self._of_name.get((version, name), ()), self._of_name.get((version, label), ())
            found = merge(whole, bare) if whole and bare else whole or bare
        others: dict[str, None] = {}
        for _, other in found:
            others[other] = None
            if len(others) > _PACKETS:
                break
        return list(others)


class _Heard:
    """What all sources say, by address, by name and source; the names that were not kept; and who has a name."""

    def __init__(self) -> None:
        self.told: dict[str, dict[tuple[str, Naming], _Told]] = defaultdict(dict)
        self.left_out: dict[str, set[tuple[str, Naming]]] = defaultdict(set)
        self.placed = _Placed()

    def say(self, host: str, name: str, source: Naming, said_by: str, packet: int | None) -> None:
        """Takes one claim."""
        of_host, key = self.told[host], (name.lower(), source)
        known = of_host.get(key)
        if known is None:
            if len(of_host) >= _NAMES:
                self.left_out[host].add(key)
                return
            claim = _Claim(host, name, source, said_by, packet)
            known = of_host[key] = _Told(claim)
            self.placed.add(claim)
        known.add(said_by, packet)


def _version(address: str) -> int:
    """Of an address in its text form."""
    return 6 if ":" in address else 4


def of_interest(evidence: Evidence, claims: Iterable[NameClaim]) -> tuple[NameClaim, ...]:
    """Of what messages over UDP say, what is about an address that takes part in WinRM, or about the name of one."""
    found = list(claims)
    if not found:
        return ()
    addresses = _addresses(evidence)
    known: set[str] = set()

    def say(host: str, name: str, *_: object) -> None:
        if host in addresses:
            known.add(_first(name))

    _spoken(evidence, {}, {}, say)
    known |= {_first(claim.name) for claim in found if claim.host in addresses}
    return tuple(claim for claim in found if claim.host in addresses or _first(claim.name) in known)


def hosts(evidence: Evidence, parties: Sequence[Party], ends: Mapping[str, tuple[str, str]]) -> tuple[Host, ...]:
    """The addresses in the order in which they first appear, each with its names, the one to show first."""
    kinds = {party.id: party.kind for party in parties}
    by_address: dict[str, list[Party]] = {address: [] for address in _addresses(evidence)}
    for party in parties:
        listens, asks = [one.host for one in party.listens], party.hosts
        for address in dict.fromkeys([*listens, *asks]) if len(listens) + len(asks) > 1 else listens or asks:
            by_address.setdefault(address, []).append(party)
    heard = _Heard()
    for one in evidence.names:
        heard.say(one.host, one.name, one.source, one.said_by, one.packet)
    _spoken(evidence, kinds, ends, heard.say)
    return tuple([_host(address, own, heard) for address, own in by_address.items()])


def _host(address: str, parties: Sequence[Party], heard: _Heard) -> Host:
    told, left_out = heard.told.get(address), len(heard.left_out.get(address, ()))
    names = [] if told is None else [_named(one, heard.placed) for one in told.values()]
    if len(names) > 1:
        names.sort(key=lambda name: (_ORDER[name.source], "." not in name.name, -name.times, name.name))
    if len(parties) == 1:  # as most addresses have
        packets = parties[0].packets
        packets = packets if len(packets) < 2 else tuple(dict.fromkeys(packets))[:_PACKETS]
    else:
        packets = tuple(dict.fromkeys([packet for party in parties for packet in party.packets]))[:_PACKETS]
    unnamed = f"host_names={_NAMES}: {left_out} later names of {address} were not kept" if left_out else None
    kinds = tuple(dict.fromkeys([_ROLES[party.kind] for party in parties]))
    return Host(address, kinds, tuple([party.id for party in parties]), tuple(names), packets, unnamed)


def _named(told: _Told, placed: _Placed) -> HostName:
    first = told.first
    return HostName(first.name, first.source, tuple(told.said_by), told.times, tuple(told.packets), tuple(placed.elsewhere(first.host, first.name)))


def _first(name: str) -> str:
    """The first label, in small letters."""
    return name.partition(".")[0].lower()


def _addresses(evidence: Evidence) -> dict[str, None]:
    """The ends of WinRM connections, and the KDCs that their clients asked."""
    found: dict[str, None] = {}
    clients = set()
    for connection in connections(evidence):
        client = connection.client.host
        found[client] = found[connection.server.host] = None
        clients.add(client)
    found.update({message.kdc_host: None for message in evidence.kdc if not message.kind.asks and message.client_host in clients})
    return found


def _spoken(evidence: Evidence, kinds: Mapping[str, Kind], ends: Mapping[str, tuple[str, str]], say: _Say) -> None:
    """What connections say of their own ends. ``kinds``: of parties, ``ends``: the parties at both ends; without them all connections are taken for direct
    ones."""
    asked_for: dict[int, str] = {}
    for connection in connections(evidence):
        identity, near, far = connection.id, _CLIENT, _SERVER
        if identity in ends:
            opener, listener = ends[identity]
            near, far = kinds[opener], kinds[listener]
        talks = evidence.conversations_of.get(identity, ())
        if far is _SERVER:
            if connection.tls is not None:
                _tls(connection, connection.tls, say)
            _asked(evidence, connection, asked_for, say)
            for talk in talks:
                _server(connection, talk, say)
        if near is _CLIENT:
            for talk in talks:
                _client(connection, talk, say)


def _claimed(host: str, name: str | None, source: Naming, said_by: str, packets: Sequence[int], say: _Say) -> None:
    """Nothing where the name is an address."""
    text = _told_name(name) if name else ""
    if text:
        say(host, text, source, said_by, _earliest(packets))


def _earliest(packets: Sequence[int]) -> int | None:
    return packets[0] if len(packets) == 1 else min(packets, default=None)


@lru_cache(maxsize=4096)
def _told_name(name: str) -> str:
    """The name without the dot of the root; empty where it is an address."""
    text = name.strip().rstrip(".")
    return "" if text.strip("[]").replace(".", "").isdigit() or ":" in text else text


def _tls(connection: Connection, told: TlsFacts, say: _Say) -> None:
    client, server = connection.client.host, connection.server.host
    _claimed(server, told.server_name, Naming.SNI, client, told.hello_packets[:1], say)
    if told.leaf is not None:
        packets = () if told.leaf_packet is None else (told.leaf_packet,)
        for name in dict.fromkeys([*told.leaf.names, told.leaf.common_name or ""]):
            if not name.startswith("*") and " " not in name:
                _claimed(server, name, Naming.CERTIFICATE, server, packets, say)


def _asked(evidence: Evidence, connection: Connection, known: dict[int, str], say: _Say) -> None:
    """``known``: the names that heads of requests ask for, by what Python calls their fields (they live as long as the exchanges)."""
    server, client = connection.server.host, connection.client.host
    for exchange in evidence.exchanges_of.get(connection.id, ())[:_LOOKED_AT]:
        asked = exchange.request
        if isinstance(asked, Absent):
            continue
        name = known.get(id(asked.headers))
        if name is None:
            host = header(asked, "host")
            name = known[id(asked.headers)] = _told_name(host_name(host)) if host else ""
        if name:
            say(server, name, _HOST, client, _earliest(asked.packets))


def _server(connection: Connection, talk: Conversation, say: _Say) -> None:
    client, server = connection.client.host, connection.server.host
    if talk.spn and talk.mechanism is Mechanism.KERBEROS:
        asked = next((step for step in talk.steps if step.token is not None and step.from_client), None)
        name = talk.spn.partition("/")[2].partition("@")[0].partition(":")[0]
        _claimed(server, name, Naming.SPN, client, asked.packets if asked else (), say)
    for step in talk.steps:
        if step.token is None or step.from_client:
            continue
        token = step.token.ntlm
        if isinstance(token, NtlmToken):
            _claimed(server, token.server_dns_name, _NTLM, server, step.packets, say)
            _claimed(server, token.server_name, _NTLM, server, step.packets, say)


def _client(connection: Connection, talk: Conversation, say: _Say) -> None:
    """The workstation's name in an NTLM client's messages: nothing checks it."""
    for step in talk.steps:
        if step.token is not None and step.from_client:
            token = step.token.ntlm
            if isinstance(token, NtlmToken) and token.workstation:
                _claimed(connection.client.host, token.workstation, _NTLM, connection.client.host, step.packets, say)
