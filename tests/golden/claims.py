"""What a finding's reasons claim, read back from its words and held against the records: packets, ids, addresses, statuses, accounts, who closed.

A claim is a pattern with a check. The words are what a user reads, so the test does not trust the rule that wrote them: it asks the evidence again.
"""

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.ids import key_capture, key_number
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection, End, Side
from analyzer.records.wsman import outputs_of

_INPUT = ("input", "stdin")
Check = Callable[[Evidence, Finding, re.Match[str]], str | None]
"""None when the claim holds, else what is wrong."""


class Claim(NamedTuple):
    """A kind of claim: its name, how it is written, how it is checked."""

    name: str
    pattern: re.Pattern[str]
    check: Check


def wrong(evidence: Evidence, finding: Finding) -> Iterator[str]:
    """The claims of a finding that the records do not hold."""
    yield from _misquoted(evidence, finding)
    for claim in CLAIMS:
        for match in claim.pattern.finditer(_QUOTED.sub("", finding.why)):
            problem = claim.check(evidence, finding, match)
            if problem is not None:
                yield f"{finding.rule}: {claim.name}: {problem} ({match[0]!r} in {finding.why!r})"


_QUOTED = re.compile("\u201c([^\u201d]*)\u201d")
"""What a finding quotes of a command line: not its own claims, but it has to stand in the capture."""


def _misquoted(evidence: Evidence, finding: Finding) -> Iterator[str]:
    texts = [text for one in evidence.commands for text in (one.text, one.decoded or "", "".join(output.text for output in outputs_of(one.outputs, _INPUT)))]
    texts += [value for one in evidence.operations if one.arguments for value in map(str, json.loads(one.arguments).values())]
    held = _plain(" ".join(texts))
    for match in _QUOTED.finditer(finding.why):
        if _plain(match[1]) not in held:
            yield f"{finding.rule}: quote: no command, script or input holds {match[1]!r}"


def _plain(text: str) -> str:
    """Without blanks, the marks of a cut, and the kind of quotation marks."""
    return "".join(text.translate({0x201C: '"', 0x201D: '"', 0x2026: None}).split())


def claimed(evidence: Evidence, finding: Finding) -> int:
    """How many claims were read."""
    return sum(len(list(claim.pattern.finditer(finding.why))) for claim in CLAIMS)


def _packet(evidence: Evidence, finding: Finding, match: re.Match[str]) -> str | None:
    number, name = int(match["number"]), match["file"]
    ordinals = {one.ordinal for one in evidence.captures if name is None or one.name == name.rstrip(".")}
    if name is not None and not ordinals:  # a word that follows, not a file's name
        ordinals = {one.ordinal for one in evidence.captures}
    known = {(key_capture(key), key_number(key)) for key in _keys(evidence, finding)}
    return None if any((ordinal, number) in known for ordinal in ordinals) else "the packet is in none of its connections"


def _keys(evidence: Evidence, finding: Finding) -> Iterator[int]:
    yield from finding.packets
    said = re.findall(r"\bc\d+(?:\.t)?\b", finding.why)
    for identity in dict.fromkeys((*finding.connections, *(one for one in said if one in evidence.connections))):
        connection = evidence.connections[identity]
        yield from connection.packets
        for other in _beside(evidence, connection):
            yield from other.packets


def _beside(evidence: Evidence, connection: Connection) -> Iterator[Connection]:
    """The connections on the other side of a proxy, a tunnel's outer connection, and the twins."""
    for hop in evidence.hops:
        if connection.id in (hop.near_connection, hop.far_connection):
            yield evidence.connections[hop.far_connection if hop.near_connection == connection.id else hop.near_connection]
    for other in evidence.connections.values():
        if other.id == connection.tunnel_of or connection.id in (other.tunnel_of, other.twin_of):
            yield other


def _exchange(evidence: Evidence, _: Finding, match: re.Match[str]) -> str | None:
    exchange = evidence.exchanges.get(match["exchange"])
    if exchange is None:
        return "there is no such exchange"
    named = match["connection"]
    return None if named is None or exchange.connection == named else f"it is on {exchange.connection}"


def _named(evidence: Evidence, _: Finding, match: re.Match[str]) -> str | None:
    connection = evidence.connections.get(match["connection"])
    if connection is None:
        return "there is no such connection"
    ends = (f"{connection.client.host}:{connection.client.port}", f"{connection.server.host}:{connection.server.port}")
    return None if ends == (match["client"], match["server"]) else f"its ends are {ends}"


def _address(evidence: Evidence, _: Finding, match: re.Match[str]) -> str | None:
    try:
        ip_address(match["address"])
    except ValueError:
        return None
    return None if match["address"] in _addresses(evidence) else "no such address in the captures"


def _addresses(evidence: Evidence) -> set[str]:
    found = {end.host for one in evidence.connections.values() for end in (one.client, one.server)}
    found |= {host for one in evidence.connections.values() for preface in one.prefaces for host in _told(preface)}
    found |= {fate.asked_from for fate in evidence.story.fates.values() if fate.asked_from}
    found |= {one.router for many in evidence.icmp.values() for one in many}
    found |= {host for one in evidence.kdc for host in (one.client_host, one.kdc_host)}
    asked = [one.request for one in evidence.exchanges.values() if not isinstance(one.request, Absent)]
    targets = " ".join(" ".join((one.target, *(header.value for header in one.headers))) for one in asked)
    return found | set(re.findall(r"\d{1,3}(?:\.\d{1,3}){3}", targets))


def _told(preface: object) -> Iterator[str]:
    for name in ("host", "client_host", "server_host"):
        value = getattr(preface, name, None)
        if value:
            yield value


def _status(evidence: Evidence, finding: Finding, match: re.Match[str]) -> str | None:
    wanted = int(match["status"])
    connections = {*finding.connections, *(other.id for one in finding.connections for other in _beside(evidence, evidence.connections[one]))}
    known = {one.response.status for identity in connections for one in evidence.exchanges_of.get(identity, ()) if not isinstance(one.response, Absent)}
    return None if wanted in known else f"the statuses there are {sorted(known)}"


def _closed(evidence: Evidence, finding: Finding, match: re.Match[str]) -> str | None:
    """Who sent a FIN or RST, which of both, in which packet."""
    number, who, how = int(match["number"]), match["who"].lower(), match["how"]
    for identity in {*finding.connections, *(other.id for one in finding.connections for other in _beside(evidence, evidence.connections[one]))}:
        connection = evidence.connections[identity]
        for closing in connection.closings:
            if key_number(closing.packet) != number:
                continue
            kind = End.RESET if how == "reset" else End.FIN
            if closing.kind is not kind:
                return f"packet {number} is a {closing.kind.value}"
            opener = closing.side is Side.CLIENT
            role = evidence.roles.get(identity)
            expected = {"client": opener, "server": not opener, "proxy": True, "device": True}[who]
            if who == "client" and role is not None and role.value == "upstream_leg":
                return "the client of a proxy's server side is the proxy"
            return None if expected else f"the {closing.side.value} sent it"
    return f"packet {number} ends no connection of the finding"


def _account(evidence: Evidence, _: Finding, match: re.Match[str]) -> str | None:
    known = {f"{one.client.domain}\\{one.client.user}" for one in evidence.conversations if one.client.user and one.client.domain}
    known |= {f"{one.domain}\\{one.user}" for one in evidence.story.logons if one.user and one.domain}
    return None if match["account"] in known else f"nobody logged on so: {sorted(known)}"


def _kdc_error(evidence: Evidence, _: Finding, match: re.Match[str]) -> str | None:
    words = match["times"].split()[0].replace(",", "")
    count = {"once": 1, "twice": 2}.get(words) or int(words)
    held = sum(one.error_code == int(match["code"]) and one.kdc_host in match["kdcs"] for one in evidence.kdc)
    return None if held >= count else f"there are {held} such answers"


CLAIMS = (
    Claim("packet", re.compile(r"\bpacket (?P<number>\d+)(?: of (?P<file>\S+\.(?:pcap|pcapng|cap)\b\S*))?"), _packet),
    Claim("exchange", re.compile(r"\b(?P<exchange>c\d+(?:\.t)?\.x\d+)(?: on (?P<connection>c\d+(?:\.t)?)\b)?"), _exchange),
    Claim("ends", re.compile(r"\b(?P<connection>c\d+(?:\.t)?) \((?P<client>[\d.]+:\d+) to (?P<server>[\d.]+:\d+)\)"), _named),
    Claim("address", re.compile(r"(?<![\d.\w/])(?P<address>\d{1,3}(?:\.\d{1,3}){3})(?![\d.]*\d)"), _address),
    Claim("status", re.compile(r"\bstatus (?P<status>[1-5]\d\d)\b"), _status),
    Claim(
        "end",
        re.compile(
            r"\b[Tt]he (?P<who>client|server|proxy)(?: [\d.]+(?::\d+)?)? (?P<how>closed|reset) the connection"
            r"[^;]{0,60}?\((?:FIN, |RST, )?packet (?P<number>\d+)"
        ),
        _closed,
    ),
    Claim(
        "kdc",
        re.compile(r"asked the KDC (?P<kdcs>[\d.:a-f, ]+) for .{0,200}?The KDC answered (?P<times>once|twice|[\d,]+ times) with Kerberos error (?P<code>\d+)"),
        _kdc_error,
    ),
    Claim("account", re.compile(r"(?<![\w\\])(?P<account>[A-Z][A-Z0-9-]{1,14}\\[\w.$-]*\w)"), _account),
)
