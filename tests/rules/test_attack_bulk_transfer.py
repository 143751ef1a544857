import base64
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.attack.bulk_transfer import OPINION
from analyzer.rules.telling import told
from tests.build.talk_http import ABSOLUTE, post, reply, sealed
from tests.build.talk_proxy import direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets
from tests.rules.test_attack_config_weakening import runs

RULE = "attack.bulk-transfer"
MIB = 1 << 20


def find(evidence: Evidence) -> Iterator[Finding]:
    return told(OPINION, RULE, evidence)


PE = base64.b64encode(b"MZ\x90\x00\x03" + bytes(range(200))).decode()
ZIP = base64.b64encode(b"PK\x03\x04\x14" + bytes(range(200))).decode()
TEXT = base64.b64encode(b"plain words, " * 20).decode()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"cmd /c echo {PE} >> C:/x.b64", "a Windows program (MZ)"),
        (f"powershell [IO.File]::WriteAllBytes('C:/x', [Convert]::FromBase64String('{ZIP}'))", "a ZIP archive (PK)"),
        (f"powershell $x='{base64.b64encode(b'MZ' + b'x' * 100).decode()}'", "a Windows program (MZ)"),
    ],
)
def test_base64_of_a_program(line: str, kind: str) -> None:
    lan = Wire()
    found = runs(direct(lan), line)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.8)
    assert (finding.connections, finding.exchanges, packets(finding)) == (("c1",), ("c1.x2",), [found.asked])
    assert finding.attack == ("T1570", "T1105")
    assert names(finding, found.asked)
    assert f"Base64 in 1 of them begins as {kind}" in finding.why


@pytest.mark.parametrize(
    ("line", "form"),
    [
        (f"echo {(b'MZ' + bytes((0x90, 0, 3)) + bytes(40)).hex()} >> C:\\x.hex", "Hexadecimal digits in 1 of them begin"),
        ("powershell [byte[]]$b = 77,90,144,0,3,0,0,0,4,0; [IO.File]::WriteAllBytes('C:\\x', $b)", "Numbers in 1 of them begin"),
        ("powershell $b = 0x4d, 0x5a, 0x90, 0x00, 0x03", "Numbers in 1 of them begin"),
    ],
)
def test_other_forms_of_a_program(line: str, form: str) -> None:
    lan = Wire()
    runs(direct(lan), line)
    assert f"{form} as a Windows program (MZ)" in judge(lan).one(RULE).why


def test_a_program_as_input() -> None:
    lan = Wire()
    runs(direct(lan), "type con > C:\\x.exe")
    evidence = judge(lan).evidence
    (command,) = evidence.commands

    def with_input(text: str) -> list[Finding]:
        from analyzer.records.wsman import Output

        return list(find(replace(evidence, commands=(replace(command, outputs=(Output("stdin", 1, 0, command.packets, text, len(text)),)),))))

    head = "MZ" + chr(0x90) + chr(0) * 70
    (finding,) = with_input(head + "!This program cannot be run in DOS mode." + chr(0) * 100)
    assert "Bytes in 1 of them begin as a Windows program (MZ)" in finding.why
    assert with_input("MZ is a pair of letters") == []
    assert with_input("see: This program cannot be run in DOS mode") == []


@pytest.mark.parametrize("line", ["echo 4d5a9000", "echo 77,90,144", "whoami", f"echo {TEXT}", f"echo A{PE}", f"echo {PE[:30]}", "echo TVqQ and UEsDB"])
def test_small_commands_without_a_program(line: str) -> None:
    lan = Wire()
    runs(direct(lan), line)
    assert judge(lan).found(RULE) == []


def test_much_input() -> None:
    lan = Wire()
    runs(direct(lan), "type con")
    evidence = judge(lan).evidence
    (command,) = evidence.commands

    def with_input(*sizes: int) -> list[str]:
        from analyzer.records.wsman import Output

        outputs = tuple(Output("stdin", place, 0, command.packets, "x", size) for place, size in enumerate(sizes))
        return [finding.why for finding in find(replace(evidence, commands=(replace(command, outputs=outputs),)))]

    assert with_input(MIB // 2, MIB // 4) == []
    (why,) = with_input(MIB // 2, MIB // 2)
    assert f"1 command and their input brought {MIB + len('type con'):,} bytes from 10.10.1.11 to 10.20.2.20" in why
    assert "Base64" not in why


def test_output_does_not_count() -> None:
    from analyzer.records.wsman import Output

    lan = Wire()
    runs(direct(lan), "type x")
    evidence = judge(lan).evidence
    (command,) = evidence.commands
    assert list(find(replace(evidence, commands=(replace(command, outputs=(Output("stdout", 1, 0, command.packets, PE, 2 * MIB),)),)))) == []


def uploads(talk: Talk, sizes: list[int], *, answers: int = 600) -> list[int]:
    """Sealed requests of these sizes; the packets that they begin in."""
    handshake(talk, ntlm())
    return [
        trip(talk, post("/wsman", content=sealed(place, size=size)), reply(200, content=sealed(place, size=answers))).asked for place, size in enumerate(sizes)
    ]


def test_sealed_requests_by_their_sizes() -> None:
    lan = Wire()
    asked = uploads(direct(lan), [200_000, 500_000, 400_000])

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.5)
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x5",))
    assert packets(finding) == [asked[1]]
    assert names(finding, asked[1])
    assert "3 encrypted requests of 10.10.1.11 to 10.20.2.20:5985" in finding.why
    assert finding.user == "LAB\\alice"


def test_less_than_a_mebibyte() -> None:
    lan = Wire()
    uploads(direct(lan), [200_000, 500_000])
    assert judge(lan).found(RULE) == []


def test_as_much_comes_back() -> None:
    lan = Wire()
    uploads(direct(lan), [600_000, 600_000], answers=200_000)
    assert judge(lan).found(RULE) == []


def test_both_legs_are_counted_once() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, post(ABSOLUTE, content=sealed(0, size=600_000)), sealed_reply(0))
    assert judge(lan).found(RULE) == []
