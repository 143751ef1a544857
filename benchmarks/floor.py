"""The least that opening NTLM's encryption can cost: RC4, HMAC-MD5 and SHA-256 twice over the bodies of a capture by OpenSSL, and nothing else.

``python -m benchmarks.floor CAPTURE`` prints the CPU seconds. Messages have the sizes that they have in the capture; what is read is not what lies in it, since
the cost does not depend on it. RC4 goes over the body (MS-NLMP 3.4.3), the HMAC over the plaintext (3.4.4.2), SHA-256 over what was sent and what it said.
"""

import hashlib
import hmac
import sys
import time
import warnings
from pathlib import Path

import analyzer


def bodies(capture: str) -> list[int]:
    """The sizes of the encrypted bodies."""
    found = analyzer.analyze(capture).evidence.messages.values()
    return [message.size for message in found if message.protection.value == "sealed"]


def floor(sizes: list[int]) -> float:
    """CPU seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
        from cryptography.hazmat.primitives.ciphers import Cipher
    data = memoryview(bytes(max(sizes, default=0)))
    opened = Cipher(ARC4(bytes(range(16))), mode=None).decryptor()
    began = time.process_time()
    for size in sizes:
        plain = opened.update(data[:size])
        hmac.digest(b"signing key", plain, "md5")
        hashlib.sha256(data[:size]).digest()
        hashlib.sha256(plain).digest()
    return time.process_time() - began


if __name__ == "__main__":
    print(floor(bodies(str(Path(sys.argv[1])))))
