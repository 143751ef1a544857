"""An ordinary envelope read in one pass: what its elements say, as `analyzer.wsman.elements` would find it, without a pattern tried or a list of places made.

Ordinary is a text in ASCII without comments, CDATA sections, processing instructions and document types, in which each wanted tag is whole, what an envelope
has once is there once, and no prefix has letters that a name has not. Of any other text nothing is said here: it is for `analyzer.wsman.structure` and
`analyzer.wsman.elements`. One source, two ways to run, as `analyzer.wsman.marks`: ordinary.pxd has the types. Bounds checks are on.
"""

from typing import NamedTuple

from analyzer.wsman.elements import unescaped

_TEXTS = ("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "OperationTimeout", "ShellId", "CommandId")
"""Elements of which the first text counts that is not empty and not too long."""
_IDS = {
    word.encode(): number
    for number, word in enumerate(
        (
            *_TEXTS,
            *("Selector", "WSManFault", "Fault", "Identify", "IdentifyResponse", "CommandLine", "Command", "Arguments", "CommandState", "ExitCode", "Code"),
            *("creationXml", "Option", "Stream", "DesiredStream", "Signal"),
        )
    )
}
"""The words of `analyzer.wsman.marks`, all but the one that may be in letters of either case."""
_SELECTOR, _WSMAN_FAULT, _FAULT, _IDENTIFY, _IDENTIFY_RESPONSE, _COMMAND_LINE, _COMMAND, _ARGUMENTS, _STATE, _EXIT, _CODE = range(8, 19)
_CREATION, _OPTION, _STREAM, _DESIRED, _SIGNAL = range(19, 24)
_COUNT = 24
_FOLDED = b"compressiontype"
_COMPRESSION = 24
_ONCE = bytes(number in (0, 1, 2, 3, 4, 5, _COMMAND_LINE, _COMMAND, _CREATION, _SIGNAL) for number in range(_COUNT + 1))
_SPACED = bytes(number in (0, 1, 2, 3, 5, 7, 8, 10, *range(_COMMAND_LINE, _CREATION), *range(_OPTION, _COUNT)) for number in range(_COUNT + 1))
"""Those that are in a namespace of their own (`analyzer.wsman.structure`)."""
_QUALIFIED, _LONGEST_NAME = 64, 256
"""Different names of wanted elements in one envelope, and characters of one; with more of them it is none that a client or server writes."""

_WORD, _DASH, _COLON, _SPACE, _FIRST, _DIGIT = 1, 2, 4, 8, 16, 32
_FIRSTS = {word[0] for word in _IDS} | {_FOLDED[0], _FOLDED[0] - 32}
_LONG = 1024
"""Characters of a text in which it pays to show first that there is nothing to be searched for."""
_NEAR = 128
"""Characters that are gone through one by one, which takes as long as a search takes to begin."""


def _class(code: int) -> int:
    """What an ASCII character may be: of a word, of a name besides, white space, the first of a wanted word, a digit."""
    letter = chr(code)
    found = _WORD if letter.isalnum() or letter == "_" else _DASH if letter in "-." else _COLON if letter == ":" else _SPACE if letter.isspace() else 0
    return found | (_FIRST if code in _FIRSTS else 0) | (_DIGIT if letter.isdecimal() else 0)


_CLASSES = bytes(map(_class, range(128)))


class _Attribute:
    """Where an attribute's local name, and its value, begin and end."""

    def __init__(self) -> None:
        self.name_at = self.name_end = self.at = self.end = 0


class Piece(NamedTuple):
    """A Stream element: its attributes Name, CommandId and End, and its content, in base64."""

    name: str
    command_id: str
    end: str
    data: bytes


class Ordinary(NamedTuple):
    """``texts``: by the order of `_TEXTS`, None where the envelope has none. ``selected``: the selector ShellId. ``named``: the first attribute CommandId.
    ``fault_at``: where the Fault begins, or -1. ``compression_at``: where CompressionType elements begin. ``head_end``: where the first wanted tag ends.
    ``declares``: there may be declarations of
    namespaces behind it. ``qualified``: the different names of elements that have a namespace of their own, as written. ``long``: one that has a limit
    may be over it. The rest as in `analyzer.records.wsman.Operation`, raw."""

    texts: tuple[str | None, ...]
    selected: str | None
    named: str | None
    identify: str | None
    fault_at: int
    fault_code: str | None
    line: bool
    line_id: str | None
    command: str | None
    arguments: tuple[str, ...]
    stated: bool
    state: str
    state_id: str | None
    exit_code: int | None
    code: str | None
    creation: str | None
    code_page: int | None
    streams: tuple[Piece, ...]
    compression_at: tuple[int, ...]
    head_end: int
    declares: bool
    qualified: tuple[bytes, ...]
    long: bool


def read(text: str, most: int, most_selected: int) -> Ordinary | None:
    """What the envelope says; None where it is not ordinary. ``most``, ``most_selected``: characters of a text, and of a selector or a CommandId."""
    if not text.isascii():
        return None
    data = text.encode()
    return _read(text, data, most, most_selected)


def _tag_end(data: bytes, at: int, end: int) -> int:
    """Where the ``>`` of the tag is whose name ends at ``at``, as `analyzer.wsman.elements.INSIDE` has it; -1 where the tag is not whole. A quote that nothing
    closes stands for itself."""
    i = at
    while i < end:
        code = data[i]
        if code == 62:
            return i
        if code == 60:
            return -1
        if code == 34 or code == 39:  # noqa: PLR1714  the compiler makes two comparisons of it
            j = i + 1
            while j < end and data[j] != code and data[j] != 60:
                j += 1
            if j < end and data[j] == code:
                i = j
        i += 1
    return -1


def _attribute(data: bytes, at: int, end: int, found: "_Attribute") -> int:
    """The next attribute in [at, end): its places go into ``found``. Where it ends, or -1."""
    i = at
    while i < end:
        if not _CLASSES[data[i]] & 7:
            i += 1
            continue
        begin = local = i
        while i < end and _CLASSES[data[i]] & 7:
            if data[i] == 58:
                local = i + 1
            i += 1
        name_end = j = i
        while j < end and _CLASSES[data[j]] & 8:
            j += 1
        if j >= end or data[j] != 61:
            continue
        j += 1
        while j < end and _CLASSES[data[j]] & 8:
            j += 1
        if j >= end or (data[j] != 34 and data[j] != 39):
            continue
        stop = j + 1
        while stop < end and data[stop] != data[j]:
            stop += 1
        if stop >= end:
            continue
        i = stop + 1
        if (
            name_end - begin >= 5
            and data[begin] == 120
            and data[begin + 1] == 109
            and data[begin + 2] == 108
            and data[begin + 3] == 110
            and data[begin + 4] == 115
        ):
            continue
        found.name_at, found.name_end, found.at, found.end = local, name_end, j + 1, stop
        return i
    return -1


def _refers(data: bytes, begin: int, end: int) -> bool:
    """Whether there is a reference in [begin, end)."""
    if end - begin > _NEAR:
        return data.find(b"&", begin, end) >= 0
    i = begin
    while i < end and data[i] != 38:
        i += 1
    return i < end


def _value(text: str, data: bytes, begin: int, end: int) -> str:
    """A text or an attribute's value, its references undone."""
    value = text[begin:end]
    return unescaped(value) if _refers(data, begin, end) else value


def _named(text: str, data: bytes, begin: int, end: int, name: bytes) -> str | None:
    """The value of the last attribute of that local name in [begin, end), None where there is none."""
    if data.find(name, begin, end) < 0:
        return None
    found = _Attribute()
    value = None
    at = begin
    while at >= 0:
        at = _attribute(data, at, end, found)
        if at >= 0 and found.name_end - found.name_at == len(name) and data.startswith(name, found.name_at):
            value = _value(text, data, found.at, found.end)
    return value


def _number(text: str, data: bytes, begin: int, end: int) -> int | None:
    """A number of up to twelve digits that stands alone in [begin, end)."""
    while begin < end and _CLASSES[data[begin]] & 8:
        begin += 1
    first = begin + 1 if begin < end and data[begin] == 45 else begin
    i = first
    while i < end and i < first + 12 and _CLASSES[data[i]] & 32:
        i += 1
    stop = i
    while i < end and _CLASSES[data[i]] & 8:
        i += 1
    return int(text[begin:stop]) if i == end and stop > first else None


def _stripped(text: str, data: bytes, begin: int, end: int) -> str:
    """A text without white space around it, its references undone."""
    if _refers(data, begin, end):
        return unescaped(text[begin:end]).strip()
    while begin < end and _CLASSES[data[begin]] & 8:
        begin += 1
    while end > begin and _CLASSES[data[end - 1]] & 8:
        end -= 1
    return text[begin:end]


def _read(text: str, data: bytes, most: int, most_selected: int) -> Ordinary | None:  # noqa: C901, PLR0911, PLR0912, PLR0915  one loop, one call for each text
    end = len(data)
    texts: list[str | None] = [None] * 8
    attribute = _Attribute()
    known: list[bytes | None] = [None] * 25
    met = bytearray(25)
    qualified: list[bytes] = []
    arguments: list[str] = []
    streams: list[Piece] = []
    compression: list[int] = []
    named: list[str | None] = [None] * 5
    selected = identify = fault_code = line_id = command = state_id = code_text = creation = None
    exit_code = code_page = None
    state = ""
    line = stated = paged = long = False
    fault_at = head_end = -1
    searched = 0
    declares = False
    name = command_id = last = ""
    at = data.find(b"<")
    while at >= 0:
        begin = i = at + 1
        word = -1
        if begin < end and (
            data[begin] == 33 or (data[begin] == 63 and not (at == 0 and data.startswith(b"<?xml") and 0 < data.find(b"?>") < data.find(b"<", 1)))
        ):
            return None
        while i < end and _CLASSES[data[i]] & 3:
            i += 1
        if i < end and data[i] == 63 and i > begin:
            return None  # a prefix that marks know, and elements do not
        if i < end and data[i] == 58:
            if i == begin:
                return None  # no prefix at all before the colon
            if _CLASSES[data[begin]] & 16 and _wanted(data, begin, i) >= 0:
                return None
            begin = i + 1
        i = begin
        while i < end and _CLASSES[data[i]] & 1:
            i += 1
        if i > begin and _CLASSES[data[begin]] & 16:
            word = _wanted(data, begin, i)
        if word < 0:
            at = _next(data, at + 1, end)
            continue
        if i >= end or not (_CLASSES[data[i]] & 8 or data[i] == 47 or data[i] == 62):
            return None
        close = _tag_end(data, i, end)
        if close < 0:
            return None
        first = not met[word]
        if not first and _ONCE[word]:
            return None
        met[word] = 1
        if head_end < 0:
            head_end = searched = data.find(b">", at)
        if _SPACED[word]:
            qualified_name = data[at + 1 : i]
            if qualified_name != known[word]:
                known[word] = qualified_name
                qualified.append(qualified_name)
                if len(qualified) > _QUALIFIED or i - at > _LONGEST_NAME:
                    return None
        following = _next(data, close + 1, end)
        if following - close > _LONG and data.find(b'"', close, following) < 0 and data.find(b"'", close, following) < 0:
            # no declaration ends in this text, and none goes on behind the next tag's beginning
            declares = declares or data.find(b"xmlns", searched, close) >= 0
            searched = following
        ends = following >= 0 and following + 1 < end and data[following + 1] == 47  # its text is all there is in it
        if word <= 8 and (end if following < 0 else following) - at > (most_selected if word == 6 or word == _SELECTOR else most):  # noqa: PLR1714
            long = True
        if word < 8:
            if ends and texts[word] is None:
                value = _stripped(text, data, close + 1, following)
                if value and len(value) <= most:
                    texts[word] = value
        elif word == _STREAM:
            name = command_id = last = ""
            j = i
            while j >= 0:
                j = _attribute(data, j, close, attribute)
                if j >= 0:
                    size = attribute.name_end - attribute.name_at
                    if size == 4 and data.startswith(b"Name", attribute.name_at):
                        name = _value(text, data, attribute.at, attribute.end)
                    elif size == 9 and data.startswith(b"CommandId", attribute.name_at):
                        command_id = _value(text, data, attribute.at, attribute.end)
                    elif size == 3 and data.startswith(b"End", attribute.name_at):
                        last = _value(text, data, attribute.at, attribute.end)
            named[3] = command_id if first else named[3]
            if data[close - 1] == 47:
                streams.append(Piece(name, command_id, last, b""))
            elif ends and data.find(b">", close + 1, following) < 0:
                streams.append(Piece(name, command_id, last, data[close + 1 : following]))
        elif word == _SELECTOR:
            if ends and _named(text, data, i, close, b"Name") == "ShellId":
                value = _stripped(text, data, close + 1, following)
                if value and (len(value) > most_selected or (selected or value) != value):
                    return None
                selected = value or selected
        elif word == _DESIRED:
            if first:
                named[1] = _named(text, data, i, close, b"CommandId")
        elif word == _COMMAND_LINE:
            line = True
            line_id = named[0] = _named(text, data, i, close, b"CommandId")
        elif word == _COMMAND:
            if line and ends:
                command = _value(text, data, close + 1, following)
        elif word == _ARGUMENTS:
            if line and ends:
                arguments.append(_value(text, data, close + 1, following))
        elif word == _STATE:
            if not stated:
                stated = True
                state = _named(text, data, i, close, b"State") or ""
                state_id = named[4] = _named(text, data, i, close, b"CommandId")
        elif word == _EXIT:
            exit_code = _number(text, data, close + 1, following) if ends and exit_code is None else exit_code
        elif word == _CODE:
            code_text = _value(text, data, close + 1, following) if ends and code_text is None else code_text
        elif word == _CREATION:
            creation = _value(text, data, close + 1, following) if ends else None
        elif word == _OPTION:
            if ends and not paged:
                number = _number(text, data, close + 1, following)
                if number is not None and _named(text, data, i, close, b"Name") == "WINRS_CODEPAGE":
                    code_page, paged = number, True
        elif word == _SIGNAL:
            named[2] = _named(text, data, i, close, b"CommandId")
        elif word == _FAULT:
            fault_at = at if fault_at < 0 else fault_at
        elif word == _WSMAN_FAULT:
            if fault_code is None:
                code = _named(text, data, i, close, b"Code") or ""
                if code.isdecimal() and len(code) <= 12:
                    fault_code = code
        elif word == _COMPRESSION:
            compression.append(at)
        elif identify is None:
            identify = "Identify" if word == _IDENTIFY else "IdentifyResponse"
        at = following
    told = None
    for one in named:
        if told is None and one and len(one) <= most_selected:
            told = one
    declares = declares or data.find(b"xmlns", searched) >= 0
    header = (tuple(texts), selected, told, identify, fault_at, fault_code)
    shell = (line, line_id, command, tuple(arguments), stated, state, state_id, exit_code, code_text, creation, code_page)
    return Ordinary._make((*header, *shell, tuple(streams), tuple(compression), head_end, declares, tuple(qualified), long))


def _next(data: bytes, at: int, end: int) -> int:
    """The next ``<``, or -1: near ones are met sooner than a search is begun."""
    stop = min(end, at + _NEAR)
    while at < stop:
        if data[at] == 60:
            return at
        at += 1
    return data.find(b"<", at) if at < end else -1


def _wanted(data: bytes, begin: int, end: int) -> int:
    """The number of the wanted word in [begin, end), up to its first character that is of no word; -1 for all others."""
    i = begin
    while i < end and _CLASSES[data[i]] & 1:
        i += 1
    if i - begin < 4 or i - begin > 16:
        return -1
    word = data[begin:i]
    found = _IDS.get(word)
    if found is not None:
        return found
    return 24 if i - begin == 15 and word.lower() == _FOLDED else -1
