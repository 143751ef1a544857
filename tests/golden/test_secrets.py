"""No artefact of any command holds a secret: every command is run, and what it prints and writes is searched for every spelling of each secret.

The samples cover each scheme and each kind of secret (password, NT hash, session key, Kerberos key, keytab, key log), and a capture made for this
test holds its own secrets wherever people put them. The spellings are made here, by other means than the mask's own; `test_the_search_can_fail` shows
that the search finds them.
"""

import base64
import json
import logging
import re
import struct
import tomllib
import zipfile
from collections.abc import Collection, Iterator
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
import zstandard
from click.testing import CliRunner

import analyzer
from analyzer.cli.commands import cli
from analyzer.exports.registry import EXPORTS
from analyzer.tables.registry import TABLES
from tests.build import careless, typed

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
COVERED = (
    "direct-basic",
    "direct-credssp-healthy",
    "direct-ntlm-healthy",
    "evil-winrm-py-session",
    "https-basic-direct",
    "squid-connect-proxyauth-ntlm",
    "squid-kerberos-healthy",
    "squid-proxyauth-basic",
)
_TABLES = [table.name for table in TABLES]
_NAME, _FOLDER = "CAPTURE", "OUT"
ALWAYS_RAW = {
    "hashes": "prints nothing without --show-secrets",
    "extract": "writes the files themselves; its list is searched",
    "explain": "reads no capture",
    "wireshark": "reads no capture",
    "completion": "reads no capture",
    "restore": "reads no capture",
    "rules": "reads no capture",
    "schema": "reads no capture",
    "verify": "is run on the case",
    "docs": "reads no capture",
    "notebook": "writes code that opens the case, and no cell of it",
    "serve": "tests/unit/viewer searches its pages",
}
"""Commands without a run of their own below, and why."""
NEVER_RAW = {"info", "compare", "findings", "ladder", "verify", "extract", "pcap"}
"""Commands without the option --show-secrets."""
RUNS: dict[str, list[list[str]]] = {
    "analyze": [
        ["CAPTURE", "-o", "OUT/case"],
        ["CAPTURE", "-o", "OUT/case-with-texts", "--keep", "texts"],
        ["CAPTURE", "-f", "json"],
        ["CAPTURE", "-f", "jsonl"],
        ["CAPTURE", "-v", "--log-file", "OUT/run.log"],
        ["OUT/case"],
    ],
    "info": [["CAPTURE"], ["OUT/case"]],
    "sql": [["select * from commands", "CAPTURE", "-f", "jsonl"], ["select * from streams", "CAPTURE", "--full"], ["select * from exchanges", "OUT/case"]],
    "findings": [["CAPTURE"], ["CAPTURE", "-f", "csv"], ["CAPTURE", "-f", "json"], ["CAPTURE", "-f", "jsonl"]],
    "show": [
        *([name, "CAPTURE"] for name in ("exchanges", "commands", "streams")),
        *([name, "OUT/case", "-f", form, "-o", f"OUT/{name}.{form}"] for name in _TABLES for form in ("csv", "json", "jsonl", "parquet")),
    ],
    "timeline": [
        ["CAPTURE"],
        ["CAPTURE", "--profile", "timesketch"],
        ["CAPTURE", "--profile", "timesketch", "-o", "OUT/timesketch.csv"],
        ["CAPTURE", "--profile", "ecs", "-o", "OUT/ecs.ndjson"],
        ["CAPTURE", "--profile", "zeek", "-o", "OUT/zeek"],
        ["OUT/case", "--profile", "timesketch"],
    ],
    "export": [
        ["CAPTURE", "-f", "har", "-o", "OUT/exchanges.har"],
        ["CAPTURE", "-f", "navigator"],
        ["CAPTURE", "-f", "winlogbeat"],
        ["CAPTURE", "-f", "nxlog"],
        *(["CAPTURE", "-f", form, "-o", f"OUT/case.{form}"] for form in ("sqlite", "duckdb", "xlsx")),
        ["OUT/case-with-texts", "-f", "har", "-o", "OUT/exchanges-of-case.har"],
    ],
    "pcap": [["CAPTURE", "-o", "OUT/slice.pcapng"], ["CAPTURE", "--decrypted", "-o", "OUT/decrypted.pcapng"]],
    "transcript": [["CAPTURE"], ["CAPTURE", "-f", "jsonl"], ["OUT/case"]],
    "ladder": [["CAPTURE"], ["OUT/case"], ["CAPTURE", "--format", "mermaid"], ["CAPTURE", "--format", "svg", "--connection", "c1"]],
    "report": [["CAPTURE", "-o", "OUT/report.html"], ["OUT/case", "-o", "OUT/report-of-case.html"]],
    "compare": [["CAPTURE", "CAPTURE"], *(["CAPTURE", "CAPTURE", "-f", form] for form in ("csv", "json", "html"))],
    "extract": [["CAPTURE", "-o", "OUT/files"], ["CAPTURE", "-o", "OUT/more-files", "-f", "jsonl"]],
    "verify": [["OUT/case"]],
}
"""Every command with its kinds of output, in the order of the runs."""


def spellings(data: bytes) -> Iterator[bytes]:
    """How bytes can stand in a file: as they are, as hexadecimal digits, in base64 wherever they begin in a group of three."""
    yield data
    for digits in (data.hex(), data.hex().upper()):
        yield digits.encode()
        yield digits.encode("utf-16-le")
    for lead in range(3):
        encoded = base64.b64encode(bytes(lead) + data)
        whole = encoded[-(-lead * 8 // 6) : (lead + len(data)) * 8 // 6]
        yield from (whole, whole.replace(b"+", b"-").replace(b"/", b"_"))


def secrets_of_password(value: str) -> set[bytes]:
    quoted = value.replace("'", "''")
    found = {form for text in (value, quoted) for encoding in ("utf-8", "utf-16-le") for form in spellings(text.encode(encoding))}
    texts = (escape(value), escape(value, quote=False), quote(value, safe=""), quote(value), value.replace(" ", "+"), json.dumps(value)[1:-1])
    return found | {text.encode(encoding) for text in texts for encoding in ("utf-8", "utf-16-le")}


def keytab_keys(path: Path) -> Iterator[bytes]:
    """Every key of a keytab, by its layout: key type, length and key follow principal, name type, time and version number."""
    data, at = path.read_bytes(), 2
    while at < len(data):
        size = struct.unpack_from(">i", data, at)[0]
        entry = data[at + 4 : at + 4 + abs(size)]
        at += 4 + abs(size)
        parts, place = struct.unpack_from(">H", entry)[0] + 1, 2
        for _ in range(parts):
            place += 2 + struct.unpack_from(">H", entry, place)[0]
        length = struct.unpack_from(">H", entry, place + 11)[0]
        yield entry[place + 13 : place + 13 + length]


def in_capture(paths: list[Path]) -> Iterator[str]:
    """Credentials of Basic authentication in the packets, to servers and to proxies, given or not."""
    for path in paths:
        for token in re.findall(rb"uthorization: Basic ([A-Za-z0-9+/=]+)", path.read_bytes()):
            yield base64.b64decode(token).decode()


def secrets(paths: list[Path]) -> set[bytes]:
    """All spellings of all secrets that belong to the captures and secret files."""
    found: set[bytes] = set()
    for pair in in_capture([path for path in paths if "pcap" in path.suffix]):
        found |= secrets_of_password(pair) | secrets_of_password(pair.partition(":")[2])
    for path in paths:
        if path.suffix == ".toml":
            told = tomllib.loads(path.read_text(encoding="utf-8"))
            for entry in told.get("password", []):
                found |= secrets_of_password(entry["value"])
            for section in ("nt_hash", "session_key", "kerberos_key"):
                found.update(form for entry in told.get(section, []) for form in spellings(bytes.fromhex(entry["value"])))
        elif path.suffix == ".keytab":
            found.update(form for key in keytab_keys(path) for form in spellings(key))
        elif path.suffix == ".keys":
            lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
            found.update(form for words in lines if len(words) == 3 for form in spellings(bytes.fromhex(words[2])))
    return {form for form in found if len(form) >= 6}


def made(paths: list[Path], out: Path, *more: str) -> Iterator[tuple[str, bytes]]:
    """(what it is, its bytes) of everything that the commands print and write; also of the cells of Parquet files, which are compressed."""
    capture = next(str(path) for path in paths if "pcap" in path.suffix)
    known = next(str(path) for path in paths if path.suffix == ".toml")
    for command, runs in RUNS.items():
        for place, words in enumerate(runs):
            filled = [word.replace(_FOLDER, str(out)).replace(_NAME, capture) for word in words]
            options = [] if command == "verify" or (f"{_FOLDER}/case" in words[:2] and "-o" not in words[:2]) else ["--secrets", known]
            shows = [word for word in more if command not in NEVER_RAW or word != "--show-secrets"] if command != "verify" and options else []
            done = CliRunner().invoke(cli, [command, *filled, *options, *shows])
            assert done.exception is None or isinstance(done.exception, SystemExit), (command, words, done.exception)
            assert done.exit_code == 0, (command, words, done.output)
            yield f"{command} {place}", done.output.encode("utf-8", "surrogatepass")
    for path in sorted(path for path in out.rglob("*") if path.is_file() and not path.parent.name.endswith("files")):
        data = path.read_bytes()
        yield path.name, without_packets(data) if path.name == "slice.pcapng" else data
        yield from unpacked(path, data)


def unpacked(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    """(what it is, its bytes) of what a file of a packed format holds."""
    if path.suffix == ".zst":
        yield f"content of {path.name}", zstandard.ZstdDecompressor().decompress(data)
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            yield "cells of case.xlsx", unescape("\n".join(book.read(name).decode() for name in book.namelist())).encode()
    rows: list[tuple[object, ...]] = []
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as database:
            rows = [row for name in _TABLES for row in database.execute(f'select * from "{name}"').fetchall()]  # noqa: S608
    if path.suffix == ".parquet":
        rows = duckdb.read_parquet(str(path)).fetchall()
    if rows:
        yield f"cells of {path.name}", "\n".join(str(cell) for row in rows for cell in row).encode("utf-8", "surrogatepass")


def without_packets(data: bytes) -> bytes:
    """A pcapng file without the packets' own bytes, which are the evidence: its headers and comments. Each packet block ends with its options."""
    kept, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        skipped = 28 + -(-struct.unpack_from("<I", data, at + 20)[0] // 4) * 4 if kind == 6 else 0
        kept.append(data[at + skipped : at + size])
        at += size
    return b"".join(kept)


def test_every_command_is_run() -> None:
    assert set(RUNS) | set(ALWAYS_RAW) == set(cli.commands)


def test_every_format_of_other_programs_is_written() -> None:
    """And in every form: a row of the registry without a run here is a leak that nobody looks for."""
    written = {
        (words[words.index(option) + 1], next((word for word in words if word.endswith((".csv",))), ""))
        for command, option in (("timeline", "--profile"), ("export", "-f"))
        for words in RUNS[command]
        if option in words
    }
    native = {("native", "")}
    wanted = {(row.name, form if form == "csv" else "") for row in EXPORTS for form in row.forms}
    assert {(name, "csv" if ending else "") for name, ending in written} | native == wanted


def _of_sample(name: str) -> list[Path]:
    return sorted(path for path in (SAMPLES / name).iterdir() if path.suffix not in {".md", ".json"})


@pytest.mark.parametrize("name", COVERED)
def test_no_artefact_of_a_sample_holds_a_secret(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _search(_of_sample(name), tmp_path, caplog)


def test_no_artefact_holds_a_secret_that_is_in_the_capture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    paths = careless.written(tmp_path / "evidence")
    assert len(_in(paths[0].read_bytes(), secrets(paths))) > 30, "the secrets are in the packets in many spellings"
    _search(paths, tmp_path / "out", caplog)


def _typed_forms(folder: Path) -> list[Path]:
    """A capture in which every form of `tests.build.typed` runs."""
    found = typed.forms(same=True)
    return careless.typed(folder, {kind: [one.line for one in found if one.kind == kind] for kind in ("winrs", "powershell")})


def _of_forms() -> set[bytes]:
    return {form for value in typed.SAME for form in secrets_of_password(value) if len(form) >= 6}


@pytest.mark.slow
@pytest.mark.parametrize("mask", [(), ("--mask", "strict")], ids=["usual", "strict"])
def test_every_form_of_a_typed_secret_is_masked_in_every_artefact(mask: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _search(_typed_forms(tmp_path / "evidence"), tmp_path / "out", caplog, _of_forms(), *mask)


@pytest.mark.slow
def test_of_typed_secrets_the_search_can_fail(tmp_path: Path) -> None:
    paths = _typed_forms(tmp_path / "evidence")
    wanted = _of_forms()
    found = {name for name, data in made(paths, tmp_path / "out", "--show-secrets") if _in(data, wanted)}
    assert {"transcript 0", "transcript 1", "show 1", "show 2", "report.html", "cells of commands.parquet", "cells of streams.parquet", "ecs.ndjson"} <= found
    assert {"timeline 0", "timesketch.csv", "exchanges.har", "sql 0", "content of records.msgpack.zst", "content of texts.msgpack.zst"} <= found
    assert {"case.sqlite", "cells of case.duckdb", "cells of case.xlsx"} <= found


def _in(data: bytes, wanted: set[bytes]) -> list[bytes]:
    return sorted(secret for secret in wanted if secret in data)


def _search(paths: list[Path], out: Path, caplog: pytest.LogCaptureFixture, more: Collection[bytes] = (), *options: str) -> None:
    wanted = secrets(paths) | set(more)
    assert wanted
    artefacts = [*made(paths, out, *options), ("logs", caplog.text.encode())]
    assert [(name, _in(data, wanted)) for name, data in artefacts if _in(data, wanted)] == []


def test_records_do_not_show_credentials(tmp_path: Path) -> None:
    """What a notebook shows of a record is its ``repr``; its value is the evidence itself."""
    for paths in (_of_sample("direct-basic"), _of_sample("squid-proxyauth-basic")):
        case = analyzer.analyze(*(str(path) for path in paths if "pcap" in path.suffix))
        shown = repr([*case.evidence.exchanges.values(), *case.evidence.conversations, case]).encode()
        assert _in(shown, secrets(paths)) == []
        assert any("Basic " in header.value for one in case.evidence.exchanges.values() for header in getattr(one.request, "headers", ()))


def test_the_search_can_fail(tmp_path: Path) -> None:
    """The same with --show-secrets finds them in every artefact that the option is for."""
    paths = careless.written(tmp_path / "evidence")
    wanted = secrets(paths)
    found = {name for name, data in made(paths, tmp_path / "out", "--show-secrets") if _in(data, wanted)}
    assert {"transcript 0", "transcript 1", "show 0", "show 1", "show 2", "report.html", "cells of commands.parquet", "cells of exchanges.parquet"} <= found
    assert {"timeline 0", "timeline 1", "timesketch.csv", "ecs.ndjson", "http.log", "exchanges.har"} <= found
    assert {"info 0", "findings 0", "ladder 0", "verify 0"} & found == set()
