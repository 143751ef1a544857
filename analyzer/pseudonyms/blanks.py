"""What cannot be replaced at equal length is blanked, and counted."""

from collections.abc import Callable


class Blanks:
    """What had to be blanked: counts of bytes by what they were."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, what: str, size: int) -> bytes:
        """So many zero bytes in place of something."""
        if size:
            self.counts[what] = self.counts.get(what, 0) + size
        return bytes(size)


def equal(made: bytes, data: bytes, blanks: Blanks) -> bytes:
    """What was made, where it is as long as the data; else nothing of it."""
    return made if len(made) == len(data) else blanks.add("text that cannot be replaced at equal length", len(data))


def coded(made: str, coding: str, data: bytes, blanks: Blanks) -> bytes:
    """What was made in the data's coding, where that has its signs and it is as long as the data; else nothing of it."""
    try:
        return equal(made.encode(coding), data, blanks)
    except UnicodeEncodeError:
        return equal(b"", data, blanks)


def text(data: bytes, change: Callable[[str], str], blanks: Blanks) -> bytes:
    """Text in UTF-8, or as it is in ISO 8859-1, with its names replaced."""
    for coding in ("utf-8", "latin-1"):
        try:
            made = change(data.decode(coding)).encode(coding)
        except UnicodeError:
            continue
        if len(made) == len(data):
            return made
    return blanks.add("text that cannot be replaced at equal length", len(data))
