"""Reads bytes back from captures and the spool by (source, offset, size). Source 2n is capture n's file, 2n+1 the spool, which holds what captures share."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from analyzer.capture.identity import holds_what_was_read, identity
from analyzer.records.capture import Capture
from analyzer.system.files import read_at

_SMALLEST, _LARGEST = 1 << 12, 1 << 20
"""Bytes of a block. A capture that is all WinRM is read in large ones; where one packet in a hundred is of interest, they would copy the other ninety-nine."""


class _Block:
    """The bytes read last of one file, and where they begin; ``size`` is how many to read the next time (0: what is asked for and no more)."""

    __slots__ = ("begin", "data", "file", "size")

    def __init__(self, file: BinaryIO) -> None:
        self.begin, self.data, self.file, self.size = 0, b"", file, _SMALLEST


class Sources:
    """Files are opened when first needed and read in blocks; the last block of each stays, since segments of a stream lie near each other. A block is twice as
    large as the one before it when it follows that closely, else half as large. At most ``most`` files are open, those opened last."""

    talks: Callable[..., Any] | None = None
    """What reads connections elsewhere, by jobs that travel (`analyzer.engine.travelling`): given connections and tools, what shards of them say, or None."""

    dealing: Callable[..., Any] | None = None
    """What looks at groups of connections elsewhere (`analyzer.engine.dealing`): given what the scan gave, settings and a mask, who asks for it, or None."""

    def __init__(self, captures: Sequence[Capture], spool: BinaryIO | None, most: int = 64) -> None:
        self._read_as = {capture.ordinal: capture.identity for capture in captures}
        self._paths = {capture.ordinal: capture.path for capture in captures}
        self._spool = spool
        self._most = most
        self._blocks: dict[int, _Block] = {}
        self._files: dict[int, BinaryIO] = {}
        """Captures that are open, in the order they were opened."""
        self._gone = set[int]()
        """Captures that are not what was scanned: what lies in them now is not what was asked for."""

    def fetch(self, source: int, at: int, size: int) -> bytes:
        """The bytes; fewer when the file no longer has them, none when they lay in a spool that is gone, or in a file that is not what was scanned."""
        if (source & 1 and self._spool is None) or source in self._gone:
            return b""
        block = self._blocks.get(source)
        if block is None:
            file = self._file(source)
            if file is None:
                self._gone.add(source)
                return b""
            block = self._blocks[source] = _Block(file)
        begin = at - block.begin
        if begin >= 0 and begin + size <= len(block.data):
            return block.data[begin : begin + size]
        if -_SMALLEST <= begin - len(block.data) <= _SMALLEST:
            block.size = min(max(block.size * 2, _SMALLEST), _LARGEST)
        else:
            block.size = block.size >> 1 if block.size > _SMALLEST else 0
        if source & 1:
            self.flush()
        block.begin = at
        block.data = data = read_at(block.file, max(block.size, size), at)
        return data if len(data) == size else data[:size]

    def flush(self) -> None:
        """Writes what the spool holds back: a copy of this process would write it once more."""
        if self._spool is not None:
            self._spool.flush()

    def _file(self, source: int) -> BinaryIO | None:
        """None: it is another file now, or none, or was written to."""
        if source & 1:
            return cast("BinaryIO", self._spool)
        if len(self._files) >= self._most:
            self._close_oldest()
        file = self._opened(self._paths[source >> 1])
        read_as = self._read_as.get(source >> 1)
        if file is None or (read_as is not None and not holds_what_was_read(read_as, identity(file))):
            if file is not None:
                file.close()
            return None
        self._files[source] = file
        return file

    def _opened(self, path: str) -> BinaryIO | None:
        """Where no more files may be open, others are closed first; None for a file that cannot be opened (`analyzer.engine.intact` says so)."""
        while True:
            try:
                return Path(path).open("rb")
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    return None
                if not self._files:
                    raise
                self._most = len(self._files)
                self._close_oldest()

    def _close_oldest(self) -> None:
        oldest = next(iter(self._files))
        self._files.pop(oldest).close()
        self._blocks.pop(oldest, None)

    def store(self, capture: int, data: bytes) -> tuple[int, int]:
        """Keeps bytes that lie in no file (plaintext out of TLS) in the spool; gives (source, offset)."""
        spool = self._spool
        if spool is None:
            import tempfile

            spool = self._spool = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-", buffering=0))  # noqa: SIM115  closed with this object
        spool.seek(0, os.SEEK_END)
        at = spool.tell()
        left = memoryview(data)
        while left:
            left = left[spool.write(left) :]
        self._blocks.pop(2 * capture + 1, None)
        return 2 * capture + 1, at

    def close(self) -> None:
        """Closes the files; the spool is deleted with that."""
        for file in self._files.values():
            file.close()
        if self._spool is not None:
            self._spool.close()
        self._files.clear()
        self._blocks.clear()
