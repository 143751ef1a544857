"""Ids in texts as links to where the page has them, and addresses of documents as links."""

import re
from collections.abc import Iterable

from analyzer.formats.text import visible

_ID = re.compile(r"(?<![\w.-])(?:c\d+(?:\.t)?(?:\.[xa]\d+)?|[filpr]\d+)(?![\w-])")
_ADDRESS = re.compile(r"https?://[a-z0-9.-]+/[\w./#?=&%:-]*")


class Links:
    """``anchors``: the ids that the page has. An exchange or logon without a place of its own leads to its connection."""

    def __init__(self, anchors: Iterable[str]) -> None:
        self._anchors = frozenset(anchors)

    def text(self, words: object, limit: int = 4000) -> object:
        """The text made visible and escaped, with a link at each id that the page has."""
        from markupsafe import Markup, escape

        plain, at = visible(str(words or ""), limit=limit), 0
        made: list[str] = []
        for found in _ID.finditer(plain):
            target = self._target(found[0])
            if target:
                made += escape(plain[at : found.start()]), f'<a href="#{escape(target)}">{escape(found[0])}</a>'
                at = found.end()
        return Markup("".join([*made, escape(plain[at:])]))  # noqa: S704  each part is escaped

    def _target(self, name: str) -> str | None:
        if name in self._anchors:
            return name
        connection = re.sub(r"\.[xa]\d+$", "", name)
        return connection if connection in self._anchors else None


def address(words: object) -> object:
    """A document's address as a link; anything else stays text."""
    from markupsafe import Markup

    plain = str(words or "")
    return Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(plain) if _ADDRESS.fullmatch(plain) else visible(plain, limit=400)
