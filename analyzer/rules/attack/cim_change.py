"""A service, a scheduled task, the registry or an event consumer of WMI is changed by a CIM operation over WinRM.

Detects
    Create, Put, Delete, or a method that does not only read, on Win32_Service and its kin, on scheduled tasks
    (PS_ScheduledTask, MSFT_ScheduledTask, Win32_ScheduledJob), on StdRegProv, and on WMI's event filters, consumers
    and bindings. What the server refused or answered with a fault is none.
Impact
    Each of them starts programs later, or changes how the server is protected, without a shell. An event consumer is
    the least visible of them: it runs as SYSTEM whenever its filter fits.
False positives
    Administration does so every day: configuration management (DSC, Ansible, Puppet), monitoring that installs its
    agent, Set-Service and Register-ScheduledTask with a CIM session. The operation says what was asked for; a
    method's ReturnValue other than 0 says that it was not done.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1543.003, T1053.005, T1112, T1546.003, T1047; MS-WSMV 3.1.4.1.
"""

import re

from msgspec.json import decode

from analyzer.records.operations import CimOperation, Touches
from analyzer.rules.reading import counted, listed
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_QUOTED = 3
_REFUSED = 400
_SHOWN, _MEMBERS = 100, 4
"""Characters of a member that a finding quotes, and how many such members."""
_UNTOLD = frozenset({"__CLASS", "sValue", "uValue"})
_SECRET = re.compile(r"passw|secret|credential|key$", re.IGNORECASE)
_WORDS = {
    Touches.SERVICE: ("service", "T1543.003"),
    Touches.TASK: ("scheduled task", "T1053.005"),
    Touches.REGISTRY: ("registry", "T1112"),
    Touches.EVENT_CONSUMER: ("event consumer of WMI", "T1546.003"),
}


class Change(Fact, frozen=True):
    """An operation that asks for a change, and was not refused."""

    one: CimOperation


def see(evidence: Evidence) -> Signs[Change]:
    """One sign for each such operation."""
    for one in evidence.operations:
        refused = one.fault_code is not None or (one.status is not None and one.status >= _REFUSED)
        if one.touches in _WORDS and one.changes and not refused and one.return_value in (None, 0) and one.packets:
            yield Sign(Change(one), (one.id,), one.packets, (one.connection,), one.user)


def place(_: Evidence, sign: Sign[Change]) -> tuple[str, str]:
    """One finding for each client and server."""
    return sign.fact.one.client, sign.fact.one.server


def _touched(tell: Tell[Change]) -> list[Touches]:
    return list(dict.fromkeys(sign.fact.one.touches for sign in tell.signs if sign.fact.one.touches is not None))


def severity(tell: Tell[Change]) -> Severity:
    """An event consumer is rarely a tool's work."""
    return Severity.MEDIUM if Touches.EVENT_CONSUMER in _touched(tell) else Severity.LOW


def title(tell: Tell[Change]) -> str:
    """What was changed, and where."""
    first, *others = _touched(tell)
    return f"{_WORDS[first][0].capitalize()}{f' and {len(others)} more' if others else ''} changed by CIM on {destination(tell)}"


def destination(tell: Tell[Change]) -> str:
    """The server."""
    return tell.first.fact.one.server


def why(tell: Tell[Change]) -> str:
    """Who asked for what, with what the operation was given."""
    first = tell.first.fact.one
    who = f"{tell.users[0]} at {first.client}" if len(tell.users) == 1 else first.client
    kinds = listed(_WORDS[one][0] for one in _touched(tell))
    said = [f"{who} asked {first.server} {counted(tell.count, 'time')} for a change by CIM ({kinds})."]
    for sign in tell.signs[:_QUOTED]:
        one = sign.fact.one
        name = f"{one.name} on {one.class_name}" if one.method is None else f"{one.class_name}.{one.method}"
        given = _given(one)
        told = f" with {given}" if given else ""
        done = " ReturnValue is 0." if one.return_value == 0 else ""
        said.append(f"{name}{told} is in {tell.packet(sign.packets[0])}.{done}")
    return " ".join(said)


def _given(one: CimOperation) -> str:
    """What it was given, member by member: short texts, no secret by its name, and of the registry where, not what."""
    members = decode(one.arguments) if one.arguments else {}
    told = [(name, str(value)) for name, value in members.items() if isinstance(value, str | int) and name not in _UNTOLD and not _SECRET.search(name)]
    words = [f"{name} \u201c{value}\u201d" for name, value in told if 0 < len(value) <= _SHOWN and not {"\u201c", "\u201d"} & set(value)]
    return listed(words[:_MEMBERS])


def attack(tell: Tell[Change]) -> tuple[str, ...]:
    """The techniques of what was changed."""
    return (*(_WORDS[one][1] for one in _touched(tell)), "T1047")


OPINION = Opinion(
    title=title,
    name="Service, task, registry or event consumer changed by CIM",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="ATT&CK T1047; MS-WSMV 3.1.4.1",
    advice="Compare with your management tools and the user's work. Look at what the server has now, and put back what no administrator asked for.",
    attack=attack,
    destination=destination,
    see=see,
    why=why,
    each=place,
)
