"""SPNEGO (RFC 4178 section 4.2, MS-SPNG 2.2.1): the wrapping around a mechanism's token, and which mechanism it speaks of.

NegTokenInit, NegTokenInit2 (negHints at [3], mechListMIC at [4]) and NegTokenResp are read by pyspnego behind the adapter. Raw NTLMSSP and raw Kerberos tokens
are equally legal under ``Negotiate`` and are no business of this file.
"""

from functools import lru_cache

from msgspec import Struct

from analyzer.auth.schemes import der, pyspnego_adapter
from analyzer.auth.schemes.reading import Reading
from analyzer.records.auth import Mechanism, SpnegoToken
from analyzer.records.quality import Absent

NEGOEX = "1.3.6.1.4.1.311.2.2.30"
"""MS-NEGOEX section 1.9: listed like any mechanism; its own tokens begin with ``NEGOEXTS``."""
_MECHANISMS = {
    "1.2.840.48018.1.2.2": Mechanism.KERBEROS,
    "1.2.840.113554.1.2.2": Mechanism.KERBEROS,
    "1.2.840.113554.1.2.2.3": Mechanism.KERBEROS,
    "1.3.6.1.5.2.5": Mechanism.KERBEROS,
    "1.3.6.1.4.1.311.2.2.10": Mechanism.NTLM,
}
_STATES = ("accept-completed", "accept-incomplete", "reject", "request-mic")
"""NegState of RFC 4178 section 4.2.2, by number."""


class Wrapped(Struct, frozen=True, gc=False):
    """The wrapping and the mechanism token in it (None when there is none)."""

    spnego: SpnegoToken
    token: bytes | None


def is_spnego(raw: bytes) -> bool:
    """Whether the first bytes are those of a NegotiationToken: SPNEGO's GSS frame, or the bare choices [0] and [1]."""
    framed = der.frame(raw)
    return framed.oid == der.SPNEGO if framed is not None else raw[:1] in (b"\xa0", b"\xa1")


def begins(raw: bytes) -> bool:
    """Whether the token is the first of a negotiation: a NegTokenInit."""
    return not raw.startswith(b"\xa1")


@lru_cache(maxsize=256)
def message(raw: bytes) -> Reading[Wrapped]:
    """The SPNEGO token in ``raw``, framed or bare. The latest are remembered: behind a proxy each comes twice, and once more when bodies are opened."""
    value, complaint = pyspnego_adapter.neg_token(raw)
    if isinstance(value, Absent):
        return Reading(value, complaint)
    state = None if value.state is None else _STATES[value.state]
    token = SpnegoToken(value.message, value.mechanisms, value.supported, state, value.mic)
    return Reading(Wrapped(token, value.token), complaint)


def named_mechanism(token: SpnegoToken) -> Mechanism:
    """The mechanism of a token without a mechanism token: the one that the acceptor chose, or the only one that was offered."""
    named = {_MECHANISMS.get(oid, Mechanism.UNKNOWN) for oid in ((token.supported,) if token.supported else token.mechanisms)}
    return named.pop() if len(named) == 1 else Mechanism.UNKNOWN
