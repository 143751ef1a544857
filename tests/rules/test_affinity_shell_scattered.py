from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, SOAP, Content, offer, post, reply, soap
from tests.build.talk_proxy import CLIENT_LEG, PROXY_FAR, Hop, ask_sealed, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.shell-scattered"
SHELL = "6F9E2A10-0000-4000-8000-000000000001"
OTHER_SERVER = "10.20.2.21"
DONE = reply(200, content=soap("CommandResponse"))
UNKNOWN = reply(500, content=soap("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"))


def for_shell(number: int, shell: str = SHELL) -> Content:
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>'
        "<a:Action>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command</a:Action>"
        f"<a:MessageID>uuid:{number:08X}-0000-4000-8000-000000000000</a:MessageID>"
        f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></s:Header><s:Body/></s:Envelope>'
    )
    return Content(SOAP, body.encode())


def asks(near: Talk, far: Talk, number: int, shell: str = SHELL, *, fails: bool = False) -> Hop:
    return proxied(near, far, post(ABSOLUTE, basic(), content=for_shell(number, shell)), UNKNOWN if fails else DONE)


def other_far(lan: Wire) -> Talk:
    return lan.connect(PROXY_FAR, 40002, OTHER_SERVER, 5985)


def test_the_second_server_does_not_know_the_shell() -> None:
    lan = Wire()
    near = near_leg(lan)
    first = asks(near, far_leg(lan), 1)
    second = asks(near, other_far(lan), 2, SHELL.lower(), fails=True)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.8)
    assert packets(finding) == sorted([*first.far, *second.far])
    assert finding.connections == ("c3", "c2")
    assert finding.exchanges == ("c2.x1", "c3.x1")
    assert names(finding, second.far.asked)
    assert f"sent 2 requests for one shell to 10.20.2.20, {OTHER_SERVER}. {OTHER_SERVER} answered 500" in finding.why
    assert f"(ShellId {SHELL})" in finding.why


def test_a_cluster_that_shares_its_shells() -> None:
    lan = Wire()
    near = near_leg(lan)
    asks(near, far_leg(lan), 1)
    asks(near, other_far(lan), 2)
    assert judge(lan).found(RULE) == []


def test_a_question_for_credentials_is_no_failure() -> None:
    lan = Wire()
    near = near_leg(lan)
    asks(near, far_leg(lan), 1)
    proxied(near, other_far(lan), post(ABSOLUTE, content=for_shell(2)), offer())
    assert judge(lan).found(RULE) == []


def test_one_server_on_two_connections() -> None:
    lan = Wire()
    near = near_leg(lan)
    asks(near, far_leg(lan), 1)
    asks(near, far_leg(lan, 40002), 2, fails=True)
    assert judge(lan).found(RULE) == []


def test_shells_of_their_own() -> None:
    lan = Wire()
    near = near_leg(lan)
    asks(near, far_leg(lan), 1)
    asks(near, other_far(lan), 2, SHELL.replace("1", "2"), fails=True)
    assert judge(lan).found(RULE) == []


def test_sealed_messages_do_not_tell_their_shell() -> None:
    lan = Wire()
    near = near_leg(lan)
    proxied(near, far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0))
    proxied(near, other_far(lan), ask_sealed(1, ABSOLUTE), UNKNOWN)
    assert judge(lan).found(RULE) == []


def test_a_client_that_goes_to_both_itself() -> None:
    lan = Wire()
    trip(lan.connect("10.10.1.11", 50001, "10.20.2.20", 5985), post("/wsman", basic(), content=for_shell(1)), DONE)
    trip(lan.connect("10.10.1.11", 50002, OTHER_SERVER, 5985), post("/wsman", basic(), content=for_shell(2)), UNKNOWN)
    assert judge(lan).found(RULE) == []


def test_the_clients_leg_does_not_show_it() -> None:
    lan = Wire()
    near = near_leg(lan)
    asks(near, far_leg(lan), 1)
    asks(near, other_far(lan), 2, fails=True)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
