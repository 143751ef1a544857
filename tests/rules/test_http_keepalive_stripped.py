from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, Reply, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Hop, ask_sealed, far_leg, forwarded, near_leg, proxied, sealed_reply
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.keepalive-stripped"
CLOSE = ("Connection", "close")


def closing(asked: Ask) -> Ask:
    return forwarded(asked).without("Connection").plus(CLOSE)


def session(lan: Wire, *, on: bool = False, back: bool = False, version: str = "HTTP/1.1", asks_close: bool = False) -> list[Hop]:
    """A handshake and a request; the proxy closes ``on`` to the server or ``back`` to the client."""
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    hops = []
    talks: list[tuple[Ask, Reply]] = [
        (post(ABSOLUTE, shake.credentials(0)), shake.challenge()),
        (post(ABSOLUTE, shake.credentials(1)), reply(200)),
        (ask_sealed(0, ABSOLUTE), sealed_reply(0)),
    ]
    for sent, answer in talks:
        asked = sent.without("Connection").plus(CLOSE) if asks_close else sent
        onward = (closing(asked) if on else forwarded(asked))._replace(version=version)
        hops.append(proxied(near, far, asked, answer, onward=onward, back=answer.plus(CLOSE) if back else None))
    return hops


def test_requests_go_on_with_close() -> None:
    lan = Wire()
    hops = session(lan, on=True)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.8)
    assert packets(finding) == sorted(number for hop in hops for one in hop for number in one)
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges[:2] == ("c1.x1", "c2.x1")
    assert names(finding, hops[0].near.asked)
    assert "the proxy forwarded the request with Connection: close" in finding.why


def test_responses_come_back_with_close() -> None:
    lan = Wire()
    session(lan, back=True)
    assert "the proxy passed the response on with Connection: close" in judge(lan).one(RULE).why


def test_both_sides_keep_it() -> None:
    lan = Wire()
    session(lan)
    assert judge(lan).found(RULE) == []


def test_the_client_itself_wants_to_close() -> None:
    lan = Wire()
    session(lan, on=True, back=True, asks_close=True)
    assert judge(lan).found(RULE) == []


def test_http_1_0_is_another_rules() -> None:
    lan = Wire()
    session(lan, on=True, version="HTTP/1.0")
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "http.1.0-downgrade" in judged.rules


def test_once_may_be_the_proxys_own_end() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    proxied(near, far, post(ABSOLUTE, shake.credentials(1)), reply(200), back=reply(200, CLOSE))
    assert judge(lan).found(RULE) == []


def test_basic_needs_no_lasting_connection() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    for number in range(3):
        asked = ask_sealed(number, ABSOLUTE).plus(basic())
        proxied(near, far, asked, sealed_reply(number), onward=closing(asked))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    session(lan, on=True)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
