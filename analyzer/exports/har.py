"""HTTP Archive 1.2 of the exchanges, with the bodies that could be read: of clear traffic, and of what a secret opened.

Of credentials and tokens only the scheme is shown. An exchange without a response has status 0. Source: the HAR 1.2 specification (softwareishard.com).
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from analyzer.exports.bodies import LEFT_OUT, bodies
from analyzer.exports.registry import Source
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Header, Request, Response
from analyzer.records.transport import host_port
from analyzer.tables.headers import begins, first, request_of, response_of
from analyzer.tables.texts import dumps

_MOST_CHARS = 1_000_000
"""Of one body; what is longer is cut, and a comment says so."""
_NS_PER_MS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Entry = dict[str, object]


def shown(safe: str) -> Entry:
    """A body as the archive has it, not longer than it may be."""
    made: Entry = {"text": safe[:_MOST_CHARS]}
    return made | {"comment": f"cut: {len(safe) - _MOST_CHARS} more characters"} if len(safe) > _MOST_CHARS else made


def archive(source: Source) -> Iterator[str]:
    """The archive as JSON, an entry a line."""
    if source.evidence is None:
        return
    evidence, only = source.evidence, set(source.connections)
    bodies = _bodies(source, evidence, only)
    creator = {"name": "winrm-analyzer", "version": source.version}
    yield f'{{"log": {{"version": "1.2", "creator": {dumps(creator)}, "pages": [], "entries": ['
    separator = "\n"
    asked = [exchange for exchange in evidence.exchanges.values() if request_of(exchange.request) and (not only or exchange.connection in only)]
    for exchange in sorted(asked, key=begins):
        yield separator + dumps(_entry(evidence, exchange, bodies))
        separator = ",\n"
    yield "\n]}}\n"


def _bodies(source: Source, evidence: Evidence, only: Collection[str]) -> dict[str, Entry]:
    """The bodies by message id; those that have only a part of a secret are left out."""
    return {name: {"text": "", "comment": LEFT_OUT} if text is None else shown(text) for name, text in bodies(source, evidence, only).items()}


def _entry(evidence: Evidence, exchange: Exchange, bodies: Mapping[str, Entry]) -> Entry:
    request, response = request_of(exchange.request), response_of(exchange.response)
    connection = evidence.connections[exchange.connection]
    if request is None:
        msg = f"{exchange.id} has no request"
        raise ValueError(msg)
    timings = _timings(request, response)
    return {
        "startedDateTime": _iso(request.first_ns),
        "time": round(sum(value for value in timings.values() if value >= 0), 6),
        "request": _request(request, _url(request, connection.protocol, connection.server.host, connection.server.port), bodies.get(request.id)),
        "response": _no_response() if response is None else _response(response, bodies.get(response.id), _why_closed(evidence, response)),
        "cache": {},
        "timings": timings,
        "serverIPAddress": connection.server.host,
        "connection": connection.id,
        "comment": f"{exchange.id} of {evidence.captures[exchange.capture].name}",
    }


def _request(one: Request, url: str, body: Entry | None) -> Entry:
    made: Entry = {
        "method": one.method,
        "url": url,
        "httpVersion": one.version,
        "cookies": [],
        "headers": _fields(one.headers),
        "queryString": [{"name": name, "value": value} for name, value in parse_qsl(_query(url), keep_blank_values=True, errors="replace")],
        "headersSize": one.end_at - one.at - one.body.size if one.body.complete else -1,
        "bodySize": one.body.size,
    }
    if body is not None:
        made["postData"] = {"mimeType": first(one.headers, "content-type") or "", **body}
    return made


def _response(one: Response, body: Entry | None, closed: str | None) -> Entry:
    content: Entry = {"size": one.body.size, "mimeType": first(one.headers, "content-type") or ""}
    if body is not None:
        content |= body
    elif closed:
        content["comment"] = closed
    return {
        "status": one.status,
        "statusText": one.reason,
        "httpVersion": one.version,
        "cookies": [],
        "headers": _fields(one.headers),
        "content": content,
        "redirectURL": first(one.headers, "location") or "",
        "headersSize": one.end_at - one.at - one.body.size if one.body.complete else -1,
        "bodySize": one.body.size,
    }


def _no_response() -> Entry:
    content = {"size": 0, "mimeType": ""}
    empty: Entry = {"status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [], "content": content, "redirectURL": ""}
    return empty | {"headersSize": -1, "bodySize": -1, "comment": "the response is not in the capture"}


def _why_closed(evidence: Evidence, response: Response) -> str | None:
    message = evidence.messages.get(response.id)
    return f"not opened: {message.opened_detail or message.opened_absent}" if message is not None and message.opened_absent else None


def _fields(fields: tuple[Header, ...]) -> list[Entry]:
    return [{"name": field.name, "value": field.value} for field in fields]


def _url(one: Request, protocol: str, host: str, port: int) -> str:
    """An absolute URL: the target, completed with the Host field or the address of the connection."""
    if "://" in one.target:
        return one.target
    scheme = "https" if protocol == "tls" else "http"
    if one.method == "CONNECT":
        return f"https://{one.target}"
    return f"{scheme}://{first(one.headers, 'host') or host_port(host, port)}{one.target if one.target.startswith('/') else f'/{one.target}'}"


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def _timings(request: Request, response: Response | None) -> dict[str, float]:
    """Milliseconds: sending the request, waiting for the response's first byte, receiving it; -1 where it is not known."""
    send = (request.last_ns - request.first_ns) / _NS_PER_MS
    if response is None:
        return {"send": max(send, 0.0), "wait": -1, "receive": -1}
    wait, receive = (response.first_ns - request.last_ns) / _NS_PER_MS, (response.last_ns - response.first_ns) / _NS_PER_MS
    return {"send": max(send, 0.0), "wait": max(wait, 0.0), "receive": max(receive, 0.0)}


def _iso(ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat(timespec="microseconds").replace("+00:00", "Z")
