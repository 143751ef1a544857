"""Nothing that is shared with pseudonyms holds a name of the capture: every command is run, and what it prints and writes is searched for every spelling of
every original. A slice with pseudonyms, analyzed again, gives the findings of the original one but for the names.
"""

import base64
import ipaddress
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

import analyzer
from analyzer.cli.commands import cli
from tests.golden.test_secrets import RUNS, unpacked

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
COVERED = (
    "direct-basic",
    "direct-event-forwarding-gap",
    "direct-omigod",
    "direct-psrp-jea-healthy",
    "evil-winrm-py-session",
    "https-basic-direct",
    "ipv6-direct",
    "kdc-unknown-spn",
    "nginx-host-rewritten",
    "pywinrm-credssp-direct",
    "socks5-password",
    "squid-cim-changes",
    "squid-connect-proxyauth-ntlm",
    "squid-event-forwarding-healthy",
    "squid-kerberos-healthy",
    "squid-ntlm-healthy",
    "tls-certificate-self-signed-12",
)
_OF_EACH_KIND = ("direct-event-forwarding-gap", "kdc-unknown-spn", "squid-cim-changes", "squid-ntlm-healthy", "tls-certificate-self-signed-12")
"""Those of which every artefact is searched in each run of the tests; of all where ``WINRM_PSEUDONYMS`` is ``all`` (ten minutes)."""
REFUSED = {"extract", "hashes"}
"""What these give is the evidence itself."""
_PEOPLE = ("alice", "bob", "carol", "proxyuser", "lab", "lab.example", "srv01", "wks01", "wks02", "wks03", "jump01", "winrm.lab.example")
"""Names of the lab's accounts and hosts: whichever of them a capture has."""

_OF_ANYONE = {"workstation", "http", "wsman", "unknown"}
"""What a client calls itself where nobody gave it a name."""


def captures(name: str) -> list[str]:
    return [str(path) for path in sorted((SAMPLES / name).iterdir()) if path.suffix in {".pcap", ".pcapng"}]


def _options(name: str) -> list[str]:
    folder = SAMPLES / name
    known = {"--secrets": folder / "secrets.toml", "--keylog": folder / "tls.keys"}
    return [word for option, path in known.items() if path.exists() for word in (option, str(path))]


def originals(name: str) -> set[str]:
    """Every name and address that the tables of the capture have, and those of the lab."""
    case = analyzer.analyze(captures(name))
    found: set[str] = set(_PEOPLE)
    columns = {
        "connections": ("client_ip", "server_ip"),
        "hosts": ("address", "name"),
        "logons": ("user", "domain"),
        "shells": ("configuration",),
        "authentications": ("user", "domain", "workstation", "server_name", "realm"),
        "tls": ("server_name", "certificate_subject"),
    }
    for table, names in columns.items():
        for row in case.listed(table):
            found.update(str(row[one]) for one in names if row.get(one))
    found = {one for one in found if not one.startswith("Microsoft.")}
    return {one.lower() for one in found if len(one) > 2 and not one.startswith("127.") and one.lower() not in {"::1", *_OF_ANYONE}}


def spellings(one: str) -> Iterator[re.Pattern[bytes]]:
    """The forms of a name in a file: by itself in any case, in UTF-16, in hexadecimal, in Base64 wherever it begins in a group of three, in a URL."""
    for coding in ("utf-8", "utf-16-le", "utf-16-be"):
        wide = b"\0" if coding != "utf-8" else b""
        edge = rb"(?<![A-Za-z0-9])" if not wide else b""
        yield re.compile(edge + re.escape(one.encode(coding)) + (rb"(?![A-Za-z0-9])" if not wide else b""), re.IGNORECASE)
        if len(one) < 4:
            continue
        for form in {one, one.upper(), one.capitalize()}:
            data = form.encode(coding)
            yield re.compile(data.hex().encode(), re.IGNORECASE)
            for lead in range(3):
                encoded = base64.b64encode(bytes(lead) + data)
                yield re.compile(re.escape(encoded[-(-lead * 8 // 6) : (lead + len(data)) * 8 // 6]))
    if quote(one, safe="") != one:
        yield re.compile(re.escape(quote(one, safe="").encode()), re.IGNORECASE)
    try:
        yield re.compile(re.escape(ipaddress.ip_address(one).packed))
    except ValueError:
        return


def artefacts(name: str, out: Path) -> Iterator[tuple[str, bytes]]:
    """(what it is, its bytes) of everything that the commands print and write with pseudonyms; of compressed files also what is in them."""
    capture = captures(name)[0]
    key = out.parent / "names.key"
    for command, runs in RUNS.items():
        for place, words in enumerate(runs):
            if command in {"verify", *REFUSED} or "--log-file" in words:
                continue
            filled = [word.replace("OUT", str(out)).replace("CAPTURE", capture) for word in words]
            of_case = any(word.startswith("OUT/case") and before != "-o" for before, word in zip(("", *words), words, strict=False))
            options = [] if of_case else [*_options(name), "--pseudonyms", str(key)]
            done = CliRunner().invoke(cli, [command, *filled, *options])
            assert done.exit_code == 0, (command, words, done.output, done.exception)
            yield f"{command} {place}", done.stdout.encode("utf-8", "surrogatepass")
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix not in {".xlsx", ".zst"}:  # in bytes that are packed, three letters stand by chance; what they become is looked through
            yield path.name, data
        yield from unpacked(path, data)


def _held(data: bytes, patterns: dict[str, list[re.Pattern[bytes]]]) -> list[tuple[str, bytes]]:
    return [(one, data[max(found.start() - 30, 0) : found.end() + 30]) for one, forms in patterns.items() for form in forms if (found := form.search(data))]


@pytest.mark.slow
@pytest.mark.parametrize("name", COVERED if os.environ.get("WINRM_PSEUDONYMS") == "all" else _OF_EACH_KIND)
def test_no_artefact_holds_an_original(name: str, tmp_path: Path) -> None:
    patterns = {one: list(spellings(one)) for one in sorted(originals(name))}
    assert len(patterns) > len(_PEOPLE)
    found = [(what, held) for what, data in artefacts(name, tmp_path / "out") if (held := _held(data, patterns))]
    assert found == []


def test_the_search_can_fail(tmp_path: Path) -> None:
    """The same search finds the names in the captures themselves, in each kind of spelling, and in what is written without pseudonyms."""
    for name, wanted in (("squid-ntlm-healthy", "alice"), ("squid-kerberos-healthy", "srv01"), ("tls-certificate-self-signed-12", "lab.example")):
        data = b"".join(Path(path).read_bytes() for path in captures(name))
        assert _held(data, {wanted: list(spellings(wanted))}), name
        case = analyzer.analyze(captures(name))
        case.report(tmp_path / f"{name}.html")
        addresses = {one: list(spellings(one)) for one in originals(name) if one[:1].isdigit()}
        assert addresses
        assert _held(data, addresses)
        assert _held((tmp_path / f"{name}.html").read_bytes(), addresses)


def _findings(case: analyzer.Case) -> list[tuple[object, ...]]:
    names = ("rule", "severity", "confidence", "connections", "exchanges", "packets", "title", "why", "user", "source", "destination")
    return sorted(tuple(str(row[name]) for name in names) for row in case.listed("findings"))


_EQUAL = sorted(path.name for path in SAMPLES.iterdir() if (path / "truth.json").exists() and captures(path.name))
_FEW = set(COVERED) | {"badproxy-change-type", "direct-psrp-offload", "icmp-host-unreachable", "overlap-with-other-content", "server-404", "vlan-direct"}


@pytest.mark.parametrize("name", [one if one in _FEW else pytest.param(one, marks=pytest.mark.slow) for one in _EQUAL])
def test_a_slice_with_pseudonyms_gives_the_findings_of_the_original(name: str, tmp_path: Path) -> None:
    case, key = analyzer.analyze(captures(name)), tmp_path / "names.key"
    (tmp_path / "original").mkdir()
    (tmp_path / "shared").mkdir()
    whole = case.slice(tmp_path / "original" / "slice.pcapng")
    shared = analyzer.with_pseudonyms(case, key)
    assert shared.slice(tmp_path / "shared" / "slice.pcapng") == whole, "no packet was left out"
    original = analyzer.analyze(str(tmp_path / "original" / "slice.pcapng"))
    again = analyzer.analyze(str(tmp_path / "shared" / "slice.pcapng"))
    assert _findings(again) == _findings(analyzer.with_pseudonyms(original, key))
    before, after = ([(row["code"], row["packet"]) for row in one.listed("issues")] for one in (original, again))
    assert after == before, "and what was wrong with the evidence, checksums among it, is as it was"


def test_the_key_file_is_for_its_owner_and_restores(tmp_path: Path) -> None:
    key, page = tmp_path / "names.key", tmp_path / "findings.json"
    capture = captures("nginx-host-rewritten")[0]
    shown = CliRunner().invoke(cli, ["findings", capture, "-f", "json"]).stdout
    replaced = CliRunner().invoke(cli, ["findings", capture, "-f", "json", "--pseudonyms", str(key)]).stdout
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert replaced != shown
    page.write_text(replaced, encoding="utf-8")
    back = CliRunner().invoke(cli, ["restore", str(page), "--pseudonyms", str(key)])
    assert json.loads(back.stdout) == json.loads(shown)


def test_the_same_key_gives_the_same_names(tmp_path: Path) -> None:
    capture = captures("squid-ntlm-healthy")[0]
    first, second = (analyzer.with_pseudonyms(analyzer.analyze(capture), tmp_path / "names.key").listed("logons") for _ in range(2))
    other = analyzer.with_pseudonyms(analyzer.analyze(capture), tmp_path / "other.key").listed("logons")
    assert first == second
    assert first != other


@pytest.mark.parametrize("command", sorted(REFUSED))
def test_the_evidence_itself_is_not_handed_out(command: str, tmp_path: Path) -> None:
    capture = captures("squid-ntlm-healthy")[0]
    more = {"extract": ["-o", str(tmp_path / "files")], "hashes": ["--show-secrets"]}[command]
    done = CliRunner().invoke(cli, [command, capture, *more, "--pseudonyms", str(tmp_path / "names.key")])
    assert done.exit_code != 0
    case = analyzer.with_pseudonyms(analyzer.analyze(capture), tmp_path / "names.key")
    for ask in (case.show_secrets, lambda: case.bytes("c1.x1.q"), lambda: case.packet("capture.pcap", 1), lambda: case.cells("logons", show_secrets=True)):
        with pytest.raises(analyzer.AnalyzerError):
            ask()


@pytest.mark.parametrize("content", [b"", b"not a key file", b"{}", b'{"form": "winrm-analyzer pseudonyms 1", "key": "00"}', b"\xff\xfe\0"])
def test_what_is_no_key_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(analyzer.AnalyzerError):
        analyzer.with_pseudonyms(analyzer.analyze(captures("squid-ntlm-healthy")[0]), tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == content
