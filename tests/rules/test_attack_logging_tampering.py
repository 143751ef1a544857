import pytest

from analyzer.records.finding import Severity
from tests.rules.asked import encoded, says, scripts, winrs

RULE = "attack.logging-tampering"


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("wevtutil cl Security", Severity.HIGH),
        ("wevtutil.exe clear-log System", Severity.MEDIUM),
        ("wevtutil sl Security /e:false", Severity.HIGH),
        ("sc stop eventlog", Severity.HIGH),
        ("sc config eventlog start= disabled", Severity.HIGH),
        ("auditpol /clear /y", Severity.MEDIUM),
        ("auditpol /set /category:* /success:disable /failure:disable", Severity.MEDIUM),
        ("fltMC.exe unload SysmonDrv", Severity.HIGH),
        (
            "reg add HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging /v EnableScriptBlockLogging /t REG_DWORD /d 0 /f",
            Severity.MEDIUM,
        ),
        ("powershell Clear-EventLog -LogName Security", Severity.HIGH),
    ],
)
def test_a_command(line: str, severity: Severity) -> None:
    assert line in says(RULE, line, severity).why


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("[Ref].Assembly.GetType('System.Management.Automation.AmsiUtils').GetField('amsiInitFailed','NonPublic,Static').SetValue($null,$true)", Severity.HIGH),
        ("[Ref].Assembly.GetType('System.Management.Automation.'+'Am'+'siUt'+'ils')", Severity.HIGH),
        ('$f = [a]::Get("am`si.dll", "AmsiScan`Buffer")', Severity.HIGH),
        ("$g['ScriptBlockLogging']['EnableScriptBlockLogging'] = 0", Severity.MEDIUM),
        ("[Diagnostics.Eventing.EventProvider].GetField('m_enabled','x').SetValue($PSEtwLogProvider,0)", Severity.HIGH),
        ("Remove-Item $env:APPDATA\\Microsoft\\Windows\\PowerShell\\PSReadLine\\ConsoleHost_history.txt", Severity.MEDIUM),
        ("Stop-Service -Name EventLog -Force", Severity.HIGH),
        ('wevtutil el | ForEach-Object { wevtutil cl "$_" }', Severity.MEDIUM),
    ],
)
def test_a_script(line: str, severity: Severity) -> None:
    says(RULE, line, severity, script=True)


@pytest.mark.parametrize(
    "line",
    [
        "wevtutil qe Security /c:5 /f:text",
        "wevtutil el",
        "wevtutil gl Security",
        "powershell Get-EventLog -LogName Security -Newest 10",
        "sc query eventlog",
        "auditpol /get /category:*",
        "auditpol /set /subcategory:Logon /success:enable",
        "reg add HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging /v EnableScriptBlockLogging /t REG_DWORD /d 1 /f",
        "powershell Remove-EventLog -Source Contoso",
        "sysmon64 -i config.xml",
        "echo security",
    ],
)
def test_what_looks_alike(line: str) -> None:
    assert winrs(line).found(RULE) == []


def test_a_stager_of_the_kind_that_empire_sends() -> None:
    script = (
        "If($PSVerSionTaBle.PSVersion.Major -ge 3){$G=[REF].AsSembly.GeTType('System.Management.Automation.Utils').\"GetFie`ld\"('cachedGroupPolicySettings',"
        "'N'+'onPublic,Static');$G['ScriptB'+'lockLogging']['EnableScriptB'+'lockLogging']=0;[REF].AssEmbly.GEtTYpe('System.Management.Automation.Amsi'+'Utils')"
        ".GEtFielD('amsiInitF'+'ailed','NonPublic,Static').SeTValue($null,$true)}"
    )
    finding = winrs(encoded(script)).one(RULE)
    assert finding.severity is Severity.HIGH
    assert "Without its escape characters, it changes AMSI" in finding.why
    assert "cachedGroupPolicySettings" in finding.why
    assert set(finding.attack) >= {"T1562.001", "T1562.003"}


def test_several_lines_of_one_script_are_one_finding() -> None:
    finding = scripts("wevtutil cl System\nwevtutil cl Application\nwevtutil cl Security").one(RULE)
    assert "sent 1 command of this kind" in finding.why
    assert finding.severity is Severity.HIGH
