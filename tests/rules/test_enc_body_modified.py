from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Content, html, post, reply, sealed, soap
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Hop, far_leg, forwarded, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.body-modified"
SERVED = reply(200, content=soap("CreateResponse"))


def changed(content: Content) -> Content:
    return content._replace(body=content.body.replace(b"</s:Body>", b"<!-- --></s:Body>"))


def rewritten(lan: Wire) -> Hop:
    """A readable request that goes on with the same MessageID and another body."""
    asked = post(ABSOLUTE, basic(), content=soap())
    onward = post("/wsman", ("Via", "1.1 proxy"), basic(), content=changed(soap()))
    return proxied(near_leg(lan), far_leg(lan), asked, SERVED, onward=onward)


def test_a_readable_request_is_changed() -> None:
    lan = Wire()
    hop = rewritten(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.9)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x1", "c2.x1"))
    assert finding.attack == ("T1565.002", "T1557")
    assert names(finding, hop.near.asked, hop.far.asked)
    assert "1 message differs between the two sides of the proxy. The first is the request of c1.x1" in finding.why


def test_a_sealed_request_is_changed_that_rides_on_the_handshake() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    asked = post(ABSOLUTE, shake.credentials(1), content=sealed(0))
    onward = forwarded(asked)._replace(body=sealed(0).body.replace(b"session-encrypted", b"SESSION-ENCRYPTED"))
    proxied(near, far, asked, reply(200), onward=onward)
    assert judge(lan).one(RULE).exchanges == ("c1.x2", "c2.x2")


def test_a_response_is_changed() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, basic(), content=soap()), SERVED, back=reply(200, content=changed(soap("CreateResponse"))))
    assert "The first is the response of c1.x1" in judge(lan).one(RULE).why


def test_bodies_that_pass() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm(), content=sealed(0), last=reply(200, content=sealed(0, by="server")))
    proxied(near, far, post(ABSOLUTE, basic(), content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


def test_a_content_coding_changes_bytes_and_not_contents() -> None:
    lan = Wire()
    coded = SERVED._replace(body=b"\x1f\x8b" + SERVED.body[2:]).plus(("Content-Encoding", "gzip"))
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, basic(), content=soap()), SERVED, back=coded)
    assert judge(lan).found(RULE) == []


def test_an_error_page_of_the_proxy_is_its_own_response() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, basic(), content=soap()), SERVED, back=reply(502, content=html()))
    assert judge(lan).found(RULE) == []


def test_requests_joined_by_time_only_may_be_two() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, post(ABSOLUTE, content=sealed(0)), reply(200), onward=post("/wsman", ("Via", "1.1 proxy"), content=sealed(1)))
    assert judge(lan).found(RULE) == []


def test_a_body_that_was_not_wholly_captured() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    content = soap(size=4000)
    asked = post(ABSOLUTE, basic(), content=content).wire()
    near.send(asked[:1460])
    near.send(asked[1460:2920], captured=False)
    near.send(asked[2920:])
    far.exchange(post("/wsman", ("Via", "1.1 proxy"), basic(), content=changed(content)), SERVED)
    near.answer(SERVED)
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    rewritten(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
