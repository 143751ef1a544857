"""Where nothing can be joined nothing is compared: what is told is what comparing all with all tells."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.proxy import hops, joins
from analyzer.proxy.flights import Flight, flights
from analyzer.records.evidence import Evidence
from analyzer.wsman import copies
from tests.build import growing

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"


def evidence(sample: str) -> Evidence:
    folder = SAMPLES / sample
    secrets = folder / "secrets.toml"
    return analyze([str(path) for path in sorted(folder.glob("*.pcap*"))], secrets=str(secrets) if secrets.exists() else None).evidence


@pytest.mark.parametrize("sample", ["direct-psrp-large-output", "ipv6-direct", "https-direct"])
def test_connections_of_one_pair_of_hosts_have_no_legs(sample: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(sample)
    parts = found.connections, found.exchanges_of, found.messages
    assert hops._of_one_pair(found.connections, found.exchanges_of), "nothing is tested"
    short = hops.hops(*parts)
    monkeypatch.setattr(hops, "_of_one_pair", lambda *_: False)
    assert short == hops.hops(*parts)


@pytest.mark.parametrize("sample", ["two-legs-clock-drift", "squid-connect-clear-http"])
def test_both_sides_of_a_proxy_are_no_pair(sample: str) -> None:
    found = evidence(sample)
    assert found.hops
    assert not hops._of_one_pair(found.connections, found.exchanges_of)


@pytest.mark.parametrize("sample", ["nginx-pooled-second-client", "nginx-upstream-idle-close", "tls-ended-at-proxy"])
def test_what_was_never_under_way_together_is_passed_over(sample: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(sample)
    all_flights = flights(found.connections, found.exchanges_of, found.messages)
    told: list[AbstractSet[tuple[str, str]]] = []
    known, sides = joins._known, joins._sides

    def heard(all_of_them: Sequence[Flight], certain: Iterable[tuple[int, int, bool | None]], candidates: joins._Candidates) -> AbstractSet[tuple[str, str]]:
        told.append(known(all_of_them, certain, candidates))
        return told[-1]

    monkeypatch.setattr(joins, "_known", heard)
    assert joins._candidates(all_flights, None).apart, "nothing is tested"
    short = joins.joined(all_flights, None)
    monkeypatch.setattr(joins, "_sides", lambda *given: [one._replace(point=None) for one in sides(*given)])
    assert not joins._candidates(all_flights, None).apart
    assert joins.joined(all_flights, None) == short
    assert told[: len(told) // 2] == told[len(told) // 2 :], "a pair with proofs tells of others, whenever its flights were"


def test_what_is_never_one_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_identity", lambda kind, number: f"{kind:08x}-0000-4000-8000-{1 if kind == _MESSAGE else number:012x}")
    (file,) = growing.commands(20, tmp_path)
    passed: list[bool] = []
    never_one = copies._Views.never_one

    def told(self: copies._Views, own: list[str]) -> bool:
        passed.append(never_one(self, own))
        return passed[-1]

    monkeypatch.setattr(copies, "_are_apart", lambda *_: False)  # else nothing of one pair of hosts is compared
    monkeypatch.setattr(copies._Views, "never_one", told)
    short = analyze([str(file)]).evidence
    assert any(passed), "no MessageID is there twice"
    monkeypatch.setattr(copies._Views, "never_one", lambda *_: False)
    assert analyze([str(file)]).evidence == short
    assert len(short.commands) == 20


_MESSAGE = 7
"""The kind of a MessageID in what `growing` makes."""
