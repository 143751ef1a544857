"""What an investigator gets: two capture points of one session, each with its own losses, doubled by a mirror port, out of order, by clocks that differ.

No command or shell is there that was not, what is called complete or whole is, what is shown of the rest was said, and nothing is missing without a word.
"""

import random
import re
import struct
from collections.abc import Callable, Sequence
from functools import cache
from os import environ
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.records.quality import Absent
from analyzer.records.wsman import Command
from tests.build.damage import Record, damaged

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
NAMES = (
    "direct-ansible-copy-fetch-healthy",
    "direct-ntlm-healthy",
    "direct-credssp-healthy",
    "evil-winrm-py-session",
    "squid-kerberos-healthy",
    "squid-ntlm-healthy",
    "direct-winrs-shell-id-reused-healthy",
)
SEEDS = 6
REAL = Path(environ.get("WINRM_CAPTURES", "")) / "OTRF+Security-Datasets"
EMPIRE = tuple(f"empire_psremoting_stager_WORKSTATION{number}_2020-09-20170827.cap" for number in (5, 6))
real = pytest.mark.skipif(not environ.get("WINRM_CAPTURES"), reason="WINRM_CAPTURES names no folder of captures")
_MARK = re.compile(r"\[[^\[\]]{1,40} (?:is|are) not in the capture\]")
_ACKNOWLEDGEMENT = 100
_ETHERNET, _IPV4 = 14, b"\x08\x00"


def _records(path: Path) -> list[Record]:
    """The packets, with times in microseconds since the epoch as their first number."""
    kept: list[Record] = []

    def look(records: Sequence[Record]) -> list[Record]:
        kept.extend(records)
        return []

    damaged(path, Path("/dev/null"), look)
    unit = 1000 if max(one.fraction for one in kept) >= 1_000_000 else 1
    return [one._replace(seconds=one.seconds * 1_000_000 + one.fraction // unit, fraction=unit) for one in kept]


def _write(source: Path, target: Path, records: Sequence[Record]) -> Path:
    timed = [one._replace(seconds=one.seconds // 1_000_000, fraction=one.seconds % 1_000_000 * one.fraction) for one in records]
    return damaged(source, target, lambda _: timed)


def _routed(data: bytes) -> bytes:
    """The packet one router further: other stations, a lower time to live, a new checksum."""
    if data[12:14] != _IPV4:
        return data
    end = _ETHERNET + (data[_ETHERNET] & 15) * 4
    head = bytearray(data[_ETHERNET:end])
    head[8] -= 1
    head[10:12] = b"\0\0"
    total = sum(struct.unpack(f">{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", head, 10, ~total & 0xFFFF)
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02" + _IPV4 + bytes(head) + data[end:]


def _tagged(data: bytes) -> bytes:
    """The packet in a VLAN."""
    return data[:12] + b"\x81\x00\x00\x4d" + data[12:]


def _unchanged(data: bytes) -> bytes:
    return data


def _doubled(records: Sequence[Record], chance: random.Random, how: str) -> list[Record]:
    """As a mirror port gives packets twice: when they come in and when they go out."""
    ways: dict[str, Callable[[bytes], bytes]] = {"same": _unchanged, "routed": _routed, "tagged": _tagged}
    again = ways[how]
    copies = [one._replace(seconds=one.seconds + chance.randint(5, 300), data=again(one.data)) for one in records]
    copies = [copy._replace(wire_size=len(copy.data) - len(one.data) + one.wire_size) for one, copy in zip(records, copies, strict=True)]
    return sorted([*records, *copies], key=lambda one: one.seconds)


def _lossy(records: Sequence[Record], chance: random.Random, share: float) -> list[Record]:
    return [one for one in records if len(one.data) < _ACKNOWLEDGEMENT or chance.random() >= share]


def _swapped(records: Sequence[Record], chance: random.Random) -> list[Record]:
    found = list(records)
    for _ in range(6):
        at = chance.randrange(len(found) - 2)
        found[at], found[at + 2] = found[at + 2], found[at]
    return found


def _analyzed(name: str, files: Sequence[Path]) -> Case:
    secrets = SAMPLES / name / "secrets.toml"
    return analyzer.analyze(list(files), secrets=secrets if secrets.exists() else None)


@cache
def _whole(name: str) -> Case:
    return _analyzed(name, [SAMPLES / name / "capture.pcap"])


def _bodies(case: Case) -> set[bytes]:
    halves = [half for exchange in case.evidence.exchanges.values() for half in (exchange.request, exchange.response)]
    return {half.body.digest for half in halves if not isinstance(half, Absent) and half.body.size and isinstance(half.body.digest, bytes)}


def _said(command: Command) -> list[tuple[str, str]]:
    return [(output.stream, output.text) for output in command.outputs]


def _holds(case: Case, whole: Case, *, opened: bool = True) -> None:
    """Nothing is made up, glued or silently left out. ``opened``: also without a logon's key, which a loss may have taken, nothing is missing."""
    known = {command.id: command for command in whole.result.commands}
    assert {shell.id for shell in case.result.shells} <= {shell.id for shell in whole.result.shells}
    assert {command.id for command in case.result.commands} <= set(known)
    assert _bodies(case) <= _bodies(whole)
    for command in case.result.commands:
        one = known[command.id]
        if command.complete and opened:
            assert (command.text, _said(command)) == (one.text, _said(one)), command.id
        assert all(piece in one.text for piece in _MARK.split(command.text))
        for stream in {output.stream for output in command.outputs} - {"part"}:
            texts = [text for own, text in _said(one) if own == stream]
            everything = "".join(texts) + "\n" + "\n".join(texts)
            assert all(piece in everything for own, text in _said(command) if own == stream for piece in _MARK.split(text))
    contents = {file.sha256 for file in whole.moved_files()}
    assert all(file.sha256 in contents for file in case.moved_files() if file.whole)
    if opened and len(case.result.commands) < len(known):
        assert any(shell.missing for shell in case.result.shells) or not all(command.complete for command in case.result.commands)


def _closed(case: Case) -> bool:
    """The packets of a logon are missing, so that no key fits."""
    return any(message.opened_absent == "sealed" for message in case.evidence.messages.values())


def _views(records: Sequence[Record], seed: str) -> tuple[list[Record], list[Record]]:
    """Two capture points, of which the first sees packets doubled."""
    chance = random.Random(seed)
    share, how = chance.choice([0.01, 0.03, 0.08, 0.15]), chance.choice(["", "same", "routed", "tagged"])
    ahead = chance.choice([180, 150, 3_200_000, -4_000_000])
    one = _lossy(records, chance, share)
    other = _lossy([record._replace(seconds=record.seconds + ahead, data=_routed(record.data)) for record in records], chance, share)
    if how:
        one = _lossy(_doubled(one, chance, how), chance, share / 2)
    return (_swapped(one, chance) if chance.random() < 0.4 else one), other


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", NAMES)
def test_a_careless_view_and_two_of_them_claim_nothing(name: str, seed: int, tmp_path: Path) -> None:
    source, whole = SAMPLES / name / "capture.pcap", _whole(name)
    one, other = _views(_records(source), f"{name} {seed}")
    first, second = _write(source, tmp_path / "a.pcap", one), _write(source, tmp_path / "b.pcap", other)
    for files in ([first], [second], [first, second]):
        case = _analyzed(name, files)
        _holds(case, whole, opened=not _closed(case))
    assert len(_analyzed(name, [first, second]).result.commands) >= len(_analyzed(name, [first]).result.commands)


@real
@pytest.mark.captures
@pytest.mark.parametrize("seed", range(2 * SEEDS))
def test_a_real_intrusion_seen_at_both_ends_with_losses(seed: int, tmp_path: Path) -> None:
    """Two files and one merged of them give the same."""
    chance = random.Random(f"real {seed}")
    share, how = chance.choice([0.02, 0.05, 0.1]), chance.choice(["same", "routed", "tagged"])
    sources = [REAL / name for name in EMPIRE]
    views = [_lossy(_doubled(_lossy(_records(source), chance, share), chance, how), chance, share) for source in sources]
    files = [_write(source, tmp_path / source.name, view) for source, view in zip(sources, views, strict=True)]
    merged = _write(sources[0], tmp_path / "merged.cap", sorted([*views[0], *views[1]], key=lambda one: one.seconds))
    keytab = REAL / "keys" / "theshire.keytab"
    whole = analyzer.analyze(sources[0], keytab=keytab)
    two, one = analyzer.analyze(files, keytab=keytab), analyzer.analyze(merged, keytab=keytab)
    for case in (two, one, analyzer.analyze(files[0], keytab=keytab)):
        _holds(case, whole, opened=not _closed(case))
    told = [[(command.id, command.text, command.complete, _said(command)) for command in case.result.commands] for case in (two, one)]
    assert told[0] == told[1]
