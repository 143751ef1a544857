"""Every threshold of every rule at its edge: a scene with a known measure, and the rule asked with the threshold below it, at it and above it.

A threshold without a scene here fails. The measures stand in the scenes: a step of the made wire takes half a millisecond.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from analyzer.engine.local import run
from analyzer.engine.work import told
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.secrets import Secrets
from analyzer.rules.catalogue import rules
from analyzer.settings import Limits, Scope
from tests.build.talk_http import WSMAN, offer, post, reply, sealed, soap
from tests.build.talk_proxy import ALICE, SERVER, WINRM_PORT, ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules import (
    test_affinity_no_upstream_keepalive as keepalive,
)
from tests.rules import (
    test_attack_bulk_transfer as bulk,
)
from tests.rules import (
    test_attack_spray as spray,
)
from tests.rules import (
    test_auth_idle_reauth as idle_reauth,
)
from tests.rules import (
    test_auth_loop as loop,
)
from tests.rules import (
    test_auth_reauth_per_request as reauth,
)
from tests.rules import (
    test_auth_unencrypted_refused as unencrypted,
)
from tests.rules import (
    test_http_expect_100_stall as stall,
)
from tests.rules import (
    test_http_gateway_timeout as gateway,
)
from tests.rules import (
    test_tcp_client_gave_up as gave_up,
)
from tests.rules import (
    test_tcp_idle_timeout as idle_timeout,
)
from tests.rules import (
    test_tcp_longpoll_cut as longpoll,
)
from tests.rules import (
    test_tcp_never_answered as never,
)
from tests.rules import (
    test_tcp_retry_storm as storms,
)
from tests.rules import (
    test_tcp_zero_window as zero_window,
)
from tests.rules import (
    test_wsman_encrypted_errors as encrypted,
)
from tests.rules.judging import judge, judge_files
from tests.rules.test_tcp_service_unreachable import sweep
from tests.unit.engine.test_kdc import KEYTAB, real_ticket

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
AT_LEAST = (True, True, False)
"""What the rule says below, at and above the measure, where the measure must be the threshold at least."""
MORE = (True, False, False)
AT_MOST = (False, True, True)
LESS = (False, False, True)
COUNT, MOMENT = 1, 1e-6


class Edge(NamedTuple):
    """A scene, its measure, what the rule says around it, and the step to either side."""

    scene: Callable[[], Evidence]
    measure: float
    says: tuple[bool, bool, bool]
    step: float = COUNT
    sees: Callable[[Sequence[Finding]], bool] = bool


def made(scene: Callable[[Wire], object]) -> Callable[[], Evidence]:
    """What is read of a wire on which the scene was played."""

    @cache
    def evidence() -> Evidence:
        lan = Wire()
        scene(lan)
        return judge(lan).evidence

    return evidence


def sample(name: str) -> Callable[[], Evidence]:
    """A sample's evidence."""

    @cache
    def evidence() -> Evidence:
        captures = json.loads((SAMPLES / name / "truth.json").read_text(encoding="utf-8"))["captures"]
        return judge_files([SAMPLES / name / one for one in captures]).evidence

    return evidence


def _users(lan: Wire, refused: int, accepted: int) -> None:
    for place in range(refused):
        spray.refused(lan, 50001 + place, f"user{place}")
    for place in range(accepted):
        handshake(direct(lan, port=51001 + place), ntlm(f"fine{place}", number=100 + place))


def _forgotten(lan: Wire, seconds: float) -> None:
    talk = direct(lan)
    handshake(talk, ntlm())
    lan.wait(seconds)
    trip(talk, ask_sealed(0), offer())


def _paused(lan: Wire) -> None:
    talk = direct(lan)
    handshake(talk, ntlm())
    idle_reauth.pause(lan, talk, 20)


def _loops(lan: Wire, count: int, apart: float) -> None:
    for place in range(count):
        loop.refused(lan, 50001 + place)
        lan.wait(apart)


def _uploads(lan: Wire) -> None:
    bulk.uploads(direct(lan), [600_000, 600_000], answers=100_000)


def _gateway(lan: Wire) -> None:
    talk = direct(lan)
    talk.send(ask_sealed(0))
    lan.wait(30)
    talk.answer(gateway.ERROR)


def _gives_up(lan: Wire) -> None:
    talk = gave_up.session(lan)
    talk.send(ask_sealed(1))
    talk.acked_by_server()
    talk.close_by_client(32)


def _dropped(lan: Wire, *idle: float) -> None:
    for place, seconds in enumerate(idle):
        idle_timeout.dropped(lan, 50001 + place, seconds)


def _dropped_and_failed(lan: Wire) -> None:
    idle_timeout.dropped(lan, 50001, 7.7)
    talk = direct(lan, port=50002)
    trip(talk, ask_sealed(1), offer())
    handshake(talk, ntlm(number=2), content=sealed(1), last=reply(400))


def _cut(lan: Wire, *waited: float) -> None:
    for place, seconds in enumerate(waited, 1):
        longpoll.cut(lan, place, seconds)


def _waits(lan: Wire, timeout: str | None, seconds: float) -> None:
    talk = gave_up.session(lan)
    talk.send(ask_sealed(1) if timeout is None else gave_up.receive(timeout))
    talk.acked_by_server()
    never.later(lan, seconds)


def _refused_then_served(lan: Wire) -> None:
    lan.refused(ALICE, 50001, SERVER, WINRM_PORT)
    lan.wait(10)
    trip(direct(lan, port=50002), post(content=soap()), reply(200, content=soap("CreateResponse", 2)))


def _window(lan: Wire) -> None:
    talk = zero_window.session(lan)
    talk.send(ask_sealed(1, size=5000))
    talk.acked_by_server(window=0)
    talk.acked_by_server(after=12)
    talk.answer(sealed_reply(1))


def _waited(lan: Wire) -> None:
    talk = direct(lan)
    talk.send(ask_sealed(1))
    lan.wait(3)
    talk.answer(encrypted.ERROR)


@cache
def _lasting_ten_days() -> Evidence:
    lan = Wire()
    shake = real_ticket("svc", b"20260112030405Z")
    trip(direct(lan), post(WSMAN, shake.credentials(0), content=soap()), reply(200, *shake.last_token))
    with TemporaryDirectory() as folder:
        done = run([str(lan.capture(Path(folder, "wire.pcap")))], Limits(), Scope(), secrets=Secrets(kerberos=(KEYTAB,)))
        done.sources.close()
    return done.result.evidence


def _only_info(findings: Sequence[Finding]) -> bool:
    return [finding.severity for finding in findings] == [Severity.INFO]


EDGES: dict[tuple[str, str], Edge] = {
    ("affinity.no-upstream-keepalive", "least"): Edge(made(lambda lan: keepalive.one_client(lan, 1, 1, 1, 1)), 4, AT_LEAST),
    ("affinity.no-upstream-keepalive", "ratio"): Edge(made(lambda lan: keepalive.one_client(lan, 1, 1, 2, 1, 1)), 4 / 5, AT_LEAST, MOMENT),
    ("attack.bulk-transfer", "large"): Edge(made(lambda lan: bulk.uploads(direct(lan), [700_000, 800_000])), 1_500_520, MORE),
    ("attack.bulk-transfer", "more"): Edge(
        made(lambda lan: bulk.uploads(direct(lan), [600_000, 600_000], answers=100_000)), 1_200_520 / 200_520, AT_LEAST, MOMENT
    ),
    ("attack.forged-ticket", "longest_hours"): Edge(_lasting_ten_days, 240, MORE),
    ("attack.spray", "least"): Edge(made(lambda lan: _users(lan, 7, 0)), 7, AT_LEAST),
    ("attack.spray", "ratio"): Edge(made(lambda lan: _users(lan, 7, 1)), 7 / 8, AT_LEAST, MOMENT),
    ("auth.context-lost", "idle"): Edge(made(lambda lan: _forgotten(lan, 7)), 7.0005, LESS, MOMENT),
    ("auth.idle-reauth", "idle"): Edge(made(_paused), 20.0005, AT_LEAST, MOMENT),
    ("auth.loop", "least"): Edge(made(lambda lan: _loops(lan, 4, 1)), 4, AT_LEAST),
    ("auth.loop", "window"): Edge(made(lambda lan: _loops(lan, 3, 20)), 40.009, AT_MOST, MOMENT),
    ("auth.reauth-per-request", "least"): Edge(made(lambda lan: reauth.requests(lan, 6, 6)), 6, AT_LEAST),
    ("auth.reauth-per-request", "ratio"): Edge(made(lambda lan: reauth.requests(lan, 8, 7)), 7 / 8, AT_LEAST, MOMENT),
    ("auth.unencrypted-refused", "many"): Edge(lambda: judge(unencrypted.refused_then_served(4)).evidence, 4, AT_LEAST),
    ("capture.clock-skew", "least"): Edge(sample("two-legs-clock-offset"), 7400.007027, MORE, MOMENT),
    ("http.expect-100-stall", "wait"): Edge(made(lambda lan: stall.asks(direct(lan), 3)), 3.0005, AT_LEAST, MOMENT),
    ("http.gateway-timeout", "patience_s"): Edge(made(_gateway), 30.0005, AT_LEAST, MOMENT),
    ("http.keepalive-stripped", "least"): Edge(sample("apache-disablereuse"), 6, AT_LEAST),
    ("tcp.client-gave-up", "waited_s"): Edge(made(_gives_up), 32.001, AT_LEAST, MOMENT),
    ("tcp.idle-timeout", "least"): Edge(made(lambda lan: _dropped(lan, 240, 240, 240)), 3, AT_LEAST),
    ("tcp.idle-timeout", "tolerance"): Edge(made(lambda lan: _dropped(lan, 243.5995, 243.5995)), 0.015, AT_MOST, MOMENT),
    ("tcp.idle-timeout", "idle"): Edge(made(_dropped_and_failed), 7.7005, AT_LEAST, MOMENT),
    ("tcp.longpoll-cut", "waited"): Edge(made(lambda lan: _cut(lan, 31, 31)), 31.0005, AT_LEAST, MOMENT),
    ("tcp.longpoll-cut", "tolerance"): Edge(made(lambda lan: _cut(lan, 30, 31)), 1 / 31.0005, AT_MOST, MOMENT),
    ("tcp.longpoll-cut", "least"): Edge(made(lambda lan: _cut(lan, 30, 30, 30)), 3, AT_LEAST),
    ("tcp.never-answered", "unknown_s"): Edge(made(lambda lan: _waits(lan, None, 300)), 300.0015, AT_LEAST, MOMENT),
    ("tcp.never-answered", "more_s"): Edge(made(lambda lan: _waits(lan, "PT20S", 90)), 70.0015, AT_LEAST, MOMENT),
    ("tcp.request-lost-after-auth", "least"): Edge(sample("badproxy-request-lost"), 3, AT_LEAST),
    ("tcp.retry-storm", "most"): Edge(made(lambda lan: storms.storm(lan, 13)), 13, MORE),
    ("tcp.retry-storm", "few"): Edge(made(lambda lan: storms.storm(lan, 12, trips=2)), 2, AT_MOST),
    ("tcp.service-unreachable", "sweep"): Edge(
        made(lambda lan: sweep(lan, 7)), 7, AT_LEAST, sees=lambda found: any("finds no WinRM on 7 servers" in one.title for one in found)
    ),
    ("tcp.service-unreachable", "around"): Edge(made(_refused_then_served), 10.001, MORE, MOMENT),
    ("tcp.upstream-idle-close", "idle"): Edge(sample("h2o-upstream-idle"), 1.112996, AT_LEAST, MOMENT),
    ("tcp.zero-window", "closed_s"): Edge(made(_window), 12.0005, AT_LEAST, MOMENT),
    ("wsman.encrypted-errors", "waiting_s"): Edge(made(_waited), 3.0005, AT_LEAST, MOMENT, _only_info),
}
"""Rule and threshold to its scene."""


def test_every_threshold_has_a_scene() -> None:
    assert set(EDGES) == {(rule.id, param.name) for rule in rules() for param in rule.params}


@pytest.mark.parametrize(("rule", "name"), EDGES)
def test_a_threshold_counts_from_its_edge_on(rule: str, name: str) -> None:
    edge = EDGES[rule, name]
    (own,) = (one for one in rules() if one.id == rule)
    evidence = told(edge.scene())
    values = (edge.measure - edge.step, edge.measure, edge.measure + edge.step)
    assert tuple(edge.sees(list(own.find(evidence, {name: value}))) for value in values) == edge.says


@pytest.mark.parametrize(("rule", "name"), EDGES)
def test_a_threshold_of_nothing_raises_nothing(rule: str, name: str) -> None:
    (own,) = (one for one in rules() if one.id == rule)
    evidence = told(EDGES[rule, name].scene())
    assert all(finding.packets for finding in own.find(evidence, {name: 0}))


def test_requests_without_any_logon_are_no_logons_for_each_request() -> None:
    lan = Wire()
    reauth.requests(lan, 6, 0)
    (own,) = (one for one in rules() if one.id == "auth.reauth-per-request")
    assert list(own.find(told(judge(lan).evidence), {"ratio": 0})) == []
