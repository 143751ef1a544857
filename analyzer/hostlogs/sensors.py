r"""Records of network sensors in, events out: Zeek's logs (tab-separated, or JSON lines) and Suricata's eve.json.

A sensor's record has no number of a kind and no host of its own: `HostEvent.sensor` names the program, ``channel`` the log (``zeek/conn``, ``suricata/flow``),
``data`` all its fields. Its time is when what it tells of began: of a flow its start, not when it was written. Zeek's tab-separated logs say in their first
lines what separates fields and what they are called. Sources: Zeek's ASCII writer and the documentation of its logs; Suricata's user guide, "Eve JSON Format".
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec.json import decode, encode

from analyzer.formats.instants import MOST_NS, instant
from analyzer.records.hostlogs import HostEvent

_ZEEK_ENDS = ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
_EVE_ENDS = ("src_ip", "src_port", "dest_ip", "dest_port")
_SECONDS = re.compile(r"\d{1,10}(?:\.\d+)?")
_BY_FIELD = (
    ("conn_state", "conn"),
    ("status_code", "http"),
    ("ntlm_client_hostname", "ntlm"),
    ("hostname", "ntlm"),
    ("request_type", "kerberos"),
    ("cipher", "ssl"),
    ("note", "notice"),
    ("proto", "conn"),
)
"""A field of a log of Zeek that tells which log it is, where nothing else does."""
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_MICROSECOND = 1000


class Tsv:
    """What the first lines of a tab-separated log of Zeek say."""

    def __init__(self) -> None:
        self.separator, self.unset, self.empty, self.path = "\t", "-", "(empty)", ""
        self.fields: tuple[str, ...] = ()

    def header(self, line: str) -> None:
        """A line that begins with ``#``."""
        if line.startswith("#separator"):
            self.separator = _unescaped(line.partition(" ")[2]) or "\t"
            return
        name, _, rest = line.partition(self.separator)
        if name == "#fields":
            self.fields = tuple(rest.split(self.separator))
        elif name == "#path":
            self.path = rest
        elif name == "#unset_field":
            self.unset = rest
        elif name == "#empty_field":
            self.empty = rest

    def record(self, line: str) -> dict[str, Any] | None:
        """A line of values by name; None without the names."""
        values = line.split(self.separator)
        if not self.fields or len(values) != len(self.fields):
            return None
        kept = ((name, value) for name, value in zip(self.fields, values, strict=True) if value != self.unset)
        return {name: "" if value == self.empty else _unescaped(value) for name, value in kept}


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def zeek_event(found: Mapping[str, Any], path: str, name: str, place: int) -> HostEvent | None:
    """A record of Zeek; None where it is none, or has no time. ``path``: the log, where it is known."""
    found = _dotted(found)
    if not all(key in found for key in _ZEEK_ENDS[::2]):
        return None
    time = _zeek_time(found.get("ts"))
    if time is None:
        return None
    log = path or str(found.get("_path") or "") or _log(found, name)
    user = found.get("username") or found.get("client") or found.get("cname")
    return _made(found, "zeek", f"zeek/{log}", name, place, time, str(found.get("_system_name") or found.get("host_name") or "zeek"), user)


def _dotted(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the names that Zeek has: shippers write ``id_orig_h``, or ``{"id": {"orig_h": …}}``."""
    inner = found.get("id")
    if isinstance(inner, dict) and "orig_h" in inner:
        return {**{name: value for name, value in found.items() if name != "id"}, **{f"id.{name}": value for name, value in inner.items()}}
    if "id_orig_h" in found:
        return {f"id.{name[3:]}" if name in ("id_orig_h", "id_orig_p", "id_resp_h", "id_resp_p") else name: value for name, value in found.items()}
    return found


def eve_event(found: Mapping[str, Any], name: str, place: int) -> HostEvent | None:
    """A record of Suricata; None where it is none, or has no time."""
    kind = found.get("event_type")
    if not isinstance(kind, str) or not all(key in found for key in _EVE_ENDS[::2]):
        return None
    flow = found.get("flow")
    began = flow.get("start") if isinstance(flow, dict) and kind in ("flow", "netflow") else None
    time = instant(str(began or found.get("timestamp") or ""))
    if time is None:
        return None
    krb5 = found.get("krb5")
    user = krb5.get("cname") if isinstance(krb5, dict) else None
    return _made(found, "suricata", f"suricata/{kind}", name, place, time, str(found.get("host") or "suricata"), user)


def is_of_a_sensor(found: Mapping[str, Any]) -> bool:
    """A record of one of these programs that tells of no connection (Zeek's ``stats``, Suricata's ``stats``, …)."""
    return ("ts" in found and ("uid" in found or "_path" in found or "peer" in found)) or ("event_type" in found and "timestamp" in found)


def names_one_of(event: HostEvent, hosts: frozenset[str]) -> bool:
    """One end of what the record is about is one of these addresses."""
    found: Any = decode(event.data)
    keys = _ZEEK_ENDS if event.sensor == "zeek" else _EVE_ENDS
    return any(str(found.get(key) or "").lower().removeprefix("::ffff:") in hosts for key in keys[::2])


def _made(found: Mapping[str, Any], sensor: str, channel: str, name: str, place: int, time: tuple[int, int], computer: str, user: object) -> HostEvent:
    return HostEvent(
        file=name,
        place=place,
        time_ns=time[0],
        unit_ns=time[1],
        computer=computer,
        channel=channel,
        event_id=0,
        provider=sensor,
        record=None,
        process_id=None,
        parent_id=None,
        image=None,
        command_line=None,
        user=str(user) if isinstance(user, str) and user else None,
        data=encode(dict(found)).decode(),
        sensor=sensor,
    )


def _log(found: Mapping[str, Any], name: str) -> str:
    """The log by the file's name (``conn.log``, ``conn.10:00:00-11:00:00.log.gz``), else by a field."""
    stem = name.rpartition("/")[2].partition(".")[0].lower()
    if stem in {log for _, log in _BY_FIELD}:
        return stem
    return next((log for field, log in _BY_FIELD if field in found), "log")


def _zeek_time(value: object) -> tuple[int, int] | None:
    """Seconds since 1970, or ISO 8601."""
    text = f"{value:.6f}" if isinstance(value, float) else str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if _SECONDS.fullmatch(text):
        whole, _, part = text.partition(".")
        made = int(whole) * 10**9 + int(part[:9].ljust(9, "0"))
        return (made, _MICROSECOND) if made < MOST_NS else None
    return instant(text)
