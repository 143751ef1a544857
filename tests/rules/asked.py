"""Lines that run in a shell, and what the rules over lines say of them: as a WinRS command, as a script, as its decoded layer, as input."""

import base64
import tempfile
from pathlib import Path

from analyzer.engine.work import told
from analyzer.records.finding import Finding, Severity
from tests.build import careless
from tests.golden.claims import wrong
from tests.rules.judging import Judged, judge_files

CLIENT, SERVER = "10.10.1.11", "10.10.1.21"
LINE_RULES = (
    *("attack.credential-dumping", "attack.logging-tampering", "attack.defender-tampering", "attack.shadow-copies", "attack.service-or-task"),
    *("attack.code-loading", "attack.encoded-script", "attack.bulk-transfer"),
)


def winrs(*lines: str) -> Judged:
    """Each line as a WinRS command."""
    return _judged({"winrs": lines})


def scripts(*lines: str) -> Judged:
    """Each text as a PowerShell pipeline."""
    return _judged({"powershell": lines})


def encoded(script: str) -> str:
    """A command line that runs the script, as tools of management write it."""
    return f"powershell.exe -NoProfile -EncodedCommand {base64.b64encode(script.encode('utf-16-le')).decode()}"


def _judged(shells: dict[str, tuple[str, ...]]) -> Judged:
    with tempfile.TemporaryDirectory() as folder:
        return judge_files([careless.typed(Path(folder), shells)[0]])


def one_of(found: list[Finding]) -> Finding:
    """The only one."""
    (only,) = found
    return only


def alarms(judged: Judged) -> list[tuple[str, Severity, str]]:
    """What the rules over lines report above low."""
    return [(one.rule, one.severity, one.why) for one in judged.findings if one.rule in LINE_RULES and one.severity not in (Severity.INFO, Severity.LOW)]


def says(rule: str, line: str, severity: Severity, *, script: bool = False) -> Finding:
    """The finding of a line: of its severity, with its packet, its words, its command and its shell's places."""
    judged = (scripts if script else winrs)(line)
    finding = judged.one(rule)
    (command,) = judged.evidence.commands
    assert finding.severity is severity
    assert finding.packets[0] == command.packets[0]
    assert finding.confidence == 0.7
    assert len(finding.exchanges) == 1
    assert f"from {CLIENT}" not in finding.why
    assert f"{CLIENT} sent 1 command of this kind to {SERVER}." in finding.why
    assert (finding.source, finding.destination) == (CLIENT, SERVER)
    assert command.id in finding.why
    assert finding.attack
    assert "\u201c" in finding.why
    assert list(wrong(told(judged.evidence), finding)) == []
    return finding
