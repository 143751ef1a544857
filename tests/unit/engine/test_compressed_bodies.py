"""A body that was compressed and then sealed opens to the operation in it; so does a clear one under gzip."""

import base64
import gzip
import os
import struct
from pathlib import Path
from unittest import mock

import pytest
import spnego

import analyzer
from tests.build.talks import Wire
from tests.oracle.test_compression import _sldc
from tests.unit.sealing.test_multipart import END, part

URI = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
ENVELOPE = (
    f"<s:Envelope><s:Header><a:Action>{URI}/Command</a:Action><w:ResourceURI>{URI}/cmd</w:ResourceURI>"
    "<w:SelectorSet><w:Selector Name='ShellId'>A-1</w:Selector></w:SelectorSet></s:Header>"
    "<s:Body><r:CommandLine CommandId='B-1'><r:Command>whoami</r:Command></r:CommandLine></s:Body></s:Envelope>"
)


class Raw:
    """Bytes as they are."""

    def __init__(self, start: str, *fields: str, body: bytes = b"") -> None:
        self._data = "\r\n".join([start, *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body

    def wire(self) -> bytes:
        return self._data


def _token(raw: bytes) -> str:
    return f"Negotiate {base64.b64encode(raw).decode()}"


def test_sealed_and_compressed(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("LAB:alice:Passw0rd\n", encoding="utf-8")
    with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(tmp_path / "users")}):
        options = spnego.NegotiateOptions.use_ntlm
        client, server = spnego.client("LAB\\alice", "Passw0rd", protocol="ntlm", options=options), spnego.server(protocol="ntlm", options=options)
        first = client.step()
        second = server.step(first)
        third = client.step(second)
        server.step(third)
    packed = _sldc(("\ufeff" + ENVELOPE).encode("utf-16-le"))
    sealed = client.wrap_winrm(packed)
    body = part(sealed.data, token=sealed.header, length=len(packed)) + END
    lan = Wire()
    talk = lan.connect("10.0.0.1", 50001, "10.0.0.9", 5985)
    post = "POST /wsman HTTP/1.1"
    talk.send(Raw(post, f"Authorization: {_token(first)}"))
    talk.answer(Raw("HTTP/1.1 401 Unauthorized", f"WWW-Authenticate: {_token(second)}"))
    kind = 'Content-Type: multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
    talk.send(Raw(post, f"Authorization: {_token(third)}", kind, "Content-Encoding: SLDC", body=body))
    talk.answer(Raw("HTTP/1.1 200 OK"))
    lan.capture(tmp_path / "a.pcap")
    (tmp_path / "s.toml").write_text('[[password]]\nuser = "alice"\nvalue = "Passw0rd"\n', encoding="utf-8")
    case = analyzer.analyze(tmp_path / "a.pcap", secrets=tmp_path / "s.toml")
    (command,) = case.result.commands
    assert (command.text, command.shell, command.id) == ("whoami", "A-1", "B-1")


@pytest.mark.parametrize(("coding", "body"), [("gzip", gzip.compress(ENVELOPE.encode(), mtime=0)), ("SLDC", _sldc(ENVELOPE.encode()))])
def test_clear_and_compressed(tmp_path: Path, coding: str, body: bytes) -> None:
    lan = Wire()
    talk = lan.connect("10.0.0.1", 50001, "10.0.0.9", 5985)
    talk.send(Raw("POST /wsman HTTP/1.1", "Content-Type: application/soap+xml", f"Content-Encoding: {coding}", body=body))
    talk.answer(Raw("HTTP/1.1 200 OK"))
    lan.capture(tmp_path / "a.pcap")
    case = analyzer.analyze(tmp_path / "a.pcap")
    (command,) = case.result.commands
    assert command.text == "whoami"
    assert case.evidence.messages["c1.x1.q"].operation == "Command"


@pytest.mark.parametrize("order", [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")])
def test_a_shell_that_another_client_made_is_unpacked(tmp_path: Path, order: tuple[str, str]) -> None:
    """Whichever connection comes first: one client makes the shell and says how its streams are packed, another one receives them."""
    head = f"<w:ResourceURI>{URI}/cmd</w:ResourceURI><w:SelectorSet><w:Selector Name='ShellId'>A-1</w:Selector></w:SelectorSet>"
    stored = base64.b64encode(struct.pack("<HH", 4, 4) + b"hello").decode()
    envelopes = {
        "10.0.0.1": (
            (
                f"<s:Envelope><s:Header><a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Create</a:Action>{head}</s:Header>"
                "<s:Body><r:Shell><r:CompressionType>xpress</r:CompressionType></r:Shell></s:Body></s:Envelope>"
            ),
            "<s:Envelope/>",
        ),
        "10.0.0.2": (
            f"<s:Envelope><s:Header><a:Action>{URI}/Receive</a:Action>{head}</s:Header><s:Body/></s:Envelope>",
            (
                f"<s:Envelope><s:Header><a:Action>{URI}/ReceiveResponse</a:Action></s:Header><s:Body><r:ReceiveResponse>"
                f"<r:Stream Name='stdout' CommandId='B-1'>{stored}</r:Stream></r:ReceiveResponse></s:Body></s:Envelope>"
            ),
        ),
    }
    lan = Wire()
    for number, host in enumerate(order):
        talk = lan.connect(host, 50001 + number, "10.0.0.9", 5985)
        asked, answered = envelopes[host]
        talk.send(Raw("POST /wsman HTTP/1.1", "Content-Type: application/soap+xml", body=asked.encode()))
        talk.answer(Raw("HTTP/1.1 200 OK", "Content-Type: application/soap+xml", body=answered.encode()))
    lan.capture(tmp_path / "a.pcap")
    texts = [output.text for command in analyzer.analyze(tmp_path / "a.pcap").result.commands for output in command.outputs]
    assert texts == ["hello"]
