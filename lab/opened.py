"""A second opinion on NTLM-sealed bodies: opened with the password by code that shares nothing with client or server.

Strategy: MS-NLMP written out once more (own MD4, HMAC and RC4 from libraries), on the bytes of the capture. The plain
texts must have the digests that the server logged. RC4 consumes eight more bytes per message for the checksum.
"""

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext

from lab.accounts import ACCOUNTS
from lab.processes import LabError
from lab.streams import Connection, Exchange

OCTETS = b"\tContent-Type: application/octet-stream\r\n"
MAGIC = "session key to {}-to-{} {}ing key magic constant\0"


class Side(NamedTuple):
    """Sealing state of one direction."""

    cipher: CipherContext
    sign_key: bytes


def md4(data: bytes) -> bytes:
    """RFC 1320; OpenSSL no longer has it."""

    def left(value: int, by: int) -> int:
        value &= 0xFFFFFFFF
        return (value << by | value >> (32 - by)) & 0xFFFFFFFF

    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = data + b"\x80" + b"\0" * ((55 - len(data)) % 64) + struct.pack("<Q", len(data) * 8)
    rounds: tuple[tuple[Callable[[int, int, int], int], int, Sequence[int], Sequence[int]], ...] = (
        (lambda x, y, z: (x & y) | (~x & z), 0, range(16), (3, 7, 11, 19)),
        (lambda x, y, z: (x & y) | (x & z) | (y & z), 0x5A827999, [4 * i + j for j in range(4) for i in range(4)],
         (3, 5, 9, 13)),
        (lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
    )  # fmt: skip
    for at in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, at)
        a, b, c, d = state
        for mix, constant, order, shifts in rounds:
            for step, index in enumerate(order):
                a, b, c, d = d, left(a + mix(b, c, d) + words[index] + constant, shifts[step % 4]), b, c
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.md5).digest()


def _rc4(key: bytes) -> CipherContext:
    return Cipher(ARC4(key), mode=None).encryptor()


def _token(value: str) -> bytes:
    scheme, _, text = value.partition(" ")
    raw = base64.b64decode(text) if scheme.lower() in ("negotiate", "ntlm") else b""
    return raw[raw.find(b"NTLMSSP\0") :] if b"NTLMSSP\0" in raw else b""


def _field(token: bytes, at: int) -> bytes:
    size, _, offset = struct.unpack_from("<HHI", token, at)
    return token[offset : offset + size]


def _sides(challenge: bytes, answer: bytes) -> tuple[Side, Side] | None:
    """Client's and server's sealing state, None when no lab password verifies the answer."""
    # MS-NLMP 2.2.2.5: NTLMSSP_NEGOTIATE_UNICODE says how strings are written.
    encoding = "utf-16-le" if answer[60] & 1 else "ascii"
    user, domain = _field(answer, 36).decode(encoding), _field(answer, 28).decode(encoding)
    response = _field(answer, 20)
    short = user.split("@")[0].lower()
    for password in (account.password for account in ACCOUNTS if account.user == short):
        key = _hmac(md4(password.encode("utf-16-le")), (user.upper() + domain).encode("utf-16-le"))
        if _hmac(key, challenge[24:32] + response[16:]) != response[:16]:
            continue
        session = _rc4(_hmac(key, response[:16])).update(_field(answer, 52))
        keys = {
            (source, kind): hashlib.md5(session + MAGIC.format(source, target, kind).encode()).digest()
            for source, target in (("client", "server"), ("server", "client"))
            for kind in ("sign", "seal")
        }
        client, server = (Side(_rc4(keys[side, "seal"]), keys[side, "sign"]) for side in ("client", "server"))
        return client, server
    return None


def _plain(side: Side, body: bytes) -> bytes:
    """The plain text of a sealed body with one part; a wrong checksum is an error."""
    start = body.index(OCTETS) + len(OCTETS)
    header = body[start + 4 : start + 20]
    size = int(body[: body.index(b"\r\n--", 20)].rpartition(b"Length=")[2])
    plain = side.cipher.update(body[start + 20 : start + 20 + size])
    checksum = side.cipher.update(header[4:12])
    if _hmac(side.sign_key, header[12:16] + plain)[:8] != checksum:
        msg = f"NTLM checksum of sequence number {header[12:16].hex()} is wrong"
        raise LabError(msg)
    return plain


def _opened(connection: Connection) -> list[tuple[Exchange, bytes, bytes]]:
    """Exchanges of a connection whose request and response were sealed under its own NTLM session, with plain texts."""
    challenge, sides, found = b"", None, []
    for exchange in connection.exchanges:
        token = _token(exchange.authorization or "")
        if token[8:12] == b"\3\0\0\0" and challenge:
            sides = _sides(challenge, token) if exchange.status not in (401, 407) else None
        for value in exchange.challenge:
            challenge = _token(value) if _token(value)[8:12] == b"\2\0\0\0" else challenge
        both_sealed = OCTETS in exchange.body and OCTETS in exchange.response_body
        if sides is not None and both_sealed and exchange.status is not None and exchange.complete:
            found.append((exchange, _plain(sides[0], exchange.body), _plain(sides[1], exchange.response_body)))
    return found


def check(found: list[Connection], rows: list[dict[str, Any]]) -> str | None:
    """Open what the server opened and compare digests; None when the sample has no NTLM-sealed message."""
    unsent = {(c.name, x.position) for c in found for x in c.exchanges if x.status is None}
    wanted = {
        (row["peer"], row["position"]): (row["request_plain_sha256"], row["response_plain_sha256"])
        for row in rows
        if row.get("sealed") and "request_plain_sha256" in row and row["mechanism"] == "ntlm" and (row["peer"], row["position"]) not in unsent
    }
    mine = {
        (connection.name, exchange.position): (hashlib.sha256(a).hexdigest(), hashlib.sha256(b).hexdigest())
        for connection in found
        for exchange, a, b in _opened(connection)
        if any(peer == connection.name for peer, _ in wanted)
    }
    if mine != wanted:
        msg = f"opened messages differ from the server's: {sorted(set(mine.items()) ^ set(wanted.items()))[:4]}"
        raise LabError(msg)
    if not wanted:
        return None
    return f"own NTLM code with the password: {2 * len(wanted)} sealed messages opened, checksums good, digests equal"
