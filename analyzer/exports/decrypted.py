"""A capture for Wireshark in which WinRM can be read: each exchange as plain HTTP, its body decrypted, on a TCP connection that is made for it.

Addresses, ports and times are those of the capture, and each message names the packets that it was made of. Sequence numbers, segment sizes and
the handshake are made. A body that could not be read is left out, and a field line of ours says so. Tokens and passwords are masked as in the tables.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.exports.bodies import LEFT_OUT, bodies
from analyzer.exports.pcapng import Frame, Interface, blocks
from analyzer.exports.registry import Source
from analyzer.formats.text import visible
from analyzer.records.evidence import Evidence
from analyzer.records.http import CREDENTIALS, Exchange, Header, Request, Response
from analyzer.records.transport import Closing, Connection, End, Side
from analyzer.tables.headers import request_of, response_of
from analyzer.tables.packets import packet_set

_RAW = 101
"""LINKTYPE_RAW: packets begin with an IP header."""
_SEGMENT = 32_000
"""Payload bytes of a packet; the reader puts them together again."""
_FIN, _SYN, _RST, _PUSH, _ACK = 1, 2, 4, 8, 16
_HANDSHAKE = ((True, _SYN), (False, _SYN | _ACK), (True, _ACK))
_WINDOW = 65_535
_OURS = "X-WinRM-Analyzer"
_MASKED = " ***"
_REPLACED = {"content-length", "transfer-encoding", "content-encoding", "content-type"}
_SOAP = "application/soap+xml;charset=UTF-8"


class _Piece(NamedTuple):
    """Something that one side sends: when, who, what flags, what bytes, and what is said of it."""

    ts_ns: int
    from_client: bool
    flags: int
    data: bytes
    comment: str


def capture(source: Source) -> tuple[bytes, int]:
    """The pcapng file, and how many packets it has."""
    if source.evidence is None:
        return b"", 0
    evidence, only = source.evidence, set(source.connections)
    read = bodies(source, evidence, only)
    chosen = [one for name, one in evidence.connections.items() if name in evidence.winrm and one.twin_of is None and (not only or name in only)]
    frames = sorted((frame for one in chosen for frame in _frames(evidence, one, read)), key=lambda frame: frame.ts_ns)
    sums = ", ".join(f"{one.name} SHA-256 {one.sha256}" for one in evidence.captures if one.sha256)
    about = f"Made of the WinRM exchanges of {sums or ', '.join(one.name for one in evidence.captures)}, with decrypted bodies. These are no captured packets."
    made = blocks([Interface("winrm-analyzer, decrypted", _RAW, 0), *frames], f"winrm-analyzer {source.version}", visible(about, limit=30_000))
    return b"".join(made), len(frames)


def _frames(evidence: Evidence, one: Connection, read: Mapping[str, str | None]) -> Iterator[Frame]:
    """The connection's packets, in order of time."""
    pieces = [piece for exchange in evidence.exchanges_of.get(one.id, ()) for piece in _exchange(evidence, exchange, read)]
    if not pieces:
        return
    pieces.sort(key=lambda piece: piece.ts_ns)
    begin = min(one.first_ns, pieces[0].ts_ns)
    made = f"made: the handshake of {one.id}"
    opening = [_Piece(begin, from_client, flags, b"", made) for from_client, flags in _HANDSHAKE]
    closings = [_closing(evidence, closing, pieces[-1].ts_ns) for closing in _first_of_each(one.closings)]
    sent = {True: 0, False: 0}
    for piece in (*opening, *pieces, *closings):
        data, at = piece.data, 0
        while True:
            part = data[at : at + _SEGMENT]
            at += len(part)
            final = at >= len(data)
            comments = (piece.comment,) if at <= _SEGMENT and piece.comment else ()
            flags = piece.flags | (_PUSH if part and final else 0)
            packet = _packet(one, piece.from_client, flags, sent[piece.from_client], sent[not piece.from_client], part)
            yield Frame(0, piece.ts_ns, packet, len(packet), comments)
            sent[piece.from_client] += len(part) + bool(piece.flags & (_SYN | _FIN))
            if final:
                break


def _first_of_each(closings: tuple[Closing, ...]) -> list[Closing]:
    """Who closed, up to a reset."""
    found: dict[Side, Closing] = {}
    for closing in closings:
        found.setdefault(closing.side, closing)
        if closing.kind is End.RESET:
            break
    return list(found.values())


def _closing(evidence: Evidence, closing: Closing, after_ns: int) -> _Piece:
    flags = _RST | _ACK if closing.kind is End.RESET else _FIN | _ACK
    told = f"{closing.kind.value.upper()} of packet {_packets(evidence, (closing.packet,))}"
    return _Piece(max(closing.ts_ns, after_ns), closing.side is Side.CLIENT, flags, b"", told)


def _exchange(evidence: Evidence, exchange: Exchange, read: Mapping[str, str | None]) -> Iterator[_Piece]:
    request, response = request_of(exchange.request), response_of(exchange.response)
    if request is not None:
        yield from _message(evidence, request, f"{request.method} {request.target} {request.version}", read, from_client=True)
    if response is not None:
        yield from _message(evidence, response, f"{response.version} {response.status} {response.reason}", read, from_client=False)


def _message(evidence: Evidence, one: Request | Response, start: str, read: Mapping[str, str | None], *, from_client: bool) -> Iterator[_Piece]:
    message = evidence.messages.get(one.id)
    text = read.get(one.id)
    fields = [line for header in one.headers if header.name.lower() not in _REPLACED for line in _fields(header)]
    body = b""
    said = "empty"
    if text is not None:
        body = text.encode("utf-8", "surrogatepass")
        fields.append(f"Content-Type: {_SOAP}" if text.lstrip("\ufeff \r\n\t").startswith("<") else "Content-Type: text/plain;charset=UTF-8")
        said = "decrypted" if message is not None and message.opened else "clear"
    elif one.body.size:
        why = f" ({message.opened_detail})" if message is not None and message.opened_detail else ""
        said = f"{one.body.size} bytes {LEFT_OUT if one.id in read else f'left out, not decrypted{why}'}"
        fields.append(f"{_OURS}: {visible(said)}")
    head = "\r\n".join([start, *fields, f"Content-Length: {len(body)}", "", ""]).encode("latin-1", "replace")
    told = f"{one.id}: {said}; packets {_packets(evidence, one.packets)}"
    yield _Piece(one.last_ns, from_client, _ACK, head + body, told)


def _fields(header: Header) -> Iterator[str]:
    """The line; a masked token is no base64, which Wireshark would take it for, so only its scheme stays, and a line of ours says so."""
    if header.name.lower() in CREDENTIALS and header.value.endswith(_MASKED):
        yield f"{header.name}: {header.value.removesuffix(_MASKED)}"
        yield f"{_OURS}: {header.name} masked"
    else:
        yield f"{header.name}: {header.value}"


def _packets(evidence: Evidence, keys: tuple[int, ...]) -> str:
    return packet_set(keys, evidence.captures, named=True) or "none"


def _packet(one: Connection, from_client: bool, flags: int, sent: int, received: int, data: bytes) -> bytes:  # noqa: FBT001  called in one place
    """An IP packet with its checksums."""
    from ipaddress import ip_address

    from dpkt import ip, ip6, tcp

    near, far = (one.client, one.server) if from_client else (one.server, one.client)
    source, target = ip_address(near.host.partition("%")[0]), ip_address(far.host.partition("%")[0])
    segment = tcp.TCP(
        sport=near.port, dport=far.port, seq=sent & 0xFFFFFFFF, ack=received & 0xFFFFFFFF if flags & _ACK else 0, flags=flags, win=_WINDOW, data=data
    )
    if source.version == 4:
        return bytes(ip.IP(src=source.packed, dst=target.packed, p=6, ttl=64, len=20 + len(segment), data=segment))
    return bytes(ip6.IP6(src=source.packed, dst=target.packed, nxt=6, hlim=64, plen=len(segment), data=segment, extension_hdrs={}, all_extension_headers=[]))
