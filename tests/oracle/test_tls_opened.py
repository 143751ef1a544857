"""With a key log we and tshark get the same bytes out of TLS: of every connection, version and cipher suite in the captures that have one."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.engine.local import Run, run
from analyzer.engine.secrets.load import load
from analyzer.formats.reader import Reader
from analyzer.formats.tls_keys import SUITES
from analyzer.records.transport import Connection, Stream
from analyzer.settings import Limits, Scope
from tests.oracle.captures import path

pytestmark = pytest.mark.tshark
_SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
_FOLDER = Path(os.environ.get("WINRM_CAPTURES", ""))
_ALL_PORTS = Limits(tls_ports=tuple(range(1, 65536)))
_DRAFTS = range(0x7F00, 0x8000)
"""Version numbers of drafts of TLS 1.3, whose keys were derived otherwise."""
_PUBLIC = {
    "debian+wireshark/captures__tls12-chacha20poly1305.pcap": "debian+wireshark/keys__tls12-chacha20poly1305.keys",
    "debian+wireshark/captures__dhe1.pcapng": "debian+wireshark/keys__dhe1_keylog.dat",
    "debian+wireshark/captures__http2-data-reassembly.pcap": "debian+wireshark/keys__http2-data-reassembly.keys",
    "debian+wireshark/captures__http2-brotli.pcapng": "",
    "debian+wireshark/captures__challenge01_ooo_stream.pcapng": "",
    "FoxIO-LLC+ja4/pcap__http2-with-cookies.pcapng": "",
    "fkie-cad+pcapFS/tests__crypto__all_ciphers_test__all_ciphers.pcap": "fkie-cad+pcapFS/tests__crypto__all_ciphers_test__all_ciphers.key",
    "fkie-cad+pcapFS/tests__crypto__pcaps__tls1-aes128-cbc-file_e_large.pcap": "fkie-cad+pcapFS/tests__crypto__keyfiles__tls1-aes128-cbc-file_e_large.key",
    "fkie-cad+pcapFS/tests__system__system-tests.pcapng": "fkie-cad+pcapFS/tests__system__keyfiles__tls.key",
    "Lekensteyn+wireshark-notes/tls__works__dump.pcapng": "Lekensteyn+wireshark-notes/tls__works__premaster.txt",
    "zeek+zeek/testing__btest__Traces__tls__tls-1.2-stream-keylog.pcap": "zeek+zeek/derived_tls-1.2-stream-keylog.nss.keys",
    "zeek+zeek/testing__btest__Traces__tls__tls12-decryption.pcap": "zeek+zeek/derived_tls12-decryption.nss.keys",
}


class Talk(NamedTuple):
    """The application data of a connection. tshark names the end that ``first`` came from, or the other one, or both."""

    ends: frozenset[tuple[str, int]]
    first_end: tuple[str, int]
    other_end: tuple[str, int]
    first: bytes
    other: bytes

    def both(self, client: tuple[str, int]) -> tuple[bytes, bytes]:
        """What the client sent and received."""
        by_client = client == self.first_end if self.first_end[1] else client != self.other_end
        return (self.first, self.other) if by_client else (self.other, self.first)


def tshark(capture: Path, keys: Path | None) -> Iterator[Talk]:
    """What tshark decrypts, stream by stream; those of which it decrypts nothing are left out."""
    command = ["tshark", "-n", "-r", str(capture), "-o", "tcp.reassemble_out_of_order:TRUE", "-o", f"tls.keylog_file:{keys or '/dev/null'}"]
    fields = [word for name in ("tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport") for word in ("-e", name)]
    rows = [line.split("\t") for line in _said([*command, "-T", "fields", *fields, "-Y", "tcp && ip"]).splitlines()]
    streams = {int(row[0]): frozenset({(row[1], int(row[2])), (row[3], int(row[4]))}) for row in rows}
    follows = [word for stream in streams for word in ("-z", f"follow,tls,raw,{stream}")]
    for part in _said([*command, "-q", *follows]).split("=" * 67 + "\nFollow: tls,raw")[1:]:
        stream = re.search(r"tcp\.stream eq (\d+)", part)
        ends = [(host.strip("[]"), int(port)) for host, port in re.findall(r"Node [01]: (.*):(\d+)\n", part)]
        sides = (bytearray(), bytearray())
        for line in part.partition("Node 1: ")[2].split("\n")[1:]:
            if line.startswith("="):
                break
            sides[line.startswith("\t")].extend(bytes.fromhex(line.strip()))
        if any(sides) and stream is not None:
            yield Talk(streams[int(stream[1])], ends[0], ends[1], bytes(sides[0]), bytes(sides[1]))


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@cache
def ours(capture: Path, keys: Path | None) -> Run:
    return run([str(capture)], _ALL_PORTS, Scope(all_http=True), secrets=load(None, [] if keys is None else [str(keys)]))


def _bytes(done: Run, stream: Stream) -> bytes:
    return b"".join(Reader(stream, done.sources.fetch).pieces(0, stream.size))


def _supported(connection: Connection) -> bool:
    facts = connection.tls
    return facts is not None and facts.cipher_suite in SUITES and facts.version not in _DRAFTS


def _same(capture: Path, keys: Path | None) -> set[int]:
    """Compares all connections of a capture; the cipher suites that were."""
    done = ours(capture, keys)
    read = done.result.evidence.connections.values()
    connections = {frozenset({(one.client.host, one.client.port), (one.server.host, one.server.port)}): one for one in read}
    compared = set()
    for told in tshark(capture, keys):
        one = connections.get(told.ends)
        if one is None or not _supported(one):
            continue
        sent, received = told.both((one.client.host, one.client.port))
        assert one.tls is not None
        assert one.tls_opened, f"{one.id}: suite {one.tls.cipher_suite or 0:#06x}"
        assert _bytes(done, one.to_server) == sent, one.id
        assert _bytes(done, one.to_client) == received, one.id
        compared.add(one.tls.cipher_suite or 0)
    return compared


_LOGS = [log for log in sorted(_SAMPLES.glob("*/tls.keys")) if json.loads(log.with_name("truth.json").read_text(encoding="utf-8"))["tls_exchanges"]]
"""Key logs of samples in which something was sent inside TLS; a handshake that fails has keys, too."""


@pytest.mark.parametrize("log", _LOGS, ids=lambda log: log.parent.name)
def test_samples(log: Path) -> None:
    compared = [_same(capture, log) for capture in sorted(log.parent.glob("*.pcap*"))]
    assert any(compared)


@pytest.mark.captures
@pytest.mark.skipif(not os.environ.get("WINRM_CAPTURES"), reason="WINRM_CAPTURES names no folder of captures")
@pytest.mark.parametrize("name", _PUBLIC)
def test_public_captures(name: str) -> None:
    assert _same(path(name), _FOLDER / _PUBLIC[name] if _PUBLIC[name] else None)
