"""What client and server say of a shell, as cells of the table ``shells``."""

import re
from collections.abc import Sequence
from typing import Any

from msgspec import DecodeError
from msgspec.json import decode, encode

from analyzer.records.capture import Capture
from analyzer.records.sessions import ShellEvent, ShellFact, said
from analyzer.records.wsman import Shell
from analyzer.tables.packets import packet_set
from analyzer.tables.times import rfc3339

_DURATION = re.compile(r"-?P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,9})?)S)?)?")
_POWERSHELL = "/powershell/"
_DIGITS = 10


def value(shell: Shell, name: str) -> str | None:
    """The last value of a property: the server's, else what the client wished."""
    return said(shell.facts, name)


def number(shell: Shell, name: str) -> int | None:
    """The same of a number."""
    text = said(shell.facts, name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def seconds_of(shell: Shell, name: str) -> float | None:
    """The same of a duration of XML Schema without years and months."""
    return duration_s(said(shell.facts, name))


def duration_s(text: str | None) -> float | None:
    """Seconds of such a duration; None for what is none."""
    match = _DURATION.fullmatch(text or "")
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def configuration(shell: Shell) -> str | None:
    """The name of the session configuration of a PowerShell shell."""
    uri = shell.resource_uri or said(shell.facts, "ResourceUri") or ""
    return uri.rstrip("/").rpartition("/")[2] or None if _POWERSHELL in uri.lower() else None


def version(facts: tuple[ShellFact, ...], *, by_client: bool) -> str | None:
    """PSVersion of a side's PSVersionTable."""
    try:
        found = decode(said(facts, "PSVersionTable", by_client=by_client) or "null")
    except DecodeError:  # a part of it is masked
        return None
    own = found.get("PSVersion") if isinstance(found, dict) else None
    return own if isinstance(own, str) else None


def key_exchange(shell: Shell) -> str | None:
    """How far the exchange of the session key came."""
    texts = [one.text for one in shell.events if one.what == "keys"]
    return None if not texts else "complete" if any(text.startswith("the session key") for text in texts) else "begun"


def events(shell: Shell, captures: Sequence[Capture]) -> str | None:
    """JSON of what was done to it."""
    found = [
        {
            "what": one.what,
            **({"text": one.text} if one.text else {}),
            "by": "client" if one.by_client else "server",
            "client_ip": one.client,
            "account": one.asked_as,
            "outcome": one.outcome,
            **({"command_id": one.command} if one.command else {}),
            "time": rfc3339(one.ts_ns),
            "packets": packet_set(one.packets, captures, named=True),
        }
        for one in shell.events
    ]
    return encode(found).decode() if found else None


def facts(shell: Shell, captures: Sequence[Capture]) -> str | None:
    """JSON of what both sides say of it."""
    found = [
        {"name": one.name, "value": one.value, "by": "client" if one.by_client else "server", "packets": packet_set(one.packets, captures, named=True)}
        for one in shell.facts
    ]
    return encode(found).decode() if found else None


def events_of(text: str | None) -> tuple[ShellEvent, ...]:
    """Events out of what `events` gave, whose packets are ids of packets no more (the cell has them); nothing of a masked cell."""
    return tuple(
        ShellEvent(
            what=str(one.get("what")),
            text=str(one.get("text") or ""),
            by_client=one.get("by") == "client",
            client=str(one.get("client_ip") or ""),
            exchange="",
            ts_ns=0,
            packets=(),
            outcome=one.get("outcome"),
            asked_as=one.get("account"),
            command=one.get("command_id"),
        )
        for one in _objects(text)
    )


def facts_of(text: str | None) -> tuple[ShellFact, ...]:
    """Properties out of what `facts` gave, without packets."""
    return tuple(ShellFact(str(one.get("name")), str(one.get("value")), one.get("by") == "client", 0, ()) for one in _objects(text))


def packets_of(text: str | None) -> list[str]:
    """The packets of each of the events or properties in a cell, in their order."""
    return [str(one.get("packets") or "") for one in _objects(text)]


def _objects(text: str | None) -> list[dict[str, Any]]:
    try:
        found = decode(text or "[]")
    except DecodeError:  # all of it is masked
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
