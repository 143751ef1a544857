"""A file that was moved over WinRM, put together again."""

from msgspec import Struct


class Check(Struct, frozen=True, gc=False):
    """What the traffic itself says of a file, and what the bytes that are there come to.

    ``what``: SHA-1, SHA-256 (hexadecimal digits), BytesWritten (of one piece), size (of the whole). ``packets`` carried it.
    """

    what: str
    told: str
    found: str
    packets: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """Both are the same."""
        return self.told == self.found


class MovedFile(Struct, frozen=True, gc=False):
    """``kind`` is what the first bytes say (pe, zip, script, …); ``name`` what the command called it: a text of the capture, never a path to write to.

    ``to_server`` tells the direction; ``whole`` is false when a piece of it is missing or could not be decoded, or when the traffic tells another size or hash;
    ``commands`` and ``packets`` brought it. ``holes`` are (offset, size) of what is missing, size 0 where that is not known; where it is, zeros stand in
    ``data``.
    """

    sha256: str
    size: int
    kind: str
    name: str | None
    to_server: bool
    whole: bool
    shell: str
    commands: tuple[str, ...]
    packets: tuple[int, ...]
    first_ns: int
    data: bytes
    server: str = ""
    capture: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    checks: tuple[Check, ...] = ()
    over_limit: bool = False
    """It is longer than `Limits.file_bytes`; ``data`` is its beginning."""
    method: str = ""
    """How it was moved: Copy-Item, pypsrp, Ansible, base64 (any tool that writes or prints it)."""

    @property
    def missing_bytes(self) -> int | None:
        """How many bytes are missing; None when that is not known."""
        if not self.holes:
            return 0 if self.whole else None
        return sum(size for _, size in self.holes) if all(size for _, size in self.holes) else None

    @property
    def verified(self) -> bool | None:
        """The traffic's own words agree with the bytes (True) or do not (False); None when it says nothing that could be compared."""
        if not self.checks:
            return None
        return self.whole and all(check.agrees for check in self.checks)

    def __repr__(self) -> str:
        """Without the data, which may be megabytes."""
        return f"MovedFile(sha256={self.sha256!r}, size={self.size}, kind={self.kind!r}, name={self.name!r}, commands={self.commands!r})"
