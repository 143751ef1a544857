import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import Trip, direct, far_leg, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import Shake, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ap_rep, ap_req, framed

RULE = "auth.kerberos-weak-etype"


def ticket(etype: int) -> Shake:
    return Shake("Negotiate", (framed(b"\x01\x00", ap_req(etype)),), (framed(b"\x02\x00", ap_rep()),))


def logon(lan: Wire, shake: Shake, port: int = 50001) -> Trip:
    return trip(direct(lan, port=port), post("/wsman", shake.credentials(0)), reply(200, *shake.last_token))


def test_an_rc4_ticket() -> None:
    lan = Wire()
    found = logon(lan, ticket(23))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 1.0)
    assert packets(finding) == [found.asked]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert finding.attack == ("T1558.003",)
    assert names(finding, found.asked)
    assert "for HTTP/srv.lab.test" in finding.why
    assert "uses RC4-HMAC (ticket 23, authenticator 18)" in finding.why


@pytest.mark.parametrize(("etype", "name"), [(1, "DES-CBC-CRC"), (3, "DES-CBC-MD5"), (24, "RC4-HMAC-EXP")])
def test_other_weak_ones(etype: int, name: str) -> None:
    lan = Wire()
    logon(lan, ticket(etype))
    assert name in judge(lan).one(RULE).why


@pytest.mark.parametrize("etype", [17, 18, 19, 20])
def test_aes(etype: int) -> None:
    lan = Wire()
    logon(lan, ticket(etype))
    assert judge(lan).found(RULE) == []


def test_tickets_of_a_client_are_one_finding() -> None:
    lan = Wire()
    for port in (50001, 50002):
        logon(lan, ticket(23), port)
    assert judge(lan).one(RULE).connections == ("c1", "c2")


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ticket(23))
    assert judge(lan).one(RULE).connections == ("c1",)


def test_ntlm_and_the_healthy_ticket() -> None:
    lan = Wire()
    logon(lan, kerberos())
    trip(direct(lan, port=50002), post("/wsman", ntlm().credentials(0)), ntlm().challenge())
    assert judge(lan).found(RULE) == []
