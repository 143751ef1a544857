"""Which of many NT hashes made an NTLMv2 response (MS-NLMP 3.3.2).

The proof is HMAC-MD5 twice: of user and domain under the hash, and of challenge and blob under that. The first does not depend on the logon, so it is made once
for each identity. Compiled, many keys are tried at a time; without a compiler the same is done one after the other, some thirty times slower.
"""

import hmac

try:
    from analyzer.auth.schemes._sweep import derive, search
except ImportError:  # not compiled

    def derive(hashes: bytes, identity: bytes, /) -> bytes:
        """HMAC-MD5 of an identity under each hash."""
        return b"".join(hmac.digest(hashes[at : at + 16], identity, "md5") for at in range(0, len(hashes), 16))

    def search(keys: bytes, message: bytes, proof: bytes, /) -> int:
        """The number of the first key with this HMAC-MD5 of a message, or -1."""
        return next((at // 16 for at in range(0, len(keys), 16) if hmac.digest(keys[at : at + 16], message, "md5") == proof), -1)


COMPILED = derive.__module__ != __name__
_AT_A_TIME = 16 * (1 << 14)
"""Bytes of keys that are tried without a look at interruptions."""


def derived(hashes: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2 of each hash (16 bytes each, one after the other) for an identity."""
    identity = (user.upper() + domain).encode("utf-16-le", "surrogatepass")
    return b"".join(derive(hashes[at : at + _AT_A_TIME], identity) for at in range(0, len(hashes), _AT_A_TIME))


def first_fitting(keys: bytes, message: bytes, proof: bytes) -> int | None:
    """The number of the first key (16 bytes each) under which ``message`` has this HMAC-MD5; None when none fits."""
    for at in range(0, len(keys), _AT_A_TIME):
        found = search(keys[at : at + _AT_A_TIME], message, proof)
        if found >= 0:
            return at // 16 + found
    return None
