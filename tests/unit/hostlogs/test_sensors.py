"""Zeek's and Suricata's records: read in each form, joined to connections by their ends and to logons by Kerberos' names; nothing else is."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.hostlogs.reading import read_logs
from analyzer.settings import Limits
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import ALICE, SERVER, direct, trip
from tests.build.talk_tokens import basic
from tests.build.talks import T0_NS, Wire

HEAD = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{}\n#open\t2026-01-02-03-04-05\n#fields\t{}\n#types\t{}\n"
CONN = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "conn_state", "community_id")


def seconds(after: float) -> str:
    return f"{T0_NS / 1e9 + after:.6f}"


def conn(after: float = 0.0, port: int = 50001, server: str = SERVER, server_port: int = 5985, proto: str = "tcp") -> dict[str, object]:
    values = (float(seconds(after)), "CaBcDe1", ALICE, port, server, server_port, proto, "http", 0.5, "SF", "1:abc=")
    return dict(zip(CONN, values, strict=True))


def tsv(path: str, rows: Iterable[Mapping[str, object]], fields: tuple[str, ...] = CONN) -> str:
    lines = ["\t".join(seconds(0) if name == "x" else "-" if row.get(name) is None else str(row[name]) for name in fields) for row in rows]
    return HEAD.format(path, "\t".join(fields), "\t".join("string" for _ in fields)) + "".join(f"{line}\n" for line in lines) + "#close\t2026\n"


def eve(kind: str = "flow", after: float = 0.0, port: int = 50001, **more: object) -> dict[str, object]:
    own = {"timestamp": "2026-01-02T03:09:05.123456+0000", "event_type": kind, "src_ip": ALICE, "src_port": port, "dest_ip": SERVER, "dest_port": 5985}
    begins = f"2026-01-02T03:04:{5 + after:09.6f}+0000"
    return own | {"proto": "TCP", "flow": {"start": begins, "end": begins}} | more


def logged(tmp_path: Path, name: str, text: str) -> Case:
    lan = Wire()
    trip(direct(lan), post("/wsman", basic("alice")), reply(200))
    (tmp_path / "evidence").mkdir()
    log = tmp_path / name
    log.write_text(text, encoding="utf-8")
    return analyzer.analyze(lan.capture(tmp_path / "evidence" / "wire.pcap"), events=[log])


def found(case: Case) -> list[tuple[object, ...]]:
    return [(row["channel"], row["joined"], row["subject"], row["confidence"]) for row in case.listed("host_events")]


def as_lines(*records: Mapping[str, object]) -> str:
    return "".join(json.dumps(one) + "\n" for one in records)


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_zeek_in_both_forms(form: str, tmp_path: Path) -> None:
    text = tsv("conn", [conn()]) if form == "tsv" else as_lines(conn())
    case = logged(tmp_path, "conn.log", text)
    assert found(case) == [("zeek/conn", "connection", "c1", 1.0)]
    (row,) = case.listed("host_events")
    assert (row["event_id"], row["computer"], row["basis"]) == (None, "zeek", "addresses, ports and time")
    assert abs(float(str(row["apart_s"]))) < 0.01
    assert json.loads(str(row["data"]))["uid"] == "CaBcDe1"
    assert "1 seen by a network sensor" in " ".join(case.overview().split())
    assert not [one for one in case.listed("issues") if one["code"] == "events.unreadable"]


def test_zeek_with_iso_times_and_its_other_logs(tmp_path: Path) -> None:
    http = {**conn(), "ts": "2026-01-02T03:04:05.000900Z", "method": "POST", "status_code": 200, "user_agent": "x"}
    del http["conn_state"], http["proto"]
    ntlm = {**conn(), "_path": "ntlm", "username": "alice", "domainname": "LAB"}
    case = logged(tmp_path, "zeek.json", as_lines(http, ntlm))
    assert {row[0] for row in found(case)} == {"zeek/http", "zeek/ntlm"}
    assert {row["user"] for row in case.listed("host_events")} == {None, "alice"}


def test_zeek_as_shippers_rename_it(tmp_path: Path) -> None:
    under = {name.replace("id.", "id_"): value for name, value in conn().items()}
    nested = {name: value for name, value in conn().items() if not name.startswith("id.")} | {
        "id": {name[3:]: value for name, value in conn().items() if name.startswith("id.")}
    }
    assert found(logged(tmp_path, "conn.log", as_lines(under, nested))) == [("zeek/conn", "connection", "c1", 1.0)] * 2


def test_suricata(tmp_path: Path) -> None:
    alert = eve("alert", alert={"signature": "ET INFO WinRM", "severity": 3}, timestamp="2026-01-02T03:04:05.200000+0000")
    back = eve("http", timestamp="2026-01-02T03:04:05.200000+0000", src_ip=SERVER, src_port=5985, dest_ip=ALICE, dest_port=50001)
    case = logged(tmp_path, "eve.json", as_lines(eve(), alert, back, {"timestamp": "2026-01-02T03:04:05+0000", "event_type": "stats", "stats": {}}))
    assert sorted(found(case)) == [
        ("suricata/alert", "connection", "c1", 1.0),
        ("suricata/flow", "connection", "c1", 1.0),
        ("suricata/http", "connection", "c1", 1.0),
    ]
    assert not [one for one in case.listed("issues") if one["code"] == "events.unreadable"]


@pytest.mark.parametrize(
    ("record", "joined"),
    [
        (conn(port=50002), "not_seen"),
        (conn(after=3600), None),
        (conn(port=50002, after=3600), None),
        (conn(proto="udp"), None),
        (conn(port=50002, server="10.99.0.1", server_port=445), None),
        ({**conn(), "id.orig_p": "x"}, None),
        ({**conn(), "ts": None}, None),
    ],
)
def test_what_is_no_connection_of_the_capture(record: dict[str, object], joined: str | None, tmp_path: Path) -> None:
    assert [row[1] for row in found(logged(tmp_path, "conn.log", as_lines(record)))] == ([joined] if joined else [])


def test_lines_that_do_not_fit_are_told(tmp_path: Path) -> None:
    text = tsv("conn", [conn()]).replace("#close", "one\ttwo\n#close")
    case = logged(tmp_path, "conn.log", text)
    assert len(found(case)) == 1
    assert [one["detail"] for one in case.listed("issues") if one["code"] == "events.unreadable"] == [
        "conn.log: lines with other fields than the log's first lines say"
    ]


def test_only_records_of_hosts_that_take_part_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "conn.log"
    log.write_text(as_lines(conn(), {**conn(), "id.orig_h": "10.99.0.1", "id.resp_h": "10.99.0.2"}), encoding="utf-8")
    assert len(read_logs([str(log)], Limits()).kept) == 2
    assert len(read_logs([str(log)], Limits(), frozenset({ALICE})).kept) == 1


def test_escapes_in_tab_separated_logs(tmp_path: Path) -> None:
    log = tmp_path / "ntlm.log"
    log.write_text(tsv("ntlm", [{**conn(), "username": "a\\x09b"}], (*CONN, "username")), encoding="utf-8")
    (event,) = read_logs([str(log)], Limits()).kept
    assert event.user == "a\tb"
    assert event.channel == "zeek/ntlm"


@pytest.mark.parametrize("sample", ["squid-ntlm-healthy", "squid-kerberos-healthy", "https-basic-direct"])
def test_our_own_zeek_logs_join_to_every_connection(sample: str, tmp_path: Path) -> None:
    folder = SAMPLE.parent / sample
    captures = sorted(folder.glob("*.pcap*"))
    case = analyzer.analyze(captures)
    for name, lines in case.export_files("zeek"):
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    again = analyzer.analyze(captures, events=[tmp_path])
    ours = {name for name in again.evidence.winrm if again.evidence.connections[name].tunnel_of is None and again.evidence.connections[name].twin_of is None}
    sensed = {row["subject"] for row in again.listed("host_events") if row["joined"] == "connection" and row["channel"] == "zeek/conn"}
    assert sensed == ours
    assert {row["confidence"] for row in again.listed("host_events")} == {1.0}
    assert not [row for row in again.listed("issues") if row["code"] == "events.unreadable"]


SAMPLE = Path(__file__).resolve().parents[3] / "sample_pcaps" / "direct-event-forwarding-healthy"


@pytest.mark.parametrize("program", ["zeek", "suricata"])
def test_a_ticket_belongs_to_the_logon_that_used_it(program: str, tmp_path: Path) -> None:
    capture, keys = SAMPLE / "capture.pcap", SAMPLE / "secrets.toml"
    logon = analyzer.analyze(capture, secrets=keys).evidence.story.logons[0]
    kdc = {"id.orig_h": "10.10.1.11", "id.orig_p": 40000, "id.resp_h": "10.20.2.88", "id.resp_p": 88, "uid": "C2"}
    asked = {"ts": logon.first_ns / 1e9 - 0.2, **kdc, "request_type": "TGS", "client": "alice/LAB.EXAMPLE", "service": "HTTP/srv01.lab.example"}
    when = analyzer.analyze(capture).listed("captures")[0]["first_time"]
    assert isinstance(when, int)
    if program == "suricata":
        from analyzer.tables.times import rfc3339

        krb5 = {"msg_type": "KRB_TGS_REP", "cname": "alice", "realm": "LAB.EXAMPLE", "sname": "HTTP/srv01.lab.example"}
        ends = {"src_ip": "10.10.1.11", "src_port": 40000, "dest_ip": "10.20.2.88", "dest_port": 88, "proto": "TCP"}
        asked = {"timestamp": rfc3339(logon.first_ns), "event_type": "krb5", **ends, "krb5": krb5}
    log = tmp_path / "kerberos.log"
    other = {**asked, **({"service": "cifs/dc01"} if program == "zeek" else {"krb5": {"sname": "cifs/dc01"}})}
    log.write_text(as_lines(asked, other), encoding="utf-8")
    rows = analyzer.analyze(capture, secrets=keys, events=[log]).listed("host_events")
    assert [(row["joined"], row["subject"], row["user"]) for row in rows] == [("logon", logon.id, rows[0]["user"])]
    assert "service" in str(rows[0]["basis"])


@pytest.mark.parametrize("field", ["ts", "id.orig_p", "x"])
def test_records_with_numbers_and_depths_that_no_log_has(field: str, tmp_path: Path) -> None:
    odd: object = "9" * 5000
    for _ in range(400 if field == "x" else 0):
        odd = [odd]
    case = logged(tmp_path, "conn.log", as_lines(conn(), {**conn(), field: odd}))
    assert ("zeek/conn", "connection", "c1", 1.0) in found(case)
    case.save(tmp_path / "case")
