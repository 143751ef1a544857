"""The client authenticates for another name than the one that it asks for.

What it sees
    The host in a Kerberos ticket's service name, or in the target name of an NTLMv2 response, differs from the host that the request names (the target in
    absolute form, else the Host field). A short name and the same name with a domain are equal, and an address says nothing. Medium when the server refused
    the logon, low when it accepted it.
Why it matters
    Kerberos opens a ticket with the key of the name's account: for another account's name it fails. Servers that check target names refuse as well. And a
    client that was led elsewhere shows itself so.
When it is wrong
    An alias, a load balancer's name, or a client told to use another name on purpose.
Needs
    A direct connection or the client's leg.
Reference
    MS-NLMP 2.2.2.1 (MsvAvTargetName); RFC 4120 section 6.2.1; RFC 4559 section 4.1.
"""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Request
from analyzer.records.proxy import Role
from analyzer.rules.reading import CONNECTION_BASED, counted, finding, header, name, packet, packets_of, request, role, who

RULE = "auth.spn-mismatch"
TITLE = "The client authenticates for another name than it asks for"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 4559 section 4.1"
ADVICE = (
    "Connect by the name that the service is registered for, or register the SPNs HTTP/NAME and WSMAN/NAME of the alias on the server's account (setspn -S); "
    "behind a load balancer use one account for all members."
)


class Mismatch(Struct, frozen=True, gc=False):
    """A conversation, the host that it is for, and the host that was asked for."""

    conversation: Conversation
    meant: str
    asked: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, endpoint and pair of names."""
    groups: dict[tuple[str, str, int, str, str], list[Mismatch]] = defaultdict(list)
    for conversation in evidence.conversations:
        mismatch = _mismatch(evidence, conversation) if conversation.connection in evidence.winrm else None
        if mismatch is not None:
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port, mismatch.meant, mismatch.asked].append(mismatch)
    for group in groups.values():
        yield _finding(evidence, group)


def _mismatch(evidence: Evidence, conversation: Conversation) -> Mismatch | None:
    own = conversation.audience is Audience.SERVER and conversation.mechanism in CONNECTION_BASED
    if not own or role(evidence, conversation.connection) is Role.UPSTREAM_LEG:
        return None
    meant, asked = _service_host(conversation.spn or conversation.target_name), _asked_host(request(evidence.exchanges[conversation.exchanges[-1]]))
    if meant is None or asked is None or meant == asked or _is_address(asked) or _is_address(meant):
        return None
    short = "." not in meant or "." not in asked
    return None if short and meant.partition(".")[0] == asked.partition(".")[0] else Mismatch(conversation, meant, asked)


def _service_host(spn: str | None) -> str | None:
    """The host of ``HTTP/host``, ``WSMAN/host:port@REALM``."""
    host = (spn or "").partition("/")[2].partition("@")[0].partition("/")[0].partition(":")[0].strip().rstrip(".").lower()
    return host or None


def _asked_host(asked: Request | None) -> str | None:
    if asked is None:
        return None
    before, scheme, rest = asked.target.partition("://")
    authority = rest.partition("/")[0] if scheme and before.isalpha() else header(asked, "host") or ""
    if authority.startswith("["):
        return None
    return authority.rpartition("@")[2].partition(":")[0].strip().rstrip(".").lower() or None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _finding(evidence: Evidence, group: list[Mismatch]) -> Finding:
    first = group[0]
    refused = [mismatch for mismatch in group if mismatch.conversation.outcome is Outcome.REFUSED]
    lasts = [evidence.exchanges[mismatch.conversation.exchanges[-1]] for mismatch in group]
    packets = packets_of(lasts)
    spn, verb = first.conversation.spn or first.conversation.target_name, "is" if len(group) == 1 else "are"
    why = (
        f"{counted(len(group), 'authentication')} on {name(evidence.connections[first.conversation.connection])} {verb} for {spn} while the "
        f"request asks for {first.asked}: the first is {lasts[0].id}, {packet(evidence, packets[0]) if packets else ''}. {len(refused)} "
        f"{'was' if len(refused) == 1 else 'were'} refused."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY if refused else Severity.LOW,
        confidence=0.6,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[mismatch.conversation.connection for mismatch in group],
        exchanges=[exchange.id for exchange in lasts],
        packets=packets,
        user=who(first.conversation),
    )
