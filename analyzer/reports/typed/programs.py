"""Secrets by the program that gets them: `table.PROGRAMS` applied to the words of command lines.

A program is looked for anywhere in a text, with or without a path and .exe, as command lines stand within others (cmd /c, psexec, Start-Process, scheduled
tasks). The words after it are read once, so that the time is linear in the text for each program of the table.
"""

import re
from collections.abc import Iterator, Sequence

from analyzer.reports.typed.table import PROGRAMS, STEMS, Program
from analyzer.reports.typed.values import Span, is_plain, is_switch
from analyzer.reports.typed.words import MOST_LAYERS, Dialect, Word, folded, statement, unquoted

_BY_NAME: dict[str, tuple[Program, ...]] = {}
for _row in PROGRAMS:
    for _name in _row.names:
        _BY_NAME[_name] = (*_BY_NAME.get(_name, ()), _row)
_BY_LETTER: dict[str, list[str]] = {}
for _name in sorted(_BY_NAME, key=len, reverse=True):
    _BY_LETTER.setdefault(_name[0], []).append(re.escape(_name[1:]))
_NAMES = "|".join(f"{re.escape(letter)}(?:{'|'.join(ends)})" for letter, ends in sorted(_BY_LETTER.items()))
_FOUND = re.compile(rf"(?<![\w.$-])(?:{_NAMES})(?:\.exe|\.com|\.cmd|\.bat)?(?=[\"'\s,)]|\Z)")
_TOKEN = re.compile(r"[\w.$-]+")
_WHOLE = frozenset(f"{name}{ending}" for name in _BY_NAME for ending in ("", ".exe", ".com", ".cmd", ".bat"))
"""What `_FOUND` finds is a whole token, as what may stand before and behind it is of none: to look tokens up is cheaper than to try each name everywhere."""
_IN_TOKENS = all(_TOKEN.fullmatch(name) for name in _BY_NAME)
_SWITCH = re.compile(r"(?:--?|/|[\u2013\u2014])(?P<name>[A-Za-z][\w.-]*)(?P<sign>[:=])?(?P<value>.*)", re.DOTALL)
_SECRET_NAME = re.compile(rf"(?:{STEMS})\d{{0,3}}\Z", re.IGNORECASE)
"""How the name of a secret ends."""
_ARGUMENTS = re.compile(r"-(?:a|ar|arg\w*)$", re.IGNORECASE)
_CMDLET = re.compile(r"(?:convertto|new|set)-[a-z]+|s[pvi]")
_EXTENSION = re.compile(r"\.(?:exe|com|cmd|bat)$")
_SOURCE = re.compile(r"(?P<kind>pass|env|file|fd|stdin):?(?P<value>.*)", re.DOTALL)
"""Where openssl gets a password from."""
_TARGET = re.compile(r"(?:[^\s/:@]{1,128}/)?[^\s/:@]{1,128}:(?P<value>.+)@[^\s@]+", re.DOTALL)
_SQL_TARGET = re.compile(r"(?:userid=)?[^\s/@=]{1,128}/(?P<value>[^@\s/]+)(?:@.*)?", re.DOTALL)
_READERS = sorted({name for row in PROGRAMS if row.piped for name in row.names})
_COMMAND_LINE = 8191
"""Characters that cmd.exe takes (Microsoft Learn, "Command prompt line string limitation")."""
_READS = re.compile(
    r"(?<![\w.$-])(?:runas|chpasswd|kinit|smbpasswd|sudo(?=\s.*-s\b)|docker(?=\s.*--password-stdin)|net1?(?=(?:\.exe)?\s+users?\s.*\*)|cmdkey(?=.*[/-]pass(?![:\w])))"
    r"(?:\.exe)?(?=[\"'\s]|\Z)"
)
_PIPED = re.compile(
    r"(?:(?:\becho[.:]?|\bwrite-(?:output|host)|\bset[^\S\r\n]++/p[^\S\r\n]*+=?)[^\S\r\n]*+(?P<told>[^|\r\n]{1,256})|(?P<quoted>\"[^\"\r\n]{1,256}\"|'[^'\r\n]{1,256}'))"
    r"[^\S\r\n]{0,64}+\)?[^\S\r\n]{0,64}+\|[^\S\r\n]{0,64}+(?:&[^\S\r\n]{0,64}+)?[\"']?(?:[a-z]:)?[\w\\/. ()-]{0,200}?(?<![\w-])"
    r"(?:" + "|".join(map(re.escape, _READERS)) + r")(?:\.exe)?(?![\w-])"
)
_ANSWERS = frozenset({"y", "n", "yes", "no", "j", "", "."})


def in_programs(text: str, lower: str, dialect: Dialect | None) -> Iterator[Span]:
    """Where the secrets in command lines of known programs stand. ``lower``: the text `folded`."""
    if (_IN_TOKENS and _WHOLE.isdisjoint(_TOKEN.findall(lower))) or _FOUND.search(lower) is None:
        return
    for one in Dialect if dialect is not Dialect.POWERSHELL else (dialect,):
        yield from _of_dialect(text, lower, one)
    yield from _piped(text, lower, dialect)


def _in_text(text: str, depth: int) -> Iterator[Span]:
    lower = folded(text)
    for dialect in Dialect:
        yield from (span for span in _of_dialect(text, lower, dialect, depth) if span[0] < span[1])


def _of_dialect(text: str, lower: str, dialect: Dialect, depth: int = 0) -> Iterator[Span]:
    quotes = _Quotes(text, dialect)
    done = 0
    for found in _FOUND.finditer(lower):
        if found.start() < done:
            continue
        quote = quotes.around(found.start(), found.end())
        if not quote:
            begin = found.start() - (text[found.start() - 1 : found.start()] in ("'", '"'))
            first = Word(begin, found.end() + (text[found.end() : found.end() + 1] in ("'", '"')), found[0], quoted=False)
            told = statement(text, first.end, len(text), dialect)
            yield from _in_words(text, (first, *told.words), dialect, depth)
            done = told.end
            continue
        end = _closing(text, found.end(), quote)
        inner, places = unquoted(text, found.start(), end, quote)
        first = Word(0, len(found[0]), found[0], quoted=False)
        told = statement(inner, first.end, len(inner), dialect)
        for begin, stop in _in_words(inner, (first, *told.words), dialect, depth):
            if stop > begin:
                yield places[begin], places[stop - 1] + 1
        done = max(done, places[told.end - 1] + 1 if 0 < told.end <= len(places) else end)


class _Quotes:
    """Which quote a place stands in, told as the text is passed from left to right; quotes end with their line."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text, self._open, self._begun = text, "", 0
        self._signs = re.compile(r"[\"\r\n]" if dialect is Dialect.CMD else r"[\"'\r\n]").finditer(text)
        self._next = next(self._signs, None)

    def around(self, begin: int, end: int) -> str:
        """The quote around a word, empty where there is none, or where only the word itself stands in it."""
        while self._next is not None and self._next.start() < begin:
            self._pass(self._next.start())
            self._next = next(self._signs, None)
        own = self._open and self._text[end : end + 1] == self._open
        return "" if own and not any(sign.isspace() for sign in self._text[self._begun : begin].removeprefix("C:\\Program Files")) else self._open

    def _pass(self, at: int) -> None:
        sign, before = self._text[at], self._text[at - 1 : at]
        if sign in "\r\n":
            self._open = ""
        elif not self._open:
            if not (sign == "'" and before.isalnum()):
                self._open, self._begun = sign, at + 1
        elif sign == self._open and not (before == "\\" and sign == '"' and not self._text[at + 1 : at + 2].isspace()):
            self._open = ""


def _closing(text: str, at: int, quote: str) -> int:
    """Where the quotes end: at the first that is neither doubled nor escaped, or with the line."""
    stop = re.compile(r"[\r\n]|\Z").search(text, at)
    last = len(text) if stop is None else stop.start()
    while (place := text.find(quote, at, last)) >= 0:
        if text[place + 1 : place + 2] == quote:
            at = place + 2
        elif quote == '"' and text[place - 1] in "\\`":
            at = place + 1
        else:
            return place
    return last


def _in_words(text: str, words: Sequence[Word], dialect: Dialect, depth: int = 0) -> Iterator[Span]:
    """Each program among the words, with the words up to where it is named again; and those in words that are command lines themselves."""
    named: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        if word.quoted and " " in word.value and depth < MOST_LAYERS and _FOUND.search(folded(word.value)):
            inner, places = unquoted(text, word.begin + 1, word.end - (text[word.end - 1] == text[word.begin]), text[word.begin])
            for begin, end in _in_text(inner, depth + 1):
                yield places[begin], places[end - 1] + 1
        name = _basename(word.value)
        if name in _BY_NAME:
            named.setdefault(name, []).append(place)
    for name, places in named.items():
        for begin, end in zip(places, [*places[1:], len(words)], strict=True):
            own = _flat(text, words[begin].end, _grouped(words[begin].depth, words[begin + 1 : end]), dialect)
            for row in () if dialect is Dialect.CMD and _CMDLET.fullmatch(name) else _BY_NAME[name]:
                yield from _secrets(text, row, own, dialect)


def _basename(word: str) -> str:
    return _EXTENSION.sub("", word.replace("/", "\\").rpartition("\\")[2].lower())


def _grouped(depth: int, words: Sequence[Word]) -> list[Word]:
    """The words in the brackets of the program; an expression in brackets of its own is one word: a text where it begins with one, else no value."""
    made: list[Word] = []
    within = False
    for word in words:
        if word.depth < depth:
            break
        if word.depth == depth:
            made.append(word)
        elif not within:
            made.append(word if word.quoted else word._replace(value="("))
        elif made[-1].quoted:
            made[-1] = made[-1]._replace(end=word.end)
        within = word.depth > depth
    return made


def reads_secret(text: str) -> bool:
    """The command line is one of a program that asks for a secret and reads it from its input."""
    return _READS.search(folded(text[:_COMMAND_LINE])) is not None


def _flat(text: str, at: int, words: Sequence[Word], dialect: Dialect) -> list[Word]:
    """The words; of a text with blanks that is an argument list (-ArgumentList, Process.Start("net", "user …")), its own words. ``at``: the program's end."""
    made: list[Word] = []
    for place, word in enumerate(words):
        lists = _ARGUMENTS.fullmatch(words[place - 1].value) is not None if place else "," in text[at : word.begin]
        if not (lists and word.quoted and " " in word.value and dialect is Dialect.POWERSHELL):
            made.append(word)
            continue
        inner, places = unquoted(text, word.begin + 1, word.end - 1, text[word.begin])
        told = statement(inner, 0, len(inner), Dialect.CMD)
        made += [Word(places[one.begin], places[one.end - 1] + 1, one.value, one.quoted) for one in told.words]
    return made


def _secrets(text: str, row: Program, words: Sequence[Word], dialect: Dialect) -> Iterator[Span]:
    needed, place, at, named = bool(row.needs), 0, 0, False
    while at < len(words):
        word = words[at]
        at += 1
        switch = _SWITCH.fullmatch(word.value) if not needed or word.value[:1] in "-/" else None
        if switch is not None:
            name = switch["name"] if row.cased else switch["name"].lower()
            rest = words[at : at + 8]
            spans, taken = _of_switch(text, row, word, switch, name, rest, dialect)
            yield from spans
            named = named or (row.named is not None and name == row.named[0] and bool(rest) and _SECRET_NAME.search(rest[0].value) is not None)
            at += taken
            if switch["sign"] is not None or is_switch(word.value) or name in row.valued or taken or any(name.startswith(one) for one in row.joined):
                continue
        if needed:
            if word.value.lower() not in row.needs:
                return
            needed = False
            continue
        if word.value == "":
            place += 1
            continue
        if row.skipped and re.fullmatch(row.skipped, word.value, re.IGNORECASE | re.DOTALL):
            continue
        place += 1
        named = named or _names_it(row, word)
        if place in row.places and not is_plain(word.value, dialect):
            yield word.begin, word.end
        if row.named_place == place and at < len(words) and _SECRET_NAME.search(word.value) and not is_plain(words[at].value, dialect):
            yield words[at].begin, words[at].end
        if row.targets and (target := (_SQL_TARGET if row.separator == "/" else _TARGET).fullmatch(word.value)):
            yield _within(text, word, target["value"], word.value[target.start("value") - 1])
    if named and row.named is not None:
        yield from _named(text, words, row.named[1], dialect)


def _names_it(row: Program, word: Word) -> bool:
    """A place that is the name of a value, which a switch brings: New-ItemProperty PATH NAME -Value VALUE."""
    by_name = row.named is not None and row.named[0] == "name"
    return by_name and _SECRET_NAME.search(word.value) is not None and not re.search(r"[\\/:]", word.value)


def _of_switch(text: str, row: Program, word: Word, switch: re.Match[str], name: str, rest: Sequence[Word], dialect: Dialect) -> tuple[list[Span], int]:
    """The secrets that a switch brings, and how many of the words after it are its values."""
    glued = switch["value"] if switch["sign"] else ""
    if name in row.pairs:
        value, taken = (word, 0) if glued else (rest[0] if rest else None, 1)
        secret = "" if value is None else (glued or value.value).partition(row.separator)[2]
        return ([] if value is None or not secret or is_plain(secret, dialect) else [_within(text, value, secret)]), taken
    if name in row.values:
        if switch["sign"]:
            return ([] if is_plain(glued, dialect) else [_within(text, word, glued)]), 0
        return _next_value(text, row, rest[0] if rest else None, dialect)
    if name in row.nth:
        which = row.nth[name]
        value = rest[which - 1] if len(rest) >= which and not any(is_switch(one.value) for one in rest[:which]) else None
        return ([] if value is None or is_plain(value.value, dialect) else [(value.begin, value.end)]), 0
    secret = _joined(row, word.value)
    if secret and not is_plain(secret, dialect):
        return [_within(text, word, secret)], 0
    return [], int(name in row.valued and bool(rest))


def _next_value(text: str, row: Program, value: Word | None, dialect: Dialect) -> tuple[list[Span], int]:
    """The word after a switch, unless it is the next switch."""
    if value is None or is_switch(value.value):
        return [], 0
    if "passin" in row.values and (source := _SOURCE.fullmatch(value.value)):
        return ([_within(text, value, source["value"])] if source["kind"] == "pass" else []), 1
    return ([] if is_plain(value.value, dialect) else [(value.begin, value.end)]), 1


def _joined(row: Program, word: str) -> str:
    """What follows a switch without anything between: ``-pSECRET``, ``-uUSER:SECRET``."""
    raw = word.lstrip("-/")
    if word.startswith("--"):
        return ""
    for prefix in row.joined:
        if (raw if row.cased else raw.lower()).startswith(prefix) and len(raw) > len(prefix):
            return raw[len(prefix) :]
    return next((raw[1:].partition(row.separator)[2] for prefix in row.pairs if len(prefix) == 1 and raw.startswith(prefix)), "")


def _within(text: str, word: Word, secret: str, before: str = "") -> Span:
    """Where the last part of a word stands in the text; where escapes hide it there, all that follows the sign."""
    at = text.rfind(secret, word.begin, word.end) if not before else text.find(before + secret, word.begin, word.end)
    if at >= 0:
        return at + len(before), at + len(before) + len(secret)
    sign = re.compile(r"[:=%]|-\w").search(text, word.begin, word.end)
    return (word.begin if sign is None else sign.end()), word.end


def _named(text: str, words: Sequence[Word], switch: str, dialect: Dialect) -> Iterator[Span]:
    """The value that a switch names in another switch: ``/v DefaultPassword … /d value``."""
    for place, word in enumerate(words):
        found = _SWITCH.fullmatch(word.value)
        if found is None or found["name"].lower() != switch:
            continue
        if found["sign"]:
            yield _within(text, word, found["value"])
        elif place + 1 < len(words) and not is_plain(words[place + 1].value, dialect):
            yield words[place + 1].begin, words[place + 1].end


def _piped(text: str, lower: str, dialect: Dialect | None) -> Iterator[Span]:
    """``echo secret | runas …``."""
    if "|" not in lower or not any(name in lower for name in _READERS):
        return
    for found in _PIPED.finditer(lower):
        group = "told" if found["told"] is not None else "quoted"
        begin, end = found.span(group)
        shown = text[begin:end].strip().strip("\"'")
        if shown.lower() not in _ANSWERS and not is_plain(shown, dialect):
            yield begin, begin + len(found[group].rstrip())
