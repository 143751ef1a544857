"""The elements of damaged envelopes are found alike by the compiled form and by its source, and are where the patterns find them."""

import random
import re

import pytest

from analyzer.formats import forms
from analyzer.wsman import envelope, marks, winrs
from analyzer.wsman.marks import Marks

CASES = 4000
_PREFIXES = ("", "s:", "rsp:", "n1:", "a.b-c:", "\u00fc:", "Stream:", "?:", ":", "x:y:")
_NAMES = (
    *("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "Selector", "ShellId", "CommandId", "WSManFault", "Fault", "Identify"),
    *("IdentifyResponse", "CommandLine", "Command", "Arguments", "CommandState", "ExitCode", "Code", "creationXml", "Option", "CompressionType"),
    *("compressiontype", "Stream", "Streams", "Stream-x", "Stream\u00e9", "Body", "stream", "Command.x"),
)
_ATTRIBUTES = ("", " Name='ShellId'", ' Name="WINRS_CODEPAGE"', ' Code="5"', ' CommandId="AB"', " x='1'/", "\u00a0a='b'", "/", ":Stream", "\n")
_CONTENTS = (
    "",
    "text",
    " 12 ",
    "QUJD" * 20,
    "<![CDATA[<Command>]]>",
    "xpress",
    "&lt;",
    "\u00fcber",
    "QUJD>",
    "<!DOCTYPE x>",
    "<![CDATA[<!DOCTYPE x>]]>",
    "<!-- <Command> -->",
    "<!--",
    "<?a <Command>?>",
    "<!ENTITY",
    "<",
    "\x00",
    "\ud800",
)
PATTERNS = (
    *(("Action", envelope._ACTION), ("ResourceURI", envelope._RESOURCE), ("MessageID", envelope._MESSAGE_ID), ("RelatesTo", envelope._RELATES_TO)),
    *(("SessionId", envelope._SESSION_ID), ("Selector", envelope._SELECTOR), ("ShellId", envelope._SHELL_ID), ("CommandId", envelope._COMMAND_ELEMENT)),
    *(("WSManFault", envelope._FAULT_CODE), ("Fault", envelope._FAULT), ("CommandLine", winrs._COMMAND_LINE), ("Command", winrs._COMMAND)),
    *(("Arguments", winrs._ARGUMENTS), ("CommandState", winrs._STATE), ("ExitCode", winrs._EXIT), ("Code", winrs._CODE), ("creationXml", winrs._CREATION)),
    *(("Option", winrs._OPTION), ("Stream", winrs._STREAM)),
)


_NOT_ELEMENTS = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)


def _case(number: int) -> str:
    dice = random.Random(number)
    pieces = ['<?xml version="1.0"?>'] * dice.randrange(2)
    for _ in range(dice.randrange(1, 8)):
        prefix, name = dice.choice(_PREFIXES), dice.choice(_NAMES)
        pieces += [f"<{prefix}{name}{dice.choice(_ATTRIBUTES)}>", dice.choice(_CONTENTS), f"</{prefix}{name}>"]
    text = "".join(pieces)
    for _ in range(dice.choice((0, 0, 1, 3))):
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(("", "<", ">", "<", ":", " ", "/", "\u00e9", text[at : at + 9] * 2)) + text[at + dice.randrange(4) :]
        if not text:
            break
    return text


def _where(pattern: re.Pattern[str], text: str) -> list[int]:
    """Every place where it matches, also within another match."""
    inside = [span for found in _NOT_ELEMENTS.finditer(text) for span in range(found.start() + 1, found.end())]
    return [at for at, character in enumerate(text) if character == "<" and at not in inside and pattern.match(text, at)]


@pytest.mark.skipif(not forms.compiled(marks), reason="nothing is compiled here: there is one form only")
def test_damaged_envelopes_look_the_same() -> None:
    for number in range(CASES):
        text = _case(number)
        assert marks.read_marks(text) == forms.source(marks).read_marks(text), f"case {number}"


def test_every_match_of_a_pattern_is_at_a_mark() -> None:
    matched = dict.fromkeys((name for name, _ in PATTERNS), 0)
    for number in range(CASES):
        text = _case(number)
        found: Marks = marks.read_marks(text)
        for name, pattern in PATTERNS:
            places = found.places.get(name, [])
            assert places == sorted(set(places))
            expected = _where(pattern, text)
            assert [at for at in places if pattern.match(text, at)] == expected, f"case {number}: {name}"
            matched[name] += len(expected)
        bare = _NOT_ELEMENTS.sub("", text)
        assert found.has_dtd == ("<!DOCTYPE" in bare or "<!ENTITY" in bare)
    assert all(matched.values()), matched


def test_a_compression_is_found_in_any_case() -> None:
    for number in range(CASES):
        text = _case(number).encode("ascii", "ignore").decode()
        places = marks.read_marks(text).places.get("CompressionType", [])
        assert [at for at in places if winrs._COMPRESSION.match(text, at)] == _where(winrs._COMPRESSION, text), f"case {number}"
