"""A Sigma rule of the user fits what was run.

What it sees
    Commands and scripts that could be read, each with the layers decoded out of it, as the events that Sigma rules for processes (process_creation) and for
    PowerShell (ps_script, ps_module) are written for. The rules are those of the folder given with --sigma; none come with the analyzer.
Why it matters
    The same rules that hunt in event logs then hunt in traffic, also where a host kept no logs.
When it is wrong
    As often as the rule itself. Fields that only the host knows (hashes, parent's command line, integrity level) are not there, so what a rule wants to leave
    out by them is not left out; Image is a guess from the first word.
Needs
    Bodies that can be read (clear text or opened with a secret), and a folder of rules.
Reference
    Sigma specification 2; the rule's own references.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sigma import SigmaHit
from analyzer.records.wsman import Command, Shell
from analyzer.rules.reading import command_exchanges, packet

RULE = "attack.sigma-script-hit"
TITLE = "A Sigma rule fits a command"
SEVERITY = Severity.MEDIUM
REFERENCE = "Sigma specification 2"
ADVICE = "Read the command in the transcript, and the rule's own description of what else it fits."
_LEVELS = {"informational": Severity.INFO, "low": Severity.LOW, "medium": Severity.MEDIUM, "high": Severity.HIGH, "critical": Severity.CRITICAL}
_CONFIDENCE = 0.7


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each rule and command."""
    commands = {(command.shell, command.id, command.kind): command for command in evidence.commands}
    shells = {(shell.id, shell.kind): shell for shell in evidence.shells}
    for hit in evidence.sigma_hits:
        command = commands.get((hit.shell, hit.command, hit.kind))
        shell = shells.get((hit.shell, hit.kind)) or next((one for one in evidence.shells if one.id == hit.shell), None)
        if command is not None and shell is not None:
            yield _finding(evidence, hit, command, shell)


def _finding(evidence: Evidence, hit: SigmaHit, command: Command, shell: Shell) -> Finding:
    exchanges = command_exchanges(evidence, command, shell)
    where = f", {packet(evidence, command.packets[0])}" if command.packets else ""
    why = (
        f'The Sigma rule "{hit.title}" ({hit.rule}, level {hit.level}, file {hit.file}) fits the {hit.field} of command {command.id} in {shell.kind} shell '
        f"{shell.id}, from {shell.client} to {shell.server}{where}."
    )
    return Finding(
        rule=RULE,
        subject=shell.connections[0],
        severity=_LEVELS.get(hit.level, SEVERITY),
        confidence=_CONFIDENCE,
        title=f"Sigma: {hit.title}",
        why=why,
        evidence=tuple(dict.fromkeys((*shell.connections, *exchanges))),
        packets=command.packets,
        advice=ADVICE,
        reference=f"{REFERENCE}; rule {hit.rule}",
        first_ns=command.first_ns,
        last_ns=command.last_ns,
        connections=shell.connections,
        exchanges=exchanges,
        attack=hit.attack,
        user=command.user,
        source=shell.client,
        destination=shell.server,
    )
