import pytest

from analyzer.records.finding import Severity
from tests.rules.asked import says, winrs

RULE = "attack.shadow-copies"


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("vssadmin delete shadows /all /quiet", Severity.HIGH),
        ("vssadmin.exe Delete Shadows /For=C: /Oldest", Severity.MEDIUM),
        ("vssadmin resize shadowstorage /for=C: /on=C: /maxsize=401MB", Severity.MEDIUM),
        ("wmic shadowcopy delete", Severity.HIGH),
        ("wmic.exe shadowcopy where \"ID='x'\" delete /nointeractive", Severity.HIGH),
        ("powershell Get-WmiObject Win32_ShadowCopy | ForEach-Object { $_.Delete() }", Severity.HIGH),
        ("wbadmin delete catalog -quiet", Severity.MEDIUM),
        ("bcdedit /set {default} recoveryenabled No", Severity.MEDIUM),
        ("copy \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1\\Windows\\System32\\config\\SAM C:\\t\\", Severity.HIGH),
        ("copy \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy2\\Windows\\NTDS\\NTDS.dit C:\\t\\n.dit", Severity.HIGH),
        ("vssadmin create shadow /for=C:", Severity.LOW),
        ("wmic shadowcopy call create Volume=C:\\", Severity.LOW),
    ],
)
def test_a_command(line: str, severity: Severity) -> None:
    assert line in says(RULE, line, severity).why


@pytest.mark.parametrize(
    "line",
    [
        "vssadmin list shadows",
        "vssadmin list writers",
        "vssadmin list shadowstorage",
        "wmic shadowcopy list brief",
        "powershell Get-CimInstance Win32_ShadowCopy",
        "wbadmin get versions",
        "wbadmin start backup -backupTarget:E: -include:C:",
        "bcdedit /enum",
        "bcdedit /set {default} recoveryenabled Yes",
        "diskshadow /?",
        "echo shadow",
    ],
)
def test_what_looks_alike(line: str) -> None:
    assert winrs(line).found(RULE) == []
