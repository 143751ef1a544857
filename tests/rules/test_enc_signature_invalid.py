from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.records.http import Request
from analyzer.records.sealing import Protection
from analyzer.records.transport import Gap, Stream
from analyzer.rules.enc.signature_invalid import OPINION
from analyzer.rules.telling import told
from tests.build.evidence import capture, connection, evidence, exchange, extents, messages

RULE = "enc.signature-invalid"
WRONG = "its signature does not agree with the context of c1.a1"


def stream(*, gaps: tuple[Gap, ...] = ()) -> Stream:
    return Stream(extents((0, 1000, 0, 1)), gaps, 1000)


def conversation(*checks: str, other: str | None = None, gaps: tuple[Gap, ...] = (), missing: int = 0) -> Evidence:
    """A connection whose sealed requests were found to be so; ``other``: the secret of those that are bad."""
    owner = connection(to_server=stream(gaps=gaps), to_client=stream())
    exchanges, bodies = [], []
    for place, check in enumerate(checks, start=1):
        one = exchange(owner, place, at_ms=10 * place)
        if isinstance(one.request, Request) and missing:
            one = replace(one, request=replace(one.request, body=replace(one.request.body, missing=missing)))
        exchanges.append(one)
        asked, answered = messages(one, Protection.SEALED, Protection.EMPTY)
        used = other if check == "bad" and other is not None else "alice"
        bodies += [replace(asked, check=check, secret=used, opened=check == "good", opened_detail=WRONG if check == "bad" else None), answered]
    return evidence([capture()], [owner], exchanges, bodies=bodies)


def test_one_message_of_a_connection_that_opens() -> None:
    (finding,) = told(OPINION, RULE, conversation("good", "good", "bad", "good"))
    assert (finding.rule, finding.severity, finding.confidence) == (RULE, Severity.HIGH, 0.8)
    assert finding.packets == (30, 32)
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x3",))
    assert finding.attack == ("T1565.002",)
    assert "3 encrypted messages could be decrypted, and 1 could not although the key is the same" in finding.why
    assert f"the request of c1.x3 (packet 30): {WRONG}" in finding.why


def test_all_wrong_messages_of_a_connection_are_one_finding() -> None:
    (finding,) = told(OPINION, RULE, conversation("good", "bad", "bad"))
    assert finding.exchanges == ("c1.x2", "c1.x3")


def test_a_secret_that_opens_nothing_is_the_wrong_secret() -> None:
    assert list(told(OPINION, RULE, conversation("bad", "bad"))) == []


def test_another_secret_opened_the_others() -> None:
    assert list(told(OPINION, RULE, conversation("good", "bad", other="bob"))) == []


def test_messages_that_all_open_or_were_not_tried() -> None:
    assert list(told(OPINION, RULE, conversation("good", "good"))) == []
    assert list(told(OPINION, RULE, conversation("none", "none"))) == []


def test_behind_a_hole_the_cipher_may_be_out_of_step() -> None:
    assert list(told(OPINION, RULE, conversation("good", "bad", gaps=(Gap(10, 5, "not_captured"),)))) == []


def test_a_body_with_missing_bytes() -> None:
    assert list(told(OPINION, RULE, conversation("good", "bad", missing=3))) == []
