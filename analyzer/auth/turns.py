"""One exchange as one audience sees it: what the client sent in its header, what came back, and which kind of answer that was.

The audience is the server (401, WWW-Authenticate, Authorization) or a proxy (407, Proxy-Authenticate, Proxy-Authorization); the two never meet in one turn.
What an answer means depends on the token that came with it, and on who can have given it: a 407 is the proxy's and says nothing about the server, and behind a
gateway's 502, 503 or 504 nobody knows what the server said.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from analyzer.auth.headers import CHALLENGE_HEADERS, CREDENTIALS_HEADERS, DEMANDS, Challenge, challenges, credentials, lines
from analyzer.auth.schemes.reading import Complaint, TokenReading
from analyzer.auth.tokens import UNKNOWN_SCHEME, challenge_token, credentials_token, is_known, rejects
from analyzer.records.auth import Audience, Step, Token
from analyzer.records.http import Exchange, Framing, Header, Request, Response
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Known
from analyzer.settings import Limits

GATEWAY_STATUSES = (502, 503, 504)
"""RFC 9110 sections 15.6.3 to 15.6.5: statuses by which a gateway speaks for a server that it could not ask."""


_PROXY_DEMANDS = DEMANDS[Audience.PROXY]
_OWN_MEDIA = ("application/soap+xml", "multipart/encrypted", "multipart/x-multi-encrypted")
_SUCCESS = 200
_WITHOUT_BODY = (400, 500)
_PAGES = ("text/html", "application/xhtml+xml")


class Reply(StrEnum):
    """What a response means to the client's credentials."""

    NONE = "none"
    """There is no response in the capture, or not that part of its head which would tell."""
    OTHER = "other"
    """The other audience answered: a proxy's 407 where the server was meant."""
    GATEWAY = "gateway"
    CHALLENGE = "challenge"
    """The demand's status with a token that goes on (or a Digest nonce that was only stale, RFC 7616 section 3.3)."""
    DEMAND = "demand"
    """The demand's status with bare offers: a first offer, or a refusal of what was sent."""
    PAGE = "page"
    """A page of the HTTP layer, or a redirection: the request failed before anybody looked at who sent it."""
    FINAL = "final"


_FINAL, _PROXY = Reply.FINAL, Audience.PROXY
"""By names of their own: a member is found three times as fast as by its enumeration."""


class Turn(Struct, frozen=True, gc=False):
    """``sent`` and ``answer`` are None where the header is not there. ``blind``: the request is not in the capture, so that nobody knows what it carried."""

    exchange: Exchange
    sent: Step | None
    answer: Step | None
    reply: Reply
    status: int | None
    first_ns: int
    last_ns: int
    blind: bool
    realms: tuple[tuple[str, str], ...] = ()
    """Scheme (lower case) and realm of the challenges that name one."""

    @property
    def sent_token(self) -> Token | None:
        """The client's token."""
        return None if self.sent is None else self.sent.token

    @property
    def answer_token(self) -> Token | None:
        """The server's token."""
        return None if self.answer is None else self.answer.token


_OF_AUTHENTICATION = {name: audience for names in (CHALLENGE_HEADERS, CREDENTIALS_HEADERS) for audience, name in names.items()}
_SIZES = frozenset(map(len, _OF_AUTHENTICATION))


def audiences(exchange: Exchange) -> frozenset[Audience]:
    """The audiences of which a header of the exchange says something."""
    asked, answered = _spoken_to(exchange.request), _spoken_to(exchange.response)
    return asked | answered if asked and answered else asked or answered


def _spoken_to(message: Known[Request] | Known[Response]) -> frozenset[Audience]:
    """The same of one message. One tuple serves all messages with the same head, so it is looked up as the object that it is."""
    if isinstance(message, Absent):
        return _NOBODY
    headers = message.headers
    known = _SPOKEN_TO.get(id(headers))
    if known is None or known[0] is not headers:
        found = [one for field in headers if len(field.name) in _SIZES and (one := _OF_AUTHENTICATION.get(field.name.lower())) is not None]
        if len(_SPOKEN_TO) >= _MANY:
            _SPOKEN_TO.clear()
        known = _SPOKEN_TO[id(headers)] = (headers, frozenset(found) if found else _NOBODY)
    return known[1]


_SPOKEN_TO: dict[int, tuple[tuple[Header, ...], frozenset[Audience]]] = {}
"""Heads, by what Python calls each: an entry keeps its head, so that no other is called so meanwhile."""
_NOBODY: frozenset[Audience] = frozenset()


def turn(exchange: Exchange, audience: Audience, limits: Limits, issues: list[Issue]) -> Turn:
    """The exchange as the audience sees it; the issues of its headers go to ``issues``."""
    request = None if isinstance(exchange.request, Absent) else exchange.request
    response = None if isinstance(exchange.response, Absent) else exchange.response
    sent = None if request is None or audience not in _spoken_to(request) else _sent(exchange, request, audience, limits, issues)
    answer, offered = _NO_ANSWER if response is None or audience not in _spoken_to(response) else _answer(exchange, response, audience, sent, limits, issues)
    reply = _reply(response, audience, answer, offered)
    if answer is not None and answer.token is not None and reply is _FINAL:
        answer = replace(answer, token=replace(answer.token, step="final"))
    first_ns = last_ns = 0
    if request is not None:
        first_ns = last_ns = request.first_ns
    if response is not None:
        first_ns = response.first_ns if request is None else min(first_ns, response.first_ns)
        last_ns = max(last_ns, response.first_ns)
    status = None if response is None else response.status
    realms = tuple([(one.scheme.lower(), realm) for one in offered if (realm := one.param("realm")) is not None]) if offered else ()
    return Turn(exchange, sent, answer, reply, status, first_ns, last_ns, request is None, realms)


_NO_ANSWER: tuple[Step | None, tuple[Challenge, ...]] = (None, ())


def _sent(exchange: Exchange, request: Request, audience: Audience, limits: Limits, issues: list[Issue]) -> Step | None:
    values = lines(request.headers, CREDENTIALS_HEADERS[audience])
    if not values:
        return None
    if len(values) > 1:
        _report(issues, exchange, request, [Complaint("auth.malformed-header", f"{len(values)} credentials headers; the first was read")])
    sent = _reading(values[0], limits)
    if isinstance(sent, Absent):
        _report(issues, exchange, request, [Complaint("auth.malformed-header", sent.detail)])
        return None
    token, complaints = sent
    _report(issues, exchange, request, complaints)
    return _step(exchange, request, None, (), token)


_READ: dict[tuple[str, int], Known[TokenReading]] = {}
_MANY, _LARGE = 256, 8192
_OF_MECHANISMS = ("negotiate ", "ntlm ", "kerberos ")


def _reading(value: str, limits: Limits) -> Known[TokenReading]:
    """The token of an Authorization line. Those of mechanisms are remembered for a while: a client's first one is the same each time, and both sides of a proxy
    carry the same ones. A password is not."""
    key = (value, limits.token_bytes)
    found = _READ.get(key)
    if found is None:
        sent = credentials(value)
        found = sent if isinstance(sent, Absent) else credentials_token(sent, limits)
        if len(value) <= _LARGE and value[:10].lower().startswith(_OF_MECHANISMS):
            if len(_READ) >= _MANY:
                _READ.clear()
            _READ[key] = found
    return found


def _answer(
    exchange: Exchange, response: Response, audience: Audience, sent: Step | None, limits: Limits, issues: list[Issue]
) -> tuple[Step | None, tuple[Challenge, ...]]:
    values = lines(response.headers, CHALLENGE_HEADERS[audience])
    if not values:
        return None, ()
    offered, complaints = challenges(values) if sum(map(len, values)) > _SHORT else _bare(values)
    _report_texts(issues, exchange, response, "auth.malformed-header", complaints)
    unknown = dict.fromkeys(f"a challenge of the scheme {one.scheme[:60]}" for one in offered if not is_known(one.scheme))
    _report_texts(issues, exchange, response, UNKNOWN_SCHEME, tuple(unknown))
    token = _continuation(exchange, response, offered, sent, limits, issues)
    demanded = response.status == DEMANDS[audience]
    if token is None and not demanded:
        return None, offered
    # With any other status the header brings the last token of the handshake and offers nothing (RFC 4559 section 5).
    names = tuple(dict.fromkeys(one.scheme for one in offered)) if demanded else ()
    return _step(exchange, response, response.status, names, token), offered


_SHORT = 256
_bare = lru_cache(maxsize=256)(challenges)
"""Of short lines: most servers offer the same with each refusal."""


def _continuation(
    exchange: Exchange, response: Response, offered: tuple[Challenge, ...], sent: Step | None, limits: Limits, issues: list[Issue]
) -> Token | None:
    """The token among the challenges that answers the client's scheme, or any one when the client's request was not seen."""
    word = None if sent is None or sent.token is None else sent.token.scheme.lower()
    for challenge in offered:
        reading = challenge_token(challenge, limits) if word is None or challenge.scheme.lower() == word else None
        if reading is not None:
            _report(issues, exchange, response, reading.complaints)
            return reading.token
    return None


def _reply(response: Response | None, audience: Audience, answer: Step | None, offered: tuple[Challenge, ...]) -> Reply:
    if response is None:
        return Reply.NONE
    if response.status != DEMANDS[audience]:
        if audience is _PROXY:
            return _FINAL
        if response.status == _PROXY_DEMANDS:
            return Reply.OTHER
        if response.status in GATEWAY_STATUSES:
            return Reply.GATEWAY
        if answer is not None and answer.token is not None:
            return Reply.DEMAND if rejects(answer.token) else _FINAL
        return _FINAL if _is_of_winrm(response) else Reply.PAGE
    token = None if answer is None else answer.token
    stale = any((one.param("stale") or "").lower() == "true" for one in offered if one.scheme.lower() == "digest")
    goes_on = stale if token is None else not rejects(token)
    if not goes_on and token is None and _head_is_cut(response):
        return Reply.NONE
    return Reply.CHALLENGE if goes_on else Reply.DEMAND


def _is_of_winrm(response: Response) -> bool:
    """An answer that only a service gives that let the client in: a success that is no page for people, SOAP with whatever status, or no body at all with 400
    (WinRM could not decrypt the request) or 500 (it takes no request that is not encrypted). All else HTTP.sys, IIS, a gateway or a device may say, and none
    of them looked at who sent the request."""
    media = _media(response.headers)
    if media.startswith(_OWN_MEDIA):
        return True
    if _SUCCESS <= response.status < _SUCCESS + 100:
        return media not in _PAGES
    return response.status in _WITHOUT_BODY and response.body.size == 0


def _media(headers: tuple[Header, ...]) -> str:
    """What the first content type names, in lower case; looked up by the object that the head is, as above."""
    known = _MEDIA.get(id(headers))
    if known is None or known[0] is not headers:
        named = next((field.value for field in headers if len(field.name) == _CONTENT_TYPE and field.name.lower() == "content-type"), "")
        if len(_MEDIA) >= _MANY:
            _MEDIA.clear()
        known = _MEDIA[id(headers)] = (headers, named.partition(";")[0].strip().lower())
    return known[1]


_MEDIA: dict[int, tuple[tuple[Header, ...], str]] = {}
_CONTENT_TYPE = len("content-type")


def _head_is_cut(response: Response) -> bool:
    """Only a message whose header block is not whole has a body that is incomplete without any framing."""
    return response.body.framing is Framing.NONE and not response.body.complete


def _step(exchange: Exchange, message: Request | Response, status: int | None, offers: tuple[str, ...], token: Token | None) -> Step:
    return Step(message.id, exchange.id, isinstance(message, Request), message.first_ns, message.packets, status, offers, token)


def _report(issues: list[Issue], exchange: Exchange, message: Request | Response, complaints: Sequence[Complaint]) -> None:
    if not complaints:
        return
    capture, packet = (key_capture(message.packets[0]), key_number(message.packets[0])) if message.packets else (exchange.capture, None)
    issues.extend(Issue(code, detail, message.id, capture, packet) for code, detail in complaints)


def _report_texts(issues: list[Issue], exchange: Exchange, message: Response, code: str, texts: Sequence[str]) -> None:
    """One issue for all complaints of one kind about one message: a hostile header has as many as it likes."""
    if texts:
        more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
        _report(issues, exchange, message, [Complaint(code, texts[0] + more)])
