"""Objects of CLIXML as JSON (MS-PSRP 2.2.5): their type names and properties, as far as anyone wants to work with them.

    primitive       its value; an integer is a number, bytes stay base64, a SecureString stays encrypted
    enumeration     the name that it prints (it has a number, too)
    list, queue, …  a list; a dictionary is an object, its keys as text
    object          its properties, adapted and extended ones (2.2.5.2.8, 2.2.5.2.9), by name
    reference       what the object that was there before prints, not that object again: references must not make a small message large

What has a primitive value and properties of its own (a line of a file knows its path) has the value under ``value``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from analyzer.psrp.clixml import SECURE, local, string, tree

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

Json: TypeAlias = "str | int | float | bool | dict[str, Json] | list[Json] | None"

_INTEGERS = frozenset(("By", "SB", "I16", "U16", "I32", "U32", "I64", "U64", "C"))
_FLOATS = frozenset(("Sg", "Db"))
_LISTS = frozenset(("LST", "IE", "STK", "QUE"))
_DIGITS = 20
_INTEGER = re.compile(r"\s*-?[0-9]{1,20}\s*")
_DEPTH = 32
"""Objects in objects that are shown; what lies deeper is an ellipsis."""
LONGEST = 1 << 20
"""Characters of CLIXML beyond which an object is not taken apart."""


class Shown(NamedTuple):
    """``types``: type names, nearest first, comma-joined; ``json``: the object, None of a primitive value."""

    types: str | None = None
    json: str | None = None


_PRIMITIVES = {
    "S": "System.String",
    "C": "System.Char",
    "B": "System.Boolean",
    "DT": "System.DateTime",
    "TS": "System.TimeSpan",
    "By": "System.Byte",
    "SB": "System.SByte",
    "I16": "System.Int16",
    "U16": "System.UInt16",
    "I32": "System.Int32",
    "U32": "System.UInt32",
    "I64": "System.Int64",
    "U64": "System.UInt64",
    "D": "System.Decimal",
    "Sg": "System.Single",
    "Db": "System.Double",
    "BA": "System.Byte[]",
    "G": "System.Guid",
    "URI": "System.Uri",
    "Version": "System.Version",
    "XD": "System.Xml.XmlDocument",
    "SBK": "System.Management.Automation.ScriptBlock",
    "SS": "System.Security.SecureString",
    "PR": "System.Management.Automation.ProgressRecord",
}
"""Elements of primitive values (MS-PSRP 2.2.5.1) and the types of .NET that they stand for."""


class _Document:
    """What references stand for: type names (TNRef) and objects (Ref), by their number."""

    def __init__(self) -> None:
        self.types: dict[str, tuple[str, ...]] = {}
        self.printed: dict[str, str] = {}

    def types_of(self, element: ET.Element) -> tuple[str, ...]:
        for child in element:
            kind = local(child)
            if kind == "TN":
                own = tuple(string(one.text or "") for one in child if local(one) == "T")
                return self.types.setdefault(child.get("RefId", ""), own)
            if kind == "TNRef":
                return self.types.get(child.get("RefId", ""), ())
        return ()

    def value(self, element: ET.Element, depth: int = _DEPTH) -> Json:
        kind = local(element)
        if kind == "Nil":
            return None
        if not depth:
            return "…"
        if kind == "Ref":
            return self.printed.get(element.get("RefId", ""), "…")
        return self._object(element, depth - 1) if kind == "Obj" else primitive(element)

    def _object(self, element: ET.Element, depth: int) -> Json:
        types = self.types_of(element)
        printed = next((string(one.text or "") for one in element if local(one) == "ToString"), None)
        identity = element.get("RefId")
        if identity is not None:
            self.printed[identity] = printed if printed is not None else f"<{types[0] if types else 'object'}>"
        members: dict[str, Json] = {}
        plain: Json = None
        has_value = False
        for child in element:
            kind = local(child)
            if kind in ("Props", "MS"):
                for member in child:
                    name = member.get("N")
                    if name is not None:
                        members[string(name)] = self.value(member, depth)
            elif kind in _LISTS:
                plain, has_value = [self.value(item, depth) for item in child], True
            elif kind == "DCT":
                plain, has_value = dict(self._entry(entry, depth) for entry in child), True
            elif kind not in ("TN", "TNRef", "ToString"):
                is_enum = printed is not None and kind in _INTEGERS
                plain, has_value = (printed if is_enum else self.value(child, depth)), True
        if has_value:
            return {"value": plain, **members} if members else plain
        return members or printed or {}

    def _entry(self, entry: ET.Element, depth: int) -> tuple[str, Json]:
        pair = {member.get("N"): member for member in entry}
        key, value = (None if pair.get(name) is None else self.value(pair[name], depth) for name in ("Key", "Value"))
        return key if isinstance(key, str) else text_of(key), value


def text_of(value: Json) -> str:
    """The JSON of a value."""
    from msgspec.json import encode

    return encode(value).decode()


def primitive(element: ET.Element) -> Json:
    """A value that is no object (MS-PSRP 2.2.5.1)."""
    kind, text = local(element), element.text or ""
    if kind == "SS":
        return SECURE
    if kind == "B":
        return text.strip().lower() == "true"
    if kind in _INTEGERS and len(text) <= _DIGITS and _INTEGER.fullmatch(text):
        return int(text)
    if kind in _FLOATS:
        try:
            found = float(text)
        except ValueError:
            return string(text)
        return found if found - found == 0 else string(text)
    return string(text)


def plain(element: ET.Element | None) -> Json:
    """An element's value for a program; None for none."""
    return None if element is None else _Document().value(element)


def as_json(element: ET.Element | None) -> str:
    """The same as JSON."""
    return text_of(plain(element))


def shown(text: str) -> Shown:
    """An output or input object. ``json`` is None where the text says all (a primitive value), and of what is no CLIXML or longer than `LONGEST`."""
    if len(text) > LONGEST:
        return Shown()
    root = tree(text)
    if root is None:
        return Shown()
    element = root[0] if local(root) == "Objs" and len(root) else root
    kind = local(element)
    if kind != "Obj":
        return Shown(_PRIMITIVES.get(kind))
    document = _Document()
    types = document.types_of(element)
    return Shown(", ".join(types) or None, text_of(document.value(element)))
