"""Two samples in one run, though the lab gave both the same addresses: what is found is what is found in each alone."""

from functools import cache
from itertools import permutations
from pathlib import Path

import pytest

from tests.rules.judging import Judged, judge_files

_SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
NAMES = (
    "apache-pool-healthy",
    "badproxy-healthy",
    "chain-of-two-proxies",
    "direct-ntlm-healthy",
    "haproxy-ntlm-healthy",
    "nginx-host-rewritten",
    "squid-ntlm-healthy",
)
_TOGETHER = {"proxy.unexpected"}
"""Only a pair can show it: one client host that goes to one server host both directly and through a proxy, which is what the two samples are together."""
Said = tuple[str, tuple[str, str, int, str, int]]


def files(name: str) -> list[Path]:
    return sorted((_SAMPLES / name).glob("*.pcap*"))


def folder(judged: Judged, connection: str) -> str:
    """Which sample a connection is of."""
    return Path(judged.evidence.captures[judged.evidence.connections[connection].capture].path).parent.name


def said(judged: Judged) -> set[Said]:
    """Each rule with each connection that it is about: rules with one finding for a client host have one for the pair, about the connections of both."""
    told: set[Said] = set()
    for finding in judged.findings:
        for identity in finding.connections:
            one = judged.evidence.connections[identity]
            told.add((finding.rule, (folder(judged, identity), one.client.host, one.client.port, one.server.host, one.server.port)))
    return told


@cache
def alone(name: str) -> frozenset[Said]:
    return frozenset(said(judge_files(files(name))))


@pytest.mark.parametrize(("one", "other"), list(permutations(NAMES, 2)))
def test_a_pair_is_the_union_of_both(one: str, other: str) -> None:
    judged = judge_files([*files(one), *files(other)])
    together = {rule for rule, _ in said(judged)} & _TOGETHER
    assert {told for told in said(judged) if told[0] not in _TOGETHER} == alone(one) | alone(other)
    assert not together or "direct-ntlm-healthy" in (one, other)
    joined = {frozenset(folder(judged, end) for end in (hop.near_connection, hop.far_connection)) for hop in judged.evidence.hops}
    assert frozenset((one, other)) not in joined
