"""Folders and object stores as one: objects by name, written whole and read in ranges. A place that is a URL (``s3://bucket/prefix``) is fsspec's."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from analyzer.errors import InputError, OutputError, UsageError
from analyzer.system.files import is_url, read_at
from analyzer.system.outputs import make_folder, new_file, write_file

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK = 4 << 20
"""Bytes of a store that are asked for at a time."""
_MOST_OPEN = 64


class Objects:
    """The objects of one place. It holds nothing but the place, so that it can be sent to another process; files are opened when they are read."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") if is_url(place) else place
        self._open: dict[str, BinaryIO] = {}

    def __reduce__(self) -> tuple[type["Objects"], tuple[str]]:
        """The place alone travels."""
        return (Objects, (self.place,))

    def size(self, name: str) -> int | None:
        """Bytes of an object; None when there is none."""
        if not is_url(self.place):
            try:
                return (Path(self.place) / name).stat().st_size
            except OSError:
                return None
        system, path = _system(f"{self.place}/{name}")
        try:
            return int(system.info(path)["size"])
        except FileNotFoundError:
            return None
        except _failures() as error:
            msg = f"cannot read {self.place}/{name}: {_why(error)}"
            raise InputError(msg) from error

    def read(self, name: str, at: int, size: int) -> bytes:
        """Bytes of an object; fewer at its end. `InputError`: it is not there."""
        try:
            if not is_url(self.place):
                return read_at(self._file(name), size, at)
            system, path = _system(f"{self.place}/{name}")
            return bytes(system.cat_file(path, start=at, end=at + size)) if size > 0 else b""
        except _failures() as error:
            msg = f"cannot read {self.place}/{name}: {_why(error)}"
            raise InputError(msg) from error

    def write(self, name: str, pieces: list[bytes]) -> None:
        """An object of these bytes, in place of one that is there. `OutputError`: it cannot be written."""
        if not is_url(self.place):
            make_folder(Path(self.place))
            write_file(Path(self.place) / name, pieces, replace=True)
            return
        system, path = _system(f"{self.place}/{name}")
        try:
            system.pipe_file(path, b"".join(pieces))
        except _failures() as error:
            msg = f"cannot write {self.place}/{name}: {_why(error)}"
            raise OutputError(msg) from error

    def fill(self, name: str, work: "Callable[[BinaryIO], None]") -> None:
        """An object of what ``work`` writes. `OutputError` as for `write`."""
        if not is_url(self.place):
            make_folder(Path(self.place))
            with new_file(Path(self.place) / name, replace=True) as file:
                work(file)
            return
        from analyzer.system.outputs import spool

        with spool() as file:
            work(file)
            file.seek(0)
            system, path = _system(f"{self.place}/{name}")
            try:
                with system.open(path, "wb") as to:
                    while piece := file.read(_BLOCK):
                        to.write(piece)
            except _failures() as error:
                msg = f"cannot write {self.place}/{name}: {_why(error)}"
                raise OutputError(msg) from error

    def close(self) -> None:
        """Closes the files that are open."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _file(self, name: str) -> BinaryIO:
        file = self._open.get(name)
        if file is None:
            while len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            file = self._open[name] = cast("BinaryIO", (Path(self.place) / name).open("rb", buffering=0))
        return file


def open_object(url: str) -> BinaryIO:
    """An object to be read from its beginning to its end, in large ranges. `InputError`: it is not there, or its store is not known here."""
    system, path = _system(url)
    try:
        return cast("BinaryIO", system.open(path, "rb", block_size=_BLOCK, cache_type="readahead"))
    except _failures() as error:
        msg = f"{url}: {_why(error)}"
        raise InputError(msg) from error


def told_of(url: str) -> tuple[object, ...]:
    """What a store tells of an object besides its bytes, which changes when they do: its size and its tag or time."""
    system, path = _system(url)
    try:
        found: dict[str, Any] = system.info(path)
    except _failures() as error:
        msg = f"{url}: {_why(error)}"
        raise InputError(msg) from error
    return (found.get("size"), *(str(found[name]) for name in ("ETag", "etag", "mtime", "LastModified", "created") if name in found))


def objects_at(url: str) -> Iterator[str]:
    """The URLs of the objects that a URL stands for: a pattern, a folder with all that lies below it, or one object; in order of their names."""
    system, path = _system(url)
    try:
        found = system.glob(path) if any(one in path for one in "*?[") else system.find(path)
    except _failures() as error:
        msg = f"{url}: {_why(error)}"
        raise InputError(msg) from error
    for one in sorted(str(name) for name in found):
        yield str(system.unstrip_protocol(one))


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. `UsageError`: what reads such URLs is not installed."""
    try:
        import fsspec
    except ImportError as error:
        msg = f"{url} needs fsspec: pip install 'winrm-analyzer[dask]', and [s3] for s3://"
        raise UsageError(msg) from error
    try:
        system, path = fsspec.core.url_to_fs(url, **_options(url))
    except (ImportError, ValueError) as error:
        msg = f"{url} cannot be read here ({error})"
        raise UsageError(msg) from error
    return system, str(path)


def _failures() -> tuple[type[Exception], ...]:
    """What a store raises: its own client's exceptions, too, where that is loaded."""
    import sys

    own = [(module, name) for module, name in (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError")) if module in sys.modules]
    return (OSError, *(getattr(sys.modules[module], name) for module, name in own))


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _options(url: str) -> dict[str, Any]:
    """Listings are asked for anew: another process may have written since."""
    options: dict[str, Any] = {"use_listings_cache": False} if url.startswith(("s3://", "s3a://")) else {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if options and endpoint:
        options["client_kwargs"] = {"endpoint_url": endpoint}
    return options
