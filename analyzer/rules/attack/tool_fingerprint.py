"""Which programs besides Windows' own speak WinRM here.

Detects
    The User-Agent of WinRM requests, where it is not Windows' own client: pypsrp, pywinrm, WinRb and evil-winrm, Go's
    winrm, curl and others.
Impact
    It tells administration (Ansible, Terraform, monitoring) from programs that were not installed on purpose. Tools
    of attackers use the same libraries.
False positives
    The field is what the program says of itself, and anything can be written there; a tool that says "Microsoft WinRM
    Client" is not listed. The shape of the MIME parts and the order of header fields, which tell libraries apart too,
    are not judged: a program that forges the one can forge the other.
Requires
    A direct connection or the client's side of the proxy.
References
    RFC 9110 section 10.1.5; ATT&CK T1021.006.
"""

from analyzer.records.candidates import asked_values, at_places
from analyzer.records.http import Exchange
from analyzer.rules.asking import where
from analyzer.rules.reading import counted, header, identity, listed, packets_of, request
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_WINDOWS = "microsoft winrm client"
_KNOWN = (
    ("python psrp client", "pypsrp", "pypsrp, also in Ansible's psrp"),
    ("python winrm client", "pywinrm", "pywinrm, also in Ansible's winrm"),
    ("ruby winrm client", "WinRb", "WinRb, also in evil-winrm, Chef and Vagrant"),
    ("go-http-client", "a Go program", "a Go program, for example Packer or Terraform"),
    ("curl/", "curl", "curl"),
    ("python-requests", "a Python script", "a Python script"),
)
_SHOWN = 4
_LONG = 40


class Use(Fact, frozen=True):
    """A request, and the program that it names."""

    exchange: Exchange
    agent: str


def see(evidence: Evidence) -> Signs[Use]:
    """One sign for each request with another program's name; the server side is left out where the client's is known. Few requests name the packets."""
    seen: dict[str, int] = {}
    others = [places for value, places in asked_values(evidence, "user-agent").items() if _is_other(value.strip())]
    for exchange in at_places(evidence, others):
        if exchange.id in evidence.far:
            continue
        asked = request(exchange)
        agent = (header(asked, "user-agent") or "").strip()
        if asked is not None and asked.packets:
            host = evidence.connections[exchange.connection].client.host
            shown = seen[host] = seen.get(host, 0) + 1
            few = shown <= _SHOWN
            user = identity(evidence, exchange.connection) if shown == 1 else None
            yield Sign(Use(exchange, agent), (exchange.id,) if few else (), packets_of([exchange]) if few else (), (exchange.connection,), user)


def _is_other(agent: str) -> bool:
    return bool(agent) and not agent.lower().startswith(_WINDOWS)


def _described(agent: str) -> str:
    known = next((what for begin, _, what in _KNOWN if agent.lower().startswith(begin)), None)
    return f'"{agent}" ({known})' if known else f'"{agent}"'


def title(tell: Tell[Use]) -> str:
    agent = tell.first.fact.agent
    known = next((short for begin, short, _ in _KNOWN if agent.lower().startswith(begin)), agent[:_LONG])
    return f"Non-Windows WinRM client: {known}"


def why(tell: Tell[Use]) -> str:
    return (
        f"{tell.connection.client.host} sent {counted(tell.count, 'WinRM request')} with the User-Agent {listed(_described(use.agent) for use in tell.facts)}. "
        f"The first is {where(tell)}."
    )


OPINION = Opinion(
    title=title,
    name="Non-Windows WinRM clients",
    severity=Severity.INFO,
    confidence=0.8,
    owner=Owner.CLIENT,
    reference="ATT&CK T1021.006",
    advice="Compare with the programs that are meant to manage these servers. For an unknown one, look at the source host and at what it ran.",
    attack=("T1021.006",),
    see=see,
    why=why,
    each=lambda evidence, sign: evidence.connections[sign.connections[0]].client.host,
)
