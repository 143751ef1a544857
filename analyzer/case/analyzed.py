"""A case out of captures: the tables, records and texts of a finished run. What is slow to load is imported when it is first needed."""

from __future__ import annotations

import builtins
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from analyzer.case.tables import WIDTH, CaseTables, rendered
from analyzer.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from analyzer.case.opened import OpenedCase
    from analyzer.case.tables import Cells
    from analyzer.engine.packets import Packet
    from analyzer.exports.registry import Export, Source
    from analyzer.records.evidence import Evidence
    from analyzer.records.files import MovedFile
    from analyzer.records.hashes import HashLine
    from analyzer.records.http import Request, Response
    from analyzer.records.quality import Absent
    from analyzer.records.result import Result
    from analyzer.records.transport import Stream
    from analyzer.reports.masking import Mask
    from analyzer.reports.raw import Fetch, Piece
    from analyzer.tables.column import ByColumn
    from analyzer.tables.lookup import Named

    Record: TypeAlias = Named | Request | Response | Absent
    About: TypeAlias = dict[str, Any]
    Texts: TypeAlias = Callable[[], Iterable[tuple[str, str]]]

LADDER_MESSAGES = 300
"""Arrows that a ladder draws when nobody asks for more."""


class Case(CaseTables):
    """A finished run. Tables are pandas DataFrames, made when they are first asked for; ``case["c3.x2"]`` is a record by its id.

    Passwords in texts and every secret that was given are masked in tables, texts and files, unless they are asked for with ``show_secrets``. Records and their
    bytes (``case["c3.x2"]``, ``case.bytes``, ``case.result``) are the evidence itself and are as captured.
    """

    def __init__(
        self, result: Result, fetch: Fetch, about: About | None = None, mask: Mask | None = None, texts: Texts | None = None, *, shows: bool = False
    ) -> None:
        super().__init__()
        from analyzer.reports.masking import Mask

        self.result = result
        self._fetch = fetch
        self._about: About = about or {}
        self._mask = mask or Mask()
        self._texts: Texts = texts or (lambda: ())
        self._shows = shows

    @property
    def diagnosis(self) -> str:
        """What all of it comes to: at most four sentences, a line each. Passwords in them are masked."""
        return "\n".join(self._told.diagnosis)

    @property
    def evidence(self) -> Evidence:
        """All records, as rules see them."""
        return self.result.evidence

    def _exact(self, name: str) -> Cells:
        return self.cells(name)

    def join_events(self, *paths: str | os.PathLike[str]) -> Case:
        """The same case with host logs (EVTX, JSON lines; files and folders) joined to it: the table ``host_events``. `InputError`: one cannot be opened."""
        from analyzer.engine.host_logs import with_host_logs
        from analyzer.settings import Limits

        limits = self._about.get("limits") or Limits()
        result = with_host_logs(self.result, [os.fspath(one) for one in paths], limits)
        return Case(result, self._fetch, self._about, self._mask, self._texts, shows=self._shows)

    def show_secrets(self) -> Case:
        """The same case with nothing masked in its tables."""
        return Case(self.result, self._fetch, self._about, self._mask, self._texts, shows=True)

    def cells(self, name: str, *, show_secrets: bool = False) -> Cells:
        """The cells of a table, row by row; passwords in its texts are masked unless ``show_secrets``. Also of ``ladders``, the arrows of the diagrams."""
        from analyzer.engine.store import table_of

        show, table = show_secrets or self._shows, table_of(name)
        rows = table.values(self._result_for(name, show_secrets=show))
        return rows if show else self._mask.cells(table, rows)

    def by_column(self, name: str, *, show_secrets: bool = False) -> ByColumn:
        """The same cells, column by column."""
        from analyzer.engine.store import table_of

        show, table = show_secrets or self._shows, table_of(name)
        columns = table.columns_of(self._result_for(name, show_secrets=show))
        return columns if show else self._mask.columns(table, columns)

    def offered_as(self, path: str, options: Sequence[tuple[str, object]] = ()) -> None:
        """The commands that the first screen offers are given this input, and these options, from now on."""
        from analyzer.reports.next_steps import Asked, words_of

        self._about["asked"] = Asked((path,), words_of(options))

    def manifest(self) -> Mapping[str, object]:
        """How the tables were made: tool, rules, command, inputs, limits; without any secret."""
        from analyzer.engine.account import account
        from analyzer.version import __version__

        return account(self._hashed(self._masked), self._about | {"version": __version__})

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        clobber: bool = False,
        show_secrets: bool = False,
        keep: Collection[str] = (),
        progress: Callable[[str, int, int], None] | None = None,
    ) -> OpenedCase:
        """Write a case folder, and open it. `OutputError`: the folder is there already (``clobber`` overwrites a case), or it lies in a folder of evidence.

        ``keep``: what it holds only when it is asked for (``files``, ``hashes``, ``texts``, ``all``), so that commands need no capture for it.
        """
        from pathlib import Path

        from analyzer.case.opened import opened_folder
        from analyzer.engine.store import save

        inputs = self.input_paths()
        more = self._contents(keep, show_secrets=show_secrets)
        about = {**self.manifest(), "show_secrets": show_secrets, "keeps": sorted(more)}
        save(Path(path), lambda name: self.by_column(name, show_secrets=show_secrets), about, inputs, clobber=clobber, more=more, progress=progress)
        return opened_folder(path)

    def _contents(self, keep: Collection[str], *, show_secrets: bool) -> dict[str, Callable[[], builtins.bytes]]:
        from analyzer.case import contents

        show, wanted = show_secrets or self._shows, contents.parts(keep)
        result = self._hashed(self.result if show else self._masked)
        clean = None if show or not self._mask.knows else self._mask.named
        made: dict[str, Callable[[], builtins.bytes]] = {contents.RECORDS: lambda: contents.records(result, clean, whole=show)}
        places = self._about.get("places")
        if isinstance(places, builtins.bytes):
            made[contents.PLACES] = lambda: places
        kinds: dict[contents.Part, Callable[[], builtins.bytes]] = {
            "files": lambda: contents.files(self.moved_files()),
            "hashes": lambda: contents.hashes(self.hash_lines()),
            "texts": lambda: contents.texts(self._texts(), str if show else self._mask.body),
        }
        return made | {contents.named(part): kinds[part] for part in wanted}

    def __getitem__(self, name: str) -> Record:
        """The record of an id: ``c3``, ``c3.x2``, ``c3.x2.q``, ``c3.x2.s``, ``c3.a1``, ``r1``, ``f1``. A message that is not in the capture is `Absent`."""
        if name in self._records:
            return self._records[name]
        exchange, _, side = name.rpartition(".")
        found = self.evidence.exchanges.get(exchange)
        if found is not None and side in {"q", "s"}:
            return found.request if side == "q" else found.response
        msg = f"there is no record {name!r}"
        raise UsageError(msg)

    @cached_property
    def _records(self) -> dict[str, Named]:
        from analyzer.tables.lookup import records_by_id

        return records_by_id(self.result)

    def bytes(self, name: str) -> bytes:
        """The bytes of a request or response (``c3.x2.q``), head and body, as they were sent. `InputError` when some are not in the capture: see `pieces`."""
        wanted, found = self._extent(name)[1:], self.pieces(name)
        data = b"".join(piece.data for piece in found)
        size = wanted[1] - wanted[0]
        if len(data) != size:
            msg = f"{size - len(data)} of the {size} bytes of {name} are not in the capture; pieces({name!r}) gives those that are"
            raise InputError(msg)
        return data

    def pieces(self, name: str) -> tuple[Piece, ...]:
        """What the capture has of a request or response, with the packet that brought each piece."""
        from analyzer.reports.raw import pieces

        stream, at, end_at = self._extent(name)
        return tuple(pieces(stream, at, end_at, self._fetch))

    def contents(self, name: str) -> tuple[builtins.bytes, builtins.bytes]:
        """Both contents of a conflict (``c3.k1``): the one that was used, and the other one, as far as they were kept. `InputError`: there is no such one."""
        from analyzer.tables.conflicts import conflict_rows

        for row in conflict_rows(self.result):
            if row.id == name:
                return row.conflict.used, row.conflict.other
        msg = f"there is no conflict {name!r}; the table conflicts has those there are"
        raise InputError(msg)

    def packet(self, capture: str, number: int) -> Packet:
        """Packet ``number`` of the capture of that name, read again from its file; ``.to_scapy()`` dissects it."""
        from analyzer.engine.packets import packet_of

        return packet_of(self.evidence.captures, capture, number)

    def _extent(self, name: str) -> tuple[Stream, int, int]:
        from analyzer.reports.raw import extent

        return extent(self.evidence, name, self[name])

    def overview(self, *, width: int = WIDTH, full: bool = False, products: bool = False, colour: bool = False) -> str:
        """The first screen, the diagnosis first. ``full``: all findings with their facts; ``products``: the settings of all products."""
        from analyzer.engine.asked_rules import asked_rules
        from analyzer.reports.next_steps import NOTHING
        from analyzer.reports.terminal import overview

        asked = self._about.get("asked", NOTHING)
        return rendered(overview(self._told, asked_rules(self.evidence), width, full=full, products=products, asked=asked), colour=colour)

    def look(self, *, width: int = WIDTH, colour: bool = False) -> str:
        """Is there WinRM, where, and which keys would open it."""
        from analyzer.reports.look import look

        return rendered(look(self._told, width), colour=colour)

    def transcript(self, *, show_secrets: bool = False, colour: bool = False, width: int | None = None) -> str:
        """What was run and what came back, with packet numbers. Passwords in the text are masked, best effort, unless ``show_secrets``.

        ``width``: columns of the terminal that shows it; without it lines are as long as they are.
        """
        from analyzer.reports import notebook
        from analyzer.reports.transcript import transcript

        show = show_secrets or self._shows
        text = rendered(transcript(self.result if show else self._masked, mask=not show, width=width), colour=colour)
        return notebook.Rich(text, lambda: notebook.preformatted(self.transcript(show_secrets=show_secrets)))

    def hash_lines(self) -> tuple[HashLine, ...]:
        """The responses of all logons as lines for hashcat. They are as good as passwords: keep them as such."""
        from analyzer.engine.hashes import hash_lines

        return hash_lines(self.evidence)

    def moved_files(self) -> tuple[MovedFile, ...]:
        """Files that commands moved to or from servers, as far as they could be read, put together again. Their names are texts of the capture."""
        from analyzer.engine.files import files

        return files(self.evidence)

    def packets_text(self, keys: Iterable[int]) -> str:
        """Packets as a set that Wireshark understands, after the capture's name when there are several."""
        from analyzer.tables.packets import packet_set

        return packet_set(keys, self.evidence.captures, named=True) or ""

    def archive(self, *, connections: Sequence[str] = (), show_secrets: bool = False) -> Iterator[str]:
        """The exchanges as an HTTP archive (HAR 1.2), with the bodies that could be read; of credentials only the scheme, unless ``show_secrets``."""
        return self.export("har", connections=connections, show_secrets=show_secrets)

    def _given(self, row: Export, connections: Sequence[str], *, show_secrets: bool) -> Source:
        from analyzer.case.exports import of_captures

        if row.reads == "tables":
            return super()._given(row, connections, show_secrets=show_secrets)
        show = show_secrets or self._shows
        for name in connections:
            self[name]
        result, mask = (self.result, None) if show else (self._masked, self._mask)
        return of_captures(lambda name: self.cells(name, show_secrets=show), result, self._texts, mask, connections, self.result.commands)

    def slice(
        self, path: str | os.PathLike[str], *, findings: Sequence[str] = (), connections: Sequence[str] = (), keylogs: Sequence[str] = (), clobber: bool = False
    ) -> int:
        """Write the original packets of findings and connections (of all WinRM when none is named) as pcapng with comments; their number.

        Packets cannot be masked: the file holds what the capture held, but no key logs. ``keylogs``: of these files the lines that open TLS of the slice.
        """
        from pathlib import Path

        from analyzer.case.exports import evidence_slice
        from analyzer.case.writing import write_bytes

        blocks, count = evidence_slice(self._hashed(self._masked), findings, connections, keylogs)
        write_bytes(Path(path), blocks, self.input_paths(), clobber=clobber)
        return count

    def decrypted(self, path: str | os.PathLike[str], *, connections: Sequence[str] = (), show_secrets: bool = False, clobber: bool = False) -> int:
        """Write the WinRM exchanges as plain HTTP with decrypted bodies, as pcapng for Wireshark; how many packets it has. They are made, not captured.

        ``connections``: these and those of their routes only. Each packet names those that it was made of. Passwords are masked unless ``show_secrets``.
        """
        from pathlib import Path

        from analyzer.case.exports import of_captures
        from analyzer.case.writing import write_bytes
        from analyzer.exports.decrypted import capture

        show = show_secrets or self._shows
        for name in connections:
            self[name]
        routes = ((route.client_connection, *route.upstream_connections) for route in self.evidence.routes)
        wanted = sorted({*connections, *(one for route in routes if set(route) & set(connections) for one in route)})
        result, mask = (self._hashed(self.result), None) if show else (self._hashed(self._masked), self._mask)
        data, count = capture(of_captures(self.cells, result, self._texts, mask, wanted, self.result.commands))
        write_bytes(Path(path), [data], self.input_paths(), clobber=clobber)
        return count

    def findings_text(self, *, least: str = "info", width: int = WIDTH, full: bool = False, products: bool = False, colour: bool = False) -> str:
        """The findings of at least this severity, each with its facts."""
        from analyzer.engine.asked_rules import asked_rules
        from analyzer.reports import notebook
        from analyzer.reports.terminal import finding_lines
        from analyzer.tables.findings import graver

        lines = finding_lines(graver(self._told, least), asked_rules(self.evidence), width, full=full, products=products)
        text = rendered(lines, colour=colour)
        return notebook.Rich(text, lambda: notebook.findings(self.at_least(least).listed("findings")))

    def ladder(
        self,
        connection: str | None = None,
        *,
        form: Literal["text", "mermaid", "svg"] = "text",
        messages: int = LADDER_MESSAGES,
        part: int = 1,
        fold: bool = True,
        width: int = WIDTH,
        colour: bool = False,
    ) -> str:
        """The sequence diagrams of a connection's routes, or of all; ``svg`` draws one only (else `UsageError`). ``fold``: repeated polls as one.

        ``part``: which part of drawings longer than ``messages`` (an index below them lists the parts); `UsageError` where no drawing has it.
        """
        from analyzer.case.drawn import ladder

        return ladder(self._result_for("ladders", show_secrets=self._shows), connection, form, messages, width, part=part, fold=fold, colour=colour)

    def machine(self, form: Literal["json", "jsonl"]) -> Iterator[str]:
        """The same as `overview`, for programs."""
        from analyzer.reports import machine
        from analyzer.version import __version__

        return (machine.document if form == "json" else machine.lines)(self._hashed(self._told), __version__)

    def at_least(self, level: str) -> Case:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.tables.findings import graver

        return Case(graver(self.result, level), self._fetch, self._about, self._mask, self._texts, shows=self._shows)

    @property
    def failures(self) -> tuple[str, ...]:
        """What made the result partial: issues of level error, and files that were passed over, as text; empty when there are none."""
        from analyzer.tables.issues import failures

        return failures(self.evidence.captures, self._told.evidence.issues)

    @property
    def changes(self) -> tuple[str, ...]:
        """What of the case's folder is not as it was written; nothing of a case out of captures."""
        return ()

    @property
    def empty(self) -> bool:
        """No input could be read."""
        unread = {issue.capture for issue in self.evidence.issues if issue.code == "capture.unreadable"}
        return all(capture.ordinal in unread for capture in self.evidence.captures)

    def _result_for(self, name: str, *, show_secrets: bool) -> Result:
        shown = self.result if show_secrets else self._masked
        return self._hashed(shown) if name == "captures" else shown

    @cached_property
    def _masked(self) -> Result:
        return self._mask.result(self.result)

    @cached_property
    def _told(self) -> Result:
        """What texts are made of that only count exchanges, messages and commands."""
        return self.result if self._shows else self._mask.told(self.result)

    def _hashed(self, result: Result) -> Result:
        from analyzer.engine.intact import with_hashes

        return with_hashes(result, self._hashes)

    @cached_property
    def _hashes(self) -> Mapping[int, str | None]:
        """By the ordinal of the capture."""
        from analyzer.engine.intact import hash_of

        return {one.ordinal: hash_of(one) for one in self.evidence.captures}

    def _extent_of_all(self) -> tuple[list[str], dict[str, int]]:
        found = self.evidence
        counts = {"connection": len(found.connections), "exchange": len(found.exchanges), "finding": len(self.result.findings), "issue": len(found.issues)}
        return [capture.name for capture in found.captures], counts

    def __repr__(self) -> str:
        return f"<Case: {len(self.evidence.captures)} captures, {len(self.evidence.connections)} connections, {len(self.result.findings)} findings>"
