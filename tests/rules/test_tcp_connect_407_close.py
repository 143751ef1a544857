from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, Field, post, reply
from tests.build.talk_proxy import near_leg
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.connect-407-close"
HEADER = "Proxy-Authorization"
KEEP = ("Proxy-Connection", "Keep-Alive")


def connect(*fields: Field, version: str = "HTTP/1.1") -> Ask:
    return Ask("CONNECT", "srv01.lab.example:5986", (("Host", "srv01.lab.example:5986"), *fields), version=version)


def challenged(talk: Talk, *fields: Field, version: str = "HTTP/1.1") -> int:
    """A CONNECT with the first token, answered by the proxy's challenge; the packet of the challenge."""
    return talk.exchange(connect(ntlm(scheme="NTLM").credentials(0, HEADER), *fields, version=version), ntlm(scheme="NTLM").proxy_challenge())[1]


def test_the_proxy_closes_after_its_challenge() -> None:
    lan = Wire()
    near = near_leg(lan)
    answered = challenged(near, KEEP)
    closed = near.close_by_server(0.01)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding)[-2:] == [answered, closed]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, answered, closed)
    assert "The proxy answered CONNECT srv01.lab.example:5986 with an NTLM challenge" in finding.why


def test_several_tries_are_one_finding() -> None:
    lan = Wire()
    for port in (50001, 50002):
        near = near_leg(lan, port=port)
        challenged(near)
        near.reset_by_server()
    assert "This happened twice (c1, c2)" in judge(lan).one(RULE).why


def test_the_handshake_goes_on() -> None:
    lan = Wire()
    near = near_leg(lan)
    challenged(near)
    near.exchange(connect(ntlm(scheme="NTLM").credentials(1, HEADER)), reply(407, ("Proxy-Authenticate", "NTLM")))
    near.close_by_server()
    assert judge(lan).found(RULE) == []


def test_an_offer_without_a_token_may_be_followed_by_a_close() -> None:
    lan = Wire()
    near = near_leg(lan)
    near.exchange(connect(basic(header=HEADER)), reply(407, ("Proxy-Authenticate", "NTLM")))
    near.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_client_that_gives_up_itself() -> None:
    lan = Wire()
    near = near_leg(lan)
    challenged(near)
    near.close_by_client()
    assert judge(lan).found(RULE) == []


def test_a_client_that_asked_for_it() -> None:
    lan = Wire()
    for place, (fields, version) in enumerate([((("Connection", "close"),), "HTTP/1.1"), ((), "HTTP/1.0")]):
        near = near_leg(lan, port=50001 + place)
        challenged(near, *fields, version=version)
        near.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_close_much_later() -> None:
    lan = Wire()
    near = near_leg(lan)
    challenged(near)
    near.close_by_server(30)
    assert judge(lan).found(RULE) == []


def test_without_connect_it_is_another_rules() -> None:
    lan = Wire()
    near = near_leg(lan)
    near.exchange(post(ABSOLUTE, ntlm(scheme="NTLM").credentials(0, HEADER)), ntlm(scheme="NTLM").proxy_challenge())
    near.close_by_server()
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "tcp.close-between-challenge-and-response" in judged.rules
