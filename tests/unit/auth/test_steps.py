"""The word of each exchange, for the table of exchanges."""

import pytest

from analyzer.auth import conversations, steps_of
from analyzer.records.auth import Audience
from analyzer.records.http import Exchange
from tests.unit.auth.builders import LIMITS, ask, b64, connection, live_tokens, ntlm1, ntlm2, ntlm3, reply, talk

WWW, AUTH = "WWW-Authenticate", "Authorization"
OFFER, OK, PLAIN = reply(401, (WWW, "Negotiate")), reply(200), ask()
T1, T2, T3 = ask((AUTH, "Negotiate " + b64(ntlm1()))), reply(401, (WWW, "Negotiate " + b64(ntlm2()))), ask((AUTH, "Negotiate " + b64(ntlm3(b"a\0"))))
BASIC = ask((AUTH, "Basic " + b64(b"a:b")))


def _words(exchanges: tuple[Exchange, ...], audience: Audience = Audience.SERVER) -> list[str | None]:
    words = steps_of(conversations(connection(), exchanges, LIMITS)[0], exchanges, audience)
    return [words.get(exchange.id) for exchange in exchanges]


def test_a_whole_handshake() -> None:
    assert _words(talk((PLAIN, OFFER), (T1, T2), (T3, OK), (PLAIN, OK))) == ["offer", "challenge", "accepted", None]


@pytest.mark.parametrize(
    ("sent", "answer", "word"),
    [
        (T1, None, "negotiate"),
        (T1, reply(502), "negotiate"),
        (T1, reply(407), "negotiate"),
        (T1, reply(400), "negotiate"),
        (T1, OFFER, "refused"),
        (T3, None, "authenticate"),
        (T3, reply(407), "authenticate"),
        (T3, reply(503), "authenticate"),
        (T3, OFFER, "refused"),
        (T3, reply(500), "accepted"),
        (BASIC, OK, "accepted"),
        (BASIC, OFFER, "refused"),
        (BASIC, None, "authenticate"),
        (PLAIN, reply(401), None),
        (PLAIN, reply(200, (WWW, "Negotiate")), None),
        (None, OFFER, "offer"),
        (None, T2, "challenge"),
    ],
)
def test_one_exchange(sent: tuple[tuple[str, str], ...] | None, answer: tuple[int, tuple[tuple[str, str], ...]] | None, word: str | None) -> None:
    assert _words(talk((sent, answer))) == [word]


def test_basic_says_what_each_answer_was() -> None:
    assert _words(talk((BASIC, OK), (BASIC, None), (BASIC, reply(503)), (BASIC, OK), (BASIC, OFFER))) == [
        "accepted",
        "authenticate",
        "authenticate",
        "accepted",
        "refused",
    ]


def test_rounds_of_credssp_are_challenges() -> None:
    tokens = [b64(raw) for raw in live_tokens("credssp")]
    pairs = [(ask((AUTH, "CredSSP " + sent)), reply(401, (WWW, "CredSSP " + back))) for sent, back in zip(tokens[::2], tokens[1::2], strict=False)]
    assert _words(talk(*pairs, (ask((AUTH, "CredSSP " + tokens[-1])), OK))) == ["challenge"] * len(pairs) + ["accepted"]


def test_an_abandoned_handshake_stays_a_challenge() -> None:
    assert _words(talk((T1, T2), (T1, T2), (T3, OK))) == ["challenge", "challenge", "accepted"]


def test_the_audiences_do_not_mix() -> None:
    exchanges = talk((PLAIN, reply(407, ("Proxy-Authenticate", "Basic"))), (ask(("Proxy-Authorization", "Basic " + b64(b"a:b"))), OFFER))
    assert _words(exchanges, Audience.PROXY) == ["offer", "accepted"]
    assert _words(exchanges) == [None, "offer"]
