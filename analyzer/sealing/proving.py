"""Which of the given passwords and hashes made each NTLM response: by proof, not by spelling.

    1. the hashes of the user that the response names, whatever domain they stand under (names are hints for the order)
    2. those that proved right for another logon of that user
    3. all others, under the identity as message 3 has it, then under the spellings that some clients use (`identities`)

A proof is two HMACs (`ntlm_sweep`), of NTLMv1 three DES encryptions: the third one's key has two bytes of the hash only, so it leaves few hashes to try. Equal
responses (a replay, the other side of a proxy) are proved once. Steps 1 and 2 are done for every logon; step 3 until ``hash_tries`` is reached.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from analyzer.auth.schemes import ntlm, ntlm_sweep
from analyzer.auth.schemes.ntlm_keys import ESS, from_hash, identities
from analyzer.records.auth import Conversation, Mechanism
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.secrets import NtlmSecret, Proof
from analyzer.sealing.contexts import ntlm_message
from analyzer.settings import Limits

_CHALLENGE = slice(24, 32)
_V1_SIZE = 24
_PROOF = 16
_V1_COST = 16
"""Tries of NTLMv2 that one encryption of NTLMv1 takes the time of."""


class _Logon(NamedTuple):
    """A response: message 3's fields, the server's challenge, and the ids of the conversations that carry it."""

    fields: ntlm.Authenticate
    challenge: bytes
    ids: list[str]

    @property
    def identity(self) -> tuple[bytes, bytes]:
        """User and domain as sent."""
        return bytes(self.fields.user), bytes(self.fields.domain)

    @property
    def message(self) -> bytes:
        """What NTProofStr is made over."""
        return self.challenge + self.fields.nt_response[_PROOF:]


class Proved(NamedTuple):
    """The proofs by id of conversation, and the limits that were reached."""

    proofs: dict[str, Proof]
    issues: tuple[Issue, ...]


class _Hashes:
    """The hashes that were given, each once, and by the user that their files name."""

    def __init__(self, secrets: Iterable[NtlmSecret]) -> None:
        self.each: dict[bytes, NtlmSecret] = {}
        self.of: dict[str, list[NtlmSecret]] = defaultdict(list)
        for secret in secrets:
            self.each.setdefault(bytes(secret.nt_hash), secret)
            if secret.user:
                self.of[secret.user.lower()].append(secret)
        self.joined = b"".join(self.each)
        self.list = list(self.each.values())
        self._derived: tuple[tuple[str, str], bytes] | None = None

    def own(self, logon: _Logon) -> list[NtlmSecret]:
        """Those of the user, those of the domain as spelled first."""
        flags = logon.fields.flags or 0
        user, domain = ntlm.text(logon.fields.user, flags).lower(), ntlm.text(logon.fields.domain, flags).lower()
        found = [*self.of.get(user, ()), *(self.of.get(user.partition("@")[0], ()) if "@" in user else ())]
        return sorted(found, key=lambda secret: (secret.domain or "").lower() != domain)

    def derived(self, user: str, domain: str) -> bytes:
        """Of each hash the key of this identity; that of the last one is kept."""
        if self._derived is None or self._derived[0] != (user, domain):
            self._derived = ((user, domain), ntlm_sweep.derived(self.joined, user, domain))
        return self._derived[1]


def proved(conversations: Iterable[Conversation], exchanges: Mapping[str, Exchange], secrets: Iterable[NtlmSecret], limits: Limits) -> Proved:
    """The proof of every NTLM response whose challenge is there."""
    hashes = _Hashes(secrets)
    logons = _logons(conversations, exchanges) if hashes.list else []
    found: dict[int, NtlmSecret] = {}
    of: dict[tuple[bytes, bytes], dict[bytes, NtlmSecret]] = defaultdict(dict)
    """What proved right, by identity."""
    for place, logon in enumerate(logons):
        secret = _first(logon, hashes.own(logon))
        if secret is not None:
            found[place] = of[logon.identity][bytes(secret.nt_hash)] = secret
    left = _Budget(limits.hash_tries if ntlm_sweep.COMPILED else limits.hash_tries_uncompiled, len(hashes.list))
    late: set[int] = set()
    for spelling in range(_SPELLINGS):
        for place in sorted((place for place in range(len(logons)) if place not in found), key=lambda place: _spelled(logons[place], spelling) or ("", "")):
            secret = _first(logons[place], of[logons[place].identity].values()) if spelling == 0 else None
            if secret is None and _spelled(logons[place], spelling) is not None:
                if left.take(logons[place]):
                    secret = _swept(logons[place], spelling, hashes)
                else:
                    late.add(place)
            if secret is not None:
                found[place] = of[logons[place].identity][bytes(secret.nt_hash)] = secret
    proofs = {
        identity: Proof(found.get(place), len(hashes.own(logon)), len(hashes.list), place not in late)
        for place, logon in enumerate(logons)
        for identity in logon.ids
    }
    return Proved(proofs, _issues(len(late - found.keys()), limits))


_SPELLINGS = 4


class _Budget:
    """How many tries are left."""

    def __init__(self, most: int, each: int) -> None:
        self.left = most
        self.each = each

    def take(self, logon: _Logon) -> bool:
        """True when all hashes may be tried on one more logon."""
        cost = self.each if len(logon.fields.nt_response) != _V1_SIZE else _V1_COST * min(self.each, 1 << 16)
        if cost > self.left:
            return False
        self.left -= cost
        return True


def _issues(late: int, limits: Limits) -> tuple[Issue, ...]:
    if not late:
        return ()
    name = "hash_tries" if ntlm_sweep.COMPILED else "hash_tries_uncompiled"
    return (Issue("secrets.limit", f"{name}={getattr(limits, name)}: {late} NTLM logons were not tried with every hash, those of their own user apart"),)


def _logons(conversations: Iterable[Conversation], exchanges: Mapping[str, Exchange]) -> list[_Logon]:
    found: dict[tuple[bytes, bytes, bytes, bytes], _Logon] = {}
    for spoken in conversations:
        if spoken.mechanism is not Mechanism.NTLM:
            continue
        third, second = (ntlm_message(spoken, exchanges, message=number) for number in (3, 2))
        fields = None if third is None else ntlm.authenticate_fields(third).value
        if not isinstance(fields, ntlm.Authenticate) or second is None or len(second) < _CHALLENGE.stop or len(fields.nt_response) < _PROOF:
            continue
        challenge = second[_CHALLENGE]
        key = (challenge, bytes(fields.nt_response), bytes(fields.user), bytes(fields.domain))
        found.setdefault(key, _Logon(fields, challenge, [])).ids.append(spoken.id)
    return list(found.values())


def _first(logon: _Logon, secrets: Iterable[NtlmSecret]) -> NtlmSecret | None:
    return next((one for one in secrets if from_hash(one.nt_hash, logon.fields, logon.challenge, one.lm_hash) is not None), None)


def _spelled(logon: _Logon, number: int) -> tuple[str, str] | None:
    """The identity in one of its spellings, None where that is one of those before it; NTLMv1 has none in its proof."""
    spellings = list(dict.fromkeys((user.upper(), domain) for user, domain in identities(logon.fields)))
    if len(logon.fields.nt_response) == _V1_SIZE:
        return ("", "") if number == 0 else None
    return spellings[number] if number < len(spellings) else None


def _swept(logon: _Logon, spelling: int, hashes: _Hashes) -> NtlmSecret | None:
    if len(logon.fields.nt_response) == _V1_SIZE:
        return _first(logon, _of_v1(logon, hashes))
    user, domain = _spelled(logon, spelling) or ("", "")
    place = ntlm_sweep.first_fitting(hashes.derived(user, domain), logon.message, bytes(logon.fields.nt_response[:_PROOF]))
    return None if place is None else hashes.list[place]


def _of_v1(logon: _Logon, hashes: _Hashes) -> list[NtlmSecret]:
    """MS-NLMP 6, DESL: the last 8 bytes of the response are made with the hash's last two bytes alone."""
    import hashlib

    from analyzer.auth.schemes.pyspnego_adapter import desl

    challenge, response = logon.challenge, bytes(logon.fields.nt_response)
    if (logon.fields.flags or 0) & ESS:
        challenge = hashlib.md5(challenge + logon.fields.lm_response[:8], usedforsecurity=False).digest()[:8]
    by_end: dict[bytes, list[NtlmSecret]] = defaultdict(list)
    for secret in hashes.list:
        by_end[bytes(secret.nt_hash[14:])].append(secret)
    fitting = (own for end, own in by_end.items() if desl(bytes(14) + end, challenge)[16:] == response[16:])
    return [secret for own in fitting for secret in own]
