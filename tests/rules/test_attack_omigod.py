import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, IDENTIFY, SOAP, WSMAN, Content, Reply, html, offer, post, reply, sealed, soap
from tests.build.talk_proxy import CLIENT_LEG, SERVER, UPSTREAM_LEG, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.rules.test_attack_config_weakening import envelope

RULE = "attack.omigod"
SERVED = reply(200, content=soap("CreateResponse"))


def test_a_request_without_credentials_is_served() -> None:
    lan = Wire()
    talk = direct(lan)
    found = trip(talk, post(content=soap()), SERVED)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.9)
    assert packets(finding) == [*found]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1",)
    assert finding.attack == ("T1190", "T1021.006")
    assert finding.destination == f"{SERVER}:5985"
    assert names(finding, found.asked)
    assert "served 1 request of 10.10.1.11 (Create)" in finding.why


def test_through_a_proxy_when_the_upstream_leg_is_as_bare() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), SERVED)
    assert judge(lan).one(RULE).connections == ("c1", "c2")


def test_behind_a_proxy_one_leg_is_not_enough() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), SERVED)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_guest_on_another_clients_connection_is_another_rules() -> None:
    lan = Wire()
    near, far, guest = near_leg(lan), far_leg(lan), near_leg(lan, "10.10.1.12", 50002)
    proxied_handshake(near, far, ntlm())
    proxied(guest, far, post(ABSOLUTE, content=soap()), SERVED)
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "affinity.shared-authenticated-upstream" in judged.rules


def test_after_a_handshake_the_connection_is_authenticated() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


def test_the_request_brings_credentials() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic(), content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


def test_after_credentials_of_an_earlier_request_nothing_is_said() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(WSMAN, basic(), content=soap()), SERVED)
    trip(talk, post(content=soap(number=2)), SERVED)
    assert judge(lan).found(RULE) == []


def test_identify_is_anonymous_by_design() -> None:
    lan = Wire()
    trip(direct(lan), post(content=IDENTIFY), reply(200, content=IDENTIFY))
    trip(direct(lan, port=50002), post(WSMAN, ("WSMANIDENTIFY", "unauthenticated"), content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("answer", [offer(), reply(403), reply(500, content=soap("Fault"))], ids=lambda answer: str(answer.status))
def test_a_server_that_refuses(answer: object) -> None:
    lan = Wire()
    direct(lan).exchange(post(content=soap()), answer)  # type: ignore[arg-type]  # parametrize gives objects
    assert judge(lan).found(RULE) == []


def test_a_sealed_request_belongs_to_somebody() -> None:
    lan = Wire()
    trip(direct(lan), post(content=sealed()), reply(200, content=sealed(by="server")))
    assert judge(lan).found(RULE) == []


def test_an_empty_request_tells_nothing() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(200))
    assert judge(lan).found(RULE) == []


def test_the_handshake_may_lie_before_the_capture() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, SERVER, 5985, syn=False)
    trip(talk, post(content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


def test_the_handshake_may_lie_in_a_hole() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(post(WSMAN, ntlm().credentials(1)), captured=False)
    talk.answer(reply(200), captured=False)
    trip(talk, post(content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("action", ["Get", "Enumerate", "http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe", "urn:anything"])
def test_questions_and_discovery_run_nothing(action: str) -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap(action)), reply(200, content=soap(f"{action}Response")))
    assert judge(lan).found(RULE) == []


def test_a_method_of_a_class_runs_something() -> None:
    scx = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SCX_OperatingSystem"
    lan = Wire()
    asked = envelope(f"{scx}/ExecuteShellCommand", f"{scx}?__cimnamespace=root/scx", "<p:command>id</p:command>")
    trip(direct(lan), post(content=asked), reply(200, content=envelope(f"{scx}/ExecuteShellCommand", scx, "<p:ReturnCode>0</p:ReturnCode>")))
    assert "(ExecuteShellCommand)" in judge(lan).one(RULE).why


@pytest.mark.parametrize("answer", [reply(200), reply(200, content=soap("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault")), reply(200, content=html())])
def test_an_answer_that_serves_nothing(answer: Reply) -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), answer)
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("path", "count"), [("/wsman", 1), ("/stock/service", 0)])
def test_soap_of_another_service_runs_nothing_here(path: str, count: int) -> None:
    lan = Wire()
    other = Content(SOAP, soap("http://example.com/stock/Create").body)
    asked = soap() if count else other
    trip(direct(lan), post(path, content=asked), reply(200, content=soap("CreateResponse")))
    trip(direct(lan, port=50002), post(path, content=Content(SOAP, soap().body.replace(b"ws/2004/09/transfer/Create", b"stock/Create"))), SERVED)
    found = judge(lan).found(RULE)
    assert len(found) == count
