"""Each limit is driven down over a capture that reaches it: an issue names it, and the first screen does not say that there were no problems."""

import base64
import gzip
import importlib
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analyzer import Limits, analyze
from tests.build.packets import RAW, TCP, Frame, ip4, pcap
from tests.hostile.costly import Talk, bodies, command, created, envelope, overlapping, received, request, response, tiny

_ROOT = Path(__file__).resolve().parents[2]
_SAMPLES = _ROOT / "sample_pcaps"
_CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config/service"
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_PUT = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put"
_SIGMA = """
title: Says something
logsource: {category: process_creation, product: windows}
detection: {selection: {CommandLine|contains: echo}, condition: selection}
"""
Maker = Callable[[Path], Sequence[Path]]


class Reached(NamedTuple):
    """What reaches a limit: the captures, the limits, and what else is asked."""

    make: Maker
    limits: dict[str, Any]
    asked: dict[str, Any] = {}  # noqa: RUF012  a tuple, not a class


def played(*plays: Callable[[Talk], None]) -> Maker:
    def make(folder: Path) -> Sequence[Path]:
        frames: list[Frame] = []
        for number, play in enumerate(plays):
            play(Talk(frames, number))
        (folder / "a.pcap").write_bytes(pcap(frames))
        return [folder / "a.pcap"]

    return make


def sample(name: str, *copies: str) -> Maker:
    def make(folder: Path) -> Sequence[Path]:
        (path,) = (_SAMPLES / name).glob("capture.pcap*")
        return [Path(shutil.copy(path, folder / copy)) for copy in copies] or [path]

    return make


def packed(folder: Path) -> Sequence[Path]:
    (path,) = (_SAMPLES / "direct-basic").glob("capture.pcap*")
    (folder / "a.pcap.gz").write_bytes(gzip.compress(path.read_bytes()))
    return [folder / "a.pcap.gz"]


def archived(folder: Path) -> Sequence[Path]:
    (path,) = (_SAMPLES / "direct-basic").glob("capture.pcap*")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name in ("one", "two"):
            archive.write(path, f"{name}{path.suffix}")
    return [folder / "a.zip"]


def fragments(folder: Path) -> Sequence[Path]:
    """The command, and first fragments of two datagrams."""
    (path,) = played(bodies(command("x")))(folder)
    parts = [Frame(1_767_323_046_000_000_000, ip4("10.9.0.1", "10.9.0.2", TCP, bytes(64), ident=ident, more=True), RAW) for ident in (1, 2)]
    whole = pcap(parts)
    path.write_bytes(path.read_bytes() + whole[24:])
    return [path]


def put(count: int) -> Callable[[Talk], None]:
    inside = "".join(f"<cfg:S{number}>true</cfg:S{number}>" for number in range(count))
    return bodies((envelope(_PUT, f'<cfg:Service xmlns:cfg="{_CONFIG}">{inside}</cfg:Service>', shell=None, uri=_CONFIG), b""))


def compressed(talk: Talk) -> None:
    talk.exchange(gzip.compress(created()[0]), fields="Content-Encoding: gzip\r\n")
    talk.exchange(gzip.compress(created()[0]), fields="Content-Encoding: gzip\r\n")


def chunked(talk: Talk) -> None:
    talk.client(b"POST /wsman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nA\r\n" * 9 + b"0\r\n\r\n")
    talk.server(response())


def prefaced(talk: Talk) -> None:
    talk.client(b"PROXY TCP4 10.9.1.1 10.9.0.2 40000 5985\r\n" * 2 + request())
    talk.server(response())


def many(talk: Talk) -> None:
    talk.client(b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\n\r\n" * 300)
    talk.server(b"HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n" * 300)


_ECHO = played(bodies(created(), command("echo a"), command("echo b", identity="C-2"), received([b"out"])))
_TOKEN = played(lambda talk: talk.exchange(b"", fields="Authorization: Negotiate TlRMTVNTUAABAAAAl4II4gAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==\r\n"))
REACHED = {
    "spool_bytes": Reached(packed, {"spool_bytes": 100}),
    "open_points": Reached(sample("direct-basic", "one.pcap", "two.pcap"), {"open_points": 0}),
    "fragment_packets": Reached(fragments, {"fragment_packets": 1}),
    "packed_bytes": Reached(packed, {"packed_bytes": 1, "packed_ratio": 0}),
    "packed_ratio": Reached(packed, {"packed_bytes": 1, "packed_ratio": 0}),
    "packed_run_bytes": Reached(packed, {"packed_run_bytes": 1, "packed_ratio": 0}),
    "archive_members": Reached(archived, {"archive_members": 1}),
    "views": Reached(sample("direct-ntlm-healthy", "one.pcap", "two.pcap"), {"views": 0}),
    "conflicts": Reached(played(overlapping(3)), {"conflicts": 1}),
    "overlaps": Reached(played(overlapping(3)), {"overlaps": 500}),
    "start_line_bytes": Reached(_ECHO, {"start_line_bytes": 10}),
    "head_bytes": Reached(_ECHO, {"head_bytes": 10}),
    "headers": Reached(_ECHO, {"headers": 1}),
    "chunks": Reached(played(chunked), {"chunks": 2}),
    "exchanges": Reached(played(many), {"exchanges": 1, "exchange_bytes": 256}),
    "exchange_bytes": Reached(played(many), {"exchanges": 1, "exchange_bytes": 256}),
    "connections": Reached(played(tiny(9)), {"connections": 2}),
    "connection_bytes": Reached(played(tiny(9)), {"connections": 0, "connection_bytes": 10_000}),
    "tunnel_depth": Reached(sample("squid-connect-clear-http"), {"tunnel_depth": 0}),
    "prefaces": Reached(played(prefaced), {"prefaces": 1}),
    "token_bytes": Reached(_TOKEN, {"token_bytes": 10}),
    "envelope_bytes": Reached(_ECHO, {"envelope_bytes": 100}),
    "field_characters": Reached(_ECHO, {"field_characters": 10}),
    "selector_characters": Reached(_ECHO, {"selector_characters": 2}),
    "settings": Reached(played(put(4)), {"settings": 2}),
    "sealed_parts": Reached(sample("direct-ntlm-healthy"), {"sealed_parts": 0}),
    "opened_bytes": Reached(_ECHO, {"opened_bytes": 100}),
    "unpacked_bytes": Reached(played(compressed), {"unpacked_bytes": 1, "unpacked_ratio": 0}),
    "unpacked_ratio": Reached(played(compressed), {"unpacked_bytes": 1, "unpacked_ratio": 0}),
    "unpacked_capture_bytes": Reached(played(compressed), {"unpacked_capture_bytes": 1, "unpacked_ratio": 0}),
    "unpacked_run_bytes": Reached(played(compressed), {"unpacked_run_bytes": 1, "unpacked_ratio": 0}),
    "kept_connection_bytes": Reached(_ECHO, {"kept_connection_bytes": 1}),
    "kept_capture_bytes": Reached(_ECHO, {"kept_capture_bytes": 1}),
    "kept_run_bytes": Reached(_ECHO, {"kept_run_bytes": 1}),
    "object_bytes": Reached(
        sample("direct-psrp-large-output"), {"object_bytes": 100}, {"secrets": str(_SAMPLES / "direct-psrp-large-output" / "secrets.toml")}
    ),
    "file_bytes": Reached(
        sample("direct-psrp-copy-fetch-healthy"), {"file_bytes": 100}, {"secrets": str(_SAMPLES / "direct-psrp-copy-fetch-healthy" / "secrets.toml")}
    ),
    "sigma_hits": Reached(_ECHO, {"sigma_hits": 1}, {"sigma": True}),
    "searched_characters": Reached(_ECHO, {"searched_characters": 3}, {"sigma": True}),
    "seconds": Reached(_ECHO, {"seconds": 1e-9}),
    "front_connections": Reached(sample("tls-ended-nginx-8443-healthy"), {"front_connections": 0}),
}
ELSEWHERE = {
    "undecided_flows": "tests/unit/capture/test_room.py",
    "flow_table_slots": "tests/unit/capture/test_room.py",
    "netmon_bytes": "tests/unit/capture/test_netmon.py",
    "trace_bytes": "tests/unit/capture/test_etl.py",
    "trace_ratio": "tests/property/test_format_growth.py",
    "dropped_packets": "tests/unit/capture/test_etl.py",
    "kdc_datagrams": "tests/unit/engine/test_kdc.py",
    "kdc_messages": "tests/unit/engine/test_kdc.py",
    "naming_datagrams": "tests/unit/capture/test_names.py",
    "host_events": "tests/unit/hostlogs/test_reading.py",
    "forwarded_events": "tests/unit/wsman/test_forwarding.py",
    "icmp_errors": "tests/unit/capture/test_icmp.py",
    "http2_frames": "tests/unit/http/test_http2.py",
    "hash_tries": "tests/golden/test_given.py",
    "hash_tries_uncompiled": "tests/golden/test_given.py",
    "key_tries": "tests/unit/auth/test_many_keys.py",
    "issues_per_kind": "tests/unit/capture/test_scan.py",
    "sightings": "tests/unit/sigma/test_sightings.py",
    "own_rule_s": "tests/unit/engine/test_own_rules.py",
    "own_rule_findings": "tests/unit/engine/test_own_rules.py",
    "window_bytes": "tests/unit/transport/test_reassembly.py",
    "record_size_bytes": "tests/property/test_kernel_twice.py",
}
"""Limits that need a format, a secret or a size of their own: the test that reaches them."""
NOT_LEFT_OUT = {
    "read_size_bytes": "how much is read at a time",
    "parallel_bytes": "how many threads read",
    "fork_bytes": "how many processes read",
    "open_files": "a file that was closed is opened again",
    "shards": "how the work is cut",
    "undecided_payload_packets": "what a connection is, is told by so many packets; WinRM that comes later is seen, and read again",
    "undecided_prefix_bytes": "the same, in bytes",
    "fragment_age_s": "fragments that are older are another datagram's; an issue says that the first one is incomplete",
    "duplicate_window_s": "what one packet captured twice is",
    "conflict_bytes": "the table says how long each content is",
    "pause_s": "what a pause is",
    "lost_tries": "what a lost segment is",
    "crossing_s": "what two messages that cross are",
    "large_segment_bytes": "what a large segment is",
    "tls_request_bytes": "what a request inside TLS is",
    "fault_text_characters": "how much is shown of a text; the message has all of it",
    "page_bytes": "how much is shown of a page; the exchange has all of it",
    "page_text_characters": "the same",
    "listed_keys": "the others are counted in the same table",
    "password_keys": "told by the same issue as key_tries",
    "tls_ports": "which ports are looked at",
    "front_ports": "which ports are looked at",
}
"""Settings of which nothing is left out silently, and why."""


def test_every_limit_is_reached_by_a_test_or_leaves_nothing_out() -> None:
    names = [*REACHED, *ELSEWHERE, *NOT_LEFT_OUT]
    assert sorted(names) == sorted(Limits.__struct_fields__)
    for name, place in ELSEWHERE.items():
        assert re.search(rf"\b{name}\b", (_ROOT / place).read_text(encoding="utf-8")), f"{place} has no word of {name}"


@pytest.mark.parametrize("name", REACHED)
def test_a_limit_that_is_reached_is_named_and_is_a_problem(name: str, tmp_path: Path) -> None:
    make, limits, asked = REACHED[name]
    if asked.get("sigma"):
        (tmp_path / "rule.yml").write_text(_SIGMA, encoding="utf-8")
        asked = {"sigma_dirs": [str(tmp_path)]}
    paths = [str(path) for path in make(tmp_path)]
    for given, reached in ((Limits(), False), (Limits(**limits), True)):
        case = analyze(paths, limits=given, **asked)
        told = [str(row["detail"]) for row in case.issues.to_dict("records") if re.search(rf"(?<!table )\b{name}\b", str(row["detail"]))]
        assert bool(told) is reached, list(case.issues["detail"])
        assert not (reached and "no capture problems" in case.overview()), told


class Constant(NamedTuple):
    """A limit that is no setting: where it stands, what it is driven down to, the name that the issue has, and what reaches it."""

    place: str
    value: int
    told: str
    make: Maker


def _layered(depth: int, text: str = "whoami /all /fo list") -> str:
    for _ in range(depth):
        text = f"powershell -enc {base64.b64encode(text.encode('utf-16-le')).decode()}"
    return text


def named(talk: Talk) -> None:
    """Two names of one address, by what its client asks for."""
    for name in (b"one", b"two"):
        talk.client(request().replace(b"Host: srv", b"Host: " + name))
        talk.server(response())


def nested(folder: Path) -> Sequence[Path]:
    """The command, and a packet in IP in IP."""
    (path,) = played(bodies(command("x")))(folder)
    inside = ip4("10.9.0.1", "10.9.0.2", TCP, bytes(20))
    for _ in range(3):
        inside = ip4("10.9.0.1", "10.9.0.2", 4, inside)
    path.write_bytes(path.read_bytes() + pcap([Frame(1_767_323_046_000_000_000, inside, RAW)])[24:])
    return [path]


_COMMAND = played(bodies(created(), command(_layered(2))))
_PACKED = f"FromBase64String('{base64.b64encode(gzip.compress(b'whoami /all')).decode()}')"
_SHELLS = played(bodies(created(inside="<rsp:Name>n</rsp:Name><rsp:WorkingDirectory>C:\\Temp</rsp:WorkingDirectory>")))
CONSTANTS = {
    "layers": Constant("analyzer.psrp.layers._DEPTH", 1, "layers=1", _COMMAND),
    "bytes of a layer": Constant("analyzer.psrp.layers._LIMIT", 5, "layer_bytes=5", played(bodies(created(), command(_PACKED)))),
    "characters of layers": Constant("analyzer.psrp.layers._MOST", 5, "layer_characters=5", _COMMAND),
    "facts of a shell": Constant("analyzer.psrp.history._MOST", 0, "shell_facts=0", _SHELLS),
    "events of a shell": Constant(
        "analyzer.psrp.history._MOST", 0, "shell_events=0", played(bodies(created(), (envelope(f"{_SHELL}/Disconnect", "<rsp:Disconnect/>"), b"")))
    ),
    "elements of properties": Constant("analyzer.wsman.properties._NODES", 3, "property_elements=3", _SHELLS),
    "depth of properties": Constant("analyzer.wsman.properties._DEPTH", 2, "property_depth=2", _SHELLS),
    "characters of a property": Constant("analyzer.wsman.properties._LONGEST", 4, "property_characters=4", _SHELLS),
    "properties": Constant("analyzer.wsman.properties._MOST", 1, "properties=1", _SHELLS),
    "depth of settings": Constant("analyzer.wsman.config._DEPTH", 1, "setting_depth=1", played(put(2))),
    "characters of a setting": Constant("analyzer.wsman.config._LONGEST", 2, "setting_characters=2", played(put(2))),
    "names of an address": Constant("analyzer.story.hosts._NAMES", 1, "host_names=1", played(named)),
    "headers inside of each other": Constant("analyzer.capture.slow._DEPTH", 2, "headers=2", nested),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_limit_that_is_no_setting_is_named_and_is_a_problem(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, value, told, make = CONSTANTS[name]
    paths = [str(path) for path in make(tmp_path)]
    module, _, constant = place.rpartition(".")
    before = f"{told.partition('=')[0]}={getattr(importlib.import_module(module), constant)}"
    assert not any(before in str(detail) for detail in analyze(paths).issues["detail"])
    monkeypatch.setattr(place, value)
    case = analyze(paths)
    assert any(told in str(detail) for detail in case.issues["detail"]), list(case.issues["detail"])
    assert "no capture problems" not in case.overview()
