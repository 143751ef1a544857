"""Which programs besides Windows' own speak WinRM here.

What it sees
    The User-Agent of WinRM requests, where it is not Windows' own client: pypsrp, pywinrm, WinRb and evil-winrm, Go's winrm, curl and others.
Why it matters
    It tells administration (Ansible, Terraform, monitoring) from what nobody has installed. Tools of attackers use the same libraries.
When it is wrong
    The field is what the program says of itself, and anything can be written there; a tool that says "Microsoft WinRM Client" is not listed. The shape of
    the MIME parts and the order of header fields, which tell libraries apart too, are not judged: a program that forges the one can forge the other.
Needs
    A direct connection or the client's leg.
Reference
    RFC 9110 section 10.1.5; ATT&CK T1021.006.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import counted, finding, first_packet, header, identity, listed, name, packet, packets_of, request, winrm_exchanges

RULE = "attack.tool-fingerprint"
TITLE = "WinRM clients that are not Windows' own"
SEVERITY = Severity.INFO
REFERENCE = "ATT&CK T1021.006"
ADVICE = "Compare with the programs that are meant to manage these servers. One that nobody knows deserves a look at the source host and at what it ran."
_WINDOWS = "microsoft winrm client"
_KNOWN = (
    ("python psrp client", "pypsrp, also in Ansible's psrp"),
    ("python winrm client", "pywinrm, also in Ansible's winrm"),
    ("ruby winrm client", "WinRb, also in evil-winrm, Chef and Vagrant"),
    ("go-http-client", "a Go program, for example Packer or Terraform"),
    ("curl/", "curl"),
    ("python-requests", "a Python script"),
)
_SHOWN = 4


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host; the upstream leg is left out where the client's is known."""
    groups: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        asked = request(exchange)
        agent = (header(asked, "user-agent") or "").strip()
        own = exchange.id not in evidence.far and asked is not None and bool(asked.packets)
        if own and agent and not agent.lower().startswith(_WINDOWS):
            groups[evidence.connections[exchange.connection].client.host].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _described(agent: str) -> str:
    known = next((what for begin, what in _KNOWN if agent.lower().startswith(begin)), None)
    return f'"{agent}" ({known})' if known else f'"{agent}"'


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    agents = Counter((header(request(exchange), "user-agent") or "").strip() for exchange in group)
    first = evidence.connections[group[0].connection]
    key = first_packet(request(group[0]))
    why = (
        f"{first.client.host} sent {counted(len(group), 'WinRM request')} with {listed(_described(agent) for agent in agents)}: the first is {group[0].id} on "
        f"{name(first)}, {packet(evidence, key[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in group],
        exchanges=[exchange.id for exchange in group[:_SHOWN]],
        packets=packets_of(group[:_SHOWN]),
        user=identity(evidence, first.id),
        attack=("T1021.006",),
    )
