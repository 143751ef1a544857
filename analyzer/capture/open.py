"""Opens a capture and gives its bytes in pieces. Plain files are read by offset and stay where they are; compressed files,
members of ZIP archives and standard input are streamed. A member's path is that of its archive and its own behind it:
``evidence.zip/server/a.pcapng``.
"""

import io
import stat
import sys
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from msgspec import Struct

from analyzer.capture.identity import Watch, Watched
from analyzer.errors import InputError
from analyzer.settings import Limits
from analyzer.system.files import is_url

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

STDIN = "-"
_LIMITS = Limits()
ZIP_MAGIC = b"PK\x03\x04"
_MAGIC_SIZE = 6
_ENCRYPTED = 1
"""Of a member's flags."""
_METHODS = (0, 8, 12, 14)
"""Stored, deflate, bzip2, LZMA: what can be unpacked here."""


class UnpackError(Exception):
    """Compressed bytes are damaged, or end early."""


class TooLargeError(UnpackError):
    """Compressed bytes become too many."""


class Fed:
    """The bytes that a decompressor takes, counted."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        """As a file gives them."""
        data = self._raw.read(size)
        self.taken += len(data)
        return data

    def __getattr__(self, name: str) -> object:
        """All else is the file's."""
        return getattr(self._raw, name)


class Opened(Struct, frozen=True, gc=False):
    """An open input: the (decompressed) stream, the raw file below it (to tell progress), and whether payload can be re-read at file offsets."""

    stream: BinaryIO
    raw: BinaryIO
    compression: str
    seekable: bool
    size: int
    path: str
    watch: Watch
    """Of the raw file."""

    def fill(self, buffer: memoryview) -> int:
        """Puts the next bytes of the stream into ``buffer``; gives their number, 0 at the end."""
        got = cast("io.RawIOBase", self.stream).readinto(buffer) or 0
        if self.stream is self.raw and len(buffer):
            self.watch.add(buffer[:got])
        return got

    @property
    def sha256(self) -> str | None:
        """Of the raw file, once it was read; None for an archive, which is not read from its beginning to its end."""
        return None if "zip" in self.compression.split("+") else self.watch.sha256(self.raw)


class Packing(NamedTuple):
    """A compression: its name, the bytes that its files begin with, and what makes a stream of plain bytes of one."""

    name: str
    magic: bytes
    plain: Callable[[BinaryIO], BinaryIO]


def _gzip(raw: BinaryIO) -> BinaryIO:
    import gzip

    return cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb"))


def _zstd(raw: BinaryIO) -> BinaryIO:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(raw, read_across_frames=True, closefd=True)


def _xz(raw: BinaryIO) -> BinaryIO:
    import lzma

    return cast("BinaryIO", lzma.LZMAFile(raw))


def _bz2(raw: BinaryIO) -> BinaryIO:
    import bz2

    return cast("BinaryIO", bz2.BZ2File(raw))


PACKINGS = (
    Packing("gzip", b"\x1f\x8b", _gzip),
    Packing("zstd", b"\x28\xb5\x2f\xfd", _zstd),
    Packing("xz", b"\xfd7zXZ\x00", _xz),
    Packing("bzip2", b"BZh", _bz2),
)


def packing_of(head: bytes) -> Packing | None:
    """The compression of a file that begins with ``head``, None when it is none of these."""
    return next((packing for packing in PACKINGS if head.startswith(packing.magic)), None)


class Unpacked(io.RawIOBase):
    """The plain bytes of a compressed stream. What was unpacked before damage is given first, then `UnpackError` is raised."""

    def __init__(self, inner: BinaryIO, taken: Callable[[], int], limits: Limits) -> None:
        self._inner = inner
        self._taken = taken
        """How many bytes it was made of until now."""
        self._limits = limits
        self._given = 0
        self._none = True
        self._failed: UnpackError | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fills ``buffer`` as far as there are bytes."""
        view = memoryview(cast("bytearray", buffer))
        have = 0
        while have < len(view) and self._failed is None:
            piece = self._piece(len(view) - have)
            if not piece:
                break
            view[have : have + len(piece)] = piece
            have += len(piece)
        if not have and self._failed is not None:
            raise self._failed
        if not have and self._none and view:  # zstd says nothing of data that end early
            self._failed = UnpackError("nothing could be decompressed from it")
            raise self._failed
        self._none = self._none and not have
        return have

    def _piece(self, size: int) -> bytes:
        limits = self._limits
        if self._given >= limits.packed_bytes and self._given >= limits.packed_ratio * self._taken():
            told = (
                f"packed_ratio={limits.packed_ratio}: {self._taken()} compressed bytes became {self._given}; packed_bytes={limits.packed_bytes} (a part of "
                "packed_run_bytes); what follows was not read"
            )
            self._failed = TooLargeError(told)
            return b""
        try:
            piece = cast("io.BufferedReader", self._inner).read1(size)
        except _damage() as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the compression's
                raise
            self._failed = UnpackError(str(error))
            return b""
        self._given += len(piece)
        return piece

    def close(self) -> None:
        """Closes the compressed stream, too."""
        self._inner.close()
        super().close()


def opened(path: str, limits: Limits = _LIMITS) -> Opened:
    """Opens ``path`` (``-`` is standard input) read-only. `InputError`: the file system refuses, it is a device or a socket, or
    the member of an archive cannot be read."""
    try:
        if path == STDIN:
            return _stdin(limits)
        if is_url(path):
            return _object(path, limits)
        archive = archive_of(path)
        return _file(path, limits) if archive is None else _member(path, archive, limits)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InputError(msg) from error


def is_pipe(path: str) -> bool:
    """It can be read only once: standard input, a named pipe, or what a shell gives for ``<(command)``."""
    if path == STDIN:
        return True
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def archive_of(path: str) -> Path | None:
    """The file on disk that a member's path leads through; None when ``path`` is a file's own (or no file's)."""
    whole = Path(path)
    if whole.exists():
        return None
    try:
        return next((one for one in whole.parents if one.is_file()), None)
    except OSError:
        return None


def on_disk(path: str) -> str:
    """The file on disk that holds an input: a member's archive, else the input itself."""
    archive = None if path == STDIN else archive_of(path)
    return path if archive is None else str(archive)


def _file(path: str, limits: Limits) -> Opened:
    mode = Path(path).stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        msg = f"{path} is a {'socket' if stat.S_ISSOCK(mode) else 'device'}, no capture file; standard input is -"
        raise InputError(msg)
    raw = Path(path).open("rb", buffering=0)  # noqa: SIM115  closed by the caller
    if stat.S_ISFIFO(mode):
        return _piped(cast("io.RawIOBase", raw), path, limits)
    return _seekable(raw, path, limits)


def _object(url: str, limits: Limits) -> Opened:
    """An object of a store, which is read once, from its beginning to its end."""
    from analyzer.system.objects import open_object

    source = _seekable(open_object(url), url, limits)
    source.watch.before = None  # whatever the store is made of, no path of this system leads to the object
    return source


def _seekable(raw: BinaryIO, path: str, limits: Limits) -> Opened:
    watch = Watch(raw)
    raw.seek(0, io.SEEK_END)
    size = raw.tell()
    raw.seek(0)
    magic = raw.read(_MAGIC_SIZE)
    raw.seek(0)
    stream, compression = _decompressed(raw, magic, watch, limits)
    return Opened(stream, raw, compression, compression == "", size, path, watch)


def _stdin(limits: Limits) -> Opened:
    return _piped(cast("io.RawIOBase", sys.stdin.buffer), STDIN, limits)


def _piped(source: io.RawIOBase, path: str, limits: Limits) -> Opened:
    raw = io.BufferedReader(source, 1 << 16)
    watch = Watch(cast("BinaryIO", raw))
    watch.before = None  # also of a file that stands for standard input: it may be read from its middle on
    stream, compression = _decompressed(cast("BinaryIO", raw), raw.peek(_MAGIC_SIZE)[:_MAGIC_SIZE], watch, limits)
    return Opened(stream, cast("BinaryIO", raw), compression, seekable=False, size=0, path=path, watch=watch)


def _decompressed(raw: BinaryIO, magic: bytes, watch: Watch, limits: Limits) -> tuple[BinaryIO, str]:
    packing = packing_of(magic)
    if packing is None:
        return raw, ""
    fed = Fed(cast("BinaryIO", Watched(raw, watch)))
    return cast("BinaryIO", Unpacked(packing.plain(cast("BinaryIO", fed)), lambda: fed.taken, limits)), packing.name


def _damage() -> tuple[type[Exception], ...]:
    """What the decompressors that are loaded raise on damage."""
    found: list[type[Exception]] = [EOFError, OSError, zlib.error]
    for module, name in (("zstandard", "ZstdError"), ("lzma", "LZMAError"), ("zipfile", "BadZipFile")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


# ZIP


class Member(NamedTuple):
    """A file in a ZIP archive: its name in it, its size unpacked, its first bytes, and why it cannot be read (empty when it can)."""

    name: str
    size: int
    head: bytes
    why_not: str


def members(path: str, most: int, head_size: int) -> list[Member]:
    """The files in a ZIP archive, ``most`` of them, with their first bytes (unpacked, where they are compressed
    themselves). `InputError`: it is damaged."""
    with Path(path).open("rb") as raw:
        archive = _archive(path, raw)
        found: list[Member] = []
        for info in archive.infolist():
            if _is_folder(info):
                continue
            if len(found) >= most:
                break
            why_not = _why_not(info)
            head = b""
            if not why_not:
                try:
                    head = _head(archive, info, head_size)
                except UnpackError as error:
                    why_not = f"is damaged in the archive ({error})"
            found.append(Member(info.filename, info.file_size, head, why_not))
        return found


def _head(archive: "ZipFile", info: "ZipInfo", size: int) -> bytes:
    stream, _ = _plain_member(archive, info, _LIMITS)
    try:
        data = bytearray(size)
        return bytes(data[: stream.readinto(data) or 0])
    finally:
        stream.close()


def _member(path: str, archive: Path, limits: Limits) -> Opened:
    raw = archive.open("rb")
    watch = Watch(raw)
    wanted = PurePosixPath(Path(path).relative_to(archive).as_posix())
    info = next((one for one in _archive(str(archive), raw).infolist() if PurePosixPath(one.filename) == wanted and not _is_folder(one)), None)
    why_not = "is not in it" if info is None else _why_not(info)
    if info is None or why_not:
        raw.close()
        msg = f"{path}: {wanted} {why_not}"
        raise InputError(msg)
    try:
        stream, packing = _plain_member(_archive(str(archive), raw), info, limits)
    except UnpackError as error:
        raw.close()
        msg = f"{path}: {wanted} is damaged in the archive ({error})"
        raise InputError(msg) from error
    compression = "zip" if packing is None else f"{packing.name}+zip"
    return Opened(cast("BinaryIO", stream), raw, compression, seekable=False, size=archive.stat().st_size, path=path, watch=watch)


def _plain_member(archive: "ZipFile", info: "ZipInfo", limits: Limits) -> tuple[Unpacked, Packing | None]:
    """The bytes of a member, decompressed where it is a compressed file itself."""
    damage: tuple[type[Exception], ...] = (*_damage(), NotImplementedError, RuntimeError, ValueError)
    try:
        with archive.open(info) as inner:
            packing = packing_of(inner.read(_MAGIC_SIZE))
        stream = Unpacked(cast("BinaryIO", archive.open(info)), lambda: info.compress_size, limits)
    except damage as error:
        raise UnpackError(str(error)) from error
    if packing is None:
        return stream, None
    return Unpacked(packing.plain(cast("BinaryIO", io.BufferedReader(stream))), lambda: info.compress_size, limits), packing


def _archive(path: str, raw: BinaryIO) -> "ZipFile":
    import struct
    import zipfile

    try:
        return zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError) as error:
        msg = f"{path}: the ZIP archive is damaged ({error})"
        raise InputError(msg) from error


def _is_folder(info: "ZipInfo") -> bool:
    """A folder, or a member without a name: zipfile's own question fails on one."""
    return not info.filename or info.filename.endswith("/")


def _why_not(info: "ZipInfo") -> str:
    if info.flag_bits & _ENCRYPTED:
        return "is protected by a password: unpack it, and give the file"
    return (
        "" if info.compress_type in _METHODS else f"is compressed in a way that is not known here (method {info.compress_type}): unpack it, and give the file"
    )


def stopped(error: TooLargeError | UnpackError | OSError, compression: str, size: int, packets: int) -> tuple[str, str, int | None]:
    """The issue (code, detail, last packet) of a file of which no more than ``size`` bytes could be read."""
    last = packets or None
    if isinstance(error, TooLargeError):
        return "capture.limit", str(error), last
    if isinstance(error, UnpackError):
        return "capture.decompression", f"{compression}: {error}", last
    return "capture.unreadable", f"reading stopped after {size} bytes: {error.strerror or error}", last
