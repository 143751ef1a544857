"""Which file was read, and what became of it meanwhile: the bytes that were read are what is hashed, and a file that changed is an error of the case."""

import hashlib
import io
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import analyzer
from analyzer import api
from analyzer.capture.identity import Watch
from analyzer.cli import start
from analyzer.settings import Limits
from tests.build.edges import KEPT_AS
from tests.build.packets import CLIENT, Frame, Line, pcap

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
SAMPLE = SAMPLES / "direct-basic" / "capture.pcapng"
OTHER = SAMPLES / "direct-ntlm-healthy" / "capture.pcap"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    (tmp_path / "evidence").mkdir()
    return Path(shutil.copy(SAMPLE, tmp_path / "evidence" / "a.pcapng"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(64))


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    """By another file of equal size and time, as only its number tells."""
    told = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(told.st_size))
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.replace(path)


def overwrite(path: Path) -> None:
    """In its place."""
    size, told = path.stat().st_size, path.stat()
    with path.open("r+b") as file:
        file.write(bytes(size))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns + 1))


CHANGES = {grow: "grew from", shrink: "shrank from", replace: "another file has taken its place", overwrite: "written to", Path.unlink: "not there any more"}


def issues(case: analyzer.Case) -> list[tuple[str, str, str]]:
    return [(str(row["level"]), str(row["capture"]), str(row["detail"])) for row in case.listed("issues") if row["code"] == "capture.changed"]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("during", ["a.pcapng", "messages"], ids=["scan", "analysis"])
def test_a_file_that_changes_while_it_is_read_is_an_error_of_the_case(
    capture: Path, tmp_path: Path, change: Callable[[Path], None], during: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, done = capture.read_bytes(), list[str]()

    def progress(phase: str, _done: int, _total: int) -> None:
        if phase == during and not done:
            done.append(phase)
            change(capture)

    case = api.analyze(str(capture), progress=progress)
    assert done
    ((level, name, detail),) = issues(case)
    assert (level, name) == ("error", "a.pcapng")
    assert CHANGES[change] in detail
    assert any("capture.changed" in failure for failure in case.failures), "the result is partial"
    assert case.captures["sha256"][0] == digest(whole) or (during == "a.pcapng" and change in (grow, shrink, overwrite))
    case.save(tmp_path / "case")
    assert json.loads((tmp_path / "case" / "manifest.json").read_text(encoding="utf-8"))["inputs"][0]["changed"]
    assert start.run(["verify", str(tmp_path / "case")]) == 4
    assert "input " + str(capture) + ": changed while it was read" in capsys.readouterr().out


def test_a_file_that_does_not_change_is_no_error(capture: Path, tmp_path: Path) -> None:
    os.link(capture, tmp_path / "another name")  # changes what the system tells of it, but not the file
    case = api.analyze(str(capture), progress=lambda *_: None)
    assert issues(case) == []
    assert case.captures["sha256"][0] == digest(capture.read_bytes())
    case.save(tmp_path / "case")
    told = json.loads((tmp_path / "case" / "manifest.json").read_text(encoding="utf-8"))["inputs"][0]
    assert told["inode"] == capture.stat().st_ino
    assert told["modified"].startswith("20")
    assert "changed" not in told
    assert api.verify(tmp_path / "case") == ()


@pytest.mark.parametrize("name", KEPT_AS)
def test_the_hash_is_of_the_file_as_it_lies_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(KEPT_AS[name](frames()) + b"what follows is hashed, too" * (name == "pcap"))
    case = api.analyze(str(path))
    assert case.evidence.captures[0].sha256 == digest(path.read_bytes()), "taken while it was read"


def frames() -> list[Frame]:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\nContent-Length: 0\r\n\r\n")
    return line.frames


def test_halves_are_hashed_afterwards_and_only_as_long_as_nothing_changed(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    line = Line()
    line.handshake()
    for place in range(400):
        line.put(CLIENT, 10 * place, b"0123456789")
    data = pcap(line.frames)
    for change in (None, replace):
        capture.write_bytes(data)
        case = api.analyze(str(capture), limits=Limits(parallel_bytes=1))
        assert case.evidence.captures[0].sha256 is None, "two threads read it"
        if change is not None:
            change(capture)
        expected = digest(data) if change is None else None
        assert case.listed("captures")[0]["sha256"] == expected


@pytest.mark.parametrize("name", KEPT_AS)
def test_a_hash_that_nobody_asked_for_is_taken_when_somebody_does(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    for change in (None, grow, replace):
        path.write_bytes(KEPT_AS[name](frames()))
        data = path.read_bytes()
        case = api.analyze(str(path), hashes=False)
        assert case.evidence.captures[0].sha256 is None, "not while it was read"
        if change is not None:
            change(path)
        assert case.listed("captures")[0]["sha256"] == (digest(data) if change is None else None), "of the file that was read, or of none"


@pytest.mark.parametrize(("change", "why"), [(grow, "it grew from"), (replace, "another file has taken its place"), (Path.unlink, "it is not there any more")])
def test_a_file_that_changed_before_it_was_hashed_is_told_of(
    capture: Path, tmp_path: Path, change: Callable[[Path], None], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = api.analyze(str(capture), hashes=False)
    change(capture)
    case.save(tmp_path / "case")
    (told,) = json.loads((tmp_path / "case" / "manifest.json").read_text(encoding="utf-8"))["inputs"]
    assert told["sha256"] is None
    assert told["no_sha256"].startswith(why)
    assert told["no_sha256"].endswith(" after it was analyzed")
    assert start.run(["verify", str(tmp_path / "case")]) == 4
    assert f"input {capture}: has no SHA-256, so nothing tells whether it is what was read ({why}" in capsys.readouterr().out


def test_what_comes_through_a_pipe_is_hashed_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pcap(frames())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    case = api.analyze("-", hashes=False)
    assert case.listed("captures")[0]["sha256"] == digest(data), "it cannot be read again"


@pytest.mark.parametrize(("arguments", "taken"), [([], False), (["-f", "json"], True), (["-o", "case"], True)])
def test_the_screen_alone_needs_no_hash(capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], *, taken: bool) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(Watch, "only_later", lambda _: seen.append(True))
    monkeypatch.chdir(tmp_path)
    assert start.run([str(capture), *arguments]) == 0
    assert bool(seen) is not taken


def test_packets_are_not_taken_from_another_file(capture: Path, tmp_path: Path) -> None:
    case = api.analyze(str(capture))
    capture.write_bytes(OTHER.read_bytes())
    with pytest.raises(analyzer.AnalyzerError, match="changed since it was read"):
        case.slice(tmp_path / "x.pcapng")
    assert not (tmp_path / "x.pcapng").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("packing", ["pcap", "gzip"])
def test_a_named_pipe_is_read_once_and_hashed(tmp_path: Path, packing: str) -> None:
    pipe, data = tmp_path / "pipe", KEPT_AS[packing](frames())
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    case = api.analyze(str(pipe))
    writer.join()
    assert case.evidence.captures[0].packets == 4
    assert case.captures["sha256"][0] == digest(data)
    case.save(tmp_path / "case")
    assert api.verify(tmp_path / "case") == (), "a pipe leaves nothing to hash again"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes and sockets in folders")
def test_what_is_no_file_is_refused_or_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "a.pcap").write_bytes(pcap(frames()))
    (evidence / "loop").symlink_to(evidence / "loop")
    (evidence / "up").symlink_to(evidence)
    (evidence / "gone").symlink_to("nowhere")
    (tmp_path / "elsewhere").mkdir()
    (evidence / "aside").symlink_to(tmp_path / "elsewhere")
    with socket.socket(socket.AF_UNIX) as made:
        where = Path.cwd()
        os.chdir(evidence)  # the name of a socket has a hundred characters at most
        try:
            made.bind("sock")
        finally:
            os.chdir(where)
    os.mkfifo(evidence / "pipe")
    case = api.analyze(str(evidence))
    told = {issue.detail.removeprefix(f"{evidence}: ") for issue in case.evidence.issues if issue.code == "capture.passed-over"}
    assert told == {
        "loop is a link that leads back to itself",
        "up is a link to a folder that it lies in",
        "gone is a link that leads nowhere",
        "aside is a link to a folder, which is not followed",
        "sock is a socket",
        "pipe is a named pipe",
    }
    for path, what in ((evidence / "sock", "socket"), (Path(os.devnull), "device")):
        assert start.run(["analyze", str(path)]) == 2
        assert f"is a {what}" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read by root")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(frames()))
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "b.pcap").touch(mode=0)
    told = [issue.detail for issue in api.analyze(str(tmp_path)).evidence.issues]
    assert any("closed is a folder that cannot be listed (permission denied)" in one for one in told)
    assert any("b.pcap is a file that cannot be opened (permission denied)" in one for one in told)


def test_what_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, for a system on which the tests may read everything."""
    (tmp_path / "a.pcap").write_bytes(pcap(frames()))
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path: str | Path = ".") -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told = [issue.detail for issue in api.analyze(str(tmp_path)).evidence.issues if issue.code == "capture.passed-over"]
    assert told == [f"{tmp_path}: closed is a folder that cannot be listed (permission denied)"]
