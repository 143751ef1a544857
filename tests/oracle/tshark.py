"""What tshark reads in a capture: packet counts, HTTP messages, NTLM names and the bytes of TCP streams. One run of the program for each capture."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

OPTIONS = ("-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tls.keylog_file:/dev/null")
HTTP_PORTS = (80, 1900, 2710, 2869, 3128, 3132, 5985, 8080, 8088, 11371)
"""Where tshark expects HTTP without being told."""

_BETWEEN = "\x1f"
_FIELDS = (
    "frame.number",
    "frame.protocols",
    "http.request.method",
    "http.request.uri",
    "http.response.code",
    "ntlmssp.auth.username",
    "ntlmssp.auth.domain",
    "ntlmssp.auth.hostname",
)
_TCP = re.compile(r"(?:^|:)tcp(?::|$)")
_QUOTED = re.compile(r":(?:icmp|icmpv6|sflow)(?::|$)")
"""Protocols that quote the beginning of another packet."""
_END = "=" * 67


class Said(NamedTuple):
    """One HTTP message: (method, uri) or (status,), and the packet in which tshark shows it: the one that made it whole."""

    words: tuple[str, ...]
    packet: int


class Name(NamedTuple):
    """The names of one NTLM AUTHENTICATE message."""

    user: str
    domain: str
    workstation: str
    packet: int


class Pair(NamedTuple):
    """The two ends of a connection: host and port of each."""

    one: tuple[str, int]
    other: tuple[str, int]


class Opinion(NamedTuple):
    """``streams``: the bytes of each pair of ends that was asked for, the sender of the first packet first. ``refusal``: why tshark does not read the file."""

    packets: int
    tcp_packets: int
    requests: tuple[Said, ...]
    responses: tuple[Said, ...]
    names: tuple[Name, ...]
    streams: dict[Pair, tuple[bytes, bytes]]
    refusal: str


def opinion(capture: Path, ports: Iterable[int], pairs: Sequence[Pair]) -> Opinion:
    """tshark's reading of ``capture``; ``ports`` are taken for HTTP besides those it knows, ``pairs`` are the connections whose bytes are wanted."""
    command = ["tshark", *OPTIONS, "-r", str(capture)]
    for port in sorted(set(ports) - set(HTTP_PORTS)):
        command += ["-d", f"tcp.port=={port},http"]
    for pair in pairs:
        command += ["-z", "follow,tcp,raw," + ",".join(_address(end) for end in pair)]
    command += ["-T", "fields", "-E", f"aggregator={_BETWEEN}"]
    for field in _FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=False)
    refusal = " ".join(line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.startswith("(") or "support" in line)
    text = done.stdout.decode("utf-8", "replace")
    lines, _, follows = text.partition(f"\n{_END}\n") if pairs else (text, "", "")
    return _opinion([_row(line) for line in lines.split("\n") if line], dict(_follows(follows)), refusal)


def frames(capture: Path, display_filter: str) -> tuple[list[int], str]:
    """The numbers of the packets that a display filter shows, and what tshark says when it does not accept it."""
    command = ["tshark", *OPTIONS, "-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split()], done.stderr if done.returncode else ""


def _address(end: tuple[str, int]) -> str:
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _row(line: str) -> list[list[str]]:
    cells = line.split("\t")
    return [cell.split(_BETWEEN) if cell else [] for cell in (*cells, *[""] * (len(_FIELDS) - len(cells)))]


def _opinion(rows: list[list[list[str]]], streams: dict[Pair, tuple[bytes, bytes]], refusal: str) -> Opinion:
    requests, responses, names = [], [], []
    tcp_packets = 0
    for number, protocols, methods, uris, statuses, *ntlm in rows:
        packet = int(number[0])
        carried = _QUOTED.split(protocols[0], maxsplit=1)[0] if protocols else ""
        if not _TCP.search(carried):
            continue
        tcp_packets += 1
        if ":tls" in carried or ":http" not in carried:
            continue  # what tshark opens with keys inside the file, and names outside of HTTP
        requests += [Said(words, packet) for words in zip(methods, uris, strict=False)]
        responses += [Said((status,), packet) for status in statuses]
        users, domains, stations = (["" if name == "NULL" else name for name in words] for words in ntlm)
        names += [Name(*words, packet) for words in zip(users, domains, stations, strict=False)]
    return Opinion(len(rows), tcp_packets, tuple(requests), tuple(responses), tuple(names), streams, refusal)


def _follows(text: str) -> Iterator[tuple[Pair, tuple[bytes, bytes]]]:
    """The followed streams: the sender of the first packet is node 0; lines of node 1 are indented by a tab."""
    for part in text.split(f"{_END}\n"):
        heading, _, data = part.partition("\nNode 1: ")
        other, _, data = data.partition("\n")
        if heading.startswith("Follow: tcp,raw"):
            sides = (bytearray(), bytearray())
            for line in data.split("\n"):
                sides[line.startswith("\t")].extend(bytes.fromhex(line.strip()))
            yield Pair(_end(heading.rpartition("\nNode 0: ")[2]), _end(other)), (bytes(sides[0]), bytes(sides[1]))


def _end(node: str) -> tuple[str, int]:
    host, _, port = node.rpartition(":")
    return host.strip("[]"), int(port)
