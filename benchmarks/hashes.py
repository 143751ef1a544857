"""How long it takes to try many NT hashes on many NTLM logons: a capture of logons is made, a list of hashes without names, and both are analyzed.

    python -m benchmarks.hashes [HASHES] [LOGONS]

Every logon is another user's (NTLMv2, MS-NLMP 3.3.2). The hash of every second one is in the list; on the others all hashes are tried, in every spelling of the
name, and fit nothing: the worst that a list can be, as with names a logon is tried with the hashes of its own user first.
"""

import base64
import hmac
import os
import resource
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dpkt

import analyzer
from analyzer.auth.schemes import ntlm_sweep

_FLAGS = 0xE2888235
"""Unicode, extended session security, key exchange, 128 bits, signing and sealing."""
_SERVER = bytes([10, 20, 2, 20])


def capture(hashes: list[bytes]) -> Iterator[bytes]:
    """A pcap file of one logon for each hash."""
    yield struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 101)
    now = 1_767_323_045 * 10**9
    for number, one in enumerate(hashes):
        client = bytes([10, 10, number >> 8, number & 255])
        for to_server, flags, seq, ack, data in _session(f"user{number}", one):
            tcp = dpkt.tcp.TCP(sport=50000, dport=5985, seq=seq, ack=ack, flags=flags, win=64240, data=data)
            tcp.sport, tcp.dport = (50000, 5985) if to_server else (5985, 50000)
            ends = (client, _SERVER) if to_server else (_SERVER, client)
            packet = bytes(dpkt.ip.IP(src=ends[0], dst=ends[1], p=6, ttl=64, data=tcp, id=number & 0xFFFF))
            yield struct.pack("<IIII", now // 10**9, now % 10**9, len(packet), len(packet)) + packet
            now += 100_000


def _session(user: str, nt_hash: bytes) -> Iterator[tuple[bool, int, int, int, bytes]]:
    """(to the server, flags, sequence, acknowledgement, payload) of each packet."""
    challenge = os.urandom(8)
    asks = [_request(b"NTLMSSP\0\1\0\0\0" + struct.pack("<I", _FLAGS) + bytes(16)), _request(_third(user, nt_hash, challenge))]
    answers = [_response("401 Unauthorized", _second(challenge)), _response("200 OK", None)]
    mine, theirs = 1000, 5000
    yield True, 2, mine, 0, b""
    yield False, 18, theirs, mine + 1, b""
    mine, theirs = mine + 1, theirs + 1
    for asked, answered in zip(asks, answers, strict=True):
        yield True, 24, mine, theirs, asked
        mine += len(asked)
        yield False, 24, theirs, mine, answered
        theirs += len(answered)
    yield True, 17, mine, theirs, b""
    yield False, 17, theirs, mine + 1, b""


def _request(token: bytes) -> bytes:
    return b"POST /wsman HTTP/1.1\r\nHost: srv01:5985\r\nAuthorization: Negotiate " + base64.b64encode(token) + b"\r\nContent-Length: 0\r\n\r\n"


def _response(status: str, token: bytes | None) -> bytes:
    field = b"" if token is None else b"WWW-Authenticate: Negotiate " + base64.b64encode(token) + b"\r\n"
    return f"HTTP/1.1 {status}\r\n".encode() + field + b"Content-Length: 0\r\n\r\n"


def _second(challenge: bytes) -> bytes:
    """MS-NLMP 2.2.1.2, without names."""
    return b"NTLMSSP\0\2\0\0\0" + struct.pack("<HHI", 0, 0, 56) + struct.pack("<I", _FLAGS) + challenge + bytes(8) + struct.pack("<HHI", 0, 0, 56) + bytes(8)


def _third(user: str, nt_hash: bytes, challenge: bytes) -> bytes:
    """MS-NLMP 2.2.1.3 and 3.3.2: the response to a challenge, of a blob as long as Windows makes it."""
    key = hmac.digest(nt_hash, (user.upper() + "LAB").encode("utf-16-le"), "md5")
    blob = b"\1\1" + bytes(6) + os.urandom(16) + bytes(4) + os.urandom(240) + bytes(4)
    proof = hmac.digest(key, challenge + blob, "md5")
    fields = [bytes(24), proof + blob, "LAB".encode("utf-16-le"), user.encode("utf-16-le"), b"", os.urandom(16)]
    at, heads, data = 88, b"", b""
    for field in fields:
        heads += struct.pack("<HHI", len(field), len(field), at + len(data))
        data += field
    return b"NTLMSSP\0\3\0\0\0" + heads + struct.pack("<I", _FLAGS) + bytes(8) + bytes(16) + data


def _cpu() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main(hashes: int = 100_000, logons: int = 1_000) -> None:
    """Prints the figures."""
    given = [os.urandom(16) for _ in range(hashes)]
    used = [given[number * (hashes // logons)] if number % 2 else os.urandom(16) for number in range(logons)]
    with tempfile.TemporaryDirectory() as folder:
        path, words = Path(folder, "logons.pcap"), Path(folder, "hashes.txt")
        path.write_bytes(b"".join(capture(used)))
        words.write_text("".join(f"{one.hex()}\n" for one in given), encoding="ascii")
        began = _cpu()
        analyzer.analyze(path)
        without = _cpu()
        case = analyzer.analyze(path, secrets=words)
        took = _cpu() - without
        found = sum(one.secret is not None for one in case.evidence.conversations)
        print(f"{hashes:,} hashes without names, {logons:,} logons, {'compiled' if ntlm_sweep.COMPILED else 'not compiled'}")
        print(f"without hashes {without - began:6.1f} s of CPU; with them {took:6.1f} s; {found:,} logons proved of {sum(one in set(given) for one in used):,}")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
