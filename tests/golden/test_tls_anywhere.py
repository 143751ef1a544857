"""WinRM over TLS is found with a key log on any port, behind SOCKS, PROXY headers, CONNECT and proxies that end TLS; without one it is named as TLS."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

import analyzer
from analyzer.api import Case
from analyzer.cli.commands import cli
from tests.build import talk_tls
from tests.build.given import pem, rsa_key, written
from tests.build.talk_http import post, reply, soap
from tests.build.talk_prefaces import header1, header2, socks5
from tests.build.talk_tls import TLS12, TLS13, Version, client, paper, server
from tests.build.talks import Talk, Wire

CLIENT, PROXY, SERVER = "10.10.1.11", "10.10.1.1", "10.20.2.20"
ASK, ANSWER = post("/wsman", content=soap()).wire(), reply(200, content=soap("CreateResponse")).wire()


class Ended(NamedTuple):
    """A line that says something before the client's first flight, in the same segment."""

    talk: Talk
    before: list[bytes]

    def send(self, said: bytes) -> int:
        return self.talk.send((self.before.pop() if self.before else b"") + said)

    def answer(self, said: bytes) -> int:
        return self.talk.answer(said)


def _tls(line: talk_tls.Line, keys: Path, version: Version = TLS13, name: str | None = "srv01.lab.example") -> None:
    own = paper()
    near = client(version, trusts=own)
    near.keylog_filename = str(keys)
    shaken = talk_tls.shake(line, near, server(own, version), name=name)
    talk_tls.exchange(line, shaken, ASK, ANSWER)


def port_443(lan: Wire, keys: Path) -> None:
    _tls(lan.connect(CLIENT, 50001, SERVER, 443), keys)


def port_8443(lan: Wire, keys: Path) -> None:
    _tls(lan.connect(CLIENT, 50001, SERVER, 8443), keys, TLS12)


def socks(lan: Wire, keys: Path) -> None:
    talk = lan.connect(CLIENT, 50001, PROXY, 1080)
    socks5(talk, port=443)
    _tls(talk, keys)


def socks_with_a_logon(lan: Wire, keys: Path) -> None:
    talk = lan.connect(CLIENT, 50001, PROXY, 1080)
    socks5(talk, port=8443, user="alice", password="Passw0rd-of-the-proxy")
    _tls(talk, keys, TLS12)


def proxy_header(lan: Wire, keys: Path) -> None:
    talk = lan.connect(PROXY, 40001, SERVER, 443)
    _tls(Ended(talk, [header1((CLIENT, 50001), (SERVER, 443))]), keys)


def proxy_header_by_itself(lan: Wire, keys: Path) -> None:
    talk = lan.connect(PROXY, 40001, SERVER, 443)
    talk.send(header2((CLIENT, 50001), (SERVER, 443)))
    _tls(talk, keys)


def connect(lan: Wire, keys: Path) -> None:
    talk = lan.connect(CLIENT, 50001, PROXY, 3128)
    talk.exchange(b"CONNECT srv01.lab.example:443 HTTP/1.1\r\nHost: srv01.lab.example:443\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n")
    _tls(talk, keys)


def ended_by_a_proxy(lan: Wire, keys: Path) -> None:
    _tls(lan.connect(CLIENT, 50001, PROXY, 8443), keys)
    lan.connect(PROXY, 40001, SERVER, 80).exchange(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


PLACES = [port_443, port_8443, socks, socks_with_a_logon, proxy_header, proxy_header_by_itself, connect, ended_by_a_proxy]


@pytest.mark.parametrize("place", PLACES)
def test_a_key_log_finds_it(place: Callable[[Wire, Path], None], tmp_path: Path) -> None:
    lan = Wire()
    place(lan, tmp_path / "tls.keys")
    case = analyzer.analyze(lan.capture(tmp_path / "wire.pcap"), secrets=tmp_path / "tls.keys")
    (exchange,) = (one for one in case.evidence.exchanges.values() if "/wsman" in str(getattr(one.request, "target", "")))
    assert exchange.connection in case.evidence.winrm
    assert case.evidence.connections[exchange.connection].tls_opened
    assert [use.fits for use in case.evidence.keys] == [True]
    assert "No WinRM" not in case.diagnosis


@pytest.mark.parametrize("place", PLACES)
def test_without_a_key_log_it_is_named_as_tls(place: Callable[[Wire, Path], None], tmp_path: Path) -> None:
    lan = Wire()
    place(lan, tmp_path / "tls.keys")
    path = lan.capture(tmp_path / "wire.pcap")
    case = analyzer.analyze(path)
    assert "TLS connection" in case.diagnosis
    assert "--keylog" in case.diagnosis
    told = CliRunner().invoke(cli, ["info", str(path)])
    assert told.exit_code == 0
    assert "TLS: 1 connection that may carry it on another port" in told.output
    assert "nothing encrypted" not in told.output
    shown = CliRunner().invoke(cli, ["analyze", str(path)])
    assert "was not decrypted" in shown.output


def test_a_port_may_be_named(tmp_path: Path) -> None:
    lan = Wire()
    port_443(lan, tmp_path / "tls.keys")
    path = lan.capture(tmp_path / "wire.pcap")
    case = analyzer.analyze(path, tls_ports=[443])
    assert case.evidence.winrm == {"c1"}
    shown = CliRunner().invoke(cli, ["analyze", str(path), "--tls-port", "443", "-f", "json"])
    assert shown.exit_code == 0
    assert '"No WinRM' not in shown.output


def test_a_key_log_inside_of_the_capture(tmp_path: Path) -> None:
    import struct

    lan = Wire()
    port_8443(lan, tmp_path / "tls.keys")
    pcap = lan.capture(tmp_path / "wire.pcap").read_bytes()

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    keys = (tmp_path / "tls.keys").read_bytes()
    made = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHBxxxI", 9, 1, 9, 0))
    made += block(10, struct.pack("<II", 0x544C534B, len(keys)) + keys)
    at = 24
    while at < len(pcap):
        seconds, fraction, size, wire = struct.unpack_from("<IIII", pcap, at)
        time = seconds * 10**9 + fraction
        made += block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, size, wire) + pcap[at + 16 : at + 16 + size])
        at += 16 + size
    path = tmp_path / "wire.pcapng"
    path.write_bytes(made)
    assert analyzer.analyze(path).evidence.connections["c1"].tls_opened


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-SHA256", "AES128-SHA"])
@pytest.mark.parametrize("port", [5986, 8443])
def test_a_server_s_rsa_key(suite: str, port: int, tmp_path: Path) -> None:
    case = _by_rsa(tmp_path, suite, port, pem())
    assert case.evidence.connections["c1"].tls_opened
    assert [(use.kind, use.fits, use.connections) for use in case.evidence.keys] == [("RSA private key", True, ("c1",))]
    assert case.evidence.messages["c1.x1.q"].action is not None


def test_another_server_s_rsa_key(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    case = _by_rsa(tmp_path, "AES128-GCM-SHA256", 5986, pem(rsa.generate_private_key(65537, 2048)))
    assert not case.evidence.connections["c1"].tls_opened
    assert [use.why for use in case.evidence.keys] == ["it decrypts no TLS connection with RSA key exchange (1 tried)"]
    other = _by_rsa(tmp_path, "ECDHE-RSA-AES128-GCM-SHA256", 5986, pem())
    assert "need a key log" in str(other.evidence.keys[0].why)


def _by_rsa(folder: Path, suite: str, port: int, key: bytes) -> Case:
    import datetime as dt
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "srv01")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    signed = x509.CertificateBuilder(name, name, rsa_key().public_key(), 1, now, now + dt.timedelta(3650)).sign(rsa_key(), hashes.SHA256())
    file = written(folder, pem() + signed.public_bytes(serialization.Encoding.PEM), "paper.pem")
    lan = Wire()
    talk = lan.connect(CLIENT, 50001, SERVER, port)
    far = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    far.load_cert_chain(file)
    far.set_ciphers(f"{suite}:@SECLEVEL=0")
    far.maximum_version = TLS12
    near = client(TLS12, checks=False, ciphers=f"{suite}:@SECLEVEL=0")
    shaken = talk_tls.shake(talk, near, far)
    assert shaken.failed is None
    talk_tls.exchange(talk, shaken, ASK, ANSWER)
    return analyzer.analyze(lan.capture(folder / "wire.pcap"), secrets=written(folder, key, "server.pem"), tls_ports=[port])
