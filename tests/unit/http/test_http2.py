"""HTTP/2 is read inside of TLS, after an upgrade, and from a connection's beginning; no bytes raise, and what is whole before a hole stays."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.formats.reader import Reader
from analyzer.http.http2 import Start, parse
from analyzer.http.http2_adapter import frame
from analyzer.records.evidence import Evidence
from analyzer.records.http import Request, Response
from analyzer.settings import Limits, Scope
from tests.build import talk_tls
from tests.build.streams import talk as carried
from tests.build.talk_http import post, reply, soap
from tests.build.talk_http2 import HTTP_1_1_REQUIRED, PREFACE, Side, data, goaway, reset
from tests.build.talk_tls import TLS12, TLS13, client, paper, server, shake
from tests.build.talks import Wire

BODY = soap().body
NEGOTIATE = ("www-authenticate", "Negotiate")
RULE = "http.h2-with-connection-auth"


def read(path: Path, keylog: Path | None = None, *, all_http: bool = False) -> tuple[Evidence, list[str]]:
    done = run([str(path)], Limits(), Scope(all_http=all_http), secrets=load(None, [] if keylog is None else [str(keylog)]))
    whys = [finding.why for finding in done.result.findings if finding.rule == RULE]
    done.sources.close()
    return done.result.evidence, whys


def halves(evidence: Evidence, identity: str) -> tuple[Request, Response]:
    exchange = evidence.exchanges[identity]
    assert isinstance(exchange.request, Request)
    assert isinstance(exchange.response, Response)
    return exchange.request, exchange.response


def session() -> tuple[bytes, bytes]:
    """What both sides say: a request that is refused, one that is answered, and one whose stream is ended."""
    near, far = Side(), Side()
    asked = near.begin(client=True) + near.post(1, body=BODY, pieces=3) + near.post(3, "/wsman", ("x-more", "1"), body=BODY)
    asked += near.post(5, "/wsman", ("authorization", "Negotiate TlRMTVNTUAABAAAA"))
    answered = far.begin(client=False) + far.reply(1, 401, NEGOTIATE) + far.reply(3, 200, ("content-type", "application/soap+xml"), body=BODY)
    return asked, answered + reset(5) + goaway()


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_requests_inside_of_tls(version: talk_tls.Version, tmp_path: Path) -> None:
    lan = Wire()
    own = paper()
    near, far = client(version, trusts=own), server(own, version)
    near.keylog_filename = str(tmp_path / "keys")
    for context in (near, far):
        context.set_alpn_protocols(["h2"])
    talk = lan.connect("10.10.1.11", 50001, "10.20.2.20", 5986)
    shaken = shake(talk, near, far)
    asked, answered = session()
    at = talk_tls.exchange(talk, shaken, asked, answered)
    evidence, whys = read(lan.capture(tmp_path / "wire.pcap"), tmp_path / "keys")
    request, response = halves(evidence, "c1.x1")
    assert (request.method, request.target, request.version, response.status) == ("POST", "/wsman", "HTTP/2", 401)
    assert [(header.name, header.value) for header in request.headers][:2] == [("host", "srv01.lab.example:5986"), ("content-length", str(len(BODY)))]
    assert request.body.complete
    assert request.body.size == len(BODY)
    assert request.packets == (at[0],) or len(request.packets) >= 1
    assert halves(evidence, "c1.x2")[1].status == 200
    assert evidence.exchanges["c1.x3"].stream_error == "HTTP_1_1_REQUIRED"
    assert evidence.messages["c1.x2.q"].action is not None
    (why,) = whys
    assert "ended 1 stream with HTTP_1_1_REQUIRED" in why
    closed, _ = read(lan.capture(tmp_path / "wire.pcap"))
    assert closed.connections["c1"].protocol == "tls"


def test_after_an_upgrade_in_clear(tmp_path: Path) -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.20.2.20", 5985)
    far, near = Side(), Side()
    asked = post("/wsman", ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"), content=soap())
    talk.send(asked)
    talk.answer(reply(101, ("Connection", "Upgrade"), ("Upgrade", "h2c")).wire() + far.begin(client=False) + far.reply(1, 401, NEGOTIATE))
    talk.exchange(near.begin(client=True) + near.post(3, body=BODY), far.reply(3, 200, body=BODY))
    evidence, whys = read(lan.capture(tmp_path / "wire.pcap"))
    request, response = halves(evidence, "c1.x1")
    assert (request.version, response.version, response.status) == ("HTTP/1.1", "HTTP/2", 401)
    request, response = halves(evidence, "c1.x2")
    assert (request.version, request.target, response.status) == ("HTTP/2", "/wsman", 200)
    assert len(whys) == 1


def stream_of(asked: bytes, answered: bytes, folder: Path) -> Evidence:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.20.2.20", 5985)
    talk.exchange(asked, answered)
    return read(lan.capture(folder / "wire.pcap"))[0]


@given(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=40))
def test_no_bytes_raise_and_what_came_before_stays(tmp_path: Path, cut: int, at: int, noise: bytes) -> None:
    asked, answered = session()
    whole = parse(*carried([asked], [answered]), Limits(), Start())
    assert [exchange.position for exchange in whole.exchanges] == [1, 2, 3]
    damaged = asked[: len(asked) - cut], answered[:at] + noise + answered[at:]
    made, fetch = carried([damaged[0]], [damaged[1]])
    found = parse(made, fetch, Limits(), Start())
    assert len(found.exchanges) <= 4
    assert Reader(made.to_server, fetch).stream.size == len(damaged[0])
    for exchange, known in zip(found.exchanges, whole.exchanges, strict=False):
        if isinstance(exchange.request, Request) and isinstance(known.request, Request) and exchange.request.body.complete:
            assert exchange.request.target == known.request.target


def test_padding_trailers_and_unknown_frames() -> None:
    near, far = Side(), Side()
    asked = near.begin(client=True) + near.head(1, (":method", "POST"), (":path", "/wsman"), padding=7)
    asked += data(1, b"<s:", end=False, padding=9) + b"\x00\x00\x02\xee\x00\x00\x00\x00\x01xx" + data(1, b"Envelope/>", end=False)
    asked += near.head(1, ("x-trailer", "1"), end=True)
    answered = far.begin(client=False) + far.head(1, (":status", "100")) + far.reply(1, 200, body=b"yes")
    made, fetch = carried([asked], [answered])
    (exchange,) = parse(made, fetch, Limits(), Start()).exchanges
    assert isinstance(exchange.request, Request)
    assert isinstance(exchange.response, Response)
    assert exchange.request.body.starts == b"<s:Envelope/>"
    assert exchange.request.body.complete
    assert [interim.status for interim in exchange.interim] == [100]
    assert exchange.response.status == 200


def test_a_hole_ends_a_direction_and_is_said() -> None:
    asked, answered = session()
    made, fetch = carried([asked[:-20] + bytes(30)], [answered])
    found = parse(made, fetch, Limits(), Start())
    assert [issue.code for issue in found.issues] == ["http.lost-framing"]
    assert len(found.exchanges) == 3
    limited = parse(*carried([asked], [answered]), Limits(http2_frames=2), Start())
    assert {issue.code for issue in limited.issues} == {"http.limit"}


def test_the_error_is_told_by_name() -> None:
    made = frame(reset(1)[:9], reset(1)[9:])
    assert made is not None
    assert (made.error, HTTP_1_1_REQUIRED) == ("HTTP_1_1_REQUIRED", 13)
    assert frame(PREFACE[:9], PREFACE[9:]) is None
