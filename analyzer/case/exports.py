"""Exports of a case: which format is made of what. Timeline formats, logs and layers are made of tables; archive and slice need the captures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from analyzer.exports.rows import Rows
    from analyzer.records.result import Result
    from analyzer.reports.masking import Mask
    from analyzer.tables.column import Value

    Cells: TypeAlias = Callable[[str], list[tuple[Value, ...]]]

Profile: TypeAlias = Literal["native", "timesketch", "ecs"]
TextForm: TypeAlias = Literal["jsonl", "csv"]
SCHEMA = 1
"""Of the native timeline; grows when a name changes its meaning."""


def rows(cells: Cells) -> Rows:
    """The tables as exports read them."""
    from analyzer.exports.rows import Rows

    return Rows(cells)


def timeline(cells: Cells, profile: Profile, form: TextForm) -> Iterator[str]:
    """The timeline's lines. CSV is for ``timesketch``; the others are JSON lines."""
    from analyzer.exports import ecs, timesketch

    if profile == "ecs":
        return ecs.json_lines(rows(cells))
    if profile == "native":
        return timesketch.native_lines(rows(cells), SCHEMA)
    return (timesketch.csv_lines if form == "csv" else timesketch.json_lines)(rows(cells))


def zeek(cells: Cells) -> Iterator[tuple[str, Iterator[str]]]:
    """(file name, lines) of each log."""
    from analyzer.exports.zeek import logs

    return logs(rows(cells))


def navigator(cells: Cells) -> str:
    """The ATT&CK Navigator layer."""
    from analyzer import __version__
    from analyzer.exports.navigator import layer

    return layer(rows(cells), __version__)


def wireshark() -> dict[str, str]:
    """The files of the Wireshark profile, by name."""
    from analyzer.exports.wireshark import profile

    return profile()


def archive(result: Result, texts: Iterable[tuple[str, str]], mask: Mask | None, connections: Sequence[str]) -> Iterator[str]:
    """The HAR of the result's exchanges. ``mask`` None: with secrets."""
    from analyzer import __version__
    from analyzer.exports import har

    def clean(text: str) -> str:
        return text if mask is None else mask.body(text)

    wanted = set(connections)
    bodies = {name: har.shown(text, clean) for name, text in texts if not wanted or name.rpartition(".x")[0] in wanted}
    return har.archive(result.evidence, bodies, __version__, wanted)


def evidence_slice(result: Result, findings: Sequence[str], connections: Sequence[str]) -> tuple[Iterator[bytes], int]:
    """The pcapng file's blocks and how many packets it has. ``result`` has the hashes of its captures, which are read again while the blocks are taken."""
    from analyzer import __version__
    from analyzer.engine.packets import packets_of
    from analyzer.exports import pcapng, slices
    from analyzer.records.ids import packet_key
    from analyzer.tables.packets import numbers_by_capture

    def originals(ordinal: int, numbers: Sequence[int]) -> Iterator[slices.Original]:
        for one in packets_of(captures[ordinal], numbers):
            yield slices.Original(packet_key(ordinal, one.number), one.ts_ns, one.link_type, one.data, one.wire_size)

    captures = result.evidence.captures
    chosen = slices.sliced(result, findings, connections)
    found = [originals(ordinal, numbers) for ordinal, numbers in numbers_by_capture(chosen.comments).items()]
    return pcapng.blocks(slices.items(found, chosen, captures), f"winrm-analyzer {__version__}", chosen.about), len(chosen.comments)
