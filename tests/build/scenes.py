"""Captures that are made to be read wrong, by what one sender chooses: each with a twin that says the same without it."""

import base64
import gzip
import struct
from collections.abc import Callable
from typing import NamedTuple

from tests.build.packets import ACK, SYN, Frame
from tests.build.talk_tls import hello
from tests.hostile.costly import Talk, command, created, envelope, received, request, response

REAL, OTHER = "whoami /all", "net user mallory /add"
"""What is run, and what is to be hidden or is a decoy."""
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
_GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
_ASKED, _ANSWER = command(REAL)
Play = Callable[[list[Frame]], None]


class Scene(NamedTuple):
    """What is played, the harmless twin, the commands that both show (``twin`` None: the same), and the issue that the scene alone has."""

    play: Play
    twin: Play
    shows: tuple[str, ...]
    says: str | None = None
    twin_shows: tuple[str, ...] | None = None
    users: tuple[str | None, ...] | None = None


def basic(user: str = "alice") -> str:
    return f"Authorization: Basic {base64.b64encode(f'{user}:pw'.encode()).decode()}\r\n"


def begun(frames: list[Frame], number: int = 0) -> Talk:
    """A connection with a shell of alice."""
    talk = Talk(frames, number)
    talk.exchange(*created(), basic())
    return talk


def body(*asked: bytes, fields: str = "") -> Play:
    """A shell, and requests in it."""

    def play(frames: list[Frame]) -> None:
        talk = begun(frames)
        for one in asked:
            talk.exchange(one, _ANSWER, basic() + fields)

    return play


def changed(*changes: tuple[str, str], asked: bytes = _ASKED) -> Play:
    """A shell, and a request with other words."""
    text = asked.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return body(text.encode())


def framed(head: str, sent: bytes) -> Play:
    """A request with these fields about its length, and another one behind it."""

    def play(frames: list[Frame]) -> None:
        talk = begun(frames)
        talk.client(f"POST /wsman HTTP/1.1\r\nHost: srv\r\nContent-Type: application/soap+xml\r\n{basic()}{head}\r\n".encode() + sent)
        talk.server(response(_ANSWER))
        talk.exchange(*command("exit", identity="C-2"), basic())

    return play


def before(data: bytes) -> Play:
    """Bytes before the first request."""

    def play(frames: list[Frame]) -> None:
        talk = Talk(frames, 0)
        talk.client(data)
        talk.exchange(*created(), basic())
        talk.exchange(_ASKED, _ANSWER, basic())

    return play


def refused(hello: bytes) -> Play:
    """A ClientHello, an alert, and requests in clear on the same connection."""

    def play(frames: list[Frame]) -> None:
        talk = Talk(frames, 0)
        if hello:
            talk.client(hello)
            talk.server(b"\x15\3\3\0\2\2\x46")
        talk.exchange(*created(), basic())
        talk.exchange(_ASKED, _ANSWER, basic())

    return play


def _message(kind: int, text: str, pipeline: bytes = b"\1" * 16) -> bytes:
    return struct.pack("<II16s16s", 2, kind, b"\2" * 16, pipeline) + text.encode()


def _piece(identity: int, number: int, flags: int, data: bytes) -> bytes:
    return struct.pack(">QQBI", identity, number, flags, len(data)) + data


def _fragment(number: int, kind: int, text: str, pipeline: bytes = b"\1" * 16) -> bytes:
    return _piece(number, 0, 3, _message(kind, text, pipeline))


def _script(line: str, more: str = "", *, cmd: str = "Cmd", cmds: str = "Cmds", outside: str = "") -> str:
    one = f'<Obj N="{cmds}"><LST><Obj><MS><S N="{cmd}">{line}</S><B N="IsScript">true</B></MS></Obj></LST></Obj>'
    return f'<Obj RefId="0"><MS>{outside}<Obj N="PowerShell"><MS>{more}{one}</MS></Obj></MS></Obj>'


def _batch(*lines: str) -> str:
    own = "".join(f'<Obj><MS><Obj N="Cmds"><LST><Obj><MS><S N="Cmd">{line}</S></MS></Obj></LST></Obj></MS></Obj>' for line in lines)
    return f'<Obj N="ExtraCmds"><LST>{own}</LST></Obj>'


def _twice(text: str) -> bytes:
    """A pipeline in two fragments, the first of which comes twice, the second time with this text."""
    first, second = _message(0x21006, _script(REAL)), _message(0x21006, _script(text))
    cut = len(first) - 20
    return _piece(2, 0, 1, first[:cut]) + _piece(2, 0, 1, second[:-20]) + _piece(2, 1, 2, second[-20:])


def pipeline(script: str, answered: bytes = b"") -> Play:
    """A PowerShell shell with one pipeline, and what the server says then."""
    return in_fragments(_fragment(2, 0x21006, script), answered)


def in_fragments(sent: bytes, answered: bytes = b"") -> Play:
    """A PowerShell shell with a command that carries these fragments."""

    def play(frames: list[Frame]) -> None:
        talk = Talk(frames, 0)
        opened = base64.b64encode(_fragment(1, 0x10002, "<Obj/>", bytes(16))).decode()
        talk.exchange(*created(uri=_POWERSHELL, inside=f"<creationXml>{opened}</creationXml>"), basic())
        data = base64.b64encode(sent).decode()
        line = f'<rsp:CommandLine CommandId="C-1"><rsp:Command/><rsp:Arguments>{data}</rsp:Arguments></rsp:CommandLine>'
        talk.exchange(envelope(f"{_SHELL}/Command", line, uri=_POWERSHELL), command("")[1], basic())
        if answered:
            talk.exchange(*received([answered]), basic())

    return play


def copied(other: str) -> Play:
    """A connection, and a copy of it from another address with the same numbers, in which another command stands."""

    def play(frames: list[Frame]) -> None:
        of_copy: list[Frame] = []
        for listed, client, text in ((frames, "10.9.1.1", REAL), (of_copy, "10.9.77.7", other)):
            talk = Talk.__new__(Talk)
            talk.frames, talk.ends, talk.at = listed, ((client, 40_000), ("10.9.0.2", 5985)), [1000, 5000]
            talk._put(0, b"", SYN)
            talk._put(1, b"", SYN | ACK)
            talk.exchange(*created(), basic())
            talk.exchange(*command(text), basic())
        frames += of_copy
        frames.sort(key=lambda frame: frame.ts_ns)

    return play


def first_then(first: str, second: str) -> Play:
    """Who asks for the shell, and for a command in it; who asks for another one later."""

    def play(frames: list[Frame]) -> None:
        talk = Talk(frames, 0)
        talk.exchange(*created(), first)
        talk.exchange(*command(REAL), first)
        talk.exchange(*command("exit", identity="C-2"), second)

    return play


def answered_with_a_fault(output: bytes) -> Play:
    """A command that the server says it refused, and its output."""

    def play(frames: list[Frame]) -> None:
        talk = begun(frames)
        fault = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault>"
        talk.exchange(_ASKED, envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", fault, shell=None), basic())
        if output:
            talk.exchange(*received([output]), basic())

    return play


def at_path(path: str) -> Play:
    def play(frames: list[Frame]) -> None:
        talk = begun(frames)
        talk.client(request(_ASKED, basic()).replace(b"POST /wsman ", f"POST {path} ".encode()))
        talk.server(response(_ANSWER))

    return play


def _second(text: str) -> str:
    return f'<rsp:CommandLine CommandId="C-2"><rsp:Command>{text}</rsp:Command></rsp:CommandLine>'


_PLAIN = body(_ASKED)
_HELLO = hello()
_HALF = len(_ASKED) // 2
_WITH_LENGTH = framed(f"Content-Length: {len(_ASKED)}\r\n", _ASKED)
_GZIP = "Content-Encoding: gzip\r\n"
_BOTH = f"{REAL}\n{OTHER}"
SCENES: dict[str, Scene] = {
    "two bodies": Scene(changed(("</s:Envelope>", f"<s:Body>{_second(OTHER)}</s:Body></s:Envelope>")), _PLAIN, (_BOTH,), "wsman.repeated", (REAL,)),
    "two command lines": Scene(changed(("</s:Body>", f"{_second(OTHER)}</s:Body>")), _PLAIN, (_BOTH,), "wsman.repeated", (REAL,)),
    "two commands in one line": Scene(
        changed(("</rsp:Command>", f"</rsp:Command><rsp:Command>{OTHER}</rsp:Command>")), _PLAIN, (_BOTH,), "wsman.repeated", (REAL,)
    ),
    "an action before the action": Scene(changed(("<a:Action>", f"<a:Action>{_GET}</a:Action><a:Action>")), _PLAIN, (REAL,), "wsman.repeated"),
    "a header before the header": Scene(
        changed(("<s:Header>", f"<s:Header><a:Action>{_GET}</a:Action></s:Header><s:Header>")), _PLAIN, (REAL,), "wsman.repeated"
    ),
    "elements inside of a command": Scene(changed((REAL, "who<x>ami</x>")), _PLAIN, ("who<x>ami</x>",), None, (REAL,)),
    "an envelope inside of the envelope": Scene(
        changed(("<s:Body>", f"<s:Body>{command(OTHER)[0].decode()}")), changed(("<s:Body>", "<s:Body> <!-- x -->")), (REAL,), "wsman.misplaced"
    ),
    "text that is not XML's": Scene(
        body(_ASKED.decode().encode("utf-32")), body(b"\xff\xfe" + _ASKED.decode().encode("utf-16-le")), ("",), "wsman.unreadable", (REAL,)
    ),
    "compressed without a word of it": Scene(body(gzip.compress(_ASKED)), body(gzip.compress(_ASKED), fields=_GZIP), ("",), "wsman.unreadable", (REAL,)),
    "compressed in two members": Scene(
        body(gzip.compress(_ASKED[:_HALF]) + gzip.compress(_ASKED[_HALF:]), fields=_GZIP), body(gzip.compress(_ASKED), fields=_GZIP), (REAL,)
    ),
    "labelled as compressed": Scene(body(_ASKED, fields=_GZIP), body(gzip.compress(_ASKED), fields=_GZIP), (REAL,)),
    "two lengths": Scene(framed(f"Content-Length: {len(_ASKED)}\r\nContent-Length: 10\r\n", _ASKED), _WITH_LENGTH, (REAL, "exit"), "http.framing-conflict"),
    "the preface of HTTP/2": Scene(before(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), before(b""), (REAL,), "http.lost-framing"),
    "what looks like TLS": Scene(before(b"\x16\x03\x01\0\5hello"), before(b""), (REAL,), "tls.imitated"),
    "statements of a batch": Scene(pipeline(_script(REAL, _batch(OTHER, REAL))), pipeline(_script(REAL)), (f"{OTHER}\n{REAL}",), None, (REAL,)),
    "a batch without the statement that is shown": Scene(pipeline(_script(REAL, _batch(OTHER))), pipeline(_script(REAL)), (f"{OTHER}\n{REAL}",), None, (REAL,)),
    "members in other letters": Scene(pipeline(_script(REAL, cmd="cMD", cmds="CMDS")), pipeline(_script(REAL)), (REAL,)),
    "commands outside of the pipeline": Scene(
        pipeline(_script(REAL, outside=f'<Obj N="Cmds"><LST><Obj><MS><S N="Cmd">{OTHER}</S></MS></Obj></LST></Obj>')), pipeline(_script(REAL)), (REAL,)
    ),
    "a pipeline that the server begins": Scene(
        pipeline(_script(REAL), _fragment(9, 0x21006, _script(OTHER), b"\7" * 16)),
        pipeline(_script(REAL), _fragment(9, 0x41004, "<S>out</S>")),
        (REAL,),
        "wsman.weird",
    ),
    "two texts of one command": Scene(
        pipeline(_script(REAL).replace('<B N="IsScript">', f'<S N="Cmd">{OTHER}</S><B N="IsScript">')),
        pipeline(_script(REAL)),
        (f"{REAL}\n{OTHER}",),
        None,
        (REAL,),
    ),
    "two lists of commands": Scene(
        pipeline(_script(REAL, f'<Obj N="Cmds"><LST><Obj><MS><S N="Cmd">{OTHER}</S></MS></Obj></LST></Obj>')),
        pipeline(_script(REAL)),
        (f"{OTHER}\n{REAL}",),
        None,
        (REAL,),
    ),
    "a fragment that is sent again with another text": Scene(in_fragments(_twice(OTHER)), in_fragments(_twice(REAL)), (REAL, OTHER), None, (REAL,)),
    "two shells are named": Scene(
        changed(("</w:SelectorSet>", '<w:Selector Name="ShellId">S-9</w:Selector></w:SelectorSet>')), _PLAIN, (REAL,), "wsman.repeated"
    ),
    "an alert of TLS before requests in clear": Scene(refused(_HELLO), refused(b""), (REAL,), "tls.imitated"),
    "a copy from another address": Scene(copied(OTHER), copied(REAL), (REAL, OTHER), "tcp.conflict", (REAL,)),
    "a shell before any logon": Scene(first_then("", basic("administrator")), first_then(basic(), basic()), (REAL, "exit"), users=(None, "administrator")),
    "refused, but with output": Scene(answered_with_a_fault(b"lab\\alice"), answered_with_a_fault(b""), (REAL,)),
    "a path with a URI in it": Scene(at_path("/wsman/http://dc01.corp/"), at_path("/wsman"), (REAL,)),
}
