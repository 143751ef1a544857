"""Timelines, logs and layers for other tools: what those tools ask for is there, with the right types, the same in every run."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import analyzer
from analyzer import api
from analyzer.cli import start
from analyzer.exports import zeek
from analyzer.records.result import Result
from tests.build import evidence as build
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"


@pytest.fixture(scope="module")
def case() -> analyzer.Case:
    folder = SAMPLES / "squid-ntlm-healthy"
    return analyzer.analyze(captures(folder, truth(folder)), secrets=folder / "secrets.toml")


@pytest.fixture(scope="module")
def proxied() -> analyzer.Case:
    folder = SAMPLES / "squid-kerberos-healthy"
    return analyzer.analyze(captures(folder, truth(folder)))


def documents(lines: Iterator[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines]


def test_timesketch_has_its_fields(case: analyzer.Case) -> None:
    events = documents(case.timeline_lines("timesketch"))
    assert len(events) == len(case.timeline)
    for event in events:
        assert all(isinstance(event[name], str) and event[name] for name in ("message", "datetime", "timestamp_desc"))
        moment = datetime.fromisoformat(str(event["datetime"]))
        assert moment.tzinfo == UTC
        assert event["timestamp"] == round(moment.timestamp() * 1_000_000)
        assert None not in event.values()
        assert len(str(event["message"])) <= 4096
    assert {event["timestamp_desc"] for event in events} == {"winrm request", "winrm auth", "winrm command", "winrm finding"}
    ran = next(event for event in events if event["timestamp_desc"] == "winrm command")
    assert (ran["table"], ran["user"], ran["source"]) == ("commands", "LAB\\alice", "10.10.1.11")
    assert all(str(event["community_id"]).startswith("1:") for event in events)


def test_timesketch_as_csv_says_the_same(case: analyzer.Case) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(case.timeline_lines("timesketch", "csv")))))
    events = documents(case.timeline_lines("timesketch"))
    assert [row["datetime"] for row in rows] == [event["datetime"] for event in events]
    assert [row["record"] for row in rows] == [event["record"] for event in events]


ECS = {
    "@timestamp": "date", "message": "text", "ecs.version": "keyword", "event.action": "keyword", "event.category": "keyword[]", "event.dataset": "keyword",
    "event.duration": "long", "event.end": "date", "event.id": "keyword", "event.kind": "keyword", "event.module": "keyword", "event.outcome": "keyword",
    "event.reason": "keyword", "event.severity": "long", "event.start": "date", "event.type": "keyword[]", "source.ip": "ip", "source.port": "long",
    "source.bytes": "long", "destination.ip": "ip", "destination.port": "long", "destination.bytes": "long", "network.community_id": "keyword",
    "network.protocol": "keyword", "network.transport": "keyword", "network.type": "keyword", "http.version": "keyword", "http.request.method": "keyword",
    "http.request.bytes": "long", "http.request.body.bytes": "long", "http.response.status_code": "long", "http.response.bytes": "long",
    "http.response.body.bytes": "long", "http.response.mime_type": "keyword", "url.original": "keyword", "url.domain": "keyword",
    "user_agent.original": "keyword", "user.name": "keyword", "user.domain": "keyword", "related.user": "keyword[]", "process.command_line": "keyword",
    "process.exit_code": "long", "rule.id": "keyword", "rule.name": "keyword", "rule.category": "keyword", "rule.reference": "keyword",
    "threat.framework": "keyword", "threat.technique.id": "keyword[]", "tls.client.ja3": "keyword", "tls.client.server_name": "keyword",
}  # fmt: skip
"""Fields of the Elastic Common Schema 9.0 with their types, as its field reference lists them; ``[]`` where the reference normalizes to an array."""
ALLOWED = {
    "event.kind": {"alert", "event"},
    "event.outcome": {"success", "failure", "unknown"},
    "event.category": {"network", "web", "authentication", "process", "intrusion_detection"},
}
TYPES = {
    "network": {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
    "web": {"access", "error", "info"},
    "authentication": {"start", "end", "info"},
    "process": {"access", "change", "end", "info", "start"},
    "intrusion_detection": {"allowed", "denied", "info"},
}
"""Expected event types by category, as the reference has them."""


def flat(document: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def fits(value: object, kind: str) -> bool:
    if kind.endswith("[]"):
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    if kind == "date":
        return isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", value))
    if kind == "ip":
        return isinstance(value, str) and bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]+", value))
    return isinstance(value, int) and not isinstance(value, bool) if kind == "long" else isinstance(value, str) and value != ""


@pytest.mark.parametrize("which", ["case", "proxied"])
def test_every_ecs_field_is_one_and_has_its_type(which: str, request: pytest.FixtureRequest) -> None:
    one: analyzer.Case = request.getfixturevalue(which)
    found = documents(one.timeline_lines("ecs"))
    assert [document["@timestamp"] for document in found] == sorted(str(document["@timestamp"]) for document in found)
    for document in found:
        fields = dict(flat(document))
        for name, value in fields.items():
            if not name.startswith("winrm."):
                assert fits(value, ECS[name]), (name, value)
        assert fields["event.kind"] in ALLOWED["event.kind"]
        assert fields.get("event.outcome", "unknown") in ALLOWED["event.outcome"]
        category = fields["event.category"]
        assert isinstance(category, list)
        types = fields["event.type"]
        assert isinstance(types, list)
        assert set(category) <= ALLOWED["event.category"]
        assert set(types) <= set.union(*(TYPES[one] for one in category))
    sizes = {len(one.connections) + len(one.exchanges) + len(one.authentications) + len(one.commands) + len(one.findings)}
    assert {len(found)} == sizes


HEADERS = {
    "conn": "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history "
    "orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents",
    "http": "ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth method host uri referrer version user_agent origin request_body_len response_body_len "
    "status_code status_msg info_code info_msg tags username password proxied orig_fuids orig_filenames orig_mime_types resp_fuids resp_filenames "
    "resp_mime_types",
    "ntlm": "ts uid id.orig_h id.orig_p id.resp_h id.resp_p username hostname domainname server_nb_computer_name server_dns_computer_name server_tree_name "
    "success",
    "kerberos": "ts uid id.orig_h id.orig_p id.resp_h id.resp_p request_type client service success error_msg from till cipher forwardable renewable "
    "client_cert_subject client_cert_fuid server_cert_subject server_cert_fuid",
    "notice": "ts uid id.orig_h id.orig_p id.resp_h id.resp_p fuid file_mime_type file_desc proto note msg sub src dst p n peer_descr actions email_dest "
    "suppress_for remote_location.country_code remote_location.region remote_location.city remote_location.latitude remote_location.longitude",
}
"""The fields of Zeek's logs in their order, as its log files begin."""


def log(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The header lines and the rows of a Zeek log, read as its documentation says."""
    lines = text.splitlines()
    head = dict(line[1:].split("\t", 1) for line in lines if line.startswith("#") and "\t" in line)
    assert lines[0] == "#separator \\x09"
    fields = head["fields"].split("\t")
    assert len(fields) == len(head["types"].split("\t"))
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert {len(row) for row in rows} == {len(fields)}
    return head, [dict(zip(fields, row, strict=True)) for row in rows]


def test_zeek_logs_are_as_zeek_writes_them(proxied: analyzer.Case) -> None:
    made = {name: log("".join(lines)) for name, lines in proxied.zeek_logs()}
    assert set(made) == {"conn.log", "http.log", "kerberos.log", "notice.log"}
    uids = {row["uid"] for row in made["conn.log"][1]}
    for name, (head, rows) in made.items():
        path = name.removesuffix(".log")
        assert (head["set_separator"], head["empty_field"], head["unset_field"], head["path"]) == (",", "(empty)", "-", path)
        assert re.fullmatch(r"\d{4}(-\d\d){5}", head["open"])
        assert head["fields"].split("\t")[: len(HEADERS[path].split())] == HEADERS[path].split()
        assert [row["ts"] for row in rows] == sorted(row["ts"] for row in rows)
        assert {row["uid"] for row in rows} <= uids
        assert all(re.fullmatch(r"\d+\.\d{6}", row["ts"]) for row in rows)
    assert len(uids) == len(made["conn.log"][1]) == len(proxied.connections)
    assert all(re.fullmatch(r"C[0-9A-Za-z]{17}", uid) for uid in uids)
    assert {row["password"] for row in made["http.log"][1]} == {"-"}
    assert len(made["http.log"][1]) == len(proxied.exchanges)
    ticket = made["kerberos.log"][1][0]
    assert (ticket["request_type"], ticket["cipher"], ticket["success"]) == ("AP", "aes256-cts-hmac-sha1-96", "T")
    assert [row["community_id"] for row in made["conn.log"][1]] == proxied.connections["community_id"].tolist()


def test_ntlm_names_are_where_zeek_has_them(case: analyzer.Case) -> None:
    made = {name: "".join(lines) for name, lines in case.zeek_logs()}
    row = log(made["ntlm.log"])[1][0]
    assert (row["username"], row["domainname"], row["success"]) == ("alice", "LAB", "T")


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        ("a\tb\n\x1b", "string", "a\\x09b\\x0a\\x1b"),
        ("ü", "string", "\\xc3\\xbc"),
        ("-", "string", "\\x2d"),
        ("(empty)", "string", "\\x28empty)"),
        ("", "string", "(empty)"),
        ("a\\b", "string", "a\\\\b"),
        (None, "string", "-"),
        (("a,b", "-"), "set[string]", "a\\x2cb,\\x2d"),
        ((), "set[string]", "(empty)"),
        (True, "bool", "T"),
        (1.5, "interval", "1.500000"),
    ],
)
def test_a_cell_of_a_zeek_log(value: zeek.Cell, kind: str, shown: str) -> None:
    assert zeek._cell(value, kind) == shown


def test_the_navigator_layer(case: analyzer.Case) -> None:
    layer = json.loads(case.navigator_layer())
    assert layer["versions"]["layer"] == "4.5"
    assert (layer["domain"], bool(layer["name"])) == ("enterprise-attack", True)
    wanted = {name for names in case.findings["attack"].dropna() for name in names.split(",")}
    assert {one["techniqueID"] for one in layer["techniques"]} == wanted != set()
    for one in layer["techniques"]:
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", one["techniqueID"])
        assert 0 <= one["score"] <= 100
        assert all({"name", "value"} == set(pair) for pair in one["metadata"])


HOSTILE = "=\x1b]0;pwn\x07\u202e\x00,\t-\r\n<script>\ud800"


@pytest.mark.parametrize("make", [build.nothing, build.direct, build.proxied, lambda: build.hostile(HOSTILE)])
def test_any_evidence_can_be_exported(make: object) -> None:
    assert callable(make)
    result: Result = make()
    one = build.case(result)
    texts = ["".join(one.timeline_lines(profile, "jsonl")) for profile in ("native", "timesketch", "ecs")]
    texts += ["".join(one.timeline_lines("timesketch", "csv")), one.navigator_layer(), "".join(one.archive())]
    texts += ["".join(lines) for _, lines in one.zeek_logs()]
    for text in texts:
        assert not [char for char in text if char not in "\n\t" and not char.isprintable()]
    json.loads(one.navigator_layer())
    json.loads("".join(one.archive()))


def test_csv_is_safe_for_spreadsheets() -> None:
    made = "".join(build.case(build.hostile(HOSTILE)).timeline_lines("timesketch", "csv"))
    cells = [cell for row in csv.reader(io.StringIO(made)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r", "\0"))]
    assert any(cell.startswith("'=") for cell in cells)


def test_a_case_folder_exports_the_same(case: analyzer.Case, tmp_path: Path) -> None:
    opened = case.save(tmp_path / "case")
    for profile in ("native", "timesketch", "ecs"):
        assert list(opened.timeline_lines(profile)) == list(case.timeline_lines(profile))
    assert [(name, "".join(lines)) for name, lines in opened.zeek_logs()] == [(name, "".join(lines)) for name, lines in case.zeek_logs()]
    assert opened.navigator_layer() == case.navigator_layer()


def test_the_commands(case: analyzer.Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(api, "analyze", lambda *_, **__: case)
    assert start.run(["timeline", "a.pcap"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["schema"] == 1
    assert start.run(["timeline", "a.pcap", "--profile", "timesketch", "-o", str(tmp_path / "t.csv")]) == 0
    assert (tmp_path / "t.csv").read_text().startswith("message,datetime,timestamp_desc")
    assert start.run(["timeline", "a.pcap", "--profile", "timesketch", "-o", str(tmp_path / "t.csv")]) == 2
    assert start.run(["timeline", "a.pcap", "--profile", "zeek", "-o", str(tmp_path / "zeek")]) == 0
    assert {path.name for path in (tmp_path / "zeek").iterdir()} >= {"conn.log", "http.log", "ntlm.log"}
    before = {path: path.read_bytes() for path in (tmp_path / "zeek").iterdir()}
    assert start.run(["timeline", "a.pcap", "--profile", "zeek", "-o", str(tmp_path / "zeek")]) == 2
    assert start.run(["timeline", "a.pcap", "--profile", "zeek", "-o", str(tmp_path / "zeek"), "--clobber"]) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "zeek").iterdir()} == before, "a second run gives the same bytes"
    for words in (["--profile", "zeek"], ["-f", "csv"], ["--profile", "ecs", "-f", "csv"], ["-o", str(tmp_path)]):
        assert start.run(["timeline", "a.pcap", *words]) == 2
    capsys.readouterr()
    assert start.run(["export", "a.pcap", "-f", "navigator"]) == 0
    assert json.loads(capsys.readouterr().out)["domain"] == "enterprise-attack"
    assert start.run(["export", "a.pcap", "-f", "har", "--connection", "c99"]) == 2


def test_evidence_is_never_written_to(tmp_path: Path) -> None:
    folder = SAMPLES / "direct-basic"
    capture = tmp_path / "capture.pcapng"
    capture.write_bytes((folder / "capture.pcapng").read_bytes())
    before = capture.read_bytes()
    for words in (["pcap"], ["timeline"], ["export", "-f", "har"], ["report"], ["show", "exchanges"]):
        for given in (capture, tmp_path):
            assert start.run([*words, str(given), "-o", str(capture), "--clobber"]) == 2
    assert capture.read_bytes() == before
