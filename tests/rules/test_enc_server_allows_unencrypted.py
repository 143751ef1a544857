import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply, soap
from tests.build.talk_proxy import ALICE, BOB, CLIENT_LEG, ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.server-allows-unencrypted"
FINE = reply(200, content=soap("CreateResponse", 2))


def test_a_clear_request_after_the_handshake_is_served() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    one = trip(talk, post(content=soap()), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == [*one]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x4",)
    assert finding.user == "LAB\\alice"
    assert names(finding, one.asked)
    assert "logged on with NTLM as LAB\\alice. The requests: Create" in finding.why


def test_with_both_legs_the_one_nearest_to_the_server_is_named() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    hop = proxied(near, far, post(ABSOLUTE, content=soap()), FINE)
    finding = judge(lan).one(RULE)
    assert packets(finding) == [*hop.far]
    assert finding.connections == ("c2",)


def test_with_the_clients_leg_alone_its_own_exchange_is_named() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan, hosts=CLIENT_LEG).one(RULE).exchanges == ("c1.x4",)


@pytest.mark.parametrize(
    ("users", "told"),
    [
        (["alice"] * 5, " All 5 clients logged on as LAB\\alice."),
        (
            ["alice", "bob", "alice", "carol", "alice"],
            " 10.10.1.31 logged on as LAB\\alice. 10.10.1.32 logged on as LAB\\bob. 10.10.1.33 logged on as LAB\\alice. 2 more clients asked in clear, too.",
        ),
    ],
)
def test_one_finding_for_a_server_whoever_its_clients_are(users: list[str], told: str) -> None:
    lan = Wire()
    hosts = [f"10.10.1.{number}" for number in range(31, 36)]
    for number, host in enumerate(hosts):
        talk = direct(lan, host, 50001 + number)
        handshake(talk, ntlm(user=users[number], number=number))
        trip(talk, post(content=soap(number=number)), FINE)

    finding = judge(lan).one(RULE)

    assert finding.connections == ("c1", "c2", "c3", "c4", "c5")
    assert len(finding.exchanges) == len(hosts)
    assert "answered 5 clear-text requests with a 2xx status on 5 connections that were logged on with NTLM as " in finding.why
    assert finding.why.endswith(told)


def test_behind_a_proxy_there_may_be_several_servers() -> None:
    lan = Wire()
    for number, host in enumerate((ALICE, BOB)):
        near, far = near_leg(lan, host, 50001 + number), far_leg(lan, 40001 + number)
        proxied_handshake(near, far, ntlm(number=number))
        proxied(near, far, post(ABSOLUTE, content=soap(number=number)), FINE)
    assert [finding.connections for finding in judge(lan, hosts=CLIENT_LEG).found(RULE)] == [("c1",), ("c2",)]


def test_each_way_of_logging_on_is_named() -> None:
    lan = Wire()
    one, other = direct(lan), direct(lan, BOB, 50002)
    handshake(one, ntlm())
    trip(one, post(content=soap(number=1)), FINE)
    trip(other, post("/wsman", basic(), content=soap(number=2)), FINE)
    assert "on 2 connections that were logged on with NTLM, Basic as LAB\\alice, alice." in judge(lan).one(RULE).why


def test_basic_in_the_request_authenticates_it() -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", basic(), content=soap()), FINE)
    assert judge(lan).one(RULE).user == "alice"


def test_a_server_that_refuses_clear_requests() -> None:
    lan = Wire()
    for port, answer in ((50001, offer()), (50002, reply(500))):
        talk = direct(lan, port=port)
        handshake(talk, ntlm(number=port))
        trip(talk, post(content=soap(number=port)), answer)
    assert judge(lan).found(RULE) == []


def test_a_request_of_nobody_is_another_matter() -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_sealed_requests() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_without_the_response_nobody_knows() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.send(post(content=soap()))
    talk.answer(FINE, captured=False)
    assert judge(lan).found(RULE) == []
