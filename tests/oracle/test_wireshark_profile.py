"""The profile as tshark takes it: no complaint, its ports are decoded, every filter of a colour or a button is one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli.commands import cli
from analyzer.exports.wireshark import BUTTONS, COLOURS
from tests.build.talk_http import post, reply, soap
from tests.build.talks import Wire

SAMPLE = Path(__file__).parents[2] / "sample_pcaps" / "squid-ntlm-healthy" / "capture.pcap"
HTTPS = Path(__file__).parents[2] / "sample_pcaps" / "https-direct"
pytestmark = [pytest.mark.tshark, pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A configuration folder of its own, with the profile in it."""
    done = CliRunner().invoke(cli, ["wireshark", "-o", str(tmp_path / "config" / "profiles")])
    assert done.exit_code == 0
    return tmp_path / "config"


def tshark(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(home), "HOME": str(home)}
    return subprocess.run(["tshark", *arguments], check=False, capture_output=True, text=True, env=environment)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.strip() and 'user "root"' not in line]


def test_nothing_is_complained_about_and_the_columns_are_ours(home: Path) -> None:
    done = tshark(home, "-C", "WinRM", "-r", str(SAMPLE), "-Y", "http.request")
    assert (done.returncode, complaints(done)) == (0, [])
    assert "NTLMSSP_AUTH, User: LAB\\alice" in done.stdout
    assert re.search(r"10\.20\.2\.20 +\d+ +HTTP +POST +\d", done.stdout), "stream, protocol, method, status, user and length are columns"


def test_a_port_that_wireshark_does_not_know_is_decoded(home: Path, tmp_path: Path) -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.10.1.21", 47001)
    talk.exchange(post(content=soap()), reply(200, content=soap("Receive")))
    path = lan.capture(tmp_path / "compatibility.pcap")
    count = "-T", "fields", "-e", "http.request.method", "-Y", "http.request"
    heuristics = "-o", "http.tcp.port:80"
    assert tshark(home, "-r", str(path), *count, *heuristics, "--disable-heuristic", "http_tcp").stdout.split() == []
    assert tshark(home, "-C", "WinRM", "-r", str(path), *count, "--disable-heuristic", "http_tcp").stdout.split() == ["POST"]


def test_https_is_opened_with_a_key_log(home: Path) -> None:
    keys = f"tls.keylog_file:{HTTPS / 'tls.keys'}"
    done = tshark(home, "-C", "WinRM", "-r", str(HTTPS / "capture.pcap"), "-o", keys, "-Y", "http.request", "-T", "fields", "-e", "http.request.method")
    assert set(done.stdout.split()) == {"POST"}


@pytest.mark.parametrize("text", [*(one.filter for one in COLOURS), *(one.filter for one in BUTTONS)])
def test_every_filter_is_one(home: Path, text: str) -> None:
    done = tshark(home, "-C", "WinRM", "-r", str(SAMPLE), "-c", "1", "-Y", text)
    assert (done.returncode, complaints(done)) == (0, [])


def test_filters_find_what_they_are_for(home: Path) -> None:
    def shown(label: str) -> int:
        text = next(one.filter for one in BUTTONS if one.label == label)
        return len(tshark(home, "-C", "WinRM", "-r", str(SAMPLE), "-Y", text).stdout.splitlines())

    assert min(shown(label) for label in ("WS-Man", "Logon", "401/407", "NTLM", "Sealed", "Close")) > 0
    assert shown("Basic") == shown("Kerberos") == shown("Findings") == 0


def test_the_first_colour_that_fits_is_used(home: Path) -> None:
    done = tshark(home, "-C", "WinRM", "-r", str(SAMPLE), "-T", "fields", "-e", "frame.coloring_rule.name", "-Y", "http", "--color")
    found = set(done.stdout.splitlines())
    assert {"WinRM: HTTP", "WinRM: logon", "WinRM: logon refused or asked for", "WinRM: encrypted message"} <= found <= {one.name for one in COLOURS}


def test_an_existing_profile_is_left_alone(home: Path) -> None:
    assert CliRunner().invoke(cli, ["wireshark", "-o", str(home / "profiles")]).exit_code != 0
    assert CliRunner().invoke(cli, ["wireshark", "-o", str(home / "profiles"), "--clobber"]).exit_code == 0
