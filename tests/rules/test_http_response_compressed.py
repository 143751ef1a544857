import gzip
import zlib

import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Reply, html, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, forwarded, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.response-compressed"


def packed(answer: Reply, coding: str = "gzip") -> Reply:
    """The same response, compressed on its way."""
    body = gzip.compress(answer.body, mtime=0) if coding == "gzip" else zlib.compress(answer.body)
    return answer.without("Content-Length").plus(("Content-Encoding", coding), ("Content-Length", str(len(body))))._replace(body=body)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_the_proxy_compresses(coding: str) -> None:
    lan = Wire()
    hop = proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0), back=packed(sealed_reply(0), coding))

    judged = judge(lan)
    finding = judged.one(RULE)

    assert finding.title == f"Proxy 10.10.1.1 compresses WinRM responses ({coding})"
    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert set(packets(finding)) == {hop.near.asked, hop.near.answered, hop.far.answered}
    assert names(finding, hop.near.answered, hop.far.answered)
    assert "The client had not offered this coding" in finding.why
    assert "enc.framing-nonconformant" not in judged.rules
    message = judged.evidence.messages["c1.x1.s"]
    assert (message.codings, len(message.parts)) == ((coding,), 1)


def test_a_coding_that_cannot_be_undone_is_named_all_the_same() -> None:
    lan = Wire()
    answer = sealed_reply(0).plus(("Content-Encoding", "br"))
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0), back=answer)
    judged = judge(lan)
    assert "(br)" in judged.one(RULE).title
    assert "enc.framing-nonconformant" not in judged.rules


def test_a_client_that_offered_the_coding_reads_it() -> None:
    lan = Wire()
    asked = ask_sealed(0, ABSOLUTE).plus(("Accept-Encoding", "gzip, deflate"))
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(0), onward=forwarded(asked), back=packed(sealed_reply(0)))
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_one_side_only() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), packed(sealed_reply(0)))
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.7
    assert finding.title == "WinRM responses arrive compressed (gzip)"


def test_a_page_may_be_compressed() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), packed(reply(404, content=html("<title>Not Found</title>"))))
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert 'Its page says "Not Found".' in judged.one("http.path-not-found").why


def test_sldc_is_winrm_s_own() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0).plus(("Content-Encoding", "SLDC")))
    assert judge(lan).found(RULE) == []


def test_an_answer_as_it_was_sent() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0))
    assert judge(lan).found(RULE) == []
