import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import offer, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, direct, far_leg, handshake, near_leg, proxied_handshake
from tests.build.talk_tokens import Shake, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import live_tokens

RULE = "auth.credssp-delegation"


def at_version(token: bytes, version: bytes) -> bytes:
    """TLS records that all name that version in their headers (RFC 8446 section 5.1)."""
    made, at = b"", 0
    while at < len(token):
        size = 5 + int.from_bytes(token[at + 3 : at + 5], "big")
        made += token[at : at + 1] + version + token[at + 3 : at + size]
        at += size
    return made


def credssp(version: bytes = b"\x03\x03") -> Shake:
    """A live CredSSP handshake; the server's records name that version."""
    tokens = live_tokens("credssp")
    client, server = tokens[0::2], [at_version(token, version) for token in tokens[1::2]]
    return Shake("CredSSP", client, (*server, *([b""] * (len(client) - len(server)))))


def test_a_direct_logon_is_worth_knowing() -> None:
    lan = Wire()
    trips = handshake(direct(lan), credssp())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.9)
    assert trips[-1].asked in packets(finding)
    assert finding.connections == ("c1",)
    assert finding.exchanges == (f"c1.x{len(trips)}",)
    assert names(finding, packets(finding)[0])
    assert "1 CredSSP logon of 10.10.1.11" in finding.why
    assert "the inner TLS at version TLS 1.2" in finding.why


def test_through_a_proxy_it_is_low() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), credssp())
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.connections) == (Severity.LOW, ("c1",))
    assert "through a proxy" in finding.why
    for hosts in (CLIENT_LEG, UPSTREAM_LEG):
        assert judge(lan, hosts=hosts).one(RULE).severity is Severity.LOW


@pytest.mark.parametrize("version", [b"\x03\x01", b"\x03\x02"])
def test_old_tls_inside(version: bytes) -> None:
    lan = Wire()
    handshake(direct(lan), credssp(version))
    assert judge(lan).one(RULE).severity is Severity.MEDIUM


def test_a_logon_that_is_refused_gives_nothing_away() -> None:
    lan = Wire()
    handshake(direct(lan), credssp(), last=offer("CredSSP"))
    assert judge(lan).found(RULE) == []


def test_other_schemes() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), last=reply(200))
    assert judge(lan).found(RULE) == []
