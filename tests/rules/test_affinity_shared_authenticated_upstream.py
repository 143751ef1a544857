from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Reply, offer, post, reply, soap
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, Hop, Trip, ask_sealed, far_leg, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import Shake, basic, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.shared-authenticated-upstream"
FINE = reply(200, content=soap("CreateResponse", 2))


def alice_then(lan: Wire, answered: Reply = FINE, *, client: str = BOB, shake: Shake | None = None) -> tuple[Hop, Hop]:
    """Alice authenticates the upstream connection; then a clear request of another client's connection goes over it."""
    far = far_leg(lan)
    *_, last = proxied_handshake(near_leg(lan), far, shake or ntlm())
    return last, proxied(near_leg(lan, client, 50002), far, post(ABSOLUTE, content=soap()), answered)


def test_a_stranger_is_served_on_alices_connection() -> None:
    lan = Wire()
    authenticated, foreign = alice_then(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 1.0)
    assert packets(finding) == sorted([authenticated.far.asked, *foreign.near, *foreign.far])
    assert finding.connections == ("c3", "c1", "c2")
    assert finding.exchanges == ("c3.x1", "c1.x4")
    assert finding.user is None  # nobody knows who the stranger is
    assert "logged on server connection c1 as LAB\\alice" in finding.why
    assert (finding.source, finding.destination) == ("10.10.1.12", "10.20.2.20:5985")
    assert names(finding, authenticated.far.asked, foreign.far.asked)
    assert "status 200" in finding.why
    assert (finding.title, finding.owner) == ("Another client is served with the rights of LAB\\alice", "proxy")


def test_kerberos_without_any_401_before_it() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, post(ABSOLUTE, kerberos().credentials(0)), reply(200, *kerberos().last_token))
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, content=soap()), FINE)
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.CRITICAL
    assert finding.user is None


def test_another_user_of_the_same_host_is_a_stranger() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    other = near_leg(lan, port=50002)
    proxied_handshake(other, far_leg(lan, 40002), ntlm("bob"))
    proxied(other, far, post(ABSOLUTE, content=soap()), FINE)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.user) == (Severity.CRITICAL, "LAB\\bob")


def test_the_same_host_without_another_user_may_be_one_client_that_came_back() -> None:
    lan = Wire()
    alice_then(lan, client="10.10.1.11")
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "it may be one client that reconnected" in finding.why


def test_a_pairing_by_timing_only_is_at_most_high() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE), reply(200))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.HIGH
    assert finding.confidence < 0.95


def test_alices_own_requests() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_a_handshake_of_the_second_client_in_between_changes_the_identity() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    bob = near_leg(lan, BOB, 50002)
    *_, last = proxied_handshake(bob, far, ntlm("bob"))
    proxied(bob, far, post(ABSOLUTE, content=soap()), FINE)
    # The bare 401 before bob's handshake is refused, and everything later is bob's own.
    assert last.far.answered
    assert judge(lan).found(RULE) == []


def test_credentials_in_the_request_itself() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, basic("bob"), content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_a_stranger_who_is_refused() -> None:
    lan = Wire()
    alice_then(lan, offer())
    assert judge(lan).found(RULE) == []


def test_a_stranger_whose_request_fails() -> None:
    lan = Wire()
    alice_then(lan, reply(500, content=soap("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", 2)))
    assert judge(lan).found(RULE) == []


def test_a_sealed_request_that_the_server_can_open_is_alices_whatever_carried_it() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied(near_leg(lan, BOB, 50002), far, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_an_upstream_connection_that_nobody_authenticated() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm(), last=offer())
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_whose_request_it_was() -> None:
    lan = Wire()
    alice_then(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_response_that_is_not_captured_says_nothing() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    bob = near_leg(lan, BOB, 50002)
    bob.send(post(ABSOLUTE, content=soap()))
    far.send(post("/wsman", ("Via", "1.1 proxy"), content=soap()))
    assert judge(lan).found(RULE) == []


def test_a_trip_is_told_by_its_first_packets() -> None:
    lan = Wire()
    talk = near_leg(lan)
    assert trip(talk, post(content=soap(size=4000)), FINE) == Trip(4, 7)
