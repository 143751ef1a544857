from pathlib import Path

from msgspec.structs import replace

from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.rules.affinity.context_mismatch import OPINION
from analyzer.rules.telling import told
from analyzer.settings import Limits, Scope
from tests.build.talk_http import ABSOLUTE, reply
from tests.build.talk_proxy import BOB, UPSTREAM_LEG, Hop, ask_sealed, far_leg, near_leg, proxied, proxied_handshake, sealed_reply
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge, names, packets

RULE = "affinity.context-mismatch"
SAMPLES = Path(__file__).parents[2] / "sample_pcaps"


def opened(evidence: Evidence, secrets: dict[str, str]) -> Evidence:
    """The evidence as it is when these requests (by exchange) open with these secrets."""
    messages = {
        identity: replace(found, opened=True, check="good", secret=secrets[found.exchange]) if found.from_client and found.exchange in secrets else found
        for identity, found in evidence.messages.items()
    }
    return replace(evidence, messages=messages)


def mixed() -> tuple[Wire, Hop]:
    """Alice and Bob log on, each on an upstream connection; Bob's second request goes over Alice's."""
    lan = Wire()
    alice, bob, far, other = near_leg(lan), near_leg(lan, BOB, 50002), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(alice, far, ntlm())
    proxied_handshake(bob, other, ntlm("bob"))
    proxied(alice, far, ask_sealed(0, ABSOLUTE, by="alice"), sealed_reply(0))
    proxied(bob, other, ask_sealed(0, ABSOLUTE, by="bob"), sealed_reply(0))
    return lan, proxied(bob, far, ask_sealed(1, ABSOLUTE, by="bob"), reply(400))


OWN = {"c1.x4": "a", "c3.x4": "a", "c2.x4": "b", "c4.x4": "b", "c2.x5": "b"}
"""Connections in order of their first packet: Alice, Bob, and the proxy's two."""


def test_bobs_request_on_alices_connection() -> None:
    lan, hop = mixed()
    evidence = judge(lan).evidence
    (finding,) = told(OPINION, RULE, opened(evidence, {**OWN, "c3.x5": "b"}))
    assert (finding.rule, finding.severity, finding.confidence) == (RULE, Severity.CRITICAL, 0.95)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert (finding.connections, finding.exchanges) == (("c3", "c2"), ("c3.x5", "c2.x5"))
    assert finding.user == "LAB\\bob"
    assert names(finding, hop.far.asked)
    assert "was logged on as LAB\\alice. 1 encrypted request on it can be decrypted with the key of LAB\\bob only" in finding.why


def test_requests_that_open_with_their_own_users_secret() -> None:
    evidence = judge(mixed()[0]).evidence
    assert list(told(OPINION, RULE, opened(evidence, OWN))) == []


def test_one_secret_for_both_users_tells_nothing() -> None:
    evidence = judge(mixed()[0]).evidence
    assert list(told(OPINION, RULE, opened(evidence, {**dict.fromkeys(OWN, "a"), "c3.x5": "a"}))) == []


def test_without_secrets_nothing_is_said() -> None:
    assert judge(mixed()[0]).found(RULE) == []


def test_the_upstream_leg_alone_does_not_say_whose_a_secret_is() -> None:
    evidence = judge(mixed()[0], hosts=UPSTREAM_LEG).evidence
    assert list(told(OPINION, RULE, opened(evidence, {"c1.x4": "a", "c2.x4": "b", "c1.x5": "b"}))) == []


def with_secrets(sample: str) -> Judged:
    folder = SAMPLES / sample
    done = run([str(folder / "capture.pcap")], Limits(), Scope(), secrets=load(str(folder / "secrets.toml")))
    done.sources.close()
    return Judged(done.result.evidence, done.result.findings)


def test_a_proxy_that_swaps_two_clients_is_convicted_by_the_signatures() -> None:
    found = with_secrets("badproxy-swap-sealed").found(RULE)
    assert {(finding.connections[0], finding.user) for finding in found} == {("c2", "LAB\\bob"), ("c4", "LAB\\alice")}


def test_a_healthy_proxy_with_three_clients() -> None:
    judged = with_secrets("squid-ntlm-healthy")
    assert any(found.opened for found in judged.evidence.messages.values())
    assert judged.found(RULE) == []
