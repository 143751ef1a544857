"""RC4 as a position in a keystream, so that bytes that were lost can be passed over and a wrong turn can be taken back.

The cipher is OpenSSL's, through cryptography, which does not let a state be copied: going back begins anew with the key, which is cheap against the traffic.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

_ZEROS = bytes(1 << 16)


class Rc4:
    """A keystream that begins with ``key``; ``at`` is how many of its bytes were used."""

    __slots__ = ("_cipher", "_key", "at")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.at = 0
        self._cipher = self._fresh()

    def _fresh(self) -> "CipherContext":
        from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
        from cryptography.hazmat.primitives.ciphers import Cipher

        return Cipher(ARC4(bytes(self._key)), mode=None).encryptor()

    def crypt(self, data: bytes) -> bytes:
        """``data`` under the next bytes of the keystream."""
        self.at += len(data)
        return self._cipher.update(data)

    def skip(self, size: int) -> None:
        """Passes over ``size`` bytes of the keystream."""
        while size > 0:
            self.crypt(_ZEROS[: min(size, len(_ZEROS))])
            size -= min(size, len(_ZEROS))

    def back_to(self, at: int) -> None:
        """Goes to a position, forward or back."""
        if at < self.at:
            self._cipher = self._fresh()
            self.at = 0
        self.skip(at - self.at)
