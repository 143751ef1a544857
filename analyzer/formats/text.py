r"""Hostile text made visible (CWE-150): what a capture holds must not steer the terminal of the person who reads it.

Everything that moves the cursor, changes direction, or cannot be seen becomes an escape such as ``\x1b`` or ``\u202e``. A backslash stays a backslash, because
``DOMAIN\user`` is what people read every day; so an escape shown here and the same characters typed by somebody cannot be told apart. The exact text is in the
JSON and Parquet outputs.

A name can look like another one by letters of another script (``admin`` with a Cyrillic a): in a word of Latin letters and of others that look like
them, all but ASCII is escapes. A word in one script is shown as it is.
"""

import re
from functools import lru_cache

TEXT_CHARS = 2000
"""Characters of one captured string that are shown."""

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\u2800")
"""Letters and marks that draw nothing, so that two names can look alike."""

_ALIKE = (
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορτυχικϲϳͿ",
    "АВЕЅІЈКМНОРСТУХЗѴаеѕіјкморстухԁԛԝһѵүґ",
    "ՍՕօսհոցզ",  # noqa: RUF001  which is the point
    "ᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷΝᏢᏒᏚᎢᏙᎳᏃ",  # noqa: RUF001  which is the point
    "ɑɡɩʀɪʏɴʜʟꜱꓮꓐꓚꓓꓰꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ",
)
"""Letters of Greek, Cyrillic, Armenian, Cherokee, Lisu and of phonetic alphabets that look like Latin ones (UTS 39, confusables)."""
_LOOKS_LATIN = re.compile(f"[{''.join(_ALIKE)}]")
_WORD = re.compile(r"\w+")
_STYLED = range(0x1D400, 0x1D800)
"""Mathematical letters: Latin ones in other clothes, which no name needs."""


def visible(text: str, limit: int = TEXT_CHARS, keep: str = "") -> str:
    r"""``text`` with control, bidirectional, zero-width, private and unassigned characters as escapes, cut after ``limit`` characters.

    ``keep`` names the control characters that may stay, for example ``"\n\t"`` for a text of several lines.
    """
    shown = text[:limit]
    if not (shown.isascii() and shown.isprintable()):
        if _LOOKS_LATIN.search(shown):
            shown = _WORD.sub(_unmixed, shown)
        shown = shown.translate(_table(keep))
    left = len(text) - limit
    return f"{shown}... ({left} more characters)" if left > 0 else shown


class _Shown(dict[int, str]):
    """What stands for each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        found = _visible_char(chr(code))
        if len(self) < _CHARACTERS:
            self[code] = found
        return found


_CHARACTERS = 4096
"""So many are remembered: texts have a few dozen."""


@lru_cache(maxsize=16)
def _table(keep: str) -> _Shown:
    return _Shown({ord(char): char for char in keep})


def _unmixed(found: re.Match[str]) -> str:
    """A word; when it is of Latin letters and of others that look like them, all but ASCII is escapes."""
    word = found[0]
    if not _LOOKS_LATIN.search(word) or not any(char.isascii() and char.isalpha() for char in word):
        return word
    return "".join(char if char.isascii() else _escape(char) for char in word)


def cells(char: str) -> int:
    """Columns that a character takes on a terminal."""
    import unicodedata  # loaded for the first character that asks for it

    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _visible_char(char: str) -> str:
    import unicodedata  # as above

    if unicodedata.category(char) not in _HIDDEN_CATEGORIES and char not in _BLANK_LETTERS and not _is_variation(char) and ord(char) not in _STYLED:
        return char
    return _escape(char)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_variation(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
