from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post
from tests.build.talk_proxy import CLIENT_LEG, PROXY, PROXY_FAR, SERVER, UPSTREAM_LEG, Hop, far_leg, forwarded, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.handshake-split"


def split(lan: Wire) -> list[Hop]:
    """The answer to the challenge reaches the server on another connection than the challenge left it, and is refused."""
    near, first = near_leg(lan), far_leg(lan)
    shake = ntlm()
    hops = [proxied(near, first, post(ABSOLUTE), offer()), proxied(near, first, post(ABSOLUTE, shake.credentials(0)), shake.challenge())]
    second = far_leg(lan, 40002)
    return [*hops, proxied(near, second, post(ABSOLUTE, shake.credentials(1)), offer())]


def test_the_answer_to_the_challenge_goes_to_another_connection() -> None:
    lan = Wire()
    _, challenged, answered = split(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert {*challenged.near, *challenged.far, *answered.near, *answered.far} <= set(packets(finding))
    assert finding.title == "Proxy 10.10.1.1:3128 splits logons over several server connections"
    assert finding.connections == ("c1", "c2", "c3")
    assert set(finding.exchanges) == {"c1.x2", "c1.x3", "c2.x2", "c3.x1"}
    assert finding.user == "LAB\\alice"
    assert names(finding, challenged.far.asked, answered.far.asked)
    assert "It was tried once and refused once (401)." in finding.why


def test_with_the_upstream_leg_alone_it_is_less_certain() -> None:
    lan = Wire()
    split(lan)
    finding = judge(lan, hosts=UPSTREAM_LEG).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95), "the answer repeats the time stamp of the challenge"
    assert set(finding.connections) == {"c1", "c2"}
    assert finding.user == "LAB\\alice"
    assert "The client's side of the proxy is not in the capture" in finding.why


def test_with_the_clients_leg_alone_nothing_is_said() -> None:
    lan = Wire()
    split(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_a_handshake_on_one_connection_of_each_leg() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), last=offer())
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_bare_401_from_another_connection_belongs_to_no_handshake() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, (first, second, second), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_kerberos_handshake_is_one_trip_and_cannot_be_split() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, (first, second), kerberos())
    assert judge(lan).found(RULE) == []


def test_a_connection_whose_beginning_is_not_captured_may_have_had_the_challenge() -> None:
    lan = Wire()
    near, first, second = near_leg(lan), far_leg(lan), far_leg(lan, 40002, syn=False)
    proxied_handshake(near, (first, first, second), ntlm(), last=offer())
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_first_message_that_the_proxy_repeats_after_its_connection_died() -> None:
    lan = Wire()
    near, dead = near_leg(lan), far_leg(lan)
    shake = ntlm()
    asked = post(ABSOLUTE, shake.credentials(0))
    near.send(asked)
    dead.send(forwarded(asked))
    dead.reset_by_server()
    alive = far_leg(lan, 40002)
    alive.exchange(forwarded(asked), shake.challenge())
    near.answer(shake.challenge())
    proxied(near, alive, post(ABSOLUTE, shake.credentials(1)), offer())
    assert judge(lan).found(RULE) == []


def test_upstream_handshakes_of_two_clients_at_once_are_not_taken_for_one() -> None:
    lan = Wire()
    one, other = far_leg(lan), far_leg(lan, 40002)
    alice, bob = ntlm(), ntlm("bob")
    for talk, shake in ((one, alice), (other, bob)):
        talk.exchange(forwarded(post(ABSOLUTE, shake.credentials(0))), shake.challenge())
    for talk, shake in ((other, bob), (one, alice)):
        talk.exchange(forwarded(post(ABSOLUTE, shake.credentials(1))), offer())
    assert judge(lan).found(RULE) == []


def test_the_hosts_of_the_transcript_are_legs_of_one_proxy() -> None:
    lan = Wire()
    split(lan)
    hosts = {(found.client.host, found.server.host) for found in judge(lan).evidence.connections.values()}
    assert hosts == {("10.10.1.11", PROXY), (PROXY_FAR, SERVER)}


def test_a_challenge_and_an_answer_on_one_connection_are_one_handshake() -> None:
    """Another answer on the connection that gave the challenge is its own, however the first one ended."""
    lan = Wire()
    leg, shake = far_leg(lan), ntlm()
    leg.exchange(forwarded(post(ABSOLUTE, shake.credentials(0))), shake.challenge())
    leg.exchange(forwarded(post(ABSOLUTE)), offer())
    leg.exchange(forwarded(post(ABSOLUTE, shake.credentials(1))), offer())
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
