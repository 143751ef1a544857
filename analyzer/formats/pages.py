"""A page for people: its title and the beginning of its text, without markup, in the character set it names.

RFC 9110 section 8.3 has the field Content-Type, the HTML standard the page's own declaration.
"""

import codecs
import re
from typing import NamedTuple

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]*>(.*?)<", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(r"<(script|style|head)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>?")
_AHEAD = 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class PageText(NamedTuple):
    """``title`` None when the page has none."""

    title: str | None
    text: str


def page_text(raw: bytes, content_type: str | None, most: int) -> PageText:
    """Of a page's bytes; title and text hold at most ``most`` characters each."""
    text = _decoded(raw, content_type)
    title = _TITLE.search(text)
    return PageText(None if title is None else _plain(title[1], most) or None, _plain(_TAG.sub(" ", _UNSEEN.sub(" ", text)), most))


def _decoded(raw: bytes, content_type: str | None) -> str:
    """By byte order mark, by the field Content-Type, by the page's own words, else as UTF-8; bytes that fit none of them are replaced."""
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    named = _CHARSET.search(content_type or "") or _CHARSET.search(raw[:_AHEAD].decode("latin-1"))
    name = marked or (named[1] if named else "utf-8")
    try:
        return raw.decode(name, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _plain(text: str, most: int) -> str:
    from html import unescape

    words = " ".join(unescape(text).split())
    return f"{words[: most - 1]}…" if len(words) > most else words
