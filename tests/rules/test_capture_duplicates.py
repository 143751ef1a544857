from pathlib import Path

from analyzer.records.finding import Severity
from tests.build.damage import damaged
from tests.build.talk_proxy import ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge, judge_files, names, packets

RULE = "capture.duplicates"


def session() -> Wire:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0))
    return lan


def twice(folder: Path) -> Judged:
    """A session of which the capture holds each packet twice."""
    once = session().capture(folder / "once.pcap")
    return judge_files([damaged(once, folder / "twice.pcap", lambda records: [record for record in records for _ in (1, 2)])])


def test_every_packet_is_there_twice(tmp_path: Path) -> None:
    finding = twice(tmp_path).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [1]
    assert finding.connections == ("c1",)
    assert names(finding, 1)
    assert "5 packets of 1 WinRM connection in twice.pcap were captured again" in finding.why


def test_every_packet_once() -> None:
    assert judge(session()).found(RULE) == []
