"""The section *Credential exposure*: for each hop, what somebody who reads its packets can take from each mechanism (the mechanism decides, not the rule)."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from analyzer.records.transport import host_port
from analyzer.reports.facts import account_named, counted
from analyzer.reports.html.source import Row, Source, connection_of, number, side, text

_RC4 = 23
"""RFC 4757: a ticket of this encryption type is guessed as fast as an NT hash."""
READABLE, GUESSABLE, PROTECTED, UNKNOWN = "readable", "guessable", "protected", "unknown"


class Exposure(NamedTuple):
    """``level``: readable (as sent), guessable (offline, the strength of the password decides), protected (nothing without a key), unknown."""

    hop: str
    role: str
    connections: str
    mechanism: str
    account: str
    times: int
    level: str
    means: str
    bodies: str


def exposures(source: Source) -> list[Exposure]:
    """One row per hop, mechanism and account, the worst first."""
    grouped: dict[tuple[object, ...], list[Row]] = {}
    for row in source.rows("authentications"):
        connection = source.connections.get(text(row, "connection_id"))
        if connection is None:
            continue
        key = (
            *(connection[name] for name in ("client_ip", "server_ip", "server_port", "role")),
            *(row[name] for name in ("audience", "mechanism", "user", "domain", "over_tls", "ntlm_version", "etype")),
        )
        grouped.setdefault(key, []).append(row)
    order = (READABLE, GUESSABLE, UNKNOWN, PROTECTED)
    bodies = _bodies(source)
    return sorted((_exposure(source, own, bodies) for own in grouped.values()), key=lambda one: order.index(one.level))


def _bodies(source: Source) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for row in source.messages:
        if row["protection"] != "empty":
            counts.setdefault(connection_of(row), Counter())[text(row, "protection")] += 1
    return counts


def _exposure(source: Source, own: list[Row], bodies: dict[str, Counter[str]]) -> Exposure:
    row = own[0]
    names = list(dict.fromkeys(text(one, "connection_id") for one in own))
    connection = source.connections[names[0]]
    level, means = _what(row)
    return Exposure(
        hop=f"{connection['client_ip']} → {host_port(text(connection, 'server_ip'), number(connection, 'server_port'))}",
        role=side(text(connection, "role")),
        connections=", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else ""),
        mechanism=f"{text(row, 'ntlm_version') or text(row, 'mechanism') or text(row, 'scheme')} to the {row['audience']}",
        account=account_named(text(row, "user"), text(row, "domain")),
        times=len(own),
        level=level,
        means=means,
        bodies=_told(sum((bodies.get(name, Counter()) for name in names), Counter())),
    )


def _told(counts: Counter[str]) -> str:
    words = {"clear": "clear, readable", "sealed": "encrypted", "tls": "inside TLS", "none": "not WinRM"}
    return ", ".join(f"{counts[word]} {told}" for word, told in words.items() if counts[word]) or "none with content"


def _what(row: Row) -> tuple[str, str]:
    if row["over_tls"]:
        return PROTECTED, "Inside TLS: nothing on the wire without the TLS keys. The end of the TLS, which a proxy can be, reads all of it."
    match row["mechanism"]:
        case "basic":
            return READABLE, "The password itself: base64 is no encryption."
        case "digest":
            return GUESSABLE, "A digest of the password: candidates can be tried offline."
        case "ntlm":
            return _ntlm(row)
        case "kerberos":
            return _kerberos(row)
        case "credssp":
            return PROTECTED, "Nothing without the keys of the TLS inside it. The server gets the user's password: that is what CredSSP is for."
        case "certificate":
            return PROTECTED, "No password or hash travels; the client proves that it holds the key of its certificate."
        case _:
            return UNKNOWN, "The mechanism cannot be told."


def _ntlm(row: Row) -> tuple[str, str]:
    match row["ntlm_version"]:
        case "ntlmv2":
            return GUESSABLE, "Challenge and response: the password can be guessed offline, and only its strength stands against that."
        case "anonymous":
            return PROTECTED, "Nothing: an anonymous logon proves no password."
        case None:
            return UNKNOWN, "The response to the challenge is not in the capture; names and versions travel in clear."
        case _:
            return GUESSABLE, "An NTLMv1 response: the NT hash itself can be computed from it, whatever the password."


def _kerberos(row: Row) -> tuple[str, str]:
    if row["etype"] == _RC4:
        return GUESSABLE, "A service ticket encrypted with RC4: the password of the service's account can be guessed offline (not the user's)."
    return (
        PROTECTED,
        "A service ticket: nothing of the user's password. A guess would be against the key of the service's account, which computers choose at random.",
    )


def readers(rows: Iterable[Exposure]) -> str:
    """One sentence: how many hops carry what can be read or guessed."""
    counts = Counter(row.level for row in rows)
    if not counts:
        return "No authentication was seen."
    words = {
        READABLE: "a readable password",
        GUESSABLE: "something to guess a password with",
        PROTECTED: "nothing without a key",
        UNKNOWN: "what cannot be told",
    }
    told = "; ".join(f"{counted(counts[level], 'line')} with {means}" for level, means in words.items() if counts[level])
    return f"{told}."
