from analyzer.engine.together import together
from tests.build.talk_http import ABSOLUTE
from tests.build.talk_proxy import BOB, SERVER, WINRM_PORT, ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge


def _groups(lan: Wire) -> list[list[str]]:
    return sorted(sorted(talk.connection.id for talk in group) for group in together(judge(lan).evidence))


def test_connections_of_one_client_to_one_server_are_together() -> None:
    lan = Wire()
    for place, host in enumerate(("10.10.1.11", "10.10.1.11", BOB)):
        trip(direct(lan, host, 50001 + place), ask_sealed(0, by=f"{host} {place}"), sealed_reply(0))
    assert _groups(lan) == [["c1", "c2"], ["c3"]]


def test_the_other_side_of_a_proxy_goes_with_them() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0))
    trip(lan.connect("10.9.9.9", 40000, SERVER, WINRM_PORT), ask_sealed(0, by="another"), sealed_reply(0))
    assert _groups(lan) == [["c1", "c2"], ["c3"]]
