"""What clear messages say is read the short way where nothing is odd; the general way says the same of them."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analyzer import Case, analyze
from analyzer.engine import bodies, clear, missing, opening
from analyzer.formats import forms
from analyzer.records.result import Result
from analyzer.records.wsman import Operation
from analyzer.sealing import messages
from analyzer.wsman import copies, shapes
from tests.build.packets import Frame, pcap
from tests.hostile.costly import Talk, command, created, received
from tests.hostile.costly import bodies as put

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
NAMES = ("direct-basic", "direct-winrs-shell-id-reused-healthy", "node-three-at-once-basic", "probes-basic-clear", "badproxy-swap-clear", "squid-cim-changes")


def _told(case: Case) -> tuple[object, ...]:
    found: Result = case.result
    evidence = found.evidence
    return (*evidence.messages.values(), *found.shells, *found.commands, *evidence.operations, *evidence.issues, *evidence.conversations)


def _damaged(path: Path, number: int) -> Path:
    """Two connections of one client, or of two, with a few of their packets left out."""
    dice = random.Random(number)
    frames: list[Frame] = []
    for talk in range(2):
        own = [command(f"echo {one}", f"S-{talk}", f"C-{one}") for one in range(12)]
        put(created(f"S-{talk}"), *own, received([b"some output"] * 3))(Talk(frames, talk * dice.choice((0, 1, 20_001))))
    kept = [frame for frame in frames if dice.random() > dice.choice((0.0, 0.03, 0.1))]
    path.write_bytes(pcap(kept))
    return path


def _captures(folder: Path) -> Iterator[Path]:
    for name in NAMES:
        yield from (SAMPLES / name).glob("capture*.pcap*")
    for number in range(24):
        yield _damaged(folder / f"{number}.pcap", number)


@pytest.mark.parametrize("short", ["of shapes", "of groups", "of connections", "of what is lost", "of copies"])
def test_the_short_way_and_the_general_one_say_the_same(short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = list(_captures(tmp_path))
    taken = dict.fromkeys(("of shapes", "of groups", "of connections", "of what is lost", "of copies"), 0)

    def counted(name: str, way: object) -> object:
        def count(*arguments: object, **named: object) -> object:
            found = way(*arguments, **named)  # type: ignore[operator]
            taken[name] += bool(found)
            return found

        return count

    places = {
        "of shapes": (bodies, "described_at_once", None),
        "of groups": (opening, "said_at_once", None),
        "of connections": (opening, "all_told", False),
        "of what is lost": (missing, "_lacks_nothing", False),
        "of copies": (copies, "_are_apart", False),
    }
    module, function, never = places[short]
    if short == "of connections":  # a group as a whole goes before
        monkeypatch.setattr(opening, "said_at_once", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(module, function, counted(short, getattr(module, function)))
        told = [_told(analyze(path)) for path in paths]
    monkeypatch.setattr(module, function, lambda *_, **__: never)
    assert [_told(analyze(path)) for path in paths] == told
    assert taken[short] or (short == "of shapes" and not forms.compiled(forms.chosen(shapes)))


def test_the_operations_of_each_exchange_are_those_of_the_general_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells forgive a request that is told twice, so what they are made of is compared itself."""
    found: list[dict[str, list[tuple[Operation, ...]]]] = []
    in_turn = clear.operations_in_turn

    def kept(*arguments: Any, **named: Any) -> dict[str, list[Sequence[Operation]]]:  # noqa: ANN401  as it is called, whatever that is
        given = in_turn(*arguments, **named)
        found.append({identity: [tuple(own) for own in connection] for identity, connection in given.items()})
        return given

    monkeypatch.setattr(opening, "operations_in_turn", kept)
    paths = list(_captures(tmp_path))
    for path in paths:
        analyze(path)
    short, found = found, []
    monkeypatch.setattr(opening, "all_told", lambda *_: False)
    monkeypatch.setattr(opening, "said_at_once", lambda *_: None)
    for path in paths:
        analyze(path)
    assert short == found
    assert any(len(own) > 1 for one in short for connection in one.values() for own in connection)


def test_a_head_that_takes_the_place_of_another_is_looked_at_itself() -> None:
    """What Python calls an object it may call another one by when that one is gone."""
    from analyzer.records.http import Header

    for number in range(3000):
        label = "application/soap+xml;charset=UTF-8" if number % 2 else "text/html"
        headers = (Header("Content-Type", label, 0), Header("Content-Length", str(number), 40))
        assert messages.soap_type(headers) == (label if number % 2 else None)
        assert messages.soap_type(headers) == (label if number % 2 else None)
    coded = (Header("content-type", "application/soap+xml", 0), Header("Content-Encoding", "gzip", 40))
    assert messages.soap_type(coded) is None
