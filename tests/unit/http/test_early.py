"""A declared length that is larger than what was sent: the server answers, and what follows are requests."""

import pytest

from analyzer.http.exchanges import Parsed, parse
from analyzer.records.quality import Absent
from analyzer.settings import Limits
from tests.build.streams import Piece, talk

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
LYING = b"POST /wsman HTTP/1.1\r\nContent-Length: 5000\r\n\r\nfirst"
CHUNKED = b"POST /wsman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\nfirst"
SECOND = b"POST /wsman HTTP/1.1\r\nContent-Length: 6\r\n\r\nsecond"
THIRD = b"POST /wsman HTTP/1.1\r\nContent-Length: 5\r\n\r\nthird"


ASK = b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


def parsed(to_server: list[Piece], to_client: list[Piece], acked: list[int]) -> Parsed:
    connection, fetch = talk(to_server, to_client, server_acked=acked)
    return parse(connection, fetch, Limits())


def answered(to_client: list[Piece], acked: list[int]) -> Parsed:
    """``acked``: how much of the server's stream the client had received with each of its requests."""
    connection, fetch = talk([ASK] * len(acked), to_client, client_acked=acked, server_acked=[len(ASK) * (place + 1) for place in range(len(to_client))])
    return parse(connection, fetch, Limits())


def sizes(found: Parsed) -> list[tuple[int, int | None]]:
    """(size of the request's body, status of the answer) of each exchange."""
    return [
        (0 if isinstance(one.request, Absent) else one.request.body.size, None if isinstance(one.response, Absent) else one.response.status)
        for one in found.exchanges
    ]


def conflicts(found: Parsed) -> list[str]:
    return [issue.detail.partition(": ")[2] for issue in found.issues if issue.code == "http.framing-conflict"]


@pytest.mark.parametrize(("first", "size"), [(LYING, 5), (CHUNKED, 5), (LYING.removesuffix(b"first"), 0)])
def test_requests_behind_a_length_that_lies_are_read(first: bytes, size: int) -> None:
    ends = [len(first), len(first) + len(SECOND), len(first) + len(SECOND) + len(THIRD)]
    found = parsed([first, SECOND, THIRD], [OK, OK, OK], ends)
    assert sizes(found) == [(size, 200), (6, 200), (5, 200)]
    (told,) = conflicts(found)
    assert told.endswith(f"the next segment begins a request (offset {len(first)}), and again after that; the body ends there")


def test_a_body_that_holds_a_request_is_a_body() -> None:
    """The same bytes, but the server answers once, when it has all of them."""
    whole = LYING + SECOND + THIRD
    full = whole.replace(b"5000", b"%d" % (5 + len(SECOND) + len(THIRD)))
    cut = full.index(b"POST", 1)
    pieces: list[Piece] = [full[:cut], full[cut : cut + len(SECOND)], full[cut + len(SECOND) :]]
    found = parsed(pieces, [OK], [len(full)])
    assert sizes(found) == [(5 + len(SECOND) + len(THIRD), 200)]
    assert conflicts(found) == []


def test_an_interim_answer_ends_no_body() -> None:
    full = LYING.replace(b"5000", b"%d" % (5 + len(SECOND))) + SECOND
    cut = full.index(b"POST", 1)
    found = parsed([full[:cut], full[cut:]], [GO_ON, OK], [cut, len(full)])
    assert sizes(found) == [(5 + len(SECOND), 200)]
    assert conflicts(found) == []


def test_one_early_answer_alone_moves_nothing_and_is_said() -> None:
    """A server may refuse a request before its body is whole: what follows is the body, whatever it looks like."""
    full = LYING.replace(b"5000", b"%d" % (5 + len(SECOND))) + SECOND
    cut = full.index(b"POST", 1)
    found = parsed([full[:cut], full[cut:]], [OK], [cut])
    assert sizes(found) == [(5 + len(SECOND), 200)]
    (told,) = conflicts(found)
    assert told.endswith("nothing later shows whether it was one, and it was read as a part of the body")


def test_an_early_answer_to_a_body_like_others_is_nothing_odd() -> None:
    full = b"POST /wsman HTTP/1.1\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000
    found = parsed([full[:1000], full[1000:2000], full[2000:], THIRD], [OK, OK], [1000, len(full) + len(THIRD)])
    assert sizes(found) == [(3000, 200), (5, 200)]
    assert conflicts(found) == []


def bodies(found: Parsed) -> list[int | None]:
    return [None if isinstance(one.response, Absent) else one.response.body.size for one in found.exchanges]


def test_answers_behind_a_length_that_lies_are_read() -> None:
    lying = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nfirst"
    second = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
    found = answered([lying, second, OK], [0, len(lying), len(lying) + len(second)])
    assert bodies(found) == [5, 6, 0]
    (told,) = conflicts(found)
    assert "but the client sent its next request after 5 bytes at most" in told


def test_a_client_that_does_not_wait_for_the_answer_is_nothing_odd() -> None:
    """It asks again before the first answer is whole, and that answer holds what looks like another one."""
    second = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nfirst" % (5 + len(second))
    found = answered([whole + second, OK], [0, 0])
    assert bodies(found) == [5 + len(second), 0]
    assert conflicts(found) == []
