"""The HTTP archive: what the specification requires is there, bodies that were opened are readable, of credentials nothing but the scheme is."""

import base64
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer.exports.har import shown
from analyzer.records.wsman import Command
from analyzer.reports.masking import Mask
from analyzer.reports.typed.astride import carried
from tests.golden.samples import captures, truth
from tests.unit.psrp.test_fragments import fragments, message

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
Har = dict[str, Any]
TEXT, NUMBER, LIST, OBJECT = str, (int, float), list, dict
REQUIRED: dict[str, dict[str, Any]] = {
    "log": {"version": TEXT, "creator": OBJECT, "entries": LIST},
    "creator": {"name": TEXT, "version": TEXT},
    "entry": {"startedDateTime": TEXT, "time": NUMBER, "request": OBJECT, "response": OBJECT, "cache": OBJECT, "timings": OBJECT},
    "request": {
        "method": TEXT, "url": TEXT, "httpVersion": TEXT, "cookies": LIST, "headers": LIST, "queryString": LIST, "headersSize": NUMBER, "bodySize": NUMBER,
    },
    "response": {
        "status": NUMBER, "statusText": TEXT, "httpVersion": TEXT, "cookies": LIST, "headers": LIST, "content": OBJECT, "redirectURL": TEXT,
        "headersSize": NUMBER, "bodySize": NUMBER,
    },
    "content": {"size": NUMBER, "mimeType": TEXT},
    "postData": {"mimeType": TEXT, "text": TEXT},
    "timings": {"send": NUMBER, "wait": NUMBER, "receive": NUMBER},
    "pair": {"name": TEXT, "value": TEXT},
}  # fmt: skip
"""Required members and their types, from the tables of the HAR 1.2 specification."""


def har(name: str, *, show_secrets: bool = False, connections: tuple[str, ...] = ()) -> Har:
    folder = SAMPLES / name
    secrets = folder / "secrets.toml"
    case = analyzer.analyze(captures(folder, truth(folder)), secrets=secrets if secrets.exists() else None)
    made: Har = json.loads("".join(case.archive(show_secrets=show_secrets, connections=connections)))
    return made


def checked(value: Har, kind: str) -> Har:
    for name, wanted in REQUIRED[kind].items():
        assert isinstance(value[name], wanted), (kind, name, value.get(name))
        assert not isinstance(value[name], bool)
    return value


@pytest.mark.parametrize(
    "name", ["direct-ntlm-healthy", "lost-by-the-capture", "squid-connect-clear-http", "https-basic-direct", "midstream-start", "pipelined-requests"]
)
def test_the_archive_is_as_the_specification_says(name: str) -> None:
    log = checked(har(name)["log"], "log")
    assert log["version"] == "1.2"
    checked(log["creator"], "creator")
    assert log["entries"]
    for entry in log["entries"]:
        checked(entry, "entry")
        datetime.fromisoformat(entry["startedDateTime"])
        request, response = checked(entry["request"], "request"), checked(entry["response"], "response")
        timings = checked(entry["timings"], "timings")
        assert entry["time"] == pytest.approx(sum(value for value in timings.values() if value >= 0))
        assert re.match(r"https?://[^/]+", request["url"])
        for pair in (*request["headers"], *response["headers"], *request["queryString"]):
            checked(pair, "pair")
        checked(response["content"], "content")
        if "postData" in request:
            checked(request["postData"], "postData")
    begun = [entry["startedDateTime"] for entry in log["entries"]]
    assert begun == sorted(begun)


def test_sealed_bodies_are_opened() -> None:
    entries = har("direct-ntlm-healthy")["log"]["entries"]
    sealed = [entry for entry in entries if any("encrypted" in field["value"] for field in entry["request"]["headers"] if field["name"] == "Content-Type")]
    assert len(sealed) > 5
    assert all("Envelope" in entry["request"]["postData"]["text"] for entry in sealed)
    assert all("Envelope" in entry["response"]["content"]["text"] for entry in sealed)


def test_what_is_not_opened_says_why(tmp_path: Path) -> None:
    folder = SAMPLES / "direct-ntlm-healthy"
    case = analyzer.analyze(captures(folder, truth(folder)))
    entries = json.loads("".join(case.archive()))["log"]["entries"]
    assert any(entry["response"]["content"].get("comment", "").startswith("not opened:") for entry in entries)


def test_credentials_are_not_shown_unless_asked_for() -> None:
    def values(made: Har) -> set[str]:
        return {field["value"] for entry in made["log"]["entries"] for field in entry["request"]["headers"] if field["name"].lower() == "authorization"}

    assert values(har("https-basic-direct")) == {"Basic ***"}
    assert all(value.startswith("Basic Ym9i") for value in values(har("https-basic-direct", show_secrets=True)))
    assert values(har("direct-ntlm-healthy")) == {"Negotiate ***"}


def test_a_long_body_is_cut_and_says_so_and_no_secret_hides_in_the_cut() -> None:
    made = shown(Mask(["Zinnober!Ofen9"]).typed("x" * 999_995 + "Zinnober!Ofen9" + "y" * 100))
    assert made["text"] == "x" * 999_995 + "***" + "yy"
    assert made["comment"] == "cut: 98 more characters"
    assert shown("short") == {"text": "short"}


def test_one_connection() -> None:
    entries = har("squid-connect-clear-http", connections=("c1",))["log"]["entries"]
    assert {entry["connection"] for entry in entries} == {"c1"}


def _typed_in(pieces: list[bytes], *, powershell: bool) -> list[tuple[str, str]]:
    """Bodies that carry a command's input in pieces, as envelopes do."""
    made = []
    for place, piece in enumerate(pieces, 1):
        data = base64.b64encode(piece).decode()
        if powershell and place == 1:
            made.append((f"c1.x{place}.q", f'<rsp:CommandLine CommandId="B"><rsp:Command/><rsp:Arguments>{data}</rsp:Arguments></rsp:CommandLine>'))
        else:
            made.append((f"c1.x{place}.q", f'<rsp:Send><rsp:Stream Name="{"pr" if powershell else "stdin"}" CommandId="b">{data}</rsp:Stream></rsp:Send>'))
    return made


@pytest.mark.parametrize("powershell", [False, True])
@pytest.mark.parametrize("cut", [4, 10, 14, 20])
def test_bodies_that_share_a_secret_are_named(cut: int, *, powershell: bool) -> None:
    text = b"net user bob Zinnober!Ofen9 /add"
    pieces = [b"whoami\r\n" + text[:cut], text[cut:] + b"\r\n", b"hostname\r\n"]
    if powershell:
        data = message("<S>" + text.decode() + "</S>", kind=0x00021006)
        own = fragments(data, size=46 + 3 + cut)
        pieces = [*own[:2], fragments(message("<S>hostname</S>"), identity=2, size=1000)[0]]
    bodies = _typed_in(pieces, powershell=powershell)
    found = [(name, piece.data) for name, body in bodies for piece in carried(body)]
    assert [piece.of for _, body in bodies for piece in carried(body)] == [("B", "")] * 3
    hidden = Mask().astride(found)
    whole_in_one = all(b"Zinnober!Ofen9" not in piece for piece in pieces)
    assert hidden == ({"c1.x1.q", "c1.x2.q"} if whole_in_one else hidden)
    assert "c1.x3.q" not in hidden
    assert Mask(["Zinnober!Ofen9"]).astride(found) >= ({"c1.x1.q", "c1.x2.q"} if whole_in_one else set())


def test_what_a_command_carried_is_masked_in_the_bodies_of_what_came_back() -> None:
    asked = Command("B", "A", "winrs", "net user bob Zinnober!Ofen9 /add", None, 1, 1, 0, "Done", (), None, 0, (1,))
    answer = base64.b64encode(b"set to Zinnober!Ofen9").decode()
    body = f'<rsp:Stream Name="stdout" CommandId="B">{answer}</rsp:Stream>'
    assert Mask().body(body) == body
    assert answer not in Mask().having_read([asked]).body(body)
