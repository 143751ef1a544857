"""Exports of a case: which format is made of what. Timeline formats, logs and layers are made of tables; archive and slice need the captures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from analyzer.exports.registry import Source
    from analyzer.pseudonyms.texts import Texts
    from analyzer.records.result import Result
    from analyzer.records.wsman import Command
    from analyzer.reports.masking import Mask
    from analyzer.tables.column import Value

    Cells: TypeAlias = Callable[[str], list[tuple[Value, ...]]]

Profile: TypeAlias = Literal["native", "timesketch", "ecs"]
TextForm: TypeAlias = Literal["jsonl", "csv"]


def of_tables(cells: Cells, form: str = "") -> Source:
    """What a writer is given of a case folder as well: its tables."""
    from analyzer.exports.registry import Source
    from analyzer.exports.rows import Rows
    from analyzer.version import __version__

    return Source(Rows(cells), form, __version__)


def wireshark() -> dict[str, str]:
    """The files of the Wireshark profile, by name."""
    from analyzer.exports.wireshark import profile

    return profile()


def of_captures(
    cells: Cells, result: Result, texts: Callable[[], Iterable[tuple[str, str]]], mask: Mask | None, connections: Sequence[str], commands: Sequence[Command]
) -> Source:
    """What a writer is given that needs the captures. ``mask`` None: with secrets. ``commands``: as they were captured."""
    from msgspec.structs import replace

    made = replace(of_tables(cells), connections=tuple(connections), evidence=result.evidence, bodies=texts)
    if mask is None:
        return made
    mask = mask.having_read(commands)
    return replace(made, clean=mask.body, astride=mask.astride)


def evidence_slice(result: Result, findings: Sequence[str], connections: Sequence[str], keylogs: Sequence[str] = ()) -> tuple[Iterator[bytes], int]:
    """The pcapng file's blocks and how many packets it has. ``result`` has the hashes of its captures, which are read again while the blocks are taken.

    ``keylogs``: files of which the lines go in that open the slice's TLS connections. `UsageError`: none does.
    """
    from analyzer.engine.packets import packets_of
    from analyzer.engine.secrets.load import load
    from analyzer.errors import UsageError
    from analyzer.exports import pcapng, slices
    from analyzer.records.ids import packet_key
    from analyzer.tables.packets import numbers_by_capture
    from analyzer.version import __version__

    def originals(ordinal: int, numbers: Sequence[int]) -> Iterator[slices.Original]:
        for one in packets_of(captures[ordinal], numbers):
            yield slices.Original(packet_key(ordinal, one.number), one.ts_ns, one.link_type, one.data, one.wire_size)

    captures = result.evidence.captures
    chosen = slices.sliced(result, findings, connections)
    found = [originals(ordinal, numbers) for ordinal, numbers in numbers_by_capture(chosen.comments).items()]
    lines = slices.key_lines(chosen, result.evidence.connections.values(), load(None, keylogs).tls) if keylogs else ()
    if keylogs and not lines:
        msg = f"{', '.join(keylogs)}: no line belongs to a TLS connection of the slice"
        raise UsageError(msg)
    told = pcapng.blocks(slices.items(found, chosen, captures), f"winrm-analyzer {__version__}", chosen.about, "".join(f"{one}\n" for one in lines))
    return told, len(chosen.comments)


def slice_with_pseudonyms(
    original: Result, shared: Result, names: Texts, findings: Sequence[str], connections: Sequence[str]
) -> tuple[Iterator[bytes], int, tuple[str, ...]]:
    """As `evidence_slice`, of packets with pseudonyms; besides, what was blanked or left out. ``shared``: the same result with pseudonyms."""
    from analyzer.engine.packets import packets_of
    from analyzer.exports import pcapng, slices
    from analyzer.pseudonyms.slices import Raw, Replacing
    from analyzer.records.ids import packet_key
    from analyzer.tables.packets import numbers_by_capture
    from analyzer.version import __version__

    captures = original.evidence.captures
    chosen = slices.sliced(shared, findings, connections)
    wanted = numbers_by_capture(chosen.comments)
    raw = (Raw(packet_key(place, one.number), one.link_type, one.data) for place, numbers in wanted.items() for one in packets_of(captures[place], numbers))
    replacing = Replacing(original.evidence, names, raw)

    def made(ordinal: int, numbers: Sequence[int]) -> Iterator[slices.Original]:
        for one in packets_of(captures[ordinal], numbers):
            key = packet_key(ordinal, one.number)
            data = replacing.packet(Raw(key, one.link_type, one.data))
            if data is not None:
                yield slices.Original(key, one.ts_ns, one.link_type, data, one.wire_size)

    found = [list(made(ordinal, numbers)) for ordinal, numbers in wanted.items()]
    written = sum(map(len, found))
    blocks = pcapng.blocks(slices.items(found, chosen, shared.evidence.captures), f"winrm-analyzer {__version__}", chosen.about)
    return blocks, written, tuple(replacing.told())
