import hashlib
from pathlib import Path

import pandas as pd
import pytest

import analyzer
from analyzer import api
from analyzer.errors import InputError, UsageError
from analyzer.records.auth import Conversation
from analyzer.records.finding import Finding
from analyzer.records.http import Exchange, Request
from analyzer.records.proxy import Route
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.transport import Connection
from analyzer.tables.registry import TABLES
from tests.build import evidence as build


@pytest.fixture
def case() -> analyzer.Case:
    return build.case(build.direct())


@pytest.mark.parametrize("name", [table.name for table in TABLES])
def test_every_table_is_a_property(case: analyzer.Case, name: str) -> None:
    made = getattr(case, name)
    assert isinstance(made, pd.DataFrame)
    assert made is case.table(name)


def test_records_by_id() -> None:
    case = build.case(build.proxied())
    kinds = {"c1": Connection, "c1.x1": Exchange, "c1.x1.q": Request, "c2.x1.s": Absent, "r1": Route, "f1": Finding}
    assert {name: type(case[name]) for name in kinds} == kinds
    assert isinstance(build.case(build.direct())["c1.a1"], Conversation)
    for name in ("c9", "c1.x1.z", "", "f9"):
        with pytest.raises(UsageError):
            case[name]


def test_sql_over_the_tables(case: analyzer.Case) -> None:
    found = case.sql("select e.exchange_id, c.server_ip from exchanges e join connections c using (connection_id) order by 1")
    assert found.to_numpy().tolist() == [["c1.x1", "10.0.0.9"], ["c1.x2", "10.0.0.9"]]


def test_coverage_counts_messages_by_reason(case: analyzer.Case) -> None:
    made = case.coverage()
    rows = {(row.protection, row.messages) for row in made.itertuples()}
    assert rows == {("empty", 2), ("sealed", 2)}
    assert made.loc[made["protection"] == "sealed", "opened_absent"].tolist() == ["sealed"]


def test_captures_are_hashed_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(b"bytes")
    made = build.evidence([build.capture(path=str(path)), build.capture(1, "-", path="-"), build.capture(2, "gone", path=str(tmp_path / "gone"))], [])
    found = build.case(Result(made, (), {})).captures
    assert found["sha256"][0] == hashlib.sha256(b"bytes").hexdigest()
    assert found["sha256"].isna().tolist() == [False, True, True]


def test_files_of_secrets_that_cannot_be_read_are_a_clear_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "secrets.toml"
    broken.write_text('[[password]]\nuser = "alice"\n')
    with pytest.raises(UsageError, match=r"entry 1 of .*password.* lacks value"):
        analyzer.analyze("a.pcap", secrets=broken)
    with pytest.raises(UsageError, match="not a keytab"):
        analyzer.analyze("a.pcap", keytab=broken)
    with pytest.raises(InputError, match="No such"):
        analyzer.analyze("a.pcap", keylog=tmp_path / "missing")


def test_no_input_is_a_mistake() -> None:
    with pytest.raises(InputError):
        analyzer.analyze([])


def test_bytes_of_a_message_with_the_packets_that_brought_them() -> None:
    stream = build.stream(300, at=build.extents((0, 100, 1000, 4), (100, 60, 2000, 5)))
    owner = build.connection(to_server=stream)
    exchanges = [build.exchange(owner, 1), build.exchange(owner, 2, status=None)]
    result = Result(build.evidence([build.capture()], [owner], exchanges), (), {})
    case = analyzer.Case(result, lambda _source, at, size: bytes([at // 1000]) * size)
    assert case.bytes("c1.x1.q") == b"\1" * 100
    assert [(piece.at, piece.packet) for piece in case.pieces("c1.x2.q")] == [(100, 5)]
    with pytest.raises(InputError, match="40 of the 100 bytes"):
        case.bytes("c1.x2.q")
    for name in ("c1", "c1.x2.s"):
        with pytest.raises(UsageError):
            case.bytes(name)


def test_the_summary_of_a_notebook_is_escaped() -> None:
    shown = build.case(build.hostile("<script>\x1b\u202e"))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;\\x1b\\u202e" in shown


def test_texts_of_data_frames_are_exact() -> None:
    assert build.case(build.hostile("\x1b\u202e=1")).exchanges["target"][0] == "\x1b\u202e=1"


def test_explanations_suggest() -> None:
    with pytest.raises(UsageError, match=r"did you mean tcp\.gap"):
        api.explanation("tcp.gaps")
