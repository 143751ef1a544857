"""What a decrypted body says is the same whether its shape is remembered or it is read like any; what depends on other messages is left to the general way."""

import random
from collections import Counter

import pytest

from analyzer.engine.opening import _complaints
from analyzer.formats.content import Room
from analyzer.records.issues import Issue
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Said
from analyzer.settings import Limits
from analyzer.wsman import ordinary, plaintext, remembered, shapes, structure
from analyzer.wsman.envelope import decoded, described_text
from analyzer.wsman.remembered import Shapes
from analyzer.wsman.saying import looked_at, said
from analyzer.wsman.structure import Seen, looked

from .test_shapes_twice import PER_ROUND, ROUNDS, _filled, _frame

LIMITS = Limits()
HALF = (5, (7, 8))


def _complained(full: Message, text: str, seen: Seen) -> tuple[Issue, ...]:
    return tuple(_complaints(full, text, seen, HALF, LIMITS, 0))


def _sealed(dice: random.Random, size: int, *, asks: bool) -> tuple[Message, dict[str, object]]:
    message = Message("c1.x1.q" if asks else "c1.x1.s", "c1.x1", asks, Protection.SEALED, size + 99, "multipart/encrypted", protocol="HTTP-SPNEGO")
    return message, {"opened": True, "secret": "password:a", "check": "good", "text_digest": dice.randbytes(32)}


def _as_any(message: Message, known: dict[str, object], data: bytes, status: int, compressed: set[str]) -> tuple[Message, Said, tuple[Issue, ...]]:
    text = decoded(data)
    seen = looked(text, LIMITS)
    full = described_text(message, text, seen, LIMITS, **known)
    return full, said(full, text, seen, HALF, status, compressed=compressed, room=Room(1 << 20)), _complained(full, text, seen)


@pytest.fixture
def known_shapes(monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """Used as where they are compiled, and nothing known yet."""
    table = Shapes()
    monkeypatch.setattr(remembered, "CUT", shapes.cut)
    monkeypatch.setattr(structure, "_ORDINARY", ordinary.read)
    monkeypatch.setattr(plaintext, "_SHAPES", table)
    return table


def test_a_plaintext_says_what_it_says_to_any_reader(known_shapes: Shapes) -> None:
    left: Counter[bool] = Counter()
    for number in range(ROUNDS):
        dice = random.Random(number)
        text, _, asks = _frame(dice)
        status = dice.choice((200, 200, 200, 401, 500))
        for _ in range(PER_ROUND):
            data = _filled(dice, text)
            message, known = _sealed(dice, len(data), asks=asks)
            compressed: set[str] = set()
            every = _as_any(message, known, data, status, compressed)
            told = plaintext.told_by(message, known, data, HALF, status, LIMITS, _complained, set())
            left[told is None] += 1
            if told is None:
                assert compressed or not looked_at(status), f"case {number}: {data!r}"
            else:
                assert tuple(told) == every, f"case {number}: {data!r}"
    assert left[True]
    assert left[False] > ROUNDS
    assert sum(isinstance(known, remembered.Shape) for known in known_shapes.known.values()) > ROUNDS // 16


RECEIVED = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    b'xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header>'
    b"<a:Action>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ReceiveResponse</a:Action></s:Header><s:Body><rsp:ReceiveResponse>"
    b'<rsp:Stream Name="stdout" CommandId="%d">QUJD</rsp:Stream></rsp:ReceiveResponse></s:Body></s:Envelope>'
)


@pytest.mark.usefixtures("known_shapes")
def test_streams_that_are_compressed_are_left_to_the_general_way() -> None:
    dice = random.Random(1)
    message, known = _sealed(dice, len(RECEIVED), asks=False)
    for number in range(4):
        assert plaintext.told_by(message, known, RECEIVED % number, HALF, 200, LIMITS, _complained, {"c1.x1"}) is None
        assert plaintext.told_by(message, known, RECEIVED % number, HALF, 200, LIMITS, _complained, {"c9.x9"}) is not None


@pytest.mark.usefixtures("known_shapes")
def test_what_is_longer_than_an_envelope_may_be_is_left_to_the_general_way() -> None:
    message, known = _sealed(random.Random(1), len(RECEIVED), asks=False)
    assert plaintext.told_by(message, known, RECEIVED % 1, HALF, 200, Limits(envelope_bytes=len(RECEIVED) - 10), _complained, set()) is None
