"""A file that was moved over WinRM, put together again."""

from msgspec import Struct


class MovedFile(Struct, frozen=True, gc=False):
    """``kind`` is what the first bytes say (pe, zip, script, …); ``name`` what the command called it: a text of the capture, never a path to write to.

    ``to_server`` tells the direction; ``whole`` is false when a piece could not be decoded; ``commands`` and ``packets`` brought it.
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

    def __repr__(self) -> str:
        """Without the data, which may be megabytes."""
        return f"MovedFile(sha256={self.sha256!r}, size={self.size}, kind={self.kind!r}, name={self.name!r}, commands={self.commands!r})"
