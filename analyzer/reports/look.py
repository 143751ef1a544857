"""The answer of `info`: is there WinRM, where, what protects it, and which keys would open it."""

from collections import Counter
from collections.abc import Iterator

from analyzer.records.auth import Audience
from analyzer.records.result import Result
from analyzer.reports.facts import Coverage, counted, coverage, winrm_connections
from analyzer.reports.given import used_lines, whose_lines
from analyzer.reports.lines import BLANK, Line, Span, fitted, line, paragraph
from analyzer.reports.terminal import evidence_lines


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
    yield BLANK
    yield line(Span("KEYS", "bold"), "  what would decrypt the encrypted bodies (see --secrets, --keytab, --keylog)")
    covered = coverage(result.evidence)
    yield from used_lines(result.evidence, width)
    for key in covered.wanted_keys:
        yield from paragraph(key, width, label="- ", indent=2)
    yield from whose_lines(result.evidence, width)
    if not covered.wanted_keys:
        yield line(f"  {_no_key(result, covered)}")


def _no_key(result: Result, covered: Coverage) -> str:
    """Why no key is asked for."""
    if sum(covered.closed.values()) + covered.tls_connections:
        fits = any(use.fits for use in result.evidence.keys)
        return "no other key would help: see `winrm-analyzer show messages`" if fits else "cannot be told: the logon is not in the capture"
    if covered.bodies["sealed"] or covered.bodies["tls"]:
        return "none more needed: all encrypted bodies were decrypted"
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
