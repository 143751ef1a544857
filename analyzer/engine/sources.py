"""Reads bytes back from captures and spool files by (source, offset, size). Source 2n is capture n's file, 2n+1 its spool."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from analyzer.records.capture import Capture

_BLOCK = 1 << 20


class Sources:
    """Files are opened when first needed and read in blocks; the last block of each stays, since segments of a stream lie near each other."""

    def __init__(self, captures: Sequence[Capture], spools: Mapping[int, BinaryIO]) -> None:
        self._paths = {capture.ordinal: capture.path for capture in captures}
        self._spools = dict(spools)
        self._open: dict[int, int] = {}
        self._blocks: dict[int, tuple[int, bytes]] = {}
        self._files: list[BinaryIO] = []

    def fetch(self, source: int, at: int, size: int) -> bytes:
        """The bytes; fewer when the file no longer has them."""
        begin, block = self._blocks.get(source, (0, b""))
        if begin <= at and at + size <= begin + len(block):
            return block[at - begin : at - begin + size]
        begin = at - at % 4096
        block = self._read(source, begin, max(_BLOCK, at + size - begin))
        self._blocks[source] = (begin, block)
        return block[at - begin : at - begin + size]

    def _read(self, source: int, at: int, size: int) -> bytes:
        if source & 1:
            self._spools[source >> 1].flush()
        return os.pread(self._descriptor(source), size, at)

    def _descriptor(self, source: int) -> int:
        known = self._open.get(source)
        if known is None:
            if source & 1:
                spool = self._spools[source >> 1]
                known = spool.fileno()
            else:
                file = Path(self._paths[source >> 1]).open("rb")  # noqa: SIM115  closed with this object
                self._files.append(file)
                known = file.fileno()
            self._open[source] = known
        return known

    def store(self, capture: int, data: bytes) -> tuple[int, int]:
        """Keeps bytes that lie in no file (plaintext out of TLS) in the capture's spool; gives (source, offset)."""
        spool = self._spools.get(capture)
        if spool is None:
            spool = self._spools[capture] = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-"))  # noqa: SIM115  closed with this object
        spool.seek(0, os.SEEK_END)
        at = spool.tell()
        spool.write(data)
        self._blocks.pop(2 * capture + 1, None)
        return 2 * capture + 1, at

    def close(self) -> None:
        """Closes the files; spools are deleted with them."""
        for file in (*self._files, *self._spools.values()):
            file.close()
        self._open.clear()
        self._blocks.clear()
