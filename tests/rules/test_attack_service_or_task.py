import pytest

from analyzer.records.finding import Severity
from tests.rules.asked import says, winrs

RULE = "attack.service-or-task"
B64 = "SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA"


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ('sc create upd binPath= "cmd /c powershell -w hidden -f C:\\t.ps1" start= auto', Severity.MEDIUM),
        ('sc \\\\srv02 create upd binPath= "C:\\x.exe"', Severity.MEDIUM),
        (f'schtasks /create /tn upd /tr "powershell -enc {B64}" /sc onlogon /ru SYSTEM', Severity.MEDIUM),
        ("schtasks /create /s srv02 /tn upd /tr C:\\x.exe /sc once /st 00:00", Severity.MEDIUM),
        ('wmic /node:srv02 process call create "calc.exe"', Severity.MEDIUM),
        ("powershell Invoke-WmiMethod -ComputerName srv02 -Class Win32_Process -Name Create -ArgumentList calc.exe", Severity.MEDIUM),
        ("psexec.exe -accepteula \\\\srv02 -s cmd", Severity.MEDIUM),
        ("powershell Set-WmiInstance -Namespace root\\subscription -Class CommandLineEventConsumer -Arguments @{Name='x'}", Severity.HIGH),
        ('sc create agent binPath= "C:\\Program Files\\Agent\\agent.exe" start= auto', Severity.LOW),
        ("powershell New-Service -Name agent -BinaryPathName C:\\agent\\a.exe", Severity.LOW),
        ("schtasks /create /tn renew /tr C:\\tools\\renew.exe /sc daily /ru SYSTEM", Severity.LOW),
        ("powershell Register-ScheduledTask -TaskName renew -Action $a -Trigger $t", Severity.LOW),
    ],
)
def test_a_command(line: str, severity: Severity) -> None:
    assert line in says(RULE, line, severity).why


@pytest.mark.parametrize(
    "line",
    [
        "schtasks /query /fo LIST /v",
        "schtasks /run /tn renew",
        "schtasks /delete /tn renew /f",
        "sc query winrm",
        "sc qc winrm",
        "sc start winrm",
        "sc config winrm start= auto",
        "powershell Get-ScheduledTask",
        "powershell Get-Service",
        "wmic process list brief",
        "wmic /node:srv02 os get caption",
        "powershell Get-WmiObject -ComputerName srv02 Win32_Process",
        "powershell Get-WmiObject -Namespace root\\subscription -Class CommandLineEventConsumer",
    ],
)
def test_what_looks_alike(line: str) -> None:
    assert winrs(line).found(RULE) == []


def test_the_password_in_a_quoted_line_is_masked() -> None:
    from analyzer.reports.masking import Mask

    finding = says(RULE, "schtasks /create /tn renew /tr C:\\renew.exe /sc daily /ru LAB\\bob /rp Ofen9!x", Severity.LOW)
    assert "/rp Ofen9!x" in finding.why
    shown = Mask().quoting(finding.why)
    assert "Ofen9!x" not in shown
    assert "/ru LAB\\bob /rp ***\u201d" in shown
    assert "Ofen9" not in Mask(strict=True).quoting(finding.why)
    assert "\u201cschtasks ***\u201d" in Mask(strict=True).quoting(finding.why)
