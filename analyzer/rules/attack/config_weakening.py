"""The configuration of WinRM, or what protects it, is made weaker over WinRM.

What it sees
    A Put or Create on WinRM's own configuration that sets AllowUnencrypted, Basic for the service, TrustedHosts with ``*``, or CbtHardeningLevel None. The same
    in commands and scripts (winrm set, Set-Item WSMan:, the policies in the registry), and LocalAccountTokenFilterPolicy set to 1. Commands that turn remoting
    on (Enable-PSRemoting, winrm quickconfig) are low, a request that the server refused is medium.
Why it matters
    Clear text, reusable passwords and remote administration by local accounts are doors that stay open after the session; attackers open them for later.
When it is wrong
    Setup scripts of Ansible, Packer and Vagrant do the same on purpose. A Put may repeat a value that was there before. A command's text is what was asked for,
    not what came of it: a name and a value that stand near each other in a script may belong to different things.
Needs
    Bodies that can be read: clear text, or opened with a secret or a key log.
Reference
    MS-WSMV 2.2.4.31 to 2.2.4.37; ATT&CK T1562, T1112 and T1021.006.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sealing import Message
from analyzer.records.wsman import Command, Shell
from analyzer.rules.reading import command_exchanges, finding, first_packet, identity, listed, name, packet, request, status, succeeded

RULE = "attack.config-weakening"
TITLE = "WinRM is made weaker"
SEVERITY = Severity.HIGH
REFERENCE = "MS-WSMV 2.2.4; ATT&CK T1562"
ADVICE = (
    "Find out who wanted this, and look at what the server has now (winrm get winrm/config; Get-ItemProperty "
    "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System). Put back what no administrator asked for."
)
_RANK = list(Severity)
_DONE, _TRIED, _TEXT = 0.95, 0.7, 0.7
_ON = r"""["']?[^\n;|]{0,60}?[\s"'=:]\$?(?:true|0x0*1|1)\b"""
_TECHNIQUES = ("T1562", "T1112", "T1021.006")


class Weakening(Struct, frozen=True, gc=False):
    """What was set, in words of ours, and how bad that is."""

    what: str
    severity: Severity


class Setting(Struct, frozen=True, gc=False):
    """An element of the configuration by the end of its path, in lower case, and the value that weakens it."""

    path: str
    value: str
    weakening: Weakening


class Pattern(Struct, frozen=True, gc=False):
    """What a command or script says."""

    text: str
    weakening: Weakening


_CLEAR = Weakening("AllowUnencrypted=true", Severity.HIGH)
_BASIC = Weakening("Basic=true for the service", Severity.HIGH)
_TRUST = Weakening("TrustedHosts=*", Severity.HIGH)
_BINDING = Weakening("CbtHardeningLevel=None", Severity.HIGH)
SETTINGS = (
    Setting("/allowunencrypted", "true", _CLEAR),
    Setting("service/auth/basic", "true", _BASIC),
    Setting("/trustedhosts", "*", _TRUST),
    Setting("/cbthardeninglevel", "none", _BINDING),
)
PATTERNS = (
    Pattern(rf"\bAllowUnencrypted(?:Traffic)?\b{_ON}", _CLEAR),
    Pattern(rf"\bService[\\/]Auth[\\/\s@{{\"']{{1,8}}Basic\b{_ON}|\bAllowBasic\b{_ON}", _BASIC),
    Pattern(r"\bTrustedHosts\b[^\n;|]{0,60}?[\s\"'=]\*", _TRUST),
    Pattern(r"\bCbtHardeningLevel\b[^\n;|]{0,40}?[\s\"'=]None\b", _BINDING),
    Pattern(rf"\bLocalAccountTokenFilterPolicy\b{_ON}", Weakening("LocalAccountTokenFilterPolicy=1", Severity.HIGH)),
    Pattern(
        r"\bEnable-PSRemoting\b|\bSet-WSManQuickConfig\b|\bwinrm(?:\.cmd)?\s+(?:quickconfig|qc)\b",
        Weakening("remoting turned on", Severity.LOW),
    ),
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each request and for each command; the upstream leg is left out where the client's is known."""
    for message in evidence.messages.values():
        found = _set(message)
        if found and message.exchange not in evidence.far:
            yield _by_request(evidence, message, found)
    shells = {shell.id: shell for shell in evidence.shells}
    for command in evidence.commands:
        said = _said(command)
        if said and command.shell in shells and command.packets:
            yield _by_command(evidence, command, shells[command.shell], said)


def _set(message: Message) -> list[Weakening]:
    below = (message.resource_uri or "").lower().rpartition("/wsman/1/config")[2].partition("?")[0].rpartition("/")[0]
    pairs = [(f"{below}/{path}".lower(), value.lower()) for path, value in message.settings]
    return [known.weakening for known in SETTINGS if any(path.endswith(known.path) and value == known.value for path, value in pairs)]


def _said(command: Command) -> list[Weakening]:
    texts = (command.text, command.decoded or "")
    return [known.weakening for known in PATTERNS if any(re.search(known.text, text, re.IGNORECASE) for text in texts)]


def _worst(found: list[Weakening]) -> Severity:
    return max((one.severity for one in found), key=_RANK.index)


def _by_request(evidence: Evidence, message: Message, found: list[Weakening]) -> Finding:
    exchange = evidence.exchanges[message.exchange]
    connection = evidence.connections[exchange.connection]
    code = status(exchange)
    done = succeeded(exchange)
    packets = first_packet(request(exchange))
    where = f", {packet(evidence, packets[0])}" if packets else ""
    answer = "its answer is not in the capture" if code is None else f"it was answered {code}"
    why = f"{exchange.id} on {name(connection)}{where}, a {message.operation} on {message.resource_uri}, sets {listed(one.what for one in found)}; {answer}."
    return finding(
        evidence,
        rule=RULE,
        severity=_worst(found) if done else Severity.MEDIUM,
        confidence=_DONE if done else _TRIED,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[connection.id],
        exchanges=[exchange.id],
        packets=packets,
        user=identity(evidence, connection.id),
        attack=_TECHNIQUES,
    )


def _by_command(evidence: Evidence, command: Command, shell: Shell, found: list[Weakening]) -> Finding:
    exchanges = command_exchanges(evidence, command, shell)
    why = (
        f"Command {command.id} in {shell.kind} shell {shell.id}, from {shell.client} to {shell.server}, {packet(evidence, command.packets[0])}, says "
        f"{listed(one.what for one in found)}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=_worst(found),
        confidence=_TEXT,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=shell.connections,
        exchanges=exchanges,
        packets=command.packets,
        user=command.user,
        attack=_TECHNIQUES,
    )
