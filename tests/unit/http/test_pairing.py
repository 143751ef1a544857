"""Which response answers which request, where some are lost; and CONNECT, which ends HTTP on its connection."""

from analyzer.http.exchanges import Parsed, parse
from analyzer.records.quality import Absent
from analyzer.settings import Limits
from tests.build.streams import Piece, talk

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CONNECT = b"CONNECT srv01:5986 HTTP/1.1\r\n\r\n"
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
DEMAND = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def get(name: str) -> bytes:
    return b"GET /%s HTTP/1.1\r\n\r\n" % name.encode()


def reply(status: int) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status


SIZE = len(get("a"))
BACK = len(reply(200))


def parsed(to_server: list[Piece], to_client: list[Piece], acked: list[int]) -> Parsed:
    """``acked``: how much of the client's stream the server had received with each of its pieces."""
    connection, fetch = talk(to_server, to_client, server_acked=acked)
    return parse(connection, fetch, Limits())


def shown(found: Parsed) -> list[tuple[str | None, int | None]]:
    """(target, status) of each exchange, None for what is absent."""
    rows = []
    for exchange in found.exchanges:
        target = None if isinstance(exchange.request, Absent) else exchange.request.target
        rows.append((target, None if isinstance(exchange.response, Absent) else exchange.response.status))
    return rows


def test_first_to_first() -> None:
    found = parsed([get("a"), get("b")], [reply(200), reply(404)], [SIZE, 2 * SIZE])
    assert shown(found) == [("/a", 200), ("/b", 404)]


def test_a_lost_response_leaves_its_request_alone() -> None:
    found = parsed([get("a"), get("b"), get("c")], [reply(200), BACK, reply(404)], [SIZE, 3 * SIZE])
    assert shown(found) == [("/a", 200), ("/b", None), ("/c", 404)]


def test_the_first_response_may_be_lost() -> None:
    found = parsed([get("a"), get("b")], [BACK, reply(404)], [2 * SIZE])
    assert shown(found) == [("/a", None), ("/b", 404)]


def test_a_lost_request_leaves_its_response_alone() -> None:
    found = parsed([get("a"), SIZE, get("c")], [reply(200), reply(404), reply(500)], [SIZE, 2 * SIZE, 3 * SIZE])
    assert shown(found) == [("/a", 200), (None, 404), ("/c", 500)]
    assert "http.orphan-response" in [issue.code for issue in found.issues]


def test_the_first_request_may_be_lost() -> None:
    found = parsed([SIZE, get("b")], [reply(200), reply(404)], [SIZE, 2 * SIZE])
    assert shown(found) == [(None, 200), ("/b", 404)]


def test_a_response_after_a_hole_may_answer_a_request_that_is_lost_too() -> None:
    found = parsed([get("a"), get("b"), SIZE], [reply(200), BACK, reply(404)], [SIZE, 3 * SIZE])
    assert shown(found) == [("/a", 200), ("/b", None), (None, 404)]


def test_responses_alone() -> None:
    found = parsed([2 * SIZE], [reply(200), reply(404)], [SIZE, 2 * SIZE])
    assert shown(found) == [(None, 200), (None, 404)]


def test_requests_alone() -> None:
    found = parsed([get("a"), get("b")], [], [])
    assert shown(found) == [("/a", None), ("/b", None)]
    assert [exchange.quality for exchange in found.exchanges] == [("response_missing",)] * 2


def test_connect_opens_a_tunnel() -> None:
    found = parsed([CONNECT, HELLO], [OPEN, b"\x16\x03\x03"], [len(CONNECT), len(CONNECT) + len(HELLO)])
    assert shown(found) == [("srv01:5986", 200)]
    assert found.tunnel is not None
    assert (found.tunnel.client_at, found.tunnel.server_at, found.tunnel.protocol) == (len(CONNECT), len(OPEN), "tls")


def test_connect_after_a_demand_opens_a_tunnel() -> None:
    found = parsed([CONNECT, CONNECT, HELLO], [DEMAND, OPEN], [len(CONNECT), 2 * len(CONNECT)])
    assert shown(found) == [("srv01:5986", 407), ("srv01:5986", 200)]
    assert found.tunnel is not None
    assert found.tunnel.client_at == 2 * len(CONNECT)


def test_a_refused_connect_opens_none() -> None:
    found = parsed([CONNECT], [reply(503)], [len(CONNECT)])
    assert (shown(found), found.tunnel) == ([("srv01:5986", 503)], None)


def test_requests_to_the_proxy_after_a_refused_connect_are_its_own() -> None:
    plain = b"GET http://other/ HTTP/1.1\r\n\r\n"
    found = parsed([CONNECT, plain], [reply(403), OK], [len(CONNECT), len(CONNECT) + len(plain)])
    assert (shown(found), found.tunnel) == ([("srv01:5986", 403), ("http://other/", 200)], None)


def test_http_in_a_tunnel_is_told_from_its_first_bytes() -> None:
    for start in (get("wsman"), b"\r\n" + get("wsman")):
        found = parsed([CONNECT, start], [OPEN, OK], [len(CONNECT), len(CONNECT) + len(start)])
        assert found.tunnel is not None
        assert found.tunnel.protocol == "http"


def test_a_tunnel_whose_opening_answer_is_lost() -> None:
    found = parsed([CONNECT, get("wsman")], [len(OPEN), OK], [len(CONNECT) + len(get("wsman"))])
    assert shown(found) == [("srv01:5986", None)]
    assert found.tunnel is not None
    assert (found.tunnel.client_at, found.tunnel.server_at, found.tunnel.protocol) == (len(CONNECT), 0, "http")


def test_a_tunnel_of_which_only_the_clients_side_was_captured() -> None:
    found = parsed([CONNECT, HELLO], [], [])
    assert found.tunnel is not None
    assert found.tunnel.protocol == "tls"


def test_a_connect_that_is_sent_again_is_no_tunnel() -> None:
    found = parsed([CONNECT, CONNECT], [], [])
    assert found.tunnel is None
    assert shown(found) == [("srv01:5986", None)] * 2


def test_pipelined_requests_around_a_hole_are_not_paired_by_guess() -> None:
    """All three were under way when the first answer was lost: nothing tells which of them the next one answers."""
    connection, fetch = talk([get("a") + get("b"), get("c")], [BACK, reply(200), reply(404)], client_acked=[0, 0], server_acked=[3 * SIZE, 3 * SIZE])
    assert shown(parse(connection, fetch, Limits())) == [("/a", None), ("/b", None), ("/c", None), (None, 200), (None, 404)]


def test_requests_that_waited_for_their_answers_are_paired_around_a_hole() -> None:
    connection, fetch = talk([get("a"), get("b")], [BACK, reply(404)], client_acked=[0, BACK], server_acked=[2 * SIZE])
    assert shown(parse(connection, fetch, Limits())) == [("/a", None), ("/b", 404)]


def test_a_hole_before_an_interim_response_is_one_before_the_final_one() -> None:
    found = parsed([get("a"), SIZE, b"rest of the body"], [BACK, b"HTTP/1.1 100 Continue\r\n\r\n", reply(404)], [2 * SIZE, 2 * SIZE + 16])
    assert shown(found) == [("/a", None), (None, 404)]


def test_an_answer_after_a_hole_may_be_that_to_the_second_connect() -> None:
    connection, fetch = talk(
        [CONNECT, CONNECT, HELLO], [len(DEMAND), OPEN], client_acked=[0, len(DEMAND), len(DEMAND) + len(OPEN)], server_acked=[2 * len(CONNECT)]
    )
    found = parse(connection, fetch, Limits())
    assert shown(found) == [("srv01:5986", None), ("srv01:5986", 200)]
    assert found.tunnel is not None
    assert (found.tunnel.client_at, found.tunnel.server_at) == (2 * len(CONNECT), len(DEMAND) + len(OPEN))
