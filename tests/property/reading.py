"""What the properties compare: a run's facts without times and packet numbers; and sample captures taken apart into frames and TCP segments."""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from analyzer.capture.containers import rows
from analyzer.capture.window import Walk
from analyzer.engine.local import run
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.transport import Connection
from analyzer.settings import Limits, Scope
from tests.build.packets import TCP, Frame, filling, ip4

_SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
_NETWORK = {1: 14, 113: 16, 276: 20, 0: 4, 101: 0}
"""Where the IP header begins, by link type."""


class Segment(NamedTuple):
    """A TCP packet of a capture: its time, hosts, IPv4 identification, and the TCP header with its payload."""

    ts_ns: int
    source: str
    destination: str
    ident: int
    tcp: bytes

    @property
    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        ports = struct.unpack_from(">HH", self.tcp)
        return (self.source, ports[0]), (self.destination, ports[1])

    @property
    def flags(self) -> int:
        return self.tcp[13]

    def packet(self) -> bytes:
        return ip4(self.source, self.destination, TCP, self.tcp, ident=self.ident)


@cache
def sample(name: str) -> bytes:
    """The capture file of a sample, uncompressed."""
    return next(iter(sorted((_SAMPLES / name).glob("*.pcap*")))).read_bytes()


@cache
def frames(name: str) -> tuple[Frame, ...]:
    """The frames of a sample."""
    found = rows(filling(sample(name)), Limits(), Walk())
    return tuple(Frame(row.ts_ns, bytes(row.buffer[row.at : row.at + row.size]), row.link, row.wire_size) for row in found)


@cache
def segments(name: str) -> tuple[Segment, ...]:
    """The TCP packets of a sample (IPv4, captured whole)."""
    found = []
    for frame in frames(name):
        packet = frame.data[_NETWORK[frame.link] :]
        head, total, ident, protocol = packet[0], *struct.unpack_from(">HH", packet, 2), packet[9]
        if head >> 4 == 4 and protocol == TCP:
            source, destination = (".".join(str(byte) for byte in packet[at : at + 4]) for at in (12, 16))
            found.append(Segment(frame.ts_ns, source, destination, ident, packet[(head & 15) * 4 : total]))
    return tuple(found)


def result(path: Path, limits: Limits | None = None) -> Result:
    """What a run of one capture gives."""
    done = run([str(path)], limits or Limits(), Scope())
    done.sources.close()
    return done.result


def facts(found: Result, host: Callable[[str], str] = str) -> dict[str, list[tuple[object, ...]]]:
    """Everything that must not depend on how the same bytes were captured: no times, packet numbers or counters. ``host`` renames addresses."""
    evidence = found.evidence
    return {
        "connections": [_connection(one, host) for one in evidence.connections.values()],
        "exchanges": [_exchange(one) for one in evidence.exchanges.values()],
        "messages": [
            (one.id, one.protection, one.size, one.content_type, one.parts, one.action, one.message_id, one.shell_id) for one in evidence.messages.values()
        ],
        "conversations": [
            (one.id, one.connection, one.audience, one.scheme, one.mechanism, one.outcome, one.client, one.realm, one.spn, one.exchanges, one.final_status)
            for one in evidence.conversations
        ],
        "hops": [(one.near, one.far) for one in evidence.hops],
        "roles": sorted((one, role.value) for one, role in evidence.roles.items()),
        "winrm": [(one,) for one in sorted(evidence.winrm)],
    }


def findings(found: Result) -> list[tuple[object, ...]]:
    """Rules with what they are about."""
    return sorted((one.rule, one.subject, one.severity.value, one.exchanges, one.connections) for one in found.findings)


def _connection(one: Connection, host: Callable[[str], str]) -> tuple[object, ...]:
    sides = [(stream.size, stream.gaps, stream.conflicts, stream.begins) for stream in (one.to_server, one.to_client)]
    ends = [(host(end.host), end.port) for end in (one.client, one.server)]
    return (one.id, *ends, *sides, one.protocol, one.end, one.tunnel_of, one.established)


def _exchange(one: Exchange) -> tuple[object, ...]:
    return (one.id, one.position, _half(one.request), _half(one.response), tuple(interim.status for interim in one.interim), one.quality)


def _half(one: Request | Response | Absent) -> tuple[object, ...]:
    if isinstance(one, Absent):
        return (one,)
    words = (one.method, one.target) if isinstance(one, Request) else (one.status, one.reason)
    return (one.id, *words, one.version, one.headers, one.at, one.end_at, one.body)


def written(folder: Path, data: bytes, name: str = "capture") -> Path:
    """A file with that content."""
    path = folder / name
    path.write_bytes(data)
    return path


def retimed(listed: Sequence[Frame], order: Sequence[int]) -> list[Frame]:
    """The frames in another order; each place keeps its time."""
    return [listed[index]._replace(ts_ns=listed[place].ts_ns) for place, index in enumerate(order)]
