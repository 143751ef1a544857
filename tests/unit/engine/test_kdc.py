"""What a run keeps of the exchanges with a KDC, and the users that they name."""

from pathlib import Path

import pytest
from scapy.libs.rfc3961 import Key as ScapyKey

from analyzer.engine.local import run
from analyzer.records.ids import key_number
from analyzer.records.kerberos import KdcKind
from analyzer.records.secrets import KerberosKey, Secret, Secrets
from analyzer.records.story import Certainty, Kind
from analyzer.settings import Limits, Scope
from tests.build.talk_http import WSMAN, offer, post, reply, soap
from tests.build.talk_kdc import KDC, as_rep, as_req, ask_kdc, ask_kdc_over_tcp, carried, kdc_error, name, tgs_rep, tgs_req
from tests.build.talk_proxy import ALICE, direct, trip
from tests.build.talk_tokens import Shake, kerberos
from tests.build.talks import Wire
from tests.rules.judging import judge, judge_files
from tests.unit.auth.builders import ap_rep, framed, number, tlv

SERVICE = "HTTP/srv01.lab.example"


@pytest.mark.parametrize("ask", [ask_kdc, ask_kdc_over_tcp])
def test_messages_over_udp_and_tcp(ask: object) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    assert callable(ask)
    asked, answered = ask(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE))
    found = judge(lan).evidence.kdc
    assert [(one.kind, one.client_host, one.kdc_host, one.client, one.realm, one.service) for one in found] == [
        (KdcKind.TGS_REQ, ALICE, KDC, None, "LAB.TEST", SERVICE),
        (KdcKind.TGS_REP, ALICE, KDC, "alice", "LAB.TEST", SERVICE),
    ]
    assert [key_number(one.packets[0]) for one in found] == [asked, answered]


def test_without_winrm_nothing_is_kept() -> None:
    lan = Wire()
    ask_kdc(lan, as_req("alice"), as_rep("alice"))
    ask_kdc_over_tcp(lan, as_req("alice"), as_rep("alice"))
    assert judge(lan).evidence.kdc == ()


def test_a_damaged_message_gives_nothing() -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    ask_kdc(lan, tgs_req(SERVICE)[:80], tgs_rep("alice", SERVICE)[:200])
    judged = judge(lan)
    assert judged.evidence.kdc == ()
    assert {party.kind for party in judged.evidence.story.parties} == {Kind.CLIENT, Kind.SERVER}


def test_two_captures_of_one_message(tmp_path: Path) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE))
    lan.wait(1)
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE))
    both = judge_files([lan.capture(tmp_path / "a.pcap"), lan.capture(tmp_path / "b.pcap")])
    assert len(both.evidence.kdc) == 4


def test_a_limit_is_told(tmp_path: Path) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    for port in range(60001, 60009):
        ask_kdc(lan, tgs_req(SERVICE), kdc_error(7, SERVICE), port=port)
    path = lan.capture(tmp_path / "wire.pcap")
    for limits, kept in ((Limits(kdc_messages=5), 5), (Limits(kdc_datagrams=3), 3)):
        done = run([str(path)], limits, Scope())
        done.sources.close()
        assert len(done.result.evidence.kdc) == kept
        told = [issue.detail for issue in done.result.evidence.issues if issue.code == "capture.limit"]
        assert len(told) == 1
        assert told[0].startswith("kdc_")


@pytest.mark.parametrize("mark", [1, 2])
def test_the_kdc_names_the_user_of_a_ticket(mark: int) -> None:
    lan = Wire()
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE, carried(1)))
    trip(direct(lan), post(WSMAN, kerberos(mark).credentials(0), content=soap()), reply(200, *kerberos(mark).last_token))
    judged = judge(lan)
    (logon,) = judged.evidence.story.logons
    (fate,) = judged.evidence.story.fates.values()
    named = ("alice", "LAB.TEST", "tgs", Certainty.PROVED, "LAB.TEST\\alice") if mark == 1 else (None, None, None, Certainty.PROVED, None)
    assert (logon.user, logon.domain, logon.user_source, logon.certainty, fate.asked_as) == named
    assert (judged.evidence.conversations[0].client.user is None) == (mark == 2)


def test_a_kdc_is_a_party() -> None:
    lan = Wire()
    answered = ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE))[1]
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("zoe", SERVICE), client="10.99.9.9")
    trip(direct(lan), post(), offer())
    party = judge(lan).evidence.story.parties[-1]
    assert (party.id, party.kind, party.certainty) == ("p3", Kind.KDC, Certainty.PROVED)
    assert [(one.host, one.port) for one in party.listens] == [(KDC, 88)]
    assert [(one.text, one.source) for one in party.names] == [("LAB.TEST", "realm")]
    assert [key_number(key) for key in party.packets] == [answered]


SERVICE_KEY = Secret(b"\x07" * 32)
SESSION_KEY = Secret(b"\x09" * 32)
KEYTAB = KerberosKey("keytab", 18, SERVICE_KEY, "HTTP/srv01.lab.example@LAB.TEST")
SESSION = KerberosKey("session", 18, SESSION_KEY)
OTHER = KerberosKey("other", 18, Secret(b"\x01" * 32), "HTTP/other@LAB.TEST")


def real_ticket(client: str, ends: bytes = b"20260102030405Z") -> Shake:
    """An AP-REQ whose ticket is encrypted with the service's key, its authenticator with the ticket's session key."""
    realm, who = tlv(0x1B, b"LAB.TEST"), name(client)
    session = tlv(0x30, tlv(0xA0, number(18)), tlv(0xA1, tlv(4, bytes(SESSION_KEY))))
    transited = tlv(0x30, tlv(0xA0, number(0)), tlv(0xA1, tlv(4)))
    moment = tlv(0x18, b"20260102030405Z")
    part = (
        tlv(0xA0, tlv(3, b"\0\x40\0\0\0")),
        tlv(0xA1, session),
        tlv(0xA2, realm),
        tlv(0xA3, who),
        tlv(0xA4, transited),
        tlv(0xA5, moment),
        tlv(0xA7, tlv(0x18, ends)),
    )
    ticket = encrypted(SERVICE_KEY, 2, tlv(0x63, tlv(0x30, *part)))
    told = (tlv(0xA0, number(5)), tlv(0xA1, realm), tlv(0xA2, who), tlv(0xA4, number(1)), tlv(0xA5, moment))
    authenticator = encrypted(SESSION_KEY, 11, tlv(0x62, tlv(0x30, *told)))
    whole = tlv(0x61, tlv(0x30, tlv(0xA0, number(5)), tlv(0xA1, realm), tlv(0xA2, name(SERVICE)), tlv(0xA3, ticket)))
    options = tlv(0xA2, tlv(3, b"\0\x20\0\0\0"))
    fields = (tlv(0xA0, number(5)), tlv(0xA1, number(14)), options, tlv(0xA3, whole), tlv(0xA4, authenticator))
    return Shake("Kerberos", (framed(b"\x01\x00", tlv(0x6E, tlv(0x30, *fields))),), (framed(b"\x02\x00", ap_rep()),))


def encrypted(key: Secret, usage: int, plain: bytes) -> bytes:
    cipher = ScapyKey(18, key=bytes(key)).encrypt(usage, plain)
    return tlv(0x30, tlv(0xA0, number(18)), tlv(0xA2, tlv(4, cipher)))


@pytest.mark.parametrize(("secrets", "user"), [((KEYTAB,), "svc"), ((SESSION,), "svc"), ((), None), ((OTHER,), None)])
def test_a_key_names_the_user_of_a_ticket_with_clear_bodies(tmp_path: Path, secrets: tuple[KerberosKey, ...], user: str | None) -> None:
    lan = Wire()
    shake = real_ticket("svc")
    talk = direct(lan)
    trip(talk, post(WSMAN, shake.credentials(0), content=soap()), reply(200, *shake.last_token))
    trip(talk, post(WSMAN, shake.credentials(0), content=soap()), offer("Kerberos"))
    done = run([str(lan.capture(tmp_path / "wire.pcap"))], Limits(), Scope(), secrets=Secrets(kerberos=secrets))
    done.sources.close()
    logons = done.result.evidence.story.logons
    assert [(logon.user, logon.user_source) for logon in logons] == [(user, None if user is None else "ticket")] * 2
    assert {finding.user for finding in done.result.findings if finding.rule == "enc.server-allows-unencrypted"} == {user and f"LAB.TEST\\{user}"}
