"""What every rule of the catalogue promises: its document, its names, a test of its own; and what the sample captures say about all of them together."""

import importlib
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from analyzer.records.finding import Quotation, Severity
from analyzer.rules.catalogue import Rule, rules
from analyzer.rules.scorecard import REQUIREMENTS
from tests.rules.judging import Judged, judge_files

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
HEADINGS = ("Detects", "Impact", "False positives", "Requires", "References")
UNALARMING = (Severity.INFO, Severity.LOW)
RANK = list(Severity)
EVERY_RULE = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)

NOT_YET: frozenset[str] = frozenset()
"""Rules that samples expect and that are still to be written."""

_IDS = """
affinity.shared-authenticated-upstream affinity.foreign-request-rejected affinity.handshake-split affinity.handshake-interleaved
affinity.client-migrates affinity.proxy-owned-identity affinity.sequence-discontinuity affinity.context-mismatch affinity.cookie-lost
affinity.shell-scattered affinity.no-upstream-keepalive affinity.answered-without-logon
auth.basic-cleartext auth.two-credential-sets auth.same-identity-both-hops auth.challenge-stripped auth.challenge-merged auth.wrong-challenge-class
auth.loop auth.reauth-per-request auth.idle-reauth auth.context-lost auth.unencrypted-refused auth.ntlmv1 auth.ntlm-anonymous-or-local
auth.token-altered auth.no-mic auth.cbt-missing-or-broken auth.spn-mismatch auth.scheme-downgrade auth.kerberos-weak-etype auth.kerberos-error
auth.credssp-delegation auth.credssp-cert-differs auth.token-replayed auth.negotiate-via-proxy-without-proxy-support auth.mutual-auth-missing
auth.credentials-refused auth.credssp-refused auth.scheme-not-offered auth.ntlm-blocked auth.ticket-refused auth.kdc-error
proxyauth.over-plain-http proxyauth.cleartext-on-connect proxyauth.credentials-missing proxyauth.socks-password-cleartext
enc.plaintext-soap-through-proxy enc.plaintext-soap-direct enc.server-allows-unencrypted enc.mixed-mode enc.identify-anonymous
enc.plain-reply-to-sealed enc.body-modified enc.signature-invalid enc.length-mismatch enc.framing-nonconformant enc.no-seal-negotiated enc.weak-seal
enc.proxy-path-not-https
tcp.close-after-auth-2xx tcp.rst-after-2xx tcp.close-between-challenge-and-response tcp.connect-407-close tcp.request-lost-after-auth
tcp.upstream-idle-close tcp.idle-timeout tcp.longpoll-cut tcp.retry-storm tcp.response-truncated tcp.service-unreachable
tcp.reset-after-pause tcp.silent-drop tcp.request-cut tcp.path-mtu tcp.zero-window tcp.client-gave-up tcp.never-answered tcp.icmp-error tcp.device-reset
tcp.dropped-by-windows tcp.command-differs
http.1.0-downgrade http.keepalive-stripped http.non-wsman-reply http.gateway-error http.policy-block http.chunked-request http.h2-with-connection-auth
http.expect-100-stall http.cached-wsman http.desync-indicator http.host-rewritten http.replayed-body
http.request-header-too-long http.unknown-host-name http.path-not-found http.length-required http.request-too-large http.service-unavailable http.redirect
http.forbidden http.refused-request http.encrypted-body-refused http.gateway-timeout http.content-length-dropped http.content-type-changed
http.response-compressed http.request-failed
wsman.access-denied wsman.quota wsman.envelope-size wsman.shell-gone wsman.no-such-resource wsman.time-limit wsman.unsupported wsman.refused-by-policy
wsman.request-failed wsman.encrypted-errors wsman.events-unacknowledged
tls.ended-at-hello tls.unanswered tls.alert tls.certificate-refused tls.client-certificate tls.broken-off tls.unused tls.certificate
tls.https-to-http-port tls.http-to-https-port
proxy.socks proxy.socks-refused
proxy.credential-exposure proxy.tls-intercepted proxy.plain-http-in-connect proxy.unexpected proxy.coverage-gap
attack.forged-ticket
attack.winrm-new-pair attack.omigod attack.ntlm-relay attack.ntlmrelayx-winrms-client attack.tool-fingerprint attack.spray attack.config-weakening
attack.sigma-script-hit attack.bulk-transfer attack.credential-dumping attack.logging-tampering attack.defender-tampering attack.shadow-copies
attack.service-or-task attack.code-loading attack.encoded-script attack.remote-process attack.cim-change attack.sigma-event-hit
attack.session-taken-over
capture.gap-in-sealed-stream capture.no-handshake capture.one-sided capture.snaplen capture.clock-skew capture.duplicates capture.secret-did-not-open
capture.file-cut capture.one-leg
"""
PUBLIC = frozenset(_IDS.split())
"""The ids that users script against."""
WITHOUT_A_BASELINE = frozenset({"attack.winrm-new-pair"})
"""Ids that are kept free: whether a pair of hosts is new cannot be told from captures alone, in which every pair is (docs/concepts.md)."""


class Sample(NamedTuple):
    """A folder of sample captures, and what its truth says."""

    name: str
    captures: tuple[Path, ...]
    expected: frozenset[str]
    forbidden: frozenset[str]
    healthy: bool


def samples() -> list[Sample]:
    found = []
    for file in sorted(SAMPLES.glob("*/truth.json")):
        truth = json.loads(file.read_text(encoding="utf-8"))
        captures = tuple(file.parent / name for name in truth["captures"])
        found.append(Sample(file.parent.name, captures, frozenset(truth["expected_rules"]), frozenset(truth["forbidden_rules"]), truth["healthy"]))
    return found


EVERY_SAMPLE = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)


@cache
def judged(sample: Sample) -> Judged:
    return judge_files(sample.captures)


def module(rule: Rule) -> ModuleType:
    return importlib.import_module(rule.module)


def stem(rule: Rule) -> str:
    return re.sub(r"[.-]", "_", rule.id)


@EVERY_RULE
def test_the_document_has_its_five_headings_in_order_and_something_below_each(rule: Rule) -> None:
    headings = re.findall(r"^(\S.*)\n {4}\S", rule.document.partition("\n")[2], re.MULTILINE)
    assert tuple(headings) == HEADINGS
    assert rule.document.splitlines()[0].endswith(".")


@EVERY_RULE
def test_the_id_is_the_one_of_its_place_and_public(rule: Rule) -> None:
    assert rule.id == getattr(module(rule), "RULE", rule.id)
    assert module(rule).__name__ == f"analyzer.rules.{rule.family}.{stem(rule).removeprefix(rule.family + '_')}"
    assert rule.id in PUBLIC


@EVERY_RULE
def test_title_severity_reference_and_advice_are_there(rule: Rule) -> None:
    own = module(rule)
    if hasattr(own, "OPINION"):
        opinion = own.OPINION
        assert rule.title.strip()
        assert len(rule.title) < 70
        assert not rule.title.endswith(".")
        assert isinstance(opinion.severity, Severity) or opinion.worst is not None
        assert isinstance(opinion.title, str) or opinion.name
        assert callable(opinion.reference) or isinstance(opinion.reference, Quotation) or opinion.reference.strip()
        assert {*opinion.explains, *opinion.habit} <= PUBLIC - {rule.id}
        assert {*opinion.fails, *opinion.fails_alone} <= {requirement.name for requirement in REQUIREMENTS}
        assert all(param.name and param.unit and param.means for param in opinion.params)
        return
    assert isinstance(own.SEVERITY, Severity)
    assert rule.severity == own.SEVERITY
    assert all(isinstance(text, str) and text.strip() for text in (own.TITLE, own.REFERENCE, own.ADVICE))
    assert not own.TITLE.endswith(".")
    assert own.ADVICE.endswith((".", '")', ").", "'."))


@EVERY_RULE
def test_each_rule_has_tests_of_its_own(rule: Rule) -> None:
    own = Path(__file__).with_name(f"test_{stem(rule)}.py")
    assert own.is_file()
    assert f'RULE = "{rule.id}"' in own.read_text(encoding="utf-8")


def test_every_rule_that_a_sample_expects_is_there_or_known_to_be_missing() -> None:
    known = {rule.id for rule in rules()}
    expected = frozenset().union(*(sample.expected for sample in samples()))
    assert expected - known <= NOT_YET
    assert expected <= PUBLIC
    assert expected >= NOT_YET


@EVERY_SAMPLE
def test_a_sample_gives_what_it_was_made_to_give(sample: Sample) -> None:
    known = {rule.id for rule in rules()}
    assert sample.expected & known <= judged(sample).rules


@EVERY_SAMPLE
def test_a_sample_does_not_give_what_it_must_not(sample: Sample) -> None:
    assert not sample.forbidden & judged(sample).rules


@EVERY_SAMPLE
def test_a_healthy_sample_raises_no_alarm(sample: Sample) -> None:
    alarms = [(finding.rule, finding.why) for finding in judged(sample).findings if finding.severity not in UNALARMING]
    assert not (sample.healthy and alarms), alarms


@EVERY_SAMPLE
def test_findings_of_a_sample_can_be_checked_by_hand(sample: Sample) -> None:
    evidence = judged(sample).evidence
    for finding in judged(sample).findings:
        assert 0 < finding.confidence <= 1
        assert finding.confidence >= 0.5 or RANK.index(finding.severity) <= RANK.index(Severity.MEDIUM)
        assert finding.packets
        assert finding.connections
        assert set(finding.connections) <= evidence.connections.keys()
        assert set(finding.exchanges) <= evidence.exchanges.keys()
        assert finding.first_ns <= finding.last_ns
        assert re.search(r"\bpacket \d", finding.why), finding.why
        assert "not captured" not in finding.why


def test_every_id_has_its_rule() -> None:
    assert {rule.id for rule in rules()} == PUBLIC - WITHOUT_A_BASELINE
