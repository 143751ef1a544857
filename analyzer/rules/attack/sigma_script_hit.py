"""A Sigma rule of the user fits what was run.

Detects
    Commands and scripts that could be read, each with the layers decoded out of it, as the events that Sigma rules
    for processes (process_creation) and for PowerShell (ps_script, ps_module) are written for. The rules are those of
    the folder given with --sigma; none come with the analyzer.
Impact
    The same rules that hunt in event logs then hunt in traffic, also where a host kept no logs.
False positives
    As often as the rule itself. Fields that only the host knows (hashes, parent's command line, integrity level) are
    not there, so what a rule wants to leave out by them is not left out; Image is a guess from the first word.
Requires
    Bodies that can be read (clear text or decrypted), and a folder of rules.
References
    Sigma specification 2; the rule's own references.
"""

from analyzer.records.sigma import SigmaHit
from analyzer.records.wsman import Command, Shell
from analyzer.rules.attack._sigma import attack, reference, severity, title
from analyzer.rules.reading import command_exchanges, shell_of, shells_by_place
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone


class Fit(Fact, frozen=True):
    """What a rule fits, and the command in its shell."""

    hit: SigmaHit
    command: Command
    shell: Shell


def see(evidence: Evidence) -> Signs[Fit]:
    """One sign for each rule and command."""
    hits = evidence.sigma_hits
    commands = {(command.server, command.shell, command.id, command.kind): command for command in evidence.commands} if hits else {}
    shells = shells_by_place(evidence) if hits else {}
    for hit in hits:
        command = commands.get((hit.server, hit.shell, hit.command, hit.kind))
        shell = None if command is None else shell_of(shells, command)
        if command is not None and shell is not None:
            yield Sign(Fit(hit, command, shell), command_exchanges(evidence, command, shell), command.packets, shell.connections, command.user)


def why(tell: Tell[Fit]) -> str:
    hit, command, shell = tell.first.fact.hit, tell.first.fact.command, tell.first.fact.shell
    at = f" ({tell.packet(command.packets[0])})" if command.packets else ""
    return (
        f'The Sigma rule "{hit.title}" fits the {hit.field} of a command from {shell.client} to {shell.server}{at}. The rule is {hit.rule}, level {hit.level}, '
        f"file {hit.file}. The command is {command.id} in {shell.kind} shell {shell.id}."
    )


OPINION = Opinion(
    title=title,
    name="A Sigma rule fits a command",
    severity=severity,
    worst=Severity.CRITICAL,
    confidence=0.7,
    owner=Owner.CLIENT,
    reference=reference,
    advice="Read the command in the transcript, and the rule's own description of what else it fits.",
    attack=attack,
    destination=lambda tell: tell.first.fact.shell.server,
    see=see,
    why=why,
    each=alone,
)
