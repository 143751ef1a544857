"""Damaged conversations are read alike by the walk over ordinary messages (compiled, and as its source has it) and by the reader of any message alone."""

import os
import random

import pytest

from analyzer.formats import forms
from analyzer.http import messages, walk
from analyzer.http.exchanges import Parsed, parse
from analyzer.http.raw import Raw
from analyzer.settings import Limits
from tests.build.streams import Piece, talk

CASES, CHUNK = int(os.environ.get("DAMAGED_CASES", "600")), 200
ENVELOPE = b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>' + b"text " * 40 + b"</s:Body></s:Envelope>"
_LINES = (
    b"Host: host:5985",
    b"Content-Type: application/soap+xml;charset=UTF-8",
    b"User-Agent: agent",
    b"Authorization: Negotiate YII=",
    b"Date: Mon, 01 Jan 2024 00:00:0%d GMT",
    b"X-Long: " + b"a" * 120,
    b"connection: keep-alive",
)
_ODD = (
    b"Content-Length: 5",
    b"content-length:  7 ",
    b"Content-Length: +3",
    b"Content-Length: 3,3",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: Chunked",
    b"Expect: 100-continue",
    b" folded",
    b"no colon",
    b"Name : value",
    b": nothing",
    b"A: b\rc",
    b"A: b\nc",
    b"\xa0A\xa0: b",
)
_CHUNK_LINES = (b"%x\r\n", b"%X;a=b\r\n", b" %x\r\n", b"0x%x\r\n", b"%x\n", b"%016x\r\n", b"%x\r\r\n")
_STATUS = (
    b"200 OK",
    b"200 OK",
    b"200 OK",
    b"401 ",
    b"100 Continue",
    b"204 No Content",
    b"304 Not Modified",
    b"101 Switching",
    b"500",
    b"407 Proxy Authentication Required",
)
_METHODS = (b"POST", b"POST", b"POST", b"POST", b"GET", b"HEAD", b"CONNECT", b"post", b"P@ST")


def _body(dice: random.Random, lines: list[bytes]) -> bytes:
    """A body, and what ``lines`` says of it, which is mostly true."""
    content = ENVELOPE[: dice.choice((0, 1, 63, 64, 65, 200, len(ENVELOPE)))] * dice.choice((1, 1, 1, 40))
    kind = dice.random()
    if kind < 0.6:
        lines.append(b"Content-Length: %d" % (len(content) + (dice.randrange(-3, 200) if dice.random() < 0.06 else 0)))
        return content
    if kind > 0.85:
        return b""
    lines.append(b"Transfer-Encoding: chunked")
    out, at = [], 0
    while at < len(content):
        size = dice.choice((1, 10, 100, 3000))
        piece = content[at : at + size]
        line = dice.choice(_CHUNK_LINES) if dice.random() < 0.03 else _CHUNK_LINES[0]
        out.append(line % len(piece) + piece + (b"\r\n" if dice.random() > 0.02 else b"\n"))
        at += size
    out.append(dice.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nTrailer: a\r\n\r\n", b"00\r\n\r\n", b"0\n\n")))
    return b"".join(out)


def _message(dice: random.Random, *, answer: bool) -> bytes:
    lines = [line.replace(b"%d", b"%d" % dice.randrange(10)) for line in dice.sample(_LINES, dice.randrange(0, 5))]
    body = _body(dice, lines)
    while dice.random() < 0.08:
        lines.insert(dice.randrange(len(lines) + 1), dice.choice(_ODD))
    version = dice.choice((b"HTTP/1.1",) * 9 + (b"HTTP/1.0",))
    if answer:
        start = version + b" " + dice.choice(_STATUS)
    else:
        start = dice.choice(_METHODS) + b" " + dice.choice((b"/wsman", b"/wsman", b"/a b", b"http://host/wsman?%2", b"host:443")) + b" " + version
    ends = b"\r\n" if dice.random() > 0.02 else b"\n"
    return dice.choice((b"",) * 30 + (b"\r\n", b"\n")) + ends.join((start, *lines, b"", b"")) + body


def _damaged(dice: random.Random, data: bytes) -> bytes:
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        at = dice.randrange(len(data) + 1)
        new = dice.choice((b"", b"\r", b"\n", b"\r\n\r\n", b"\x00", b"HTTP/1.1 200 OK\r\n\r\n", b"POST / HTTP/1.1\r\n", data[at : at + 90] * 2))
        data = data[:at] + new + data[at + dice.randrange(60) :]
    return data


def _pieces(dice: random.Random, sent: list[bytes]) -> list[Piece]:
    """The messages in segments, most of which begin where a message does; some are not in the capture."""
    segment, lost = dice.choice((1, 9, 500, 1460, 1460, 60_000)), dice.choice((0.0, 0.0, 0.0, 0.02, 0.2))
    out: list[Piece] = []
    for message in sent:
        most = max(segment, len(message) // 200)
        for at in range(0, len(message), most):
            piece = message[at : at + most]
            out.append(len(piece) if dice.random() < lost else piece)
    return out


def _acked(dice: random.Random, own: list[Piece], other: list[Piece]) -> list[int]:
    """What the sender of each of ``own`` had received of the other side, as far as that goes on with its own."""
    sizes = [one if isinstance(one, int) else len(one) for one in other]
    total, count = sum(sizes), sum(not isinstance(one, int) for one in own)
    if dice.random() < 0.2:
        return []
    found = sorted(dice.choice((total * place // max(count, 1), sum(sizes[: place * len(sizes) // max(count, 1)]))) for place in range(count))
    return [-1 if dice.random() < 0.05 else at for at in found]


def _case(number: int) -> tuple[list[Piece], list[Piece], list[int], list[int], bool, Limits]:
    dice = random.Random(number)
    count = dice.randrange(1, 7)
    asked = _pieces(dice, [_damaged(dice, _message(dice, answer=False)) for _ in range(count)])
    told = _pieces(dice, [_damaged(dice, _message(dice, answer=True)) for _ in range(count + dice.choice((0, 0, 0, 1)))])
    small = Limits(head_bytes=300, headers=4, start_line_bytes=40, chunks=3)
    return asked, told, _acked(dice, asked, told), _acked(dice, told, asked), dice.random() < 0.8, small if dice.random() < 0.15 else Limits()


def _read(number: int, monkeypatch: pytest.MonkeyPatch, kind: object) -> Parsed:
    asked, told, client_acked, server_acked, begins, limits = _case(number)
    made, fetch = talk(asked, told, client_acked=client_acked, server_acked=server_acked, begins=begins)
    monkeypatch.setattr(messages, "Ordinary", kind)
    return parse(made, fetch, limits)


class _Never:
    """No message is ordinary."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def message(self, _method: str | None) -> None: ...


class _Counted:
    """Counts the messages that the walk reads, by what their bodies are."""

    found: dict[str, int]

    def __init__(self, *given: object, **named: object) -> None:
        self._own = walk.Ordinary(*given, **named)  # type: ignore[arg-type]

    def message(self, method: str | None) -> Raw | None:
        raw = self._own.message(method)
        word = "left" if raw is None else raw.body.framing.value
        self.found[word] = self.found.get(word, 0) + 1
        return raw


def _chunks() -> list[range]:
    return [range(first, min(first + CHUNK, CASES)) for first in range(0, CASES, CHUNK)]


@pytest.mark.parametrize("numbers", _chunks(), ids=str)
def test_ordinary_messages_say_what_any_reader_says(numbers: range, monkeypatch: pytest.MonkeyPatch) -> None:
    source = forms.source(walk)
    for number in numbers:
        whole = _read(number, monkeypatch, _Never)
        assert _read(number, monkeypatch, walk.Ordinary) == whole, f"case {number}"
        assert _read(number, monkeypatch, source.Ordinary) == whole, f"case {number}, source"


def test_the_cases_are_of_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    _Counted.found = {}
    exchanges = sum(len(_read(number, monkeypatch, _Counted).exchanges) for number in range(CHUNK))
    assert exchanges > CHUNK
    assert min(_Counted.found[word] for word in ("none", "length", "chunked", "left")) > CHUNK // 10, _Counted.found
