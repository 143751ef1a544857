"""Captures that are built to cost a reader time or memory, each with a harmless form of the same: the maker at its small number.

Every capture begins with a command in clear on a connection of its own (`CONTROL`): what the rest costs must not cost that.
"""

import base64
import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.build.packets import ACK, PSH, RAW, SYN, TCP, Frame, ip4, pcap, tcp

CONTROL = "whoami /all"
_SEGMENT = 40_000
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_CMD, _POWERSHELL = f"{_SHELL}/cmd", "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
_CREATE = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
_NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{_SHELL}"'
)
_T0_NS = 1_767_323_045_000_000_000


class Talk:
    """A connection to a server's port 5985; what each side sends goes into segments."""

    def __init__(self, frames: list[Frame], number: int, port: int = 5985) -> None:
        self.frames = frames
        self.ends = ((f"10.9.{1 + number // 20_000}.1", 40_000 + number % 20_000), ("10.9.0.2", port))
        self.at = [1000 + number, 5000]
        self._put(0, b"", SYN)
        self._put(1, b"", SYN | ACK)

    def _put(self, side: int, data: bytes, flags: int) -> None:
        one, other = self.ends[side], self.ends[1 - side]
        segment = tcp(one, other, self.at[side], None if flags == SYN else self.at[1 - side], flags, data)
        self.frames.append(Frame(_T0_NS + 10_000 * len(self.frames), ip4(one[0], other[0], TCP, segment), RAW))
        self.at[side] += len(data) + (1 if flags & SYN else 0)

    def again(self, at: int, data: bytes) -> None:
        """A segment of the client at a place of its stream, from where the stream stands."""
        here, self.at[0] = self.at[0], self.at[0] + at
        self._put(0, data, ACK)
        self.at[0] = here

    def client(self, data: bytes) -> None:
        for at in range(0, len(data), _SEGMENT):
            self._put(0, data[at : at + _SEGMENT], PSH | ACK)

    def server(self, data: bytes) -> None:
        for at in range(0, len(data), _SEGMENT):
            self._put(1, data[at : at + _SEGMENT], PSH | ACK)

    def exchange(self, asked: bytes, answered: bytes = b"", fields: str = "", back: str = "") -> None:
        self.client(request(asked, fields))
        self.server(response(answered, back))


def request(body: bytes = b"", fields: str = "") -> bytes:
    return f"POST /wsman HTTP/1.1\r\nHost: srv\r\nContent-Type: application/soap+xml\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def response(body: bytes = b"", fields: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/soap+xml\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def envelope(action: str, body: str, *, shell: str | None = "S-1", uri: str = _CMD) -> bytes:
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>' if shell else ""
    header = f"<a:Action>{action}</a:Action><w:ResourceURI>{uri}</w:ResourceURI>{selector}"
    return f"<s:Envelope {_NAMES}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def created(shell: str = "S-1", uri: str = _CMD, inside: str = "") -> tuple[bytes, bytes]:
    asked = envelope(_CREATE, f"<rsp:Shell>{inside}</rsp:Shell>", shell=None, uri=uri)
    return asked, envelope(f"{_CREATE}Response", f"<rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>", shell=None, uri=uri)


def command(text: str, shell: str = "S-1", identity: str = "C-1") -> tuple[bytes, bytes]:
    line = f'<rsp:CommandLine CommandId="{identity}"><rsp:Command>{text}</rsp:Command></rsp:CommandLine>'
    answer = f"<rsp:CommandResponse><rsp:CommandId>{identity}</rsp:CommandId></rsp:CommandResponse>"
    return envelope(f"{_SHELL}/Command", line, shell=shell), envelope(f"{_SHELL}/CommandResponse", answer, shell=None)


def received(pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
    want = '<rsp:Receive><rsp:DesiredStream CommandId="C-1">stdout</rsp:DesiredStream></rsp:Receive>'
    streams = "".join(f'<rsp:Stream Name="stdout" CommandId="C-1">{base64.b64encode(data).decode()}</rsp:Stream>' for data in pieces)
    return envelope(f"{_SHELL}/Receive", want), envelope(f"{_SHELL}/ReceiveResponse", f"<rsp:ReceiveResponse>{streams}</rsp:ReceiveResponse>", shell=None)


def bodies(*pairs: tuple[bytes, bytes]) -> Callable[[Talk], None]:
    """A whole connection of these."""

    def play(talk: Talk) -> None:
        for asked, answered in pairs:
            talk.exchange(asked, answered)

    return play


def line(inside: str) -> Callable[[Talk], None]:
    return bodies((envelope(f"{_SHELL}/Command", f"<rsp:CommandLine>{inside}</rsp:CommandLine>"), b""))


def asked(action: str, body: str) -> Callable[[Talk], None]:
    return bodies((envelope(action, body), b""))


def tiny(count: int) -> Callable[[Talk], None]:
    """Connections of one short request each."""

    def play(talk: Talk) -> None:
        for number in range(count):
            one = Talk(talk.frames, 3 + number)
            one.client(b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            one.server(b"HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n")

    return play


def backwards(count: int) -> Callable[[Talk], None]:
    """A body of which the last byte comes first, each in a segment of its own."""

    def play(talk: Talk) -> None:
        talk.client(request()[: -len("0\r\n\r\n")] + f"{count}\r\n\r\n".encode())
        for at in reversed(range(count)):
            talk.again(at, b"A")
        talk.at[0] += count
        talk.server(response())

    return play


def overlapping(count: int) -> Callable[[Talk], None]:
    """A body in segments of one byte, then large segments over them that end otherwise."""

    def play(talk: Talk) -> None:
        size = min(30_000, 100 * count)
        talk.client(request()[: -len("0\r\n\r\n")] + f"{size}\r\n\r\n".encode())
        for at in range(size):
            talk.again(at, b"A")
        for number in range(count):
            talk.again(0, b"A" * (size - 1 - number % 50) + b"B")
        talk.at[0] += size
        talk.server(response())

    return play


def begun_again(count: int) -> Callable[[Talk], None]:
    """Connections one after the other on one pair of addresses and ports, of which nothing but the SYN is seen."""

    def play(talk: Talk) -> None:
        for number in range(count):
            talk.at[0] = 7919 * number % (1 << 32)
            talk._put(0, b"", SYN)

    return play


def credentials(size: int) -> Callable[[Talk], None]:
    """Texts of authentication headers that a grammar may be slow on, each up to that size."""

    def play(talk: Talk) -> None:
        for one in _AUTH:
            talk.exchange(b"", b"", f"Authorization: {one[:size]}\r\n", f"WWW-Authenticate: {one[:size]}\r\n")

    return play


def xpress_block(size: int = 65_536) -> bytes:
    """A block of equal bytes: a literal, then one match as long as the rest (MS-XCA 2.2; all 512 symbols have nine bits)."""
    bits = (f"{65:09b}" + f"{256 + 15:09b}").ljust(32, "0")
    rest = size - 4
    more = b"\xff" + (struct.pack("<H", rest) if rest < 1 << 16 else struct.pack("<HI", 0, rest))
    data = b"\x99" * 256 + struct.pack("<HH", int(bits[:16], 2), int(bits[16:], 2)) + b"\0\0" + more
    return struct.pack("<HH", size - 1, len(data) - 1) + data


def sldc(matches: int) -> bytes:
    """ECMA-321, scheme 1: a literal, then matches of 271 bytes each."""
    bits = f"{0x1FF:09b}{1:04b}" + "0" + f"{65:08b}" + ("1" + "1111" + f"{0xEF:08b}" + f"{0:010b}") * matches + f"{0x1FF:09b}{4:04b}"
    bits = bits.ljust(-(-len(bits) // 32) * 32, "0")
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _layers(depth: int) -> bytes:
    text = b"x" * 1_000_000
    for _ in range(depth):
        inner = b'FromBase64String("' + base64.b64encode(gzip.compress(text, 9, mtime=0)) + b'") '
        text = inner * (1_000_000 // len(inner))
    return base64.b64encode(gzip.compress(text, 9, mtime=0))


def _fragment(number: int, flags: int, data: bytes) -> bytes:
    return struct.pack(">QQBI", number, 0, flags, len(data)) + data


def _psrp(kind: int, text: bytes, pipeline: bytes = b"\1" * 16) -> bytes:
    return struct.pack("<II16s16s", 2, kind, b"\2" * 16, pipeline) + text


def pipeline(text: bytes) -> Callable[[Talk], None]:
    """A PowerShell shell with one CREATE_PIPELINE of that CLIXML."""

    def play(talk: Talk) -> None:
        session = base64.b64encode(_fragment(1, 3, _psrp(0x10002, b"<Obj/>", bytes(16)))).decode()
        talk.exchange(*created(uri=_POWERSHELL, inside=f"<creationXml>{session}</creationXml>"))
        data = base64.b64encode(_fragment(2, 3, _psrp(0x21006, text))).decode()
        begun = f'<rsp:CommandLine CommandId="C-1"><rsp:Command/><rsp:Arguments>{data}</rsp:Arguments></rsp:CommandLine>'
        talk.exchange(envelope(f"{_SHELL}/Command", begun, uri=_POWERSHELL), command("")[1])

    return play


def sent(asked: bytes, answered: bytes = b"") -> Callable[[Talk], None]:
    def play(talk: Talk) -> None:
        talk.client(asked)
        talk.server(answered or response())

    return play


class Case(NamedTuple):
    """What is played with so many, with how few it is harmless, and the issue that says that something was cut (None: nothing has to be)."""

    play: Callable[[int], Callable[[Talk], None]]
    many: int
    few: int = 1
    says: str | None = None


def _repeated(pair: tuple[bytes, bytes], count: int, fields: str = "", back: str = "") -> Callable[[Talk], None]:
    def play(talk: Talk) -> None:
        for _ in range(count):
            talk.exchange(*pair, fields, back)

    return play


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


_EVENTS = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events"
_XPRESS = "<rsp:CompressionType>xpress</rsp:CompressionType>"
_AUTH = ('a="' + "\\\\" * 100_000, "Negotiate " + " " * 200_000 + "x", "Digest " + 'a="b",' * 30_000, "Basic " + "=" * 200_000, "," * 200_000)
CASES: dict[str, Case] = {
    "blanks in a request line": Case(lambda n: sent(b"POST /wsman x" + b" " * n + b"y\r\n\r\n" + request()), 65_000),
    "blanks in a status line": Case(lambda n: sent(request(), b"HTTP/1.1 200 O" + b" " * n + b"K\r\nContent-Length: 0\r\n\r\n"), 65_000),
    "a field that is folded": Case(
        lambda n: sent(b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\nX: y\r\n" + b" z\r\n" * n + b"\r\n"), 200_000, says="http.limit"
    ),
    "field lines": Case(lambda n: sent(b"POST /wsman HTTP/1.1\r\n" + b"X: y\r\n" * n + b"Content-Length: 0\r\n\r\n"), 100_000, says="http.limit"),
    "one long field": Case(lambda n: sent(b"POST /wsman HTTP/1.1\r\nX: " + b"y" * n + b"\r\nContent-Length: 0\r\n\r\n"), 5_000_000),
    "requests in a row": Case(
        lambda n: sent(b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\n\r\n" * n, b"HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n" * n),
        100_000,
        says="http.limit",
    ),
    "tiny connections": Case(tiny, 50_000, says="tcp.limit"),
    "bytes in reverse order": Case(backwards, 200_000),
    "segments over others": Case(overlapping, 300, says="tcp.limit"),
    "connections that begin again": Case(begun_again, 200_000, says="capture.limit"),
    "tunnels asked for": Case(lambda n: sent(b"CONNECT a:5985 HTTP/1.1\r\nHost: a\r\n\r\n" * n, b"HTTP/1.1 407 \r\nContent-Length: 0\r\n\r\n" * n), 20_000),
    "small chunks": Case(lambda n: sent(b"POST /wsman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nA\r\n" * n + b"0\r\n\r\n"), 300_000),
    "interim responses": Case(lambda n: sent(request(), b"HTTP/1.1 100 Continue\r\n\r\n" * n + response()), 100_000),
    "starts that are none": Case(lambda n: sent(request() + b"\nPOST a b\nPUT c" * n), 200_000),
    "authentication text": Case(credentials, 1 << 20, 40),
    "sections before an element": Case(lambda n: line("<rsp:Command>" + "<![CDATA[a]]>" * n + "<x/></rsp:Command>"), 100_000, 2),
    "sections that nothing ends": Case(lambda n: line("<rsp:Command><![CDATA[a" * n), 200_000),
    "blanks in an Action": Case(lambda n: bodies((b"<s:Envelope><a:Action>" + b" " * n + b"x<y></a:Action></s:Envelope>", b"")), 200_000),
    "blanks in a creationXml": Case(lambda n: asked(_CREATE, "<rsp:Shell><creationXml>" + " " * n + "<x></creationXml></rsp:Shell>"), 200_000),
    "blanks in a signal's code": Case(lambda n: asked(f"{_SHELL}/Signal", "<rsp:Signal><rsp:Code>" + " " * n + "<x></rsp:Code></rsp:Signal>"), 100_000),
    "a long word in a tag": Case(lambda n: asked(f"{_SHELL}/Command", f"<rsp:CommandLine {'a' * n}><rsp:Command>x</rsp:Command></rsp:CommandLine>"), 300_000),
    "selectors": Case(lambda n: bodies((b"<s:Envelope><a:Action>x</a:Action><w:Selector " + b"Name='ShellId'" * n + b"<s:Body/>", b"")), 200_000),
    "streams in one envelope": Case(lambda n: bodies(created(), command("x"), received([b"A"] * n)), 100_000),
    "commands that nothing ends": Case(lambda n: line("<<" + '<rsp:Command a="b">x' * n), 100_000),
    "commands in commands": Case(lambda n: line("<<" + '<rsp:Command a="b">x' * n + "</rsp:Command>"), 50_000),
    "second lines": Case(lambda n: line("<x><rsp:CommandLine>" * n), 100_000),
    "gzip bodies": Case(lambda n: _repeated((_gzip(b"<s:Envelope>" + b" " * 1_000_000), b""), n, "Content-Encoding: gzip\r\n"), 1500, says="wsman.limit"),
    "xpress streams": Case(lambda n: bodies(created(inside=_XPRESS), command("x"), received([xpress_block() * n] * 10)), 600, says="wsman.limit"),
    "small xpress blocks": Case(lambda n: bodies(created(inside=_XPRESS), command("x"), received([xpress_block(300) * n])), 8000),
    "an SLDC body": Case(lambda n: _repeated((sldc(n), b""), 1, "Content-Encoding: SLDC\r\n"), 240_000),
    "events in one delivery": Case(
        lambda n: asked(_EVENTS, "<w:Events>" + "<w:Event><![CDATA[<Event/>]]></w:Event>" * n + "</w:Events>"), 100_000, says="wsman.limit"
    ),
    "events that nothing ends": Case(lambda n: asked(_EVENTS, "<w:Events>" + "<Event >" * n), 500_000, says="wsman.limit"),
    "layers of base64 and gzip": Case(lambda n: bodies(created(), command(f"powershell FromBase64String('{_layers(n).decode()}')")), 3, 0, says="wsman.limit"),
    "words of secrets in a command": Case(lambda n: bodies(created(), command("pwd" * n)), 60_000),
    "words of secrets in an output": Case(lambda n: bodies(created(), command("x"), received([b"pwd" * n])), 60_000),
    "objects in objects": Case(lambda n: pipeline(b'<Obj RefId="0"><MS>' + b'<Obj N="a"><MS>' * n + b"</MS></Obj>" * n + b"</MS></Obj>"), 200_000),
    "members of an object": Case(lambda n: pipeline(b'<Obj RefId="0"><MS>' + b"<a/>" * n + b"</MS></Obj>"), 1_000_000),
}


def make(name: str, path: Path, *, harmless: bool = False) -> Path:
    """The capture of a case, or of its harmless form."""
    case = CASES[name]
    frames: list[Frame] = []
    control = Talk(frames, 1)
    for pair in (created("S-0"), command(CONTROL, "S-0", "C-0")):
        control.exchange(*pair)
    case.play(case.few if harmless else case.many)(Talk(frames, 2))
    path.write_bytes(pcap(frames))
    return path


def bomb(path: Path, size: int) -> Path:
    """A capture in gzip that goes on with zeros."""
    frames: list[Frame] = []
    bodies(created("S-0"), command(CONTROL, "S-0", "C-0"))(Talk(frames, 1))
    out, packer = io.BytesIO(), zlib.compressobj(6, zlib.DEFLATED, 31)
    out.write(packer.compress(pcap(frames) + struct.pack("<IIII", 1_767_323_045, 0, 0x7FFFFFFF, 1)))
    for _ in range(size // 10_000_000):
        out.write(packer.compress(bytes(10_000_000)))
    path.write_bytes(out.getvalue() + packer.flush())
    return path
