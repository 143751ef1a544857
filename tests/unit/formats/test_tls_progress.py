"""How far a handshake came, its alerts and its certificates, of TLS as OpenSSL speaks it; with a key log also what is
encrypted."""

from pathlib import Path

import pytest

from analyzer.engine.local import run
from analyzer.engine.secrets.tls import keylog
from analyzer.formats.tls_names import alert_name, cipher_name, version_name
from analyzer.formats.tls_progress import finished_13
from analyzer.records.secrets import Secrets
from analyzer.records.tls import ClientCertificate, Reached
from analyzer.records.transport import TlsFacts
from analyzer.settings import Limits, Scope
from tests.build.talk_http import post, reply, sealed
from tests.build.talk_tls import TLS12, TLS13, Version, client, exchange, hello, paper, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge
from tests.rules.tlsing import PAPER, https

STEPS = [
    Reached.CLIENT_HELLO,
    Reached.CERTIFICATE,
    Reached.CLIENT_FINISHED,
    Reached.COMPLETED,
    Reached.APPLICATION_DATA,
]
STEPS_13 = [Reached.CLIENT_HELLO, Reached.SERVER_HELLO, Reached.COMPLETED, Reached.COMPLETED, Reached.APPLICATION_DATA]


def facts(lan: Wire, *, last: int | None = None) -> TlsFacts:
    found = judge(lan, last=last).evidence.connections["c1"].tls
    assert found is not None
    return found


@pytest.mark.parametrize(("version", "steps"), [(TLS12, STEPS), (TLS13, STEPS_13)])
def test_every_packet_brings_it_further(version: Version, steps: list[Reached]) -> None:
    lan = Wire(mss=8000)
    talk = https(lan)
    done = shake(talk, client(version, checks=False), server(PAPER, version))
    exchange(talk, done, post(content=sealed()).wire(), reply(200, content=sealed()).wire())
    assert [facts(lan, last=3 + place).reached for place in range(1, 6)] == steps


def test_what_was_offered_and_chosen() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, TLS13, checks=False), server(PAPER, TLS12))
    found = facts(lan)
    assert found.offered_versions == ("TLS 1.3", "TLS 1.2")
    assert found.version_name == "TLS 1.2"
    assert found.cipher_name in found.offered_ciphers
    assert found.cipher_name is not None
    assert found.cipher_name.startswith("TLS_ECDHE_ECDSA_WITH_AES_256_GCM")
    assert found.leaf is not None
    assert (found.leaf.common_name, found.name_matches) == ("srv01.lab.example", True)


@pytest.mark.parametrize("pieces", [2, 5, 37])
def test_hellos_in_small_segments(pieces: int) -> None:
    lan = Wire(mss=pieces)
    talk = https(lan)
    said = hello()
    talk.send(said)
    talk.reset_by_server()
    found = facts(lan)
    assert (found.hello_size, len(found.hello_packets)) == (len(said), -(-len(said) // pieces))


def opened(lan: Wire, folder: Path) -> TlsFacts:
    """The facts with the key log of that folder."""
    secrets = Secrets(tls=tuple(keylog((folder / "keys.log").read_bytes())))
    done = run([str(lan.capture(folder / "a.pcap"))], Limits(), Scope(), secrets=secrets)
    done.sources.close()
    found = done.result.evidence.connections["c1"].tls
    assert found is not None
    return found


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_key_log_shows_certificates_and_alerts(version: Version, tmp_path: Path) -> None:
    near = client(version, checks=False, own=paper("alice", days=(-9, -1)))
    near.keylog_filename = str(tmp_path / "keys.log")
    lan = Wire()
    talk = https(lan)
    shake(talk, near, server(PAPER, version, asks=PAPER))
    talk.close_by_server()
    found = opened(lan, tmp_path)
    assert [(one.name, one.from_client, one.encrypted) for one in found.alerts] == [("unknown_ca", False, version is TLS13)]
    assert (found.client_certificate, found.leaf is not None) == (ClientCertificate.SENT, True)
    assert found.client_leaf is not None
    assert found.client_leaf.common_name == "alice"


def test_an_encrypted_farewell_is_opened(tmp_path: Path) -> None:
    near = client(TLS12, checks=False)
    near.keylog_filename = str(tmp_path / "keys.log")
    lan = Wire()
    talk = https(lan)
    done = shake(talk, near, server(PAPER, TLS12))
    done.ends[0].step(done.ends[0].tls.unwrap)
    talk.send(done.ends[0].outgoing.read())
    assert [(one.number, one.from_client) for one in facts(lan).alerts] == [(None, True)]
    assert [(one.name, one.from_client, one.encrypted) for one in opened(lan, tmp_path).alerts] == [("close_notify", True, True)]


@pytest.mark.parametrize(
    ("sizes", "place"),
    [([], None), ([19], None), ([53], 0), ([69, 400], 0), ([25, 69], 1), ([900, 95, 53, 80], 2), ([1100], 0)],
)
def test_which_record_holds_finished(sizes: list[int], place: int | None) -> None:
    assert finished_13(sizes) == place


def test_names_of_numbers() -> None:
    assert [version_name(number) for number in (0x0303, 0x0304, 0x7F1C)] == ["TLS 1.2", "TLS 1.3", "0x7f1c"]
    assert [cipher_name(number) for number in (0x1301, 0xC02F, 0xEEEE)] == [
        "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "0xeeee",
    ]
    assert [alert_name(number) for number in (0, 48, 200)] == ["close_notify", "unknown_ca", "alert_200"]
    assert ClientCertificate("sent") is ClientCertificate.SENT
