"""The configuration of WinRM, or what protects it, is made weaker over WinRM.

Detects
    A Put or Create on WinRM's own configuration that sets AllowUnencrypted, Basic for the service, TrustedHosts with
    ``*``, or CbtHardeningLevel None. The same in commands and scripts (winrm set, Set-Item WSMan:, the policies in
    the registry), and LocalAccountTokenFilterPolicy set to 1. Commands that turn remoting on (Enable-PSRemoting,
    winrm quickconfig) are low, a request that the server refused is medium.
Impact
    Clear text, reusable passwords and remote administration by local accounts are doors that stay open after the
    session; attackers open them for later.
False positives
    Setup scripts of Ansible, Packer and Vagrant do the same on purpose. A Put may repeat a value that was there
    before. A command's text is what was asked for, not what came of it: a name and a value that stand close to each
    other in a script may belong to different things.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    MS-WSMV 2.2.4.31 to 2.2.4.37; ATT&CK T1562, T1112 and T1021.006.
"""

import re

from analyzer.records.candidates import messages_where
from analyzer.records.sealing import Message
from analyzer.records.texts import saying
from analyzer.records.wsman import Command, Shell
from analyzer.rules.asking import where
from analyzer.rules.reading import command_exchanges, first_packet, identity, listed, request, shell_of, shells_by_place, status, succeeded
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_RANK = list(Severity)
_DONE, _TRIED, _TEXT = 0.95, 0.7, 0.7
_ON = r"""["']?[^\n;|]{0,60}?[\s"'=:]\$?(?:true|0x0*1|1)\b"""


class Weakening(Fact, frozen=True):
    """What was set, in our own words, and how bad that is."""

    what: str
    severity: Severity


class Setting(Fact, frozen=True):
    """An element of the configuration by the end of its path, in lower case, and the value that weakens it."""

    path: str
    value: str
    weakening: Weakening


class Pattern(Fact, frozen=True):
    """What a command or script says. ``words``: of these, in small letters, one stands in each text that fits."""

    words: tuple[str, ...]
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
    Pattern(("allowunencrypted",), rf"\bAllowUnencrypted(?:Traffic)?\b{_ON}", _CLEAR),
    Pattern(("basic",), rf"\bService[\\/]Auth[\\/\s@{{\"']{{1,8}}Basic\b{_ON}|\bAllowBasic\b{_ON}", _BASIC),
    Pattern(("trustedhosts",), r"\bTrustedHosts\b[^\n;|]{0,60}?[\s\"'=]\*", _TRUST),
    Pattern(("cbthardeninglevel",), r"\bCbtHardeningLevel\b[^\n;|]{0,40}?[\s\"'=]None\b", _BINDING),
    Pattern(("localaccounttokenfilterpolicy",), rf"\bLocalAccountTokenFilterPolicy\b{_ON}", Weakening("LocalAccountTokenFilterPolicy=1", Severity.HIGH)),
    Pattern(
        ("enable-psremoting", "set-wsmanquickconfig", "winrm"),
        r"\bEnable-PSRemoting\b|\bSet-WSManQuickConfig\b|\bwinrm(?:\.cmd)?\s+(?:quickconfig|qc)\b",
        Weakening("remoting turned on", Severity.LOW),
    ),
)


_WORDS = tuple(word for known in PATTERNS for word in known.words)


class Change(Fact, frozen=True):
    """What a request sets, or a command in its shell says."""

    weakenings: tuple[Weakening, ...]
    message: Message | None = None
    command: Command | None = None
    shell: Shell | None = None


def see(evidence: Evidence) -> Signs[Change]:
    """One sign for each request and for each command; the server side is left out where the client's is known."""
    for message in messages_where(evidence, "settings", lambda one: one.settings, plain=False):
        found = _set(message)
        if found and message.exchange not in evidence.far:
            exchange = evidence.exchanges[message.exchange]
            sure = _DONE if succeeded(exchange) else _TRIED
            yield Sign(Change(found, message), (exchange.id,), first_packet(request(exchange)), (), identity(evidence, exchange.connection), sure)
    shells = shells_by_place(evidence) if evidence.commands else {}
    for command in saying(evidence.commands, _WORDS):
        said = _said(command) if command.packets else ()
        shell = shell_of(shells, command) if said else None
        if shell is not None:
            exchanges = command_exchanges(evidence, command, shell)
            yield Sign(Change(said, None, command, shell), exchanges, command.packets, shell.connections, command.user, _TEXT)


def _set(message: Message) -> tuple[Weakening, ...]:
    below = (message.resource_uri or "").lower().rpartition("/wsman/1/config")[2].partition("?")[0].rpartition("/")[0]
    pairs = [(f"{below}/{path}".lower(), value.lower()) for path, value in message.settings]
    return tuple(known.weakening for known in SETTINGS if any(path.endswith(known.path) and value == known.value for path, value in pairs))


def _said(command: Command) -> tuple[Weakening, ...]:
    texts = [(text, text.lower()) for text in (command.text, command.decoded) if text]
    return tuple([known.weakening for known in PATTERNS if any(_fits(known, *both) for both in texts)])


def _fits(known: Pattern, text: str, low: str) -> bool:
    """Whether the text fits. Other letters than those of ASCII can be the same as these where case does not count, so such a text is always searched."""
    return (not text.isascii() or any(word in low for word in known.words)) and re.search(known.text, text, re.IGNORECASE) is not None


def _is_done(tell: Tell[Change]) -> bool:
    """A command's text counts as what it asks for; a request only when the server accepted it."""
    asked = tell.first.fact.message
    return asked is None or succeeded(tell.evidence.exchanges[asked.exchange])


def severity(tell: Tell[Change]) -> Severity:
    worst = max((one.severity for one in tell.first.fact.weakenings), key=_RANK.index)
    return worst if _is_done(tell) else Severity.MEDIUM


def title(tell: Tell[Change]) -> str:
    first, *others = tell.first.fact.weakenings
    return f"WinRM is made less secure: {first.what}{f' and {len(others)} more' if others else ''}"


def why(tell: Tell[Change]) -> str:
    change, evidence = tell.first.fact, tell.evidence
    what = listed(one.what for one in change.weakenings)
    if change.command is not None and change.shell is not None:
        return (
            f"A command from {change.shell.client} to {change.shell.server} says {what}. It is {tell.packet(change.command.packets[0])} "
            f"(command {change.command.id} in {change.shell.kind} shell {change.shell.id})."
        )
    asked = change.message
    code = None if asked is None else status(evidence.exchanges[asked.exchange])
    answer = "Its answer is not in the capture" if code is None else f"It was answered {code}"
    said = "request" if asked is None else f"{asked.operation} on {asked.resource_uri}"
    return f"{tell.connection.client.host} sent a {said}, which sets {what}. {answer} ({where(tell)})."


OPINION = Opinion(
    title=title,
    name="WinRM is made less secure",
    severity=severity,
    worst=Severity.HIGH,
    confidence=_TEXT,
    owner=Owner.SERVER,
    reference="MS-WSMV 2.2.4; ATT&CK T1562",
    advice=(
        "Find out who wanted this. Look at what the server has now (winrm get winrm/config; Get-ItemProperty "
        "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System). Put back what no administrator asked for."
    ),
    attack=("T1562", "T1112", "T1021.006"),
    see=see,
    why=why,
    each=alone,
)
