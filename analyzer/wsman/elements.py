"""The tags and texts of an envelope as an XML reader sees them (XML 1.0 sections 2.3 to 2.7, 3.1, 4.1), matched in linear time.

A tag ends at the first ``>`` outside of quotes. A text may have CDATA sections in it, comments and processing instructions, which are no part of it, and
references to characters. No quantifier here gives back what it has taken: a sender chooses the text, and must not choose how long it is looked at.
"""

import re

PREFIX = r"<(?:[^\s<>/:=\"'!?&;]++:)?+"
"""A tag's beginning; a prefix may be of any letters (Namespaces in XML 1.0 section 4)."""
INSIDE = r"(?=[\s/>])((?:[^<>\"']++|\"[^<\"]*+\"|'[^<']*+'|[\"'])*+)>"
"""The attributes, after a tag's name; a quote that nothing closes (bytes are missing) stands for itself. An empty element's end with ``/``."""
CONTENT = r"((?:[^<]++|<!\[CDATA\[(?>(?s:.)*?\]\]>)|<!--(?>(?s:.)*?-->)|<\?(?>(?s:.)*?\?>))*+)</"
"""An element's text up to its end tag; it has no elements."""
_PARTS = re.compile(r"<!\[CDATA\[(?P<as_is>.*?)(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|(?P<text>[^<]++)", re.DOTALL)
_ATTRIBUTE = re.compile(r"(?<![\w:.-])([\w:.-]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_REFERENCE = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_LAST = 0x10FFFF


def element(name: str, content: str = CONTENT) -> re.Pattern[str]:
    """Matches an element by its local name: its attributes are the first group, what ``content`` takes is the second."""
    return re.compile(PREFIX + name + INSIDE + content)


def unescaped(text: str) -> str:
    """References undone: those to characters, and the five names that XML has without a document type."""
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return _NAMED[found[1]]
    code = int(found[2]) if found[2] else int(found[3], 16)
    return chr(code) if 0 < code <= _LAST else found[0]


def content(raw: str) -> str:
    """An element's text: CDATA sections as they are, references elsewhere undone, without comments."""
    if "<" not in raw:
        return unescaped(raw)
    return "".join(found["as_is"] if found["as_is"] is not None else unescaped(found["text"] or "") for found in _PARTS.finditer(raw))


def attributes(raw: str) -> dict[str, str]:
    """A tag's attributes by local name, without the declarations of namespaces."""
    return {
        found[1].rpartition(":")[2]: unescaped(found[2] if found[2] is not None else found[3])
        for found in _ATTRIBUTE.finditer(raw)
        if not found[1].startswith("xmlns")
    }
