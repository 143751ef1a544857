"""From frames to flows and connections in memory, for tests of the kernel and of TCP reassembly."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen as chosen_kernel
from analyzer.capture.slow import SlowPath
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.capture import Flow
from analyzer.records.issues import Issue
from analyzer.records.transport import Connection, Stream
from analyzer.settings import Limits, Scope
from analyzer.transport.connections import connection
from tests.build.packets import Frame
from tests.build.streams import Piece

ALL = frozenset(range(100_000))


class Fed(NamedTuple):
    """A kernel after all frames, the flows it kept, and the reader of their payload."""

    kernel: Kernel
    flows: tuple[Flow, ...]
    fetch: Fetch


class Made(NamedTuple):
    """A connection with its issues; both streams as pieces of bytes and sizes of holes."""

    connection: Connection
    issues: tuple[Issue, ...]
    to_server: list[Piece]
    to_client: list[Piece]

    @property
    def codes(self) -> list[str]:
        return [issue.code for issue in self.issues]


def fed(frames: Iterable[Frame], *, force: frozenset[int] = ALL, limits: Limits | None = None, all_http: bool = False, scope: Scope | None = None) -> Fed:
    """``force`` keeps flows whatever they look like; the default keeps all."""
    spooled = bytearray()

    chosen = limits or Limits()
    slow = SlowPath(chosen)
    kernel = chosen_kernel()(0, chosen, slow, spooled.extend, in_place=False, all_http=all_http, force=force)
    kernel.narrow(scope or Scope())
    for number, one in enumerate(frames, 1):
        kernel.packet(number, one.ts_ns, one.link, one.data, 0, len(one.data), one.sent, 0)
    slow.finish()
    flows = kernel.flows(lambda address: str(ipaddress.ip_address(address)))
    return Fed(kernel, flows, lambda _, at, size: bytes(spooled[at : at + size]))


def made(frames: Iterable[Frame], limits: Limits | None = None) -> Made:
    """The only connection in ``frames``."""
    (one,) = all_made(frames, limits)
    return one


def all_made(frames: Iterable[Frame], limits: Limits | None = None) -> list[Made]:
    """Every connection in ``frames``."""
    found = fed(frames, limits=limits)
    return [_made([flow], found.fetch, limits or Limits(), place) for place, flow in enumerate(found.flows, 1)]


def _made(flows: Sequence[Flow], fetch: Fetch, limits: Limits, place: int) -> Made:
    one, issues = connection(f"c{place}", flows, fetch, limits)
    return Made(one, issues, pieces(one.to_server, fetch), pieces(one.to_client, fetch))


def pieces(stream: Stream, fetch: Fetch) -> list[Piece]:
    """The stream as bytes and holes; neighbouring bytes are one piece."""
    found: list[Piece] = []
    at = 0
    reader = Reader(stream, fetch)
    for gap in stream.gaps:
        found += [b"".join(reader.pieces(at, gap.stream_at)), gap.size]
        at = gap.stream_at + gap.size
    found.append(b"".join(reader.pieces(at, stream.size)))
    return [piece for piece in found if piece != b""]
