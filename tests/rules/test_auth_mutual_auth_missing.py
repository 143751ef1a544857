from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, offer, post, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import Shake, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ap_rep, ap_req, framed

RULE = "auth.mutual-auth-missing"
TICKET = kerberos().credentials(0)
ONE_SIDED = Shake("Negotiate", (framed(b"\x01\x00", ap_req(options=bytes(4))),), (framed(b"\x02\x00", ap_rep()),))


def test_the_server_does_not_answer_the_ticket() -> None:
    lan = Wire()
    found = trip(direct(lan), post(WSMAN, TICKET), reply(200))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.8)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.asked)
    assert "1 Kerberos logon succeeded" in finding.why
    assert "On the server side" not in finding.why


def test_the_proxy_took_the_proof_away() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, TICKET), reply(200, *kerberos().last_token), back=reply(200))
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c1",)
    assert "On the server side the server's token is there" in finding.why


def test_the_proof_is_there_and_follow_ups_need_none() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(WSMAN, TICKET), reply(200, *kerberos().last_token))
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_the_client_did_not_ask_for_it() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, ONE_SIDED.credentials(0)), reply(200))
    assert judge(lan).found(RULE) == []


def test_a_refusal_needs_no_proof() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, TICKET), offer())
    assert judge(lan).found(RULE) == []


def test_a_response_that_was_cut() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, TICKET).without("User-Agent"), reply(200, ("X-Long", "x" * 900), *kerberos().last_token))
    assert judge(lan, snap=900).found(RULE) == []


def test_ntlm_has_no_such_proof() -> None:
    lan = Wire()
    talk, shake = direct(lan), ntlm()
    trip(talk, post(WSMAN, shake.credentials(0)), shake.challenge())
    trip(talk, post(WSMAN, shake.credentials(1)), reply(200))
    assert judge(lan).found(RULE) == []
