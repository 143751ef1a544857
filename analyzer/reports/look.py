"""The answer of `info`: is there WinRM, where, what protects it, and which keys would open it."""

from collections import Counter
from collections.abc import Iterator

from analyzer.formats.text import visible
from analyzer.records.auth import Audience
from analyzer.records.evidence import tls_elsewhere, tls_kept
from analyzer.records.result import Result
from analyzer.records.transport import host_port
from analyzer.reports.facts import Coverage, counted, coverage, winrm_connections
from analyzer.reports.given import used_lines, whose_lines
from analyzer.reports.lines import BLANK, Line, Span, fitted, line, paragraph
from analyzer.reports.terminal import evidence_lines

_PLACES = 5
"""Servers with their ports that are named."""


def look(result: Result, width: int) -> Iterator[Line]:
    """Evidence, then each pair of client and server, then the keys."""
    yield from fitted(_look(result, width), width)


def _look(result: Result, width: int) -> Iterator[Line]:
    yield from evidence_lines(result, width)
    yield BLANK
    yield line(Span("WINRM", "bold"))
    pairs = Counter(
        (connection.client.host, connection.server.host, connection.server.port, connection.protocol) for connection in winrm_connections(result.evidence)
    )
    for (client, server, port, protocol), number in sorted(pairs.items()):
        yield line(f"  {client} → {server} port {port}, {protocol}: {counted(number, 'connection')}, {_mechanisms(result, client, server, port)}")
    if not pairs:
        yield line("  none")
    yield from _elsewhere(result, width)
    yield BLANK
    yield line(Span("KEYS", "bold"), "  what would decrypt the encrypted bodies (see --secrets, --keytab, --keylog)")
    covered = coverage(result.evidence)
    yield from used_lines(result.evidence, width)
    for key in covered.wanted_keys:
        yield from paragraph(key, width, label="- ", indent=2)
    yield from whose_lines(result.evidence, width)
    if not covered.wanted_keys:
        yield line(f"  {_no_key(result, covered)}")


def _elsewhere(result: Result, width: int) -> Iterator[Line]:
    """TLS that is not known to be WinRM's, and may be."""
    total, places = tls_elsewhere(result.evidence.captures, tls_kept(result.evidence))
    if total:
        shown = ", ".join(f"{visible(host_port(host, port))} ({number:,})" for host, port, number in places[:_PLACES])
        more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
        yield from paragraph(f"{counted(total, 'connection')} that may carry it on another port: {shown}{more}", width, label="TLS: ", indent=2)
        yield from paragraph(f"a key log (--keylog) tells; --tls-port {places[0][1]} takes TLS on that port for WinRM's", width, label="     ", indent=2)


def _no_key(result: Result, covered: Coverage) -> str:
    """Why no key is asked for."""
    if sum(covered.closed.values()) + covered.tls_connections:
        fits = any(use.fits for use in result.evidence.keys)
        return "no other key would help: see `winrm-analyzer show messages`" if fits else "cannot be told: the logon is not in the capture"
    if covered.bodies["sealed"] or covered.bodies["tls"]:
        return "none more needed: all encrypted bodies were decrypted"
    if tls_elsewhere(result.evidence.captures, tls_kept(result.evidence))[0]:
        return "of the TLS connections above a TLS key log of client or server"
    return "none needed: nothing encrypted was seen"


def _mechanisms(result: Result, client: str, server: str, port: int) -> str:
    connections = result.evidence.connections
    names = [
        conversation.mechanism.value
        for conversation in result.evidence.conversations
        if conversation.audience is Audience.SERVER
        and (ends := connections.get(conversation.connection))
        and (ends.client.host, ends.server.host, ends.server.port) == (client, server, port)
    ]
    return ", ".join(dict.fromkeys(names)) or "no authentication seen"
