"""Opens bodies that a Kerberos security context sealed: RFC 4121 (AES, "CFX") and RFC 4757 section 7.3 (RC4).

    CFX header      05 04 | flags | FF | EC u16 | RRC u16 | sequence u64
    as sent         header | rotated right by RRC:  Enc(confounder | plaintext | filler[EC] | header with RRC 0) | checksum
    in WinRM        the token header of a part is the header and the rotated RRC bytes and the confounder; its data is the rest, as long as the plaintext

Messages are independent of each other, so a loss costs only what was lost. Each is proved by its checksum and by the copy of the header inside.
"""

import hashlib
import hmac
import struct

from msgspec import Struct

from analyzer.auth.schemes.scapy_adapter import Key, decrypt, encryption_key
from analyzer.formats.holes import Holed, joined
from analyzer.sealing.holed import begins_well, cts_plain
from analyzer.sealing.ntlm import Opened
from analyzer.sealing.rc4 import Rc4

_CFX = b"\x05\x04"
_ACCEPTOR_SUBKEY = 4
_SEAL_INITIATOR, _SEAL_ACCEPTOR = 24, 22
_RC4 = 23
_RC4_TOKEN = bytes.fromhex("06092a864886f7120102020201")


class KerberosKeys(Struct, frozen=True, gc=False):
    """What the AP exchange agreed: the ticket's session key, and the sub-session keys that either side chose."""

    session: Key
    initiator: Key | None = None
    acceptor: Key | None = None

    def candidates(self, *, acceptor_first: bool) -> list[Key]:
        """The keys to try, the one that the token's flags name first (RFC 4121 section 4.2.2)."""
        ordered = (self.acceptor, self.initiator, self.session) if acceptor_first else (self.initiator, self.session, self.acceptor)
        return [key for key in ordered if key is not None]


class KerberosContext:
    """The security context after the AP exchange. It has no position: any message opens by itself."""

    def __init__(self, keys: KerberosKeys) -> None:
        self.keys = keys

    def fresh(self) -> "KerberosContext":
        """Itself: it has no position."""
        return self

    def mark(self, *, from_client: bool) -> tuple[int, int]:
        """Nothing to remember."""
        del from_client
        return 0, 0

    def reset(self, mark: tuple[int, int], *, from_client: bool) -> None:
        """Nothing to go back to."""

    def passed(self, sizes: list[int], *, from_client: bool) -> None:
        """A loss changes nothing."""

    def open(self, header: bytes, data: bytes, *, from_client: bool) -> Opened | None:
        """The plaintext of one part; None when it was not sealed by this context."""
        if header[:2] == _CFX and len(header) >= 16:
            return self._open_cfx(header, data, from_client=from_client)
        if header[:1] == b"\x60":
            return self._open_rc4(header, data)
        return None

    def guess(self, header: bytes, found: Holed, *, from_client: bool) -> Holed | None:
        """What can be read of a part that lacks bytes, without proof: AES in CBC mode loses the blocks that are missing and the ones after them, RC4 only what
        is missing. None when nothing shows that the key is the right one."""
        if header[:2] == _CFX and len(header) >= 16:
            return self._guess_cfx(header, found, from_client=from_client)
        at = header.find(_RC4_TOKEN) if header[:1] == b"\x60" else -1
        token = header[at + len(_RC4_TOKEN) - 2 :] if at >= 0 else b""
        if len(token) < 32:
            return None
        for key in self.keys.candidates(acceptor_first=True):
            if key.etype == _RC4:
                plain = _rc4_plain(bytes(key.value), token[8:16], token[16:24], token[24:32] + found.data)[8:]
                text = Holed(plain, found.holes)
                if begins_well(text):
                    return text
        return None

    def _guess_cfx(self, header: bytes, found: Holed, *, from_client: bool) -> Holed | None:
        flags, extra, rotation = header[2], *struct.unpack_from(">HH", header, 4)
        token = joined((Holed(header[16:]), found))
        size = len(token.data)
        if not size or not all(hole for _, hole in token.holes):
            return None
        shift = rotation % size
        cipher = joined((token.cut(shift, size), token.cut(0, shift)))
        copies = (header[:6] + b"\x00\x00" + header[8:16], header[:16])
        for key in self.keys.candidates(acceptor_first=bool(flags & _ACCEPTOR_SUBKEY)):
            derived = encryption_key(key, _SEAL_INITIATOR if from_client else _SEAL_ACCEPTOR)
            if derived is None or size < derived[1] + 32:
                continue
            plain = cts_plain(derived[0], cipher.cut(0, size - derived[1]))
            end = len(plain.data)
            text = plain.cut(16, end - 16 - extra)
            if begins_well(text) or (not plain.touches(end - 16, end) and plain.data[-16:] in copies):
                return text
        return None

    def _open_cfx(self, header: bytes, data: bytes, *, from_client: bool) -> Opened | None:
        flags, extra, rotation = header[2], *struct.unpack_from(">HH", header, 4)
        usage = _SEAL_INITIATOR if from_client else _SEAL_ACCEPTOR
        token = header[16:] + data
        copy = header[:6] + b"\x00\x00" + header[8:16]
        for turn in dict.fromkeys((rotation, rotation + extra)):  # MS-KILE 3.4.5.4.1: DCE style rotates by RRC + EC
            shift = turn % len(token) if token else 0
            cipher = token[shift:] + token[:shift]
            for key in self.keys.candidates(acceptor_first=bool(flags & _ACCEPTOR_SUBKEY)):
                plain = decrypt(key, usage, cipher)
                if plain is not None and len(plain) >= 16 + extra and plain[-16:] in (copy, header[:16]):
                    return Opened(plain[: len(plain) - 16 - extra], good=True)
        return None

    def _open_rc4(self, header: bytes, data: bytes) -> Opened | None:
        """RFC 4757 section 7.3. The DER length of the frame counts the data too, so it is not read; some clients count a byte of padding in the data."""
        at = header.find(_RC4_TOKEN)
        token = header[at + len(_RC4_TOKEN) - 2 :] if at >= 0 else b""
        if len(token) < 32:
            return None
        fixed, sequence, checksum, confounder = token[:8], token[8:16], token[16:24], token[24:32]
        for key in self.keys.candidates(acceptor_first=True):
            if key.etype == _RC4:
                text = _rc4_text(bytes(key.value), fixed, sequence, checksum, confounder + data)
                if text is not None:
                    return Opened(text, good=True)
        return None


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "md5")


def _rc4_plain(key: bytes, sequence: bytes, checksum: bytes, sealed: bytes) -> bytes:
    local = bytes(byte ^ 0xF0 for byte in key)
    number = Rc4(_hmac(_hmac(key, bytes(4)), checksum)).crypt(sequence)[:4]
    return Rc4(_hmac(_hmac(local, bytes(4)), number)).crypt(sealed)


def _rc4_text(key: bytes, fixed: bytes, sequence: bytes, checksum: bytes, sealed: bytes) -> bytes | None:
    plain = _rc4_plain(key, sequence, checksum, sealed)
    signing = _hmac(key, b"signaturekey\0")
    proof = _hmac(signing, hashlib.md5(struct.pack("<I", 13) + fixed + plain, usedforsecurity=False).digest())[:8]
    if not hmac.compare_digest(proof, checksum):
        return None
    text = plain[8:]
    return text[:-1] if text.endswith(b"\x01") else text  # MS-WSMV 2.2.9.1.2.2.2: Windows adds no padding, MIT one byte of 1
