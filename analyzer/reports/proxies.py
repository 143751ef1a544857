"""The section *Proxies*: each proxy with its routes and, line by line, what the capture shows of each thing that Microsoft's page asks of it."""

from collections.abc import Iterator, Sequence

from analyzer.records.prefaces import ProxyHeader
from analyzer.records.proxy import Scorecard, Verdict
from analyzer.records.result import Result
from analyzer.reports.facts import counted
from analyzer.reports.lines import Line, Span, line, paragraph
from analyzer.reports.naming import named
from analyzer.tables.proxies import REQUIREMENTS, check

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.NOT_SEEN: "dim"}
_WORDS = {Verdict.PASS: "pass      ", Verdict.FAIL: "FAIL      ", Verdict.NOT_SEEN: "not tested"}
_SHOWN = 12
"""Proxies of the first screen."""
_ROUTES_SHOWN = 8
_NAMED = 6


def proxy_lines(result: Result, width: int, *, full: bool = True) -> Iterator[Line]:
    """One paragraph for each scorecard; other routes (not WinRM) are left out; said plainly when there is no proxy. Not ``full``: the first
    proxies only, those that fail something before the others; what is kept, and what was not tested, is one line each."""
    yield line(Span("PROXIES", "bold"))
    shown = result.scorecards if full else _first_ones(result.scorecards)
    for card in shown:
        yield from _proxy(result, card, width, full=full)
    left = len(result.scorecards) - len(shown)
    if left:
        failing = sum(map(_fails, result.scorecards)) - sum(map(_fails, shown))
        told = f"{failing:,} of them with a FAIL" if failing else "none of them with a FAIL"
        yield from paragraph(f"and {counted(left, 'more proxy', 'more proxies')}, {told}; --full lists them (table proxies)", width, indent=2)
    if not result.scorecards:
        yield from paragraph("none recognized; to follow a connection through a proxy, capture on both sides of it and give both files", width, indent=2)


def _first_ones(cards: Sequence[Scorecard]) -> Sequence[Scorecard]:
    """So many as a first screen holds, in their order: those that fail something before those that do not."""
    if len(cards) <= _SHOWN:
        return cards
    chosen = {id(card) for card in sorted(cards, key=lambda card: not _fails(card))[:_SHOWN]}
    return [card for card in cards if id(card) in chosen]


def _fails(card: Scorecard) -> bool:
    return any(one.verdict is Verdict.FAIL for one in card.checks)


def _proxy(result: Result, card: Scorecard, width: int, *, full: bool) -> Iterator[Line]:
    product = f" ({card.product})" if card.product else ""
    yield from paragraph(f"{card.kind} proxy {named(result.evidence, card.proxy_host)}{product}: {_ends(result, card)}", width, indent=2)
    if not full:
        yield from _in_short(card, width)
        return
    wanted = frozenset(card.routes)
    routes = [route for route in result.evidence.routes if route.id in wanted]
    told = [f"{route.id} ({route.client_connection} → {', '.join(route.upstream_connections)})" for route in routes[:_ROUTES_SHOWN]]
    more = f", and {len(routes) - _ROUTES_SHOWN:,} more" if len(routes) > _ROUTES_SHOWN else ""
    if routes:
        yield from paragraph(", ".join(told) + more, width, label=f"{counted(len(routes), 'route')}: ", indent=4)
    for requirement, means in REQUIREMENTS.items():
        found = check(card, requirement)
        detail = f": {found.detail}" if found.detail else ""
        yield from paragraph(f"{means}{detail}", width, label=f"{_WORDS[found.verdict]}  ", label_style=_STYLES[found.verdict], indent=4)


def _in_short(card: Scorecard, width: int) -> Iterator[Line]:
    by_verdict: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for requirement, means in REQUIREMENTS.items():
        found = check(card, requirement)
        if found.verdict is Verdict.FAIL:
            yield from paragraph(f"{means}: {found.detail}", width, label=f"{_WORDS[found.verdict]}  ", label_style=_STYLES[found.verdict], indent=4)
        else:
            by_verdict[found.verdict].append(means)
    kept, untold = len(by_verdict[Verdict.PASS]), len(by_verdict[Verdict.NOT_SEEN])
    if kept:
        yield line("    ", Span(_WORDS[Verdict.PASS], _STYLES[Verdict.PASS]), f"  {counted(kept, 'requirement')}; {untold} not tested; --full lists them")
    elif untold:
        yield line("    ", Span(_WORDS[Verdict.NOT_SEEN], _STYLES[Verdict.NOT_SEEN]), f"  {counted(untold, 'requirement')}; --full lists them")


def _ends(result: Result, card: Scorecard) -> str:
    connections = result.evidence.connections
    clients = dict.fromkeys(connections[identity].client.host for identity in card.client_connections)
    servers = dict.fromkeys(str(connections[identity].server) for identity in card.upstream_connections)
    both = f"{_some(list(clients), 'client') or 'its clients'} → {_some(list(servers), 'server') or 'its servers'}"
    if clients and servers:
        return both
    prefaces = (preface for identity in card.upstream_connections for preface in connections[identity].prefaces)
    told = "" if clients or any(isinstance(preface, ProxyHeader) for preface in prefaces) else "; that it is a proxy, its requests say (Via or the like)"
    return f"{both}; its {'server' if clients else 'client'} side is not in the capture{told}"


def _some(names: list[str], word: str) -> str:
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names):,} {word}s"
