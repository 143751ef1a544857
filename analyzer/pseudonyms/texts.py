"""Texts with pseudonyms in place of names: `Texts.name` for fields that hold nothing but a name, `Texts.known` for sentences and other texts, in which the
names that `Texts.learn` was told are replaced, and `Texts.line` for what people typed and programs printed, in which every word is replaced that is not public.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from hashlib import blake2b

from analyzer.pseudonyms.addresses import Addresses
from analyzer.pseudonyms.blanks import Blanks
from analyzer.pseudonyms.handshakes import tls
from analyzer.pseudonyms.tokens import token
from analyzer.pseudonyms.vocabulary import NAMED, commands, sentences, spoken
from analyzer.pseudonyms.words import WORD, Words

_TOKENS = re.compile(
    r"(?P<stays>[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|\b0[xX][0-9A-Fa-f]{1,16}\b"
    r"|\bP(?=T?[0-9])(?:[0-9]{1,4}Y)?(?:[0-9]{1,4}M)?(?:[0-9]{1,4}W)?(?:[0-9]{1,5}D|[0-9]{6,8}D(?=T))?"
    r"(?:T(?=[0-9])(?:[0-9]{1,8}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,10}(?:\.[0-9]{1,9})?S)?)?(?![\w-])"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?|%[0-9A-Fa-f]{2}|&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)"
    r"|(?P<mac>\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b)"
    r"|(?P<v4>(?<![\w.])(?<![A-Za-z]/)\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d))"
    r"|(?P<v6>(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![\w:]))"
    r"|(?P<packed>(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=-]))"
    r"|(?P<word>[^\W_]+)"
)
_COMPOUND = re.compile(r"(?<![\w-])[^\W_](?:[\w-]*(?:[.@\\/]+[\w$-]+)+|\w*(?:-\w+)+)")
_MARKUP = re.compile(r"(<!\[CDATA\[|<!--)([\s\S]*?)(\]\]>|-->|\Z)|<[^<>]*>")
_PORT = re.compile(r":\d{1,5}$")
_BESIDE, _PACKED = re.compile(r"([/+])"), 16
"""Paths look like Base64: what stands between their slashes is read by itself. Base64 has at least so many characters."""
_RECORDS = (b"\x14", b"\x15", b"\x16", b"\x17")
_NUMBER = 6
"""Digits of a number that stands for someone or something; shorter ones are sizes, versions, ports, ids of processes."""
_SHORT = 3
"""Letters of a word that can tell something."""
_PATH = "wsman"
"""WinRM's path; one that is mistyped shows in a finding."""
_EXAMPLES = frozenset("alice bob carol dave lab srv01 vagrant wks01 contoso fabrikam".split())  # noqa: SIM905
"""Names in the examples of our own texts."""


class Texts:
    """``pairs``: what was replaced by what, in lower case: the words, the addresses."""

    def __init__(self, key: bytes, words: dict[str, str], addresses: dict[str, str]) -> None:
        self.hashing = blake2b(b"hashes", key=key).digest()
        self._taken = spoken() - _EXAMPLES
        self._said = sentences() - _EXAMPLES
        self._public = commands() - _EXAMPLES
        self.words = Words(key, self._taken.__contains__, words)
        self.addresses = Addresses(key, addresses)
        self._names: set[str] = set()
        self._compounds: set[str] = set()
        self._hosts: set[str] = set()
        self._seen: dict[tuple[int, str], str] = {}

    def learn(self, name: str) -> None:
        """A name of this capture: it, and the words in it, are replaced in all texts; words of our own sentences only where the whole name stands."""
        if ":" in name and _TOKENS.fullmatch(name):
            self._hosts.add(name)
            return
        found = [word.lower() for word in WORD.findall(name)]
        self._names.update(word for word in found if word not in self._said and word not in NAMED and not word.isdigit() and len(word) >= _SHORT)
        if found != [name.lower()]:
            self._compounds.add(name.lower())

    def name(self, text: str) -> str:
        """A name: all its words but for those that every network has. A port behind it stays."""
        port = _PORT.search(text)
        if port and "." not in text[port.start() :] and text.count(":") == 1:
            return self.name(text[: port.start()]) + port[0]
        return self._tokens(text, self._in_name)

    def known(self, text: str) -> str:
        """The text with the names that were learned, and all addresses, replaced."""
        return self._cached(0, text, lambda: self._over(text, self._in_text))

    def other(self, text: str) -> str:
        """A text of a protocol: all its words but for those of protocols and products."""
        return self._cached(1, text, lambda: self._over(text, self._in_protocol))

    def line(self, text: str) -> str:
        """What someone typed or a program printed: all its words but for those of command lines."""
        return self._cached(2, text, lambda: self._line(text))

    def markup(self, text: str, between: Callable[[str], str] | None = None) -> str:
        """XML: its tags with the names that were learned; what stands between them, in CDATA and in comments as lines, or as ``between`` has it."""
        change, made, at = between or self._plain, [], 0
        for found in _MARKUP.finditer(text):
            made.append(change(text[at : found.start()]))
            made += [found[1], change(found[2]), found[3]] if found[1] else [self.known(found[0])]
            at = found.end()
        return "".join((*made, change(text[at:])))

    def _plain(self, text: str) -> str:
        """As `line`, of a text that is no markup."""
        return self._over(text, self._in_line)

    def _line(self, text: str) -> str:
        if text[:1] in ("{", "["):
            try:
                return _json(self._walked(json.loads(text)))
            except (ValueError, RecursionError):
                pass
        if "</" in text:
            return self.markup(text)
        return self._over(text, self._in_line)

    def _walked(self, value: object) -> object:
        """A value of JSON: its texts as lines, its keys with the names that were learned."""
        if isinstance(value, str):
            return self.line(value)
        if isinstance(value, dict):
            return {self.known(name): self._walked(one) for name, one in value.items()}
        return [self._walked(one) for one in value] if isinstance(value, list) else value

    def _cached(self, how: int, text: str, make: Callable[[], str]) -> str:
        if len(text) > 300:
            return make()
        if (how, text) not in self._seen:
            self._seen[how, text] = make()
        return self._seen[how, text]

    def _over(self, text: str, word: Callable[[str], str]) -> str:
        """The names of several words that the capture has as names, what is between them word by word."""
        made, at = [], 0
        for found in _COMPOUND.finditer(text) if self._compounds else ():
            stem = found[0] if found[0].lower() in self._compounds else found[0].rstrip("$-")
            if stem.lower() in self._compounds:
                made += [self._tokens(text[at : found.start()], word), self.name(stem)]
                at = found.start() + len(stem)
        return "".join((*made, self._tokens(text[at:], word)))

    def _tokens(self, text: str, word: Callable[[str], str]) -> str:
        return _TOKENS.sub(lambda one: self._replaced(one, word), text)

    def _replaced(self, found: re.Match[str], word: Callable[[str], str]) -> str:
        kind, text = found.lastgroup, found[0]
        if kind == "word":
            return word(text)
        if kind == "packed":
            return self._packed(text, word)
        if kind == "mac":
            made = self.addresses.hardware(bytes.fromhex(text.replace(":", "").replace("-", ""))).hex()
            signs = text[2].join(made[at : at + 2] for at in range(0, 12, 2))
            return signs.upper() if text.isupper() else signs
        if kind == "v6" and text.rpartition(":")[0] in self._hosts:
            host, colon, port = text.rpartition(":")
            return self.addresses.text(host) + colon + port
        return self.addresses.text(text) if kind in ("v4", "v6") else text

    def _packed(self, text: str, word: Callable[[str], str]) -> str:
        """Base64, or a long word. What is decoded is a token, or text; what is neither is replaced as words are."""
        data = _decoded(text)
        if data is not None:
            made = self._unsealed(data) if data[:1] in _RECORDS and data[1:2] == b"\x03" else token(data, self)
            if made is None:
                made = _as_text(data, self.line if word == self._in_line else self.known)
            if made is not None and len(made) == len(data):
                return base64.b64encode(made).decode()
        return "".join(self._tokens(part, word) if len(part) < _PACKED else WORD.sub(lambda one: word(one[0]), part) for part in _BESIDE.split(text))

    def _unsealed(self, data: bytes) -> bytes:
        """Records of TLS, as CredSSP carries them."""
        return tls(data, self, Blanks())

    def _in_name(self, word: str) -> str:
        return word if word.lower() in NAMED else self.words.image(word)

    def _in_text(self, word: str) -> str:
        return self.words.image(word) if word.lower() in self._names else word

    def _in_protocol(self, word: str) -> str:
        return word if word.lower().startswith(_PATH) and word.lower() not in self._names else self._unless(word, self._taken)

    def _in_line(self, word: str) -> str:
        return self._unless(word, self._public)

    def _unless(self, word: str, stay: Iterable[str]) -> str:
        lower = word.lower()
        if lower in self._names:
            return self.words.image(word)
        if lower in stay or (len(word) < _NUMBER if word.isdigit() else len(word) < _SHORT and word.isascii()):
            return word
        return self.words.image(word)


def _decoded(text: str) -> bytes | None:
    if len(text) % 4:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _as_text(data: bytes, change: Callable[[str], str]) -> bytes | None:
    """The data with its text changed, where it is text: UTF-16 of Windows, or UTF-8."""
    for coding in ("utf-16-le",) if data[1:2] == b"\0" or data[3:4] == b"\0" else ("utf-8",):
        try:
            text = data.decode(coding)
        except UnicodeDecodeError:
            return None
        if all(sign.isprintable() or sign in "\r\n\t\ufeff" for sign in text):
            try:
                return change(text).encode(coding)
            except UnicodeEncodeError:
                return None
    return None


def _json(value: object) -> str:
    """JSON; with signs outside of ASCII written as such, unless one of them is half a sign."""
    told = json.dumps(value, ensure_ascii=False)
    try:
        told.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return told
