"""A packet that is missing from a sealed conversation costs the messages it carried, and nothing else.

Every packet of a capture is taken out, one at a time, and what opens is compared with the whole capture: by the SHA-256 of the plain text.
Without the challenge or the answer to it there is no key, so such a packet may cost its own connection's messages, and no other's.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import analyzer
from analyzer.api import Case

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
SEALED_WITH_NTLM = ("direct-ntlm-healthy", "squid-ntlm-healthy", "evil-winrm-py-session")

Plain = Counter[tuple[str, str]]
"""Opened messages by (direction, SHA-256 of the text)."""


def _records(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each record of a classic little-endian pcap file begins and ends."""
    at = 24
    while at + 16 <= len(data):
        end = at + 16 + struct.unpack_from("<I", data, at + 8)[0]
        yield at, end
        at = end


def _numbers(text: str) -> Iterator[int]:
    for piece in text.split(","):
        first, _, last = piece.partition("..")
        yield from range(int(first), int(last or first) + 1)


def _rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _plain(case: Case) -> Plain:
    found = case.messages
    opened = found[(found["protection"] == "sealed") & found["text_sha256"].notna()]
    return Counter((row.direction, row.text_sha256) for row in _rows(opened))


def _costs(case: Case) -> dict[int, Plain]:
    """What the loss of each packet may cost."""
    found: dict[int, Plain] = {}
    opened = case.messages[case.messages["text_sha256"].notna()]
    by_connection: dict[str, Plain] = {}
    for row in _rows(opened):
        by_connection.setdefault(row.exchange_id.partition(".x")[0], Counter())[row.direction, row.text_sha256] += 1
        for number in _numbers(row.packets):
            found.setdefault(number, Counter())[row.direction, row.text_sha256] += 1
    for row in _rows(case.authentications):
        _, *tokens = _numbers(row.packets)  # the first is NEGOTIATE, which no key depends on
        for number in tokens:
            found[number] = by_connection[row.connection_id]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", SEALED_WITH_NTLM)
def test_a_missing_packet_costs_only_the_messages_it_carried(name: str, tmp_path: Path) -> None:
    source = SAMPLES / name / "capture.pcap"
    data = source.read_bytes()
    secrets = SAMPLES / name / "secrets.toml"
    whole = analyzer.analyze(source, secrets=secrets)
    plain = _plain(whole)
    assert plain.total() == (whole.messages["protection"] == "sealed").sum() > 0
    costs = _costs(whole)
    path = tmp_path / "cut.pcap"
    poorer = 0
    for number, (at, end) in enumerate(_records(data), start=1):
        path.write_bytes(data[:at] + data[end:])
        left = _plain(analyzer.analyze(path, secrets=secrets))
        assert not left - plain, f"without packet {number} there is text that was never sent"
        lost = plain - left
        assert not lost - costs.get(number, Counter()), f"without packet {number} {lost.total()} messages are lost"
        poorer += bool(lost)
    assert poorer > plain.total() // 2
