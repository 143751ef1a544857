"""Conversations in which nothing is wrong: no rule may raise an alarm, whatever part of them was captured."""

from collections.abc import Callable, Collection

import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, reply, sealed
from tests.build.talk_proxy import (
    BOB,
    CLIENT_LEG,
    UPSTREAM_LEG,
    ask_sealed,
    direct,
    far_leg,
    handshake,
    near_leg,
    proxied,
    proxied_handshake,
    sealed_reply,
    trip,
)
from tests.build.talk_tokens import Shake, kerberos, ntlm, spnego_ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge

UNALARMING = (Severity.INFO, Severity.LOW)


def straight(lan: Wire, shake: Shake) -> None:
    talk = direct(lan)
    handshake(talk, shake)
    for number in range(3):
        trip(talk, ask_sealed(number), sealed_reply(number))
    talk.close_by_client()


def through_a_proxy(lan: Wire, shake: Shake) -> None:
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, shake)
    for number in range(3):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    near.close_by_client()
    far.close_by_client()


def the_first_request_rides_on_the_handshake(lan: Wire, shake: Shake) -> None:
    talk = direct(lan)
    handshake(talk, shake, content=sealed(0), last=reply(200, *shake.last_token, content=sealed(0, by="server")))
    trip(talk, ask_sealed(1), sealed_reply(1))
    talk.close_by_client()


def a_fault_and_a_long_poll(lan: Wire, shake: Shake) -> None:
    talk = direct(lan)
    handshake(talk, shake)
    talk.send(ask_sealed(0))
    lan.wait(60)
    talk.answer(sealed_reply(0)._replace(status=500))
    trip(talk, ask_sealed(1), sealed_reply(1))
    lan.wait(120)
    talk.close_by_server()


def two_clients_of_one_proxy(lan: Wire, shake: Shake) -> None:
    nears, fars = (near_leg(lan), near_leg(lan, BOB, 50002)), (far_leg(lan), far_leg(lan, 40002))
    for near, far, own in zip(nears, fars, (shake, ntlm("bob")), strict=True):
        proxied_handshake(near, far, own)
    for number in range(3):
        for near, far, name in zip(nears, fars, ("alice", "bob"), strict=True):
            proxied(near, far, ask_sealed(number, ABSOLUTE, by=name), sealed_reply(number))


def a_new_connection_after_an_idle_hour(lan: Wire, shake: Shake) -> None:
    for port, own in ((50001, shake), (50002, ntlm(number=50002))):
        near, far = near_leg(lan, port=port), far_leg(lan, port - 10_000)
        proxied_handshake(near, far, own)
        proxied(near, far, ask_sealed(0, ABSOLUTE, by=str(port)), sealed_reply(0))
        lan.wait(3600)
        far.close_by_server()
        near.close_by_server()


STORIES = (
    straight,
    through_a_proxy,
    the_first_request_rides_on_the_handshake,
    a_fault_and_a_long_poll,
    two_clients_of_one_proxy,
    a_new_connection_after_an_idle_hour,
)


@pytest.mark.parametrize("hosts", [(), CLIENT_LEG, UPSTREAM_LEG], ids=["everywhere", "client leg", "upstream leg"])
@pytest.mark.parametrize("shake", [ntlm(), ntlm(scheme="NTLM"), spnego_ntlm(), kerberos()], ids=["ntlm", "scheme NTLM", "spnego", "kerberos"])
@pytest.mark.parametrize("story", STORIES)
def test_nothing_is_wrong(story: Callable[[Wire, Shake], None], shake: Shake, hosts: Collection[str]) -> None:
    lan = Wire()
    story(lan, shake)
    assert [finding.why for finding in judge(lan, hosts=hosts or ("10.10.1.11", BOB, "10.20.2.20")).findings if finding.severity not in UNALARMING] == []


@pytest.mark.parametrize("story", STORIES)
def test_a_capture_of_any_part_raises_no_alarm(story: Callable[[Wire, Shake], None]) -> None:
    lan = Wire()
    story(lan, ntlm())
    for first in range(1, 24, 3):
        for last in range(first, first + 24, 4):
            found = judge(lan, first=first, last=last).findings
            assert [finding.why for finding in found if finding.severity not in UNALARMING] == [], (first, last)
