from pathlib import Path

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
    assert "wire.pcap ends inside a record. 1 WinRM connection of 2 were still open" in finding.why


def test_a_whole_file(tmp_path: Path) -> None:
    assert session(tmp_path, less=0).found(RULE) == []
