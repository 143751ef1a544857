"""Shell operations out of envelopes, whatever their prefixes, quotes and case; any text is read."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.content import Room
from analyzer.formats.holes import Holed
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Operation
from analyzer.settings import Limits
from analyzer.wsman.envelope import decoded, described_text
from analyzer.wsman.structure import seen
from analyzer.wsman.winrs import operation
from analyzer.wsman.xpress import inflate_holed

URI = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


def envelope(action: str, body: str, *, shell: str = "aa-1") -> str:
    return (
        f"<s:Envelope><s:Header><a:Action>{action}</a:Action><w:SelectorSet><w:Selector Name='ShellId'>{shell}</w:Selector></w:SelectorSet></s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def read(text: str, compressed: set[str] | None = None, *, response: bool = False) -> Operation | None:
    message = Message("c1.x1.s" if response else "c1.x1.q", "c1.x1", not response, Protection.CLEAR, len(text), None)
    found = seen(text)
    return operation(described_text(message, text, found, Limits()), text, found, 5, (1,), set() if compressed is None else compressed)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_command_with_arguments_entities_and_cdata() -> None:
    body = "<rsp:CommandLine CommandId='bb'><rsp:Command>cmd &amp; more</rsp:Command><rsp:Arguments><![CDATA[<a> & b]]></rsp:Arguments></rsp:CommandLine>"
    found = read(envelope(f"{URI}/Command", body))
    assert found is not None
    assert (found.name, found.shell_id, found.command_id) == ("Command", "AA-1", "BB")
    assert (found.command, found.arguments) == ("cmd & more", ("<a> & b",))


def test_streams_states_and_exit_codes() -> None:
    body = (
        f'<r:ReceiveResponse><r:Stream Name="stdout" CommandId="bb">{b64(b"one")}</r:Stream><r:Stream End="true" CommandId="bb" Name="stderr"/>'
        f'<r:CommandState CommandId="bb" State="{URI}/CommandState/Done"><r:ExitCode>-1073741819</r:ExitCode></r:CommandState></r:ReceiveResponse>'
    )
    found = read(envelope(f"{URI}/ReceiveResponse", body), response=True)
    assert found is not None
    assert [(piece.name, piece.command_id, piece.data, piece.end) for piece in found.streams] == [("stdout", "BB", b"one", False), ("stderr", "BB", b"", True)]
    assert (found.state, found.exit_code, found.command_id) == ("Done", -1073741819, "BB")


def test_a_shell_with_compression_and_code_page() -> None:
    compressed: set[str] = set()
    create = '<w:Option Name="WINRS_CODEPAGE">437</w:Option><r:CompressionType s:mustUnderstand="true">xpress</r:CompressionType>'
    made = read(envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", create), compressed)
    assert made is not None
    assert made.code_page == 437
    assert compressed == {"c1.x1", "AA-1"}
    stored = struct.pack("<HH", 4, 4) + b"plain"
    sent = envelope(f"{URI}/Send", f"<r:Send><r:Stream Name='stdin' CommandId='b'>{b64(stored)}</r:Stream></r:Send>")
    packed, unpacked = read(sent, set(compressed)), read(sent)
    assert packed is not None
    assert unpacked is not None
    assert (packed.streams[0].data, unpacked.streams[0].data) == (b"plain", stored)


def test_signals_and_creation() -> None:
    signal = read(envelope(f"{URI}/Signal", f"<r:Signal CommandId='b'><r:Code>{URI}/signal/terminate</r:Code></r:Signal>"))
    assert signal is not None
    assert signal.signal == "terminate"
    created = read(envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", f"<creationXml xmlns='p'>{b64(b'fragments')}</creationXml>"))
    assert created is not None
    assert created.creation == b"fragments"


@pytest.mark.parametrize("action", ["http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull", ""])
def test_what_is_no_operation_of_a_shell(action: str) -> None:
    assert read(envelope(action, "")) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-16"?>', "\n"])
def test_envelopes_in_any_encoding(encoding: str, declaration: str) -> None:
    text = declaration + envelope(f"{URI}/Command", "<rsp:CommandLine CommandId='b'><rsp:Command>größe</rsp:Command></rsp:CommandLine>")
    found = read(decoded(text.encode(encoding)))
    assert found is not None
    assert found.command == "größe"


def test_an_envelope_with_a_dtd_is_not_described() -> None:
    text = "<!DOCTYPE x>" + envelope(f"{URI}/Command", "")
    assert read(text) is None


WORDS = (
    *("<s:Envelope>", f"<a:Action>{URI}/Command</a:Action>", "<r:CommandLine CommandId='b'>", "<r:Command>", "<![CDATA[", "]]>", "</r:Command>"),
    *("&#0;", "&#x;"),
    *("<r:Stream Name='stdout'>", "QUJD", "=", "</r:Stream>", "<r:ExitCode>99999999999", "</r:ExitCode>", "<r:CommandState", " State=''/>", "\0"),
)


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=20).map("".join)))
def test_any_text_is_read(text: str) -> None:
    found = read(envelope(f"{URI}/Command", text))
    assert found is not None
    read(text, {"c1.x1"})


@given(st.binary(max_size=80))
def test_any_bytes_are_text(raw: bytes) -> None:
    assert decoded(raw).encode() or not raw.strip(b"\xef\xbb\xbf\xff\xfe\x00")


@pytest.mark.parametrize("text", ["<r:Command>" * 20_000, "<r:Stream " * 20_000, "<Command " + "x='" * 20_000, "<![CDATA[" * 20_000])
def test_hostile_texts_take_no_long_time(text: str) -> None:
    assert read(envelope(f"{URI}/Command", f"<r:CommandLine CommandId='b'>{text}")) is not None


def stored(data: bytes) -> bytes:
    """A block that is not compressed: its two sizes are equal."""
    return struct.pack("<HH", len(data) - 1, len(data) - 1) + data


def test_a_block_with_a_hole_is_as_long_as_its_header_says() -> None:
    run = stored(b"a" * 40) + stored(b"b" * 50) + stored(b"c" * 60)
    assert inflate_holed(Holed(run), Room(1 << 20)) == Holed(b"a" * 40 + b"b" * 50 + b"c" * 60)
    found = inflate_holed(Holed(run, ((60, 7),)), Room(1 << 20))
    assert (found.holes, found.data[:40], found.data[-60:]) == (((40 + 12, 7),), b"a" * 40, b"c" * 60)
    found = inflate_holed(Holed(run, ((43, 4),)), Room(1 << 20))  # the header of the second block
    assert (found.holes, found.data[:39]) == (((39, 1), (40, 0)), b"a" * 39)
    packed = struct.pack("<HH", 99, 49) + b"x" * 50  # a compressed block that lacks something is wholly missing
    assert inflate_holed(Holed(packed + stored(b"d" * 9), ((20, 3),)), Room(1 << 20)) == Holed(bytes(100) + b"d" * 9, ((0, 100),))
