"""A case out of its folder with all that it can do: its tables, and by its records the screens, the transcript, exports; the captures for what it lacks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from analyzer.case.opened import OpenedCase
from analyzer.case.tables import WIDTH
from analyzer.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from analyzer.case.analyzed import Case, Record
    from analyzer.case.stored import StoredCase
    from analyzer.engine.packets import Packet


class HubCase(OpenedCase):
    """`analyzer.open_case` gives it."""

    @property
    def has_records(self) -> bool:
        """The folder was written by a version that stores more than tables."""
        from analyzer.case.contents import RECORDS

        listed = self._manifest.get("keeps")
        return isinstance(listed, list) and RECORDS in listed

    def records(self, again: Callable[[], Case] | None = None, product: str | None = None) -> StoredCase:
        """The case with its records: screens, transcript, ladder, exports, and records by id.

        ``again`` reads the captures once more where the folder lacks something; without it they are read without keys. ``product``: the proxy product whose
        settings the advice names. `UsageError`: the folder was written by a version that stored no records.
        """
        from analyzer.case.contents import stored_records
        from analyzer.case.rereading import from_captures, relocated
        from analyzer.case.stored import StoredCase

        if self.in_groups:
            msg = f"{self.folder} holds tables only, as its connections were looked at in groups (--memory); for more analyze a part (--host, --from)"
            raise UsageError(msg)
        if not self.has_records:
            msg = f"{self.folder} was written by an older version, which stored only tables; analyze the captures again into a new case"
            raise UsageError(msg)
        result = relocated(stored_records(self.folder), self.folder, self._manifest)
        if product is not None:
            from analyzer.engine.naming import with_product

            result = with_product(result, product)
        return StoredCase(self.folder, self._manifest, result, self._mask, again or (lambda: from_captures(self.folder, self._manifest)), shows=self._shows)

    @cached_property
    def _recorded(self) -> StoredCase:
        return self.records()

    def __getitem__(self, name: str) -> Record:
        """The record of an id, as `Case` has it; its texts are those of the folder."""
        return self._recorded[name]

    def bytes(self, name: str) -> bytes:
        """The bytes of a request or response, which lie in the captures."""
        return self._recorded.bytes(name)

    def packet(self, capture: str, number: int) -> Packet:
        """A packet, which lies in its capture."""
        return self._recorded.packet(capture, number)

    def overview(self, *, width: int = WIDTH, full: bool = False, products: bool = False, colour: bool = False) -> str:
        """The first screen, as `Case` has it."""
        if self.in_groups:
            return super().overview(width=width, full=full, products=products, colour=colour)
        return self._recorded.overview(width=width, full=full, products=products, colour=colour)

    def transcript(self, *, show_secrets: bool = False, colour: bool = False, width: int | None = None) -> str:
        """What was run and what came back, as `Case` has it."""
        return self._recorded.transcript(show_secrets=show_secrets, colour=colour, width=width)

    def ladder(self, connection: str | None = None, *, form: Literal["text", "mermaid", "svg"] = "text") -> str:
        """The sequence diagrams, as `Case` has them."""
        return self._recorded.ladder(connection, form=form)

    def archive(self, *, connections: Sequence[str] = (), show_secrets: bool = False) -> Iterator[str]:
        """The exchanges as an HTTP archive, as `Case` has it: its bodies are in the folder if it keeps ``texts``, else in the captures."""
        return self._recorded.archive(connections=connections, show_secrets=show_secrets)

    def slice(
        self, path: str | os.PathLike[str], *, findings: Sequence[str] = (), connections: Sequence[str] = (), keylogs: Sequence[str] = (), clobber: bool = False
    ) -> int:
        """Write original packets, as `Case` does; they lie in the captures."""
        return self._recorded.slice(path, findings=findings, connections=connections, keylogs=keylogs, clobber=clobber)


def opened_case(path: str | os.PathLike[str]) -> HubCase:
    """The case of a case folder. `InputError`: it is no case folder."""
    from pathlib import Path

    from analyzer.engine.store import manifest

    return HubCase(Path(path), manifest(Path(path)))
