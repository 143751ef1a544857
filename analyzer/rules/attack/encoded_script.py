"""PowerShell commands are sent encoded, or in layers.

Detects
    Commands that could be read and carry a script in base64 (-EncodedCommand, FromBase64String, compressed or not). One
    whose decoded script is encoded once more is low; encoding alone is information, as management tools encode every
    script. What the layers do is told by other rules, which read them, too. The finding quotes the first line of the
    decoded script with its packet.
Impact
    Logs of processes show the encoded form only. Layer upon layer is used to pass by filters.
False positives
    Ansible, Packer, Chef, Test Kitchen, PDQ Deploy, Configuration Manager and DSC encode commands to pass them through
    command lines whole. Packer's and Chef's elevated scripts carry an encoded command in an encoded command.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1027.010, T1059.001; about_PowerShell_exe, -EncodedCommand.
"""

import re

from analyzer.records.wsman import Command, Shell
from analyzer.rules.reading import command_exchanges, counted
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_LAYER = re.compile(r"(?i)\s-e(?:c|nc?|nco\w{0,10})?\s+[\"']?[A-Za-z0-9+/]{24}|FromBase64String\s*\(\s*[\"'][A-Za-z0-9+/]{24}")
_SHOWN = 160


class Encoded(Fact, frozen=True):
    """A command with an encoded script in its shell; ``layered``: the script carries another one."""

    command: Command
    shell: Shell
    layered: bool


def see(evidence: Evidence) -> Signs[Encoded]:
    """One sign for each command that carries an encoded script."""
    shells = {(shell.id, shell.kind): shell for shell in reversed(evidence.shells)}
    for command in evidence.commands:
        shell = shells.get((command.shell, command.kind))
        if command.decoded and command.packets and shell is not None:
            fact = Encoded(command, shell, _LAYER.search(command.decoded) is not None)
            yield Sign(fact, command_exchanges(evidence, command, shell), command.packets, shell.connections, command.user)


def _first(tell: Tell[Encoded]) -> Sign[Encoded]:
    """The first one in layers, else the first."""
    return next((sign for sign in tell.signs if sign.fact.layered), tell.first)


def why(tell: Tell[Encoded]) -> str:
    shell, sign = tell.first.fact.shell, _first(tell)
    line = next((line.strip() for line in (sign.fact.command.decoded or "").splitlines() if line.strip()), "")
    line = line.replace("\u201d", '"').replace("\u201c", '"')
    cut = f"{line[:_SHOWN].rstrip()}…" if len(line) > _SHOWN else line
    layers = sum(one.layered for one in tell.facts)
    more = f" In {counted(layers, 'command')} the decoded script carries another encoded one." if layers else ""
    return (
        f"{shell.client} sent {counted(tell.count, 'command')} with an encoded script to {shell.server}. The one in {tell.packet(sign.packets[0])} "
        f"begins with \u201c{cut}\u201d (command {sign.fact.command.id}).{more}"
    )


OPINION = Opinion(
    title=lambda tell: f"Encoded PowerShell script{' in layers' if _first(tell).fact.layered else ''} sent to {tell.first.fact.shell.server}",
    name="Encoded PowerShell script",
    severity=lambda tell: Severity.LOW if _first(tell).fact.layered else Severity.INFO,
    worst=Severity.LOW,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="ATT&CK T1027.010",
    advice="Read what the script does in the transcript, under DECODED. Compare the client with the hosts of your management tools.",
    attack=("T1027.010", "T1059.001"),
    destination=lambda tell: tell.first.fact.shell.server,
    see=see,
    why=why,
    each=lambda _, sign: (sign.fact.shell.client, sign.fact.shell.server),
)
