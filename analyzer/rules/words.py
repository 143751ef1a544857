"""Words for sentences: how a connection, a packet, a duration, a number of things is said in every finding."""

from collections.abc import Iterable

from analyzer.records.evidence import Evidence
from analyzer.records.ids import key_capture, key_number
from analyzer.records.transport import Connection


def name(connection: Connection) -> str:
    """A connection for a sentence: ``c3 (10.1.2.9:50111 to 10.1.3.3:3128)``."""
    client, server = connection.client, connection.server
    if ":" in client.host or ":" in server.host:
        return f"{connection.id} ({client} to {server})"
    return f"{connection.id} ({client.host}:{client.port} to {server.host}:{server.port})"


def packet(evidence: Evidence, key: int) -> str:
    """A packet for a sentence; with several captures the file is named too."""
    captures = evidence.captures
    if len(captures) == 1:
        return f"packet {key_number(key)}"
    return f"packet {key_number(key)} of {captures[key_capture(key)].name}"


def seconds(ns: int) -> str:
    """A duration for a sentence."""
    value = ns / 1e9
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"


def listed(words: Iterable[str], most: int = 6) -> str:
    """Distinct words for a sentence, in order of appearance, the rest counted."""
    distinct: list[str] = words if isinstance(words, list) and len(words) == 1 else list(dict.fromkeys(words))
    if len(distinct) == 1:
        return distinct[0]
    rest = len(distinct) - most
    return ", ".join(distinct[:most]) + (f" and {rest} more" if rest > 0 else "")


def of_them(number: int, whole: int, one: str = "was", many: str = "were", *, of: str = "them") -> str:
    """``none of them was``, ``it was`` (of one), ``1 of them was``, ``3 of them were``, ``all of them were``: the subject of a sentence and its verb."""
    if number == 0:
        return f"none of {of} {one}"
    if number == whole:
        return f"all of {of} {many}" if whole > 1 else f"it {one}"
    return f"{number:,} of {of} {one if number == 1 else many}"


def sentence(text: str) -> str:
    """The text with a capital letter first."""
    return text[:1].upper() + text[1:]


def counted(number: int, singular: str, plural: str = "") -> str:
    """``1 request``, ``3 requests``."""
    return f"1 {singular}" if number == 1 else f"{number:,} {plural or singular + 's'}"
