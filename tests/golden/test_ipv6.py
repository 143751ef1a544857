"""Over IPv6 what is said is the same, and an address with a port stands in brackets (RFC 3986 section 3.2.2): fd00::1:5985 is an address of its own."""

import re
from pathlib import Path

import pytest

import analyzer
from tests.build.six import in_ipv6

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
_HOST = r"fd00::(?:\d{1,3}:){3}\d{1,3}"


@pytest.mark.parametrize("name", ["badproxy-healthy", "direct-password-spray", "haproxy-idle-close", "https-to-5985", "squid-kerberos-healthy"])
def test_an_address_stands_in_brackets_before_its_port(name: str, tmp_path: Path) -> None:
    capture = next(path for path in sorted((SAMPLES / name).iterdir()) if path.suffix in (".pcap", ".pcapng"))
    plain, case = analyzer.analyze(capture), analyzer.analyze(in_ipv6(capture, tmp_path / "six.pcap"))
    assert [row["rule"] for row in case.listed("findings")] == [row["rule"] for row in plain.listed("findings")]
    assert [row["basis"] for row in case.listed("hops")] == [row["basis"] for row in plain.listed("hops")]
    ports = {str(end.port) for one in case.evidence.connections.values() for end in (one.client, one.server)}
    case.report(tmp_path / "report.html")
    cells = (str(value) for name in ("findings", "incidents", "issues", "parties", "clocks") for row in case.listed(name) for value in row.values())
    texts = (case.overview(full=True), case.look(), (tmp_path / "report.html").read_text(encoding="utf-8"), *cells)
    assert any(re.search(rf"\[{_HOST}\]:(?:{'|'.join(ports)})\b", text) for text in texts)
    assert [found[0] for text in texts for found in re.finditer(rf".{{0,40}}{_HOST}:(?:{'|'.join(ports)})\b", text)] == []
