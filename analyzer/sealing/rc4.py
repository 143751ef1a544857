"""RC4 as a position in a keystream, so that bytes that were lost can be passed over and a wrong turn can be taken back.

The cipher is OpenSSL's, through cryptography, which does not let a state be copied: going back begins anew with the key, which is cheap against the traffic.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

_ZEROS = bytes(1 << 16)


class Rc4:
    """A keystream that begins with ``key``; ``at`` is how many of its bytes were used. What was only looked at is kept until it is used."""

    __slots__ = ("_ahead", "_cipher", "_from", "_key", "at")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._restart()

    def _restart(self) -> None:
        from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
        from cryptography.hazmat.primitives.ciphers import Cipher

        self.at = 0
        self._ahead = b""
        self._from = 0
        self._cipher: CipherContext = Cipher(ARC4(bytes(self._key)), mode=None).encryptor()

    def fresh(self) -> "Rc4":
        """The same keystream from its beginning."""
        return Rc4(self._key)

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes of the keystream, which stay the next ones."""
        lacking = size - (len(self._ahead) - self._from)
        if lacking > 0:
            self._ahead = self._ahead[self._from :] + self._cipher.update(bytes(lacking))
            self._from = 0
        return self._ahead[self._from : self._from + size]

    def crypt(self, data: bytes) -> bytes:
        """``data`` under the next bytes of the keystream."""
        if self._from < len(self._ahead):
            text = xor(data, self.peek(len(data)))
            self.skip(len(data))
            return text
        self.at += len(data)
        return self._cipher.update(data)

    def tried(self, data: bytes, more: int) -> tuple[bytes, bytes]:
        """``data`` under the next bytes of the keystream, and ``more`` bytes of it behind them; `untried` takes it back."""
        if self._from < len(self._ahead):
            keystream = self.peek(len(data) + more)
            self.skip(len(keystream))
            return xor(data, keystream), keystream[len(data) :]
        self.at += len(data) + more
        return self._cipher.update(data), self._cipher.update(_ZEROS[:more])

    def untried(self, data: bytes, text: bytes, after: bytes) -> None:
        """Back to where it was before `tried` made ``text`` and ``after`` of ``data``: their bytes of the keystream are the next ones."""
        self._ahead = xor(data, text) + after + self._ahead[self._from :]
        self._from = 0
        self.at -= len(data) + len(after)

    def skip(self, size: int) -> None:
        """Passes over ``size`` bytes of the keystream."""
        known = min(size, len(self._ahead) - self._from)
        self._from += known
        self.at += known
        size -= known
        if self._from == len(self._ahead):
            self._ahead, self._from = b"", 0
        while size > 0:
            piece = _ZEROS[: min(size, len(_ZEROS))]
            self._cipher.update(piece)
            self.at += len(piece)
            size -= len(piece)

    def back_to(self, at: int) -> None:
        """Goes to a position, forward or back."""
        if at < self.at:
            self._restart()
        self.skip(at - self.at)


def xor(one: bytes, other: bytes) -> bytes:
    """``one`` with as much of ``other`` as it is long."""
    return (int.from_bytes(one, "little") ^ int.from_bytes(other[: len(one)], "little")).to_bytes(len(one), "little")
