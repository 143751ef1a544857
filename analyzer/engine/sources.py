"""Reads bytes back from captures and spool files by (source, offset, size). Source 2n is capture n's file, 2n+1 its spool."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from analyzer.records.capture import Capture

_SMALLEST, _LARGEST = 1 << 12, 1 << 20
"""Bytes of a block. A capture that is all WinRM is read in large ones; where one packet in a hundred is of interest, they would copy the other ninety-nine."""


class _Block:
    """The bytes read last of one file, and where they begin; ``size`` is how many to read the next time (0: what is asked for and no more)."""

    __slots__ = ("begin", "data", "descriptor", "size")

    def __init__(self, descriptor: int) -> None:
        self.begin, self.data, self.descriptor, self.size = 0, b"", descriptor, _SMALLEST


class Sources:
    """Files are opened when first needed and read in blocks; the last block of each stays, since segments of a stream lie near each other. A block is twice as
    large as the one before it when it follows that closely, else half as large. At most ``most`` files are open, those used last."""

    def __init__(self, captures: Sequence[Capture], spools: Mapping[int, BinaryIO], most: int = 64) -> None:
        self._paths = {capture.ordinal: capture.path for capture in captures}
        self._spools = dict(spools)
        self._most = most
        self._blocks: dict[int, _Block] = {}
        self._files: dict[int, BinaryIO] = {}
        """Captures that are open, the one opened or opened again last at the end."""

    def fetch(self, source: int, at: int, size: int) -> bytes:
        """The bytes; fewer when the file no longer has them."""
        block = self._blocks.get(source)
        if block is None:
            block = self._blocks[source] = _Block(self._descriptor(source))
        begin = at - block.begin
        if begin >= 0 and begin + size <= len(block.data):
            return block.data[begin : begin + size]
        if -_SMALLEST <= begin - len(block.data) <= _SMALLEST:
            block.size = min(max(block.size * 2, _SMALLEST), _LARGEST)
        else:
            block.size = block.size >> 1 if block.size > _SMALLEST else 0
        if source & 1:
            self._spools[source >> 1].flush()
        block.begin = at
        block.data = data = os.pread(block.descriptor, max(block.size, size), at)
        return data if len(data) == size else data[:size]

    def flush(self) -> None:
        """Writes what the spools hold back: a copy of this process would write it once more."""
        for spool in self._spools.values():
            spool.flush()

    def _descriptor(self, source: int) -> int:
        if source & 1:
            return self._spools[source >> 1].fileno()
        if len(self._files) >= self._most:
            oldest = next(iter(self._files))
            self._files.pop(oldest).close()
            self._blocks.pop(oldest, None)
        file = self._files[source] = Path(self._paths[source >> 1]).open("rb")  # closed with this object
        return file.fileno()

    def store(self, capture: int, data: bytes) -> tuple[int, int]:
        """Keeps bytes that lie in no file (plaintext out of TLS) in the capture's spool; gives (source, offset)."""
        spool = self._spools.get(capture)
        if spool is None:
            import tempfile

            spool = self._spools[capture] = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-"))  # noqa: SIM115  closed with this object
        spool.seek(0, os.SEEK_END)
        at = spool.tell()
        spool.write(data)
        self._blocks.pop(2 * capture + 1, None)
        return 2 * capture + 1, at

    def close(self) -> None:
        """Closes the files; spools are deleted with them."""
        for file in (*self._files.values(), *self._spools.values()):
            file.close()
        self._files.clear()
        self._blocks.clear()
