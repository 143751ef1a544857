"""Tickets with signs of a forged one, their healthy twins, and what must not be said where the KDC's traffic is not there."""

from pathlib import Path

import pytest

from analyzer.engine.local import run
from analyzer.records.finding import Severity
from analyzer.records.ids import key_number
from analyzer.records.secrets import Secrets
from analyzer.settings import Limits, Scope
from tests.build.talk_http import WSMAN, post, reply, soap
from tests.build.talk_kdc import REALM, TICKET, as_rep, as_req, ask_kdc, carried, tgs_rep, tgs_req
from tests.build.talk_proxy import ALICE, BOB, direct, trip
from tests.build.talk_tokens import Shake
from tests.build.talks import Wire
from tests.rules.judging import judge
from tests.unit.auth.builders import ap_rep, ap_req, framed
from tests.unit.engine.test_kdc import KEYTAB, real_ticket

RULE = "attack.forged-ticket"
SERVICE = "HTTP/srv.lab.test"


def ticket(etype: int = 18, mark: int = 1, realm: bytes = b"LAB.TEST") -> Shake:
    data = ap_req(etype).replace(b"\x5a" * 4, mark.to_bytes(4, "big"), 1).replace(b"LAB.TEST", realm)
    return Shake("Negotiate", (framed(b"\x01\x00", data),), (framed(b"\x02\x00", ap_rep()),))


def logon(lan: Wire, shake: Shake, port: int = 50001, **more: str) -> int:
    return trip(direct(lan, port=port, **more), post(WSMAN, shake.credentials(0), content=soap()), reply(200, *shake.last_token)).asked


def kdc_logon(lan: Wire) -> tuple[int, int]:
    """The client logs on to its KDC."""
    return ask_kdc(lan, as_req("alice"), as_rep("alice", b"\x21" * 300))


def test_rc4_for_a_service_with_aes_tickets() -> None:
    lan = Wire()
    usual = logon(lan, ticket(18, 1), 50001, client=BOB)
    odd = logon(lan, ticket(23, 2), 50002)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.2)
    assert [key_number(key) for key in finding.packets] == [usual, odd]
    assert "encrypted with RC4, while other tickets for this service are encrypted with AES" in finding.why
    assert "harmless" in finding.why


def test_rc4_alone_is_no_sign() -> None:
    lan = Wire()
    logon(lan, ticket(23))
    assert judge(lan).found(RULE) == []


def test_an_rc4_ticket_that_the_kdc_issued_is_not_forged() -> None:
    lan = Wire()
    logon(lan, ticket(18, 1), 50001, client=BOB)
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE, carried(2)))
    logon(lan, ticket(23, 2), 50002)
    assert judge(lan).found(RULE) == []


def test_a_realm_in_small_letters() -> None:
    lan = Wire()
    logon(lan, ticket(18, 1, b"lab.test"), 50001)
    assert judge(lan).found(RULE) == [], "a realm of MIT may be written so"
    logon(lan, ticket(18, 2), 50002, client=BOB)
    finding = judge(lan).one(RULE)
    assert "small letters" in finding.why
    assert finding.connections == ("c1",)


def test_a_ticket_that_no_kdc_issued() -> None:
    lan = Wire()
    kdc_logon(lan)
    ask_kdc(lan, tgs_req("cifs/files.lab.test"), tgs_rep("alice", "cifs/files.lab.test", carried(9)), port=60002)
    logon(lan, ticket(18, 2))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.INFO
    assert "No KDC issued it in the capture" in finding.why


@pytest.mark.parametrize("missing", ["all", "logon", "tickets"])
def test_nothing_is_said_where_the_kdc_is_not_in_the_capture(missing: str) -> None:
    lan = Wire()
    if missing == "tickets":
        kdc_logon(lan)
    if missing == "logon":
        ask_kdc(lan, tgs_req("cifs/files.lab.test"), tgs_rep("alice", "cifs/files.lab.test", carried(9)))
    logon(lan, ticket(18, 2))
    assert judge(lan).found(RULE) == []


def test_nothing_is_said_of_a_ticket_that_the_kdc_issued_or_may_have() -> None:
    for issued in (carried(2), carried(3)):  # this very ticket, and another one for the same service
        lan = Wire()
        kdc_logon(lan)
        ask_kdc(lan, tgs_req("cifs/files.lab.test"), tgs_rep("alice", "cifs/files.lab.test", carried(9)), port=60002)
        ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE, issued), port=60003)
        logon(lan, ticket(18, 2))
        assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("etype", "said"), [(23, True), (18, False)])
def test_an_rc4_granting_ticket_where_the_kdc_gives_aes(etype: int, *, said: bool) -> None:
    lan = Wire()
    kdc_logon(lan)
    ask_kdc(lan, tgs_req(SERVICE, etype), tgs_rep("alice", SERVICE, carried(2)), port=60003)
    logon(lan, ticket(18, 2))
    found = judge(lan).found(RULE)
    assert ["ticket-granting ticket" in one.why for one in found] == [True] * said


OTHER = b"SUB.TEST"


@pytest.mark.parametrize("referral", [True, False])
def test_a_ticket_of_another_realm_across_a_trust_is_healthy(*, referral: bool) -> None:
    lan = Wire()
    kdc_logon(lan)
    ask_kdc(lan, as_req("bob").replace(REALM, OTHER), as_rep("bob", b"\x22" * 300).replace(REALM, OTHER), client=BOB)
    if referral:
        ask_kdc(lan, tgs_req("krbtgt/SUB.TEST"), tgs_rep("alice", "krbtgt/SUB.TEST", TICKET), port=60002)
    before, _, after = tgs_req(SERVICE, 23).rpartition(REALM)
    ask_kdc(lan, before + OTHER + after, tgs_rep("alice", SERVICE, carried(2)), port=60003)
    logon(lan, ticket(18, 2))
    assert judge(lan).found(RULE) == []


def test_an_rc4_granting_ticket_that_the_kdc_issued_is_healthy() -> None:
    lan = Wire()
    kdc_logon(lan)
    ask_kdc(lan, tgs_req("krbtgt/LAB.TEST"), tgs_rep("alice", "krbtgt/LAB.TEST", TICKET), port=60002)
    ask_kdc(lan, tgs_req(SERVICE, 23), tgs_rep("alice", SERVICE, carried(2)), port=60003)
    logon(lan, ticket(18, 2))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("client", "realm", "said"), [(BOB, b"LAB.TEST", False), (ALICE, b"LAB.TEST", True), (ALICE, b"lab.test", True)])
def test_the_client_itself_logged_on_in_the_realm(client: str, realm: bytes, *, said: bool) -> None:
    lan = Wire()
    ask_kdc(lan, as_req("alice"), as_rep("alice", b"\x21" * 300).replace(REALM, realm), client=client)
    ask_kdc(lan, tgs_req(SERVICE, 23), tgs_rep("alice", SERVICE, carried(2)), port=60003)
    logon(lan, ticket(18, 2))
    assert [finding.severity for finding in judge(lan).found(RULE)] == [Severity.INFO] * said


def test_several_signs_are_low() -> None:
    lan = Wire()
    logon(lan, ticket(18, 1), 50001, client=BOB)
    logon(lan, ticket(23, 2, b"lab.test"), 50002)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.4)


@pytest.mark.parametrize(("ends", "days"), [(b"20360102030405Z", "3,652"), (b"20260102130405Z", None), (b"20260131030405Z", None)])
def test_how_long_a_ticket_lasts_is_told_with_a_key(tmp_path: Path, ends: bytes, days: str | None) -> None:
    lan = Wire()
    shake = real_ticket("svc", ends)
    trip(direct(lan), post(WSMAN, shake.credentials(0), content=soap()), reply(200, *shake.last_token))
    path = str(lan.capture(tmp_path / "wire.pcap"))
    for secrets in (Secrets(), Secrets(kerberos=(KEYTAB,))):
        done = run([path], Limits(), Scope(), secrets=secrets)
        done.sources.close()
        found = [one for one in done.result.findings if one.rule == RULE]
        if secrets.empty or days is None:
            assert found == []
        else:
            assert found[0].severity is Severity.LOW
            assert f"It lasts longer than KDCs give tickets for: {days} days." in found[0].why


def test_the_ticket_of_the_builders_is_the_one_the_kdc_issues() -> None:
    assert ticket(18, 2).credentials(0) != ticket(18, 1).credentials(0)
    assert len(carried(2)) == len(TICKET)
