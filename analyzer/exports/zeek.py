r"""Logs as Zeek writes them: conn, http, ntlm, kerberos, and notice for the findings.

The header lines, the order of the fields and their types are Zeek's defaults; what a table does not know is ``-``. ``uid`` is made of the connection, so
that it is the same in every log and every run; ``community_id`` joins to other sensors. Kerberos is seen here inside HTTP, as an AP-REQ, which Zeek itself
does not log: ``request_type`` is ``AP``. Sources: base/init-default and the protocols' main.zeek, the ASCII writer (separators, escapes ``\xNN``).
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from analyzer.exports.registry import Source
from analyzer.exports.rows import Row, Rows, account, integer, text
from analyzer.tables.column import Value

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID = (("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"))
_ETYPES = {17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96", 23: "rc4-hmac", 3: "des-cbc-md5", 1: "des-cbc-crc"}
_NS_PER_S = 1_000_000_000
EMPTY = "(empty)"

Cell = Value | tuple[str, ...]
"""A tuple is a set."""


class Log(NamedTuple):
    """One log: its fields with their types, and the function that gives its rows, each beginning with the time in nanoseconds."""

    name: str
    fields: tuple[tuple[str, str], ...]
    rows: Callable[[Rows], Iterator[tuple[int, Sequence[Cell]]]]


def logs(source: Source) -> Iterator[tuple[str, Iterator[str]]]:
    """(file name, its lines) of every log that has rows."""
    rows = source.rows
    times = [moment for row in rows.of("captures") for moment in (integer(row, "first_time"), integer(row, "last_time")) if moment is not None]
    for log in LOGS:
        found = sorted(log.rows(rows), key=lambda item: item[0])
        if found:
            yield f"{log.name}.log", _lines(log, found, min(times, default=0), max(times, default=0))


def _lines(log: Log, found: Sequence[tuple[int, Sequence[Cell]]], opened: int, closed: int) -> Iterator[str]:
    yield f"#separator \\x09\n#set_separator\t,\n#empty_field\t{EMPTY}\n#unset_field\t-\n#path\t{log.name}\n#open\t{_stamp(opened)}\n"
    yield "\t".join(("#fields", *(name for name, _ in log.fields))) + "\n"
    yield "\t".join(("#types", *(kind for _, kind in log.fields))) + "\n"
    for moment, cells in found:
        shown = [_cell(cell, kind) for cell, (_, kind) in zip(cells, log.fields[1:], strict=True)]
        yield "\t".join((_seconds(moment), *shown)) + "\n"
    yield f"#close\t{_stamp(closed)}\n"


def _stamp(ns: int) -> str:
    """Of the captures: the time of the run would make two equal runs differ."""
    return time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(ns // _NS_PER_S))


def _seconds(ns: int) -> str:
    return f"{ns // _NS_PER_S}.{ns % _NS_PER_S // 1000:06d}"


def _cell(value: Cell, kind: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ",".join(_escaped(item, ",") for item in value) or EMPTY
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, float):
        return f"{value:.6f}"
    return EMPTY if value == "" and kind == "string" else _escaped(str(value), "")


def _escaped(value: str, also: str) -> str:
    r"""What would be taken for a separator or for no value, and every byte that is not printable ASCII, as ``\xNN``."""
    if value in {"-", EMPTY}:
        return f"\\x{ord(value[0]):02x}{value[1:]}"
    if value.isascii() and value.isprintable() and "\\" not in value and not (also and also in value):
        return value
    made = []
    for byte in value.encode("utf-8", "surrogatepass"):
        char = chr(byte)
        made.append("\\\\" if char == "\\" else char if 0x20 <= byte < 0x7F and char not in also else f"\\x{byte:02x}")
    return "".join(made)


def uid(connection: Row) -> str:
    """``C`` and 17 characters, as Zeek's look; made of the connection's addresses, beginning and capture."""
    told = "\0".join(str(connection[name]) for name in ("community_id", "first_time", "connection_id", "capture"))
    number = int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:16])
    digits = ""
    for _ in range(17):
        number, digit = divmod(number, 62)
        digits += _BASE62[digit]
    return f"C{digits}"


def _ends(connection: Row | None) -> tuple[Cell, ...]:
    if connection is None:
        return (None, None, None, None, None)
    return (uid(connection), *(connection[name] for name in ("client_ip", "client_port", "server_ip", "server_port")))


def _conn(rows: Rows) -> Iterator[tuple[int, Sequence[Cell]]]:
    for row in rows.of("connections"):
        begins, ends = integer(row, "first_time") or 0, integer(row, "last_time") or 0
        missed = (integer(row, "missing_client_bytes") or 0) + (integer(row, "missing_server_bytes") or 0)
        tunnel = rows.connections.get(text(row, "tunnel_of"))
        parents = (uid(tunnel),) if tunnel else ()
        service = {"tls": "ssl", "connect": "http", "http": "http"}.get(text(row, "protocol"))
        told = (service, (ends - begins) / _NS_PER_S, row["client_bytes"], row["server_bytes"], _state(row), None, None, missed)
        yield begins, (*_ends(row), "tcp", *told, None, None, None, None, None, parents, row["community_id"])


def _state(row: Row) -> str:
    """SF: closed by FIN. RSTO, RSTR: reset by the client, the server. S1: open when the capture ends. OTH: whose beginning nobody saw is not told here."""
    if row["close"] == "reset":
        return "RSTO" if row["closed_by"] == "client" else "RSTR"
    return "SF" if row["close"] == "fin" else "S1"


def _http(rows: Rows) -> Iterator[tuple[int, Sequence[Cell]]]:
    names = {text(row, "connection_id"): row["user"] for row in rows.of("authentications") if row["mechanism"] in {"basic", "digest"}}
    for row in rows.of("exchanges"):
        begins = integer(row, "request_time")
        begins = integer(row, "response_time") if begins is None else begins
        if begins is None:
            continue
        name = text(row, "exchange_id")
        proxied = tuple(f"{word} -> {row[column]}" for word, column in (("VIA", "via"), ("X-FORWARDED-FOR", "forwarded_for")) if row[column])
        version = text(row, "request_version").removeprefix("HTTP/") or None
        asked = (row["position"], row["method"], row["host"], row["target"], None, version, row["user_agent"], None)
        sizes = (rows.body_bytes.get((name, "request"), 0), rows.body_bytes.get((name, "response"), 0))
        user = names.get(text(row, "connection_id")) if row["mechanism"] in {"basic", "digest"} else None
        mimes = (None, None, None, None, None, (text(row, "content_type").partition(";")[0],) if row["content_type"] else None)
        rest = (*sizes, row["status"], None, None, None, (), user, None, proxied or None, *mimes)
        yield begins, (*_ends(rows.connection_of(row, "exchanges")), *asked, *rest)


def _success(row: Row) -> bool | None:
    return {"accepted": True, "refused": False}.get(text(row, "outcome"))


def _ntlm(rows: Rows) -> Iterator[tuple[int, Sequence[Cell]]]:
    for row in rows.of("authentications"):
        if row["mechanism"] == "ntlm":
            names = (row["user"], row["workstation"], row["domain"], row["server_name"], None, None)
            yield integer(row, "first_time") or 0, (*_ends(rows.connection_of(row, "authentications")), *names, _success(row))


def _kerberos(rows: Rows) -> Iterator[tuple[int, Sequence[Cell]]]:
    for row in rows.of("authentications"):
        if row["mechanism"] == "kerberos":
            client = "/".join(part for part in (text(row, "user"), text(row, "domain") or text(row, "realm")) if part) if row["user"] else None
            etype = integer(row, "etype")
            cipher = None if etype is None else _ETYPES.get(etype, f"etype-{etype}")
            told = ("AP", client, row["spn"], _success(row), None, None, None, cipher, None, None, None, None, None, None)
            yield integer(row, "first_time") or 0, (*_ends(rows.connection_of(row, "authentications")), *told)


def _notice(rows: Rows) -> Iterator[tuple[int, Sequence[Cell]]]:
    for row in rows.of("findings"):
        connection = rows.connection_of(row, "findings")
        ends = (connection["client_ip"], connection["server_ip"], connection["server_port"]) if connection else (None, None, None)
        note = "WinRM::" + "".join(part.capitalize() for part in text(row, "rule").replace(".", "-").split("-"))
        user, _ = account(text(row, "user"))
        sub = f"{row['why']} (severity {row['severity']}, packets {row['packets']}{f', user {user}' if user else ''})"
        told = (None, None, None, "tcp", note, row["title"], sub, *ends, None, None, ("Notice::ACTION_LOG",), (), 0.0, None, None, None, None, None)
        yield integer(row, "time") or 0, (*_ends(connection), *told)


def _fields(names: str) -> tuple[tuple[str, str], ...]:
    """Of ``name:type`` words, after those that name the connection."""
    return (*_ID, *((name, kind) for name, _, kind in (word.partition(":") for word in names.split())))


LOGS = (
    Log(
        "conn",
        _fields(
            "proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool "
            "missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string] "
            "community_id:string"
        ),
        _conn,
    ),
    Log(
        "http",
        _fields(
            "trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string origin:string request_body_len:count "
            "response_body_len:count status_code:count status_msg:string info_code:count info_msg:string tags:set[enum] username:string password:string "
            "proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] orig_mime_types:vector[string] resp_fuids:vector[string] "
            "resp_filenames:vector[string] resp_mime_types:vector[string]"
        ),
        _http,
    ),
    Log(
        "ntlm",
        _fields(
            "username:string hostname:string domainname:string server_nb_computer_name:string server_dns_computer_name:string server_tree_name:string "
            "success:bool"
        ),
        _ntlm,
    ),
    Log(
        "kerberos",
        _fields(
            "request_type:string client:string service:string success:bool error_msg:string from:time till:time cipher:string forwardable:bool renewable:bool "
            "client_cert_subject:string client_cert_fuid:string server_cert_subject:string server_cert_fuid:string"
        ),
        _kerberos,
    ),
    Log(
        "notice",
        _fields(
            "fuid:string file_mime_type:string file_desc:string proto:enum note:enum msg:string sub:string src:addr dst:addr p:port n:count peer_descr:string "
            "actions:set[enum] email_dest:set[string] suppress_for:interval remote_location.country_code:string remote_location.region:string "
            "remote_location.city:string remote_location.latitude:double remote_location.longitude:double"
        ),
        _notice,
    ),
)
