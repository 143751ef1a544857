from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, Field, post, reply, sealed
from tests.build.talk_proxy import ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.desync-indicator"
CHUNKED = ("Transfer-Encoding", "chunked")
BODY = sealed(0).body
CHUNKS = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"


def framed(*fields: Field, body: bytes = CHUNKS) -> bytes:
    """A sealed request with these fields for its length."""
    return post(WSMAN, content=sealed(0)).without("Content-Length").plus(*fields)._replace(body=body).wire()


def test_a_request_with_both_fields() -> None:
    lan = Wire()
    talk = direct(lan)
    asked, answered = talk.exchange(framed(("Content-Length", "5"), CHUNKED), sealed_reply(0))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert packets(finding) == [asked, answered]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, asked)
    assert "The first is the request of c1.x1" in finding.why
    assert "Content-Length: 5, Transfer-Encoding: chunked" in finding.why


def test_two_lengths_that_differ() -> None:
    lan = Wire()
    direct(lan).exchange(framed(("Content-Length", str(len(BODY))), ("Content-Length", "3"), body=BODY), reply(200))
    assert f"Content-Length: {len(BODY)}, Content-Length: 3" in judge(lan).one(RULE).why


def test_a_response_counts_as_well() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0).plus(CHUNKED)._replace(body=CHUNKS))
    assert "The first is the response of c1.x1" in judge(lan).one(RULE).why


def test_one_way_or_the_same_length_twice() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    talk.exchange(framed(CHUNKED), sealed_reply(1))
    talk.exchange(framed(("Content-Length", str(len(BODY))), ("Content-Length", str(len(BODY))), body=BODY), sealed_reply(2))
    assert judge(lan).found(RULE) == []
