"""Operations become shells and commands, whichever connections they came over and whatever was lost."""

import base64
import pickle
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from analyzer.psrp.parts import Place
from analyzer.psrp.shells import Built, shells
from analyzer.records.wsman import Operation, Output, OutputRun, Outputs, StreamPiece, outputs_of
from tests.unit.psrp.test_fragments import PIPELINE as PIPELINE_ID
from tests.unit.psrp.test_fragments import fragments, message

SHELL, COMMAND = "0A", "0B"
POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
CMD = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
CREATE_PIPELINE, OUTPUT, STATE = 0x00021006, 0x00041004, 0x00041006
SCRIPT = '<Obj><MS><Obj N="PowerShell"><MS><Obj N="Cmds"><LST><Obj><MS><S N="Cmd">Get-Secret</S></MS></Obj></LST></Obj></MS></Obj></MS></Obj>'


def operation(number: int, name: str, *, shell: str = SHELL, uri: str = CMD, **rest: object) -> Operation:
    from_client = not name.endswith("Response")
    base = Operation(f"x{number}.{'q' if from_client else 's'}", f"x{number}", from_client, number * 1000, (number,), name, uri, shell)
    return Operation(**{**{field: getattr(base, field) for field in base.__struct_fields__}, **rest})


def built(operations: Sequence[Operation], connections: Sequence[str] = ("c1", "c2", "c3")) -> Built:
    places = {one.exchange: Place(connections[int(one.exchange[1:]) % len(connections)], "10.0.0.1", "10.0.0.9", "LAB\\alice", 0) for one in operations}
    return shells(operations, places.__getitem__)


def piece(data: bytes, name: str = "stdout", *, end: bool = False) -> StreamPiece:
    return StreamPiece(name, COMMAND, data, end)


def test_a_winrs_command() -> None:
    made = built(
        [
            operation(1, "Create", shell="", code_page=65001),
            operation(1, "CreateResponse"),
            operation(2, "Command", command="whoami", arguments=("/all",)),
            operation(2, "CommandResponse", command_id=COMMAND),
            operation(3, "ReceiveResponse", command_id=COMMAND, streams=(piece("ü".encode()[:1]),)),
            operation(4, "ReceiveResponse", command_id=COMMAND, streams=(piece("ü".encode()[1:], end=True), piece(b"no", "stderr")), state="Done", exit_code=3),
        ]
    )
    ((shell,), (command,)) = made
    assert (shell.kind, shell.user, shell.connections) == ("winrs", "LAB\\alice", ("c2", "c3", "c1"))
    assert (command.text, command.state, command.exit_code) == ("whoami /all", "Done", 3)
    assert [(output.stream, output.text, output.size) for output in command.outputs] == [("stdout", "", 1), ("stdout", "ü", 1), ("stderr", "no", 2)]


def _powershell(objects: Sequence[str], *, size: int = 40) -> list[Operation]:
    asked = base64.b64encode(b"".join(fragments(message(SCRIPT, kind=CREATE_PIPELINE), identity=1))).decode()
    found = [operation(1, "Command", uri=POWERSHELL, command="", command_id=COMMAND, arguments=(asked,))]
    pieces = [one for identity, text in enumerate(objects, 10) for one in fragments(message(text), identity=identity, size=size)]
    found += [operation(number, "ReceiveResponse", uri=POWERSHELL, streams=(piece(one),)) for number, one in enumerate(pieces, 2)]
    return found


def test_a_pipeline_over_several_connections_in_any_order() -> None:
    operations = _powershell(["<S>first</S>", "<S>second, which is longer than one fragment of forty bytes</S>"])
    for order in (operations, operations[::-1], operations[1::2] + operations[::2]):
        ((shell,), (command,)) = built(order)
        assert (shell.kind, command.id, command.text) == ("powershell", str(PIPELINE_ID).upper(), "Get-Secret")
        assert [output.text for output in command.outputs] == ["first", "second, which is longer than one fragment of forty bytes"]
        assert [output.position for output in command.outputs] == [1, 2]


def test_fragments_that_arrive_crossed_are_put_together() -> None:
    operations = _powershell(["<S>an object that is longer than one fragment of forty bytes</S>"])
    first, second, third, *rest = operations
    moved = [operation(3, "ReceiveResponse", uri=POWERSHELL, streams=second.streams), operation(2, "ReceiveResponse", uri=POWERSHELL, streams=third.streams)]
    (_, (command,)) = built([first, *moved, *rest])
    assert [(output.text, output.whole) for output in command.outputs] == [("an object that is longer than one fragment of forty bytes", True)]


def test_an_object_that_lacks_a_fragment_is_marked_and_stands_in_its_place() -> None:
    operations = _powershell(["<S>first</S>", "<S>" + "cut " * 30 + "</S>", "<S>third</S>"])
    (_, (command,)) = built(operations[:4] + operations[5:])
    assert [output.whole for output in command.outputs] == [True, False, True]
    assert [output.text for output in command.outputs][::2] == ["first", "third"]
    assert "cut" in command.outputs[1].text


def test_a_command_whose_beginning_is_not_in_the_capture() -> None:
    (_, (command,)) = built(_powershell(["<S>out</S>"])[1:])
    assert (command.text, [output.text for output in command.outputs]) == ("", ["out"])


def test_the_same_shell_id_on_two_servers_is_two_shells() -> None:
    operations = [operation(1, "Command", command="a", command_id=COMMAND), operation(2, "Command", command="b", command_id=COMMAND)]
    places = {f"x{number}": Place("c1", "10.0.0.1", f"10.0.0.{number}", None, 0) for number in (1, 2)}
    made = shells(operations, places.__getitem__)
    assert [command.text for command in made.commands] == ["a", "b"]


@given(
    st.lists(
        st.builds(
            operation,
            st.integers(1, 5),
            st.sampled_from(["Create", "CreateResponse", "Command", "CommandResponse", "Send", "ReceiveResponse", "Signal", "Delete", "Fault"]),
            shell=st.sampled_from([SHELL, "", "FF"]),
            uri=st.sampled_from([CMD, POWERSHELL, None]),
            command=st.one_of(st.none(), st.text(max_size=5)),
            arguments=st.lists(st.one_of(st.text(max_size=5), st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode())), max_size=2).map(tuple),
            command_id=st.sampled_from([None, COMMAND, str(uuid.UUID(int=1))]),
            streams=st.lists(st.builds(piece, st.binary(max_size=90), st.sampled_from(["stdin", "stdout", "pr", ""])), max_size=3).map(tuple),
            code_page=st.sampled_from([None, 437, 65001, 99999]),
            status=st.sampled_from([None, 200, 500]),
        ),
        max_size=10,
    )
)
def test_any_operations_are_read(operations: list[Operation]) -> None:
    made = built(operations)
    assert {command.shell for command in made.commands} <= {shell.id for shell in made.shells}
    for command in made.commands:
        assert [output.position for output in command.outputs] == list(range(1, len(command.outputs) + 1))


def test_outputs_are_what_their_runs_say() -> None:
    runs = [OutputRun("output", 1000, (1,), "oneübertwo", (3, 7, 10), (50, 52, 50)), OutputRun("error", 2000, (2,), "no", (2,), (9,), whole=False)]
    made = (
        Output("output", 1, 1000, (1,), "one", 50),
        Output("output", 2, 1000, (1,), "über", 52),
        Output("output", 3, 1000, (1,), "two", 50),
        Output("error", 4, 2000, (2,), "no", 9, whole=False, missing=None),
    )
    outputs: Sequence[Output] = Outputs(runs)
    assert (outputs == made, len(outputs), tuple(outputs)) == (True, 4, made)
    assert (outputs[0], outputs[-1], outputs[1:3]) == (made[0], made[3], made[1:3])
    assert outputs != made[:3]
    assert list(outputs_of(outputs, ("error",))) == list(outputs_of(made, ("error",))) == [made[3]]
    assert pickle.loads(pickle.dumps(outputs)) == outputs  # noqa: S301
    with pytest.raises(IndexError):
        outputs[4]


def test_strings_are_undone_where_they_need_it() -> None:
    texts = ["plain", "a &lt; b", "line_x000A_", "über", "_x0041", "_"]
    pieces = [fragments(message(f"<S>{text}</S>"), identity=number, size=9999)[0] for number, text in enumerate(texts)]
    (command,) = built([operation(1, "ReceiveResponse", uri=POWERSHELL, streams=(piece(b"".join(pieces)),))]).commands
    assert [output.text for output in command.outputs] == ["plain", "a < b", "line\n", "über", "_x0041", "_"]
    assert [output.size for output in command.outputs] == [40 + 3 + 7 + len(text.encode()) for text in texts]


def test_a_command_id_that_is_used_again_is_another_command() -> None:
    made = built(
        [
            operation(1, "Command", command="whoami", command_id=COMMAND),
            operation(2, "ReceiveResponse", command_id=COMMAND, streams=(piece(b"alice", end=True),), state="Done", exit_code=0),
            operation(3, "Command", command="nosuch", command_id=COMMAND),
            operation(4, "ReceiveResponse", command_id=COMMAND, streams=(piece(b"not found", "stderr"),), state="Done", exit_code=1),
        ]
    )
    first, second = made.commands
    assert (first.id, first.text, first.exit_code, first.first_ns, first.last_ns, first.packets) == (COMMAND, "whoami", 0, 1000, 2000, (1,))
    assert (second.id, second.text, second.exit_code, second.first_ns, second.last_ns, second.packets) == (f"{COMMAND}#2", "nosuch", 1, 3000, 4000, (3,))
    assert [[output.text for output in command.outputs] for command in made.commands] == [["alice"], ["not found"]]
    assert made.shells[0].commands == (COMMAND, f"{COMMAND}#2")


def test_an_answer_belongs_to_what_its_request_meant() -> None:
    """The first Receive is answered when the id means another command already."""
    late = replace(operation(2, "ReceiveResponse", command_id=COMMAND, streams=(piece(b"of the first"),)), ts_ns=9000)
    operations = [
        operation(1, "Command", command="first", command_id=COMMAND),
        operation(2, "Receive", command_id=COMMAND),
        late,
        operation(3, "Command", command="second", command_id=COMMAND),
    ]
    first, second = built(operations).commands
    assert ([output.text for output in first.outputs], list(second.outputs)) == (["of the first"], [])


def _pipelines(texts: Sequence[str], *, lost: int | None = None) -> list[Operation]:
    """One pipeline id for each of these commands, whose CREATE_PIPELINE travels in two pieces; fragments are numbered on."""
    found = []
    for number, text in enumerate(texts):
        asked = fragments(message(SCRIPT.replace("Get-Secret", text), kind=CREATE_PIPELINE), identity=2 * number + 1, size=100)
        begin, own = 10 * number + 1, str(PIPELINE_ID).upper()
        if number != lost:
            argument = base64.b64encode(asked[0]).decode()
            found.append(operation(begin, "Command", uri=POWERSHELL, command="", command_id=own, arguments=(argument,)))
        found.append(operation(begin, "CommandResponse", uri=POWERSHELL, command_id=own))
        found.append(operation(begin + 1, "Send", uri=POWERSHELL, command_id=own, streams=(StreamPiece("stdin", own, b"".join(asked[1:]), end=False),)))
        answer = fragments(message(f"<S>{text}!</S>"), identity=2 * number + 2, size=999)[0]
        answer += fragments(message('<Obj><MS><I32 N="PipelineState">4</I32></MS></Obj>', kind=STATE), identity=2 * number + 100, size=999)[0]
        found.append(operation(begin + 2, "ReceiveResponse", uri=POWERSHELL, command_id=own, streams=(StreamPiece("stdout", own, answer, end=False),)))
    return found


def test_each_use_of_a_pipeline_id_is_a_command() -> None:
    commands = built(_pipelines(["one", "two", "three"])).commands
    identity = str(PIPELINE_ID).upper()
    assert [command.id for command in commands] == [identity, f"{identity}#2", f"{identity}#3"]
    assert [command.text for command in commands] == ["one", "two", "three"]
    assert [[output.text for output in command.outputs] for command in commands] == [["one!"], ["two!"], ["three!"]]
    assert [(command.first_ns, command.last_ns, command.state, command.complete) for command in commands][1] == (11000, 13000, "Completed", True)
    assert [command.packets for command in commands] == [(1, 2), (11, 12), (21, 22)]


def test_a_use_whose_request_is_lost_is_one_all_the_same() -> None:
    commands = built(_pipelines(["one", "two", "three"], lost=1)).commands
    assert [(command.text, command.complete) for command in commands] == [("one", True), ("", False), ("three", True)]
    assert [[output.text for output in command.outputs if output.stream == "output"] for command in commands] == [["one!"], ["two!"], ["three!"]]
    assert commands[1].missing[0].what == "start"


def test_a_request_that_is_sent_once_more_is_no_second_command() -> None:
    operations = _pipelines(["one"])
    again = replace(operations[0], message="x9.q", exchange="x9", ts_ns=2500, packets=(9,))
    (command,) = built([*operations, again]).commands
    assert (command.text, [output.text for output in command.outputs]) == ("one", ["one!"])


def test_a_shell_id_that_is_used_again_is_another_shell() -> None:
    operations = [
        operation(1, "Create", shell=""),
        operation(1, "CreateResponse"),
        operation(2, "Command", command="a", command_id=COMMAND),
        operation(3, "Delete"),
        operation(4, "Create", shell=""),
        operation(4, "CreateResponse"),
        operation(5, "Command", command="b", command_id=COMMAND),
    ]
    made = built(operations)
    assert [(shell.id, shell.commands) for shell in made.shells] == [(SHELL, (COMMAND,)), (f"{SHELL}#2", (COMMAND,))]
    assert [(command.shell, command.id, command.text) for command in made.commands] == [(SHELL, COMMAND, "a"), (f"{SHELL}#2", COMMAND, "b")]


def test_what_lacks_bytes_says_so_and_what_no_signature_proves() -> None:
    holed = StreamPiece("stdout", COMMAND, b"left\0\0\0\0right", end=False, holes=((4, 4),))
    operations = [
        operation(1, "Command", command="type", arguments=("x",), command_id=COMMAND),
        operation(2, "ReceiveResponse", command_id=COMMAND, streams=(holed,), missing=6, unproved=True),
        operation(3, "Receive", command_id=COMMAND),
        operation(3, "LostResponse", lost=True, missing=None),
    ]
    (command,) = built(operations).commands
    (output,) = command.outputs
    assert (output.text, output.whole, output.missing, output.unproved) == ("left[4 bytes are not in the capture]right", False, 4, True)
    assert [(one.what, one.size, one.unproved) for one in command.missing] == [("output", 6, True), ("answer", None, False)]
    assert (command.complete, command.missing_bytes) == (False, None)


def test_what_asks_for_the_metadata_of_commands_is_a_command() -> None:
    text = '<Obj><MS><Obj N="Name"><LST><S>Get-Item</S><S>Out-*</S></LST></Obj></MS></Obj>'
    asked = base64.b64encode(fragments(message(text, kind=0x0002100A), size=999)[0]).decode()
    (command,) = built([operation(1, "Command", uri=POWERSHELL, command="", command_id=COMMAND, arguments=(asked,))]).commands
    assert (command.text, command.complete) == ("GET_COMMAND_METADATA Get-Item, Out-*", True)


def test_a_number_that_may_be_too_low_says_so() -> None:
    whole = _pipelines(["one", "two", "three"])
    assert all(command.number_sure for command in built(whole).commands)
    gap = Operation("c1.x1+.q", "c1.x1+", True, whole[0].ts_ns + 1, (), "between", shell_id=SHELL, missing=900, lost=True)  # noqa: FBT003
    found = shells([*whole, gap], {**{one.exchange: Place("c1", "a", "b", None, 0) for one in whole}, gap.exchange: Place("c1", "a", "b", None, 0)}.__getitem__)
    assert [command.number_sure for command in found.commands] == [True, False, False]
    once = [whole[0], replace(gap, ts_ns=0)]
    assert [command.number_sure for command in shells(once, {one.exchange: Place("c1", "a", "b", None, 0) for one in once}.__getitem__).commands] == [True]
