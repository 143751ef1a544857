"""An envelope without the bulk in it: what is searched for header fields ten times over need not hold the output of a command each time."""

from functools import lru_cache

_LONG = 4096
_KEPT = 2100
"""Characters that stay of a long content: more than any field may have, so that it is taken for no field."""


@lru_cache(maxsize=1)
def outline(text: str) -> str:
    """``text`` with the middle of every long content left out that is one word (base64); every element, attribute and shorter text is as it was.

    An envelope is looked at twice in a row, for its fields and for its operation: the last outline is kept.
    """
    if len(text) < _LONG:
        return text
    parts = text.split("<")
    for place, part in enumerate(parts):
        if len(part) > _LONG:
            tag, closed, content = part.partition(">")
            if closed and ">" not in content and [content] == content.split(None, 1):
                parts[place] = f"{tag}>{content[:_KEPT]}"
    return "<".join(parts)
