"""Addresses and their names: every host that takes part in WinRM, what it is called, and who says so.

A name never takes the place of an address, because each of them is a claim: a Host field is what the client asked for, NTLM's target information is what the
server says of itself, and an answer of LLMNR or NBNS can come from anyone. Names are read where the party at that end is the one that is meant: the Host
field of a request to a proxy names the server behind it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import merge
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.records.auth import Conversation, Mechanism, NtlmToken
from analyzer.records.evidence import Evidence
from analyzer.records.halves import header, host_name, request
from analyzer.records.names import Host, HostName, NameClaim, Naming
from analyzer.records.story import Kind, Party
from analyzer.records.transport import Connection, TlsFacts

_LOOKED_AT = 32
"""Exchanges of a connection that are looked at for names."""
_NAMES = 64
"""Names of one address that are kept, by source."""
_PACKETS = 8
_ORDER = {source: place for place, source in enumerate(Naming)}
_HOST = Naming.HOST
_DIRECT = (Kind.CLIENT, Kind.SERVER)


class _Claim(NamedTuple):
    """One source says that ``host`` has this name."""

    host: str
    name: str
    source: Naming
    said_by: str
    packet: int | None


class _Told(Struct):
    """What one source says of one address, together."""

    first: _Claim
    times: int = 0
    said_by: dict[str, None] = field(default_factory=dict)
    packets: dict[int, None] = field(default_factory=dict)

    def add(self, claim: _Claim) -> None:
        self.times += 1
        if len(self.said_by) < _PACKETS:
            self.said_by[claim.said_by] = None
        if claim.packet is not None and len(self.packets) < _PACKETS:
            self.packets[claim.packet] = None


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


def _version(address: str) -> int:
    """Of an address in its text form."""
    return 6 if ":" in address else 4


def of_interest(evidence: Evidence, claims: Iterable[NameClaim]) -> tuple[NameClaim, ...]:
    """Of what messages over UDP say, what is about an address that takes part in WinRM, or about the name of one."""
    found = list(claims)
    if not found:
        return ()
    addresses = _addresses(evidence)
    known = {_first(claim.name) for claim in _spoken(evidence, {}) if claim.host in addresses}
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
    meant = {identity: (kinds[near], kinds[far]) for identity, (near, far) in ends.items()}
    heard = (_Claim(one.host, one.name, one.source, one.said_by, one.packet) for one in evidence.names)
    told: dict[str, dict[tuple[str, Naming], _Told]] = defaultdict(dict)
    left_out: dict[str, set[tuple[str, Naming]]] = defaultdict(set)
    placed = _Placed()
    for claim in (*heard, *_spoken(evidence, meant)):
        of_host = told[claim.host]
        key = (claim.name.lower(), claim.source)
        known = of_host.get(key)
        if known is None:
            if len(of_host) >= _NAMES:
                left_out[claim.host].add(key)
                continue
            known = of_host[key] = _Told(claim)
            placed.add(claim)
        known.add(claim)
    return tuple(_host(address, own, told.get(address, {}), placed, len(left_out.get(address, ()))) for address, own in by_address.items())


def _host(address: str, parties: Sequence[Party], told: Mapping[tuple[str, Naming], _Told], placed: _Placed, left_out: int) -> Host:
    names = [_named(one, placed) for one in told.values()]
    if len(names) > 1:
        names.sort(key=lambda name: (_ORDER[name.source], "." not in name.name, -name.times, name.name))
    if len(parties) == 1:  # as most addresses have
        packets = tuple(dict.fromkeys(parties[0].packets))[:_PACKETS]
    else:
        packets = tuple(dict.fromkeys([packet for party in parties for packet in party.packets]))[:_PACKETS]
    unnamed = f"host_names={_NAMES}: {left_out} later names of {address} were not kept" if left_out else None
    kinds = tuple(dict.fromkeys([party.kind.value for party in parties]))
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
    winrm = evidence.winrm
    for identity, connection in evidence.connections.items():
        if identity in winrm:
            client = connection.client.host
            found[client] = found[connection.server.host] = None
            clients.add(client)
    found.update({message.kdc_host: None for message in evidence.kdc if not message.kind.asks and message.client_host in clients})
    return found


def _spoken(evidence: Evidence, meant: Mapping[str, tuple[Kind, Kind]]) -> Iterator[_Claim]:
    """What connections say of their own ends. ``meant``: the kinds of parties at both ends; without it all connections are taken for direct ones."""
    for identity, connection in evidence.connections.items():
        if identity not in evidence.winrm:
            continue
        near, far = meant.get(identity, _DIRECT)
        talks = evidence.conversations_of.get(identity, ())
        if far is Kind.SERVER:
            if connection.tls is not None:
                yield from _tls(connection, connection.tls)
            yield from _asked(evidence, connection)
            for talk in talks:
                yield from _server(connection, talk)
        if near is Kind.CLIENT:
            for talk in talks:
                yield from _client(connection, talk)


def _claimed(host: str, name: str | None, source: Naming, said_by: str, packet: int | None) -> Iterator[_Claim]:
    """Nothing where the name is an address."""
    text = _told_name(name) if name else ""
    if text:
        yield _Claim(host, text, source, said_by, packet)


@lru_cache(maxsize=4096)
def _told_name(name: str) -> str:
    """The name without the dot of the root; empty where it is an address."""
    text = name.strip().rstrip(".")
    return "" if text.strip("[]").replace(".", "").isdigit() or ":" in text else text


def _tls(connection: Connection, told: TlsFacts) -> Iterator[_Claim]:
    client, server = connection.client.host, connection.server.host
    yield from _claimed(server, told.server_name, Naming.SNI, client, next(iter(told.hello_packets), None))
    if told.leaf is not None:
        for name in dict.fromkeys([*told.leaf.names, told.leaf.common_name or ""]):
            if not name.startswith("*") and " " not in name:
                yield from _claimed(server, name, Naming.CERTIFICATE, server, told.leaf_packet)


def _asked(evidence: Evidence, connection: Connection) -> Iterator[_Claim]:
    server, client = connection.server.host, connection.client.host
    for exchange in evidence.exchanges_of.get(connection.id, ())[:_LOOKED_AT]:
        asked = request(exchange)
        host = header(asked, "host")
        name = _told_name(host_name(host)) if host else ""
        if name:
            yield _Claim(server, name, _HOST, client, min(asked.packets, default=None) if asked else None)


def _server(connection: Connection, talk: Conversation) -> Iterator[_Claim]:
    client, server = connection.client.host, connection.server.host
    if talk.spn and talk.mechanism is Mechanism.KERBEROS:
        asked = next((step for step in talk.steps if step.token is not None and step.from_client), None)
        name = talk.spn.partition("/")[2].partition("@")[0].partition(":")[0]
        yield from _claimed(server, name, Naming.SPN, client, min(asked.packets, default=None) if asked else None)
    for step in talk.steps:
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and not step.from_client:
            for own in (token.server_dns_name, token.server_name):
                yield from _claimed(server, own, Naming.NTLM, server, min(step.packets, default=None))


def _client(connection: Connection, talk: Conversation) -> Iterator[_Claim]:
    """The workstation's name in an NTLM client's messages: nothing checks it."""
    client = connection.client.host
    for step in talk.steps:
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and step.from_client:
            yield from _claimed(client, token.workstation, Naming.NTLM, client, min(step.packets, default=None))
