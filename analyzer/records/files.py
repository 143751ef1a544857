"""A file that was moved over WinRM, put together again."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MovedFile:
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
    data: bytes = field(repr=False)
