"""Events for Elastic: one JSON document a line in the Elastic Common Schema.

What the schema has no field for is below ``winrm``. Source: the ECS 9.0 field reference and its pages of allowed values for the categorization fields.
"""

import ipaddress
from collections.abc import Iterator, Mapping

from analyzer.exports.registry import Source
from analyzer.exports.rows import Row, Rows, account, integer, text
from analyzer.tables.texts import dumps
from analyzer.tables.times import rfc3339

VERSION = "9.0.0"
_SEVERITY = {"info": 0, "low": 21, "medium": 47, "high": 73, "critical": 99}
"""event.severity is a number without a scale of its own; these are the risk scores that Elastic's own rules go with."""
_OUTCOMES = {"accepted": "success", "refused": "failure"}
_NS_PER_S = 1_000_000_000

Document = dict[str, object]


def json_lines(source: Source) -> Iterator[str]:
    """Connections, exchanges, authentications, commands and findings, in order of time."""
    rows = source.rows
    makers = {
        "connections": _connection,
        "exchanges": _exchange,
        "authentications": _authentication,
        "commands": _command,
        "findings": _finding,
    }
    found: list[tuple[int, str, int, Document]] = []
    for table, make in makers.items():
        for place, row in enumerate(rows.of(table)):
            begins = integer(row, {"connections": "first_time", "exchanges": "request_time", "authentications": "first_time"}.get(table, "time"))
            begins = integer(row, "response_time") if begins is None and table == "exchanges" else begins
            if begins is not None:
                found.append((begins, table, place, _document(begins, row, rows.connection_of(row, table), make(row, rows))))
    for _, _, _, document in sorted(found, key=lambda item: item[:3]):
        yield dumps(document) + "\n"


def _document(begins: int, row: Row, connection: Row | None, own: Document) -> Document:
    """What all documents have, and what is this one's own; nothing that is null."""
    shared: Document = {"@timestamp": rfc3339(begins), "ecs": {"version": VERSION}, "winrm": {"capture": row["capture"], "packets": row["packets"]}}
    if connection is not None:
        shared["source"] = {"ip": _address(connection["client_ip"]), "port": connection["client_port"]}
        shared["destination"] = {"ip": _address(connection["server_ip"]), "port": connection["server_port"]}
        kind = "ipv6" if ":" in text(connection, "client_ip") else "ipv4"
        shared["network"] = {"community_id": connection["community_id"], "transport": "tcp", "type": kind, "protocol": _protocol(connection)}
    return _filled(_joined(shared, own))


def _protocol(connection: Row) -> str | None:
    word = text(connection, "protocol")
    return {"http": "http", "connect": "http", "tls": "tls"}.get(word)


def _address(value: object) -> str | None:
    """A field of type ip refuses anything else."""
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        return None


def _event(kind: str, category: str, types: list[str], dataset: str, identity: str, **more: object) -> Document:
    return {"kind": kind, "category": [category], "type": types, "module": "winrm", "dataset": f"winrm.{dataset}", "id": identity, **more}


def _connection(row: Row, _: Rows) -> Document:
    begins, ends = integer(row, "first_time") or 0, integer(row, "last_time") or 0
    types = ["connection", "start", "end"] if row["close"] != "open" else ["connection", "start"]
    event = _event("event", "network", types, "connection", text(row, "connection_id"), start=rfc3339(begins), end=rfc3339(ends), duration=ends - begins)
    return {
        "event": event,
        "source": {"bytes": row["client_bytes"]},
        "destination": {"bytes": row["server_bytes"]},
        "tls": {"client": {"ja3": row["ja3"], "server_name": row["tls_server_name"]}},
        "winrm": {"role": row["role"], "close": row["close"], "closed_by": row["closed_by"], "route": row["route_id"], "ja4": row["ja4"]},
    }


def _exchange(row: Row, rows: Rows) -> Document:
    status = integer(row, "status")
    outcome = "unknown" if status is None else "failure" if status >= 400 else "success"
    event = _event("event", "web", ["access"] if outcome == "success" else ["access", "error"], "http", text(row, "exchange_id"), outcome=outcome)
    event |= {"action": row["action"], "duration": _ns(row["latency_s"])}
    sizes = rows.body_bytes
    name = text(row, "exchange_id")
    return {
        "event": event,
        "http": {
            "version": text(row, "request_version").removeprefix("HTTP/") or None,
            "request": {"method": row["method"], "bytes": row["request_bytes"], "body": {"bytes": sizes.get((name, "request"))}},
            "response": {"status_code": status, "bytes": row["response_bytes"], "body": {"bytes": sizes.get((name, "response"))}, "mime_type": _mime(row)},
        },
        "url": {"original": row["target"], "domain": text(row, "host").rpartition(":")[0] or text(row, "host") or None},
        "user_agent": {"original": row["user_agent"]},
        "winrm": {"auth_scheme": row["auth_scheme"], "mechanism": row["mechanism"], "auth_step": row["auth_step"], "protection": row["request_protection"]},
    }


def _mime(row: Row) -> str | None:
    return text(row, "content_type").partition(";")[0].strip().lower() or None


def _authentication(row: Row, _: Rows) -> Document:
    outcome = _OUTCOMES.get(text(row, "outcome"), "unknown")
    begins, ends = integer(row, "first_time") or 0, integer(row, "last_time") or 0
    event = _event("event", "authentication", ["start"] if outcome == "success" else ["info"], "authentication", text(row, "authentication_id"))
    event |= {"outcome": outcome, "start": rfc3339(begins), "end": rfc3339(ends), "duration": ends - begins, "action": f"{row['mechanism']} logon"}
    return {
        "event": event,
        "user": {"name": row["user"] or None, "domain": row["domain"] or None},
        "related": {"user": [row["user"]] if row["user"] else None},
        "winrm": {name: row[name] for name in ("mechanism", "scheme", "audience", "workstation", "spn", "target_name", "server_name")},
    }


def _command(row: Row, _: Rows) -> Document:
    user, domain = account(text(row, "user"))
    ends = integer(row, "end_time")
    event = _event("event", "process", ["start"], "command", f"{row['shell_id']}/{row['command_id']}", action=row["kind"])
    event |= {"duration": _ns(row["duration_s"]), "end": rfc3339(ends) if ends is not None else None}
    return {
        "event": event,
        "process": {"command_line": row["text"], "exit_code": row["exit_code"]},
        "user": {"name": user, "domain": domain},
        "winrm": {"decoded": row["text_decoded"], "state": row["state"], "shell_id": row["shell_id"], "command_id": row["command_id"]},
    }


def _finding(row: Row, _: Rows) -> Document:
    user, domain = account(text(row, "user"))
    begins, ends = integer(row, "time") or 0, integer(row, "end_time") or 0
    attack = [one for one in text(row, "attack").split(",") if one.startswith("T") and one[1:2].isdigit()]
    category = "intrusion_detection" if text(row, "rule").startswith("attack.") else "network"
    event = _event("alert", category, ["info"], "finding", text(row, "finding_id"), severity=_SEVERITY.get(text(row, "severity"), 0))
    event |= {"start": rfc3339(begins), "end": rfc3339(ends), "reason": row["why"]}
    return {
        "event": event,
        "message": row["title"],
        "rule": {"id": row["rule"], "name": row["title"], "category": text(row, "rule").partition(".")[0], "reference": row["reference"]},
        "threat": {"framework": "MITRE ATT&CK", "technique": {"id": attack}} if attack else None,
        "user": {"name": user, "domain": domain},
        "winrm": {name: row[name] for name in ("severity", "confidence", "subject", "connections", "exchanges", "filter", "advice")},
    }


def _ns(value: object) -> int | None:
    return round(value * _NS_PER_S) if isinstance(value, float | int) else None


def _joined(one: Mapping[str, object], other: Mapping[str, object]) -> Document:
    made = dict(one)
    for name, value in other.items():
        before = made.get(name)
        made[name] = _joined(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return made


def _filled(document: Document) -> Document:
    """Without what is null or holds nothing."""
    made: Document = {}
    for name, value in document.items():
        kept = _filled(value) if isinstance(value, dict) else value
        if kept is not None and kept != {}:
            made[name] = kept
    return made
