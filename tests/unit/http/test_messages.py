"""One direction's messages: framing as RFC 9112 wants it and as it is found, with holes."""

from collections.abc import Sequence

import pytest

from analyzer.http.exchanges import Parsed, parse
from analyzer.records.http import Exchange, Framing, Request, Response
from analyzer.records.quality import Absent
from analyzer.settings import Limits
from tests.build.streams import Piece, talk

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def parsed(to_server: Sequence[Piece], to_client: Sequence[Piece], limits: Limits | None = None) -> Parsed:
    connection, fetch = talk(to_server, to_client)
    return parse(connection, fetch, limits or Limits())


def asked(exchange: Exchange) -> Request:
    assert not isinstance(exchange.request, Absent)
    return exchange.request


def answered(exchange: Exchange) -> Response:
    assert not isinstance(exchange.response, Absent)
    return exchange.response


def codes(found: Parsed) -> list[str]:
    return [issue.code for issue in found.issues]


def one_request(*pieces: Piece) -> tuple[Request, list[str]]:
    found = parsed(list(pieces), [])
    return asked(found.exchanges[0]), [code for code in codes(found) if code != "http.no-response"]


def one_response(*pieces: Piece, request: bytes = GET) -> tuple[Response, list[str]]:
    found = parsed([request], list(pieces))
    return answered(found.exchanges[0]), codes(found)


def targets(*pieces: Piece) -> list[str]:
    return [asked(exchange).target for exchange in parsed(list(pieces), []).exchanges]


def test_a_start_line_and_its_fields() -> None:
    request, issues = one_request(b"POST /wsman?x=1 HTTP/1.1\r\nHost: srv01:5985\r\nX: \tspaced out \t\r\nX:again\r\n\r\n")
    assert (request.method, request.target, request.version) == ("POST", "/wsman?x=1", "HTTP/1.1")
    assert [(header.name, header.value) for header in request.headers] == [("Host", "srv01:5985"), ("X", "spaced out"), ("X", "again")]
    assert [header.at for header in request.headers] == [26, 44, 62]
    assert issues == []


def test_lines_that_end_with_a_bare_lf() -> None:
    request, issues = one_request(b"POST /wsman HTTP/1.1\nContent-Length: 2\n\nhi")
    assert (request.body.size, issues) == (2, [])


def test_a_folded_field_is_one_field() -> None:
    request, issues = one_request(b"GET / HTTP/1.1\r\nX-Long: one\r\n two\r\n\tthree\r\nY: z\r\n\r\n")
    assert [(header.name, header.value) for header in request.headers] == [("X-Long", "one two three"), ("Y", "z")]
    assert issues == ["http.malformed-header"]


@pytest.mark.parametrize("line", [b"no colon here\r\n", b": no name\r\n", b"Space : before\r\n"])
def test_odd_fields_do_no_harm(line: bytes) -> None:
    request, issues = one_request(b"GET / HTTP/1.1\r\n" + line + b"Host: h\r\n\r\n")
    assert request.headers[-1].value == "h"
    assert issues == ["http.malformed-header"]


def test_bytes_above_ascii_are_kept() -> None:
    request, _ = one_request(b"GET /\xe4\xff HTTP/1.1\r\nX: \xfc\r\n\r\n")
    assert request.target.encode("latin-1") == b"/\xe4\xff"
    assert request.headers[0].value.encode("latin-1") == b"\xfc"


def test_an_empty_line_before_a_request_is_passed_over() -> None:
    assert targets(GET, b"\r\n", GET) == ["/a", "/a"]


def test_pipelined_requests_in_one_segment() -> None:
    found = parsed([GET + GET.replace(b"/a", b"/b") + GET.replace(b"/a", b"/c")], [OK + OK, OK])
    assert [asked(exchange).target for exchange in found.exchanges] == ["/a", "/b", "/c"]
    assert [answered(exchange).status for exchange in found.exchanges] == [200] * 3


@pytest.mark.parametrize("size", [1, 2, 5, 17])
def test_segments_may_be_cut_anywhere(size: int) -> None:
    whole = GET + b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + GET
    assert targets(*(whole[at : at + size] for at in range(0, len(whole), size))) == ["/a", "/b", "/a"]


def test_chunks_are_joined() -> None:
    response, issues = one_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n 6 \r\n world\r\n0\r\nTrailer: t\r\n\r\n")
    assert (response.body.framing, response.body.size, response.body.starts, response.body.complete) == (Framing.CHUNKED, 11, b"hello world", True)
    assert issues == []


def test_a_hole_inside_of_a_chunk_does_no_harm() -> None:
    found = parsed([GET, GET], [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", 3, b"\r\n0\r\n\r\n" + OK])
    first, second = (answered(exchange) for exchange in found.exchanges)
    assert (first.body.size, first.body.missing, first.body.complete, second.body.size) == (5, 3, True, 0)
    assert isinstance(first.body.digest, Absent)


def test_a_hole_over_a_chunk_size_loses_the_framing_until_the_next_start_line() -> None:
    found = parsed([GET, GET], [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 6, b"rest of it\r\n0\r\n\r\n", OK])
    first, second = (answered(exchange) for exchange in found.exchanges)
    assert (first.body.size, first.body.complete) == (5, False)
    assert found.exchanges[0].quality == ("response_cut",)
    assert second.status == 200
    assert "http.lost-framing" in codes(found)


@pytest.mark.parametrize("size", [b"xyz", b"-1", b"", b"0x5"])
def test_a_chunk_size_that_is_none(size: bytes) -> None:
    response, issues = one_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nhello\r\n")
    assert not response.body.complete
    assert "http.bad-chunk" in issues


def test_a_chunk_size_near_the_end_of_numbers_reads_what_is_there() -> None:
    response, _ = one_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello")
    assert (response.body.size, response.body.complete) == (5, False)


def test_transfer_encoding_wins_over_content_length() -> None:
    request, issues = one_request(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert (request.body.framing, request.body.size) == (Framing.CHUNKED, 5)
    assert issues == ["http.framing-conflict"]


@pytest.mark.parametrize(
    ("lengths", "framing", "odd"),
    [
        (b"5\r\nContent-Length: 5", Framing.LENGTH, False),
        (b"5, 5", Framing.LENGTH, False),
        (b"5, 6", Framing.LENGTH, True),
        (b"-5", Framing.NONE, True),
        (b"5x", Framing.NONE, True),
    ],
)
def test_content_lengths(lengths: bytes, framing: Framing, odd: bool) -> None:  # noqa: FBT001
    request, issues = one_request(b"POST / HTTP/1.1\r\nContent-Length: " + lengths + b"\r\n\r\nhello")
    assert request.body.framing is framing
    assert ("http.framing-conflict" in issues) == odd


def test_a_hole_inside_of_a_body_of_known_length_does_no_harm() -> None:
    assert targets(b"POST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\nab", 5, b"cde" + GET) == ["/b", "/a"]


def test_a_body_that_ends_early_is_cut() -> None:
    found = parsed([b"POST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\nab"], [])
    assert (asked(found.exchanges[0]).body.complete, found.exchanges[0].quality) == (False, ("request_cut", "response_missing"))
    assert "http.body-unsent" in codes(found)


def test_a_body_whose_end_was_not_captured_is_cut_otherwise() -> None:
    found = parsed([b"POST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\nab", 3], [])
    assert "http.body-cut" in codes(found)
    assert "http.body-unsent" not in codes(found)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body(status: bytes) -> None:
    found = parsed([GET, GET], [b"HTTP/1.1 " + status + b"\r\nContent-Length: 100\r\n\r\n" + OK])
    assert [answered(exchange).body.size for exchange in found.exchanges] == [0, 0]
    assert answered(found.exchanges[0]).body.declared == 100


def test_the_answer_to_head_has_no_body() -> None:
    found = parsed([GET.replace(b"GET", b"HEAD"), GET], [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + OK])
    assert [answered(exchange).body.size for exchange in found.exchanges] == [0, 0]


def test_a_response_without_framing_runs_to_the_end() -> None:
    response, _ = one_response(b"HTTP/1.0 200 OK\r\n\r\nhello", b" world")
    assert (response.body.framing, response.body.size) == (Framing.TO_END, 11)


@pytest.mark.parametrize("start", [b"HTTP/1.1 401\r\n", b"HTTP/1.1 401 \r\n", b"HTTP/1.1  401  Not  you\r\n", b"HTTP/1.0 401 x\n"])
def test_status_lines(start: bytes) -> None:
    response, _ = one_response(start + b"Content-Length: 0\r\n\r\n")
    assert response.status == 401


def test_a_hole_in_a_head_keeps_what_was_before_it() -> None:
    found = parsed([b"POST /b HTTP/1.1\r\nHost: h\r\nAuth", 20, b"\r\n\r\n", GET], [])
    first, second = (asked(exchange) for exchange in found.exchanges)
    assert [header.name for header in first.headers] == ["Host"]
    assert found.exchanges[0].quality == ("request_cut", "response_missing")
    assert second.target == "/a"
    cut = next(issue for issue in found.issues if issue.code == "http.head-cut")
    assert cut.packet == 1  # the last one before the hole


def test_start_lines_are_looked_for_at_line_starts_too() -> None:
    assert targets(b"rubbish without end\r\nmore\r\n" + GET) == ["/a"]


def test_start_lines_may_run_over_segments_after_a_hole() -> None:
    assert targets(b"\x00\x01", 9, b"rest\r\nPOS", b"T /wsman HT", b"TP/1.1\r\nHost: h\r\n\r\n") == ["/wsman"]


def test_bytes_that_begin_no_message_are_an_issue() -> None:
    found = parsed([GET, b"\x16\x03\x01 whatever"], [])
    assert [asked(exchange).target for exchange in found.exchanges] == ["/a"]
    assert "http.extra-data" in codes(found)


def test_a_withheld_body_is_not_looked_for() -> None:
    """RFC 9110 section 10.1.1: refused before it was sent."""
    ask = b"POST /b HTTP/1.1\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n"
    found = parsed([ask, GET], [b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", OK])
    assert [(asked(exchange).target, answered(exchange).status) for exchange in found.exchanges] == [("/b", 401), ("/a", 200)]
    assert not asked(found.exchanges[0]).body.complete


def test_an_interim_response_is_no_answer() -> None:
    ask = b"POST /b HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    found = parsed([ask, b"hi", GET], [b"HTTP/1.1 100 Continue\r\n\r\n", OK, OK])
    assert [[interim.status for interim in exchange.interim] for exchange in found.exchanges] == [[100], []]
    assert [answered(exchange).status for exchange in found.exchanges] == [200, 200]


@pytest.mark.parametrize(("limits", "code"), [(Limits(headers=3), "http.limit"), (Limits(head_bytes=50), "http.limit"), (Limits(chunks=2), "http.limit")])
def test_limits_leave_an_issue(limits: Limits, code: str) -> None:
    many = b"".join(b"X-%d: y\r\n" % place for place in range(20))
    body = b"".join(b"1\r\nx\r\n" for _ in range(20))
    found = parsed([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + (b"" if limits.chunks == 2 else many) + b"\r\n" + body + b"0\r\n\r\n"], [], limits)
    assert len(found.exchanges) == 1
    assert code in codes(found)


def test_a_stream_of_line_starts_that_are_none_is_searched_quickly() -> None:
    found = parsed([b"\nPOST " * 200_000], [])
    assert found.exchanges == ()


def test_many_small_segments_without_a_start_are_searched_quickly() -> None:
    found = parsed([b"x"] * 50_000 + [GET], [])
    assert len(found.exchanges) == 1
