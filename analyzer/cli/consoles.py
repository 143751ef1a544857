"""Characters that a console or pipe cannot show: those that we draw with have a spelling in ASCII, all others are shown as escapes."""

import codecs

NAME = "winrm-analyzer"
_SPELLED = {
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "×": "x",
    "…": "...",
    "“": '"',
    "”": '"',
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{EN DASH}": "-",
    "—": "-",
    "·": "*",
    "•": "*",
    "✓": "v",
    "✗": "x",
    "│": "|",
    "┃": "|",
    "─": "-",
    "━": "-",
    "┄": "-",
    "┊": ":",
    "╌": "-",
    "├": "+",
    "┤": "+",
    "┬": "+",
    "┴": "+",
    "┼": "+",
    "┌": "+",
    "┐": "+",
    "└": "+",
    "┘": "+",
    "▶": ">",
    "◀": "<",
    "▼": "v",
    "▲": "^",
    "\N{NO-BREAK SPACE}": " ",
}


def spelled(error: UnicodeError) -> tuple[str, int]:
    """What stands for the characters that an encoding does not have: a handler of codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    made = "".join(_SPELLED.get(char) or char.encode("ascii", "backslashreplace").decode("ascii") for char in error.object[error.start : error.end])
    return made, error.end


def prepare() -> str:
    """The name of the handler, which is known from now on."""
    codecs.register_error(NAME, spelled)
    return NAME
