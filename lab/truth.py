"""The ground truth of a sample: from its lossless capture, the server's JSON log and the proxy's own log.

Strategy: exchanges come from lab.streams; the server's log must agree with them connection by connection; lab.pairs
tells which of them belong together. Nothing of the analyzer is used.
"""

import base64
import binascii
import json
import struct
import subprocess
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import network, opened, pairs, told
from lab.pairs import split
from lab.processes import LabError
from lab.streams import Connection, Exchange, connections

CERTIFICATE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


def _ends(connection: Connection) -> dict[str, Any]:
    client, server = split(connection.client), split(connection.server)
    ends = {"client_ip": client[0], "client_port": client[1], "server_ip": server[0], "server_port": server[1]}
    return {**ends, "in_tunnel": connection.inside}


def _ntlm_identity(token: bytes) -> tuple[str | None, str | None]:
    """User and domain of an NTLM AUTHENTICATE message inside a token (MS-NLMP 2.2.1.3)."""
    at = token.find(b"NTLMSSP\0\3\0\0\0")
    if at < 0:
        return None, None
    message = token[at:]
    encoding = "utf-16-le" if message[60:61] and message[60] & 1 else "ascii"

    def text(field_at: int) -> str:
        size, _, offset = struct.unpack_from("<HHI", message, field_at)
        return message[offset : offset + size].decode(encoding)

    return text(36), text(28)


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value.partition(" ")[2], validate=True)
    except binascii.Error:
        return b""


def _mechanism(scheme: str, token: bytes) -> str:
    if scheme == CERTIFICATE:
        return "certificate"
    if scheme.lower() in ("basic", "credssp"):
        return scheme.lower()
    return "ntlm" if b"NTLMSSP\0" in token else "kerberos"


def _authentications(connection: Connection, logged: dict[tuple[str, int], dict[str, Any]]) -> list[dict[str, Any]]:
    """The authentications of one connection; a new one starts where the last was decided."""
    rows: list[dict[str, Any]] = []
    for audience, field in (("proxy", "proxy_authorization"), ("server", "authorization")):
        row: dict[str, Any] | None = None
        for exchange in connection.exchanges:
            value = getattr(exchange, field)
            if value is None or (audience == "server" and exchange.status == 407):
                continue
            scheme, token = value.split(" ")[0], _decoded(value)
            if row is not None and row["_value"] == value and row["mechanism"] in ("basic", "certificate"):
                row["last_position"] = exchange.position
                continue
            if row is not None and row["outcome"] == "unfinished" and token.startswith(b"NTLMSSP\0\1"):
                # Somebody begins anew, maybe another client on a shared connection.
                row["outcome"] = "abandoned"
            if row is None or row["outcome"] != "unfinished":
                row = {
                    **_ends(connection),
                    "audience": audience,
                    "mechanism": _mechanism(scheme, token),
                    "user": None,
                    "domain": None,
                    "outcome": "unfinished",
                    "first_position": exchange.position,
                    "last_position": exchange.position,
                    "_value": value,
                }
                rows.append(row)
            row["last_position"], row["_value"] = exchange.position, value
            at = logged.get((connection.name, exchange.position))
            _judge(row, exchange, scheme, 407 if audience == "proxy" else 401, at)
            row["_error"] = (at or {}).get("error")
            _name(row, scheme, token, at["user"] if at else None)
    for row in rows:
        del row["_value"]
        if (reason := told.reason(row.pop("_error", None))) is not None and row["outcome"] != "accepted":
            row["reason"] = reason
    return sorted(rows, key=lambda row: row["first_position"])


def _judge(row: dict[str, Any], exchange: Exchange, scheme: str, refusal: int, logged: dict[str, Any] | None) -> None:
    if exchange.status is None:
        return
    if exchange.status != refusal:
        page = exchange.status >= 400 and (logged is None or str(logged.get("error")).startswith("HTTP layer"))
        row["outcome"] = "not_examined" if page else "accepted"
        return
    # CredSSP goes on with an empty token too, which looks like the plain challenge: there the server's log decides.
    goes_on = any(value.startswith(scheme + " ") for value in exchange.challenge) and scheme.lower() != "basic"
    if scheme.lower() == "credssp":
        goes_on = not (logged or {}).get("error")
    if not goes_on:
        row["outcome"] = "refused"


def _name(row: dict[str, Any], scheme: str, token: bytes, server_user: str | None) -> None:
    if scheme.lower() == "basic":
        domain, _, user = token.decode("utf-8", "replace").partition(":")[0].rpartition("\\")
        row["user"], row["domain"] = user, domain or None
        return
    ntlm_user, ntlm_domain = _ntlm_identity(token)
    if ntlm_user is not None:
        row["user"], row["domain"] = ntlm_user, ntlm_domain or None
    elif server_user and row["outcome"] == "accepted":
        # user@REALM or DOMAIN\\user, as the acceptor names the principal.
        words = server_user.split("@") if "@" in server_user else server_user.split("\\")[::-1]
        row["user"], row["domain"] = words[0], words[1] if len(words) > 1 else None


def server_rows(log: Path) -> list[dict[str, Any]]:
    """The request lines of the server's log."""
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [row for row in rows if "position" in row]


def _inside_tls(path: Path, keylog: Path, tunnelled: set[int]) -> list[dict[str, Any]]:
    """Exchanges inside TLS as tshark opens them with the key log, on each leg; packets are those that end a message."""
    fields = ["frame.number", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "http.request.method", "http.response.code"]
    argv = ["tshark", "-n", "-r", str(path), "-o", f"tls.keylog_file:{keylog}", "-o", "http.tls.port:443,5986,8443"]
    argv += ["-d", "tcp.port==3128,http", "-d", "tcp.port==8080,http", "-Y", "tls && (http.request || http.response)", "-T", "fields"]
    argv += [word for name in fields for word in ("-e", name)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    rows: list[dict[str, Any]] = []
    for number, source, source_port, target, target_port, method, code in (line.split("\t") for line in lines):
        if method:
            ends = {"client_ip": source, "client_port": int(source_port)}
            ends |= {"server_ip": target, "server_port": int(target_port), "in_tunnel": int(source_port) in tunnelled}
            position = 1 + sum(1 for row in rows if row["client_port"] == int(source_port))
            rows.append(
                {
                    **ends,
                    "position": position,
                    "method": method,
                    "status": None,
                    "request_end_packet": int(number),
                    "response_end_packet": None,
                    "capture": path.name,
                }
            )
        elif code:
            row = next(r for r in rows if r["client_port"] == int(target_port) and r["status"] is None)
            row["status"], row["response_end_packet"] = int(code), int(number)
    return rows


_WHERE_ANY = (
    ("files", "file"),
    ("operations", "operation"),
    ("subscriptions", "subscription"),
    ("deliveries", "delivery"),
    ("events", "logged"),
    ("sessions", "session"),
    ("errors", "error"),
    ("objects", "object"),
    ("records", "record"),
    ("host_calls", "host_call"),
)
"""Keys that are there where the server's journal has such rows."""
MESSAGE_KEYS = (
    "action", "sealed", "request_plain_bytes", "request_plain_sha256", "response_plain_bytes", "response_plain_sha256"
)  # fmt: skip


def _messages(logged: dict[tuple[str, int], dict[str, Any]]) -> list[dict[str, Any]]:
    """What the server read from and answered to each SOAP request, by (connection, position) on every leg."""
    return [
        {"connection": peer, "position": position, **{key: row.get(key) for key in MESSAGE_KEYS}}
        for (peer, position), row in logged.items()
        if row.get("action")
    ]


def _journal(log: Path, event: str) -> list[dict[str, Any]]:
    """The server's journal of shells or commands."""
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [{key: value for key, value in row.items() if key != "event"} for row in rows if row.get("event") == event]


def twins(found: list[Connection]) -> dict[str, str]:
    """Connections seen on both sides of a router that translates addresses: the inner view's name, the outer one's."""
    http = [c for c in found if c.to_server.data]
    outer = {(c.server, c.to_server.base, c.to_client.base): c.name for c in http if split(c.client)[0] == network.TRANSLATED_IP}
    named = {c.name: outer.get((c.server, c.to_server.base, c.to_client.base), c.name) for c in http}
    return {inner: name for inner, name in named.items() if inner != name}


def check_server(found: list[Connection], rows: list[dict[str, Any]], inner: list[dict[str, Any]], elsewhere: Collection[str] = ()) -> str:
    """Compare captured exchanges with the server's log, connection by connection; a difference is an error. `elsewhere` are
    connections to the server's address that end elsewhere, or are seen a second time. A connection's last requests, when they got
    no answer, need not have reached the server."""
    logged: dict[str, list[int]] = {}
    for row in sorted(rows, key=lambda row: (row["peer"], row["position"])):
        logged.setdefault(row["peer"], []).append(row["status"])
    seen = {
        c.client: [x.status for x in c.exchanges]
        for c in found
        if split(c.server)[0] in network.SERVERS and c.protocol == "http" and c.exchanges and c.name not in elsewhere
    }
    for row in inner:
        if row["server_ip"] in network.SERVERS:
            seen.setdefault(f"{row['client_ip']}:{row['client_port']}", []).append(row["status"])
    unsent = lost = 0
    for peer in sorted(set(logged) | set(seen)):
        mine, theirs = seen.get(peer, []), logged.get(peer, [])
        while len(mine) > len(theirs) and mine[-1] is None:
            mine.pop()
            lost += 1
        # An answer that the server decided on after the proxy had reset the connection never reached the wire.
        unsent += sum(status is None for status in mine)
        if len(mine) != len(theirs) or any(a not in (None, b) for a, b in zip(mine, theirs, strict=True)):
            msg = f"server log and capture differ for {peer}: {theirs} {mine}"
            raise LabError(msg)
    late = f" ({unsent} answers were never sent, their connections being gone)" if unsent else ""
    late += f"; {lost} requests never reached the server" if lost else ""
    return f"{sum(map(len, logged.values()))} requests on {len(logged)} connections: status lists equal{late}"


def _from_log(row: dict[str, Any]) -> Exchange:
    """An exchange as the server's log has it, without packets; enough to tell its authentication."""
    authorization = next((value for key, value in row["headers"] if key.lower() == "authorization"), None)
    goes_on = authorization is not None and row["status"] == 401 and not row["error"]
    challenge = (f"{authorization.split(' ')[0]} token",) if goes_on and authorization else ()
    return Exchange(
        row["position"], row["method"], row["target"], 0, row["time"], authorization, None, row["body_sha256"],
        status=row["status"], challenge=challenge,
    )  # fmt: skip


def _exchange_row(connection: Connection, exchange: Exchange) -> dict[str, Any]:
    return {
        **_ends(connection),
        "position": exchange.position,
        "method": exchange.method,
        "target": exchange.target,
        "status": exchange.status,
        "request_packet": exchange.request_packet,
        "response_packet": exchange.response_packet,
        "response_complete": exchange.complete,
        **({} if exchange.whole else {"request_complete": False}),
        "capture": connection.capture,
    }


def _open_legs(connection: Connection, found: list[Connection], *, proxied: bool) -> dict[str, list[str]]:
    """What a reader without keys may take a connection for, where nothing in the clear says more: TLS from end to end that no
    CONNECT announced, and the clear leg behind a proxy that ended the clients' TLS."""
    if any(other.protocol == "connect" for other in found):
        return {}
    if connection.protocol == "tls" and not proxied:
        return {"open_legs": ["unknown"]}
    if any(other.client.startswith("127.") for other in found):
        return {"open_legs": ["direct", "unknown"]}
    ended = proxied and any(other.protocol == "tls" for other in found)
    return {"open_legs": ["direct", "unknown"]} if ended else {}


def _connection_row(connection: Connection, leg: str) -> dict[str, Any]:
    return {
        **_ends(connection),
        "leg": leg,
        "protocol": connection.protocol,
        **connection.before,
        "exchanges": len(connection.exchanges),
        "statuses": [exchange.status for exchange in connection.exchanges],
        "capture": connection.capture,
        "first_packet": connection.first_packet,
    }


def _shown(connection: Connection, rows: list[dict[str, Any]], upstream: dict[str, str]) -> Connection:
    """The connection, with the server's view of its exchanges when they are inside TLS."""
    if connection.protocol != "tls":
        return connection
    peer = upstream.get(connection.name, connection.name)
    return replace(connection, exchanges=[_from_log(row) for row in rows if row["peer"] == peer])


@dataclass(frozen=True, slots=True)
class Sources:
    """What the truth is made of: lossless captures with the seconds added to each one's clock, the server's log, the key log,
    and the pairs of the proxy's port log."""

    files: list[Path]
    shifts: dict[str, float]
    log: Path
    keylog: Path | None
    proxied: bool
    proxy_pairs: Counter[tuple[str, str]]
    ambiguous: bool = False
    unrelated: bool = False
    """The traffic has nothing to do with WinRM: no connection counts."""
    redirected: bool = False
    """The router hands the clients' connections to the server over to the proxy."""


def build(sources: Sources) -> dict[str, Any]:
    """The measured part of truth.json; keys that begin with `_` are for further checks."""
    files, log, proxied = sources.files, sources.log, sources.proxied
    found = [connection for path in files for connection in connections(path, path.name)]
    found = [c for c in found if not c.server.endswith(":88")] if not sources.unrelated else []
    order = {path.name: index for index, path in enumerate(files)}
    found.sort(key=lambda c: (order[c.capture], c.first_packet))
    silent = [c for c in found if not c.to_server.data]
    found = [c for c in found if c.to_server.data]
    rows = server_rows(log)
    logged = {(row["peer"], row["position"]): row for row in rows}
    tunnelled = {split(c.client)[1] for c in found if c.inside}
    inner = [row for path in files for row in _inside_tls(path, sources.keylog, tunnelled)] if sources.keylog else []
    both = twins(found)
    redirected = {c.name for c in found if sources.redirected and split(c.client)[0] not in network.SOURCES}
    agreed = check_server(found, rows, inner, {*both, *redirected})
    allowed = set(sources.proxy_pairs) if sources.ambiguous else None
    matched = pairs.hops(found, sources.shifts, allowed, redirected=sources.redirected) if proxied else []
    piped = set(pairs.tunnels(found))
    # Behind a chain the server's word reaches the first leg by way of the middle one: the last hops go first.
    for near, far in reversed(matched):
        if far in logged:
            logged[near] = logged[far]
    for (name, position), row in list(logged.items()):
        logged |= {(inner_, position): row for inner_, outer in both.items() if outer == name}
    joined = {(near[0], far[0]) for near, far in matched} | piped
    named = pairs.of_tls(found, set(sources.proxy_pairs)) or (pairs.in_order(found) if proxied else set())
    in_tls = pairs.hops_inside_tls(found, inner, piped | named) if proxied else []
    shown = [_shown(c, rows, dict(piped | named)) for c in found]
    exchanges = [_exchange_row(c, x) for c in found for x in c.exchanges]
    exchanges.sort(key=lambda row: (order[row["capture"]], row["request_packet"]))
    paired = [[list(near), list(far)] for near, far in matched]
    wrapped = {c.name for c in found if c.client.startswith("127.")}
    legs = {c.name: pairs.leg(c, proxied=proxied, redirected=sources.redirected) for c in found}
    legs |= {c.name: "upstream_leg" for c in found if wrapped and c.name not in wrapped}
    spoken = [{**row, "over_tls": c.protocol == "tls"} for c in shown for row in _authentications(c, logged)]
    return {
        "connections": [{**_connection_row(c, legs[c.name]), **_open_legs(c, found, proxied=proxied)} for c in found],
        "connections_without_data": [{**_ends(c), "capture": c.capture, "first_packet": c.first_packet} for c in silent],
        "exchanges": exchanges,
        "tls_exchanges": inner,
        "hops": [] if sources.ambiguous else paired,
        "ambiguous_hops": paired if sources.ambiguous else [],
        "hops_inside_tls": [[list(near), list(far)] for near, far in in_tls],
        **({"twins": [list(pair) for pair in both.items()]} if both else {}),
        "logons": told.logons(spoken, legs),
        "endings": told.endings(found, legs, set(both.values())),
        "tunnels": [list(pair) for pair in sorted(piped)],
        "authentications": spoken,
        "messages": _messages(logged),
        "shells": _journal(log, "shell"),
        "commands": _journal(log, "command"),
        **{name: rows for name, event in _WHERE_ANY if (rows := _journal(log, event))},
        "_connections": found,
        "_server": agreed,
        "_opened": opened.check(found, rows),
        "_pairs": joined | named,
        "_counts": pairs.counted(found, matched),
    }
