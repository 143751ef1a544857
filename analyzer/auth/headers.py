"""Text of WWW-Authenticate, Authorization and their Proxy- twins becomes schemes with a token or parameters (RFC 9110 sections 11.2 to 11.7).

One scanner over the text with three patterns: a word, a token68 that ends at a comma, and a parameter. The grammar is ambiguous on purpose: a comma ends a
parameter and also a challenge, so a word after a comma is a parameter only when ``=`` follows it, else the next scheme. Quoted strings are skipped whole, so
that ``realm="x, y"`` stays one value. The scheme keeps the letters it was sent with. Nothing here raises; text that fits no pattern is passed over to the next
comma and reported.
"""

import base64
import binascii
import re
from collections.abc import Iterable

from msgspec import Struct

from analyzer.records.auth import Audience
from analyzer.records.http import Header
from analyzer.records.quality import Absent, Known, Why

CHALLENGE_HEADERS = {Audience.SERVER: "www-authenticate", Audience.PROXY: "proxy-authenticate"}
CREDENTIALS_HEADERS = {Audience.SERVER: "authorization", Audience.PROXY: "proxy-authorization"}
DEMANDS = {Audience.SERVER: 401, Audience.PROXY: 407}
"""The status by which each audience asks for authentication (RFC 9110 sections 15.5.2 and 15.5.8)."""

_SEPARATORS = re.compile(r"[\s,]*")
# A scheme is a token (RFC 9110 5.6.2), but Windows' certificate scheme is a URL, hence any run without blank, comma, quote or equals sign.
_WORD = re.compile(r'[^\s,="]+')
# Possessive quantifiers: without them a run of blanks in a hostile header would be tried in all its divisions.
_TOKEN68 = re.compile(r"\s++([A-Za-z0-9\-._~+/]++=*+)\s*+(?=,|$)")
_PARAMETER = re.compile(r'\s*+([^\s,="]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|$)|([^\s,"]*+))\s*+(?=,|$)', re.DOTALL)
# Only these two of the quoted pairs are undone: clients send DOMAIN\user both escaped and not (RFC 9110 5.6.4 would turn \u into u).
_QUOTED_PAIR = re.compile(r'\\(["\\])')
_EMPTY_PARAMETERS = ("realm=", "charset=", "nonce=", "username=")
"""Parameters without a value, which look like a padded token68."""


class Challenge(Struct, frozen=True, gc=False):
    """One challenge (RFC 9110 11.3) or one set of credentials (11.4), which share their grammar.

    ``text`` is the token68 as sent, or None; ``params`` are names (lower case) and unquoted values in order; ``value`` is all that follows the scheme, as sent.
    """

    scheme: str
    text: str | None
    params: tuple[tuple[str, str], ...]
    value: str

    def param(self, name: str) -> str | None:
        """The first parameter of that name (lower case), or None."""
        return next((value for key, value in self.params if key == name), None)


Credentials = Challenge


def lines(headers: Iterable[Header], name: str) -> tuple[str, ...]:
    """The values of all field lines of that name (lower case), in order."""
    size = len(name)
    return tuple([header.value for header in headers if len(header.name) == size and header.name.lower() == name])


def challenges(values: Iterable[str]) -> tuple[tuple[Challenge, ...], tuple[str, ...]]:
    """The challenges of all field lines in order, several to a line or one; and complaints about text that is neither."""
    found: list[Challenge] = []
    complaints: list[str] = []
    for value in values:
        _scan(value, found, complaints)
    return tuple(found), tuple(complaints)


def credentials(value: str) -> Known[Credentials]:
    """The credentials of one Authorization line. Unlike challenges they are no list: all text after the scheme is theirs."""
    word = _WORD.match(value.strip())
    if word is None:
        return Absent(Why.MALFORMED, "no authentication scheme")
    rest = value.strip()[word.end() :].strip()
    params, end = _params(rest, 0)
    if params and not rest[end:].strip(" \t,") and not _is_token68(rest):
        return Credentials(word.group(), None, params, rest)
    return Credentials(word.group(), rest or None, (), rest)


def decoded(text: str) -> Known[bytes]:
    """The bytes of a base64 token (RFC 4648 section 4, and 5 for the URL alphabet); blanks inside and missing padding are forgiven."""
    compact = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    if not compact.isascii():
        return Absent(Why.MALFORMED, "the token has characters that are not base64")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except binascii.Error:
        return Absent(Why.MALFORMED, f"the token's {len(compact)} characters are not base64")


def _is_token68(rest: str) -> bool:
    return _TOKEN68.fullmatch(" " + rest) is not None and rest.lower() not in _EMPTY_PARAMETERS


def _scan(value: str, found: list[Challenge], complaints: list[str]) -> None:
    at = _after(_SEPARATORS, value, 0)
    while at < len(value):
        word = _WORD.match(value, at)
        if word is None:
            complaints.append(f"no scheme where one should begin: {value[at : at + 40]!r}")
            at = _next_comma(value, at + 1)
        else:
            challenge, at = _challenge(value, word)
            found.append(challenge)
            rest = value[at : _next_comma(value, at)].strip()
            if rest:
                complaints.append(f"text after the {challenge.scheme} challenge that is no parameter: {rest[:40]!r}")
                at = _next_comma(value, at)
        at = _after(_SEPARATORS, value, at)


def _challenge(value: str, word: re.Match[str]) -> tuple[Challenge, int]:
    token = _TOKEN68.match(value, word.end())
    if token is not None and token.group(1).lower() not in _EMPTY_PARAMETERS:
        return Challenge(word.group(), token.group(1), (), token.group(1)), token.end()
    # RFC 9110 11.3: parameters follow the scheme after a blank; a comma right away means that the challenge is bare.
    if value[word.end() : word.end() + 1] in ("", ","):
        return Challenge(word.group(), None, (), ""), word.end()
    params, end = _params(value, word.end())
    return Challenge(word.group(), None, params, value[word.end() : end].strip()), end


def _params(value: str, at: int) -> tuple[tuple[tuple[str, str], ...], int]:
    params: list[tuple[str, str]] = []
    end = at
    match = _PARAMETER.match(value, at)
    while match is not None:
        name, quoted, plain = match.groups()
        params.append((name.lower(), plain if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)))
        end = match.end()
        match = _PARAMETER.match(value, _after(_SEPARATORS, value, end))
    return tuple(params), end


def _after(pattern: re.Pattern[str], value: str, at: int) -> int:
    match = pattern.match(value, at)
    return at if match is None else match.end()


def _next_comma(value: str, at: int) -> int:
    comma = value.find(",", at)
    return len(value) if comma < 0 else comma
