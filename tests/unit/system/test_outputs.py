"""The one way to write: whole or not at all, for the owner alone, never through a link, never over what is no file."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.errors import OutputError
from analyzer.system import outputs

POSIX = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes are POSIX's")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@POSIX
def test_a_file_is_for_its_owner_alone_unless_it_holds_no_evidence(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        outputs.write_file(tmp_path / "a", [b"1", b"2"])
        outputs.write_file(tmp_path / "b", [b"1"], shared=True)
        outputs.write_files(tmp_path / "deep" / "folder", {"c": [b"3"]})
        with outputs.made_elsewhere(tmp_path / "d") as made:
            made.write_bytes(b"4")
        outputs.added_to(tmp_path / "log", "# first\n").close()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o600, "b": 0o644, "deep": 0o700, "folder": 0o700, "c": 0o600, "d": 0o600, "log": 0o600}
    assert (tmp_path / "a").read_bytes() == b"12"
    assert (tmp_path / "d").read_bytes() == b"4"


def test_what_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="--clobber"):
        outputs.write_file(path, [b"new"])
    with pytest.raises(OutputError, match="--clobber"):
        outputs.write_files(tmp_path, {"a": [b"new"]})
    with pytest.raises(OutputError, match="--clobber"), outputs.made_elsewhere(path):
        pytest.fail("nothing is made")
    assert path.read_bytes() == b"old"
    outputs.write_file(path, [b"new"], replace=True)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == {"a"}


def test_what_came_there_meanwhile_stays(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"new"
        (tmp_path / "a").write_bytes(b"of another program")

    with pytest.raises(OutputError, match="exists"):
        outputs.write_file(tmp_path / "a", pieces())
    assert (tmp_path / "a").read_bytes() == b"of another program"
    assert names(tmp_path) == {"a"}


def test_the_old_one_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        assert path.read_bytes() == b"old"
        msg = "the reading failed"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="reading"):
        outputs.write_file(path, pieces(), replace=True)
    with pytest.raises(ValueError, match="reading"), outputs.made_elsewhere(path, replace=True) as made:
        made.write_bytes(b"".join(pieces()))
    with pytest.raises(ValueError, match="reading"):
        outputs.write_files(tmp_path / "folder", {"x": [b"1"], "y": pieces()})
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


@POSIX
@pytest.mark.parametrize("what", ["link", "dangling link", "named pipe", "socket", "device", "folder"])
def test_what_is_no_file_is_no_place_for_one(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target, path = tmp_path / "target", tmp_path / "out"
    target.write_bytes(b"precious")
    if what == "named pipe":
        os.mkfifo(path)
    elif what == "socket":
        socket.socket(socket.AF_UNIX).bind("out")
    elif what == "folder":
        path.mkdir()
    elif what == "device":
        path = Path(os.devnull)
    else:
        path.symlink_to(target if what == "link" else tmp_path / "nowhere")
    word = what.rpartition(" ")[2]
    with pytest.raises(OutputError, match=word):
        outputs.write_file(path, [b"new"], replace=True)
    with pytest.raises(OutputError, match=word), outputs.made_elsewhere(path, replace=True):
        pytest.fail("nothing is made")
    with pytest.raises(OutputError, match=word):
        outputs.added_to(path, "# first\n")
    assert target.read_bytes() == b"precious"
    assert not (tmp_path / "nowhere").exists()
    assert names(tmp_path) <= {"target", "out"}


@POSIX
def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can guess the name still gets nothing."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / f"{outputs.WRITING}{'0' * 16}").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError):
        outputs.write_file(tmp_path / "a", [b"new"])
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "a").exists()


def test_names_are_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = list[str](), os.open

    def opened(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            made.append(Path(path).name)
            assert flags & os.O_EXCL
            assert flags & getattr(os, "O_NOFOLLOW", 0) == getattr(os, "O_NOFOLLOW", 0)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", opened)
    for name in "abc":
        outputs.write_file(tmp_path / name, [b""])
    assert len(set(made)) == 3
    assert all(name.startswith(".winrm-analyzer-") and len(name) > 30 for name in made)


def test_a_log_is_added_to_and_nothing_else_is(tmp_path: Path) -> None:
    for text in ("one\n", "two\n"):
        with outputs.added_to(tmp_path / "log", "# first\n") as file:
            file.write(text)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "# first\none\ntwo\n"
    (tmp_path / "other").write_text("evidence", encoding="utf-8")
    with pytest.raises(OutputError, match="no log"):
        outputs.added_to(tmp_path / "other", "# first\n")
    assert (tmp_path / "other").read_text(encoding="utf-8") == "evidence"


def test_errors_are_told_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*a: No such file or directory"):
        outputs.write_file(tmp_path / "nowhere" / "a", [b""])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot make the folder"):
        outputs.write_files(tmp_path / "file" / "sub" / "folder", {})


def test_where_links_cannot_be_made_a_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    outputs.write_file(tmp_path / "a", [b"1"])
    assert (tmp_path / "a").read_bytes() == b"1"
    assert names(tmp_path) == {"a"}
