"""Words in a temporary file that is mapped into memory: what was not touched for a while is the file's, not the process's."""

import mmap
import os
from array import array
from contextlib import suppress
from typing import BinaryIO, cast

from analyzer.system.outputs import spool

_WORD = 8


MAPPED = 64
"""Files that are mapped at a time; the words of more are in memory."""


class Pages:
    """An array of words (64 bits) that grows. The file has no name, and is gone with the last one who has the words. Where the disk takes no more, they are
    in memory from then on. ``all_of_them``: those that have files already."""

    def __init__(self, all_of_them: "list[Pages] | None" = None) -> None:
        self._map: mmap.mmap | None = None
        self._words = array("Q")
        self._file: BinaryIO | None = None
        others = all_of_them if all_of_them is not None else []
        if len(others) < MAPPED:
            with suppress(OSError):
                self._file = spool()
                others.append(self)

    @property
    def is_mapped(self) -> bool:
        """Whether the words lie in the file."""
        return self._map is not None

    def longer(self, count: int) -> "array[int]":
        """The words, zeros behind those that there were, ``count`` in all. What was given before is one with it, or a copy that nobody should write to."""
        if self._file is not None:
            try:
                self._words = cast("array[int]", self._mapped(self._file.fileno(), count * _WORD))
            except OSError:  # a full disk, no room for one more mapping
                self._file = self._map = None
            else:
                return self._words
        grown = array("Q", bytes(count * _WORD))
        memoryview(grown)[: len(self._words)] = memoryview(self._words)
        self._words = grown
        return grown

    def _mapped(self, descriptor: int, size: int) -> memoryview:
        if hasattr(os, "posix_fallocate"):  # a page that the disk has no room for ends the process that touches it
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.ftruncate(descriptor, size)
        self._map = mmap.mmap(descriptor, size)
        return memoryview(self._map).cast("Q")

    def leave(self) -> None:
        """Nothing of it counts as this process's memory, until it is touched again."""
        if self._map is not None and hasattr(self._map, "madvise"):
            with suppress(OSError, ValueError):
                self._map.madvise(mmap.MADV_DONTNEED)
