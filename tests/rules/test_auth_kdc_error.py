import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, offer, post, reply
from tests.build.talk_kdc import KDC, as_rep, as_req, ask_kdc, ask_kdc_over_tcp, kdc_error, tgs_rep, tgs_req
from tests.build.talk_proxy import BOB, direct, far_leg, handshake, near_leg, proxied, trip
from tests.build.talk_tokens import kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.kdc-error"
SERVICE = "HTTP/srv01.lab.example"
GRANTING = "krbtgt/LAB.TEST"


def unknown(lan: Wire, service: str = SERVICE, code: int = 7, moment: int = 1) -> int:
    return ask_kdc(lan, tgs_req(service), kdc_error(code, service, moment=moment))[1]


def test_the_spn_is_unknown_and_the_client_gives_up() -> None:
    lan = Wire()
    talk = direct(lan)
    demand = trip(talk, post(), offer())
    errors = [unknown(lan), unknown(lan, moment=2)]
    closed = talk.close_by_client()

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.95, "server")
    assert finding.title == f"KDC does not know the SPN {SERVICE}"
    assert packets(finding) == [*demand, *errors]
    assert names(finding, demand.answered, *errors, closed)
    assert f"asked the KDC {KDC} for a ticket for {SERVICE}. The KDC answered twice with Kerberos error 7 (KDC_ERR_S_PRINCIPAL_UNKNOWN)" in finding.why
    assert "closed the connection without a logon" in finding.why
    assert f"setspn -Q {SERVICE}" in finding.advice
    assert "TrustedHosts" in finding.advice


@pytest.mark.parametrize("service", ["HTTP/SRV01", "http/srv01.LAB.example", "WSMAN/srv01.lab.example", "host/srv01", "HTTP/srv01.lab.example:5985"])
def test_forms_of_the_name(service: str) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer("Kerberos"))
    unknown(lan, service)
    assert judge(lan).one(RULE).confidence == 0.95


def test_over_tcp() -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    ask_kdc_over_tcp(lan, tgs_req(SERVICE), kdc_error(14, SERVICE))
    assert judge(lan).one(RULE).title == f"KDC has no shared encryption type for {SERVICE}"


def test_ntlm_serves_instead() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    unknown(lan)
    handshake(talk, ntlm())
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "then logged on with NTLM as LAB\\alice and was accepted" in finding.why


def test_ntlm_is_refused() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    unknown(lan)
    handshake(talk, ntlm(), last=offer())
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert "then logged on with NTLM as LAB\\alice and was refused" in finding.why


def test_another_name_gives_the_ticket() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    unknown(lan, "HTTP/srv01")
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE))
    trip(talk, post(WSMAN, kerberos().credentials(0)), reply(200, *kerberos().last_token))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.INFO
    assert "logged on with Kerberos" in finding.why


def test_before_the_request() -> None:
    lan = Wire()
    unknown(lan)
    lan.wait(1)
    handshake(direct(lan), ntlm())
    finding = judge(lan).one(RULE)
    assert "10.10.1.11, a WinRM client of 10.20.2.20:5985, asked the KDC" in finding.why


@pytest.mark.parametrize("code", [25, 52])
def test_normal_answers(code: int) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    unknown(lan, code=code)
    assert judge(lan).found(RULE) == []


def test_an_error_that_was_repaired() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    ask_kdc(lan, as_req("alice"), kdc_error(37, GRANTING, "alice"))
    ask_kdc(lan, as_req("alice"), as_rep("alice"))
    unknown(lan, code=32)
    ask_kdc(lan, tgs_req(SERVICE), tgs_rep("alice", SERVICE))
    trip(talk, post(WSMAN, kerberos().credentials(0)), reply(200, *kerberos().last_token))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(
    ("code", "title"),
    [
        (6, "KDC does not know the account alice@LAB.TEST"),
        (18, "Account alice@LAB.TEST is disabled, expired or locked"),
        (23, "The password of alice@LAB.TEST has expired"),
        (24, "KDC refuses the password of alice@LAB.TEST"),
        (37, "Clock of 10.10.1.11 differs too much from the KDC's"),
        (68, "10.10.1.11 asks a KDC of the wrong realm"),
        (12, "KDC gives no ticket for krbtgt/LAB.TEST: KDC_ERR_POLICY"),
        (99, "KDC gives no ticket for krbtgt/LAB.TEST: error 99"),
    ],
)
def test_errors_about_the_account(code: int, title: str) -> None:
    lan = Wire()
    trip(direct(lan), post(), offer())
    ask_kdc(lan, as_req("alice"), kdc_error(25, GRANTING, "alice"))
    ask_kdc(lan, as_req("alice"), kdc_error(code, GRANTING, "alice"))
    finding = judge(lan).one(RULE)
    assert (finding.title, finding.confidence, finding.owner, finding.user) == (title, 0.6, "client", "alice@LAB.TEST")
    assert "The time alone ties this to the WinRM request." in finding.why
    assert finding.advice


def test_another_name_between_the_401_and_the_next_request() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    unknown(lan, "HTTP/ip-10-20-2-20.lab.example")
    handshake(talk, ntlm())
    finding = judge(lan).one(RULE)
    assert (finding.confidence, finding.owner) == (0.6, "client")
    assert "The request's Host field names srv01.lab.example." in finding.why


def test_what_has_nothing_to_do_with_winrm() -> None:
    lan = Wire()
    talk = direct(lan)
    unknown(lan, "HTTP/intranet.lab.example")
    trip(talk, post(), offer())
    unknown(lan, "cifs/srv01.lab.example")
    unknown(lan, "LDAP/dc01.lab.example")
    ask_kdc(lan, tgs_req(SERVICE), kdc_error(7, SERVICE), client=BOB)
    handshake(talk, ntlm())
    unknown(lan, "HTTP/intranet.lab.example")
    ask_kdc(lan, as_req("alice"), kdc_error(24, GRANTING, "alice"))
    lan.wait(30)
    unknown(lan)
    assert judge(lan).found(RULE) == []


def test_a_server_that_offers_only_basic() -> None:
    lan = Wire()
    trip(direct(lan), post(), offer('Basic realm="WSMAN"'))
    ask_kdc(lan, as_req("alice"), kdc_error(24, GRANTING, "alice"))
    assert judge(lan).found(RULE) == []


def test_both_sides_of_a_proxy_are_one_finding() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post("http://srv01.lab.example:5985/wsman"), offer())
    unknown(lan)
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c1",)
    assert "No logon of this client at this server follows in the capture." in finding.why
