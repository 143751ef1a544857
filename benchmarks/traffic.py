"""Makes the captures of the benchmark: ``python -m benchmarks.traffic FOLDER [--scale F]`` writes those that are missing. A scale of 1 is a gigabyte each.

mixed: TLS, plain web traffic, SMB, SSH, DNS, and one hundredth of sealed WinRM, sixty-four conversations at a time. small: frames of 64 bytes, forty in a
connection. many: connections of four frames. winrm: sealed PowerShell remoting. clear: the same in clear text. plain: clear text through a proxy. short:
connections with one request each. scanner: a sweep over port 5985. web: pages through a proxy that asks for NTLM. giant: one connection. Each is the same on
every machine, but for what NTLM draws, and no two sessions in it are alike (`benchmarks.sessions`).
"""

import argparse
import base64
import gzip
import random
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import zstandard

from benchmarks import sessions
from benchmarks.frames import ACK, FIN, PSH, RST, STATIONS, SYN, Tcp
from benchmarks.generate import copies

SAMPLES = Path(__file__).parents[1] / "sample_pcaps"
CLEAR = SAMPLES / "squid-negotiate-unencrypted" / "capture.pcapng"
_START_NS = 1_700_000_000_000_000_000
_TOGETHER = 64
_SESSIONS_TOGETHER, _SESSION_SIZE = 8, 200_000
_SMALL_TOGETHER, _SMALL_EACH = 2000, 40
_HELLO = bytes.fromhex("160301020001000201000000") + bytes(500)
_PAGE = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n"
Frames = Iterator[bytes]


class Kind(NamedTuple):
    """What a conversation is: server port, first bytes each way, how many full segments come back, its share."""

    port: int
    asks: bytes
    answers: bytes
    segments: int
    weight: int


_KINDS = (
    Kind(443, _HELLO, b"\x16\x03\x03\x00\x7a\x02" + bytes(120), 40, 55),
    Kind(80, _PAGE, _ANSWER, 40, 25),
    Kind(445, b"\x00\x00\x00\xf4\xfeSMB@" + bytes(236), b"\x00\x00\x00\xf4\xfeSMB@" + bytes(236), 60, 12),
    Kind(22, b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", 25, 8),
)


def _conversation(number: int, kind: Kind, noise: bytes) -> Frames:
    tcp = Tcp(number, kind.port)
    yield tcp.frame(0, SYN)
    yield tcp.frame(1, SYN | ACK)
    yield tcp.frame(0, ACK)
    yield tcp.frame(0, ACK | PSH, kind.asks)
    yield tcp.frame(1, ACK | PSH, kind.answers)
    for segment in range(kind.segments):
        begin = (number * 8191 + segment * 1460) % (len(noise) - 1460)
        yield tcp.frame(1, ACK, b"\x17\x03\x03\x05\xaf" + noise[begin : begin + 1455])
        if segment & 1:
            yield tcp.frame(0, ACK)
    yield tcp.frame(0, ACK | FIN)
    yield tcp.frame(1, ACK | FIN)


def _lookup(number: int) -> Frames:
    body = struct.pack(">HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 0) + b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"
    for way, ports in enumerate(((50000 + number % 10000, 53), (53, 50000 + number % 10000))):
        head = struct.pack(">6s6sHBBHHHBBH", *STATIONS[way], 0x0800, 0x45, 0, 28 + len(body), number & 0xFFFF, 0, 64, 17, 0) + struct.pack(
            ">II", 0x0A000001, 0x0A000002
        )
        yield head + struct.pack(">HHHH", *ports, 8 + len(body), 0) + body


def _ethernet(link: int, frame: bytes) -> bytes:
    cut = {1: 14, 113: 16, 276: 20}[link]
    return bytes(12) + b"\x08\x00" + frame[cut:]


def together(make: Callable[[int], Frames], size: int) -> Frames:
    """Conversations, several at a time, until about ``size`` bytes are made; each is let end."""
    numbers = count(1)
    waiting = [make(next(numbers)) for _ in range(min(max(size // _SESSION_SIZE, 1), _SESSIONS_TOGETHER))]
    made = 0
    while waiting:
        for place in range(len(waiting) - 1, -1, -1):
            frame = next(waiting[place], None)
            if frame is not None:
                made += len(frame) + 16
                yield frame
            elif made < size:
                waiting[place] = make(next(numbers))
            else:
                del waiting[place]


def mixed(size: int, share: int = 100, winrm: Callable[[int], Frames] = sessions.sealed) -> Frames:
    """About ``size`` bytes of mixed traffic, one part in ``share`` of it WinRM."""
    dice = random.Random(5985)  # the same traffic everywhere
    noise = dice.randbytes(1 << 20)
    ours = together(winrm, size // share)
    waiting: list[Frames] = []
    number = 1 << 22  # addresses of their own
    made = winrm_made = 0
    while made < size:
        while len(waiting) < _TOGETHER:
            number += 1
            kind = dice.choices(_KINDS, [one.weight for one in _KINDS])[0]
            waiting.append(_lookup(number) if dice.random() < 0.1 else _conversation(number, kind, noise))
        for place in range(len(waiting) - 1, -1, -1):
            frame = next(waiting[place], None)
            if frame is None:
                del waiting[place]
                continue
            made += len(frame) + 16
            yield frame
        while winrm_made * share < made:
            frame = next(ours, None)
            if frame is None:
                winrm_made = 1 << 60
                break
            winrm_made += len(frame) + 16
            made += len(frame) + 16
            yield frame
    yield from ours


def small(size: int) -> Frames:
    """Frames of 64 bytes: acknowledgements with ten bytes of something, forty in a connection, two thousand connections at a time."""
    number = 0
    for begin in range(0, size // 80, _SMALL_TOGETHER * _SMALL_EACH):
        conversations = [Tcp(number + one, 7000 + one % 100) for one in range(_SMALL_TOGETHER)]
        number += _SMALL_TOGETHER
        for place in range(min(_SMALL_TOGETHER * _SMALL_EACH, size // 80 - begin)):
            yield conversations[place * 7 % _SMALL_TOGETHER].frame(place & 1, ACK | PSH, b"0123456789")


def many(size: int) -> Frames:
    """Connections of four frames each, none of them WinRM: a thousand bytes of file each."""
    for number in range(size // 1000):
        tcp = Tcp(number, 443)
        yield tcp.frame(0, SYN)
        yield tcp.frame(1, SYN | ACK)
        yield tcp.frame(0, ACK | PSH, _HELLO)
        yield tcp.frame(0, ACK | FIN)


def winrm(size: int) -> Frames:
    """Nothing but sealed PowerShell remoting; `sessions.SECRETS` opens it."""
    return together(sessions.sealed, size)


def clear(size: int) -> Frames:
    """Nothing but PowerShell remoting in clear text."""
    return together(sessions.clear, size)


def plain(size: int) -> Frames:
    """Nothing but WinRM in clear text through a proxy, both of its sides."""
    for link, _, frame in copies(CLEAR, max(1, size // CLEAR.stat().st_size)):
        yield _ethernet(link, frame)


def short(connections: int) -> Frames:
    """So many connections with a request each."""
    for number in range(1, connections + 1):
        yield from sessions.short(number)


def giant(exchanges: int) -> Frames:
    """One session of so many exchanges on one connection."""
    return sessions.clear(7, max(exchanges - 4, 1))


def scanner(hosts: int) -> Frames:
    """Port 5985 of so many hosts is tried by one machine: nine in ten refuse, one in ten answers a request that says nothing with 404."""
    for number in range(1, hosts + 1):
        tcp = Tcp(1, 5985, number)
        yield tcp.frame(0, SYN)
        if number % 10:
            yield tcp.frame(1, RST | ACK)
            continue
        yield tcp.frame(1, SYN | ACK)
        yield tcp.frame(0, ACK | PSH, b"GET / HTTP/1.0\r\n\r\n")
        yield tcp.frame(1, ACK | PSH, b"HTTP/1.1 404 Not Found\r\nServer: Microsoft-HTTPAPI/2.0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        yield tcp.frame(1, ACK | FIN)
        yield tcp.frame(0, ACK | FIN)


def web(size: int) -> Frames:
    """Pages of other people through a proxy that asks for NTLM: kept for its 407, though none of it is WinRM."""
    noise = random.Random(3128).randbytes(1 << 16).hex().encode()
    return together(lambda number: _browsing(number, noise), size)


def _browsing(number: int, noise: bytes) -> Frames:
    tcp = Tcp(number, 3128)
    kept = sessions.Sealed(number % 64)  # its tokens; nothing here is encrypted
    yield tcp.frame(0, SYN)
    yield tcp.frame(1, SYN | ACK)
    asks = b"GET http://www.example.com/%d/%d HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\n%s\r\n"
    for place, token in enumerate((kept.tokens[0], kept.tokens[2])):
        yield tcp.frame(0, ACK | PSH, asks % (number, 0, b"Proxy-Authorization: NTLM " + base64.b64encode(token) + b"\r\n"))
        if not place:
            offer = b"Proxy-Authenticate: NTLM " + base64.b64encode(kept.tokens[1])
            yield tcp.frame(1, ACK | PSH, b"HTTP/1.1 407 Proxy Authentication Required\r\n" + offer + b"\r\nContent-Length: 0\r\n\r\n")
    for page in range(20):
        if page:
            yield tcp.frame(0, ACK | PSH, asks % (number, page, b""))
        yield tcp.frame(1, ACK | PSH, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5600\r\n\r\n")
        for segment in range(4):
            begin = (number * 8191 + page * 977 + segment * 1400) % (len(noise) - 1400)
            yield tcp.frame(1, ACK | (PSH if segment == 3 else 0), noise[begin : begin + 1400])
        yield tcp.frame(0, ACK)
    yield tcp.frame(0, ACK | FIN)
    yield tcp.frame(1, ACK | FIN)


def write(out: Path, frames: Iterable[bytes], *, block: bool = False) -> None:
    """A nanosecond pcap, or with ``block`` a pcapng, of Ethernet frames a microsecond apart."""
    part = out.with_suffix(".part")
    at_ns = _START_NS
    with part.open("wb", buffering=1 << 20) as file:
        file.write(_head(block=block))
        for frame in frames:
            at_ns += 1000
            file.write(_record(at_ns, frame, block=block))
    part.rename(out)


def rotated(folder: Path, frames: Iterable[bytes], files: int, size: int) -> list[Path]:
    """The same frames in ``files`` files of about ``size`` / ``files`` bytes, as a ring buffer writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    at_ns, written = _START_NS, 0
    file = None
    for frame in frames:
        if file is None or (written >= size // files and len(made) < files):
            if file is not None:
                file.close()
            made.append(folder / f"ring_{len(made):05}.pcap")
            file, written = made[-1].open("wb", buffering=1 << 20), 0
            file.write(_head(block=False))
        at_ns += 1000
        written += file.write(_record(at_ns, frame, block=False))
    if file is not None:
        file.close()
    return made


def _head(*, block: bool) -> bytes:
    if block:
        return struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + struct.pack("<IIHHII", 1, 20, 1, 0, 262144, 20)
    return struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)


def _record(at_ns: int, frame: bytes, *, block: bool) -> bytes:
    if not block:
        return struct.pack("<IIII", at_ns // 1_000_000_000, at_ns % 1_000_000_000, len(frame), len(frame)) + frame
    pad = -len(frame) % 4
    total, ticks = 32 + len(frame) + pad, at_ns // 1000
    head = struct.pack("<IIIIIII", 6, total, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return head + frame + bytes(pad) + struct.pack("<I", total)


def captures(folder: Path, scale: float) -> dict[str, Path]:
    """The captures by name, made where they are missing; ``secrets`` is the file that opens the sealed ones."""
    folder.mkdir(parents=True, exist_ok=True)
    giga = int(1_000_000_000 * scale)
    hundred_thousand = max(int(100_000 * scale), 10)
    recipes: dict[str, tuple[Callable[[int], Frames], int, bool]] = {
        "mixed": (mixed, giga, False),
        "mixed-pcapng": (mixed, giga // 4, True),
        "small": (small, giga, False),
        "many": (many, giga, False),
        "winrm": (winrm, giga // 5, False),
        "clear": (clear, giga // 5, False),
        "plain": (plain, giga // 5, False),
        "web": (web, giga // 5, False),
        "short": (short, hundred_thousand, False),
        "scanner": (scanner, hundred_thousand, False),
        "giant": (giant, hundred_thousand // 2, False),
    }
    made = {}
    for name, (recipe, size, block) in recipes.items():
        made[name] = folder / f"{name}.{'pcapng' if block else 'pcap'}"
        if not made[name].exists():
            write(made[name], recipe(size), block=block)
    for name, suffix in (("mixed-gzip", "gz"), ("mixed-zstd", "zst")):
        made[name] = folder / f"mixed.pcap.{suffix}"
        if not made[name].exists():
            data = made["mixed"].open("rb").read(giga // 4)
            made[name].write_bytes(gzip.compress(data, 1) if suffix == "gz" else zstandard.compress(data, 1))
    made["secrets"] = folder / "secrets.toml"
    made["secrets"].write_text(sessions.SECRETS, encoding="utf-8")
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    for name, path in captures(asked.folder, asked.scale).items():
        print(f"{name:14} {path.stat().st_size / 1e6:10.1f} MB  {path}")
