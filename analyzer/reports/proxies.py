"""The section *Proxies*: each proxy with its routes and, line by line, what the capture shows of each thing that Microsoft's page asks of it."""

from collections.abc import Iterator

from analyzer.records.proxy import Route, Scorecard, Verdict
from analyzer.records.result import Result
from analyzer.reports.facts import counted
from analyzer.reports.lines import Line, Span, line, paragraph
from analyzer.tables.proxies import REQUIREMENTS, check

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.NOT_SEEN: "dim"}
_WORDS = {Verdict.PASS: "pass      ", Verdict.FAIL: "FAIL      ", Verdict.NOT_SEEN: "not tested"}
_ROUTES_SHOWN = 8


def proxy_lines(result: Result, width: int) -> Iterator[Line]:
    """One paragraph for each scorecard; other routes (not WinRM) are left out; said plainly when there is no proxy."""
    yield line(Span("PROXIES", "bold"))
    for card in result.scorecards:
        yield from _proxy(result, card, width)
    if not result.scorecards:
        yield from paragraph("none recognised; to follow a connection through a proxy, capture on both sides of it and give both files", width, indent=2)


def _proxy(result: Result, card: Scorecard, width: int) -> Iterator[Line]:
    product = f" ({card.product})" if card.product else ""
    routes = [route for route in result.evidence.routes if route.id in card.routes]
    yield from paragraph(f"{card.kind} proxy {card.proxy_host}{product}: {_ends(result, card, routes)}", width, indent=2)
    told = [f"{route.id} ({route.client_connection} → {', '.join(route.upstream_connections)})" for route in routes[:_ROUTES_SHOWN]]
    more = f", and {len(routes) - _ROUTES_SHOWN:,} more" if len(routes) > _ROUTES_SHOWN else ""
    if routes:
        yield from paragraph(", ".join(told) + more, width, label=f"{counted(len(routes), 'route')}: ", indent=4)
    for requirement, means in REQUIREMENTS.items():
        found = check(card, requirement)
        detail = f": {found.detail}" if found.detail else ""
        yield from paragraph(f"{means}{detail}", width, label=f"{_WORDS[found.verdict]}  ", label_style=_STYLES[found.verdict], indent=4)


def _ends(result: Result, card: Scorecard, routes: list[Route]) -> str:
    connections = result.evidence.connections
    if not routes:
        clients = dict.fromkeys(connections[identity].client.host for identity in card.client_connections)
        servers = dict.fromkeys(f"{(one := connections[identity].server).host}:{one.port}" for identity in card.upstream_connections)
        side = "server" if clients else "client"
        return f"{', '.join(clients) or 'its clients'} → {', '.join(servers) or 'its servers'}; its {side} side is not in the capture"
    clients = dict.fromkeys(connections[route.client_connection].client.host for route in routes)
    servers = dict.fromkeys(
        f"{connections[identity].server.host}:{connections[identity].server.port}" for route in routes for identity in route.upstream_connections
    )
    return f"{', '.join(clients)} → {', '.join(servers)}"
