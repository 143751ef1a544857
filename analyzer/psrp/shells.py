"""Shells and commands out of operations, in order of time, whichever connections they came over.

A request and its response share an exchange, and tell the other what it lacks: the response of Create names the shell, the request of Receive names the shell
whose streams the response carries. WinRS streams are decoded with the shell's code page; PowerShell streams are put together to messages (MS-PSRP).

Ids are used again: a shell's after Delete, a pipeline's with each step of Copy-Item -ToSession. So an id stands for what last began under it, a new beginning
is a new shell or command, and an answer belongs to what the id stood for when its request was made.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple, TypeVar

from analyzer.formats.holes import Holed, bytes_of, joined
from analyzer.psrp import clixml, errors, session
from analyzer.psrp.commands import Building, finished
from analyzer.psrp.fragments import Found, PsMessage, Strings, begins
from analyzer.psrp.parts import OpenShell as _Shell
from analyzer.psrp.parts import Pair as _Pair
from analyzer.psrp.parts import Place, in_order
from analyzer.psrp.streams import BEGINNINGS, is_shown, readable, shown
from analyzer.records.sessions import ShellEvent, ShellFact
from analyzer.records.wsman import BETWEEN, Command, Missing, Operation, OutputRun, Shell

_POWERSHELL = "/powershell/"
_INPUTS = ("stdin", "pr")
_REFUSED = 400
_Timed = TypeVar("_Timed", ShellFact, ShellEvent)
_WHEN = attrgetter("ts_ns")
_WHOLE = ("exchange", "request")
"""What is missing where a whole use of a command's id may be."""
_NESTED = '<B N="IsNested">true</B>'


class Built(NamedTuple):
    """Shells in order of first sight, and all commands in order of shell and time."""

    shells: tuple[Shell, ...]
    commands: tuple[Command, ...]


def shells(operations: Iterable[Operation], place: Callable[[str], Place], object_bytes: int = 64 << 20, listings: Iterable[Operation] = ()) -> Built:
    """``operations`` of one or more clients, each message once, those of an exchange one after the other; ``place`` by exchange id; ``object_bytes``: how much
    is kept of one object; ``listings``: what servers say of shells in answer to Get, Enumerate and Pull."""
    known: dict[tuple[str, str], list[_Shell]] = {}
    for operation, pair in in_order(operations, place):
        _operation(_shell_of(known, pair, operation, object_bytes), pair, operation)
    earliest: dict[tuple[str, str], list[int]] = {}
    for listing in listings:
        _listed(known, earliest, listing, place(listing.exchange))
    made = [(shell, number) for uses in known.values() for number, shell in enumerate(uses, 1)]
    made.sort(key=_begun)
    found: list[Shell] = []
    commands: list[Command] = []
    for shell, number in made:
        _flush(shell, None)
        name = _name(shell.id, number)
        own = tuple(_commands(shell, name)) if shell.commands else ()
        found.append(_shell(shell, name, tuple([command.id for command in own])))
        commands += own
    return Built(tuple(found), tuple(commands))


def _begun(use: tuple[_Shell, int]) -> tuple[int, str]:
    return use[0].first_ns, use[0].id


def _name(identity: str, number: int) -> str:
    return identity if number == 1 else f"{identity}#{number}"


def _shell_of(known: dict[tuple[str, str], list[_Shell]], pair: _Pair, operation: Operation, limit: int) -> _Shell:
    """The shell that the pair's id stands for. A Create is a new one where the id has been used for one."""
    if pair.shell is not None:
        return pair.shell
    uses = known.setdefault((pair.place.server, pair.shell_id), [])
    if pair.asked is not None and not pair.asked.lost:
        creates = pair.asked.name == "Create" and not _refused(pair)
    else:
        creates = pair.answered is not None and pair.answered.name == "CreateResponse"
    if not uses or (creates and (uses[-1].created or uses[-1].commands)):
        uses.append(_Shell(pair.shell_id, pair.place, operation.ts_ns, operation.ts_ns, operation.packets[:1], limit))
    shell = pair.shell = uses[-1]
    shell.anonymous = shell.anonymous or (creates and not shell.created and pair.place.anonymous and not shell.users)
    shell.created = shell.created or creates
    shell.connections.setdefault(pair.place.connection)
    if operation.exchanges:
        shell.exchanges.update(dict.fromkeys(operation.exchanges))
    else:
        shell.exchanges[operation.exchange] = None
    if pair.place.user:
        shell.users.setdefault(pair.place.user)
    return shell


def _refused(pair: _Pair) -> bool:
    """The server answered with an error."""
    asked, answered = pair.asked, pair.answered
    if answered is not None and not answered.lost:
        return answered.name == "Fault"
    return asked is not None and (asked.status or 0) >= _REFUSED


def _listed(known: Mapping[tuple[str, str], Sequence[_Shell]], earliest: dict[tuple[str, str], list[int]], listing: Operation, place: Place) -> None:
    """What a server says of a shell: of the last one that had begun under the id by then. ``earliest``: of each use of an id, when the first of it and those
    after it began, made here."""
    for identity, properties in listing.said:
        key = (place.server, identity or "")
        uses = known.get(key)
        if not uses:
            continue
        if key not in earliest:
            earliest[key] = [*accumulate((shell.first_ns for shell in reversed(uses)), min)][::-1]
        begun = bisect_right(earliest[key], listing.ts_ns) - 1
        uses[max(begun, 0)].history.told(properties, listing, by_client=False)


def _operation(shell: _Shell, pair: _Pair, operation: Operation) -> None:
    shell.last_ns = max(shell.last_ns, operation.ts_ns)
    shell.resource_uri = shell.resource_uri or operation.resource_uri
    shell.code_page = shell.code_page if operation.code_page is None else operation.code_page
    if shell.kind != "powershell":
        by_answers = shell.resource_uri is None and not operation.from_client and any(begins(piece.data) for piece in operation.streams)
        if operation.creation or by_answers or (operation.resource_uri and _POWERSHELL in operation.resource_uri.lower()):
            shell.kind = "powershell"
    if operation.lost:
        if pair.command is None and pair.command_id is not None:
            pair.command = _current(shell, pair.command_id, operation)
        _lacks(shell, pair, operation)
        return
    for _, properties in operation.said:
        shell.history.told(properties, operation, by_client=operation.from_client)
    if operation.from_client:
        shell.history.asked(operation, pair.answered, pair.place.client)
    if operation.from_client and operation.name == "Command":
        if _sent_again(shell, pair, operation):
            return
        _begins(shell, pair, operation)
    elif operation.name == "CommandResponse" and pair.asked is None and pair.command_id is not None:
        _begun_unseen(shell, pair, operation)
    elif pair.command is None and pair.command_id is not None:
        pair.command = _current(shell, pair.command_id, operation)
    (_powershell if shell.kind == "powershell" else _winrs)(shell, pair, operation)
    _lacks(shell, pair, operation)


def _sent_again(shell: _Shell, pair: _Pair, operation: Operation) -> bool:
    """The request that began the command of this id, once more to the byte: the numbers of PSRP's objects are never used twice in a shell."""
    if shell.kind != "powershell" or not operation.arguments:
        return False
    command = shell.current.get(pair.command_id or "")
    if command is None or command.arguments != operation.arguments:
        return False
    pair.command = command
    return True


def _begins(shell: _Shell, pair: _Pair, operation: Operation) -> None:
    """A request to run a command: another one where the id was used for one."""
    identity = pair.command_id or operation.exchange
    command = shell.current.get(identity)
    if command is not None and command.used:
        _flush(shell, identity)
        command = None
    if command is None:
        command = _new(shell, identity, operation)
    pair.command = command
    command.begin(operation, pair.place.user)
    if _refused(pair):
        command.state = "refused"
        shell.nameless.pop(id(command), None)


def _begun_unseen(shell: _Shell, pair: _Pair, operation: Operation) -> None:
    """The answer to a request to run a command that is not in the capture: another use of the id, without a text."""
    command = shell.current.get(pair.command_id or "")
    if command is not None and command.used:
        _flush(shell, command.id)
        command = None
    pair.command = command or _new(shell, pair.command_id or "", operation)
    pair.command.begun = True


def _current(shell: _Shell, identity: str, operation: Operation) -> Building | None:
    """The command that an id stands for now. The one command that was asked for and whose id is not in the capture gets an id that nothing has named before, or
    one that this shell uses again and again."""
    known = shell.current.get(identity)
    own = next(iter(shell.nameless.values())) if len(shell.nameless) == 1 else None
    if own is None or own is known or operation.name == "Command" or own.first_ns > operation.ts_ns:
        return known
    again = shell.kind == "powershell" and known is not None and known.first_ns < own.first_ns and shell.uses.get(identity, 0) > 1
    if known is not None and not again:
        return known
    if known is None and shell.kind == "powershell" and not operation.from_client:
        return None
    _called(shell, own, identity)
    return own


def _called(shell: _Shell, command: Building, identity: str) -> None:
    """The command is known by another id from now on."""
    shell.uses[command.id] = shell.uses.get(command.id, 0) - 1
    shell.uses[identity] = shell.uses.get(identity, 0) + 1
    command.id = identity
    shell.current[identity] = command
    shell.nameless.pop(id(command), None)


def _new(shell: _Shell, identity: str, operation: Operation) -> Building:
    command = shell.current[identity] = Building(identity, operation.ts_ns, operation.ts_ns, operation.packets[:1])
    shell.commands.append(command)
    shell.uses[identity] = shell.uses.get(identity, 0) + 1
    if identity == operation.exchange:
        shell.nameless[id(command)] = command
    return command


def _command(shell: _Shell, pair: _Pair | None, identity: str, operation: Operation) -> Building:
    """The command that an id stands for: what the pair's request meant by it, else what last began under it."""
    command = pair.command if pair is not None and pair.command is not None and pair.command.id == identity else _current(shell, identity, operation)
    if command is None:
        command = _new(shell, identity, operation)
    command.seen(operation)
    return command


def _winrs(shell: _Shell, pair: _Pair, operation: Operation) -> None:
    identity = pair.command_id or (operation.exchange if operation.name == "Command" else None)
    if operation.name == "Command" and operation.command is not None and identity is not None:
        _command(shell, pair, identity, operation).text = " ".join([operation.command, *operation.arguments])
    for piece in operation.streams:
        owner = piece.command_id or pair.command_id
        if owner is not None:
            _command(shell, pair, owner, operation).decoded(piece.name, Holed(piece.data, piece.holes), shell.code_page, operation, last=piece.end)
    if pair.command_id is not None and (operation.state or operation.exit_code is not None or operation.signal):
        command = _command(shell, pair, pair.command_id, operation)
        command.state = operation.state or command.state
        command.exit_code = command.exit_code if operation.exit_code is None else operation.exit_code


def _powershell(shell: _Shell, pair: _Pair, operation: Operation) -> None:
    reader = shell.reader(from_client=operation.from_client)
    for owner, data in _pieces(pair, operation):
        for found in reader.messages(data, operation, owner):
            _message(shell, pair, found)


def _pieces(pair: _Pair, operation: Operation) -> Iterator[tuple[str | None, Holed | bytes]]:
    """What an operation carries of PSRP, by the command that it names."""
    if operation.creation or (operation.from_client and operation.arguments):
        found = joined((Holed(operation.creation), *(bytes_of("".join(argument.split())) for argument in operation.arguments)))
        yield pair.command_id, found if found.holes else found.data
    for piece in operation.streams:
        if not operation.from_client or piece.name in _INPUTS:
            yield piece.command_id or pair.command_id, Holed(piece.data, piece.holes) if piece.holes else piece.data


def _message(shell: _Shell, pair: _Pair | None, found: Found[Operation]) -> None:
    message, operation = found.message, found.places[-1]
    if isinstance(message, Strings):
        text, ends = clixml.strings(message.texts, message.ends)
        run = OutputRun("output", operation.ts_ns, operation.packets, text, ends, message.sizes, unproved=operation.unproved, types="System.String")
        _command(shell, pair, message.pipeline, operation).put_out(run)
    elif message.pipeline is not None:
        _pipeline_message(shell, pair, message, found.places)
    else:
        shell.history.pool(message, found.places, shell.place.client if pair is None else pair.place.client)


def _flush(shell: _Shell, owner: str | None) -> None:
    """What can get no more fragments: of a command whose id is used again, or (None) of all at the end of the capture."""
    for reader in (shell.sent, shell.received):
        for found in () if reader is None else list(reader.unfinished(owner)):
            if isinstance(found.message, PsMessage) and found.message.kind != "malformed":
                _message(shell, None, found)


def _pipeline_message(shell: _Shell, pair: _Pair | None, message: PsMessage, places: Sequence[Operation]) -> None:
    operation = places[-1]
    kind, text = message.kind, message.text
    if kind in BEGINNINGS and not places[0].from_client:
        what = f"messages {kind} of the server, which only clients send, were taken for no command"
        shell.history.strange[what] = shell.history.strange.get(what, 0) + 1
        return
    if kind in BEGINNINGS:
        command = _beginning(shell, pair, message.pipeline or "", places[0])
        command.begun = True
        command.text = BEGINNINGS[kind](text) or text
        command.nested = _NESTED in text
        command.first_ns = min(command.first_ns, places[0].ts_ns)
        command.packets = tuple(sorted({key for place in places for key in place.packets}))
        command.unproved = any(place.unproved for place in places)
        command.exchanges = command.exchanges or places[0].exchanges or (places[0].exchange,)
        command.seen(operation)
        return
    if kind == "headless" and not readable(text):
        return
    command = _command(shell, pair, message.pipeline or "", operation)
    if is_shown(message):
        own = shown(message)
        unproved = any(place.unproved for place in places)
        command.add(own.stream, own.text, message.size, operation, unproved=unproved, types=own.types, json=shell.history.kept(own.json))
        if kind == "INFORMATION_RECORD" and (process := session.process_id(message)):
            shell.history.told([("RecordProcessId", process)], operation, by_client=False)
    elif kind == "PIPELINE_STATE":
        state, failure = clixml.state(text)
        command.state = state or command.state
        if failure:
            command.add("error", failure, message.size, operation, json=shell.history.kept(errors.of_state(text)))


def _beginning(shell: _Shell, pair: _Pair | None, identity: str, operation: Operation) -> Building:
    """The command that a message which begins a pipeline belongs to. One that has its text already is another use of the id."""
    own = None if pair is None else pair.command
    if own is not None and own.begun and not own.text and own.id != identity:  # a client that gave the command another id than the pipeline
        _called(shell, own, identity)
    command = _command(shell, pair, identity, operation)
    return _new(shell, identity, operation) if command.text else command


def _lacks(shell: _Shell, pair: _Pair, operation: Operation) -> None:
    """What the capture has not of this message, said of the command that it belongs to, else of the shell."""
    if operation.missing == 0 and not operation.lost:
        return
    if operation.lost:
        what = "exchange" if operation.name == BETWEEN else "request" if operation.from_client else "answer"
    elif operation.from_client:
        what = "command" if operation.name == "Command" else "input"
    else:
        what = "output"
    command = pair.command or (shell.current.get(pair.command_id) if pair.command_id else None)
    if command is not None:
        command.lacks(what, operation.missing, operation)
    else:
        shell.missing.append(Missing(what, operation.missing, operation.ts_ns, operation.packets, operation.unproved))


def _shell(shell: _Shell, name: str, commands: tuple[str, ...]) -> Shell:
    kind, history = shell.kind, shell.history
    if kind == "winrs" and shell.resource_uri and not shell.resource_uri.rstrip("/").lower().endswith("/cmd"):
        kind = "cim" if "/wmi" in shell.resource_uri.lower() else kind
    return Shell(
        id=name,
        kind=kind,
        user=_owner(shell),
        client=shell.place.client,
        server=shell.place.server,
        first_ns=shell.first_ns,
        last_ns=shell.last_ns,
        connections=tuple(shell.connections),
        commands=commands,
        resource_uri=shell.resource_uri,
        capture=shell.place.capture,
        packets=shell.packets,
        exchanges=tuple(shell.exchanges),
        missing=tuple(shell.missing),
        cut=sum([reader.cut for reader in (shell.sent, shell.received) if reader is not None]),
        facts=_in_time(history.facts),
        events=_in_time(history.events),
        unparsed=history.unparsed,
        untold=history.untold,
        strange=tuple([f"{what} ({count})" for what, count in history.strange.items()]) if history.strange else (),
    )


def _in_time(found: Sequence[_Timed]) -> tuple[_Timed, ...]:
    return tuple(found) if len(found) < 2 else tuple(sorted(found, key=_WHEN))


def _owner(shell: _Shell) -> str | None:
    return None if shell.anonymous else next(iter(shell.users), None)


def _commands(shell: _Shell, name: str) -> Iterator[Command]:
    """In the order in which they began."""
    numbers: dict[str, int] = {}
    lost = min((one.ts_ns for one in shell.missing if one.what in _WHOLE), default=None)
    user = _owner(shell)
    for building in sorted(shell.commands, key=attrgetter("first_ns")):
        number = numbers[building.id] = numbers.get(building.id, 0) + 1
        sure = number == 1 or lost is None or lost > building.first_ns
        yield finished(building, number, name, shell.kind, shell.place.server, shell.place.capture, user, sure=sure)
        if building.missing:
            lost = min((*(() if lost is None else (lost,)), *(one.ts_ns for one in building.missing if one.what in _WHOLE)), default=None)
