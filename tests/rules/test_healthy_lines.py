"""What management tools and administrators run is no alarm: their own wrappers, copies, runners and questions, as commands, scripts and decoded layers."""

import pytest

from analyzer.records.finding import Severity
from analyzer.rules.catalogue import rules
from analyzer.sigma.conditions import condition
from tests.rules.asked import alarms, encoded, scripts, winrs

ANSIBLE = (
    '&chcp.com 65001 > $null\n$wrapper = $input | Out-String\n$parts = $wrapper.Split(@("`0`0`0`0"), 2, [StringSplitOptions]::RemoveEmptyEntries)\n'
    'If (-not $parts.Length -eq 2) { throw "invalid payload" }\nSet-Variable -Name json_raw -Value $parts[1]\n& ([ScriptBlock]::Create($parts[0]))'
)
ANSIBLE_MODULE = (
    "$script = [System.Text.Encoding]::UTF8.GetString([System.Convert]::FromBase64String($Payload.module_entry))\n"
    "$entry = [ScriptBlock]::Create($script)\nAdd-Type -TypeDefinition $csharp -ReferencedAssemblies 'System.Web.Extensions.dll'\n&$entry -Payload $Payload"
)
ELEVATED = (
    "$username = 'vagrant'\n$password = 'vagrant'\n$arguments = \"/c powershell.exe -executionpolicy bypass -NoProfile -File $script > $out 2>$err\"\n"
    '$schedule = New-Object -ComObject "Schedule.Service"\n$schedule.Connect()\n$task = $schedule.NewTask($null)\n$task.XmlText = $xml\n'
    '$folder = $schedule.GetFolder("\\")\n$folder.RegisterTaskDefinition($name, $task, 6, $username, $password, 1, $null) | Out-Null'
)
PACKER = (
    "$tmp = [System.IO.Path]::GetFullPath(\"$env:TEMP\\winrmcp-1.tmp\")\n$dest = [System.IO.Path]::GetFullPath('C:\\x.ps1')\nif (Test-Path $tmp) {\n"
    "$reader = [System.IO.File]::OpenText($tmp)\n$bytes = [System.Convert]::FromBase64String($reader.ReadLine())\n$writer.Write($bytes, 0, $bytes.Length)\n}"
)
QUESTIONS = (
    *("vssadmin list shadows", "vssadmin list writers", "schtasks /query /fo LIST", "sc query", "sc qc winrm", "wevtutil qe System /c:5 /f:text"),
    *("tasklist /svc", "net user bob /domain", "net localgroup administrators", "whoami /all", "systeminfo", "auditpol /get /category:*"),
    *("reg query HKLM\\SOFTWARE\\Microsoft", "wmic os get caption", "netsh advfirewall show allprofiles", "bcdedit /enum", "certutil -store my"),
)
SCRIPTS = (
    *("Get-MpPreference", "Get-MpComputerStatus | Format-List", "Get-Process lsass", "Get-EventLog -LogName Security -Newest 5", "Get-ScheduledTask"),
    *("Get-WmiObject Win32_ShadowCopy", "Get-CimInstance Win32_Process", "Get-ADUser bob -Properties PasswordLastSet", "Restart-Service winrm"),
    *("Invoke-WebRequest https://srv.example/x.msi -OutFile C:\\x.msi", "Import-Module ActiveDirectory", "Install-WindowsFeature RSAT-ADDS"),
)


@pytest.mark.parametrize("script", [ANSIBLE, ANSIBLE_MODULE, ELEVATED, PACKER], ids=["ansible", "ansible-module", "winrm-elevated", "packer"])
def test_wrappers_of_tools(script: str) -> None:
    for judged in (scripts(script), winrs(encoded(script))):
        assert len(judged.evidence.commands) == 1
        assert alarms(judged) == []


def test_a_runner_with_a_scheduled_task_is_told_as_low() -> None:
    finding = scripts(ELEVATED).one("attack.service-or-task")
    assert finding.severity is Severity.LOW
    assert "creates a scheduled task" in finding.why


@pytest.mark.parametrize("name", ["copy.ps1", "fetch.ps1"])
def test_copies_of_pypsrp(name: str) -> None:
    utils = pytest.importorskip("pypsrp._utils")
    judged = scripts(utils.get_pwsh_script(name))
    assert len(judged.evidence.commands) == 1
    assert alarms(judged) == []


def test_questions_of_administrators() -> None:
    assert alarms(winrs(*QUESTIONS)) == []
    assert alarms(scripts(*SCRIPTS)) == []


@pytest.mark.parametrize("rule", [rule for rule in rules() if rule.looks_for], ids=lambda rule: rule.id)
def test_what_a_rule_looks_for_is_understood(rule: object) -> None:
    from analyzer.rules.catalogue import Rule

    assert isinstance(rule, Rule)
    for one in rule.looks_for:
        assert callable(condition(one.selection, one.selection["condition"])), one.name
        assert all(word == word.lower() for word in one.words), one.name
        assert all(technique.startswith("T") for technique in one.attack)
        assert one.words
    assert len({one.name for one in rule.looks_for}) == len(rule.looks_for)
