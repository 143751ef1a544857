"""What people name: files, folders, archives; captures in them are read, and what else lies there is told."""

import io
import random
import zipfile
from pathlib import Path

import pytest

from analyzer import api
from analyzer.capture.open import on_disk, opened
from analyzer.engine.inputs import Expanded, expanded
from analyzer.errors import InputError
from analyzer.settings import Limits
from tests.build.edges import KEPT_AS
from tests.build.packets import CLIENT, Frame, Line, pcap
from tests.build.traces import WINRM, event, pktmon_trace, trace


def frames() -> list[Frame]:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\nContent-Length: 0\r\n\r\n")
    return line.frames


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


def look(*given: Path, limits: Limits | None = None) -> tuple[list[str], list[str]]:
    """The names of the inputs, and what is told of the others."""
    found: Expanded = expanded([str(one) for one in given], limits or Limits())
    return [one.name for one in found.inputs], [issue.detail for issue in found.others]


def test_a_folder_with_one_of_each_is_told_whole(tmp_path: Path) -> None:
    for place, (_, made) in enumerate(KEPT_AS.items()):
        (tmp_path / f"{place:02}").write_bytes(made(frames()))
    archive(tmp_path / "evidence.zip", {"server/a.pcap": pcap(frames()), "notes.txt": b"hello\n"})
    archive(tmp_path / "report.docx", {"[Content_Types].xml": b"<x/>"})
    (tmp_path / "none.etl").write_bytes(trace([(0, event(WINRM, 1, b"", 7))]))
    (tmp_path / "log.evtx").write_bytes(b"ElfFile\0" + bytes(5000))
    (tmp_path / "sub").mkdir()
    for place in range(5):
        (tmp_path / "sub" / f"{place}.txt").write_text("a note\n")
    (tmp_path / "sub" / "odd.bin").write_bytes(bytes(range(256)))
    (tmp_path / "sub" / "link").symlink_to("nowhere")

    case = api.analyze(str(tmp_path))

    captures = case.evidence.captures
    assert len(captures) == len(KEPT_AS) + 2
    assert {one.packets for one in captures if one.name != "none.etl"} == {4}
    assert all(one.flows == 1 for one in captures if one.name != "none.etl")
    told = {issue.detail.removeprefix(f"{tmp_path}: "): issue.repeats for issue in case.evidence.issues if issue.code == "capture.passed-over"}
    assert told == {
        f"{tmp_path}/evidence.zip: notes.txt is a text file": 1,
        "report.docx is an Office document": 1,
        "log.evtx is a Windows event log (EVTX)": 1,
        "5 text files (sub/0.txt, sub/1.txt, sub/2.txt and 2 more)": 5,
        "sub/odd.bin is in no known format": 1,
        "sub/link is a link that leads nowhere": 1,
    }
    unread = [issue for issue in case.evidence.issues if issue.code == "capture.unreadable"]
    assert [captures[issue.capture or 0].name for issue in unread] == ["none.etl"]
    assert len(case.failures) == 7
    shown = case.overview(width=300)
    assert [failure for failure in case.failures if failure.partition("passed-over: ")[2] not in shown] == []


def test_members_are_read_as_the_files_are(tmp_path: Path) -> None:
    members = {"a.pcap": pcap(frames()), "x/b.gz": KEPT_AS["gzip"](frames()), "x/c.etl": pktmon_trace(frames())}
    path = archive(tmp_path / "e.zip", members)
    case = api.analyze(str(path))
    assert [(one.name, one.format, one.packets, one.flows) for one in case.evidence.captures] == [
        ("a.pcap", "pcap-ns+zip", 4, 1),
        ("b.gz", "pcap-ns+gzip+zip", 4, 1),
        ("c.etl", "etl+zip", 4, 1),
    ]
    assert case.evidence.captures[1].path == f"{path}/x/b.gz"
    assert on_disk(case.evidence.captures[1].path) == str(path)
    assert case.packet("b.gz", 4).data == frames()[3].data
    assert not case.failures


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_zip(tmp_path: Path, method: int) -> None:
    assert look(archive(tmp_path / "e.zip", {"a.pcap": pcap(frames())}, method)) == (["a.pcap"], [])


def test_members_behind_a_password_are_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "e.zip", {"a.pcap": pcap(frames()), "b.pcap": pcap(frames())}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag of the first member, in its header and in the directory
        data[data.find(magic) + at] |= 1
    path.write_bytes(data)
    assert look(path) == (["b.pcap"], [f"{path}: a.pcap is not read: it is protected by a password: unpack it, and give the file"])
    with pytest.raises(InputError, match="protected by a password"):
        opened(f"{path}/a.pcap")


def test_an_archive_without_captures_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = archive(tmp_path / "e.zip", {"a.txt": b"one\n", "b.txt": b"two\n"})
    with pytest.raises(InputError, match=r"no capture file in .*2 text files \(a.txt, b.txt\)"):
        look(path)


def test_more_members_than_the_limit(tmp_path: Path) -> None:
    path = archive(tmp_path / "e.zip", {f"{place}.pcap": pcap(frames()) for place in range(4)})
    names, told = look(path, limits=Limits(archive_members=2))
    assert names == ["0.pcap", "1.pcap"]
    assert told == [f"{path}: files after the first 2 is not read (archive_members=2)"]


def test_damaged_archives_are_told(tmp_path: Path) -> None:
    whole = archive(tmp_path / "e.zip", {"a.pcap": pcap(frames() * 300), "b.pcap": pcap(frames())}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    names, told = look(tmp_path)
    assert names == ["a.pcap", "b.pcap"]
    assert len(told) == 1
    assert told[0].startswith(f"{tmp_path}: cut.zip is damaged (the ZIP archive is damaged")
    for place in range(30, len(whole), 13):
        data = bytearray(whole)
        data[place] ^= 0xFF
        (tmp_path / "odd.zip").write_bytes(data)
        try:
            api.analyze(str(tmp_path / "odd.zip"))
        except InputError:
            continue


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2", "zstd"])
def test_what_was_unpacked_before_the_damage_is_read(tmp_path: Path, name: str) -> None:
    noise = random.Random(1)
    data = KEPT_AS[name]([Frame(one.ts_ns, one.data + noise.randbytes(200)) for one in frames() * 3000])
    path = tmp_path / "cut"
    path.write_bytes(data[: len(data) * 2 // 3])
    (capture,) = api.analyze(str(path)).evidence.captures
    assert 1000 < capture.packets < 12_000


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2", "zstd"])
def test_nothing_can_be_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cut"
    path.write_bytes(KEPT_AS[name](frames())[:30])
    with pytest.raises(InputError, match=f"{name}: "):
        api.analyze(str(path))


def test_no_such_member(tmp_path: Path) -> None:
    path = archive(tmp_path / "e.zip", {"a.pcap": pcap(frames())})
    with pytest.raises(InputError, match=r"nothing\.pcap is not in it"):
        opened(f"{path}/nothing.pcap")
    with pytest.raises(InputError, match="No such file"):
        api.analyze(str(tmp_path / "nowhere" / "nothing.pcap"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7-Zip archive, not a capture. Unpack it"),
        (b"%PDF-1.7\n", "a PDF document, not a capture."),
        (b"\x7fELF" + bytes(60), "a Linux program (ELF), not a capture."),
        (b"MZ" + bytes(60), "a Windows program (PE), not a capture."),
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive, not a capture. Unpack it"),
        (b"\xff\xfeH\0i\0", "a text file (UTF-16), not a capture."),
        ("Prüfung\n".encode(), "a text file, not a capture."),
        (b"\x05\x02\x00\x00\x00\x30", "a Kerberos keytab, not a capture. Give it with --keytab."),
        (bytes(257) + b"ustar\0", "a tar archive, not a capture. Unpack it"),
        (b"\xa1\xb2\xc3\xd4\0\2\0\4", "a pcap that ends inside its header, after 8 of 24 bytes"),
        (bytes(40), "in no format of captures that is known here (it begins with 00 00 00 00 00 00 00 00)"),
    ],
)
def test_one_sentence_for_what_is_no_capture(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "given").write_bytes(data)
    with pytest.raises(InputError) as error:
        api.analyze(str(tmp_path / "given"))
    assert says in str(error.value)


def test_an_archive_on_standard_input_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive(tmp_path / "e.zip", {"a.pcap": pcap(frames())}).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    with pytest.raises(InputError, match=r"a ZIP archive, not a capture\. Give it by its name\."):
        api.analyze("-")
