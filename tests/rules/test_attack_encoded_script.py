from analyzer.records.finding import Severity
from tests.rules.asked import CLIENT, SERVER, encoded, scripts, winrs
from tests.rules.judging import names, packets

RULE = "attack.encoded-script"


def test_an_encoded_command_is_information() -> None:
    judged = winrs(encoded("Get-Date"), "whoami", encoded("\n\nhostname; ipconfig"))
    finding = judged.one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.9)
    assert f"{CLIENT} sent 2 commands with an encoded script to {SERVER}." in finding.why
    assert "begins with \u201cGet-Date\u201d" in finding.why
    assert names(finding, packets(finding)[0])
    assert (finding.source, finding.destination) == (CLIENT, SERVER)
    assert finding.title == f"Encoded PowerShell script sent to {SERVER}"
    assert len(finding.exchanges) == 2


def test_layers_are_low() -> None:
    finding = winrs(encoded("Get-Date"), encoded(encoded("Get-Process -Name winlogon"))).one(RULE)
    assert finding.severity is Severity.LOW
    assert finding.title == f"Encoded PowerShell script in layers sent to {SERVER}"
    assert "In 1 command the decoded script carries another encoded one." in finding.why
    assert "begins with \u201cpowershell.exe -NoProfile -EncodedCommand" in finding.why


def test_what_is_not_encoded() -> None:
    assert winrs("whoami", "powershell -Command Get-Date", "powershell -ExecutionPolicy Bypass -File x.ps1").found(RULE) == []
    assert scripts("Get-Date", "$x = 'QUJDREVGRw=='").found(RULE) == []


def test_a_password_in_the_quoted_line_is_masked() -> None:
    from analyzer.reports.masking import Mask

    finding = winrs(encoded("net user bob Ofen9!x /add")).one(RULE)
    assert "\u201cnet user bob *** /add\u201d" in Mask().quoting(finding.why)
