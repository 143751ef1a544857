"""`python -m tests.golden.robustness`: what joining the legs keeps when the evidence gets worse; precision must stay 1, recall is told.

Each sample with a proxy whose contents can be seen is damaged in several ways, and the pairs claimed are held against those of the whole capture (which
`test_samples.py` holds against the proxy's own log). An exchange is known again by its ports and the TCP sequence number of its first byte, which no damage
changes.
"""

import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import analyzer
from analyzer.capture.containers import rows
from analyzer.capture.open import opened
from analyzer.capture.window import Walk
from analyzer.records.evidence import Evidence
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.settings import Limits
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
_LINKS = {1: 14, 113: 16, 276: 20}
_TAGS = (b"\x81\x00", b"\x88\xa8")
_SEEDS = (1, 2, 3)
Key = tuple[int, int, int]
Pairs = frozenset[tuple[Key, Key]]


class Frame(NamedTuple):
    """A packet: link type, time, bytes, and its two endpoints when it is TCP over IPv4 in a link of the samples."""

    link: int
    ts_ns: int
    data: bytes
    ends: tuple[tuple[bytes, int], tuple[bytes, int]] | None


class Kept(NamedTuple):
    """Pairs claimed rightly and wrongly, and pairs whose two exchanges are both there but which were not claimed."""

    right: int
    wrong: int
    missed: int


def frames(path: Path) -> list[Frame]:
    """The packets of a capture."""
    source = opened(str(path))
    try:
        return [_frame(row.link, row.ts_ns, bytes(row.buffer[row.at : row.at + row.size])) for row in rows(source.fill, Limits(), Walk())]
    finally:
        source.raw.close()


def _frame(link: int, ts_ns: int, data: bytes) -> Frame:
    at = _LINKS.get(link, 0)
    if at and len(data) >= at + 40 and data[at] >> 4 == 4 and data[at + 9] == 6 and data[at - 2 : at] not in _TAGS:
        tcp = at + (data[at] & 15) * 4
        source, target = struct.unpack_from(">HH", data, tcp)
        return Frame(link, ts_ns, data, ((data[at + 12 : at + 16], source), (data[at + 16 : at + 20], target)))
    return Frame(link, ts_ns, data, None)


def write(path: Path, found: list[Frame]) -> None:
    """A nanosecond pcap."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, found[0].link if found else 1))
        for frame in found:
            file.write(struct.pack("<IIII", *divmod(frame.ts_ns, 1_000_000_000), len(frame.data), len(frame.data)) + frame.data)


def pairs(evidence: Evidence) -> Pairs:
    """The hops, by exchanges that are known again."""
    return frozenset((_key(evidence, hop.near), _key(evidence, hop.far)) for hop in evidence.hops)


def _key(evidence: Evidence, exchange: str) -> Key:
    found = evidence.exchanges[exchange]
    connection = evidence.connections[found.connection]
    at = 0 if isinstance(found.request, Absent) else found.request.at
    return connection.client.port, connection.server.port, (connection.bases[0] + at) % (1 << 32)


def _exchanges(evidence: Evidence) -> frozenset[Key]:
    return frozenset(_key(evidence, exchange.id) for exchange in evidence.exchanges.values() if not isinstance(exchange.request, Absent))


class Sample(NamedTuple):
    """A sample: its packets by file, its evidence, the endpoints of its upstream connections."""

    name: str
    files: list[list[Frame]]
    evidence: Evidence
    upstream: frozenset[frozenset[tuple[bytes, int]]]


def samples() -> Iterator[Sample]:
    """The samples with hops, over IPv4."""
    for path in sorted(SAMPLES.glob("*/truth.json")):
        known = truth(path.parent)
        if not known["hops"]:
            continue
        files = captures(path.parent, known)
        evidence = analyzer.analyze(files).evidence
        ends = frozenset(
            frozenset({(_packed(connection.client.host), connection.client.port), (_packed(connection.server.host), connection.server.port)})
            for connection in evidence.connections.values()
            if evidence.roles[connection.id] is Role.UPSTREAM_LEG
        )
        if evidence.hops:
            yield Sample(path.parent.name, [frames(Path(file)) for file in files], evidence, ends)


def _packed(host: str) -> bytes:
    return bytes(int(part) for part in host.split(".")) if host.count(".") == 3 else b""


Damage = Callable[[Sample, random.Random], list[list[Frame]]]


def _upstream(sample: Sample, frame: Frame) -> bool:
    return frame.ends is not None and frozenset(frame.ends) in sample.upstream


def loss(sample: Sample, chance: random.Random) -> list[list[Frame]]:
    """One packet in a hundred is lost, at least one in each file."""
    return [[frame for place, frame in enumerate(file) if chance.random() >= 0.01 and place != len(file) // 2] for file in sample.files]


def without_client_leg(sample: Sample, chance: random.Random) -> list[list[Frame]]:
    """Only the upstream leg was captured."""
    del chance
    return [[frame for frame in file if _upstream(sample, frame)] for file in sample.files]


def without_upstream_leg(sample: Sample, chance: random.Random) -> list[list[Frame]]:
    """Only the client's leg was captured."""
    del chance
    return [[frame for frame in file if not _upstream(sample, frame)] for file in sample.files]


def two_clocks(sample: Sample, chance: random.Random) -> list[list[Frame]]:
    """Each leg in a file of its own, the second clock seconds ahead."""
    ahead = chance.randrange(2_000_000_000, 9_000_000_000)
    files = [frame for file in sample.files for frame in file]
    near = [frame for frame in files if not _upstream(sample, frame)]
    far = [frame._replace(ts_ns=frame.ts_ns + ahead) for frame in files if _upstream(sample, frame)]
    return [near, far]


def no_addresses(sample: Sample, chance: random.Random) -> list[list[Frame]]:
    """Every connection has addresses of its own, so that none tells that a leg ends where another begins."""
    known: dict[frozenset[tuple[bytes, int]], dict[tuple[bytes, int], bytes]] = {}

    def changed(frame: Frame) -> Frame:
        if frame.ends is None:
            return frame
        names = known.setdefault(frozenset(frame.ends), {})
        for end in frame.ends:
            names.setdefault(end, bytes([11, *(chance.randrange(1, 255) for _ in range(3))]))
        at = _LINKS[frame.link]
        return frame._replace(data=frame.data[: at + 12] + names[frame.ends[0]] + names[frame.ends[1]] + frame.data[at + 20 :])

    return [[changed(frame) for frame in file] for file in sample.files]


DAMAGES: dict[str, Damage] = {
    "1 % of the packets lost": loss,
    "only the client side": without_upstream_leg,
    "only the server side": without_client_leg,
    "the two sides in two files, clocks seconds apart": two_clocks,
    "no address tells which connections belong together": no_addresses,
}


def kept(sample: Sample, damage: Damage, seed: int) -> Kept:
    """One sample under one damage."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for place, file in enumerate(damage(sample, random.Random(seed))):
            if file:
                paths.append(Path(folder, f"{place}.pcap"))
                write(paths[-1], file)
        if not paths:
            return Kept(0, 0, 0)
        evidence = analyzer.analyze(paths).evidence
    whole, claimed, there = pairs(sample.evidence), pairs(evidence), _exchanges(evidence)
    possible = {pair for pair in whole if pair[0] in there and pair[1] in there}
    return Kept(len(claimed & whole), len(claimed - whole), len(possible - claimed))


def table() -> tuple[list[str], int]:
    """The lines of the table, in Markdown, and how many pairs were claimed wrongly in all."""
    lines = ["| damage | pairs right | wrong | missed | precision | recall |", "|---|---|---|---|---|---|"]
    found = list(samples())
    wrong_in_all = 0
    for name, damage in DAMAGES.items():
        seeds = _SEEDS if damage in (loss, no_addresses) else _SEEDS[:1]
        results = [kept(sample, damage, seed) for sample in found for seed in seeds]
        right, wrong, missed = (sum(column) for column in zip(*results, strict=True))
        wrong_in_all += wrong
        shares = [f"{100 * right / whole:.1f} %" if whole else "n/a" for whole in (right + wrong, right + missed)]
        lines.append(f"| {name} | {right} | {wrong} | {missed} | {shares[0]} | {shares[1]} |")
    return lines, wrong_in_all


if __name__ == "__main__":
    printed, wrong_pairs = table()
    sys.stdout.write("\n".join(printed) + "\n")
    sys.exit(1 if wrong_pairs else 0)
