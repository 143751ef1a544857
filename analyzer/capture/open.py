"""Opens a capture and gives its bytes in pieces. Plain files are read by offset and stay where they are; gzip, zstd and standard input are streamed."""

import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from analyzer.errors import InputError

STDIN = "-"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


class Opened(Struct, frozen=True, gc=False):
    """An open input: the (decompressed) stream, the raw file below it (to tell progress), and whether payload can be re-read at file offsets."""

    stream: BinaryIO
    raw: BinaryIO
    compression: str
    seekable: bool
    size: int
    path: str

    def fill(self, buffer: memoryview) -> int:
        """Puts the next bytes of the stream into ``buffer``; gives their number, 0 at the end."""
        return cast("io.RawIOBase", self.stream).readinto(buffer) or 0


def opened(path: str) -> Opened:
    """Opens ``path`` (``-`` is standard input) read-only. Raises `InputError` when the file system refuses."""
    try:
        return _stdin() if path == STDIN else _file(path)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InputError(msg) from error


def _file(path: str) -> Opened:
    raw = Path(path).open("rb", buffering=0)  # noqa: SIM115  closed by the caller
    magic = raw.read(4)
    raw.seek(0, io.SEEK_END)
    size = raw.tell()
    raw.seek(0)
    stream, compression = _decompressed(raw, magic)
    return Opened(stream, raw, compression, compression == "", size, path)


def _stdin() -> Opened:
    raw = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer), 1 << 16)
    stream, compression = _decompressed(cast("BinaryIO", raw), raw.peek(4)[:4])
    return Opened(stream, cast("BinaryIO", raw), compression, seekable=False, size=0, path=STDIN)


def _decompressed(raw: BinaryIO, magic: bytes) -> tuple[BinaryIO, str]:
    if magic.startswith(_GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb")), "gzip"
    if magic.startswith(_ZSTD):
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(raw, read_across_frames=True, closefd=True), "zstd"
    return raw, ""


def zstd_errors() -> tuple[type[Exception], ...]:
    """The exceptions of damaged compressed input, zstd's own among them when that module is loaded."""
    module = sys.modules.get("zstandard")
    return DAMAGE if module is None else (*DAMAGE, cast("type[Exception]", module.ZstdError))
