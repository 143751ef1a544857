"""What the rules over lines of commands and scripts share: their signs, and the sentences that quote a line with its packet.

What is quoted stands between typographic quotation marks: everything that shows a finding masks what is between them as it masks a command line.
"""

from collections.abc import Callable, Sequence

from analyzer.records.sigma import Sighting
from analyzer.records.wsman import Command, Shell
from analyzer.rules.reading import command_exchanges, counted, shell_of, shells_by_place
from analyzer.rules.telling import Evidence, Fact, Severity, Sign, Signs, Tell

TEXT = 0.7
"""The confidence of what rests on a text: it says what was asked for, not what came of it."""
_RANK = list(Severity)
_QUOTED = 3
_REFUSED = "refused"
_FIELDS = {
    "command line": "The command line",
    "script": "A line of the script",
    "decoded layer": "A line of the decoded script",
    "input": "A line of the input",
}


class Line(Fact, frozen=True):
    """A line that fits, its command, and the shell that it ran in."""

    sighting: Sighting
    command: Command
    shell: Shell

    @property
    def refused(self) -> bool:
        """The server answered the request with an error and did not run it."""
        return self.command.state == _REFUSED


def seen(rule: str) -> Callable[[Evidence], Signs[Line]]:
    """The signs of a rule: one for each line that fits one of its detections."""

    def see(evidence: Evidence) -> Signs[Line]:
        own = [one for one in evidence.sightings if one.rule == rule and one.packets]
        commands = evidence.index.once("commands by place", lambda: _by_place(evidence.commands)) if own else {}
        shells = shells_by_place(evidence) if own else {}
        for one in own:
            command = commands.get((one.server, one.shell, one.command, one.kind))
            shell = None if command is None else shell_of(shells, command)
            if command is not None and shell is not None:
                exchanges = command_exchanges(evidence, command, shell)
                yield Sign(Line(one, command, shell), exchanges, one.packets, shell.connections, command.user)

    return see


def _by_place(commands: Sequence[Command]) -> dict[tuple[str, str, str, str], Command]:
    return {(one.server, one.shell, one.id, one.kind): one for one in reversed(commands)}


def place(_: Evidence, sign: Sign[Line]) -> tuple[str, str]:
    """One finding for each client and server."""
    return sign.fact.shell.client, sign.fact.shell.server


def _worst_first(tell: Tell[Line]) -> list[Sign[Line]]:
    return sorted(tell.signs, key=lambda sign: (-_RANK.index(_weight(sign.fact)), sign.packets))


def _weight(line: Line) -> Severity:
    """What a line weighs: a command that the server refused is medium at most."""
    given = line.sighting.detection.severity
    return min(given, Severity.MEDIUM, key=_RANK.index) if line.refused else given


def severity(tell: Tell[Line]) -> Severity:
    """The worst of its lines."""
    return _weight(_worst_first(tell)[0].fact)


def attack(tell: Tell[Line]) -> tuple[str, ...]:
    """The techniques of its lines."""
    return tuple(dict.fromkeys(identity for sign in _worst_first(tell) for identity in sign.fact.sighting.detection.attack))


def means(tell: Tell[Line]) -> str:
    """What the worst line does."""
    return _worst_first(tell)[0].fact.sighting.detection.means


def why(tell: Tell[Line]) -> str:
    """Who asked for what where, with the lines themselves."""
    shell, order = tell.first.fact.shell, _worst_first(tell)
    who = f"{tell.users[0]} at {shell.client}" if len(tell.users) == 1 else shell.client
    commands = {(sign.fact.shell.id, sign.fact.command.id) for sign in tell.signs}
    said = [f"{who} sent {counted(len(commands), 'command')} of this kind to {shell.server}."]
    shown: dict[str, Sign[Line]] = {}
    for sign in order:
        shown.setdefault(sign.fact.sighting.detection.name, sign)
    said += [_quoted(tell, sign) for sign in list(shown.values())[:_QUOTED]]
    rest = len(tell.signs) - min(len(shown), _QUOTED)
    if rest:
        said.append(f"{counted(rest, 'more line')} {'fits' if rest == 1 else 'fit'}.")
    if any(sign.fact.refused for sign in order[:1]):
        said.append("The server refused the first of them and did not run it.")
    return " ".join(said)


def _quoted(tell: Tell[Line], sign: Sign[Line]) -> str:
    """A line with its packet, and what it does."""
    fact = sign.fact
    line = fact.sighting.line.replace("\u201d", '"').replace("\u201c", '"')
    it = "It" if fact.sighting.plain else "Without its escape characters, it"
    return (
        f"{_FIELDS[fact.sighting.field]} in {tell.packet(sign.packets[0])} is \u201c{line}\u201d (command {fact.command.id}). "
        f"{it} {fact.sighting.detection.means}."
    )


def destination(tell: Tell[Line]) -> str:
    """The server of the shell."""
    return tell.first.fact.shell.server
