import pytest

from analyzer.records.finding import Severity
from tests.rules.asked import says, winrs

RULE = "attack.defender-tampering"


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("powershell Add-MpPreference -ExclusionPath C:\\t", Severity.MEDIUM),
        ("powershell Set-MpPreference -ExclusionProcess x.exe -Force", Severity.MEDIUM),
        ("powershell Set-MpPreference -DisableRealtimeMonitoring $true", Severity.HIGH),
        ("powershell Set-MpPreference -Force -DisableIOAVProtection 1 -DisableScriptScanning $true", Severity.HIGH),
        ("powershell Set-MpPreference -MAPSReporting Disabled", Severity.HIGH),
        ("sc stop WinDefend", Severity.HIGH),
        ("sc config WinDefend start= disabled", Severity.HIGH),
        ("powershell Stop-Service -Name WinDefend -Force", Severity.HIGH),
        ('reg add "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows Defender" /v DisableAntiSpyware /t REG_DWORD /d 1 /f', Severity.HIGH),
        ('reg add "HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Exclusions\\Paths" /v C:\\t /t REG_DWORD /d 0', Severity.MEDIUM),
        ('"C:\\Program Files\\Windows Defender\\MpCmdRun.exe" -RemoveDefinitions -All', Severity.HIGH),
        ("powershell Uninstall-WindowsFeature -Name Windows-Defender", Severity.MEDIUM),
        ("netsh advfirewall set allprofiles state off", Severity.LOW),
    ],
)
def test_a_command(line: str, severity: Severity) -> None:
    assert line in says(RULE, line, severity).why


@pytest.mark.parametrize("line", ["Add-Mp`Preference -Excl`usionPath 'C:\\t'", "Set-MpPreference `\n  -DisableRealtimeMonitoring `\n  $true"])
def test_a_script(line: str) -> None:
    says(RULE, line, Severity.MEDIUM if "Excl" in line else Severity.HIGH, script=True)


@pytest.mark.parametrize(
    "line",
    [
        "powershell Get-MpPreference",
        "powershell Get-MpPreference | Select-Object ExclusionPath",
        "powershell Remove-MpPreference -ExclusionPath C:\\t",
        "powershell Set-MpPreference -DisableRealtimeMonitoring $false",
        "powershell Set-MpPreference -DisableCpuThrottleOnIdleScans $false",
        "powershell Get-MpComputerStatus",
        "powershell Start-MpScan -ScanType QuickScan",
        "sc query WinDefend",
        "sc config WinDefend start= auto",
        "powershell Get-Service WinDefend",
        "powershell Install-WindowsFeature Windows-Defender",
        "netsh advfirewall set allprofiles state on",
        "netsh advfirewall firewall add rule name=x dir=in action=allow",
        'reg query "HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Exclusions\\Paths"',
    ],
)
def test_what_looks_alike(line: str) -> None:
    assert winrs(line).found(RULE) == []
