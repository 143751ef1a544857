"""A sample as an event trace tells what it tells as a pcap: the same findings about the same packets, bytes and times."""

from pathlib import Path

import pytest

from analyzer.engine.local import run
from analyzer.records.result import Result
from analyzer.settings import Limits, Scope
from tests.build.packets import ETHERNET, Frame, pcap
from tests.build.traces import SYSTEM_TIME, Clock, netsh_trace, pktmon_trace
from tests.property.reading import frames

SAMPLES = ("squid-ntlm-one-leg", "wrong-password", "direct-basic", "haproxy-http-server-close", "squid-negotiate-unencrypted", "direct-omigod")
MADE = {
    "netsh": lambda given: netsh_trace(given, Clock(SYSTEM_TIME), processors=2),
    "netsh in parts": lambda given: netsh_trace(given, Clock(SYSTEM_TIME), parts=3),
    "pktmon": lambda given: pktmon_trace(given, Clock(SYSTEM_TIME), processors=3),
}


def ethernet(name: str) -> list[Frame]:
    """The sample's frames in order of time, each at a tick of its own."""
    out: list[Frame] = []
    for one in sorted((one for one in frames(name) if one.link == ETHERNET), key=lambda one: one.ts_ns):
        after = out[-1].ts_ns + 100 if out else 0
        out.append(one._replace(ts_ns=max(one.ts_ns // 100 * 100, after)))
    return out


def result(path: Path, data: bytes) -> Result:
    path.write_bytes(data)
    done = run([str(path)], Limits(), Scope())
    done.sources.close()
    return done.result


@pytest.mark.parametrize("form", MADE)
@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_findings(name: str, form: str, tmp_path: Path) -> None:
    given = ethernet(name)
    assert len(given) > 10
    one, other = result(tmp_path / "a.pcap", pcap(given)), result(tmp_path / "a.etl", MADE[form](given))
    assert other.evidence.captures[0].packets == len(given)
    assert [str(found).replace("a.etl", "a.pcap") for found in other.findings] == [str(found) for found in one.findings]
    assert other.diagnosis == one.diagnosis
    assert list(other.evidence.exchanges.values()) == list(one.evidence.exchanges.values())
