"""Text of what CLIXML holds (MS-PSRP 2.2.5), for reading: pipelines as command lines, records as their messages, objects as PowerShell would print them first.

Commands and records are few and get a tree (expat, after a DTD was refused). Output objects are many: their text is found by searching. Values under a
SecureString stay sealed, because the key travels under the client's own RSA key (MS-PSRP 2.2.5.1.24).
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from functools import cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING

from analyzer.formats.holes import HOLE, UNKNOWN, has_holes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree import ElementTree as ET

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_PRIMITIVE = (
    r"^\s*+(?:<Objs\b[^<>]*>\s*+)?<(S|I32|I64|By|U16|U32|U64|I16|SB|Db|Sg|D|DT|TS|G|C|URI|Version|XD|SBK|B|Nil)\b[^<>]*?"
    r"(?:/>|>([^<>]*)</\1>)\s*+(?:</Objs>)?\s*+$"
)
_TO_STRING = re.compile(r"<ToString>([^<>]*)</ToString>")
SECURE = "<SecureString, encrypted>"
_LIMIT = 32 << 20
_DEPTH = 64
"""Objects in objects that are shown; what lies deeper is shown as an ellipsis."""


@cache
def _primitive() -> re.Pattern[str]:
    return re.compile(_PRIMITIVE)


@cache
def _members() -> re.Pattern[str]:
    return re.compile(r"<(\w++)\b([^<>]*+)(?<!/)>([^<]*+)")


_NAMED = re.compile(r"\sN=\"(Cmd|N|V)\"", re.IGNORECASE)


@cache
def _lost() -> re.Pattern[str]:
    return re.compile(f"[{HOLE}{UNKNOWN}]+")


def string(value: str) -> str:
    """XML entities and CLIXML's own ``_xHHHH_`` escapes (MS-PSRP 2.2.5.3.2) undone. They are UTF-16 units: a character may be two of them."""
    if "&" in value:
        from html import unescape

        value = unescape(value)
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value) if "_x" in value else value
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def strings(raw: bytes, ends: Sequence[int]) -> tuple[str, Sequence[int]]:
    """`string` of each of the texts that stand one after the other in ``raw`` and end there: as one text, and where they end in that."""
    if raw.isascii() and b"&" not in raw and b"_x" not in raw:
        return raw.decode("ascii"), ends
    texts = [string(raw[begin:end].decode("utf-8", "replace")) for begin, end in zip(chain((0,), ends), ends, strict=False)]
    return "".join(texts), array("Q", accumulate(map(len, texts)))


def tree(text: str) -> ET.Element | None:
    """The element tree, None for what is no XML, has a DTD or is too large."""
    if len(text) > _LIMIT or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    from xml.etree import ElementTree as ET

    try:
        return ET.fromstring(text)  # noqa: S314  entities are refused above
    except ET.ParseError:
        return None


def local(element: ET.Element) -> str:
    """Its name without the namespace."""
    return element.tag.rpartition("}")[2]


def named(element: ET.Element, name: str) -> ET.Element | None:
    """The first member called ``name`` in letters of either case, as PowerShell looks for it; at any depth but nearest first."""
    waiting, lower = deque([element]), name.lower()
    while waiting:
        for child in waiting.popleft():
            if child.get("N", "").lower() == lower:
                return child
            waiting.append(child)
    return None


def every(element: ET.Element, name: str) -> list[ET.Element]:
    """All members called ``name`` that are as near as the nearest one: an object has one of each, so that of several some may be there to hide the others."""
    level, lower = [element], name.lower()
    while level:
        level = [child for one in level for child in one]
        found = [child for child in level if child.get("N", "").lower() == lower]
        if found:
            return found
    return []


def value(element: ET.Element | None, depth: int = _DEPTH) -> str:
    """A value as text: a primitive's own text, an object's ToString, a list's items, in the manner of PowerShell."""
    if element is None or local(element) == "Nil":
        return ""
    if not depth:
        return "…"
    kind = local(element)
    if kind == "SS":
        return SECURE
    if kind == "B":
        return "True" if (element.text or "").strip().lower() == "true" else "False"
    if kind != "Obj":
        return string(element.text or "")
    return _object(element, depth - 1)


def _object(element: ET.Element, depth: int) -> str:
    members = [child for group in element if local(group) in ("MS", "Props") for child in group if child.get("N")]
    printed = next((child for child in element if local(child) == "ToString"), None)
    if printed is not None and not any(local(member) == "SS" for member in members):  # a credential prints itself as its type
        return string(printed.text or "")
    for child in element:
        if local(child) in ("LST", "IE", "STK", "QUE"):
            return ", ".join(value(item, depth) for item in child)
        if local(child) == "DCT":
            return "; ".join(f"{value(named(entry, 'Key'), depth)}={value(named(entry, 'Value'), depth)}" for entry in child)
    return "; ".join(f"{member.get('N')}={value(member, depth)}" for member in members)


def pipeline(text: str) -> str | None:
    """The command line of a CREATE_PIPELINE message (MS-PSRP 2.2.2.10): its commands with their arguments, joined as PowerShell writes them; each of several
    statements (``ExtraCmds``, MS-PSRP 2.2.3.11, which run in the place of the others) on a line of its own, and each text where a command has several."""
    root = tree(text)
    if root is None:
        return _in_pieces(text)
    asked = every(root, "PowerShell") or [root]
    commands = [one for own in asked for one in every(own, "Cmds")]
    if not commands:
        return None
    batch = [item for own in asked for extra in every(own, "ExtraCmds") for group in extra for item in group]
    statements = [_statement(more) for item in batch for more in every(item, "Cmds")]
    lines = [line for line in map(_statement, commands) if line not in statements]
    return "\n".join([*statements, *dict.fromkeys(lines)])


def _statement(commands: ET.Element) -> str:
    return " | ".join(_command(item) for group in commands if local(group) == "LST" for item in group)


def _in_pieces(text: str) -> str | None:
    """The same of CLIXML that lacks something and is no tree: commands, names and values of arguments, one after the other as they stand there."""
    words: list[str] = []
    for member in _members().finditer(text) if len(text) <= _LIMIT else ():
        kind, inside, found = member.groups()
        named = _NAMED.search(inside)
        if named is None:
            continue
        name, content = named[1].capitalize(), _without_markup(found)
        shown = string(content) if kind != "B" else "True" if content.strip().lower() == "true" else "False"
        if name == "Cmd" and words:
            words.append("|")
        if shown:
            words.append(f"-{shown.removeprefix('-')}" if name == "N" else shown)
    lost = None if words else _lost().search(text)
    return " ".join(words) or (None if lost is None else lost[0])


def _without_markup(content: str) -> str:
    """Text up to its hole, where that has swallowed the end of its element: what follows is markup, as a text has its > escaped (XML 1.0 section 2.4)."""
    if ">" not in content:
        return content
    end = max(content.rfind(HOLE), content.rfind(UNKNOWN))
    return content if end < 0 else content[: end + 1]


def metadata(text: str) -> str | None:
    """A GET_COMMAND_METADATA message (MS-PSRP 2.2.2.14): the names that it asks for."""
    root = tree(text)
    return None if root is None else f"GET_COMMAND_METADATA {value(named(root, 'Name'))}".rstrip()


def _command(item: ET.Element) -> str:
    words = ["\n".join(dict.fromkeys(map(value, every(item, "Cmd"))))]
    for group in (group for arguments in every(item, "Args") for group in arguments):
        if local(group) == "LST":
            words.extend(word for argument in group for word in _argument(argument))
    return " ".join(word for word in words if word)


def _argument(argument: ET.Element) -> Iterator[str]:
    members = {child.get("N", "").upper(): child for group in argument if local(group) == "MS" for child in group}
    name = value(members.get("N"))
    if name:
        yield name if name.startswith("-") else f"-{name}"
    content = members.get("V")
    if content is not None and local(content) != "Nil":
        yield value(content)


def shown(text: str) -> str:
    """One output or input object as text."""
    primitive = _primitive().match(text)
    if primitive is not None:
        return "" if primitive[1] == "Nil" else string(primitive[2] or "")
    printed = None if "<SS" in text else _TO_STRING.search(text)
    if printed is not None and text.count("<Obj", 0, printed.start()) <= 1:  # the object's own, not that of a member
        return string(printed[1])
    root = tree(text)
    if root is None and text.startswith("<S>") and has_holes(text) and all(c in (d, HOLE) for c, d in zip(text[-4:], "</S>", strict=False)):
        return string(text[3:-4])  # a string whose end is missing
    return text if root is None else value(root[0] if local(root) == "Objs" and len(root) else root)


def record(text: str, *names: str) -> str:
    """The first of the named members that there is, else the object's own text: messages of warning, verbose, debug and error records."""
    root = tree(text)
    if root is None:
        return text
    for name in names:
        found = named(root, name)
        if found is not None and value(found):
            return value(found)
    return value(root)


def error(text: str) -> str:
    """An ERROR_RECORD (MS-PSRP 2.2.3.15): its message and its id."""
    root = tree(text)
    if root is None:
        return text
    message = value(named(root, "ErrorDetails_Message")) or value(root)
    identity = value(named(root, "FullyQualifiedErrorId"))
    return f"{message} [{identity}]" if identity and identity != message else message


def progress(text: str) -> str:
    """A PROGRESS_RECORD (MS-PSRP 2.2.3.17 in wire form): activity, status and percentage."""
    root = tree(text)
    if root is None:
        return text
    words = [value(named(root, name)) for name in ("Activity", "StatusDescription", "PercentComplete")]
    percent = f"{words[2]} %" if words[2] not in ("", "-1") else ""
    return " - ".join(word for word in (words[0], words[1], percent) if word)


def host_call(text: str) -> str:
    """A host call (MS-PSRP 2.2.2.15): the method and its parameters."""
    root = tree(text)
    if root is None:
        return text
    method = named(root, "mi")
    return f"{value(method)}({value(named(root, 'mp'))})"


def state(text: str) -> tuple[str, str]:
    """A PIPELINE_STATE (MS-PSRP 2.2.2.21): the state by name, and the error's message when there is one."""
    root = tree(text)
    if root is None:
        return "", ""
    number = value(named(root, "PipelineState"))
    failure = named(root, "ExceptionAsErrorRecord")
    return _STATES.get(number, number), "" if failure is None else value(failure)


_STATES = {"0": "NotStarted", "1": "Running", "2": "Stopping", "3": "Stopped", "4": "Completed", "5": "Failed", "6": "Disconnected"}
