from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge_files, names, packets

RULE = "capture.file-cut"


def session(folder: Path, *, less: int) -> Judged:
    """Two connections, of which the second is open, in a file that lacks its last bytes."""
    lan = Wire()
    done = direct(lan)
    trip(done, ask_sealed(0), sealed_reply(0))
    done.close_by_client()
    trip(direct(lan, port=50002), ask_sealed(1), sealed_reply(1))
    path = lan.capture(folder / "wire.pcap")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) - less])
    return judge_files([path])


def test_the_last_record_is_cut(tmp_path: Path) -> None:
    finding = session(tmp_path, less=30).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert finding.connections == ("c2",)
    assert names(finding, *packets(finding))
    assert "wire.pcap ends inside a record. 1 of its 2 WinRM connections was still open" in finding.why


@pytest.mark.parametrize(
    ("closed", "still", "words"),
    [
        (1, 0, "Its one WinRM connection was no longer open."),
        (0, 1, "Its one WinRM connection was still open."),
        (3, 0, "None of its 3 WinRM connections was still open."),
        (0, 2, "All of its 2 WinRM connections were still open."),
        (1, 2, "2 of its 3 WinRM connections were still open."),
    ],
)
def test_how_many_were_open_reads_well(tmp_path: Path, closed: int, still: int, words: str) -> None:
    lan = Wire()
    for number in range(closed + still):
        talk = direct(lan, port=50001 + number)
        trip(talk, ask_sealed(0), sealed_reply(0))
        if number < closed:
            talk.close_by_client()
    lan.refused("10.10.1.11", 50099, "10.20.2.99", 80)
    path = lan.capture(tmp_path / "wire.pcap")
    path.write_bytes(path.read_bytes()[:-10])
    assert words in judge_files([path]).one(RULE).why


def test_a_whole_file(tmp_path: Path) -> None:
    assert session(tmp_path, less=0).found(RULE) == []
