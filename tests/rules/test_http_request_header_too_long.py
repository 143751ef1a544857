import pytest

from analyzer.records.finding import Severity
from analyzer.records.halves import request
from analyzer.rules.http._answers import head_bytes
from tests.build.talk_http import ABSOLUTE, html, post, reply
from tests.build.talk_proxy import direct, near_leg, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.request-header-too-long"


TICKET = ("Authorization", "Negotiate " + "YIIJ" * 6000)
PAGE = html("<HTML><HEAD><TITLE>Bad Request - Request Too Long</TITLE></HEAD><BODY><h2>Bad Request</h2></BODY></HTML>")


def test_the_page_of_windows_web_server() -> None:
    lan = Wire()
    one = trip(direct(lan), post("/wsman", TICKET), reply(400, content=PAGE))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding)[-1] == one.answered
    assert names(finding, one.answered)
    assert 'Its page says "Bad Request - Request Too Long".' in finding.why
    assert "the token in Authorization is 18,000 bytes" in finding.why
    assert "Its credentials were not examined." in finding.why
    assert "MaxFieldLength" in finding.advice
    assert "proxy" not in finding.why + finding.advice


@pytest.mark.parametrize(
    "page",
    [
        "<title>400 Request Header Or Cookie Too Large</title>",
        "Size of a request header field exceeds server limit.",
        "Request header is too large",
    ],
)
def test_the_pages_of_other_products(page: str) -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", TICKET), reply(400, content=html(page)).without("Server"))
    assert RULE in judge(lan).rules


def test_431_of_a_proxy() -> None:
    lan = Wire()
    trip(
        near_leg(lan),
        post(ABSOLUTE, TICKET),
        reply(431, ("Via", "1.1 proxy")).without("Server").plus(("Server", "nginx")),
    )
    assert "large_client_header_buffers" in judge(lan).one(RULE).advice


@pytest.mark.parametrize(("size", "found"), [(16_100, False), (16_400, True)])
def test_a_bare_400_above_the_default_limit(size: int, *, found: bool) -> None:
    lan = Wire()
    trip(direct(lan), post("/wsman", ("Authorization", "Negotiate " + "A" * size)), reply(400))
    findings = judge(lan).found(RULE)
    assert bool(findings) is found
    assert all(finding.confidence == 0.7 for finding in findings)


@pytest.mark.parametrize(("over", "found"), [(0, False), (1, True)])
def test_the_default_limit_itself_is_no_excess(over: int, *, found: bool) -> None:
    """MaxFieldLength and MaxRequestBytes are 16,384 bytes, which HTTP.sys still takes."""
    empty = Wire()
    trip(direct(empty), post("/wsman", ("Authorization", "Negotiate A")), reply(400))
    (exchange,) = judge(empty).evidence.exchanges.values()
    asked = request(exchange)
    assert asked is not None
    lan = Wire()
    trip(direct(lan), post("/wsman", ("Authorization", "Negotiate " + "A" * (16_385 + over - head_bytes(asked)))), reply(400))
    assert bool(judge(lan).found(RULE)) is found


def test_a_400_for_another_reason() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(400, content=html("<title>Bad Request</title>")))
    assert judge(lan).found(RULE) == []
