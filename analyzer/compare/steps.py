"""What one client did, step by step, out of the tables of a case: connections, TLS, logons, requests, and what ended a connection."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.compare.rows import Row, Rows, number, text
from analyzer.formats.text import visible
from analyzer.records.auth import Mechanism

_AT_ONCE_S = 1.0
"""A connection that ends within so many seconds after a logon ended right after it."""
_STEPS = 20_000
"""Of one client."""
_TLS = ("version", "cipher", "certificate_subject", "certificate_validity", "name_matches")
_ASKS = ("401", "407")
TRAVEL = ("request's HTTP version", "response's HTTP version", "forwarded as", "header fields that the proxy changed", "encryption type of the ticket")
"""Details of how a request travelled, and what with."""
_FATES = {"refused": "answered", "fault": "answered", "error_by_server": "server answered", "error_by_proxy": "proxy answered", "cut": "cut by a close"}


class Step(NamedTuple):
    """One thing that a client did, and how it ended.

    ``kind``: connect, tls, logon, request or end. ``key`` is what two cases have in common where they do the same, ``outcome`` what has to agree, both in
    words. ``records``: ids of its exchanges and connections. ``times``: how many like it followed one another; ``seconds``: how long each took. ``details``:
    what else can differ, by name. ``packets`` as the tables have them, in ``capture``.
    """

    kind: str
    key: str
    outcome: str
    records: frozenset[str]
    packets: str
    capture: str
    at_ns: int
    seconds: tuple[float, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    times: int = 1

    @property
    def words(self) -> str:
        """``logon with NTLM: accepted``; ``encrypted request: answered 200 (9 times)``."""
        more = f" ({self.times:,} times)" if self.times > 1 else ""
        return visible(f"{self.key}: {self.outcome}{more}")


def clients(rows: Rows) -> dict[str, list[Step]]:
    """The steps of each client, by address; the one that began first stands first. What followed one another and is alike is one step."""
    own = sorted((row for row in rows.connections.values() if _is_near(row)), key=lambda row: number(row, "first_time"))
    walk = _Walk(rows)
    made: dict[str, list[Step]] = defaultdict(list)
    for row in own:
        made[text(row, "client_ip")].extend(walk.of(row))
    return {client: _folded(sorted(steps, key=lambda step: step.at_ns)[:_STEPS]) for client, steps in made.items()}


def _is_near(row: Row) -> bool:
    """The client's side: what a proxy opened is part of what became of a client's request."""
    return bool(row["winrm"]) and row["role"] != "upstream_leg" and row["twin_of"] is None


def _folded(steps: list[Step]) -> list[Step]:
    made: list[Step] = []
    for step in steps:
        last = made[-1] if made else None
        if last is not None and step.kind == "request" and (last.kind, last.key, last.outcome) == (step.kind, step.key, step.outcome):
            made[-1] = last._replace(times=last.times + 1, seconds=(*last.seconds, *step.seconds), records=last.records | step.records)
        else:
            made.append(step)
    return made


class _Walk:
    """The steps of one connection after the other."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._exchanges: dict[str, list[Row]] = defaultdict(list)
        for row in rows.table("exchanges"):
            if row["winrm"]:
                self._exchanges[text(row, "connection_id")].append(row)
        self._fates = {text(row, "request_id"): row for row in rows.table("requests")}
        self._hops = {text(row, "client_exchange_id"): row for row in rows.table("hops")}
        self._bodies = {(text(row, "exchange_id"), text(row, "direction")): row for row in rows.table("messages")}
        self._tls = {text(row, "connection_id"): row for row in rows.table("tls")}
        self._spoken = {text(row, "authentication_id"): row for row in rows.table("authentications")}
        self._logons: dict[str, list[Row]] = defaultdict(list)
        for row in rows.table("logons"):
            self._logons[text(row, "client_connection_id")].append(row)
        self._by_id = {text(row, "exchange_id"): row for own in self._exchanges.values() for row in own}

    def of(self, connection: Row) -> Iterator[Step]:
        """What happened on it, in order."""
        name = text(connection, "connection_id")
        yield self._connect(connection)
        if name in self._tls:
            yield self._secured(connection, self._tls[name])
        covers = dict(self._covered(name))
        told: set[str] = set()
        last: Step | None = None
        for row in self._exchanges[name]:
            logon, final = covers.get(text(row, "exchange_id"), (None, ""))
            if logon is not None and text(logon, "logon_id") not in told:
                told.add(text(logon, "logon_id"))
                last = self._logon(connection, logon, row)
                yield last
            if logon is None or (final == row["exchange_id"] and number(row, "request_body_bytes") and logon["outcome"] == "accepted"):
                last = self._request(row)
                yield last
        ended = self._end(connection, last)
        if ended is not None:
            yield ended

    def _covered(self, name: str) -> Iterator[tuple[str, tuple[Row, str]]]:
        """Exchange ids of the connection, each with the logon that it belongs to and that logon's last exchange."""
        positions = {text(row, "exchange_id"): place for place, row in enumerate(self._exchanges[name])}
        for logon in self._logons[name]:
            for one in text(logon, "authentications").split(","):
                spoken = self._spoken.get(one)
                if spoken is None or spoken["connection_id"] != name:
                    continue
                first, last = positions.get(text(spoken, "first_exchange_id")), positions.get(text(spoken, "last_exchange_id"))
                for place in range(first, last + 1) if first is not None and last is not None else ():
                    yield text(self._exchanges[name][place], "exchange_id"), (logon, text(spoken, "last_exchange_id"))

    def _connect(self, row: Row) -> Step:
        name, close = text(row, "connection_id"), text(row, "close")
        silent = not number(row, "server_bytes")
        outcome = "opened"
        if silent and not number(row, "client_bytes"):
            outcome = "refused (reset)" if close == "reset" else "never answered"
            outcome = f"{outcome}, ICMP {row['icmp']}" if row["icmp"] else outcome
        if row["socks_version"]:
            outcome += f", SOCKS {text(row, 'socks_version')}{' with a user name' if row['socks_user'] else ''}"
        path = "direct" if row["role"] == "direct" else "through a proxy"
        details = (("path", path), ("server port", text(row, "server_port")), ("smallest TTL of the server", text(row, "server_ttl")))
        return Step("connect", "connection", outcome, frozenset({name}), text(row, "packets"), text(row, "capture"), number(row, "first_time"), (), details)

    def _secured(self, connection: Row, row: Row) -> Step:
        alert = f", alert {row['alert']} by the {row['alert_by']}" if row["alert"] else ""
        details = tuple(
            (name.replace("_", " "), text(row, name)) for name in ("version", "cipher", "certificate_subject", "certificate_validity", "name_matches")
        )
        outcome = f"{text(row, 'handshake').replace('_', ' ') or 'beginning not captured'}{alert}"
        at = number(connection, "first_time") + 1
        return Step("tls", "TLS", outcome, frozenset({text(row, "connection_id")}), text(row, "packets"), text(row, "capture"), at, (), details)

    def _logon(self, connection: Row, row: Row, first: Row) -> Step:
        spoken = [self._spoken[one] for one in text(row, "authentications").split(",") if one in self._spoken]
        own = spoken[0] if spoken else row
        whom = "the proxy" if row["audience"] == "proxy" else "the server"
        reason = f" ({text(row, 'reason').replace('_', ' ')})" if row["reason"] and row["outcome"] != "accepted" else ""
        through = len([one for one in text(row, "server_connection_ids").split(",") if one])
        outcome = f"{text(row, 'outcome').replace('_', ' ')}{reason}"
        if through > 1:
            outcome += f", spread over {through} server connections"
        details = (
            ("account", text(row, "user")),
            ("offers", text(own, "offers")),
            ("round trips", text(row, "round_trips")),
            ("service name (SPN)", text(own, "spn") or text(own, "target_name")),
            ("encryption type of the ticket", text(own, "etype")),
            ("message encryption agreed", "" if own.get("sealing") is None else "yes" if own["sealing"] else "no"),
            *self._way(first),
        )
        records = {text(connection, "connection_id"), *(text(one, "connection_id") for one in spoken)}
        records |= {text(one, name) for one in spoken for name in ("first_exchange_id", "last_exchange_id")}
        seconds = (float(row["seconds"]),) if row["seconds"] is not None else ()
        mechanism = text(row, "mechanism")
        key = f"logon to {whom} with {next((one.shown for one in Mechanism if one == mechanism), mechanism or 'an unknown scheme')}"
        return Step("logon", key, outcome, frozenset(records), text(first, "packets"), text(first, "capture"), number(first, "request_time"), seconds, details)

    def _request(self, row: Row) -> Step:
        name = text(row, "exchange_id")
        fate = self._fates.get(name)
        status = text(row, "status") or (text(fate, "status") if fate else "")
        word = _FATES.get(text(fate, "fate"), text(fate, "fate").replace("_", " ")) if fate else ("answered" if status else "no answer")
        offers = f", offers {text(row, 'auth_scheme') or text(row, 'proxy_auth_scheme') or 'no scheme'}" if status in _ASKS else ""
        quality = text(row, "quality").replace("_", " ")
        code = f", fault {fate['fault_code']}" if fate and fate["fault_code"] else ""
        as_whom = ""
        if fate and fate["ran_as"] and fate["ran_as"] != fate["asked_as"]:
            as_whom = f", on the logon of {fate['ran_as']}" + ("" if fate["asked_as"] else ", without one of its own")
        odd = f", {quality}" if quality not in ("", "complete") else ""
        outcome = f"{word}{f' {status}' if status else ''}{offers}{code}{as_whom}{odd}"
        records = {name, text(row, "connection_id"), *(text(fate, "forwarded_as").split(",") if fate else ())} - {""}
        seconds = (float(row["latency_s"]),) if row["latency_s"] is not None else ()
        details = (("answer's protection", text(row, "response_protection")), ("content type", text(row, "content_type")), *self._way(row))
        return Step(
            "request", self._asked(row), outcome, frozenset(records), text(row, "packets"), text(row, "capture"), number(row, "request_time"), seconds, details
        )

    def _asked(self, row: Row) -> str:
        body = self._bodies.get((text(row, "exchange_id"), "request"))
        operation = (text(body, "operation") or text(body, "action")) if body else ""
        if operation:
            return f"request {operation.rpartition('/')[2]}"
        protection = text(row, "request_protection")
        return {"sealed": "encrypted request", "clear": "clear-text request", "empty": "empty request"}.get(protection, "request")

    def _way(self, row: Row) -> tuple[tuple[str, str], ...]:
        """How the request went on behind the proxy."""
        hop = self._hops.get(text(row, "exchange_id"))
        beyond = self._by_id.get(text(hop, "upstream_exchange_id")) if hop else None
        return (
            ("request's HTTP version", text(row, "request_version")),
            ("response's HTTP version", text(row, "response_version")),
            ("forwarded as", text(beyond, "request_version") if beyond else ""),
            ("header fields that the proxy changed", text(hop, "header_changes") if hop else ""),
        )

    def _end(self, row: Row, last: Step | None) -> Step | None:
        """Where it is part of what happened: someone else than the client ended it or announced that, or a request waited."""
        close, by, waiting = text(row, "close"), text(row, "first_ended_by"), row["pending_at_end"]
        if close not in ("fin", "reset") or not by or last is None or (by == "client" and waiting is None and not row["announced"]):
            return None
        what = "closed" if close == "fin" else "reset"
        idle = float(row["idle_before_end_s"] or 0)
        when = "while a request waited" if waiting is not None else "right after the logon" if last.kind == "logon" and idle <= _AT_ONCE_S else "afterwards"
        announced = ", announced" if row["announced"] else ""
        details = (("idle before", f"{idle:.1f} s"),)
        records = frozenset({text(row, "connection_id"), *((str(waiting),) if waiting is not None else ()), *last.records})
        return Step(
            "end",
            "connection's end",
            f"{what} by the {by} {when}{announced}",
            records,
            text(row, "packets").rpartition(",")[2].rpartition("..")[2],
            text(row, "capture"),
            last.at_ns + 1 + round(idle * 1e9),
            (),
            details,
        )
