import re

import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, IDENTIFY, post, reply, soap
from tests.build.talk_proxy import (
    BOB,
    CLIENT_LEG,
    SERVER,
    UPSTREAM_LEG,
    WINRM_PORT,
    ask_sealed,
    direct,
    far_leg,
    near_leg,
    proxied,
    proxied_handshake,
    sealed_reply,
    trip,
)
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.plaintext-soap-through-proxy"
FINE = reply(200, content=soap("CreateResponse", 2))


def test_clear_soap_on_both_legs_of_a_proxy() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    hop = proxied(near, far, post(ABSOLUTE, content=soap()), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 1.0)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x4", "c2.x4")
    assert finding.user == "LAB\\alice"
    assert names(finding, hop.near.asked)
    assert "between client and proxy and between proxy and server. Asked for: Create" in finding.why


@pytest.mark.parametrize(("leg", "words"), [(CLIENT_LEG, "between client and proxy"), (UPSTREAM_LEG, "between proxy and server")])
def test_one_leg_is_enough(leg: tuple[str, ...], words: str) -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), FINE)
    finding = judge(lan, hosts=leg).one(RULE)
    assert finding.connections == ("c1",)
    assert words in finding.why


def test_two_clients_of_the_proxy_are_two_findings() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), FINE)
    proxied(near_leg(lan, BOB, 50002), far_leg(lan, 40002), post(ABSOLUTE, content=soap(number=7)), FINE)
    assert [finding.connections for finding in judge(lan).found(RULE)] == [("c1", "c2"), ("c3", "c4")]


def test_a_readable_answer_to_a_sealed_request() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), FINE)
    assert "(in responses only)" in judge(lan).one(RULE).why


def test_sealed_bodies_are_not_readable() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_identify_is_anonymous_by_design() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=IDENTIFY), reply(200))
    assert judge(lan).found(RULE) == []


def test_without_a_proxy_it_is_another_rules() -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_messages_that_are_not_captured_say_nothing() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    *_, last = proxied_handshake(near, far, ntlm())
    proxied(near, far, post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan, last=last.near.answered).found(RULE) == []


def test_a_proxy_that_only_a_field_tells_of_is_told_as_that() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, SERVER, WINRM_PORT)
    talk.exchange(post("/wsman", basic(), ("Via", "1.1 gate (squid/5.7)"), content=soap()), reply(200, content=soap("CreateResponse", 2)))
    found = judge(lan)
    finding = found.one(RULE)
    assert finding.title == "WinRM messages that name a proxy are not encrypted"
    assert finding.confidence == 0.9
    for rule in (RULE, "auth.basic-cleartext", "proxy.credential-exposure", "capture.one-leg"):
        assert re.search("[Aa]ny sender can write|which any sender can write", found.one(rule).why), rule


def test_a_host_that_is_seen_to_forward_is_a_proxy_on_all_its_connections() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan, 40001), post(ABSOLUTE, basic(), content=soap(number=1)), FINE)
    alone = far_leg(lan, 40002)
    alone.exchange(post("/wsman", basic(), ("Via", "1.1 gate"), content=soap(number=7)), reply(200, content=soap("CreateResponse", 8)))
    for finding in judge(lan).found(RULE):
        assert finding.title == "WinRM messages go through a proxy unencrypted"
        assert finding.confidence == 1.0
        assert "any sender" not in finding.why
