"""Clients that start close together: what only looks alike is never joined against the way that tokens prove."""

from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.records.story import Kind
from benchmarks import clients

SAMPLE = Path(__file__).parents[3] / "sample_pcaps" / "badproxy-close-after-200" / "capture.pcap"


@pytest.mark.parametrize("apart_ms", [7, 15, 40])
def test_a_server_is_no_proxy_of_its_clients(apart_ms: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_STEP_NS", apart_ms * 1_000_000)
    path = tmp_path / "many.pcap"
    path.write_bytes(b"".join(clients.many(SAMPLE, "10.10.1.11", 12)))
    evidence = analyze(path).evidence
    assert {evidence.connections[hop.near_connection].server.host for hop in evidence.hops} == {"10.10.1.1"}
    assert {evidence.connections[hop.far_connection].server.host for hop in evidence.hops} == {"10.20.2.20"}
    proxies = [party for party in evidence.story.parties if party.kind is Kind.PROXY]
    assert [[end.host for end in one.listens] for one in proxies] == [["10.10.1.1"]]
    assert sum(party.kind is Kind.CLIENT for party in evidence.story.parties) == 12
