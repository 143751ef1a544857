"""Answers of the HTTP layer as the rules of this family see them: a status other than WinRM's own, who gave it, and what
its page says.

WinRM itself answers 200, 401 and 500. Everything else comes from the web server before it (on Windows HTTP.sys), from
a proxy, or from a device on the way. Who answered is told by the other side of the proxy where that is known, else by
what the answer says of its product.
"""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from analyzer.records.candidates import with_status
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Role
from analyzer.records.sealing import Message, Page, Protection
from analyzer.records.transport import Endpoint
from analyzer.rules.reading import (
    counted,
    first_packet,
    forwards_events,
    header,
    identity,
    message,
    name,
    request,
    response,
    role,
    status,
    succeeded,
    upstream,
)
from analyzer.rules.telling import Evidence, Fact, Sign, Tell

_WINDOWS = re.compile(r"Microsoft-(?:HTTPAPI|IIS)", re.IGNORECASE)
_DEVICES = re.compile(
    r"squid|nginx|openresty|haproxy|envoy|varnish|traefik|awselb|cloudfront|cloudflare|akamai|big-?ip|zscaler|blue ?coat|proxysg|mcafee|forcepoint|"
    r"fortigate|tinyproxy|privoxy|mitmproxy|application-gateway|azure-?front|\bgoogle|pound|ats/|trafficserver|proxy|gateway",
    re.IGNORECASE,
)
"""What proxies, balancers and gateways write into Server or Via."""
_PAGES = re.compile(
    r"nginx|openresty|haproxy|squid|varnish|envoy|no server is available to handle|no healthy upstream|upstream connect error|"
    r"cloudflare|akamai|incapsula|imperva|big-ip|support id|web application firewall|mod_?security|zscaler|forti(?:net|gate|web)|"
    r"palo alto|blue ?coat|forcepoint|barracuda|sophos|watchguard|the proxy server",
    re.IGNORECASE,
)
"""What their pages say."""
_GATEWAY = (502, 504)
"""Statuses that only a gateway gives (RFC 9110 sections 15.6.3 and 15.6.5)."""
_CHAIN = 8
"""Proxies in a row."""
_BAD = 400
_HTTP_SYS = frozenset({404, 411, 414, 431, 503})
_BACK = 64
"""Exchanges before an answer that are looked at."""
_LONGEST = 69
_QUOTED = 160
_OWN_PATH = re.compile(r"/(?:wsman|powershell)/?$", re.IGNORECASE)
PATHS = re.compile(r"/(?:wsman|powershell)(?:[?/]|$)", re.IGNORECASE)
"""The paths of WinRM: command line and PowerShell, event forwarding below /wsman, Exchange's /powershell."""


TOLD = frozenset({401, 403, 404, 407, 410, 411, 413, 421, 431, 502, 503, 504})
"""Errors of the HTTP layer that have rules of their own, whatever the page says; 400 and 500 have some."""


class By(StrEnum):
    """Who gave an answer."""

    SERVER = "server"
    PROXY = "proxy"
    UNKNOWN = "unknown"


class Answer(Fact, frozen=True):
    """An exchange on the client's side, with what it was forwarded as, where that is known.

    ``giver`` is the exchange of whoever gave the answer: behind a chain of proxies that passed it on, the last one. ``beyond`` is
    what the giver forwarded the request as, which was answered otherwise or not at all.
    """

    exchange: Exchange
    asked: Request
    answer: Response
    sent: Message | None
    page: Page | None
    by: By
    far: Exchange | None
    giver: Exchange
    beyond: Exchange | None

    @property
    def product(self) -> str | None:
        """What the answer says of its server."""
        return header(response(self.giver), "server")

    @property
    def words(self) -> str:
        """Title and text of its page, for searching."""
        return "" if self.page is None else f"{self.page.title or ''} {self.page.text}"

    @property
    def bare(self) -> bool:
        """It has no page, and nothing of its head or body was lost that could have been one."""
        return self.page is None and self.answer.body.complete and not self.answer.body.missing

    @property
    def path(self) -> str:
        """The path that was asked for, without a query."""
        target = self.asked.target.partition("?")[0]
        return f"/{target.partition('://')[2].partition('/')[2]}" if "://" in target else target

    @property
    def is_own_path(self) -> bool:
        """The path is exactly WinRM's own, or one of event forwarding."""
        return _OWN_PATH.match(self.path) is not None or forwards_events(self.asked)

    @property
    def host(self) -> str | None:
        """The Host field."""
        return header(self.asked, "host")

    @property
    def latency_ns(self) -> int:
        """From the request's last byte to the answer's first."""
        return max(self.answer.first_ns - self.asked.last_ns, 0)

    @property
    def operation(self) -> str | None:
        """The request's short action name; None where it could not be read."""
        found = None if self.sent is None else self.sent.operation
        return found if isinstance(found, str) else None


def answers(evidence: Evidence, *statuses: int, meant: Callable[[Request, Response], bool] = lambda _, __: True) -> Iterator[Answer]:
    """WinRM requests that were answered with one of these statuses, as their clients saw it; of which ``meant`` is true."""
    forwarding: set[str] | None = None
    for exchange in with_status(evidence, *statuses):
        asked, answer = request(exchange), response(exchange)
        if asked is None or answer is None or exchange.id in evidence.far or not meant(asked, answer):
            continue
        forwarding = {hop.near_connection for hop in evidence.hops} if forwarding is None else forwarding
        if evidence.connections[exchange.connection].twin_of is None:
            found = message(evidence, answer)
            page = None if found is None else found.page
            giver, beyond = _giver(evidence, exchange)
            by = By.PROXY if beyond is not None else _by(evidence, exchange, asked, giver, page, forwards=exchange.connection in forwarding)
            far = upstream(evidence, exchange.id)
            yield Answer(exchange, asked, answer, message(evidence, asked), page, by, far, giver, beyond)


def _giver(evidence: Evidence, exchange: Exchange) -> tuple[Exchange, Exchange | None]:
    """The last exchange of a chain of proxies with this status, and what that one was forwarded as: something that was answered otherwise."""
    last, beyond = exchange, upstream(evidence, exchange.id)
    for _ in range(_CHAIN):
        if beyond is None or status(beyond) != status(exchange):
            break
        last, beyond = beyond, upstream(evidence, beyond.id)
    return last, beyond


def _by(evidence: Evidence, near: Exchange, asked: Request, giver: Exchange, page: Page | None, *, forwards: bool) -> By:
    """Who gave an answer that was not forwarded further, as far as is known. ``forwards``: some requests of the connection were forwarded."""
    answer = response(giver)
    server = header(answer, "server") or ""
    named = _DEVICES.search(f"{server} {header(answer, 'via') or ''}") or (page is not None and _PAGES.search(f"{page.title} {page.text}"))
    if giver is not near:
        gateway = status(giver) in _GATEWAY or (named and not _WINDOWS.search(server))
        return By.PROXY if gateway else By.SERVER
    if asked.method == "CONNECT" or forwards:
        return By.PROXY
    if _WINDOWS.search(server):
        return By.SERVER
    if named or "://" in asked.target.partition("?")[0] or role(evidence, near.connection) in (Role.CLIENT_LEG, Role.TUNNEL):
        return By.PROXY
    return By.UNKNOWN


def sign(evidence: Evidence, found: Answer) -> Sign[Answer]:
    """With the packets of request and answer, on both sides where it was forwarded."""
    halves = (found.asked, found.answer, *((request(found.far), response(found.far)) if found.far is not None else ()))
    packets = tuple(key for half in halves for key in first_packet(half))
    exchanges = (found.exchange.id, *((found.far.id,) if found.far is not None else ()))
    return Sign(found, exchanges, packets, user=identity(evidence, found.exchange.connection))


def head_bytes(asked: Request) -> int:
    """The size of a request's start line and header as sent, with one CRLF for each line."""
    line = len(asked.method) + len(asked.target) + len(asked.version) + 4
    return line + sum(len(field.name) + len(field.value) + 4 for field in asked.headers) + 2


def token_bytes(asked: Request) -> int:
    """The size of the token in Authorization, decoded from base64; 0 without one."""
    words = (header(asked, "authorization") or "").split(" ", 1)
    token = words[1].strip() if len(words) > 1 else ""
    return len(token) * 3 // 4 - token.count("=")


def reached_before(evidence: Evidence, found: Answer) -> Exchange | None:
    """The last exchange before on the same connection that WinRM itself answered: with success, or with an encrypted body."""
    own = evidence.exchanges_of[found.exchange.connection]
    end = found.exchange.position - 1
    for exchange in reversed(own[max(end - _BACK, 0) : end]):
        said = message(evidence, response(exchange))
        if said is not None and ((succeeded(exchange) and said.protection is not Protection.NONE) or said.protection is Protection.SEALED):
            return exchange
    return None


def endpoint(tell: Tell[Answer]) -> Endpoint:
    """Where whoever gave the first answer listens."""
    return tell.evidence.connections[tell.first.fact.giver.connection].server


def headline(text: str) -> str:
    """A title of a length that fits."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def told(tell: Tell[Answer]) -> str:
    """How many requests were answered with which status, in which packet, by what, and what its page says."""
    first, own = tell.first.fact, tell.connection
    verb = "was" if tell.count == 1 else "were"
    reason = f" {first.answer.reason}" if first.answer.reason else ""
    return (
        f"{counted(tell.count, 'request')} of {own.client.host} to {own.server} {verb} "
        f"answered {first.answer.status}{reason}. "
        f"The first is {_packet(tell)}{answerer(first)}.{page(first)}"
    )


def _packet(tell: Tell[Answer]) -> str:
    return tell.packet(tell.first.fact.answer.packets[0]) if tell.first.fact.answer.packets else tell.first.fact.exchange.id


def answerer(found: Answer) -> str:
    """Whose answer it is, in words that go on a sentence."""
    product = f" ({found.product})" if found.product else ""
    if found.by is By.PROXY:
        return f", from the proxy itself{product}"
    if found.by is By.SERVER and _WINDOWS.search(found.product or ""):
        return f", from Windows' web server{product}{', not from WinRM' if _before_winrm(found) else ''}"
    return f", from the server{product}" if found.by is By.SERVER else product


def _before_winrm(found: Answer) -> bool:
    """A status that HTTP.sys gives without asking WinRM; a bare 400, 413 and 500 may be WinRM's own."""
    return found.answer.status in _HTTP_SYS or (found.answer.status == _BAD and found.page is not None)


def page(found: Answer) -> str:
    """What the page says, in its own words."""
    words = None if found.page is None else found.page.title or found.page.text
    return f' Its page says "{words[:_QUOTED]}".' if words else ""


def not_examined(found: Answer) -> str:
    """That the credentials in the request were not looked at."""
    return " Its credentials were not examined." if header(found.asked, "authorization") is not None else ""


def places(tell: Tell[Answer]) -> str:
    """The ids, which come last."""
    far = tell.first.fact.far
    onward = "" if far is None else f", forwarded as {far.id}"
    return f" [{tell.first.fact.exchange.id} on {name(tell.connection)}{onward}]"
