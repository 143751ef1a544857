"""The Kerberos keys that were given, in the order in which a ciphertext is tried with them, and the proof of each.

Names are hints for the order only: of the account whose key it should be, of a computer (``SRV01$``) for every service of its host, then all others. An NT hash
is the RC4 key of its account; a password gives AES keys with the salt of its account. What proved right for a service is tried first for its next ticket.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from analyzer.auth.schemes.kerberos_glance import glance
from analyzer.auth.schemes.scapy_adapter import Encrypted, Key, decrypt, string_to_key
from analyzer.records.issues import Issue
from analyzer.records.secrets import KerberosKey, Password, Secrets
from analyzer.settings import Limits

_RC4 = 23
_AES = (17, 18, 19, 20)
_SWEEPS = 2
"""Tickets of one service and key version for which all keys are tried in vain: a version has one key."""
_DEFAULTS = Limits()

_Target = tuple[str, int, int | None]
"""Whose key it is, encryption type, key version."""


class KeyRing:
    """All keys by encryption type. ``tried`` counts glances; when ``key_tries`` is reached only keys of the right name are tried."""

    def __init__(self, secrets: Secrets, limits: Limits = _DEFAULTS) -> None:
        self.secrets = secrets
        self.tried = 0
        self.fitted: set[str] = set()
        """Tags of the keys that opened something."""
        self._limits = limits
        self._cut: set[str] = set()
        self._all: dict[int, list[KerberosKey]] = defaultdict(list)
        self._named: dict[tuple[int, str], list[KerberosKey]] = defaultdict(list)
        self._known: dict[_Target, KerberosKey] = {}
        self._failed: Counter[_Target] = Counter()
        self._of_passwords: dict[tuple[int, str, str], KerberosKey | None] = {}
        self._passwords: dict[str, list[Password]] = defaultdict(list)
        self._guesses = [one for one in secrets.passwords if one.guess]
        for one in secrets.passwords:
            if one.user is not None:
                self._passwords[one.user.lower()].append(one)
        for key in secrets.kerberos:
            self._add(key, key.principal)
        for hashed in secrets.ntlm:
            self._add(KerberosKey(hashed.tag, _RC4, hashed.nt_hash, hashed.user or "?"), hashed.user)

    def _add(self, key: KerberosKey, name: str | None) -> None:
        self._all[key.etype].append(key)
        if name:
            self._named[key.etype, name.partition("@")[0].lower()].append(key)

    @property
    def empty(self) -> bool:
        """True when no key was given that could open a ticket."""
        return not (self._all or self._passwords or self._guesses or self.secrets.tickets)

    def session_keys(self, etype: int) -> Iterator[KerberosKey]:
        """Keys that may be a ticket's session key: those that nobody is named for."""
        for one in self.secrets.kerberos:
            if one.principal is None and one.etype == etype:
                yield one
        for ticket in self.secrets.tickets:
            if ticket.etype == etype:
                yield KerberosKey(ticket.tag, etype, ticket.value)

    def opened(
        self, encrypted: Encrypted, usage: int, tags: Sequence[int], owner: str, realm: str, salt: str | None = None
    ) -> tuple[KerberosKey, bytes] | None:
        """The key that decrypts this, and the plaintext; None when none of those given does.

        ``owner``: the principal whose key it should be, as ``HTTP/srv01`` or ``alice``; ``salt`` of its password where the KDC told it.
        """
        target = (f"{owner}@{realm}".lower(), encrypted.etype, encrypted.kvno)
        hinted = list(self._hinted(encrypted.etype, owner, realm, salt, target))
        found = self._first(hinted, encrypted, usage, tags)
        if found is None and self._failed[target] < _SWEEPS:
            found = self._first(
                self._others(encrypted.etype, realm, salt), encrypted, usage, tags, glanced=glance(encrypted.etype, usage, encrypted.cipher, tags)
            )
            self._failed[target] += found is None
        if found is not None:
            self._known[target] = found[0]
            self.fitted.add(found[0].tag)
        return found

    def _first(
        self, keys: Iterable[KerberosKey], encrypted: Encrypted, usage: int, tags: Sequence[int], glanced: object = None
    ) -> tuple[KerberosKey, bytes] | None:
        for key in keys:
            if glanced is not None and not glanced(bytes(key.value)):  # type: ignore[operator]
                continue
            plain = decrypt(Key(key.etype, key.value), usage, encrypted.cipher)
            if plain is not None and plain[:1] and plain[0] in tags:
                return key, plain
        return None

    def _hinted(self, etype: int, owner: str, realm: str, salt: str | None, target: _Target) -> Iterator[KerberosKey]:
        if target in self._known:
            yield self._known[target]
        names = list(dict.fromkeys(names_of(owner)))
        for name in names:
            yield from self._named.get((etype, name), ())
        if etype in _AES:
            for name in names:
                for password in self._passwords.get(name, ()):
                    yield from self._of(password, etype, salt if salt is not None else f"{realm.upper()}{password.user}")

    def _others(self, etype: int, realm: str, salt: str | None) -> Iterator[KerberosKey]:
        """All other keys, then those of passwords: of the accounts that they are of, and of guesses where the salt is known."""
        for key in chain(self._all.get(etype, ()), self._derived(etype, realm, salt) if etype in _AES else ()):
            if self.tried >= self._limits.key_tries:
                self._cut.add(f"key_tries={self._limits.key_tries}: later tickets were tried with the keys of their own service or account only")
                return
            self.tried += 1
            yield key

    def _derived(self, etype: int, realm: str, salt: str | None) -> Iterator[KerberosKey]:
        for password in chain.from_iterable(self._passwords.values()):
            yield from self._of(password, etype, f"{realm.upper()}{password.user}")
        for guess in self._guesses if salt is not None else ():
            yield from self._of(guess, etype, salt or "")

    def _of(self, password: Password, etype: int, salt: str) -> Iterator[KerberosKey]:
        place = (etype, salt, password.tag)
        if place not in self._of_passwords:
            if len(self._of_passwords) >= self._limits.password_keys:
                self._cut.add(f"password_keys={self._limits.password_keys}: of later passwords no AES key was made")
                return
            made = string_to_key(etype, password.value, salt.encode())
            self._of_passwords[place] = None if made is None else KerberosKey(password.tag, etype, made.value, password.user or "?")
        found = self._of_passwords[place]
        if found is not None:
            yield found

    def issues(self) -> Iterator[Issue]:
        """The limits that were reached."""
        for detail in sorted(self._cut):
            yield Issue("secrets.limit", detail)


def names_of(owner: str) -> Iterator[str]:
    """The names under which tools keep the key of a principal, in small letters: itself, and for a service of a host the computer's account."""
    name = owner.lower()
    yield name
    service, slash, host = name.partition("/")
    if slash:
        yield f"{host.partition('.')[0].partition(':')[0].partition('/')[0]}$"
        yield service
