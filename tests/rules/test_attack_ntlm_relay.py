import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Content, offer, post, reply, sealed, soap
from tests.build.talk_proxy import ALICE, SERVER, Trip, direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import Shake, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "attack.ntlm-relay"
MIDDLE = "10.10.1.66"


def asks(shake: Shake, turn: int, method: str = "GET", target: str = "/pic.png") -> Ask:
    return Ask(method, target, (("Host", "intranet"), shake.credentials(turn), ("Content-Length", "0")))


def relayed(lan: Wire, *, method: str = "GET", target: str = "/pic.png", far_target: str = WSMAN, far_host: str = MIDDLE) -> tuple[Trip, Trip]:
    """A victim's logon to a page at the host in the middle, passed on to the server; the trips with the challenge."""
    shake = ntlm()
    near, far = lan.connect(ALICE, 50001, MIDDLE, 80), lan.connect(far_host, 40001, SERVER, 5985)
    first = near.send(asks(shake, 0, method, target))
    out = trip(far, post(far_target, shake.credentials(0)), shake.challenge())
    back = near.answer(shake.challenge())
    near.send(asks(shake, 1, method, target))
    trip(far, post(far_target, shake.credentials(1)), reply(200))
    near.answer(reply(404))
    return Trip(first, back), out


def test_a_page_in_the_middle_gets_a_winrm_session() -> None:
    lan = Wire()
    near, far = relayed(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.9)
    assert {*near, *far} <= set(packets(finding))
    assert finding.connections == ("c2", "c1")
    assert finding.user == "LAB\\alice"
    assert finding.attack == ("T1557.001", "T1021.006")
    assert (finding.source, finding.destination) == (MIDDLE, f"{SERVER}:5985")
    assert names(finding, near.answered, far.answered)
    assert f"The client asked for GET /pic.png there. So {MIDDLE} passes the logon of LAB\\alice to WinRM. The logon ended accepted" in finding.why


def test_a_post_to_another_path_is_no_winrm_either() -> None:
    lan = Wire()
    relayed(lan, method="POST", target="/login")
    assert len(judge(lan).found(RULE)) == 1


def test_a_proxy_passes_the_same_request_on() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    relayed(lan, method="POST", target="/wsman?PSVersion=5.1")
    assert judge(lan).found(RULE) == []


def test_what_does_not_go_to_winrm_is_not_ours() -> None:
    lan = Wire()
    relayed(lan, far_target="/certsrv/")
    assert judge(lan).found(RULE) == []


def test_connections_that_do_not_meet_at_one_host() -> None:
    lan = Wire()
    relayed(lan, far_host="10.10.1.77")
    assert judge(lan).found(RULE) == []


def test_logons_with_challenges_of_their_own() -> None:
    lan = Wire()
    shake = ntlm(number=7)
    near = lan.connect(ALICE, 50001, MIDDLE, 80)
    trip(near, asks(shake, 0), shake.challenge())
    trip(near, asks(shake, 1), reply(200))
    handshake(lan.connect(MIDDLE, 40001, SERVER, 5985), ntlm(number=8))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    relayed(lan)
    assert judge(lan, hosts=(ALICE,)).found(RULE) == []
    assert judge(lan, hosts=(SERVER,)).found(RULE) == []


def test_an_unproxied_logon() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), last=offer(), target=ABSOLUTE)
    assert judge(lan).found(RULE) == []


def both_winrm(lan: Wire, mine: Content | None, theirs: Content | None, *, earlier: Content | None = None) -> None:
    """A victim's logon to WinRM at the host in the middle, passed on to another WinRM with a body of its own."""
    shake = ntlm()
    near, far = lan.connect(ALICE, 50001, MIDDLE, 5985), lan.connect(MIDDLE, 40001, SERVER, 5985)
    if earlier is not None:
        trip(near, post(content=earlier), offer())
    near.send(post(WSMAN, shake.credentials(0)))
    trip(far, post(WSMAN, shake.credentials(0)), shake.challenge())
    near.answer(shake.challenge())
    near.send(post(WSMAN, shake.credentials(1), content=mine))
    trip(far, post(WSMAN, shake.credentials(1), content=theirs), reply(200))
    near.answer(reply(500))


@pytest.mark.parametrize("mine", [None, sealed(0)], ids=["empty", "another"])
def test_winrm_to_winrm_with_a_body_that_the_victim_never_sent(mine: Content | None) -> None:
    lan = Wire()
    both_winrm(lan, mine, soap())
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c2", "c1")
    assert "The client never sent this body." in finding.why
    assert "(c2.x2)" in finding.why


@pytest.mark.parametrize(("mine", "theirs", "earlier"), [(soap(), soap(), None), (soap(), None, None), (None, soap(), soap())])
def test_a_proxy_of_winrm_sends_the_clients_own_bodies(mine: Content | None, theirs: Content | None, earlier: Content | None) -> None:
    lan = Wire()
    both_winrm(lan, mine, theirs, earlier=earlier)
    assert judge(lan).found(RULE) == []


def test_a_victim_that_was_not_wholly_captured_proves_nothing() -> None:
    lan = Wire()
    both_winrm(lan, None, soap())
    assert judge(lan, first=5).found(RULE) == []
