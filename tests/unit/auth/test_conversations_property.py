"""What holds for any sequence of exchanges, however senseless."""

from hypothesis import given, settings
from hypothesis import strategies as st
from spnego._spnego import NegTokenInit, NegTokenResp

from analyzer.auth import conversations, steps_of
from analyzer.auth.headers import CREDENTIALS_HEADERS, lines
from analyzer.auth.tokens import rejects
from analyzer.records.auth import Audience, Outcome
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from tests.unit.auth.builders import KRB5_OID, LIMITS, NTLM_OID, ap_rep, ap_req, b64, connection, framed, krb_error, live_tokens, ntlm1, ntlm2, ntlm3, talk, tlv

_TOKENS = (
    ntlm1(),
    ntlm2(),
    ntlm3(b"a\0"),
    ntlm3(b"b\0")[:60],
    framed(b"\x01\0", ap_req()),
    framed(b"\x02\0", ap_rep()),
    framed(b"\x03\0", krb_error()),
    NegTokenInit([KRB5_OID, NTLM_OID]).pack(),
    NegTokenResp(response_token=ntlm3(b"a\0")).pack(),
    tlv(0xA1, tlv(0x30, tlv(0xA0, tlv(10, b"\x02")))),
    *live_tokens("credssp")[:3],
    b"alice:x",
    b"",
)
_SCHEMES = st.sampled_from(["Negotiate", "NTLM", "Kerberos", "CredSSP", "Basic", "Bearer", 'Digest username="u", realm="r", nc=1', "=", ""])
_VALUES = st.builds(lambda scheme, token: f"{scheme} {b64(token)}", _SCHEMES, st.sampled_from(_TOKENS))


def _fields(names: tuple[str, ...]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.lists(st.tuples(st.sampled_from(names), _VALUES), max_size=3).map(tuple)


_REQUESTS = st.none() | _fields(("Authorization", "Proxy-Authorization"))
_RESPONSES = st.none() | st.tuples(st.sampled_from([200, 401, 401, 401, 407, 407, 500, 503]), _fields(("WWW-Authenticate", "Proxy-Authenticate")))
_EXCHANGES = st.lists(st.tuples(_REQUESTS, _RESPONSES), max_size=8).map(lambda pairs: talk(*pairs))
_WORDS = {"offer", "negotiate", "challenge", "authenticate", "accepted", "refused"}


def _has_scheme(exchange: Exchange, audience: Audience) -> bool:
    if isinstance(exchange.request, Absent):
        return False
    values = lines(exchange.request.headers, CREDENTIALS_HEADERS[audience])
    return bool(values) and not values[0].startswith(("=", " "))


@settings(max_examples=300)
@given(_EXCHANGES)
def test_conversations_cover_what_the_client_sent_once_and_in_order(exchanges: tuple[Exchange, ...]) -> None:
    found, _ = conversations(connection(), exchanges, LIMITS)
    assert [one.id for one in found] == [f"c1.a{ordinal}" for ordinal in range(1, len(found) + 1)]
    positions = [int(one.exchanges[0].removeprefix("c1.x")) for one in found]
    assert positions == sorted(positions)
    for audience in Audience:
        own = [one for one in found if one.audience is audience]
        covered = [exchange for one in own for exchange in one.exchanges]
        assert len(covered) == len(set(covered))
        sent = {exchange.id for exchange in exchanges if _has_scheme(exchange, audience)}
        assert sent <= set(covered)
        assert sum(one.round_trips for one in own) >= len(sent)


@settings(max_examples=300)
@given(_EXCHANGES)
def test_an_outcome_has_the_exchange_that_decided_it(exchanges: tuple[Exchange, ...]) -> None:
    found, _ = conversations(connection(), exchanges, LIMITS)
    for one in found:
        decided = one.outcome in (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.NOT_EXAMINED)
        assert decided is (one.ends is not None)
        assert one.ends is None or one.ends in one.exchanges
        assert one.first_ns <= one.last_ns
        assert any(step.token is not None for step in one.steps)
        if one.outcome is Outcome.REFUSED:
            rejected = any(step.token is not None and rejects(step.token) for step in one.steps if not step.from_client)
            assert rejected or one.final_status == (401 if one.audience is Audience.SERVER else 407)
            assert one.ends == one.exchanges[-1]


@settings(max_examples=300)
@given(_EXCHANGES, st.sampled_from(Audience))
def test_words_are_of_the_list_and_agree_with_the_outcome(exchanges: tuple[Exchange, ...], audience: Audience) -> None:
    found, _ = conversations(connection(), exchanges, LIMITS)
    words = steps_of(found, exchanges, audience)
    assert set(words.values()) <= _WORDS
    assert set(words) <= {exchange.id for exchange in exchanges}
    for one in found:
        if one.audience is audience and one.ends is not None and one.outcome is not Outcome.NOT_EXAMINED:
            assert words[one.ends] == one.outcome.value
