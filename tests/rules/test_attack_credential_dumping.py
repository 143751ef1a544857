import pytest

from analyzer.records.finding import Severity
from tests.rules.asked import encoded, says, scripts, winrs
from tests.rules.judging import names

RULE = "attack.credential-dumping"


@pytest.mark.parametrize(
    ("line", "technique"),
    [
        ('mimikatz.exe "privilege::debug" "sekurlsa::logonpasswords" exit', "T1003.001"),
        ('m.exe "LSADUMP::SAM" exit', "T1003.001"),
        ("rundll32 C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\t.dmp full", "T1003.001"),
        ("rundll32.exe comsvcs.dll #24 624 C:\\t.dmp full", "T1003.001"),
        ("procdump64.exe -accepteula -ma lsass.exe C:\\t.dmp", "T1003.001"),
        ("C:\\t\\nanodump.x64.exe --write C:\\t.dmp", "T1003.001"),
        ("reg save HKLM\\SAM C:\\s.hiv", "T1003.002"),
        ('reg.exe save "HKEY_LOCAL_MACHINE\\SECURITY" C:\\s.hiv /y', "T1003.002"),
        ('ntdsutil "ac i ntds" "ifm" "create full C:\\t" q q', "T1003.003"),
        ("ntdsutil.exe 'activate instance ntds' ifm 'create full C:\\t' quit quit", "T1003.003"),
        ("esentutl /y C:\\Windows\\NTDS\\ntds.dit /d C:\\t\\n.dit", "T1003.003"),
        ("Rubeus.exe kerberoast /outfile:C:\\t.txt", "T1558.003"),
        ("reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\WDigest /v UseLogonCredential /t REG_DWORD /d 1 /f", "T1112"),
        ("r^eg sa^ve hklm\\sec^urity C:\\s.hiv", "T1003.002"),
    ],
)
def test_a_line_that_reads_credentials(line: str, technique: str) -> None:
    finding = says(RULE, line, Severity.HIGH)
    assert technique in finding.attack
    assert names(finding, finding.packets[0] & 0xFFFFFFFF)
    assert line in finding.why
    assert finding.title == "Credential dumping command for 10.10.1.21"


@pytest.mark.parametrize(
    "line", ["Invoke-Mimikatz -DumpCreds", "IEX $x; Invoke-Ker`ber'+'oast", "Get-GPPPassword | fl", "$a = 'seku'+'rlsa::logonpasswords'; & $m $a"]
)
def test_a_script_that_reads_credentials(line: str) -> None:
    assert scripts(line).one(RULE).severity in (Severity.HIGH, Severity.MEDIUM)


def test_in_a_decoded_layer() -> None:
    finding = winrs(encoded("$d = 'C:\\t.dmp'\nrundll32 comsvcs.dll, MiniDump 624 $d full")).one(RULE)
    assert "A line of the decoded script in packet 6 is \u201crundll32 comsvcs.dll, MiniDump 624 $d full\u201d" in finding.why


@pytest.mark.parametrize(
    "line",
    [
        'tasklist /svc /fi "imagename eq lsass.exe"',
        "powershell Get-Process lsass",
        "dir C:\\Windows\\NTDS\\ntds.dit",
        "reg query HKLM\\SAM",
        "reg save HKLM\\SOFTWARE\\Contoso C:\\c.hiv",
        "reg export HKLM\\SYSTEM\\CurrentControlSet\\Services\\WinRM C:\\w.reg",
        "reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\WDigest /v UseLogonCredential /t REG_DWORD /d 0 /f",
        "ntdsutil files info quit quit",
        "procdump -ma w3wp.exe C:\\t.dmp",
        "powershell Import-Module comsvcs",
        "sc query samss",
    ],
)
def test_what_looks_alike(line: str) -> None:
    assert winrs(line).found(RULE) == []


def test_the_system_hive_alone_is_low() -> None:
    assert says(RULE, "reg save HKLM\\SYSTEM C:\\s.hiv", Severity.LOW).attack == ("T1003.002",)


def test_the_worst_line_comes_first_and_the_others_are_counted() -> None:
    finding = winrs("reg save HKLM\\SYSTEM C:\\1", "reg save HKLM\\SAM C:\\2", "whoami", "reg save HKLM\\SAM C:\\3").one(RULE)
    assert finding.severity is Severity.HIGH
    assert "sent 3 commands of this kind" in finding.why
    assert finding.why.index("HKLM\\SAM C:\\2") < finding.why.index("HKLM\\SYSTEM C:\\1")
    assert finding.why.endswith("1 more line fits.")
