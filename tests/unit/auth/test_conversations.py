"""Exchanges of one connection become conversations: each rule as a hit and a near miss."""

import msgspec
import pytest
from spnego._spnego import NegTokenInit, NegTokenResp

from analyzer.auth import conversations
from analyzer.records.auth import Audience, Conversation, Identity, Mechanism, Outcome
from analyzer.records.http import Exchange
from analyzer.records.issues import KINDS, Issue
from tests.unit.auth.builders import (
    KRB5_OID,
    LIMITS,
    NTLM_OID,
    Fields,
    ap_rep,
    ap_req,
    ask,
    b64,
    connection,
    framed,
    krb_error,
    live_tokens,
    ntlm1,
    ntlm2,
    ntlm3,
    only,
    reply,
    talk,
    tlv,
)

WWW, AUTH, PROXY, PROXY_AUTH = "WWW-Authenticate", "Authorization", "Proxy-Authenticate", "Proxy-Authorization"
OFFER = reply(401, (WWW, "Negotiate"), (WWW, 'Basic realm="WSMAN"'))
T1, T2 = ask((AUTH, "Negotiate " + b64(ntlm1()))), reply(401, (WWW, "Negotiate " + b64(ntlm2())))
ALICE = ntlm3("alice".encode("utf-16-le"), "LAB".encode("utf-16-le"), workstation="PC".encode("utf-16-le"))
T3 = ask((AUTH, "Negotiate " + b64(ALICE)))
BOB3 = ask((AUTH, "Negotiate " + b64(ntlm3("bob".encode("utf-16-le")))))
OK, PLAIN = reply(200), ask()
AP_REQ, AP_REP = ask((AUTH, "Kerberos " + b64(framed(b"\x01\0", ap_req())))), reply(200, (WWW, "Kerberos " + b64(framed(b"\x02\0", ap_rep()))))
BASIC = ask((AUTH, "Basic " + b64(b"alice:one")))


def _run(exchanges: tuple[Exchange, ...], protocol: str = "http") -> tuple[tuple[Conversation, ...], tuple[Issue, ...]]:
    found = conversations(connection(protocol), exchanges, LIMITS)
    assert all(issue.code in KINDS for issue in found[1])
    return found


def _outcomes(exchanges: tuple[Exchange, ...]) -> list[tuple[Outcome, tuple[str, ...]]]:
    return [(one.outcome, tuple(name.removeprefix("c1.x") for name in one.exchanges)) for one in _run(exchanges)[0]]


def test_ntlm_after_an_offer() -> None:
    one = only(_run(talk((PLAIN, OFFER), (T1, T2), (T3, OK), (PLAIN, OK), (PLAIN, OK))))
    assert (one.id, one.outcome, one.ends, one.final_status) == ("c1.a1", Outcome.ACCEPTED, "c1.x3", 200)
    assert (one.exchanges, one.round_trips) == (("c1.x2", "c1.x3"), 2)
    assert [(step.message, step.token.step if step.token else None) for step in one.steps] == [
        ("c1.x1.s", None),
        ("c1.x2.q", "negotiate"),
        ("c1.x2.s", "challenge"),
        ("c1.x3.q", "authenticate"),
    ]
    assert one.steps[0].offers == one.offers == ("Negotiate", "Basic")
    assert one.client == Identity("alice", "LAB", "PC")
    assert (one.scheme, one.mechanism, one.ntlm_version) == ("Negotiate", Mechanism.NTLM, "ntlmv1-ess")
    assert (one.server_name, one.server_os_build, one.server_challenge) == ("SRV", "10.0.17763", b"\x01\x23\x45\x67\x89\xab\xcd\xef")
    assert (one.signing, one.sealing, one.over_tls) == (True, False, False)
    assert (one.first_ns, one.last_ns) == (2_000_000, 3_000_500)
    assert one.steps[1].packets == (20,)


def test_spnego_with_a_final_token() -> None:
    init, challenge, answer, final = (b64(raw) for raw in live_tokens("negotiate"))
    exchanges = talk(
        (ask((AUTH, "Negotiate " + init)), reply(401, (WWW, "Negotiate " + challenge))),
        (ask((AUTH, "Negotiate " + answer)), reply(200, (WWW, f"Negotiate {final}"))),
    )
    one = only(_run(exchanges))
    assert [step.token.step for step in one.steps if step.token] == ["negotiate", "challenge", "authenticate", "final"]
    assert {step.token.mechanism for step in one.steps if step.token} == {Mechanism.NTLM}
    assert (one.outcome, one.mic, one.sealing, one.target_name, one.client.user) == (Outcome.ACCEPTED, True, True, "HTTP/srv", "alice")


def test_unprompted_kerberos() -> None:
    one = only(_run(talk((AP_REQ, AP_REP), (PLAIN, OK))))
    assert (one.outcome, one.round_trips, one.scheme, one.mechanism) == (Outcome.ACCEPTED, 1, "Kerberos", Mechanism.KERBEROS)
    assert (one.client, one.realm, one.spn, one.etype) == (Identity(), "LAB.TEST", "HTTP/srv.lab.test", 18)
    assert [step.token.step for step in one.steps if step.token] == ["authenticate", "final"]
    assert one.offers == ()


def test_credssp_takes_several_rounds() -> None:
    tokens = [b64(raw) for raw in live_tokens("credssp")]
    pairs = [(ask((AUTH, "CredSSP " + sent)), reply(401, (WWW, "CredSSP " + back))) for sent, back in zip(tokens[::2], tokens[1::2], strict=False)]
    one = only(_run(talk((PLAIN, reply(401, (WWW, "CredSSP"))), *pairs, (ask((AUTH, "CredSSP " + tokens[-1])), OK))))
    assert (one.outcome, one.mechanism, one.round_trips) == (Outcome.ACCEPTED, Mechanism.CREDSSP, len(pairs) + 1)
    assert one.client == Identity()


def test_optimistic_kerberos_answered_with_ntlm() -> None:
    init = b64(NegTokenInit([KRB5_OID, NTLM_OID], mech_token=framed(b"\x01\0", ap_req())).pack())
    chosen = b64(NegTokenResp(supported_mech=NTLM_OID).pack())
    rest = [b64(NegTokenResp(response_token=raw).pack()) for raw in (ntlm1(), ntlm2(), ALICE)]
    exchanges = talk(
        (ask((AUTH, "Negotiate " + init)), reply(401, (WWW, "Negotiate " + chosen))),
        (ask((AUTH, "Negotiate " + rest[0])), reply(401, (WWW, "Negotiate " + rest[1]))),
        (ask((AUTH, "Negotiate " + rest[2])), OK),
    )
    one = only(_run(exchanges))
    assert (one.mechanism, one.round_trips, one.outcome, one.client.user) == (Mechanism.NTLM, 3, Outcome.ACCEPTED, "alice")


def test_upn_logon_keeps_its_empty_domain() -> None:
    sent = ask((AUTH, "NTLM " + b64(ntlm3("alice@lab.test".encode("utf-16-le")))))
    assert only(_run(talk((sent, OK)))).client == Identity("alice@lab.test", "", "")


@pytest.mark.parametrize("status", [200, 204, 400, 500])
def test_an_answer_of_the_service_accepts(status: int) -> None:
    assert _outcomes(talk((T1, T2), (T3, reply(status)))) == [(Outcome.ACCEPTED, ("1", "2"))]


@pytest.mark.parametrize("status", [301, 302, 304, 403, 404, 405, 408, 411, 413, 414, 417, 431, 501, 505])
def test_a_page_of_the_http_layer_examines_nothing(status: int) -> None:
    assert _outcomes(talk((T1, T2), (T3, reply(status)))) == [(Outcome.NOT_EXAMINED, ("1", "2"))]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_status_leaves_it_unfinished(status: int) -> None:
    one = only(_run(talk((T1, T2), (T3, reply(status)))))
    assert (one.outcome, one.ends, one.final_status) == (Outcome.UNFINISHED, None, status)
    assert _outcomes(talk((T1, T2), (T3, reply(status)), (T1, T2)))[0] == (Outcome.UNFINISHED, ("1", "2"))


@pytest.mark.parametrize("sent", [T1, T3, AP_REQ])
def test_a_bare_401_refuses(sent: tuple[tuple[str, str], ...]) -> None:
    one = only(_run(talk((PLAIN, OFFER), (sent, OFFER), (PLAIN, OFFER))))
    assert (one.outcome, one.ends, one.final_status) == (Outcome.REFUSED, "c1.x2", 401)
    assert one.steps[-1].offers == ("Negotiate", "Basic")


def test_a_401_with_a_token_of_another_scheme_refuses() -> None:
    refused = reply(401, (WWW, "Kerberos " + b64(framed(b"\x02\0", ap_rep()))), (WWW, "Negotiate"))
    assert _outcomes(talk((T3, refused))) == [(Outcome.REFUSED, ("1",))]


@pytest.mark.parametrize("token", [tlv(0xA1, tlv(0x30, tlv(0xA0, tlv(10, b"\x02")))), framed(b"\x03\0", krb_error())])
def test_a_token_that_says_no_refuses(token: bytes) -> None:
    refused = reply(401, (WWW, "Negotiate " + b64(token)))
    assert _outcomes(talk((ask((AUTH, "Negotiate " + b64(framed(b"\x01\0", ap_req())))), refused))) == [(Outcome.REFUSED, ("1",))]


def test_a_missing_response_leaves_it_unfinished() -> None:
    assert _outcomes(talk((T1, T2), (T3, None))) == [(Outcome.UNFINISHED, ("1", "2"))]
    assert _outcomes(talk((T1, None))) == [(Outcome.UNFINISHED, ("1",))]
    assert _outcomes(talk((T1, T2), (T3, None), (PLAIN, OK))) == [(Outcome.UNFINISHED, ("1", "2"))]


def test_a_second_negotiate_abandons_the_first() -> None:
    assert _outcomes(talk((T1, T2), (T1, T2), (T3, OK))) == [(Outcome.ABANDONED, ("1",)), (Outcome.ACCEPTED, ("2", "3"))]


def test_going_on_without_credentials_abandons() -> None:
    assert _outcomes(talk((T1, T2), (PLAIN, OFFER))) == [(Outcome.ABANDONED, ("1",))]


def test_an_error_before_anybody_looked_is_no_acceptance() -> None:
    assert _outcomes(talk((T1, reply(400)))) == [(Outcome.UNFINISHED, ("1",))]
    assert _outcomes(talk((T1, OK))) == [(Outcome.ACCEPTED, ("1",))]


def test_lost_affinity_makes_a_conversation_of_a_lone_authenticate() -> None:
    one = only(_run(talk((T3, OFFER))))
    assert (one.outcome, one.client.user, one.server_challenge) == (Outcome.REFUSED, "alice", None)


def test_a_new_handshake_on_the_same_connection_after_idling() -> None:
    assert _outcomes(talk((T1, T2), (T3, OK), (PLAIN, OFFER), (T1, T2), (BOB3, OK))) == [
        (Outcome.ACCEPTED, ("1", "2")),
        (Outcome.ACCEPTED, ("4", "5")),
    ]


def test_the_offers_of_a_refusal_count_for_the_next_but_are_no_step_of_it() -> None:
    first, second = _run(talk((T1, T2), (T3, OFFER), (BASIC, OK)))[0]
    assert (first.outcome, second.outcome, second.offers, second.realm) == (Outcome.REFUSED, Outcome.ACCEPTED, ("Negotiate", "Basic"), "WSMAN")
    assert [step.message for step in second.steps] == ["c1.x3.q"]


def test_an_offer_before_other_traffic_is_not_directly_before() -> None:
    assert only(_run(talk((PLAIN, OFFER), (PLAIN, OK), (T1, T2)))).offers == ("Negotiate",)


def test_only_offers_make_no_conversation() -> None:
    assert _run(talk((PLAIN, OFFER), (PLAIN, OFFER), (PLAIN, OK))) == ((), ())


def test_basic_grows_while_it_is_the_same_and_accepted() -> None:
    one = only(_run(talk((PLAIN, OFFER), *[(BASIC, OK)] * 5)))
    assert (one.round_trips, one.outcome, one.ends, one.client) == (5, Outcome.ACCEPTED, "c1.x6", Identity("alice"))
    assert one.realm == "WSMAN"


def test_other_basic_credentials_or_a_401_begin_another() -> None:
    other = ask((AUTH, "Basic " + b64(b"alice:two")))
    assert _outcomes(talk((BASIC, OK), (other, OK), (other, OK))) == [(Outcome.ACCEPTED, ("1",)), (Outcome.ACCEPTED, ("2", "3"))]
    assert _outcomes(talk((BASIC, OK), (BASIC, OFFER), (BASIC, OK))) == [
        (Outcome.ACCEPTED, ("1",)),
        (Outcome.REFUSED, ("2",)),
        (Outcome.ACCEPTED, ("3",)),
    ]


def test_basic_without_an_answer_waits_for_the_next() -> None:
    assert _outcomes(talk((BASIC, None), (BASIC, reply(503)), (PLAIN, OK), (BASIC, OK))) == [(Outcome.ACCEPTED, ("1", "2", "4"))]
    assert _outcomes(talk((BASIC, None))) == [(Outcome.UNFINISHED, ("1",))]


def test_digest_stays_one_while_the_user_does() -> None:
    def digest(user: str, count: int) -> Fields:
        return ask((AUTH, f'Digest username="{user}", realm="r", nonce="n", nc={count:08x}, response="{count:032x}"'))

    found = _run(talk((digest("alice", 1), OK), (digest("alice", 2), OK), (digest("bob", 1), OK)))[0]
    assert [(one.client.user, one.round_trips, one.realm) for one in found] == [("alice", 2, "r"), ("bob", 1, "r")]


def test_a_stale_nonce_is_no_refusal() -> None:
    sent = ask((AUTH, 'Digest username="alice", realm="r", nonce="old"'))
    stale = reply(401, (WWW, 'Digest realm="r", nonce="new", stale=TRUE'))
    assert _outcomes(talk((sent, stale), (sent, OK))) == [(Outcome.ACCEPTED, ("1", "2"))]
    assert _outcomes(talk((sent, reply(401, (WWW, 'Digest realm="r", nonce="new"'))), (sent, OK))) == [
        (Outcome.REFUSED, ("1",)),
        (Outcome.ACCEPTED, ("2",)),
    ]


def test_certificate_and_bearer() -> None:
    word = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
    (one,), issues = _run(talk((ask((AUTH, word)), OK), (ask((AUTH, word)), OK)), "tls")
    assert (one.mechanism, one.round_trips, one.over_tls, issues) == (Mechanism.CERTIFICATE, 2, True, ())
    (bearer,), (issue,) = _run(talk(*[(ask((AUTH, "Bearer abc")), OK)] * 3))
    assert (bearer.mechanism, bearer.scheme, bearer.round_trips) == (Mechanism.UNKNOWN, "Bearer", 3)
    assert (issue.code, issue.repeats, issue.record, issue.packet) == ("auth.unknown-scheme", 3, "c1.x1.q", 10)


def test_proxy_and_server_are_two_conversations() -> None:
    proxy1, proxy2 = (PROXY_AUTH, "NTLM " + b64(ntlm1())), reply(407, (PROXY, "NTLM " + b64(ntlm2())))
    proxy3 = (PROXY_AUTH, "NTLM " + b64(ntlm3("proxyuser".encode("utf-16-le"))))
    found = _run(
        talk(
            (ask(), reply(407, (PROXY, "NTLM"))),
            (ask(proxy1), proxy2),
            (ask(proxy3), OFFER),
            (T1, T2),
            (T3, OK),
        )
    )
    proxy, server = only(found, Audience.PROXY), only(found)
    assert (proxy.id, proxy.outcome, proxy.ends, proxy.final_status, proxy.client.user) == ("c1.a1", Outcome.ACCEPTED, "c1.x3", 401, "proxyuser")
    assert (server.id, server.outcome, server.exchanges, server.client.user) == ("c1.a2", Outcome.ACCEPTED, ("c1.x4", "c1.x5"), "alice")
    assert (proxy.offers, server.offers) == (("NTLM",), ("Negotiate", "Basic"))


def test_a_407_says_nothing_about_the_server() -> None:
    both = (*T1, (PROXY_AUTH, "Basic " + b64(b"p:q")))
    found = _run(talk((T1, reply(407, (PROXY, 'Basic realm="p"'))), (both, T2), (T3, OK)))
    server = only(found)
    assert (server.outcome, server.exchanges, server.round_trips) == (Outcome.ACCEPTED, ("c1.x1", "c1.x2", "c1.x3"), 3)
    assert only(found, Audience.PROXY).outcome is Outcome.ACCEPTED
    assert _outcomes(talk((T1, reply(407, (PROXY, "Basic"))))) == [(Outcome.UNFINISHED, ("1",))]


def test_a_proxy_that_refuses() -> None:
    sent = ask((PROXY_AUTH, "Basic " + b64(b"p:q")))
    one = only(_run(talk((sent, reply(407, (PROXY, "Basic"))))), Audience.PROXY)
    assert (one.outcome, one.final_status) == (Outcome.REFUSED, 407)


def test_a_challenge_to_an_unseen_request_is_a_step() -> None:
    one = only(_run(talk((None, T2), (T3, OK))))
    assert (one.outcome, one.round_trips, one.exchanges) == (Outcome.ACCEPTED, 1, ("c1.x1", "c1.x2"))
    assert (one.server_challenge, one.client.user) == (b"\x01\x23\x45\x67\x89\xab\xcd\xef", "alice")


def test_a_second_challenge_to_an_unseen_request_is_another_handshake() -> None:
    assert _outcomes(talk((T1, T2), (None, T2), (T3, OK))) == [(Outcome.ABANDONED, ("1",)), (Outcome.ACCEPTED, ("2", "3"))]


def test_an_unseen_request_after_a_challenge_proves_nothing_without_a_token() -> None:
    assert _outcomes(talk((T1, T2), (None, OK), (T3, OK))) == [(Outcome.UNFINISHED, ("1",)), (Outcome.ACCEPTED, ("3",))]
    final = reply(200, (WWW, "Negotiate " + b64(live_tokens("negotiate")[3])))
    assert _outcomes(talk((T1, T2), (None, final))) == [(Outcome.ACCEPTED, ("1", "2"))]


def test_an_exchange_of_which_nothing_was_captured_changes_nothing() -> None:
    assert _outcomes(talk((T1, T2), (None, None), (T3, OK))) == [(Outcome.ACCEPTED, ("1", "3"))]


def test_malformed_tokens_and_headers_leave_issues_at_their_message() -> None:
    (one,), issues = _run(talk((ask((AUTH, "Negotiate " + b64(ALICE[:50]))), reply(401, (WWW, 'Negotiate, Basic realm="x" junk')))))
    assert (one.mechanism, one.outcome) == (Mechanism.NTLM, Outcome.REFUSED)
    assert [(issue.code, issue.record, issue.packet) for issue in issues] == [
        ("auth.malformed-token", "c1.x1.q", 10),
        ("auth.malformed-header", "c1.x1.s", 11),
    ]


def test_two_authorization_headers() -> None:
    (one,), (issue,) = _run(talk(((*BASIC, *T1), OK)))
    assert (one.scheme, issue.code) == ("Basic", "auth.malformed-header")


def test_an_authorization_header_without_a_scheme() -> None:
    found, (issue,) = _run(talk((ask((AUTH, '""')), OK)))
    assert (found, issue.code) == ((), "auth.malformed-header")


def test_records_hold_no_password() -> None:
    found = _run(talk((ask((AUTH, "Basic " + b64(b"alice:hunter22"))), OK)))
    assert "hunter22" not in repr([msgspec.to_builtins(one) for one in found[0]]) + repr(found[1])
    assert b64(b"alice:hunter22") not in repr(found)
