"""What a Put or Create on WinRM's own configuration sets (MS-WSMV 2.2.4, resource ``…/wsman/1/config`` and below it)."""

import re
from typing import NamedTuple

_BODY = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?Body(?:\s[^<>]*)?>")
_TAG = re.compile(r"<(/?)(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)((?:\s[^<>]*?)?)(/?)>([^<]*)")
SETTERS = ("Put", "Create")
"""Operations that may set something."""
_RESOURCE = "/wsman/1/config"
_DEPTH = 16
_LONGEST = 256


class Settings(NamedTuple):
    """Names as paths of elements (``Config/Service/AllowUnencrypted``; those of a resource below ``config`` begin with its name) and their values; a
    sentence for each limit that was reached."""

    found: tuple[tuple[str, str], ...] = ()
    reached: tuple[str, ...] = ()


def settings(operation: str | None, resource_uri: str | None, text: str, most: int = 128) -> Settings:
    """What a message sets; nothing where it is another one."""
    if operation not in SETTERS or _RESOURCE not in (resource_uri or "").lower():
        return Settings()
    body = _BODY.search(text)
    return Settings() if body is None else _leaves(text, body.end(), most)


def _leaves(text: str, at: int, most: int) -> Settings:
    """The elements that hold text, to the end of the body; no tree is built."""
    path: list[str] = []
    found: list[tuple[str, str]] = []
    reached: dict[str, None] = {}
    for tag in _TAG.finditer(text, at):
        closing, name, _, empty, content = tag.groups()
        if closing:
            if not path:
                break
            path.pop()
        elif not empty:
            path.append(name)
            value = content.strip()
            if value:
                found.append(("/".join(path), value[:_LONGEST]))
                if len(value) > _LONGEST:
                    reached[f"setting_characters={_LONGEST}: the value of a setting is longer"] = None
        if len(found) >= most:
            reached[f"settings={most}: later settings of the message were not read"] = None
            break
        if len(path) > _DEPTH:
            reached[f"setting_depth={_DEPTH}: settings are deeper, and they and later ones were not read"] = None
            break
    return Settings(tuple(found), tuple(reached))
