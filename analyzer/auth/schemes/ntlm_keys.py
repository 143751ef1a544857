"""Keys of an NTLM security context (MS-NLMP 3.3, 3.4.5), proved before anything is opened with them.

pyspnego derives the keys (`sealkey`, `signkey`, `kxkey`, MD4, DES) and cryptography is the cipher below it; what is here is the order of things and the
proof: a secret is only believed when the response in message 3 verifies with it.
"""

import hashlib
import hmac

from msgspec import Struct

from analyzer.auth.schemes import pyspnego_adapter
from analyzer.auth.schemes.ntlm import Authenticate, text
from analyzer.records.secrets import Secret

ESS = 0x00080000
KEY_EXCHANGE = 0x40000000
SIGN, SEAL = 0x10, 0x20
_V1_SIZE = 24
_PROOF = 16
_LM_KEYS = 0x00400080


class Keys(Struct, frozen=True, gc=False):
    """The keys of one context: ``flags`` as negotiated in message 3, the exported session key, and the four derived keys."""

    flags: int
    exported: Secret
    sign_client: Secret
    sign_server: Secret
    seal_client: Secret
    seal_server: Secret


def nt_hash(password: str) -> Secret:
    """NTOWFv1: MD4 of the password in UTF-16LE (MS-NLMP 3.3.1)."""
    return Secret(pyspnego_adapter.md4(password.encode("utf-16-le", "surrogatepass")))


def lm_hash(password: str) -> Secret:
    """LMOWFv1: DES under the upper-case password's first 14 bytes (MS-NLMP 3.3.1)."""
    return Secret(pyspnego_adapter.lm_hash(password))


def from_hash(secret: bytes, fields: Authenticate, server_challenge: bytes, lm: bytes | None) -> Keys | None:
    """The keys when ``secret`` (an NT hash) is the one that message 3 was made with, else None. ``fields`` are message 3's.

    ``lm`` is the LM hash where the password is known: NTLMv1 without extended session security may derive its keys from it (MS-NLMP 3.4.5.1).
    """
    response = fields.nt_response
    base = _base_v1(secret, fields, server_challenge, lm) if len(response) == _V1_SIZE else _base_v2(secret, fields, server_challenge)
    return None if base is None else _exported(base, fields)


def from_exported(exported: bytes, flags: int) -> Keys:
    """The keys that follow from an exported session key (MS-NLMP 3.4.5.2, 3.4.5.3)."""
    derived = [Secret(key) for key in pyspnego_adapter.derived_keys(flags, exported)]
    return Keys(flags, Secret(exported), *derived)


def _base_v2(secret: bytes, fields: Authenticate, server_challenge: bytes) -> bytes | None:
    """MS-NLMP 3.3.2: NTProofStr is the proof; the session base key is the key exchange key."""
    proof, blob = fields.nt_response[:_PROOF], fields.nt_response[_PROOF:]
    for user, domain in identities(fields):
        key = hmac.digest(secret, (user.upper() + domain).encode("utf-16-le", "surrogatepass"), "md5")
        if hmac.compare_digest(hmac.digest(key, server_challenge + blob, "md5"), proof):
            return hmac.digest(key, proof, "md5")
    return None


def identities(fields: Authenticate) -> tuple[tuple[str, str], ...]:
    """The user and domain that go into the hash, as message 3 has them; some clients take the user part or an upper-case domain instead."""
    flags = fields.flags or 0
    user, domain = text(fields.user, flags), text(fields.domain, flags)
    return ((user, domain), (user, domain.upper()), (user.partition("@")[0], domain), (user, ""))


def _base_v1(secret: bytes, fields: Authenticate, server_challenge: bytes, lm: bytes | None) -> bytes | None:
    """MS-NLMP 3.3.1, with extended session security or without; the response itself is the proof."""
    flags = fields.flags or 0
    challenge = server_challenge
    if flags & ESS:
        challenge = hashlib.md5(server_challenge + fields.lm_response[:8], usedforsecurity=False).digest()[:8]
    if not hmac.compare_digest(pyspnego_adapter.desl(secret, challenge), fields.nt_response):
        return None
    # an NT hash does not give the LM hash: without it, keys by LM_KEY and NON_NT_SESSION_KEY cannot be derived, and the flags are left out
    kept = flags if flags & ESS or lm is not None else flags & ~_LM_KEYS
    return pyspnego_adapter.key_exchange_key(kept, pyspnego_adapter.md4(secret), lm or b"", fields.lm_response, server_challenge)


def _exported(base: bytes, fields: Authenticate) -> Keys:
    """MS-NLMP 3.1.5.1.2: with key exchange the exported key was chosen by the client and sent under the key exchange key."""
    flags = fields.flags or 0
    exported = base
    if flags & KEY_EXCHANGE and flags & (SIGN | SEAL) and len(fields.session_key) == _PROOF:
        exported = pyspnego_adapter.rc4k(base, fields.session_key)
    return from_exported(exported, flags)
