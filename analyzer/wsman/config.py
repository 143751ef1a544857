"""What a Put or Create on WinRM's own configuration sets (MS-WSMV 2.2.4, resource ``…/wsman/1/config`` and below it)."""

import re
from collections.abc import Iterator

_BODY = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?Body(?:\s[^<>]*)?>")
_TAG = re.compile(r"<(/?)(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)((?:\s[^<>]*?)?)(/?)>([^<]*)")
_OPERATIONS = ("Put", "Create")
_RESOURCE = "/wsman/1/config"
_DEPTH = 16
_LONGEST = 256


def settings(operation: str | None, resource_uri: str | None, text: str, most: int = 128) -> tuple[tuple[str, str], ...]:
    """Names as paths of elements (``Config/Service/AllowUnencrypted``; those of a resource below ``config`` begin with its name) and their values."""
    if operation not in _OPERATIONS or _RESOURCE not in (resource_uri or "").lower():
        return ()
    body = _BODY.search(text)
    return () if body is None else tuple(_leaves(text, body.end(), most))


def _leaves(text: str, at: int, most: int) -> Iterator[tuple[str, str]]:
    """The elements that hold text, to the end of the body; no tree is built."""
    path: list[str] = []
    found = 0
    for tag in _TAG.finditer(text, at):
        closing, name, _, empty, content = tag.groups()
        if closing:
            if not path:
                return
            path.pop()
        elif not empty:
            path.append(name)
            value = content.strip()
            if value:
                yield "/".join(path), value[:_LONGEST]
                found += 1
        if found >= most or len(path) > _DEPTH:
            return
