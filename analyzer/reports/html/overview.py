"""The sections *Summary* and *Coverage*: what was looked at, and how much of it could be read."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.finding import Severity
from analyzer.reports.facts import account_named, counted, key_for
from analyzer.reports.html.source import Row, Source, connection_of, number, text
from analyzer.tables.column import Value
from analyzer.tables.times import rfc3339, seconds

_NAMES_SHOWN = 5
_UP = (None, "completed", "application_data")
"""How far TLS came where something may have been said under it; None: its beginning is not in the capture."""


class Coverage(NamedTuple):
    """Bodies by what protects them; why sealed ones stay closed; what is not in the capture."""

    bodies: dict[str, int]
    opened: int
    closed: dict[str, int]
    tls_connections: int
    missing_bytes: int
    holed_connections: int
    incomplete: dict[str, int]
    keys: tuple[str, ...]
    clocks: tuple[str, ...]
    one_leg: int

    @property
    def with_content(self) -> int:
        """Bodies that hold something."""
        return sum(count for word, count in self.bodies.items() if word != "empty")

    @property
    def readable(self) -> int:
        """Bodies whose text could be read."""
        return self.bodies.get("clear", 0) + self.bodies.get("tls", 0) + self.opened


def _once(source: Source) -> tuple[list[Row], set[tuple[Value, Value]]]:
    """The bodies without those of the server's side that the client's side shows, too; and (exchange, direction) of those that the server's side decrypted."""
    known = {row["exchange_id"] for row in source.exchanges}
    pairs = [(row["upstream_exchange_id"], row["client_exchange_id"]) for row in source.rows("hops")]
    near = {far: own for far, own in pairs if far in known and own in known}
    again = [row for row in source.messages if row["exchange_id"] in near]
    beyond = {(near[row["exchange_id"]], row["direction"]) for row in again if row["opened"]}
    return [row for row in source.messages if row["exchange_id"] not in near], beyond


def coverage(source: Source) -> Coverage:
    """Counted over the WinRM connections; a body that both sides of a proxy show is one."""
    messages, beyond = _once(source)
    sealed = [row for row in messages if row["protection"] == "sealed"]
    closed = [row for row in sealed if not row["opened"] and (row["exchange_id"], row["direction"]) not in beyond]
    holes = {name: number(row, "missing_client_bytes") + number(row, "missing_server_bytes") for name, row in source.counted.items()}
    words = Counter(word for row in source.exchanges for word in text(row, "quality").split(",") if word != "complete")
    bodies = Counter(text(row, "protection") for row in messages)
    return Coverage(
        bodies={word: bodies[word] for word in ("clear", "sealed", "tls", "empty", "none")},
        opened=len(sealed) - len(closed),
        closed=dict(sorted(Counter(text(row, "opened_detail") or "no key" for row in closed).items())),
        tls_connections=sum(row["protocol"] == "tls" and not row["tls_opened"] and row.get("tls_handshake") in _UP for row in source.counted.values()),
        missing_bytes=sum(holes.values()),
        holed_connections=sum(size > 0 for size in holes.values()),
        incomplete={word.replace("_", " "): count for word, count in sorted(words.items()) if word},
        keys=tuple(
            dict.fromkeys(
                _keys(source, {connection_of(row) for row in source.messages if row["protection"] == "sealed" and not row["opened"] and not row["secret_used"]})
            )
        ),
        clocks=tuple(_clocks(source)),
        one_leg=sum(row["code"] == "proxy.one-leg" for row in source.rows("issues")),
    )


def _keys(source: Source, closed: set[str]) -> Iterator[str]:
    for row in source.rows("authentications"):
        if row["connection_id"] in closed and not row.get("key_used"):
            key = key_for(text(row, "mechanism"), account_named(text(row, "user"), text(row, "domain")), text(row, "spn") or None)
            if key:
                yield key
    for row in source.winrm.values():
        if row["protocol"] == "tls" and not row["tls_opened"]:
            yield f"a TLS key log, for the connection to {row['server_ip']} port {row['server_port']}"


def _clocks(source: Source) -> Iterator[str]:
    for row in source.rows("captures"):
        offset = row["clock_offset_s"]
        if offset and row["clock_error_s"] is not None:
            side = "ahead" if float(offset) > 0 else "behind"
            yield f"the clock of {row['capture']} is {abs(float(offset)):.6f} s {side} (within {float(row['clock_error_s']):.6f} s)"


class Tile(NamedTuple):
    """A number with what it counts."""

    number: str
    words: str
    target: str


def tiles(source: Source, covered: Coverage, subject: str) -> tuple[Tile, ...]:
    """The numbers above the summary."""
    accounts = {(text(row, "user").casefold(), text(row, "domain").casefold()) for row in source.rows("authentications") if row["user"]}
    findings = len(source.rows("findings"))
    exchanges = len(source.exchanges)
    return (
        Tile(f"{findings:,}", "finding" if findings == 1 else "findings", "findings"),
        Tile(f"{len(source.winrm):,}", f"{subject} connection{'' if len(source.winrm) == 1 else 's'}", "connections"),
        Tile(f"{exchanges:,}", "exchange" if exchanges == 1 else "exchanges", "ladders"),
        Tile(f"{len(accounts):,}", "account" if len(accounts) == 1 else "accounts", "logons"),
        Tile(f"{len(source.rows('proxies')):,}", "proxy" if len(source.rows("proxies")) == 1 else "proxies", "scorecards"),
        Tile(f"{covered.readable:,} of {covered.with_content:,}", "bodies readable", "capture-problems"),
        Tile(f"{covered.missing_bytes:,}", "bytes missing", "capture-problems"),
    )


def span(source: Source) -> tuple[int | None, int | None]:
    """Time of the first and of the last packet of all captures."""
    firsts = [number(row, "first_time") for row in source.rows("captures") if row["first_time"] is not None]
    lasts = [number(row, "last_time") for row in source.rows("captures") if row["last_time"] is not None]
    return min(firsts, default=None), max(lasts, default=None)


def sentences(source: Source, covered: Coverage, rules: int, subject: str) -> tuple[str, str, str]:
    """What was looked at, what could be read, what was found: facts only."""
    return _looked_at(source, subject), _read(source, covered), _found(source, rules)


def _looked_at(source: Source, subject: str) -> str:
    captures = source.rows("captures")
    first, last = span(source)
    when = f", from {rfc3339(first)} to {rfc3339(last)} ({seconds(last - first):,.3f} s)," if first is not None and last is not None else ""
    exchanges = len(source.exchanges)
    proxies = source.rows("proxies")
    through = f"; {counted(len(proxies), 'proxy', 'proxies')} carried it" if proxies else "; no proxy was recognized"
    packets = counted(sum(number(row, "packets") for row in captures), "packet")
    held = f"{counted(len(source.winrm), f'{subject} connection')} with {counted(exchanges, 'exchange')}"
    return f"{counted(len(captures), 'capture')} with {packets}{when} {'holds' if len(captures) == 1 else 'hold'} {held}{through}."


def _read(source: Source, covered: Coverage) -> str:
    logons = Counter(f"{text(row, 'mechanism') or 'unknown'} to the {row['audience']} {row['outcome']}" for row in source.rows("authentications"))
    named = dict.fromkeys(account_named(text(row, "user"), text(row, "domain")) for row in source.rows("authentications") if row["user"])
    who = f" as {', '.join(list(named)[:_NAMES_SHOWN])}{' and others' if len(named) > _NAMES_SHOWN else ''}" if named else ""
    told = f"{', '.join(f'{count} {words}' for words, count in sorted(logons.items()))}{who}" if logons else "no authentication was seen"
    words = (("clear", "in clear"), ("sealed", f"encrypted by WinRM ({covered.opened} decrypted)"), ("tls", "inside TLS"), ("none", "no WinRM message"))
    kinds = ", ".join(f"{covered.bodies[word]} {means}" for word, means in words if covered.bodies[word])
    text_ = f"{counted(covered.with_content, 'message body', 'message bodies')}: {kinds}" if kinds else "no message body has content"
    opaque = f", and {counted(covered.tls_connections, 'TLS connection')} could not be opened" if covered.tls_connections else ""
    return f"Authentications: {told}; {text_}{opaque}."


def _found(source: Source, rules: int) -> str:
    found = source.rows("findings")
    if not found:
        return f"No finding: {counted(rules, 'rule')} looked at the evidence, which does not mean that nothing happened."
    levels = Counter(text(row, "severity") for row in found)
    told = ", ".join(f"{levels[level.value]} {level.value}" for level in reversed(Severity) if levels[level.value])
    return f"{counted(len(found), 'finding')} ({told}); the most severe: {text(found[0], 'title')} ({text(found[0], 'rule')})."


def levels(source: Source) -> tuple[tuple[str, int], ...]:
    """Findings by level, the gravest first."""
    counts = Counter(text(row, "severity") for row in source.rows("findings"))
    return tuple((level.value, counts[level.value]) for level in reversed(Severity))


class IssueKind(NamedTuple):
    """Issues of one kind, counted, with the first as an example."""

    code: str
    level: str
    times: int
    means: str
    example: str
    where: str


def issue_kinds(source: Source) -> list[IssueKind]:
    """One entry per kind, errors first."""
    grouped: dict[str, list[Row]] = {}
    for row in source.rows("issues"):
        grouped.setdefault(text(row, "code"), []).append(row)
    order = {"error": 0, "warning": 1, "note": 2}
    kinds = [
        IssueKind(code, text(own[0], "level"), sum(number(row, "repeats") for row in own), text(own[0], "means"), text(own[0], "detail"), _place(own[0]))
        for code, own in grouped.items()
    ]
    return sorted(kinds, key=lambda kind: order.get(kind.level, 0))


def _place(row: Row) -> str:
    packet = f"packet {row['packet']}" if row["packet"] is not None else ""
    return ", ".join(part for part in (text(row, "record"), text(row, "capture"), packet) if part)
