"""What a run keeps of the exchanges with a KDC, and the users that they name."""

from pathlib import Path

import pytest

from analyzer.engine.local import run
from analyzer.records.ids import key_number
from analyzer.records.kerberos import KdcKind
from analyzer.records.story import Certainty, Kind
from analyzer.settings import Limits, Scope
from tests.build.talk_http import WSMAN, offer, post, reply, soap
from tests.build.talk_kdc import KDC, as_rep, as_req, ask_kdc, ask_kdc_over_tcp, carried, kdc_error, tgs_rep, tgs_req
from tests.build.talk_proxy import ALICE, direct, trip
from tests.build.talk_tokens import kerberos
from tests.build.talks import Wire
from tests.rules.judging import judge, judge_files

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


@pytest.mark.parametrize("number", [1, 2])
def test_the_kdc_names_the_user_of_a_ticket(number: int) -> None:
    lan = Wire()
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE, carried(1)))
    trip(direct(lan), post(WSMAN, kerberos(number).credentials(0), content=soap()), reply(200, *kerberos(number).last_token))
    judged = judge(lan)
    (logon,) = judged.evidence.story.logons
    (fate,) = judged.evidence.story.fates.values()
    named = ("alice", "LAB.TEST", "tgs", Certainty.PROVED, "LAB.TEST\\alice") if number == 1 else (None, None, None, Certainty.PROVED, None)
    assert (logon.user, logon.domain, logon.user_source, logon.certainty, fate.asked_as) == named
    assert (judged.evidence.conversations[0].client.user is None) == (number == 2)


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
