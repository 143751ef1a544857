import pytest

from analyzer.records.finding import Severity
from tests.build.talk_proxy import ALICE, SERVER, WINRM_PORT, ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import SYN, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.icmp-error"
ROUTER = "10.10.1.254"


def knocked(lan: Wire, port: int, router: str, kind: int, code: int) -> tuple[int, int]:
    """A SYN, and what a router says of it."""
    return lan.unanswered(ALICE, port, SERVER, WINRM_PORT, tries=1), lan.icmp(router, kind, code)


def test_a_router_forbids_the_way() -> None:
    lan = Wire()
    asked = [knocked(lan, 50001, ROUTER, 3, 13), knocked(lan, 50002, ROUTER, 3, 13)]
    lan.wait(10)
    lan.refused(ALICE, 50999, SERVER, 445)

    done = judge(lan)
    finding = done.one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.95, "network")
    assert packets(finding) == [number for pair in asked for number in pair]
    assert names(finding, *asked[0])
    assert finding.title == "10.10.1.254 forbids packets to 10.20.2.20:5985 (ICMP)"
    assert "ICMP type 3 code 13, communication administratively prohibited" in finding.why
    assert "2 connections of 1 client" in finding.why
    assert "tcp.service-unreachable" not in done.rules


@pytest.mark.parametrize(
    ("router", "kind", "code", "words"),
    [
        (ROUTER, 3, 1, "host unreachable"),
        (ROUTER, 11, 0, "packets go in a circle"),
        (SERVER, 3, 3, "The server itself, or its firewall, refuses the port"),
        (SERVER, 3, 10, "The server's own firewall forbids it"),
    ],
)
def test_what_it_means(router: str, kind: int, code: int, words: str) -> None:
    lan = Wire()
    knocked(lan, 50001, router, kind, code)
    assert words in judge(lan).one(RULE).why


def test_a_way_that_works_a_moment_later_is_information() -> None:
    lan = Wire()
    knocked(lan, 50001, ROUTER, 3, 1)
    lan.wait(10)
    trip(direct(lan, port=50002), ask_sealed(0), sealed_reply(0))
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_a_connection_that_goes_on_is_information() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.send(ask_sealed(0))
    lan.icmp(ROUTER, 3, 0)
    talk.answer(sealed_reply(0))
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_a_damaged_quote_is_no_error() -> None:
    lan = Wire()
    lan.unanswered(ALICE, 50001, SERVER, WINRM_PORT, tries=1)
    talk = direct(lan, port=50002)
    lan._add(ROUTER, ALICE, b"\x03\x0d\0\0\0\0\0\0\x4f" + bytes(8) + b"\x06" + bytes(30), protocol=1)
    lan._add(ROUTER, ALICE, b"\x03\x0d\0\0\0\0\0\0" + bytes(20), protocol=1)
    lan.put(talk.client, talk.server, SYN)
    assert judge(lan).evidence.icmp == {}


def test_errors_about_other_traffic_are_none_of_ours() -> None:
    lan = Wire()
    lan.unanswered(ALICE, 50001, SERVER, 445, tries=1)
    lan.icmp(ROUTER, 3, 13)
    trip(direct(lan, port=50002), ask_sealed(0), sealed_reply(0))
    done = judge(lan)
    assert done.found(RULE) == []
    assert done.evidence.icmp == {}
