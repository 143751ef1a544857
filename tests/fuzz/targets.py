"""What is fuzzed: each target reads bytes as one part of the analyzer does, and asserts what holds of every result.

A target raises nothing for any bytes, besides our own refusals where the part has them. Its seeds are what samples and the builders of the tests hold, so
that changed bytes get beyond the first check. `tests/fuzz/run.py` drives them by coverage (make fuzz), `tests/fuzz/test_targets.py` by Hypothesis.
"""

import base64
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from analyzer.auth.headers import challenges, credentials
from analyzer.auth.schemes import kdc, kerberos, ntlm, spnego
from analyzer.auth.tokens import begins_handshake, challenge_token, credentials_token, rejects
from analyzer.engine.host_logs import with_host_logs
from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.errors import InputError, UsageError
from analyzer.formats import lz77, sldc
from analyzer.formats.certificates import channel_binding
from analyzer.formats.certificates import described as certificate
from analyzer.formats.content import Room, unpacked
from analyzer.formats.holes import HOLE, Holed
from analyzer.formats.prefaces import preface
from analyzer.formats.reader import Reader
from analyzer.formats.tls import key_log, opened
from analyzer.formats.tls_facts import answers_in_tls, tls_facts
from analyzer.formats.tls_records import records
from analyzer.http.exchanges import parse
from analyzer.http.http2 import Start, speaks_http2
from analyzer.http.http2 import parse as parse_http2
from analyzer.psrp import clixml
from analyzer.psrp.fragments import Defragmenter, PsMessage
from analyzer.psrp.layers import opened as layers
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import KINDS
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.sealing import Message, Protection
from analyzer.records.secrets import Secret, TlsSecret
from analyzer.records.transport import Connection
from analyzer.sealing.messages import messages
from analyzer.sealing.multipart import parts
from analyzer.settings import Limits, Scope
from analyzer.wsman.envelope import decoded, described, described_text
from analyzer.wsman.invoke import invoked
from analyzer.wsman.structure import looked, seen
from analyzer.wsman.winrs import operation
from analyzer.wsman.xpress import decompress, inflate, inflate_holed
from tests.build.packets import Frame, pcap
from tests.build.streams import Piece, talk
from tests.fuzz import seeds

LIMITS = Limits()
KEYS = key_log([TlsSecret("CLIENT_RANDOM", bytes(32), Secret(bytes(48)), "fuzz")])


class Target(NamedTuple):
    """``read`` takes any bytes; ``begins``: what it is tried on first."""

    read: Callable[[bytes], None]
    begins: Callable[[], Iterable[bytes]]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="winrm-analyzer-fuzz-")


def _file(data: bytes) -> Path:
    path = Path(_folder().name, "given")
    path.write_bytes(data)
    return path


def sound(found: Result) -> None:
    """Packets that are named exist; a stream's bytes and holes add up; no rule failed; every issue is of a known kind."""
    evidence = found.evidence
    counts = [capture.packets for capture in evidence.captures]
    for issue in evidence.issues:
        assert issue.code in KINDS, issue
        assert issue.code != "rule.failed", issue
    for connection in evidence.connections.values():
        assert all(1 <= key_number(key) <= counts[key_capture(key)] for key in connection.packets), connection.id
        for stream in (connection.to_server, connection.to_client):
            assert sum(stream.extents.size) + sum(gap.size for gap in stream.gaps) == stream.size, connection.id
    for exchange in evidence.exchanges.values():
        for half in (exchange.request, exchange.response):
            if not isinstance(half, Absent):
                assert 0 <= half.at <= half.end_at
                assert all(1 <= key_number(key) <= counts[key_capture(key)] for key in half.packets), exchange.id
    for finding in found.findings:
        assert all(1 <= key_number(key) <= counts[key_capture(key)] for key in finding.packets), finding.rule
        assert set(finding.connections) <= set(evidence.connections), finding.rule


def captured(data: bytes) -> None:
    """A file given as a capture: any format, any packing."""
    try:
        done = run([str(_file(data))], LIMITS, Scope())
    except InputError as error:
        assert str(error)  # noqa: PT017  either way is right
        return
    try:
        sound(done.result)
    finally:
        done.sources.close()


def linked(data: bytes) -> None:
    """Frames of one link type."""
    if len(data) < 2:
        return
    link, at = data[0] | data[1] << 8, 2
    listed: list[Frame] = []
    while at + 2 <= len(data) and len(listed) < 50:
        size = data[at] | data[at + 1] << 8
        listed.append(Frame(1_700_000_000_000_000_000 + 1000 * len(listed), data[at + 2 : at + 2 + size], link))
        at += 2 + size
    if listed:
        captured(pcap(listed))


def _talk(data: bytes) -> tuple[Connection, Callable[[int, int, int], bytes]]:
    sides: list[list[Piece]] = [[], []]
    for number, piece in enumerate(data.split(seeds.SPLIT)):
        own = sides[min(number, 1)]
        if number > 1:
            own.append(1 + int.from_bytes(piece[:2], "little"))
        begin = 2 if number > 1 else 0
        own.extend(piece[at : at + 1400] for at in range(begin, len(piece), 1400))
    return talk(sides[0], sides[1])


def http(data: bytes) -> None:
    """Two directions of a connection, as HTTP/1 or HTTP/2, with what their bodies say."""
    made, fetch = _talk(data)
    parsed = parse_http2(made, fetch, LIMITS, Start()) if speaks_http2(made, fetch) else parse(made, fetch, LIMITS)
    for exchange in parsed.exchanges:
        for half, size in ((exchange.request, made.to_server.size), (exchange.response, made.to_client.size)):
            assert isinstance(half, Absent) or 0 <= half.at <= half.end_at <= size
        _said(made, exchange, fetch)


def _said(made: Connection, exchange: Exchange, fetch: Callable[[int, int, int], bytes]) -> None:
    for message in messages(made, exchange, fetch, LIMITS)[0]:
        full = described(message, made, exchange, fetch, LIMITS, Room(LIMITS.opened_bytes)).message
        half = exchange.request if full.from_client else exchange.response
        assert not isinstance(half, Absent)
        assert all(0 <= part.data_at <= part.data_at + part.data_size <= half.body.size for part in full.parts)


def prefaced(data: bytes) -> None:
    """What may stand before HTTP: SOCKS and PROXY headers."""
    made, fetch = _talk(data)
    found = preface(Reader(made.to_server, fetch), Reader(made.to_client, fetch))
    if found is not None:
        assert 0 <= found.client_at <= made.to_server.size
        assert 0 <= found.server_at <= made.to_client.size


def tls(data: bytes) -> None:
    """Both directions as TLS: records, handshake, certificates, decryption."""
    made, fetch = _talk(data)
    for stream in (made.to_server, made.to_client):
        at = 0
        for record in records(Reader(stream, fetch)):
            assert record.at >= at
            at = record.at
    answers_in_tls(Reader(made.to_client, fetch))
    tls_facts(made.to_server, made.to_client, fetch, KEYS, "srv01")
    opened(made.to_server, made.to_client, KEYS, fetch)


def certificates(data: bytes) -> None:
    """A certificate in DER."""
    certificate(data)
    channel_binding(data)


def tokens(data: bytes) -> None:
    """The value of an authentication header of either side."""
    text = data.decode("latin-1")
    for one in challenges([text])[0]:
        found = challenge_token(one, LIMITS)
        if found is not None:
            rejects(found.token)
    sent = credentials(text)
    if not isinstance(sent, Absent):
        begins_handshake(credentials_token(sent, LIMITS).token)


def raw_tokens(data: bytes) -> None:
    """A token without its base64."""
    ntlm.message(data)
    ntlm.authenticate_fields(data)
    spnego.message(data)
    kerberos.message(data)
    kdc.clear(data)
    tokens(b"Negotiate " + base64.b64encode(data))
    tokens(b"CredSSP " + base64.b64encode(data))


def multipart(data: bytes) -> None:
    """An encrypted body."""
    found = parts(lambda at, size: data[at : at + size], len(data), 100)
    for part in found.parts:
        assert 0 <= part.data_at <= part.data_at + part.data_size <= len(data)


def xml(data: bytes) -> None:
    """A body as an envelope, with all that is read of it."""
    text = decoded(data)
    _envelope(text)
    if len(text) > 40:  # the same with bytes that are missing
        middle = len(text) // 2
        _envelope(text[:middle] + HOLE * 7 + text[middle + 7 :])


def _envelope(text: str) -> None:
    found, plain = seen(text), looked(text, LIMITS)
    for places in found.marks.places.values():
        assert all(text[place] == "<" for place in places)
    for from_client in (True, False):
        blank = Message("c1.x1.q", "c1.x1", from_client, Protection.CLEAR, len(text), None)
        message = described_text(blank, text, found, LIMITS)
        assert message == described_text(blank, text, plain, LIMITS)
        own = operation(message, text, found, 0, (1,), set(), 200, Room(LIMITS.opened_bytes))
        assert own == operation(message, text, plain, 0, (1,), set(), 200, Room(LIMITS.opened_bytes))
        invoked(message, text, 0, (1,), 200)


def objects(data: bytes) -> None:
    """CLIXML."""
    text = data.decode("utf-8", "replace")
    root = clixml.tree(text)
    clixml.value(root)
    clixml.string(text)
    for read in (clixml.pipeline, clixml.metadata, clixml.shown, clixml.error, clixml.progress, clixml.host_call, clixml.state, layers):
        read(text)


def fragments(data: bytes) -> None:
    """PSRP fragments in one piece, in two, and with a hole."""
    half = len(data) // 2
    holed: Sequence[bytes | Holed] = [Holed(data, ((half, 3),) if len(data) > half + 3 else ())]
    for pieces in ([data], [data[:half], data[half:]], holed):
        reader = Defragmenter[int](1 << 16)
        found = [one for place, piece in enumerate(pieces) for one in reader.messages(piece, place)]
        found += list(reader.unfinished())
        for message, places in found:
            assert all(0 <= place < len(pieces) for place in places)
            assert not isinstance(message, PsMessage) or message.size <= 5 * len(data) + (1 << 20)
        assert not list(reader.unfinished())


def xpress(data: bytes) -> None:
    """LZXPRESS Huffman, plain LZ77 (compiled and not), and runs of blocks."""
    if len(data) < 2:
        return
    size, rest = data[0] | data[1] << 8, data[2:]
    found = decompress(rest, size)
    assert found is None or len(found) == size
    plain, _ = lz77.decompress(rest, size)
    assert len(plain) <= size
    inflate(rest, Room(1 << 20))
    inflate_holed(Holed(rest, ((len(rest) // 2, 1),) if rest else ()), Room(1 << 20))


def sldc_and_codings(data: bytes) -> None:
    """Content codings."""
    if len(data) < 2:
        return
    most, rest = data[0] | data[1] << 8, data[2:]
    found = sldc.inflate(rest, most)
    assert found is None or len(found) <= most
    for coding in ("gzip", "deflate", "br", "sldc", "zstd"):
        unpacked(rest, (coding,), 1 << 16, Room(1 << 16))


def secrets(data: bytes) -> None:
    """A secrets file of any form."""
    try:
        load(str(_file(data)))
    except (InputError, UsageError) as error:
        assert str(error)  # noqa: PT017  either way is right


@cache
def _shells() -> Result:
    """A run whose connections, logons and shells events can be joined to."""
    done = run([str(seeds.SAMPLES / "direct-basic" / "capture.pcapng")], LIMITS, Scope())
    done.sources.close()
    return done.result


def host_logs(data: bytes) -> None:
    """A file given as a host's log, joined to a run: every event has a time and a place, every join names what there is."""
    result = _shells()
    try:
        found = with_host_logs(result, [str(_file(data))], LIMITS).evidence
    except InputError as error:
        assert str(error)  # noqa: PT017  either way is right
        return
    assert found.host_logs is not None
    assert found.host_logs.looked_at <= found.host_logs.events
    for issue in found.issues:
        assert issue.code in KINDS, issue
        assert issue.detail
    for join in found.host_logs.joins:
        assert join.basis
        assert 0 <= join.confidence <= 1


TARGETS: dict[str, Target] = {
    "capture": Target(captured, seeds.small_captures),
    "links": Target(linked, seeds.linked),
    "http": Target(http, seeds.talks),
    "prefaces": Target(prefaced, seeds.talks),
    "tls": Target(tls, seeds.talks),
    "certificates": Target(certificates, seeds.certificates),
    "tokens": Target(tokens, seeds.fields),
    "raw-tokens": Target(raw_tokens, seeds.tokens_raw),
    "multipart": Target(multipart, seeds.multiparts),
    "xml": Target(xml, seeds.envelopes),
    "clixml": Target(objects, seeds.clixml),
    "fragments": Target(fragments, seeds.fragments),
    "xpress": Target(xpress, seeds.compressed),
    "sldc": Target(sldc_and_codings, seeds.compressed),
    "etl": Target(captured, partial(seeds.containers, "netsh", "pktmon")),
    "netmon": Target(captured, partial(seeds.containers, "Network Monitor")),
    "host-logs": Target(host_logs, seeds.host_logs),
    "secrets": Target(secrets, seeds.secrets),
}
"""By name, as make fuzz and the folders of ``inputs`` have it."""
