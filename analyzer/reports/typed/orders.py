"""Secrets that only their order tells: several variables that are assigned at once, and the answers in a script for ftp."""

import re
from collections.abc import Iterator

from analyzer.reports.typed.table import STEMS
from analyzer.reports.typed.values import Span, after_space, argument_at, is_plain, quoted_at
from analyzer.reports.typed.words import Dialect

_MOST_VARIABLES = 16
_VARIABLES = re.compile(rf"\$[\w:]{{1,64}}+(?:[^\S\r\n]{{0,8}}+,[^\S\r\n]{{0,8}}+\$[\w:]{{1,64}}+){{1,{_MOST_VARIABLES - 1}}}+[^\S\r\n]{{0,8}}+=(?!=)")
_SECRET_NAME = re.compile(rf"(?:{STEMS})\d{{0,3}}\Z")
_COMMA = re.compile(r"[^\S\r\n]{0,8},\s{0,8}")
_EXPRESSION = re.compile(r"[^,;\r\n]{1,256}+")
_OPEN = re.compile(r"(?<![^\s&('\"])(?P<echo>@?echo[ .:(])?[^\S\r\n]{0,8}+open[^\S\r\n]{1,8}+[\w.:%!-]{1,253}+(?:[^\S\r\n]{1,8}+\d{1,5}+)?")
_LINE = re.compile(
    r"[^\S\r\n]{0,8}+(?:\)?[^\S\r\n]{0,8}+\d?>{1,2}[^\S\r\n]{0,8}+[^\s&|<>()]{1,260}+)?[^\S\r\n]{0,8}+(?:[\r\n]{1,4}+|&{1,2})[^\S\r\n]{0,8}+\(?"
    r"(?P<echo>@?echo[ .:(][^\S\r\n]{0,8}+)?(?P<words>[^\r\n&|<>]{1,512}+)"
)
"""The end of a statement, with where its output goes, and the next one: the line of the script that it makes."""
_USER = re.compile(r"(?:user[^\S\r\n]{1,8}+)?(?P<name>[^\s]{1,104}+)(?:[^\S\r\n]{1,8}+(?P<value>[^\s]{1,256}+))?[^\S\r\n]{0,512}+\)?", re.IGNORECASE)
_ANSWER = re.compile(r"(?P<value>[^\s]{1,256}+)[^\S\r\n]{0,512}+")
_COMMANDS = re.compile(
    r"append|ascii|bell|binary|bin|bye|cd|close|delete|dir|disconnect|get|glob|hash|help|lcd|ls|mdelete|mdir|mget|mkdir|mls|mput|open|prompt|put|pwd"
    r"|quit|quote|recv|remotehelp|rename|rmdir|send|status|trace|type|verbose",
    re.IGNORECASE,
)
"""Of ftp: nobody was asked for a name."""


def in_orders(text: str, lower: str) -> Iterator[Span]:
    """Where values stand whose names are told by their order. ``lower``: the text `folded`."""
    if "," in text and "=" in text and "$" in text:
        yield from _in_assignments(text, lower)
    if "open" in lower:
        yield from _in_scripts(text, lower)


def _in_assignments(text: str, lower: str) -> Iterator[Span]:
    """``$user, $password = 'bob', '…'`` (about_Assignment_Operators, "Assigning multiple variables")."""
    for found in _VARIABLES.finditer(lower):
        names = [name.strip() for name in found[0].rstrip("=").split(",")]
        at = after_space(text, found.end())
        for name in names:
            value = quoted_at(text, at) or argument_at(text, at, Dialect.POWERSHELL)
            if value is not None and _SECRET_NAME.search(name) and not is_plain(value.text, Dialect.POWERSHELL):
                yield value.span
            other = _EXPRESSION.match(text, at) if value is None else None
            comma = _COMMA.match(text, value.span[1] if value is not None else other.end() if other is not None else at)
            if comma is None:
                break
            at = comma.end()


def _in_scripts(text: str, lower: str) -> Iterator[Span]:
    """After ``open HOST``: ``user NAME PASSWORD``, or NAME and PASSWORD on lines of their own, as ftp asks for them (Microsoft Learn, "ftp")."""
    of_ftp = "ftp" in lower
    for found in _OPEN.finditer(lower):
        if not found["echo"] and not of_ftp:
            continue
        user = _LINE.match(text, found.end())
        name = None if user is None else _USER.fullmatch(text, *user.span("words"))
        if user is None or name is None or _COMMANDS.fullmatch(name["name"]) or bool(user["echo"]) != bool(found["echo"]):
            continue
        if name["value"] is not None:
            if name[0].lower().startswith("user") and not is_plain(name["value"], Dialect.CMD):
                yield name.start("value"), name.start("value") + len(name["value"].rstrip(")"))
            continue
        answer = _LINE.match(text, user.end())
        value = None if answer is None else _ANSWER.fullmatch(text, *answer.span("words"))
        if answer is None or value is None or bool(answer["echo"]) != bool(user["echo"]):
            continue
        if not _COMMANDS.fullmatch(value["value"]) and not is_plain(value["value"], Dialect.CMD):
            yield value.span("value")
