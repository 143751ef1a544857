"""A slice of packets with pseudonyms: all packets are looked at once, to put connections together, and once more to be written."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from analyzer.pseudonyms.blanks import Blanks
from analyzer.pseudonyms.datagrams import datagram, stream
from analyzer.pseudonyms.packets import Segment, frame, segment
from analyzer.pseudonyms.streams import Direction, directions
from analyzer.pseudonyms.texts import Texts
from analyzer.records.evidence import Evidence
from analyzer.records.prefaces import Preface, Socks
from analyzer.records.transport import Connection

_TCP = 6


class Raw(NamedTuple):
    """A packet: its key, link type, bytes."""

    key: int
    link_type: int
    data: bytes


class Replacing:
    """Replaces the packets of a slice. ``left_out``: how many could not be; ``blanks``: what was blanked in those that could."""

    def __init__(self, evidence: Evidence, texts: Texts, packets: Iterable[Raw]) -> None:
        self._texts = texts
        self.blanks = Blanks()
        self.left_out = 0
        self._of: dict[int, Connection] = {}
        for one in evidence.connections.values():
            if one.tunnel_of is None:
                self._of.update(dict.fromkeys(one.packets, one))
        self._flows: dict[tuple[str, int, str, int], Connection] = {}
        for one in evidence.connections.values():
            if one.tunnel_of is None:
                self._flows[one.client.host, one.client.port, one.server.host, one.server.port] = one
        self._directions = directions(evidence)
        for packet in packets:
            found = segment(packet.data, packet.link_type)
            if found is not None and found.payload and found.protocol == _TCP:
                place = self._place(packet.key, found)
                if place is not None:
                    place.add(found.seq, found.payload)
        hosts = {host for one in evidence.connections.values() for host in (one.client.host, one.server.host)}
        hosts |= {host for one in evidence.connections.values() for preface in one.prefaces for host in _hosts(preface) if host}
        addresses = [address for host in sorted(hosts) if (address := self._packed(host))]
        for pair in self._directions.values():
            for way in pair:
                way.close(texts, self.blanks, addresses)

    def packet(self, packet: Raw) -> bytes | None:
        """The packet's bytes; None: it is left out."""
        made = frame(packet.data, packet.link_type, self._texts.addresses, lambda found: self._payload(packet.key, found))
        if made is None:
            self.left_out += 1
        return made

    def told(self) -> Iterator[str]:
        """What was blanked and left out, a sentence for each."""
        for what, size in sorted(self.blanks.counts.items()):
            yield f"{size:,} bytes were blanked: {what}"
        if self.left_out:
            many = f"{self.left_out:,} packets were" if self.left_out > 1 else "1 packet was"
            yield f"{many} left out: a fragment, a tunnel, or a frame in which names cannot be replaced"

    def _packed(self, host: str) -> bytes:
        try:
            return ip_address(host).packed
        except ValueError:
            return b""

    def _place(self, key: int, found: Segment) -> Direction | None:
        source, destination = str(ip_address(found.source)), str(ip_address(found.destination))
        ends = (source, found.ports[0], destination, found.ports[1])
        own = self._of.get(key)
        one = own if own is not None and not found.quoted else self._flows.get(ends) or self._flows.get((*ends[2:], *ends[:2]))
        if one is None:
            return None
        return self._directions[one.id][0 if (one.client.host, one.client.port) == ends[:2] else 1]

    def _payload(self, key: int, found: Segment) -> bytes:
        if found.protocol != _TCP:
            return datagram(found.payload, found.ports, self._texts, self.blanks)
        place = self._place(key, found)
        if place is not None:
            return place.bytes(found.seq, found.payload)
        return stream(found.payload, found.ports, self._texts, self.blanks)


def _hosts(preface: Preface) -> tuple[str | None, ...]:
    return (preface.host,) if isinstance(preface, Socks) else (preface.client_host, preface.server_host)
