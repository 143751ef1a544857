import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import SOAP, Content, post, reply
from tests.build.talk_proxy import Trip, direct, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "attack.config-weakening"
CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
CMD = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
SHELL = "A1B2C3D4-0000-4000-8000-000000000001"
COMMAND = "A1B2C3D4-0000-4000-8000-000000000002"
PUT = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put"
CREATE = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
RUN = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command"


def envelope(action: str, uri: str, body: str, header: str = "") -> Content:
    text = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">'
        f"<s:Header><a:Action>{action}</a:Action><w:ResourceURI>{uri}</w:ResourceURI>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    return Content(SOAP, text.encode())


def put(body: str, below: str = "", *, action: str = PUT) -> Content:
    return envelope(action, CONFIG + below, body)


def asked(talk: Talk, content: Content, status: int = 200) -> Trip:
    return trip(talk, post("/wsman", basic(), content=content), reply(status, content=envelope(f"{PUT}Response", CONFIG, "")))


def runs(talk: Talk, line: str) -> Trip:
    """A WinRS shell in which a command line runs."""
    created = envelope(f"{CREATE}Response", CMD, f"<rsp:Shell><rsp:ShellId>{SHELL}</rsp:ShellId></rsp:Shell>")
    trip(talk, post("/wsman", basic(), content=envelope(CREATE, CMD, "<rsp:Shell/>")), reply(200, content=created))
    text = line.replace("&", "&amp;").replace("<", "&lt;")
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{SHELL}</w:Selector></w:SelectorSet>'
    asking = envelope(RUN, CMD, f'<rsp:CommandLine CommandId="{COMMAND}"><rsp:Command>{text}</rsp:Command></rsp:CommandLine>', selector)
    answer = envelope(f"{RUN}Response", CMD, f"<rsp:CommandResponse><rsp:CommandId>{COMMAND}</rsp:CommandId></rsp:CommandResponse>")
    return trip(talk, post("/wsman", basic(), content=asking), reply(200, content=answer))


@pytest.mark.parametrize(
    ("below", "body", "what"),
    [
        ("/service", "<c:Service><c:AllowUnencrypted>true</c:AllowUnencrypted></c:Service>", "AllowUnencrypted=true"),
        ("", "<c:Config><c:Client><c:AllowUnencrypted> TRUE </c:AllowUnencrypted></c:Client></c:Config>", "AllowUnencrypted=true"),
        ("/service/auth", "<c:Auth><c:Kerberos>true</c:Kerberos><c:Basic>true</c:Basic></c:Auth>", "Basic=true for the service"),
        ("/service", "<c:Service><c:Auth><c:Basic>true</c:Basic></c:Auth></c:Service>", "Basic=true for the service"),
        ("/client", "<c:Client><c:NetworkDelayms>5000</c:NetworkDelayms><c:TrustedHosts>*</c:TrustedHosts></c:Client>", "TrustedHosts=*"),
        ("/service/auth", "<c:Auth><c:CbtHardeningLevel>None</c:CbtHardeningLevel></c:Auth>", "CbtHardeningLevel=None"),
    ],
)
def test_a_put(below: str, body: str, what: str) -> None:
    lan = Wire()
    found = asked(direct(lan), put(body, below))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [found.asked]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.asked)
    assert f"a Put on {CONFIG}{below}, which sets {what}. It was answered 200" in finding.why
    assert finding.user == "alice"
    assert finding.attack[0] == "T1562"


@pytest.mark.parametrize(
    ("below", "body"),
    [
        ("/service", "<c:Service><c:AllowUnencrypted>false</c:AllowUnencrypted></c:Service>"),
        ("/client/auth", "<c:Auth><c:Basic>true</c:Basic></c:Auth>"),
        ("", "<c:Config><c:Client><c:Auth><c:Basic>true</c:Basic></c:Auth><c:TrustedHosts>srv01</c:TrustedHosts></c:Client></c:Config>"),
        ("/service", "<c:Service><c:IPv4Filter>*</c:IPv4Filter><c:CbtHardeningLevel/></c:Service>"),
    ],
)
def test_what_weakens_nothing(below: str, body: str) -> None:
    lan = Wire()
    asked(direct(lan), put(body, below))
    assert judge(lan).found(RULE) == []


def test_a_put_that_was_refused() -> None:
    lan = Wire()
    asked(direct(lan), put("<c:Service><c:AllowUnencrypted>true</c:AllowUnencrypted></c:Service>", "/service"), 500)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.7)


def test_a_put_without_its_answer() -> None:
    lan = Wire()
    direct(lan).send(post("/wsman", basic(), content=put("<c:Service><c:AllowUnencrypted>true</c:AllowUnencrypted></c:Service>", "/service")))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert "Its answer is not in the capture" in finding.why


def test_the_same_elements_elsewhere_and_asked_for_only() -> None:
    lan = Wire()
    talk = direct(lan)
    body = "<c:Service><c:AllowUnencrypted>true</c:AllowUnencrypted></c:Service>"
    asked(talk, envelope(PUT, "http://schemas.example/other", body))
    asked(talk, put(body, "/service", action="http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    content = put("<c:Service><c:AllowUnencrypted>true</c:AllowUnencrypted></c:Service>", "/service")
    proxied(near_leg(lan), far_leg(lan), post("http://srv01.lab.example:5985/wsman", basic(), content=content), reply(200, content=put("")))
    assert judge(lan).one(RULE).connections == ("c1",)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('winrm set winrm/config/service @{AllowUnencrypted="true"}', "AllowUnencrypted=true"),
        ("powershell Set-Item -Path WSMan:\\localhost\\Service\\AllowUnencrypted -Value $true -Force", "AllowUnencrypted=true"),
        ("reg add HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\WinRM\\Service /v AllowUnencryptedTraffic /t REG_DWORD /d 1 /f", "AllowUnencrypted=true"),
        ('winrm set winrm/config/service/auth @{Basic="true"}', "Basic=true for the service"),
        ("powershell Set-Item WSMan:\\localhost\\Service\\Auth\\Basic $true", "Basic=true for the service"),
        ("reg add HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\WinRM\\Service /v AllowBasic /t REG_DWORD /d 0x1", "Basic=true for the service"),
        ('winrm set winrm/config/client @{TrustedHosts="*"}', "TrustedHosts=*"),
        ("powershell Set-Item WSMan:\\localhost\\Client\\TrustedHosts -Value * -Force", "TrustedHosts=*"),
        ('winrm set winrm/config/service/auth @{CbtHardeningLevel="None"}', "CbtHardeningLevel=None"),
        (
            "reg add HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System /v LocalAccountTokenFilterPolicy /t REG_DWORD /d 1 /f",
            "LocalAccountTokenFilterPolicy=1",
        ),
    ],
)
def test_a_command(line: str, what: str) -> None:
    lan = Wire()
    found = runs(direct(lan), line)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.7)
    assert (finding.connections, finding.exchanges, packets(finding)) == (("c1",), ("c1.x2",), [found.asked])
    assert names(finding, found.asked)
    assert f"says {what}." in finding.why
    assert line not in finding.why


@pytest.mark.parametrize("line", ["powershell Enable-PSRemoting -Force", "winrm quickconfig -q", "powershell Set-WSManQuickConfig", "winrm.cmd qc -q"])
def test_turning_remoting_on_is_low(line: str) -> None:
    lan = Wire()
    runs(direct(lan), line)
    assert judge(lan).one(RULE).severity is Severity.LOW


@pytest.mark.parametrize(
    "line",
    [
        "winrm get winrm/config/service",
        "powershell Get-Item WSMan:\\localhost\\Service\\AllowUnencrypted",
        'winrm set winrm/config/service @{AllowUnencrypted="false"}',
        'winrm set winrm/config/client @{TrustedHosts="srv01,srv02"}',
        "powershell Set-Item WSMan:\\localhost\\Client\\Auth\\Basic $true",
        "powershell (Get-Item WSMan:\\localhost\\Service\\AllowUnencrypted).Value; exit 1",
        "echo quickconfig",
    ],
)
def test_commands_that_weaken_nothing(line: str) -> None:
    lan = Wire()
    runs(direct(lan), line)
    assert judge(lan).found(RULE) == []


def test_what_is_sealed_cannot_be_read() -> None:
    from tests.build.talk_proxy import ask_sealed, handshake, sealed_reply
    from tests.build.talk_tokens import ntlm

    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []
