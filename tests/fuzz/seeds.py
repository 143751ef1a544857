"""What fuzzing begins with: pieces of samples, and what the builders of the tests write."""

import base64
import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from analyzer.engine.local import run
from analyzer.formats.reader import Reader
from analyzer.records.quality import Absent
from analyzer.sealing.messages import read_body
from analyzer.settings import Limits, Scope
from tests.build.edges import KEPT_AS, LINK_EXAMPLES
from tests.build.evtx import event, evtx
from tests.build.given import EXAMPLES
from tests.build.host_logs import evtx_dump, nxlog, passed, winlogbeat
from tests.build.packets import T0_NS
from tests.hostile.costly import command, created, received
from tests.property.reading import frames, segments

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
SPLIT = b"\xff\xfe|\xfe\xff"
"""Between the two directions of a connection, and where a direction lacks bytes (with their number as 16 bits after it)."""
_LARGEST, _MOST, _LONGEST = 60_000, 24, 12_000
_CLEAR = (
    "direct-omigod",
    "evil-winrm-py-session",
    "direct-basic",
    "https-direct",
    "squid-connect-https",
    "socks5-healthy",
    "squid-kerberos-healthy",
    "nginx-gzip-healthy",
)


def small_captures() -> Iterator[bytes]:
    """Samples of a few packets, and every container with a few frames."""
    found = sorted(SAMPLES.glob("*/*.pcap*"), key=lambda path: path.stat().st_size)
    yield from (path.read_bytes() for path in found[:_MOST])
    yield from containers()


def containers(*words: str) -> Iterator[bytes]:
    """Every capture format (those of which the name begins with one of ``words``) with the same frames."""
    begin = frames("direct-basic")[0].ts_ns
    listed = [one._replace(ts_ns=one.ts_ns - begin + T0_NS) for one in frames("direct-basic")[:12]]
    for name in sorted(name for name in KEPT_AS if name.startswith(words or "")):
        yield KEPT_AS[name](listed)


def linked() -> Iterator[bytes]:
    """Frames of every link type: link number, then a list of sizes and frames."""
    packets = [one.packet() for one in segments("direct-basic")[:6]]
    for link, examples in sorted(LINK_EXAMPLES.items()):
        for wrap in examples:
            yield struct.pack("<H", link) + b"".join(struct.pack("<H", len(data)) + data for data in map(wrap, packets))


@cache
def _connections() -> tuple[tuple[bytes, bytes], ...]:
    out = []
    for name in _CLEAR:
        path = min((SAMPLES / name).glob("*.pcap*"))
        done = run([str(path)], Limits(), Scope())
        for one in done.result.evidence.connections.values():
            sides = [Reader(stream, done.sources.fetch).peek(_LONGEST) for stream in (one.to_server, one.to_client)]
            out.append((sides[0], sides[1]))
        done.sources.close()
    return tuple(dict.fromkeys(out))


def talks() -> Iterator[bytes]:
    """Both directions of connections: HTTP, TLS, SOCKS."""
    for to_server, to_client in _connections():
        yield to_server + SPLIT + to_client
    yield (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + bytes.fromhex("00000004000000000000000401050000000183864182")
        + SPLIT
        + bytes.fromhex("0000000400000000000000010105000000018800")
    )


@cache
def _bodies() -> tuple[bytes, ...]:
    out = []
    for name in ("direct-omigod", "evil-winrm-py-session", "direct-psrp-pipeline-reused-healthy", "squid-kerberos-healthy"):
        path = min((SAMPLES / name).glob("*.pcap*"))
        done = run([str(path)], Limits(), Scope())
        evidence = done.result.evidence
        for exchange in evidence.exchanges.values():
            connection = evidence.connections[exchange.connection]
            for half, stream in ((exchange.request, connection.to_server), (exchange.response, connection.to_client)):
                if not isinstance(half, Absent) and half.body.size:
                    out.append(read_body(Reader(stream, done.sources.fetch), half.body, 0, min(half.body.size, _LONGEST)))
        done.sources.close()
    return tuple(dict.fromkeys(out))


def envelopes() -> Iterator[bytes]:
    """SOAP texts."""
    yield from [body for body in _bodies() if body.lstrip()[:1] == b"<"][:_MOST]
    yield from (*created(inside="<creationXml>AAAA</creationXml>"), *command("whoami"), *received([b"out\r\n"]))


def multiparts() -> Iterator[bytes]:
    """Encrypted bodies."""
    yield from [body for body in _bodies() if body.startswith(b"--")][:_MOST]


def fields() -> Iterator[bytes]:
    """Values of authentication headers."""
    found = []
    for to_server, to_client in _connections():
        for line in (to_server + b"\r\n" + to_client).split(b"\r\n"):
            field, _, value = line.partition(b":")
            if field.lower() in {b"authorization", b"www-authenticate", b"proxy-authorization", b"proxy-authenticate"}:
                found.append(value.strip())
    for name in ("squid-proxyauth-basic", "squid-connect-proxyauth-ntlm", "direct-credssp-healthy", "squid-negotiate-spnego-mic-healthy"):
        for segment in segments(name):
            lines = segment.tcp.split(b"\r\n")
            found += [line.partition(b": ")[2] for line in lines if b"uthorization: " in line or b"uthenticate: " in line]
    yield from list(dict.fromkeys(found))[: _MOST * 2]
    yield b'Digest realm="a", nonce="b", qop="auth,auth-int", Basic realm="x"'


def fragments() -> Iterator[bytes]:
    """PSRP fragments: of one object, of several, with a string, with nothing."""
    head = struct.pack("<II", 1, 0x00041004) + bytes(range(32))
    texts = ("<S>one</S>", "<Obj><MS><S N='Name'>whoami</S></MS></Obj>", "")
    pieces = [head + text.encode() for text in texts]
    whole = b"".join(struct.pack(">QQBI", number, 0, 3, len(piece)) + piece for number, piece in enumerate(pieces, 1))
    yield whole
    yield b"".join(struct.pack(">QQBI", 7, place, (place == 0) | (place == 3) << 1, 20) + bytes([65 + place]) * 20 for place in range(4))


def clixml() -> Iterator[bytes]:
    """Objects as PowerShell writes them."""
    yield b'<Obj RefId="0"><MS><Obj N="PowerShell" RefId="1"><MS><Obj N="Cmds" RefId="2"><TN RefId="0"><T>System.Object</T></TN><LST><Obj RefId="3"><MS><S N="Cmd">whoami</S><B N="IsScript">true</B><Obj N="Args" RefId="4"><TNRef RefId="0" /><LST><Obj RefId="5"><MS><S N="N">-a</S><S N="V">b_x000A_</S></MS></Obj></LST></Obj></MS></Obj></LST></Obj></MS></Obj></MS></Obj>'  # noqa: E501
    yield b'<Obj RefId="0"><ToString>boom</ToString><Props><S N="Message">_xD83D__xDE00_</S><I32 N="Count">5</I32><Nil N="x" /></Props><DCT><En><S N="Key">a</S><S N="Value">b</S></En></DCT></Obj>'  # noqa: E501
    yield b"<S>a_x000A_b</S>"
    yield b'<Obj RefId="0"><MS><I32 N="PipelineState">5</I32><Obj N="ExceptionAsErrorRecord" RefId="1"><MS><S N="ErrorRecord">x</S></MS></Obj></MS></Obj>'


def compressed() -> Iterator[bytes]:
    """Blocks of LZXPRESS Huffman, LZ77 and SLDC: a size, then data."""
    table = bytes([0x99] * 256)
    yield struct.pack("<H", 600) + table + bytes(40)
    yield struct.pack("<H", 60) + bytes(4) + b"hello" + bytes(24)
    yield struct.pack("<H", 50) + b"\xff\x88" + bytes(range(30))
    yield struct.pack("<H", 400) + b"\xff\x93" + bytes(range(60)) + b"\xff\xaf\xff\xff"


def host_logs() -> Iterator[bytes]:
    """Events of a host, as each tool writes them: plain, in gzip, in a ZIP archive, and as an event log (EVTX)."""
    data = {
        "ProcessId": "0x4",
        "NewProcessId": "0x10",
        "NewProcessName": "C:\\a.exe",
        "CommandLine": "whoami",
        "TargetUserName": "alice",
        "TargetLogonId": "0x3e7",
    }
    kinds = [(number, data | passed(("10.10.1.11", 50001), ("10.20.2.20", 5985))) for number in (4624, 4648, 4688, 4689, 4769, 4776, 5156)]
    for form in (winlogbeat, evtx_dump, nxlog):
        lines = b"".join(json.dumps(form(number, own)).encode() + b"\n" for number, own in kinds)
        yield lines
        yield gzip.compress(lines)
        kept = io.BytesIO()
        with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("logs/a.json", lines)
            archive.writestr("b.evtx", b"ElfFile\x00")
        yield kept.getvalue()
    yield evtx([event(number, {name: str(value) for name, value in own.items()}) for number, own in kinds])


def secrets() -> Iterator[bytes]:
    """Each form of secrets file."""
    for name in sorted(EXAMPLES):
        yield from EXAMPLES[name]


def tokens_raw() -> Iterator[bytes]:
    """Tokens without base64: NTLM, SPNEGO, Kerberos."""
    for value in fields():
        word = value.split(b" ")[-1]
        try:
            raw = base64.b64decode(word)
        except ValueError:
            continue
        if len(raw) > 8:
            yield raw


def certificates() -> Iterator[bytes]:
    """Certificates that servers of the samples show (RFC 5246 section 7.4.2: a handshake message of type 11)."""
    for name in ("tls12-direct-healthy", "tls-certificate-self-signed-12", "tls-certificate-expired"):
        for segment in segments(name):
            for found in re.finditer(rb"\x0b\x00..\x00..\x00(..)(?=\x30\x82)", segment.tcp, re.DOTALL):
                yield segment.tcp[found.end() : found.end() + int.from_bytes(found[1], "big")]
