"""Of many commands those with a word are found, each in its place, however the texts lie in blocks."""

import random

from analyzer.records.texts import blocks, saying
from analyzer.records.wsman import Command
from analyzer.sigma.sightings import sightings
from tests.unit.sigma.test_sightings import WORD


def command(text: str, decoded: str | None = None) -> Command:
    return Command("C", "S", "winrs", text, decoded, 0, 1, 0, "Done", (), None, 0, (7,))


def many(texts: dict[int, str], number: int = 2000) -> list[Command]:
    return [command(texts.get(place, f"echo {place}")) for place in range(number)]


def test_blocks_hold_each_text_once_in_order() -> None:
    commands = [*many({5: "x" * 100_000}), command("a", "b")]
    found = list(blocks(commands))
    assert sum(number for number, _ in found) == len(commands)
    assert "\n".join(whole for _, whole in found) == "\n".join([*(one.text for one in commands), "b"])
    assert list(blocks([])) == []


def test_a_word_is_found_in_any_place_and_case() -> None:
    places = {0: "do Seek", 255: "SEEK", 256: "seek it", 1999: "x seek"}
    commands = many(places)
    found = {id(one) for one in saying(commands, ("seek",))}
    assert all(id(commands[place]) in found for place in places)
    assert len(found) < len(commands), "most blocks have no such text"
    assert [id(one) for one in commands if id(one) in found] == [id(one) for one in saying(commands, ("seek",))], "in their order"
    assert list(saying([command("x", decoded="then seek")], ("seek",))) != []
    assert list(saying(many({}), ("seek",))) == []


def test_what_is_not_ascii_is_never_left_out() -> None:
    assert [one.text for one in saying([command("\u017feek")], ("seek",))] == ["\u017feek"]


def test_lines_are_seen_as_if_each_command_was_searched_alone() -> None:
    odd = ("do seek", "s^eek", "'se'+'ek'", "A" * 600 + " seek", "\u0130 seek", "nothing", "se`ek", 'se""ek')
    chance = random.Random(7)
    for _ in range(20):
        commands = many({chance.randrange(600): chance.choice(odd) for _ in range(3)}, 600)
        alone = [seen.line for one in commands for seen in sightings({"attack.x": (WORD,)}, [one]).sightings]
        assert [seen.line for seen in sightings({"attack.x": (WORD,)}, commands).sightings] == alone
