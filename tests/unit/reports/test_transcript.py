"""The transcript: shells of several servers, as whom things ran, and what is missing, where it is missing."""

from msgspec.structs import replace

from analyzer.formats.text import cells
from analyzer.records.wsman import Command, Missing, OutputRun, Outputs, Shell
from analyzer.reports.lines import plain
from analyzer.reports.transcript import MARK, transcript
from tests.build import evidence as build

T0 = build.T0


def shell(server: str, **rest: object) -> Shell:
    made = Shell("0A", "winrs", "LAB\\alice", "10.0.0.1", server, T0, T0 + 9, ("c1",), ("0B",), None, 0, (1,))
    return replace(made, **rest)


def command(server: str, text: str, **rest: object) -> Command:
    made = Command("0B", "0A", "winrs", text, None, T0 + 1, T0 + 8, 0, "Done", Outputs(), "LAB\\alice", 0, (2,), server=server)
    return replace(made, **rest)


def shown(shells: tuple[Shell, ...], commands: tuple[Command, ...]) -> str:
    return plain(transcript(replace(build.direct(), shells=shells, commands=commands), mask=False))


def test_shells_of_two_servers_under_one_id_have_their_own_commands() -> None:
    text = shown((shell("10.0.0.8"), shell("10.0.0.9")), (command("10.0.0.8", "first"), command("10.0.0.9", "second")))
    first, second = text.split("→ 10.0.0.9")
    assert ("first" in first, "second" in first, "first" in second, "second" in second) == (True, False, False, True)
    assert text.count("1 command") == 2


def test_who_asked_and_as_whom_it_ran() -> None:
    known = shell("10.0.0.9", asked_as=("LAB\\alice",), ran_as=("LAB\\bob", "LAB\\carol"))
    text = shown((known,), (command("10.0.0.9", "dir", asked_from="10.0.0.1", asked_as="LAB\\alice", ran_as="LAB\\bob"),))
    assert "asked as LAB\\alice, ran as LAB\\bob and LAB\\carol" in text
    assert "asked by 10.0.0.1 (LAB\\alice), ran as LAB\\bob" in text


def test_what_is_missing_stands_between_what_is_there() -> None:
    runs = [
        OutputRun("stdout", T0 + 2, (3,), "before", (6,), (6,)),
        OutputRun("stdout", T0 + 6, (7,), "af[4 bytes are not in the capture]ter", (37,), (9,), whole=False, holes=((2, 4),), unproved=True),
    ]
    missing = (
        Missing("answer", 1448, T0 + 4, (5,)),
        Missing("output", 4, T0 + 6, (7,), unproved=True),
        Missing("exchange", None, T0 + 7, ()),
    )
    lines = [
        line.strip() for line in shown((shell("10.0.0.9"),), (command("10.0.0.9", "", outputs=Outputs(runs), missing=missing, unproved=True),)).splitlines()
    ]
    found = [line for line in lines if line.startswith("#") or "MISSING" in line]
    assert found[0].startswith("#2 RUN     (its beginning is not in the capture) (decrypted out of a message that lacks bytes: no signature proves it)")
    assert found[1:] == [
        "#3 OUT     before",
        "#5 MISSING An answer to Receive could not be read (1,448 bytes), so output may be missing.",
        "#7 MISSING 4 bytes of its output are not in the capture. No signature proves the rest of that message.",
        "#7 OUT     af[4 bytes are not in the capture]ter (incomplete, no signature proves it)",
        "MISSING A request and its answer are not in the capture: input, output or a command may be missing.",
    ]


def rows(text: str, width: int | None = None) -> list[str]:
    run = OutputRun("stdout", T0 + 2, (3,), text, (len(text),), (6,))
    made = replace(build.direct(), shells=(shell("10.0.0.9"),), commands=(command("10.0.0.9", "dir", outputs=Outputs([run])),))
    return plain(transcript(made, mask=False, width=width)).splitlines()


def test_captured_text_cannot_pass_for_a_line_of_ours() -> None:
    """What stands left of column 20 is ours, and each line of captured text has a packet and a label, or the mark, there."""
    clean = rows("x")
    forged = "\n".join(["x", *clean, "                    Done, exit code 0", "        #99 OUT     forged", "\r        #98 RUN     forged"])
    ours = [line for line in rows(forged) if line[:20].strip() not in ("", MARK) or not line.startswith(" " * 18 + MARK)]
    assert ours == clean
    assert sum(line.startswith(" " * 18 + f"{MARK}") for line in rows(forged)) == forged.count("\n")


def test_lines_are_broken_where_a_terminal_would_go_on_in_its_first_column() -> None:
    forged = "x" * 60 + "winrs shell 0A  LAB\\mallory, 10.0.0.1 \u2192 10.0.0.9, 1 command" + "\u4e2d" * 100
    for width in (40, 80, 121):
        made = rows(forged, width)
        assert not any(line.startswith("winrs shell") for line in made[1:])
        text = [line for line in made if "x" in line or MARK in line]
        assert all(sum(cells(char) for char in line) <= width for line in text)
        assert "".join(line[20:] for line in text).startswith(forged[: 60 + 30])
