"""Captures that are made to be read wrong, each with a harmless twin: a length that lies, a second version of a command, a copy that is none."""

from pathlib import Path

from tests.build.packets import ACK, PSH, RAW, TCP, Frame, ip4, pcap, tcp
from tests.hostile.costly import Talk, command, created, request, response

SHOWN, HIDDEN = "whoami /all", "net user /add"
"""Two commands, the one that everyone sees and the one that is to be hidden."""


def _saved(folder: Path, frames: list[Frame]) -> Path:
    path = folder / "capture.pcap"
    path.write_bytes(pcap(frames))
    return path


def length_that_lies(folder: Path, *, lies: bool = True) -> Path:
    """Two commands on one connection; the Content-Length of the first one covers the second one, too. The server, which is of the same mind as the client,
    answers each."""
    frames: list[Frame] = []
    talk = Talk(frames, 0)
    talk.exchange(*created())
    first, answered = command(SHOWN)
    asked = request(first)
    if lies:
        asked = asked.replace(b"Content-Length: %d" % len(first), b"Content-Length: %d" % (len(first) + 3000))
    talk.client(asked)
    talk.server(response(answered))
    talk.exchange(*command(HIDDEN, identity="C-2"))
    talk.exchange(*command("exit", identity="C-3"))
    return _saved(folder, frames)


def second_version(folder: Path, *, other: str = HIDDEN, numbered: bool = False, differs: bool = True, head: bool = False) -> Path:
    """A command whose segment comes again with another one of the same size; with ``head`` the same command under another field name. ``numbered``: with the
    IPv4 identification of the first one, so that it passes for the same packet captured twice."""
    frames: list[Frame] = []
    talk = Talk(frames, 0)
    talk.exchange(*created())
    text = SHOWN.ljust(len(other))
    asked, answered = command(text)
    again = command(other if differs and not head else text)[0]
    ident = 77 if numbered else 0
    for place, body in enumerate((asked, again)):
        said = request(body).replace(b"Host:", b"Hosr:") if head and place else request(body)
        segment = tcp(talk.ends[0], talk.ends[1], talk.at[0], talk.at[1], PSH | ACK, said)
        when = frames[-1].ts_ns + 20_000_000
        frames.append(Frame(when, ip4(talk.ends[0][0], talk.ends[1][0], TCP, segment, ident=ident), RAW))
    talk.at[0] += len(request(asked))
    talk.server(response(answered))
    whole = [frame._replace(ts_ns=max(frame.ts_ns, frames[0].ts_ns + 20_000_000 * place)) for place, frame in enumerate(frames)]
    return _saved(folder, whole)
