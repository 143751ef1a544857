"""The client authenticates for another name than the one that it asks for.

Detects
    The host in a Kerberos ticket's service name, or in the target name of an NTLMv2 response, differs from the host
    that the request names (the target in absolute form, otherwise the Host field). A short name and the same name
    with a domain are equal, and an address says nothing. Medium when the server refused the logon, low when it
    accepted it.
Impact
    A service decrypts a ticket with the key of the name's account: for another account's name it fails. Servers that
    check target names refuse as well. And a client that was led to another place shows itself so.
False positives
    An alias, a load balancer's name, or a client told to use another name on purpose.
Requires
    A direct connection or the client's side of the proxy.
References
    MS-NLMP 2.2.2.1 (MsvAvTargetName); RFC 4120 section 6.2.1; RFC 4559 section 4.1.
"""

from ipaddress import ip_address

from analyzer.records.auth import Conversation, Outcome
from analyzer.records.http import Request
from analyzer.records.proxy import Role
from analyzer.rules.asking import spoken, where
from analyzer.rules.reading import CONNECTION_BASED, counted, header, packets_of, request, role, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place_and


class Mismatch(Fact, frozen=True):
    """A conversation, the host that it is for, and the host that was asked for."""

    conversation: Conversation
    meant: str
    asked: str


def see(evidence: Evidence) -> Signs[Mismatch]:
    for found in spoken(evidence, *CONNECTION_BASED):
        if not (found.spn or found.target_name) or role(evidence, found.connection) is Role.UPSTREAM_LEG:
            continue
        last = evidence.exchanges[found.exchanges[-1]]
        meant, asked = _service_host(found.spn or found.target_name), _asked_host(request(last))
        if meant is not None and asked is not None and _are_two(meant, asked):
            yield Sign(Mismatch(found, meant, asked), (last.id,), packets_of([last]), user=who(found))


def _are_two(one: str, other: str) -> bool:
    """Two names; a short one and the same one with a domain are not."""
    if one == other or _is_address(one) or _is_address(other):
        return False
    short = "." not in one or "." not in other
    return not (short and one.partition(".")[0] == other.partition(".")[0])


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


def _refused(tell: Tell[Mismatch]) -> int:
    return sum(one.conversation.outcome is Outcome.REFUSED for one in tell.facts)


def why(tell: Tell[Mismatch]) -> str:
    first, refused = tell.first.fact, _refused(tell)
    spn = first.conversation.spn or first.conversation.target_name
    return (
        f"{tell.connection.client.host} logged on for {spn}, while its request asks for {first.asked} ({where(tell)}). "
        f"This happened in {counted(tell.count, 'logon')}, of which {refused} {'was' if refused == 1 else 'were'} refused."
    )


OPINION = Opinion(
    title=lambda tell: f"Client logs on for {tell.first.fact.meant[:24]}, but asks for {tell.first.fact.asked[:24]}",
    name="Client logs on for another name than it asks for",
    severity=lambda tell: Severity.MEDIUM if _refused(tell) else Severity.LOW,
    worst=Severity.MEDIUM,
    confidence=0.6,
    owner=Owner.CLIENT,
    reference="RFC 4559 section 4.1",
    advice=(
        "Connect by the name that the service is registered for, or register the SPNs HTTP/NAME and WSMAN/NAME of the alias "
        "on the server's account (setspn -S). Behind a load balancer use one account for all members."
    ),
    see=see,
    why=why,
    each=place_and(lambda mismatch: (mismatch.meant, mismatch.asked)),
)
