"""Secrets within XML, HTML and JSON, also with the carets of cmd.exe: what these carry is a command line only once entities and escapes are read.

WinRS sends each argument as an element of its own (MS-WSMV 2.2.4.7): they are put together as the words of a command line.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator

from analyzer.reports.typed.values import Span

_PART = re.compile(r"&(?:#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});|_x[0-9A-Fa-f]{4}_|<[^<>]{1,512}>|\x00++|\^[<>&|^\"]")
_ESCAPE = re.compile(r"\\(?:[\"\\/]|u[0-9A-Fa-f]{4})")
_ESCAPED = re.compile(r"\\\"|\\u00")
_MARKS = re.compile(r"&(?:#\d|#x|quot|apos|lt|gt|amp)|</|\x00|_x00|\^[<>&|]")
_ARGUMENT = re.compile(r"<(?P<end>/)?(?:\w{1,20}:)?Arguments(?:\s[^<>]*)?>")


def in_markup(text: str, spans: Callable[[str], Iterable[Span]]) -> Iterator[Span]:
    """Where ``spans`` finds something in the text without tags and entities."""
    for marks, parts in ((_MARKS, _PART), (_ESCAPED, _ESCAPE)):
        if marks.search(text) is not None:
            inner, places, ends = _plain(text, parts)
            for begin, end in spans(inner):
                if begin < end:
                    yield places[begin], ends[end - 1]


def _plain(text: str, parts: re.Pattern[str]) -> tuple[str, list[int], list[int]]:
    """The text without markup, and where each of its characters begins and ends in the original."""
    made: list[str] = []
    places: list[int] = []
    ends: list[int] = []
    at = 0

    def keep(characters: str, begin: int, end: int, *, each: bool) -> None:
        made.append(characters)
        places.extend(range(begin, end) if each else [begin] * len(characters))
        ends.extend(range(begin + 1, end + 1) if each else [end] * len(characters))

    for found in parts.finditer(text):
        begin, end = found.span()
        if at < begin:
            keep(text[at:begin], at, begin, each=True)
        at = end
        sign = found[0]
        if sign[0] == "\x00":
            continue
        if sign[0] == "&":
            keep(html.unescape(sign), begin, end, each=False)
        elif sign[0] == "_":
            keep(chr(int(sign[2:6], 16)), begin, end, each=False)
        elif sign[0] in "^\\":
            keep(chr(int(f"0x{sign[2:]}", 0)) if sign[1] == "u" else sign[1], begin, end, each=False)
        elif sign[0] == "<":
            argument = _ARGUMENT.fullmatch(sign)
            if argument is None:
                keep(" ", begin, begin, each=False)
            elif argument["end"]:
                keep('"', begin, begin, each=False)
            else:
                keep(' "', end, end, each=False)
    keep(text[at:], at, len(text), each=True)
    return "".join(made), places, ends
