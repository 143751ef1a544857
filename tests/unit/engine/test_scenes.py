"""What one sender chooses neither hides a command, nor puts a decoy in its place, nor names somebody who was not there; the harmless twin has no issue."""

from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.api import Case
from tests.build.packets import Frame, pcap
from tests.build.scenes import REAL, SCENES, Play

_ALSO_OF_THE_TWIN = frozenset({"tcp.translated"})


def _case(play: Play, folder: Path) -> Case:
    frames: list[Frame] = []
    play(frames)
    (folder / "scene.pcap").write_bytes(pcap(frames))
    return analyze(folder / "scene.pcap")


@pytest.mark.parametrize("name", SCENES)
def test_the_scene(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]
    case = _case(scene.play, tmp_path)
    assert tuple(case.commands["text"]) == scene.shows
    assert scene.says is None or scene.says in set(case.issues["code"])
    assert all(line in case.transcript() for text in scene.shows for line in text.splitlines())
    if scene.users is not None:
        assert [row["user"] for row in case.listed("commands")] == list(scene.users)
    assert "no capture problems" not in case.overview() or scene.says is None


@pytest.mark.parametrize("name", SCENES)
def test_its_harmless_twin(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]
    case = _case(scene.twin, tmp_path)
    assert tuple(case.commands["text"]) == (scene.twin_shows or scene.shows)
    assert set(case.issues["code"]) <= _ALSO_OF_THE_TWIN


def test_a_server_that_sends_output_ran_the_command(tmp_path: Path) -> None:
    scene = SCENES["refused, but with output"]
    states = []
    for number, play in enumerate((scene.play, scene.twin)):
        (tmp_path / str(number)).mkdir()
        states.append([row["state"] for row in _case(play, tmp_path / str(number)).listed("commands")])
    assert states == [[None], ["refused"]]


@pytest.mark.parametrize("name", ["a path with a URI in it", "two lengths"])
def test_no_proxy_is_invented(name: str, tmp_path: Path) -> None:
    found = list(_case(SCENES[name].play, tmp_path).findings["rule"])
    assert not [rule for rule in found if "proxy" in rule or rule == "capture.one-leg"]
    assert REAL
