"""The bytes of connections with pseudonyms: packets are put together by their sequence numbers, replaced as what the records say that they are, and given back
to any packet that carried them, also one that was sent again."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile
from typing import NamedTuple

from analyzer.pseudonyms import bodies
from analyzer.pseudonyms.blanks import Blanks, text
from analyzer.pseudonyms.handshakes import tls
from analyzer.pseudonyms.texts import Texts
from analyzer.records.evidence import Evidence
from analyzer.records.http import Request, Response
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection, Stream

_WRAP = 1 << 32
_PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n"


class Part(NamedTuple):
    """A part of a direction: offsets, ``kind`` (head, body, kept, tls, preface, other), and of a body its pieces (offset, size)."""

    at: int
    end: int
    kind: str
    spans: Sequence[tuple[int, int]] = ()


class Direction:
    """One direction of a connection."""

    def __init__(self, base: int, parts: Sequence[Part]) -> None:
        self.base = base
        self.parts = parts
        self._pieces: dict[int, bytes] = {}
        self._starts: list[int] = []
        self._runs: list[tuple[bytes, bytes]] = []

    def offset(self, seq: int) -> int:
        """The offset of a sequence number; of the first one seen 0 where the beginning is not known."""
        if self.base < 0:
            self.base = seq
        found = (seq - self.base) % _WRAP
        return found - _WRAP if found >= _WRAP >> 1 else found

    def add(self, seq: int, data: bytes) -> None:
        """Bytes of a packet; the first copy of equal places stays."""
        at = self.offset(seq)
        if len(self._pieces.get(at, b"")) < len(data):
            self._pieces[at] = data

    def close(self, texts: Texts, blanks: Blanks, addresses: Sequence[bytes]) -> None:
        """All packets were added: replace."""
        runs: list[tuple[int, bytearray]] = []
        for at, data in sorted(self._pieces.items()):
            if runs and at <= runs[-1][0] + len(runs[-1][1]):
                runs[-1][1].extend(data[max(runs[-1][0] + len(runs[-1][1]) - at, 0) :])
            else:
                runs.append((at, bytearray(data)))
        self._pieces.clear()
        self._starts = [at for at, _ in runs]
        ends = [*accumulate((part.end for part in self.parts), max)]
        for at, whole in runs:
            first = bisect_right(ends, at)  # the parts before it end before the run
            self._runs.append((bytes(whole), _replaced(at, bytes(whole), self.parts, first, texts, blanks, addresses)))

    def bytes(self, seq: int, data: bytes) -> bytes:
        """What takes the place of a packet's bytes. Where they differ from those that were used (a conflict), letters and digits are blanked."""
        at = self.offset(seq)
        place = bisect_right(self._starts, at) - 1
        if place < 0:
            return bytes(len(data))
        old, new = self._runs[place]
        first = at - self._starts[place]
        old, new = old[first : first + len(data)], new[first : first + len(data)]
        if old == data:
            return new
        pairs = zip(data, old.ljust(len(data), b"\0"), new.ljust(len(data), b"\0"), strict=True)
        return bytes(changed if own == used else ord("x") if chr(own).isalnum() else own for own, used, changed in pairs)


def directions(evidence: Evidence) -> dict[str, tuple[Direction, Direction]]:
    """Both directions of every connection that has packets of its own, by id: to the server, to the client."""
    inner: dict[str, list[Connection]] = {}
    for one in evidence.connections.values():
        if one.tunnel_of is not None:
            inner.setdefault(one.tunnel_of, []).append(one)
    made = {}
    for one in evidence.connections.values():
        if one.tunnel_of is None:
            parts: tuple[list[Part], list[Part]] = ([], [])
            for connection, shifts in ((one, (0, 0)), *((tunnel, _shifts(one, tunnel)) for tunnel in inner.get(one.id, ()))):
                for place in range(2):
                    parts[place].extend(_parts(evidence, connection, place, shifts[place]))
            made[one.id] = (Direction(one.bases[0], sorted(parts[0])), Direction(one.bases[1], sorted(parts[1])))
    return made


def _shifts(outer: Connection, tunnel: Connection) -> tuple[int, int]:
    return _shift(outer.to_server, tunnel.to_server), _shift(outer.to_client, tunnel.to_client)


def _shift(outer: Stream, inner: Stream) -> int:
    """How far the tunnel's offsets are behind those of the connection that carries it; its bytes lie in the same places."""
    if not inner.extents.size:
        return 0
    source, file_at = inner.extents.source[0], inner.extents.file_at[0]
    for at, size, own, place in zip(outer.extents.stream_at, outer.extents.size, outer.extents.source, outer.extents.file_at, strict=True):
        if own == source and place <= file_at < place + size:
            return int(at + file_at - place - inner.extents.stream_at[0])
    return 0


def _parts(evidence: Evidence, connection: Connection, place: int, shift: int) -> Iterator[Part]:
    stream = (connection.to_server, connection.to_client)[place]
    if connection.prefaces:
        yield Part(-(1 << 30), shift, "preface")
    if connection.tls_opened or connection.protocol == "tls":
        yield Part(shift, shift + (1 << 40), "tls")
        return
    for exchange in evidence.exchanges_of.get(connection.id, ()):
        half = (exchange.request, exchange.response)[place]
        if not isinstance(half, Request | Response) or half.version.startswith("HTTP/2"):
            continue
        spans = tuple((shift + span.at, span.size) for span in half.body.spans)
        first = spans[0][0] if spans else shift + half.end_at
        yield Part(shift + half.at, min(first, shift + stream.size), "head")
        message = evidence.messages.get(half.id)
        if spans:
            kind = "kept" if message is not None and message.protection is Protection.SEALED else "body"
            yield Part(first, spans[-1][0] + spans[-1][1], kind, spans)


def _replaced(at: int, data: bytes, parts: Sequence[Part], first: int, texts: Texts, blanks: Blanks, addresses: Sequence[bytes]) -> bytes:
    """A run of bytes without holes that begins at the offset ``at``; what is in it begins with the part at the place ``first``."""
    made = bytearray(data)
    end, place = at + len(data), at
    for number in range(first, len(parts)):
        part = parts[number]
        if part.at >= end:
            break
        low, high = max(part.at, at), min(part.end, end)
        if low >= high:
            continue
        if place < low:
            made[place - at : low - at] = _other(data[place - at : low - at], texts, blanks)
        made[low - at : high - at] = _part(part, low, data[low - at : high - at], texts, blanks, addresses)
        place = max(place, high)
    if place < end:
        made[place - at :] = _other(data[place - at :], texts, blanks)
    return bytes(made)


def _part(part: Part, at: int, data: bytes, texts: Texts, blanks: Blanks, addresses: Sequence[bytes]) -> bytes:
    if part.kind == "head":
        return bodies.head(data, texts, blanks)
    if part.kind == "kept":
        return data
    if part.kind == "tls":
        return tls(data, texts, blanks) if at == part.at else _behind_a_hole(data, blanks)
    if part.kind == "preface":
        return _preface(data, texts, blanks, addresses)
    made = bytearray(data)
    begin = max(bisect_right(part.spans, (at,)) - 1, 0)
    near = takewhile(lambda span: span[0] < at + len(data), map(part.spans.__getitem__, range(begin, len(part.spans))))
    inside = [(max(first, at) - at, min(first + size, at + len(data)) - at) for first, size in near]
    inside = [(first, last) for first, last in inside if first < last]
    changed, place = bodies.body(b"".join(data[first:last] for first, last in inside), texts, blanks), 0
    for first, last in inside:
        made[first:last] = changed[place : place + last - first]
        place += last - first
    return bytes(made)


def _behind_a_hole(data: bytes, blanks: Blanks) -> bytes:
    """TLS of which the beginning of a record is not known: certificates may be in it, unless it shows records of data."""
    at = data.find(b"\x17\x03")
    while at >= 0 and at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if at + 5 + size >= len(data) or data[at + 5 + size] in (0x15, 0x17):
            return data
        at = data.find(b"\x17\x03", at + 1)
    return data if not any(marks in data for marks in (b"\x16\x03", b"\x55\x04")) else blanks.add("TLS behind a hole in the capture", len(data))


def _preface(data: bytes, texts: Texts, blanks: Blanks, addresses: Sequence[bytes]) -> bytes:
    """SOCKS and PROXY headers: addresses as bytes, names as text; a password of SOCKS (RFC 1929) is blanked."""
    made = text(data, texts.known, blanks)
    for address in addresses:
        if address in data:
            made = made.replace(address, texts.addresses.packed(address))
    at = data.find(b"\x01")
    while not data.startswith((b"PROXY", _PROXY_2)) and 0 <= at < len(data) - 3:
        size = data[at + 1]
        word = at + 2 + size
        if size and word < len(data) and data[at + 2 : word].isascii() and data[word] > 0 and word + 1 + data[word] <= len(data):
            made = made[: word + 1] + b"x" * data[word] + made[word + 1 + data[word] :]
            break
        at = data.find(b"\x01", at + 1)
    return made


def _other(data: bytes, texts: Texts, blanks: Blanks) -> bytes:
    """Bytes that no message of HTTP has: the rest of one, or another protocol."""
    if data.startswith(b"\x16\x03"):
        return tls(data, texts, blanks)
    if sum(32 <= one < 127 or one in b"\r\n\t" for one in data) == len(data):
        return bodies.body(data, texts, blanks) if b"<" in data else bodies.head(data, texts, blanks)
    return blanks.add("bytes of no message that could be read", len(data))
