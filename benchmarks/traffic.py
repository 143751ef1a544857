"""Makes the captures of the benchmark: ``python -m benchmarks.traffic FOLDER [--scale F]`` writes those that are missing. A scale of 1 is a gigabyte each.

mixed: TLS, plain web traffic, SMB, SSH, DNS, and one hundredth of sealed WinRM, sixty-four conversations at a time. small: frames of 64 bytes. winrm: nothing
but NTLM-sealed PowerShell remoting. plain: the same in clear text. many: each connection new, a million of them. Each is the same on every machine.
"""

import argparse
import gzip
import random
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

from benchmarks.generate import copies

SAMPLES = Path(__file__).parents[1] / "sample_pcaps"
SEALED = SAMPLES / "direct-psrp-large-output" / "capture.pcapng"
CLEAR = SAMPLES / "squid-negotiate-unencrypted" / "capture.pcapng"
_START_NS = 1_700_000_000_000_000_000
_TOGETHER = 64
_SYN, _ACK, _PSH, _FIN = 2, 16, 8, 1
_HELLO = bytes.fromhex("160301020001000201000000") + bytes(500)
_PAGE = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n"


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


class _Tcp:
    """One conversation's addresses and numbers."""

    def __init__(self, number: int, port: int) -> None:
        self.client = struct.pack(">I", 0x0A000000 | number & 0xFFFFFF)
        self.server = struct.pack(">I", 0xC0A80000 | number * 2654435761 >> 7 & 0xFFFF)
        self.ports = (1024 + number % 60000, port)
        self.sent = [1000 + number * 7919 & 0xFFFFFFFF, 5000 + number * 104729 & 0xFFFFFFFF]
        self.ident = 0

    def frame(self, way: int, flags: int, payload: bytes = b"") -> bytes:
        self.ident = self.ident + 1 & 0xFFFF
        source, target = (self.client, self.server) if way == 0 else (self.server, self.client)
        head = struct.pack(">12xHBBHHHBBH", 0x0800, 0x45, 0, 40 + len(payload), self.ident, 0x4000, 64, 6, 0) + source + target
        ack = self.sent[1 - way] if flags & _ACK else 0
        head += struct.pack(">HHIIBBHHH", self.ports[way], self.ports[1 - way], self.sent[way], ack, 0x50, flags, 0xFFFF, 0, 0)
        self.sent[way] = self.sent[way] + len(payload) + (1 if flags & (_SYN | _FIN) else 0) & 0xFFFFFFFF
        return head + payload


def _conversation(number: int, kind: Kind, noise: bytes) -> Iterator[bytes]:
    tcp = _Tcp(number, kind.port)
    yield tcp.frame(0, _SYN)
    yield tcp.frame(1, _SYN | _ACK)
    yield tcp.frame(0, _ACK)
    yield tcp.frame(0, _ACK | _PSH, kind.asks)
    yield tcp.frame(1, _ACK | _PSH, kind.answers)
    for segment in range(kind.segments):
        begin = (number * 8191 + segment * 1460) % (len(noise) - 1460)
        yield tcp.frame(1, _ACK, b"\x17\x03\x03\x05\xaf" + noise[begin : begin + 1455])
        if segment & 1:
            yield tcp.frame(0, _ACK)
    yield tcp.frame(0, _ACK | _FIN)
    yield tcp.frame(1, _ACK | _FIN)


def _lookup(number: int) -> Iterator[bytes]:
    body = struct.pack(">HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 0) + b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"
    for ports in ((50000 + number % 10000, 53), (53, 50000 + number % 10000)):
        head = struct.pack(">12xHBBHHHBBH", 0x0800, 0x45, 0, 28 + len(body), number & 0xFFFF, 0, 64, 17, 0) + struct.pack(">II", 0x0A000001, 0x0A000002)
        yield head + struct.pack(">HHHH", *ports, 8 + len(body), 0) + body


def _sealed(number: int) -> Iterator[bytes]:
    """One copy of the sealed sample after another, as Ethernet frames."""
    for link, _, frame in copies(SEALED, number):
        yield _ethernet(link, frame)


def _ethernet(link: int, frame: bytes) -> bytes:
    cut = {1: 14, 113: 16, 276: 20}[link]
    return bytes(12) + b"\x08\x00" + frame[cut:]


def mixed(size: int) -> Iterator[bytes]:
    """About ``size`` bytes of mixed traffic."""
    dice = random.Random(5985)  # the same traffic everywhere
    noise = dice.randbytes(1 << 20)
    winrm_size = size // 100
    copy_size = SEALED.stat().st_size
    winrm = _sealed(max(1, winrm_size // copy_size))
    waiting: list[Iterator[bytes]] = []
    number = 0
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
        while winrm_made * 100 < made:
            frame = next(winrm, None)
            if frame is None:
                winrm_made = 1 << 60
                break
            winrm_made += len(frame) + 16
            made += len(frame) + 16
            yield frame


def small(size: int) -> Iterator[bytes]:
    """Frames of 64 bytes: acknowledgements with ten bytes of something, two thousand connections at a time."""
    conversations = [_Tcp(one, 7000 + one % 100) for one in range(2000)]
    for number in range(1, size // 80 + 1):
        yield conversations[number * 7 % 2000].frame(number & 1, _ACK | _PSH, b"0123456789")


def many(size: int) -> Iterator[bytes]:
    """Connections of four frames each, none of them WinRM: a thousand bytes of file each."""
    for number in range(size // 1000):
        tcp = _Tcp(number, 443)
        yield tcp.frame(0, _SYN)
        yield tcp.frame(1, _SYN | _ACK)
        yield tcp.frame(0, _ACK | _PSH, _HELLO)
        yield tcp.frame(0, _ACK | _FIN)


def winrm(size: int) -> Iterator[bytes]:
    """Nothing but sealed PowerShell remoting; its keys fit (``secrets.toml`` of the sample)."""
    for link, _, frame in copies(SEALED, max(1, size // SEALED.stat().st_size), same_contents=True):
        yield _ethernet(link, frame)


def plain(size: int) -> Iterator[bytes]:
    """Nothing but WinRM in clear text through a proxy."""
    for link, _, frame in copies(CLEAR, max(1, size // CLEAR.stat().st_size)):
        yield _ethernet(link, frame)


def write(out: Path, frames: Iterable[bytes], *, block: bool = False) -> None:
    """A nanosecond pcap, or with ``block`` a pcapng, of Ethernet frames a microsecond apart."""
    part = out.with_suffix(".part")
    at_ns = _START_NS
    with part.open("wb", buffering=1 << 20) as file:
        if block:
            file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + struct.pack("<IIHHII", 1, 20, 1, 0, 262144, 20))
        else:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for frame in frames:
            at_ns += 1000
            if block:
                pad = -len(frame) % 4
                total = 32 + len(frame) + pad
                ticks = at_ns // 1000
                head = struct.pack("<IIIIIII", 6, total, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
                file.write(head + frame + bytes(pad) + struct.pack("<I", total))
            else:
                file.write(struct.pack("<IIII", at_ns // 1_000_000_000, at_ns % 1_000_000_000, len(frame), len(frame)) + frame)
    part.rename(out)


def captures(folder: Path, scale: float) -> dict[str, Path]:
    """The captures by name, made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    giga = int(1_000_000_000 * scale)
    recipes = {
        "mixed": (mixed, giga, False),
        "mixed-pcapng": (mixed, giga // 4, True),
        "small": (small, giga, False),
        "many": (many, giga, False),
        "winrm": (winrm, giga // 5, False),
        "plain": (plain, giga // 5, False),
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
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    for name, path in captures(asked.folder, asked.scale).items():
        print(f"{name:14} {path.stat().st_size / 1e6:10.1f} MB  {path}")
