"""A comparison as a person reads it: text for the terminal, rows for a table, a page of HTML that needs nothing else."""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape

from analyzer.compare.aligned import Pair
from analyzer.compare.steps import Step
from analyzer.compare.verdict import Comparison, Difference
from analyzer.formats.text import visible
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, Span, line, paragraph

_ALIKE = 2
"""Steps that are alike and stand before and after one that differs; more of them are counted."""
_PAIRS, _DIFFERENCES = 60, 20
"""Of the text; the table has all."""
COLUMNS = (
    *("client_a", "client_b", "alike", "first_difference", "step_a", "step_b"),
    *("packets_a", "packets_b", "capture_a", "capture_b", "records_a", "records_b"),
)
_CSS = (
    "body{font:16px/1.5 system-ui,'DejaVu Sans',sans-serif;color:#17202b;background:#f5f7f9;margin:2rem auto;max-width:75rem;padding:0 1rem}"
    "h1{font-size:1.8rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2rem 0 .5rem}table{border-collapse:collapse;width:100%;background:#fff}"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #d5dbe1;overflow-wrap:anywhere}"
    ".differs td{background:#fdf0d5}.first td{background:#f9d9d6}.verdict{background:#fff;border:1px solid #d5dbe1;border-radius:.5rem;padding:.5rem 1rem}"
    "small{color:#54606e}"
    "@media(prefers-color-scheme:dark){body{color:#e6eaee;background:#14181d}table,.verdict{background:#1c2229}th,td,.verdict{border-color:#39434e}"
    ".differs td{background:#3d3216}.first td{background:#4a1f1c}small{color:#a5b0bb}}"
)


def text_lines(made: Comparison, width: int) -> Iterator[Line]:
    """The verdict, the steps around the differences, and what else differs."""
    yield line(Span("COMPARED", "bold"))
    for label, name in (("A", made.left), ("B", made.right)):
        yield from paragraph(name, width, label=f"{label}  ", indent=2)
    yield BLANK
    yield line(Span("VERDICT", "bold"))
    for sentence in made.verdict:
        yield from paragraph(sentence, width, indent=2)
    yield BLANK
    yield from _steps(made, width)
    yield from _differences(made.differences, width)


def _steps(made: Comparison, width: int) -> Iterator[Line]:
    if not made.pairs:
        return
    yield line(Span("STEPS", "bold"), "  = alike, > differs; A at the left, B at the right")
    room = max(16, (width - 7) // 2)
    kept = [place for place in range(len(made.pairs)) if _stays(made, place)]
    client: tuple[str | None, str | None] | None = None
    last = -1
    for place in kept[:_PAIRS]:
        pair = made.pairs[place]
        if place > last + 1:
            yield line(f"     ... {counted(place - last - 1, 'step')} alike")
        if (pair.left_client, pair.right_client) != client:
            client = pair.left_client, pair.right_client
            own = client[0] if client[0] == client[1] else f"{client[0] or 'no such client'} | {client[1] or 'no such client'}"
            yield line("  ", Span(f"client {visible(own or '')}", "bold"))
        last = place
        yield from _row(pair, room, first=place == made.first)
    if len(kept) > _PAIRS:
        yield line(f"     and {len(kept) - _PAIRS:,} more; -f csv has all of them")
    elif last + 1 < len(made.pairs):
        yield line(f"     ... {counted(len(made.pairs) - last - 1, 'step')} alike")
    yield BLANK


def _stays(made: Comparison, place: int) -> bool:
    """It differs, or stands near one that does."""
    near = range(max(0, place - _ALIKE), min(len(made.pairs), place + _ALIKE + 1))
    return place == made.first or any(not made.pairs[one].same or one == made.first for one in near) or (made.first is None and place < _ALIKE)


def _row(pair: Pair, room: int, *, first: bool) -> Iterator[Line]:
    cells = [textwrap.wrap(_cell(step), room, break_on_hyphens=False) or [""] for step in (pair.left, pair.right)]
    style = "" if pair.same else "bold red" if first else "yellow"
    for place in range(max(map(len, cells))):
        left, right = (cell[place] if place < len(cell) else "" for cell in cells)
        mark = ("=" if pair.same else ">") if not place else " "
        yield line("  ", Span(f"{mark} {left:{room}} | {right}".rstrip(), style))


def _cell(step: Step | None) -> str:
    if step is None:
        return "-"
    packet = _packet(step)
    return f"{step.words}{f' (#{packet})' if packet else ''}"


def _packet(step: Step) -> str:
    return step.packets.partition(",")[0].partition("..")[0]


def _differences(found: Sequence[Difference], width: int) -> Iterator[Line]:
    if not found:
        return
    yield line(Span("ALSO DIFFERENT", "bold"))
    for one in found[:_DIFFERENCES]:
        times = f" ({one.times:,} times)" if one.times > 1 else ""
        yield from paragraph(f"{one.what}: {one.left} in A, {one.right} in B{times}", width, indent=2)
    if len(found) > _DIFFERENCES:
        yield line(f"  and {len(found) - _DIFFERENCES:,} more")


def rows(made: Comparison) -> Iterator[tuple[str | bool | None, ...]]:
    """One row per pair, with `COLUMNS`."""
    for place, pair in enumerate(made.pairs):
        sides = (pair.left, pair.right)
        yield (
            pair.left_client,
            pair.right_client,
            pair.same,
            place == made.first,
            *(None if step is None else step.words for step in sides),
            *(None if step is None else step.packets or None for step in sides),
            *(None if step is None else step.capture or None for step in sides),
            *(None if step is None else ",".join(sorted(step.records)) for step in sides),
        )


def page(made: Comparison) -> str:
    """The page: opens offline, runs nothing, and is safe whatever the captures hold."""
    body = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Two captures compared</title><style>{_CSS}</style></head><body><main><h1>Two captures compared</h1>",
        f"<p><strong>A</strong> {_safe(made.left)}<br><strong>B</strong> {_safe(made.right)}</p>",
        '<section class="verdict">',
        *(f"<p>{_safe(sentence)}</p>" for sentence in made.verdict),
        "</section><h2>Steps</h2><table><thead><tr>",
        '<th scope="col">Client</th><th scope="col">A</th><th scope="col">B</th></tr></thead><tbody>',
        *(_html_row(pair, first=place == made.first) for place, pair in enumerate(made.pairs)),
        "</tbody></table>",
    ]
    if made.differences:
        body.append('<h2>Also different</h2><table><thead><tr><th scope="col">What</th><th scope="col">A</th><th scope="col">B</th></tr></thead><tbody>')
        body.extend(f'<tr><th scope="row">{_safe(one.what)}</th><td>{_safe(one.left)}</td><td>{_safe(one.right)}</td></tr>' for one in made.differences)
        body.append("</tbody></table>")
    return "\n".join([*body, "</main></body></html>", ""])


def _html_row(pair: Pair, *, first: bool) -> str:
    kind = ' class="first"' if first else "" if pair.same else ' class="differs"'
    client = pair.left_client if pair.left_client == pair.right_client else f"{pair.left_client or '-'} / {pair.right_client or '-'}"
    return f"<tr{kind}><td>{_safe(client or '')}</td>{_html_cell(pair.left)}{_html_cell(pair.right)}</tr>"


def _html_cell(step: Step | None) -> str:
    if step is None:
        return "<td>-</td>"
    packets = f" <small>packets {_safe(step.packets)}{f' of {_safe(step.capture)}' if step.capture else ''}</small>" if step.packets else ""
    return f"<td>{_safe(step.words)}{packets}</td>"


def _safe(text: str) -> str:
    return escape(visible(text))
