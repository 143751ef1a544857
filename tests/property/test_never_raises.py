"""Evidence cannot raise: whatever the bytes are, a run ends with records and issues, and no rule fails."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture.containers import FORMATS
from analyzer.capture.open import PACKINGS
from analyzer.errors import InputError
from analyzer.http.exchanges import parse
from analyzer.records.http import Exchange
from analyzer.records.issues import KINDS
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.sealing.messages import messages
from analyzer.sealing.multipart import parts
from analyzer.settings import Limits
from analyzer.wsman.envelope import described
from tests.build import traces
from tests.build.edges import KEPT_AS
from tests.build.packets import ETHERNET, SLL, T0_NS, Frame, pcap
from tests.build.streams import Piece, talk
from tests.property.budget import cheap, whole_run
from tests.property.damage import SMALL, damaged, damaged_frames, edits
from tests.property.reading import facts, frames, result, sample, written

LIMITS = Limits()
MAGICS = (
    *(magic for form in FORMATS for magic in form.magics),
    *(packing.magic for packing in PACKINGS),
    b"PK\x03\x04",
    traces.buffer(traces.trace_header(traces.USUAL), 1 << 10, kind=4),
    traces.buffer(traces.trace_header(traces.USUAL), 1 << 10, kind=4, compressed=True),
)
WORDS = (
    b"POST /wsman HTTP/1.1\r\n", b"GET / HTTP/1.0\n", b"CONNECT a:5985 HTTP/1.1\r\n", b"HEAD / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 401 \r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204\r\n", b"HTTP/1.1 407 P\r\n", b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b" folded\r\n", b": no name\r\n", b"5\r\nhello\r\n",
    b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"\r\n", b"\n", b"hello", b"Authorization: Negotiate TlRMTVNTUAABAAAA\r\n", b"WWW-Authenticate: Negotiate\r\n",
    b'Content-Type: multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"\r\n',
    b"Content-Type: application/soap+xml;charset=UTF-8\r\n", b"--Encrypted Boundary\r\n", b"--Encrypted Boundary--\r\n",
    b"\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n", b"\tContent-Type: application/HTTP-CredSSP-session-encrypted\r\n",
    b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=20\r\n", b"\tContent-Type: application/octet-stream\r\n", b"\x10\x00\x00\x00",
    b"\x01\x00\x00\x00aaaaaaaa\x00\x00\x00\x00", b"\x17\x03\x03\x00\x04abcd", b"\x16\x03\x01\x02\x00\x01",
    b"<s:Envelope xmlns:s='x'><s:Header><a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Create</a:Action>", b"<!DOCTYPE x>", b"\xff\xfe<\x00",
)  # fmt: skip
any_bytes = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join))
any_pieces = st.lists(st.one_of(any_bytes.filter(bool), st.sampled_from(WORDS), st.integers(1, 5000)), max_size=14)


def _sound(found: Result) -> None:
    """What must hold of every result, whatever the input was."""
    assert {issue.code for issue in found.evidence.issues} <= set(KINDS)
    assert "rule.failed" not in {issue.code for issue in found.evidence.issues}
    for connection in found.evidence.connections.values():
        for stream in (connection.to_server, connection.to_client):
            spans = [(at, at + size) for at, size in zip(stream.extents.stream_at, stream.extents.size, strict=True)]
            assert all(one[1] <= other[0] for one, other in pairwise([*spans, (stream.size, stream.size)]))
            assert sum(stream.extents.size) + sum(gap.size for gap in stream.gaps) == stream.size
    for exchange in found.evidence.exchanges.values():
        for half in (exchange.request, exchange.response):
            assert isinstance(half, Absent) or 0 <= half.at <= half.end_at
    facts(found)


@cheap
@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_any_bytes_are_read(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    _sound_or_refused(written(tmp_path, magic + rest))


@cheap
@given(st.binary(max_size=100))
def test_any_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    _sound_or_refused(written(tmp_path, data))


@whole_run
@given(st.sampled_from(sorted(KEPT_AS)), edits)
def test_damaged_files_of_every_format_are_read(tmp_path: Path, name: str, todo: list[tuple[str, float, float, int, bytes]]) -> None:
    begin = frames("direct-basic")[0].ts_ns
    listed = [one._replace(ts_ns=one.ts_ns - begin + T0_NS) for one in frames("direct-basic")[:40]]
    _sound_or_refused(written(tmp_path, damaged(KEPT_AS[name](listed), todo)))


@whole_run
@given(st.sampled_from(SMALL), edits)
def test_damaged_files_are_read(tmp_path: Path, name: str, todo: list[tuple[str, float, float, int, bytes]]) -> None:
    _sound_or_refused(written(tmp_path, damaged(sample(name), todo)))


@whole_run
@given(st.sampled_from(SMALL), edits)
def test_damaged_frames_are_read(tmp_path: Path, name: str, todo: list[tuple[str, float, float, int, bytes]]) -> None:
    _sound(result(written(tmp_path, pcap(damaged_frames(frames(name), todo)))))


@cheap
@given(st.lists(st.tuples(st.sampled_from([0, 9, 51, 104, 105, 113, 127, 192, 239, 276]), st.binary(max_size=200)), min_size=1, max_size=5))
def test_any_frame_of_any_link_type_is_read(tmp_path: Path, listed: list[tuple[int, bytes]]) -> None:
    link = listed[0][0]
    _sound(result(written(tmp_path, pcap([Frame(place, data, link) for place, (_, data) in enumerate(listed)]))))


@cheap
@given(
    st.sampled_from([(ETHERNET, 12), (SLL, 14)]),
    st.sampled_from([0x0800, 0x86DD, 0x8100, 0x88A8, 0x8847, 0x8864, 0x6558, 0x22EB, 0x88BE]),
    st.sampled_from([b"", b"\x45\x00\x00\x54\x00\x01\x20\x00\x40\x06", b"\x45\x00\x00\x54\x00\x01\x00\x00\x40\x2f", b"\x60\x00\x00\x00\x00\x40\x2c\x40"]),
    st.binary(max_size=200),
)
def test_any_packet_of_any_ethertype_is_read(tmp_path: Path, link: tuple[int, int], ethertype: int, head: bytes, data: bytes) -> None:
    frame = bytes(link[1]) + ethertype.to_bytes(2, "big") + head + data
    _sound(result(written(tmp_path, pcap([Frame(0, frame, link[0])]))))


def _sound_or_refused(path: Path) -> None:
    try:
        found = result(path)
    except InputError as error:
        assert str(error)  # noqa: PT017  either way is right
    else:
        _sound(found)


@cheap
@given(any_pieces, any_pieces, st.booleans())
def test_any_two_streams_are_read_as_http(to_server: list[Piece], to_client: list[Piece], begins: bool) -> None:  # noqa: FBT001
    connection, fetch = talk(to_server, to_client, begins=begins)
    parsed = parse(connection, fetch, LIMITS)
    for exchange in parsed.exchanges:
        _inside(exchange, connection.to_server.size, connection.to_client.size)
        found, _ = messages(connection, exchange, fetch, LIMITS)
        for message in found:
            described(message, connection, exchange, fetch, LIMITS)
            half = exchange.request if message.from_client else exchange.response
            assert not isinstance(half, Absent)
            assert all(part.data_at + part.data_size <= half.body.size for part in message.parts)
    ends = [exchange.request.end_at for exchange in parsed.exchanges if not isinstance(exchange.request, Absent)]
    assert ends == sorted(ends)


def _inside(exchange: Exchange, to_server: int, to_client: int) -> None:
    for half, size in ((exchange.request, to_server), (exchange.response, to_client)):
        if not isinstance(half, Absent):
            assert 0 <= half.at < half.end_at <= size
            assert all(half.at <= span.at and span.at + span.size <= half.end_at for span in half.body.spans)
            assert half.body.missing <= half.body.size


@cheap
@given(any_bytes)
def test_any_body_has_parts_that_lie_in_it(data: bytes) -> None:
    found = parts(lambda at, size: data[at : at + size], len(data), 10)
    assert len(found.parts) <= 10
    for part in found.parts:
        assert 0 <= part.data_at <= part.data_at + part.data_size <= len(data)
        assert data[part.data_at - len(part.header) : part.data_at] == part.header
