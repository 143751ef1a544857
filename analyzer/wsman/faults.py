"""The texts of a SOAP fault: what the server says happened (SOAP 1.2 part 1 section 5.4, MS-WSMV 2.2.4.43).

Windows puts a WSManFault into the Detail, with its code, the machine, and a Message; a plug-in's own fault stands
inside that Message, sometimes as another WSManFault, sometimes as plain text or as a WMI error. Elements are found by
local name, since prefixes differ between products.
"""

import re

from analyzer.records.sealing import Fault

_WITHIN = 1 << 16
"""Characters of a fault that are looked at: Windows' faults have about one thousand."""


def _open(name: str) -> str:
    return rf"<(?:[A-Za-z_][\w.-]*:)?{name}(?:\s[^<>]*)?>"


_SUBCODE = re.compile(_open("Subcode") + r"\s*" + _open("Value") + r"\s*(?:[\w.-]+:)?([\w.-]{1,100})")
_REASON = re.compile(_open("Text") + r"([^<>]*)<")
_DETAIL = re.compile(_open("FaultDetail") + r"\s*([^<>\s]{1,300})")
_WSMAN = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?WSManFault(\s[^<>]*)>")
_PROVIDER = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?ProviderFault(\s[^<>]*)>")
_ATTRIBUTE = re.compile(r"\s(\w+)=(?:\"([^\"<>]*)\"|'([^'<>]*)')")
_MESSAGE = re.compile(_open("Message"))
_WORDED = re.compile(_open("(?:Description|Message)") + r"([^<>]*+)<")
_END = re.compile(r"</(?:[A-Za-z_][\w.-]*:)?Message\s*>")
_INSTANCE = ("ExtendedError", "__ExtendedStatus", "MSFT_WmiError")
_TAG = re.compile(r"<[^<>]*>")


def fault(text: str, at: int, most: int) -> Fault:
    """The fault whose element begins at ``at``; its texts hold at most ``most`` characters each."""
    part = text[at : at + _WITHIN]
    own = list(_WSMAN.finditer(part))
    attributes = [_attributes(match[1]) for match in own]
    provider = _PROVIDER.search(part)
    outer, inner = (attributes[0].get("Code"), attributes[-1].get("Code")) if own else (None, None)
    return Fault(
        subcode=_group(_SUBCODE, part),
        reason=_plain(_group(_REASON, part), most),
        message=_plain(_message(part, own[-1].end()) if own else None, most),
        machine=next((found["Machine"][:most] for found in attributes if found.get("Machine")), None),
        provider=None if provider is None else _attributes(provider[1]).get("provider", "")[:most] or None,
        inner_code=inner if inner != outer else None,
        detail=_group(_DETAIL, part),
    )


def _message(part: str, at: int) -> str | None:
    """The content of the WSManFault's Message; of a WMI error in it, what that says."""
    begin = _MESSAGE.search(part, at)
    if begin is None:
        return None
    end = _END.search(part, begin.end())
    content = part[begin.end() : len(part) if end is None else end.start()]
    if any(word in content for word in _INSTANCE):
        return next((found[1] for found in _WORDED.finditer(part, begin.end()) if found[1].strip()), content)
    return content


def _attributes(text: str) -> dict[str, str]:
    from html import unescape

    return {match[1]: unescape(match[2] if match[2] is not None else match[3]) for match in _ATTRIBUTE.finditer(text)}


def _group(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return None if match is None else match[1]


def _plain(text: str | None, most: int) -> str | None:
    """Without markup, entities and needless white space."""
    from html import unescape

    if text is None:
        return None
    words = " ".join(unescape(_TAG.sub(" ", text)).split())
    return (f"{words[: most - 1]}…" if len(words) > most else words) or None
