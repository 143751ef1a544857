import struct
from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import TlsFacts
from analyzer.rules.auth.cbt_missing_or_broken import OPINION
from analyzer.rules.telling import told
from analyzer.settings import Limits, Scope
from tests.build.talk_http import offer, post, reply
from tests.build.talk_proxy import Trip, direct, far_leg, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import Shake, handmade
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3, ntlmv2_response

RULE = "auth.cbt-missing-or-broken"
SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
USER = "alice".encode("utf-16-le")
OWN, OTHER = b"\x11" * 16, b"\x22" * 16
NONE = bytes(16)


def shake(binding: bytes | None) -> Shake:
    """A handshake whose response carries that channel binding (None: no such pair)."""
    pairs = b"" if binding is None else struct.pack("<HH", 10, 16) + binding
    return handmade(ntlm1(), ntlm2(), ntlm3(USER, nt=ntlmv2_response(pairs + bytes(4))))


def logon(lan: Wire, binding: bytes | None, *, refused: bool = False, port: int = 50001) -> Trip:
    made = shake(binding)
    talk = direct(lan, port=port)
    trip(talk, post("/wsman", made.credentials(0)), made.challenge())
    return trip(talk, post("/wsman", made.credentials(1)), offer("Negotiate") if refused else reply(200))


def inside_tls(evidence: Evidence, **bindings: bytes | None) -> Evidence:
    """The evidence as it is when these connections are opened TLS with certificates of these channel bindings."""
    connections = {
        identity: replace(found, protocol="tls", tls_opened=True, tls=TlsFacts(None, None, 0x0304, None, None, None, channel_binding=bindings[identity]))
        if identity in bindings
        else found
        for identity, found in evidence.connections.items()
    }
    conversations = tuple(replace(found, over_tls=found.connection in bindings) for found in evidence.conversations)
    return replace(evidence, connections=connections, conversations=conversations)


def one(evidence: Evidence) -> Finding:
    (found,) = told(OPINION, RULE, evidence)
    return found


@pytest.mark.parametrize(("refused", "severity"), [(True, Severity.HIGH), (False, Severity.MEDIUM)])
def test_the_binding_of_another_certificate(refused: bool, severity: Severity) -> None:  # noqa: FBT001
    lan = Wire()
    found = logon(lan, OTHER, refused=refused)

    finding = one(inside_tls(judge(lan).evidence, c1=OWN))

    assert (finding.rule, finding.severity, finding.confidence) == (RULE, severity, 1.0)
    assert packets(finding) == [found.asked]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x2",))
    assert finding.attack == ("T1557",)
    assert names(finding, found.asked)
    assert f"the channel binding {OTHER.hex()}, where the certificate of this connection asks for {OWN.hex()}" in finding.why
    assert f"The server {'refused' if refused else 'accepted'} it." in finding.why


@pytest.mark.parametrize("binding", [None, NONE])
@pytest.mark.parametrize(("refused", "severity", "confidence"), [(True, Severity.MEDIUM, 0.6), (False, Severity.LOW, 1.0)])
def test_no_binding(binding: bytes | None, refused: bool, severity: Severity, confidence: float) -> None:  # noqa: FBT001
    lan = Wire()
    logon(lan, binding, refused=refused)
    finding = one(inside_tls(judge(lan).evidence, c1=OWN))
    assert (finding.severity, finding.confidence, finding.attack) == (severity, confidence, ())
    assert "carries no channel binding" in finding.why


def test_the_right_binding() -> None:
    lan = Wire()
    logon(lan, OWN)
    assert list(told(OPINION, RULE, inside_tls(judge(lan).evidence, c1=OWN))) == []


def test_a_certificate_that_is_not_in_the_capture_tells_nothing_of_a_binding() -> None:
    lan = Wire()
    logon(lan, OTHER)
    evidence = judge(lan).evidence
    assert list(told(OPINION, RULE, inside_tls(evidence, c1=None))) == []


def test_outside_of_tls_nothing_is_bound() -> None:
    lan = Wire()
    logon(lan, OTHER)
    logon(lan, None, port=50002)
    assert judge(lan).found(RULE) == []


def test_accepted_and_refused_are_two_findings_and_many_logons_are_one() -> None:
    lan = Wire()
    logon(lan, OTHER)
    logon(lan, OTHER, port=50002)
    logon(lan, OTHER, port=50003, refused=True)
    found = list(told(OPINION, RULE, inside_tls(judge(lan).evidence, c1=OWN, c2=OWN, c3=OWN)))
    assert [(finding.severity, finding.connections) for finding in found] == [(Severity.MEDIUM, ("c1", "c2")), (Severity.HIGH, ("c3",))]
    assert "2 NTLM responses of alice" in found[0].why
    assert "carry the channel binding" in found[0].why


def test_a_proxy_that_shows_a_certificate_of_its_own() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), shake(OTHER))
    finding = one(inside_tls(judge(lan).evidence, c1=OTHER, c2=OWN))
    assert finding.connections == ("c2", "c1")
    assert "that of the certificate that the client was shown on c1 (10.10.1.11:50001 to 10.10.1.1:3128)" in finding.why


def test_a_missing_one_counts_once_though_it_passes_two_legs() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), shake(None))
    assert one(inside_tls(judge(lan).evidence, c1=OTHER, c2=OWN)).connections == ("c1",)


def opened(sample: str) -> Judged:
    folder = SAMPLES / sample
    (capture,) = folder.glob("capture.pcap*")
    done = run([str(capture)], Limits(), Scope(), secrets=load(str(folder / "secrets.toml")))
    done.sources.close()
    return Judged(done.result.evidence, done.result.findings)


@pytest.mark.parametrize("sample", ["https-direct", "squid-connect-https", "tls-ended-at-proxy"])
def test_real_clients_bind_to_the_certificate_that_they_see(sample: str) -> None:
    judged = opened(sample)
    assert any(found.channel_binding for found in judged.evidence.conversations)
    assert judged.found(RULE) == []


def test_a_real_proxy_that_opens_tls() -> None:
    finding = opened("https-intercepted-by-proxy").one(RULE)
    assert (finding.severity, finding.connections) == (Severity.MEDIUM, ("c2", "c1.t"))
